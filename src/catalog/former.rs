//! What has to be asked of the things that statements write over or take away, and what the server said of them.

use serde::Deserialize;

use crate::sql::former::{Aspect, Wanted, Was};
use crate::sql::statement::{AlterAction, Parsed, Script, SettingChange, Statement};

use super::path::{Paths, SearchPath};

/// So much of one string is asked at most.
const MOST: usize = 200;

/// One thing of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) statement: usize,
    /// The number of its search path.
    pub(super) path: usize,
    pub(super) wanted: Wanted,
}

/// The same with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formerly {
    /// Which statement of the string, from 0.
    pub statement: usize,
    /// What was asked.
    pub wanted: Wanted,
    /// What it was. A comment is its own text, everything else as SQL writes it.
    pub was: Was,
}

#[derive(Deserialize)]
pub(super) struct Answered {
    n: usize,
    there: usize,
    long: bool,
    text: Option<String>,
}

/// What is asked before a string runs, as far as that says what is before each statement.
pub(super) fn asked(script: &Script, paths: &Paths) -> Vec<Asked> {
    let mut all = Vec::new();
    for (statement, parsed) in script.statements.iter().enumerate() {
        let path = paths.number_of(statement);
        let wanted = parsed.replaces.iter().filter(|wanted| {
            let resolvable = wanted.name.schema.is_some() || matches!(paths.list.get(path), Some(SearchPath::Session));
            (wanted.place.is_searched() || resolvable) && holds(script, statement, wanted)
        });
        all.extend(wanted.map(|wanted| Asked { statement, path, wanted: wanted.clone() }));
        if all.len() > MOST {
            // What of a long string is known and what not would be by chance.
            return Vec::new();
        }
    }
    all
}

/// Statements of the same string that come before it have not changed that.
fn holds(script: &Script, statement: usize, wanted: &Wanted) -> bool {
    let Some(before) = script.statements.get(..statement).filter(|before| !before.is_empty()) else { return true };
    let end = before.last().map_or(0, |last| last.span.end);
    let text = script.text.get(..end).unwrap_or_default();
    match wanted.aspect {
        Aspect::Object => !names(text, &wanted.name.name) || wanted.part.as_ref().is_some_and(|part| !names(text, part)),
        Aspect::Default | Aspect::Type | Aspect::NotNull | Aspect::Comment | Aspect::Schema => before.iter().all(keeps_names),
    }
}

/// What has a name behind it has had it before.
fn keeps_names(parsed: &Parsed) -> bool {
    match &parsed.statement {
        Statement::Query(_) | Statement::Transaction(_) | Statement::CreateIndex(_) | Statement::DropIndex(_) | Statement::Copy(_) => true,
        Statement::Setting(change) => !matches!(change, SettingChange::ResetAll | SettingChange::DiscardAll),
        Statement::AlterTable(table) => !table.commands.iter().any(|command| matches!(command.action, AlterAction::DropColumn { .. })),
        // What it makes is not there when it is asked about, unless it hides something of its name.
        Statement::CreateTable(create) => create.relation.schema.is_some() || !create.if_not_exists,
        Statement::Brief(what) => matches!(*what, "COMMENT" | "GRANT" | "CREATE VIEW" | "CREATE SEQUENCE" | "CREATE FUNCTION" | "CREATE TRIGGER"),
        _ => false,
    }
}

/// The text has this name as a word, or may have it in letters that stand for others.
fn names(text: &str, name: &str) -> bool {
    if name.contains('"') || text.contains("U&\"") || text.contains("u&\"") {
        return true;
    }
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    text.match_indices(&name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

/// What the answers say; nothing of what could not be found.
pub(super) fn told(asked: &[Asked], answers: &[Answered]) -> Vec<Formerly> {
    let known = answers.iter().filter_map(|answer| {
        let Asked { statement, wanted, .. } = asked.get(answer.n)?;
        Some(Formerly { statement: *statement, wanted: wanted.clone(), was: was(wanted.aspect, answer)? })
    });
    known.collect()
}

fn was(aspect: Aspect, answer: &Answered) -> Option<Was> {
    match (answer.there, &answer.text, aspect) {
        (0, _, Aspect::Object) => Some(Was::Nothing),
        (1, Some(text), _) => Some(Was::Text(text.clone())),
        (1, None, Aspect::Object) => Some(Was::Withheld),
        (1, None, _) if answer.long => Some(Was::Withheld),
        (1, None, Aspect::Default | Aspect::NotNull | Aspect::Comment) => Some(Was::Nothing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    /// `statement aspect name[.part]` of what is asked.
    fn of(text: &str) -> Vec<String> {
        let script = script(text, 10_000).unwrap();
        let line = |asked: &Asked| {
            let part = asked.wanted.part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
            format!("{} {} {}{part}", asked.statement, asked.wanted.aspect.word(), asked.wanted.name)
        };
        asked(&script, &Paths::of(&script)).iter().map(line).collect()
    }

    #[test]
    fn only_what_writes_over_something_is_asked() {
        for text in [
            "SELECT 1",
            "CREATE TABLE t (a int)",
            "ALTER TABLE t ADD b int",
            "ALTER TABLE t RENAME TO u",
            "DROP TABLE t",
            "CREATE VIEW v AS SELECT 1",
        ] {
            assert!(of(text).is_empty(), "{text}");
        }
        for (text, expected) in [
            ("ALTER TABLE s.t ALTER a SET DEFAULT 1, ALTER b DROP NOT NULL", &["0 default s.t.a", "0 not-null s.t.b"][..]),
            ("ALTER TABLE t ALTER a TYPE bigint, ADD COLUMN IF NOT EXISTS c int", &["0 type t.a", "0 default t.a", "0 object t.c"]),
            ("COMMENT ON COLUMN s.t.a IS 'x'", &["0 comment s.t.a"]),
            ("CREATE INDEX IF NOT EXISTS i ON s.t (a)", &["0 object s.t.i"]),
            ("CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", &["0 object f"]),
            ("DROP INDEX s.i, j", &["0 object s.i.i", "0 object j.j"]),
            ("CREATE TEMP TABLE IF NOT EXISTS t (a int)", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_an_earlier_statement_may_have_changed_is_not_asked() {
        for (text, expected) in [
            ("CREATE TABLE t (a int); CREATE TABLE IF NOT EXISTS t (a int)", &[][..]),
            ("CREATE TABLE t_2 (a int); CREATE TABLE IF NOT EXISTS t (a int)", &["1 object t"]),
            ("CREATE TABLE u (a int); CREATE INDEX IF NOT EXISTS i ON u (a)", &["1 object u.i"]),
            ("ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t ALTER a SET DEFAULT 1", &[]),
            ("ALTER TABLE t ALTER a SET DEFAULT 1; ALTER TABLE t ALTER b SET DEFAULT 1", &["0 default t.a", "1 default t.b"]),
            ("DO 'BEGIN END'; ALTER TABLE t ALTER b SET DEFAULT 1", &[]),
            ("SET search_path = s; CREATE SEQUENCE IF NOT EXISTS q", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert!(of(&"ALTER TABLE t ALTER a SET DEFAULT 1;".repeat(201)).is_empty());
    }
}
