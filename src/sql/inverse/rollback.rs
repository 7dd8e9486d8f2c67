//! A whole migration backwards.

use std::collections::BTreeSet;

use super::{Former, Inverse, of, parse};
use crate::sql::former::{Aspect, Known, Place};
use crate::sql::name::RelationName;
use crate::sql::rewrite;
use crate::sql::statement::{AlterAction, Parsed, Statement};
use crate::sql::tokens;

/// A statement that took effect, and the way back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone<I> {
    /// Whatever it is known by.
    pub id: I,
    /// The statement, as it was recorded.
    pub sql: String,
    /// The way back.
    pub inverse: Inverse,
}

/// A string of SQL that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied<'a, I> {
    /// Whatever it is known by.
    pub id: I,
    /// As it was recorded.
    pub sql: &'a str,
    /// What was recorded of before it.
    pub former: &'a [Known],
}

/// The way back from everything that took effect, in the order in which it runs: the last statement first. `applied` is in the order in which it was
/// run; nothing in it may have been rolled back.
#[must_use]
pub fn rollback<I: Clone>(applied: &[Applied<'_, I>]) -> Vec<Undone<I>> {
    let mut made = BTreeSet::new();
    let mut all = Vec::new();
    for Applied { id, sql, former } in applied {
        match parse::script(sql, sql.len()).or_else(|error| parse::script(&filled(sql), sql.len()).map_err(|_| error)) {
            Ok(script) => all.extend(script.statements.iter().enumerate().map(|(statement, parsed)| {
                let former = Former::of(statement, former);
                let inverse = goes_along(parsed, &former, &mut made).unwrap_or_else(|| of(&script, parsed, &former));
                Undone { id: id.clone(), sql: sql.get(parsed.span.clone()).unwrap_or_default().to_owned(), inverse }
            })),
            Err(error) => all.push(Undone { id: id.clone(), sql: (*sql).to_owned(), inverse: unreadable(&error.to_string()) }),
        }
    }
    all.reverse();
    all
}

/// A number that was masked where it was recorded is one again: no way back goes by its value. Each letter stays in its place.
fn filled(sql: &str) -> String {
    let masks = tokens::all(sql).unwrap_or_default().into_iter().map(|token| token.span).filter(|span| sql.get(span.clone()) == Some("?"));
    rewrite::apply(sql, &masks.map(|span| (span, "0".to_owned())).collect::<Vec<_>>())
}

/// A long text is cut where it is recorded.
fn unreadable(error: &str) -> Inverse {
    Inverse::unknown(format!("the recorded text cannot be read ({error}): take it from the migration"))
}

/// What was done to a table that the same migration made goes with the table, its rows among it.
fn goes_along(parsed: &Parsed, former: &Former, made: &mut BTreeSet<RelationName>) -> Option<Inverse> {
    if let Statement::CreateTable(create) = &parsed.statement {
        if !create.if_not_exists || former.was_there(None) == Some(false) {
            made.insert(create.relation.clone());
        }
        return None;
    }
    let table = match &parsed.statement {
        Statement::Query(query) => query.written.as_ref()?,
        Statement::CreateIndex(create) => &create.table,
        Statement::AlterTable(table) if !table.commands.iter().any(|command| matters_beyond(&command.action)) => &table.relation,
        Statement::Brief("COMMENT") => commented(parsed)?,
        Statement::Unjudged { what: "TRUNCATE", relations } if relations.iter().all(|relation| made.contains(relation)) => relations.first()?,
        _ => return None,
    };
    made.contains(table).then(|| Inverse::Nothing { why: format!("it goes with {table}, which the same migration made") })
}

/// The table that a comment is on, or on a part of which.
fn commented(parsed: &Parsed) -> Option<&RelationName> {
    let of_table = |place| matches!(place, Place::Relation | Place::Column | Place::Constraint);
    parsed.replaces.iter().find(|wanted| wanted.aspect == Aspect::Comment && of_table(wanted.place)).map(|wanted| &wanted.name)
}

/// Other tables and their rows are concerned.
fn matters_beyond(action: &AlterAction) -> bool {
    matches!(action, AlterAction::AttachPartition { .. } | AlterAction::DetachPartition(_) | AlterAction::Brief(_) | AlterAction::Unjudged(_))
}
