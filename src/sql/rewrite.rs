//! Edits of the user's own text: comments, quoting and case survive. Every result is parsed again (see [`differs_only_by`]).

use std::ops::Range;

use thiserror::Error;

use super::name::{Identifier, RelationName};
use super::parse::{Change, adds_apart, consists_of, consists_of_on, differs_only_by};
use super::statement::{InlineConstraint, Parsed};
use super::tokens::{self, Kind, Token};

/// Why a text was not rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RewriteError {
    /// The keywords are not where they should be.
    #[error("the place of the edit was not found")]
    NoPlace,
    /// The edited text means something else.
    #[error("the edited statement does not mean what it should")]
    Different,
}

/// What a command of a composed ALTER TABLE must mean, compared with the user's own command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The same.
    AsWritten,
    /// The same constraint under this name.
    Named(String),
    /// The same constraint under this name, NOT VALID.
    NotValid(String),
    /// The same column without the constraints that stand in these places of the script.
    Without(Vec<Range<usize>>),
    /// What its text, in which nothing is the user's, means by itself.
    Own,
}

/// A command of a composed ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its text, from its first token to its last.
    pub sql: String,
    /// What it must mean.
    pub meaning: Meaning,
}

/// The ALTER TABLE of `parsed` with these commands, each for the user's own of that number, and no others.
///
/// # Errors
/// When the result does not mean exactly that.
pub fn compose_alter(text: &str, parsed: &Parsed, first: usize, commands: &[(usize, Command)]) -> Result<String, RewriteError> {
    let beginning = without(text, &(parsed.span.start..first), &[])?;
    let list: Vec<&str> = commands.iter().map(|(_, command)| command.sql.as_str()).collect();
    let composed = format!("{beginning} {}", list.join(", "));
    if consists_of(text, &parsed.span, &composed, commands) { Ok(composed) } else { Err(RewriteError::Different) }
}

/// The same commands as an ALTER TABLE of another table.
///
/// # Errors
/// When the result does not mean exactly that.
pub fn alter_of(text: &str, parsed: &Parsed, table: &RelationName, commands: &[(usize, Command)]) -> Result<String, RewriteError> {
    let list: Vec<&str> = commands.iter().map(|(_, command)| command.sql.as_str()).collect();
    let composed = format!("ALTER TABLE {table} {}", list.join(", "));
    if consists_of_on(text, &parsed.span, &composed, commands, table) { Ok(composed) } else { Err(RewriteError::Different) }
}

/// A part of the text without what stands in these places. Every piece that stays ends with a token: a comment beside what is taken out goes too,
/// since one that lost its line break would hide what follows.
///
/// # Errors
/// When the part is no sequence of tokens.
pub fn without(text: &str, part: &Range<usize>, removed: &[Range<usize>]) -> Result<String, RewriteError> {
    let tokens = tokens::significant(text, part).map_err(|_| RewriteError::NoPlace)?;
    let place = |token: &Token| removed.iter().filter(|range| range.end <= token.span.start).count();
    let stays = |token: &&Token| !removed.iter().any(|range| range.contains(&token.span.start));
    let kept: Vec<&Token> = tokens.iter().filter(stays).collect();
    let pieces = kept.chunk_by(|one, next| place(one) == place(next)).filter_map(|run| text.get(run.first()?.span.start..run.last()?.span.end));
    Ok(pieces.collect::<Vec<_>>().join(" "))
}

/// What stands in the parentheses behind the first bare `word` of a part of the text.
#[must_use]
pub fn parenthesized_after<'t>(text: &'t str, part: &Range<usize>, word: &str) -> Option<&'t str> {
    let tokens = tokens::significant(text, part).ok()?;
    let at = tokens.iter().position(|token| token.depth == 0 && token.kind.is_keyword(word))?;
    let open = tokens.get(at + 1).filter(|token| token.kind == Kind::Open)?;
    let close = tokens.get(at + 2..)?.iter().find(|token| token.depth == open.depth && token.kind == Kind::Close)?;
    text.get(open.span.end..close.span.start)
}

/// Whether `sql` adds to its table what this constraint beside a column says, under this name and NOT VALID.
#[must_use]
pub fn adds_beside(text: &str, parsed: &Parsed, inline: &InlineConstraint, name: &str, sql: &str) -> bool {
    adds_apart(text, &parsed.span, &inline.span, name, sql)
}

/// `text` with each range replaced. Ranges must not overlap; one outside of the text is left out.
#[must_use]
pub fn apply(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut ordered: Vec<_> = edits.iter().collect();
    ordered.sort_by_key(|(range, _)| (range.start, range.end));
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for (range, replacement) in ordered {
        let Some(before) = text.get(done..range.start).filter(|_| text.get(range.clone()).is_some()) else { continue };
        edited.push_str(before);
        edited.push_str(replacement);
        done = range.end;
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}

/// `CREATE INDEX …` as `CREATE INDEX CONCURRENTLY …`; an index without a name gets `name` when one is given.
///
/// # Errors
/// When the statement is no CREATE INDEX, is concurrent already, or has a name although one is given.
pub fn create_index_concurrently(text: &str, parsed: &Parsed, name: Option<&str>) -> Result<String, RewriteError> {
    let addition = match name {
        Some(name) => format!(" CONCURRENTLY {}", Identifier(name)),
        None => " CONCURRENTLY".to_owned(),
    };
    insert(text, parsed, after_index, &addition, Change::CreateIndex(name))
}

/// `CREATE INDEX ON …` with a name.
///
/// # Errors
/// When the statement is no CREATE INDEX, or has a name already.
pub fn create_index_named(text: &str, parsed: &Parsed, name: &str) -> Result<String, RewriteError> {
    insert(text, parsed, after_index, &format!(" {}", Identifier(name)), Change::NameIndex(name))
}

fn after_index(tokens: &[Token]) -> Option<usize> {
    match tokens {
        [create, unique, index, ..] if words(&[create, unique, index], &["CREATE", "UNIQUE", "INDEX"]) => Some(index.span.end),
        [create, index, ..] if words(&[create, index], &["CREATE", "INDEX"]) => Some(index.span.end),
        _ => None,
    }
}

/// `CREATE INDEX …` as `CREATE INDEX CONCURRENTLY …` of another table, under this name.
///
/// # Errors
/// When the statement is no CREATE INDEX, or its table's name is not found.
pub fn create_index_on(text: &str, parsed: &Parsed, table: &RelationName, name: &str) -> Result<String, RewriteError> {
    let statement = text.get(parsed.span.clone()).ok_or(RewriteError::NoPlace)?;
    let tokens = tokens::significant(statement, &(0..statement.len())).map_err(|_| RewriteError::NoPlace)?;
    let at = |word: &str| tokens.iter().position(|token| token.depth == 0 && token.kind.is_keyword(word)).ok_or(RewriteError::NoPlace);
    let (index, on) = (at("INDEX")?, at("ON")?);
    let rest = tokens.get(on..).unwrap_or_default();
    let ends = |token: &&Token| token.depth == 0 && (token.kind == Kind::Open || token.kind.is_keyword("USING"));
    let behind = rest.iter().find(ends).ok_or(RewriteError::NoPlace)?.span.start;
    let last = rest.iter().rev().find(|token| token.span.end <= behind).ok_or(RewriteError::NoPlace)?.span.end;
    let from = tokens.get(index).ok_or(RewriteError::NoPlace)?.span.end;
    let edited = apply(statement, &[(from..last, format!(" CONCURRENTLY {} ON {table}", Identifier(name)))]);
    if differs_only_by(statement, &edited, Change::CreateIndexOn(table, name)) { Ok(edited) } else { Err(RewriteError::Different) }
}

/// `DROP INDEX …` as `DROP INDEX CONCURRENTLY …`.
///
/// # Errors
/// When the statement is no DROP INDEX or is concurrent already.
pub fn drop_index_concurrently(text: &str, parsed: &Parsed) -> Result<String, RewriteError> {
    let after = |tokens: &[Token]| match tokens {
        [drop, index, ..] if words(&[drop, index], &["DROP", "INDEX"]) => Some(index.span.end),
        _ => None,
    };
    insert(text, parsed, after, " CONCURRENTLY", Change::DropIndex)
}

/// `REINDEX (…) INDEX …` as `REINDEX (…) INDEX CONCURRENTLY …`; TABLE, SCHEMA and DATABASE likewise.
///
/// # Errors
/// When the statement is no REINDEX or is concurrent already.
pub fn reindex_concurrently(text: &str, parsed: &Parsed) -> Result<String, RewriteError> {
    let after = |tokens: &[Token]| {
        let (first, rest) = tokens.split_first().filter(|(first, _)| first.kind.is_keyword("REINDEX"))?;
        let target = rest.iter().find(|token| token.depth == first.depth && matches!(token.kind, Kind::Word(_)))?;
        ["INDEX", "TABLE", "SCHEMA", "DATABASE"].iter().any(|word| target.kind.is_keyword(word)).then_some(target.span.end)
    };
    insert(text, parsed, after, " CONCURRENTLY", Change::Reindex)
}

/// `REFRESH MATERIALIZED VIEW …` as `REFRESH MATERIALIZED VIEW CONCURRENTLY …`.
///
/// # Errors
/// When the statement is no REFRESH, or is concurrent already.
pub fn refresh_concurrently(text: &str, parsed: &Parsed) -> Result<String, RewriteError> {
    let after = |tokens: &[Token]| match tokens {
        [refresh, materialized, view, ..] if words(&[refresh, materialized, view], &["REFRESH", "MATERIALIZED", "VIEW"]) => Some(view.span.end),
        _ => None,
    };
    insert(text, parsed, after, " CONCURRENTLY", Change::Refresh)
}

fn words(tokens: &[&Token], expected: &[&str]) -> bool {
    tokens.iter().zip(expected).all(|(token, word)| token.kind.is_keyword(word))
}

fn insert(
    text: &str,
    parsed: &Parsed,
    after: impl Fn(&[Token]) -> Option<usize>,
    addition: &str,
    change: Change<'_>,
) -> Result<String, RewriteError> {
    let statement = text.get(parsed.span.clone()).ok_or(RewriteError::NoPlace)?;
    let tokens = tokens::significant(statement, &(0..statement.len())).map_err(|_| RewriteError::NoPlace)?;
    let at = after(&tokens).ok_or(RewriteError::NoPlace)?;
    let edited = apply(statement, &[(at..at, addition.to_owned())]);
    if differs_only_by(statement, &edited, change) { Ok(edited) } else { Err(RewriteError::Different) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    fn first(text: &str) -> Parsed {
        script(text, 1 << 20).unwrap().statements.into_iter().next().unwrap()
    }

    #[test]
    fn a_created_index_becomes_concurrent_and_keeps_its_letters() {
        for (text, expected) in [
            ("CREATE INDEX i ON t (a)", "CREATE INDEX CONCURRENTLY i ON t (a)"),
            ("create unique index if not exists \"I\" on T(a) -- why", "create unique index CONCURRENTLY if not exists \"I\" on T(a)"),
            ("/* a */ CREATE /* b */ INDEX/* c */ON t (a) WHERE b = E'\\'x'", "CREATE /* b */ INDEX CONCURRENTLY/* c */ON t (a) WHERE b = E'\\'x'"),
            ("CREATE INDEX \"ünï\" ON t (a) WHERE c = 'ß;'", "CREATE INDEX CONCURRENTLY \"ünï\" ON t (a) WHERE c = 'ß;'"),
            ("SELECT 1", ""),
            ("CREATE INDEX CONCURRENTLY i ON t (a)", ""),
        ] {
            assert_eq!(create_index_concurrently(text, &first(text), None).unwrap_or_default(), expected);
        }
    }

    #[test]
    fn an_index_is_made_on_another_table() {
        let table = RelationName::qualified("S", "leaf");
        for (text, expected) in [
            ("CREATE INDEX i ON t (a)", "CREATE INDEX CONCURRENTLY leaf_i ON \"S\".leaf (a)"),
            ("create unique index if not exists \"I\" on only t.t -- x\n (a)", "create unique index CONCURRENTLY leaf_i ON \"S\".leaf -- x\n (a)"),
            ("CREATE INDEX ON t * USING gin(a) WHERE b", "CREATE INDEX CONCURRENTLY leaf_i ON \"S\".leaf USING gin(a) WHERE b"),
            ("CREATE INDEX \"on\" ON \"using\"(a)", "CREATE INDEX CONCURRENTLY leaf_i ON \"S\".leaf(a)"),
            ("DROP INDEX i", ""),
        ] {
            assert_eq!(create_index_on(text, &first(text), &table, "leaf_i").unwrap_or_default(), expected);
        }
    }

    #[test]
    fn a_command_is_given_to_another_table() {
        let text = "ALTER TABLE ONLY t ADD CHECK (a > 0), ADD UNIQUE (a)";
        let of = |command: Command| alter_of(text, &first(text), &RelationName::unqualified("leaf"), &[(0, command)]);
        let named = |sql: &str| of(Command { sql: sql.to_owned(), meaning: Meaning::Named("k".to_owned()) });
        assert_eq!(named("ADD CONSTRAINT k CHECK (a > 0)").unwrap(), "ALTER TABLE leaf ADD CONSTRAINT k CHECK (a > 0)");
        assert_eq!(named("ADD CONSTRAINT k CHECK (a > 1)"), Err(RewriteError::Different));
        assert_eq!(named("ADD CONSTRAINT l CHECK (a > 0)"), Err(RewriteError::Different));
    }

    #[test]
    fn an_index_without_a_name_gets_the_chosen_one() {
        let text = "CREATE INDEX ON t (a)";
        assert_eq!(create_index_concurrently(text, &first(text), Some("t_a_idx")).unwrap(), "CREATE INDEX CONCURRENTLY t_a_idx ON t (a)");
        assert_eq!(create_index_concurrently(text, &first(text), Some("T x")).unwrap(), "CREATE INDEX CONCURRENTLY \"T x\" ON t (a)");
        let named = "CREATE INDEX i ON t (a)";
        assert_eq!(create_index_concurrently(named, &first(named), Some("j")), Err(RewriteError::Different));
        assert_eq!(create_index_named(text, &first(text), "t_a_idx").unwrap(), "CREATE INDEX t_a_idx ON t (a)");
        assert_eq!(create_index_named(named, &first(named), "j"), Err(RewriteError::Different));
    }

    #[test]
    fn the_second_statement_of_a_script_is_edited_alone() {
        let text = "SELECT 'ü'; CREATE INDEX i ON t (a); SELECT 2";
        let second = script(text, 1 << 20).unwrap().statements.swap_remove(1);
        assert_eq!(create_index_concurrently(text, &second, None).unwrap(), "CREATE INDEX CONCURRENTLY i ON t (a)");
    }

    #[test]
    fn a_dropped_index_becomes_concurrent() {
        for (text, expected) in [
            ("DROP INDEX IF EXISTS s.i", "DROP INDEX CONCURRENTLY IF EXISTS s.i"),
            ("drop index -- the old one\n i, j cascade", "drop index CONCURRENTLY -- the old one\n i, j cascade"),
            ("DROP TABLE t", ""),
        ] {
            assert_eq!(drop_index_concurrently(text, &first(text)).unwrap_or_default(), expected);
        }
    }

    #[test]
    fn a_refresh_becomes_concurrent() {
        for (text, expected) in [
            ("REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW CONCURRENTLY v"),
            ("refresh /* a */ materialized view S.\"V\" with data", "refresh /* a */ materialized view CONCURRENTLY S.\"V\" with data"),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", ""),
            ("SELECT 1", ""),
        ] {
            assert_eq!(refresh_concurrently(text, &first(text)).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn a_reindex_becomes_concurrent() {
        for (text, expected) in [
            ("REINDEX INDEX i", "REINDEX INDEX CONCURRENTLY i"),
            ("REINDEX (VERBOSE, TABLESPACE x) TABLE s.t", "REINDEX (VERBOSE, TABLESPACE x) TABLE CONCURRENTLY s.t"),
            ("REINDEX SCHEMA s", "REINDEX SCHEMA CONCURRENTLY s"),
            ("reindex database", "reindex database CONCURRENTLY"),
            ("REINDEX SYSTEM d", ""),
            ("REINDEX TABLE CONCURRENTLY t", ""),
            ("REINDEX (CONCURRENTLY) TABLE t", ""),
        ] {
            assert_eq!(reindex_concurrently(text, &first(text)).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn a_composed_alter_must_consist_of_what_is_meant() {
        let text = "SELECT 1; ALTER TABLE t -- x\n ADD COLUMN c int -- y\n CHECK (c > 0) DEFAULT 5, ADD CHECK (a > 0), ADD COLUMN d int";
        let parsed = script(text, 1 << 20).unwrap().statements.swap_remove(1);
        let place = |part: &str| text.find(part).unwrap()..text.find(part).unwrap() + part.len();
        let compose = |commands: &[(usize, &str, Meaning)]| {
            let commands = commands.iter().map(|(number, sql, meaning)| (*number, Command { sql: (*sql).to_owned(), meaning: meaning.clone() }));
            compose_alter(text, &parsed, place("ADD COLUMN c").start, &commands.collect::<Vec<_>>())
        };
        let without = || Meaning::Without(vec![place("CHECK (c > 0)")]);
        let checked = || Meaning::NotValid("k".to_owned());
        let added = || (2, "ADD COLUMN d int", Meaning::AsWritten);
        let good = compose(&[(0, "ADD COLUMN c int DEFAULT 5", without()), (1, "ADD CONSTRAINT k CHECK (a > 0) NOT VALID", checked()), added()]);
        let expected = "ALTER TABLE t ADD COLUMN c int DEFAULT 5, ADD CONSTRAINT k CHECK (a > 0) NOT VALID, ADD COLUMN d int";
        assert_eq!(good.as_deref(), Ok(expected));
        assert_eq!(
            compose(&[(2, "ADD CHECK (a > 1) NOT VALID", Meaning::Own), added()]).unwrap(),
            "ALTER TABLE t ADD CHECK (a > 1) NOT VALID, ADD COLUMN d int"
        );
        for wrong in [
            vec![(0, "ADD COLUMN c int -- y DEFAULT 5", without()), added()],
            vec![(0, "ADD COLUMN c int DEFAULT 5 -- y", without()), added()],
            vec![(0, "ADD COLUMN c int DEFAULT 5 CHECK (c > 0)", without()), added()],
            vec![(0, "ADD COLUMN c int DEFAULT 6", without()), added()],
            vec![(0, "ADD COLUMN c int", without()), added()],
            vec![(1, "ADD CHECK (a > 0) NOT VALID", checked()), added()],
            vec![(1, "ADD CONSTRAINT k CHECK (a > 0)", checked()), added()],
            vec![(1, "ADD CONSTRAINT k CHECK (a > 1) NOT VALID", checked()), added()],
            vec![(2, "ADD COLUMN d int, ADD COLUMN e int", Meaning::AsWritten)],
            vec![(2, "ADD CHECK (a > 1) NOT VALID; DROP TABLE t", Meaning::Own)],
            vec![(0, "ADD COLUMN d int", Meaning::AsWritten)],
            vec![(9, "ADD COLUMN d int", Meaning::AsWritten)],
        ] {
            assert_eq!(compose(&wrong), Err(RewriteError::Different), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_taken_out_takes_the_comments_beside_it_along() {
        let text = "a -- b\n (c /* d */ e) -- f\n g -- h";
        let place = |part: &str| text.find(part).unwrap()..text.find(part).unwrap() + part.len();
        assert_eq!(without(text, &(0..text.len()), &[place("(c /* d */ e)")]).unwrap(), "a g");
        assert_eq!(without(text, &(0..text.len()), &[place("g")]).unwrap(), "a -- b\n (c /* d */ e)");
        assert_eq!(without(text, &(0..text.len()), &[]).unwrap(), "a -- b\n (c /* d */ e) -- f\n g");
    }

    #[test]
    fn an_expression_is_found_in_its_parentheses() {
        let inside = |text: &str| parenthesized_after(text, &(0..text.len()), "CHECK").map(str::to_owned);
        assert_eq!(inside("ADD CONSTRAINT k check /* ( */ (a > (1 + 2)) NO INHERIT").as_deref(), Some("a > (1 + 2)"));
        assert_eq!(inside("ADD CONSTRAINT \"CHECK\" CHECK (a = ')')").as_deref(), Some("a = ')'"));
        assert_eq!(inside("ADD UNIQUE (a)"), None);
    }

    #[test]
    fn edits_are_applied_in_place() {
        assert_eq!(apply("abcdef", &[(4..5, "E".to_owned()), (0..1, "A".to_owned()), (2..2, "-".to_owned())]), "Ab-cdEf");
        assert_eq!(apply("abc", &[(9..12, "x".to_owned())]), "abc");
    }
}
