//! What is put back as it was, by what was recorded of before.

use super::{Aspect, Former, Inverse, Was, grant};
use crate::sql::name::Identifier;
use crate::sql::statement::Drop;
use crate::sql::tokens::{self, Kind};

/// DROP INDEX.
pub(super) fn index(drop: &Drop, former: &Former) -> Inverse {
    let (mut statements, mut unknown) = (Vec::new(), Vec::new());
    for relation in drop.relations.iter().rev() {
        match former.was(Aspect::Object, Some(&relation.name)) {
            Some(Was::Text(definition)) => statements.push(definition.clone()),
            Some(Was::Nothing) if drop.if_exists => {}
            _ => unknown.push(relation.to_string()),
        }
    }
    if unknown.is_empty() && statements.is_empty() {
        return Inverse::nothing("it was not there (IF EXISTS)");
    }
    if unknown.is_empty() {
        return Inverse::Sql { statements, loses: None, remarks: Vec::new() };
    }
    unknown.reverse();
    Inverse::unknown(format!(
        "the definition of {} stands in the migration that made it: run that CREATE INDEX again, CONCURRENTLY; no data is lost",
        unknown.join(", ")
    ))
}

/// SET SCHEMA of what was written without its own.
pub(super) fn schema(sql: &str, former: &Former) -> Option<Inverse> {
    let Some(Was::Text(schema)) = former.was(Aspect::Schema, None) else { return None };
    let tokens = tokens::significant(sql, &(0..sql.len())).ok()?;
    let set = tokens.iter().rposition(|token| token.kind.is_keyword("SET"))?;
    let (name, there) = (tokens.get(set.checked_sub(1)?)?, tokens.last()?);
    if !matches!(name.kind, Kind::Word(_) | Kind::Quoted) {
        return None;
    }
    let moved = format!("{}.{}", sql.get(there.span.clone())?, sql.get(name.span.clone())?);
    let words = tokens.get(..set.checked_sub(1)?)?.iter().filter(|token| !["IF", "EXISTS"].iter().any(|word| token.kind.is_keyword(word)));
    let kind: Vec<&str> = words.filter_map(|token| sql.get(token.span.clone())).collect();
    Some(Inverse::sql(format!("{} {moved} SET SCHEMA {}", kind.join(" "), Identifier(schema))))
}

/// COMMENT: the same with what stood there.
pub(super) fn comment(sql: &str, former: &Former) -> Option<Inverse> {
    let value = match former.comment()? {
        Was::Nothing => "NULL",
        Was::Text(literal) => literal,
        Was::Withheld => return None,
    };
    let tokens = tokens::significant(sql, &(0..sql.len())).ok()?;
    let is = tokens.iter().rposition(|token| token.kind.is_keyword("IS"))?;
    let head = sql.get(..tokens.get(is)?.span.end)?;
    Some(Inverse::sql(format!("{} {value}", grant::on_one_line(head)?)))
}

/// OR REPLACE, where something was there or may have been; `back` takes away what was made.
pub(super) fn replaced(back: &str, former: &Former) -> Inverse {
    match former.was(Aspect::Object, None) {
        Some(Was::Text(definition)) if definition.starts_with("CREATE ") => Inverse::sql(definition.trim_end().trim_end_matches(';').to_owned()),
        Some(Was::Text(query)) => Inverse::remarked(
            format!("{} {}", back.replacen("DROP VIEW", "CREATE OR REPLACE VIEW", 1), query.trim_end().trim_end_matches(';')),
            "where the newer one has more columns, PostgreSQL refuses that: drop it first, and grant its privileges again",
        ),
        Some(_) => {
            Inverse::unknown("OR REPLACE: something was there before, and its definition is not recorded: take it from the migration that made it")
        }
        None => Inverse::unknown(format!(
            "OR REPLACE: what was there before is not recorded; put its former definition back, or, where nothing was: {back}"
        )),
    }
}
