//! Where the catalog does not say what an ALTER TABLE writes anew, the server is asked itself: the command runs on an empty table of the same columns, in
//! a transaction that is rolled back, and the files before and after are compared (facts: hazards, "The probe").
//!
//! It makes a temporary table, so it wants the right to; even rolled back it would stand in the way of a later PREPARE TRANSACTION, and event triggers
//! see it: then nothing is asked. It reads nothing of the table but its definition.

use serde::Deserialize;

use crate::sql::name::{Identifier, RelationName};

use super::questions::Answer;

/// A command that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The table, as the server resolves it.
    pub table: RelationName,
    /// One command of an ALTER TABLE, as written.
    pub command: String,
}

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// What was tried.
    pub probe: Probe,
    /// What it wrote anew; none where it could not be tried.
    pub written: Option<Written>,
}

/// What a command writes anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Neither the table nor an index.
    Nothing,
    /// An index.
    Indexes,
    /// The table.
    Table,
}

/// The files of the table and of its indexes.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Files {
    table: u32,
    indexes: Vec<u32>,
}

/// Its limits: the lock is the weakest there is, and a table of no rows takes no time.
const LIMITS: &str = "SELECT pg_catalog.set_config('lock_timeout', '10', true), pg_catalog.set_config('statement_timeout', '100', true)";
const FILES: &str = "SELECT pg_catalog.json_build_object(
    'table', c.relfilenode::pg_catalog.int8,
    'indexes', COALESCE((SELECT pg_catalog.json_agg(i.relfilenode::pg_catalog.int8 ORDER BY i.relfilenode)
      FROM pg_catalog.pg_index AS x, pg_catalog.pg_class AS i
      WHERE x.indrelid OPERATOR(pg_catalog.=) c.oid AND i.oid OPERATOR(pg_catalog.=) x.indexrelid), '[]'::pg_catalog.json)
  )::pg_catalog.text
  FROM pg_catalog.pg_class AS c
  WHERE c.relname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()";
/// The places of the two questions among the answers, behind the statement that opens the transaction.
const BEFORE: usize = 3;
const AFTER: usize = 5;

impl Probe {
    /// What is run, in order, with its parameters; behind what opens a transaction, or a savepoint, and before what rolls it back. The table that is
    /// made has this name.
    #[must_use]
    pub fn statements(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let clone = format!("pg_temp.{}", Identifier(name));
        let files = || (FILES.to_owned(), vec![name.to_owned()]);
        vec![
            (LIMITS.to_owned(), Vec::new()),
            (format!("CREATE TEMPORARY TABLE {clone} (LIKE {} INCLUDING INDEXES)", self.table), Vec::new()),
            files(),
            (format!("ALTER TABLE {clone} {}", self.command), Vec::new()),
            files(),
        ]
    }

    /// What the answers tell, that of the opening statement among them.
    #[must_use]
    pub fn read(answers: &[Answer]) -> Option<Written> {
        let files = |place: usize| match answers.get(place) {
            Some(Answer::Text(Some(text))) => serde_json::from_str::<Files>(text).ok(),
            _ => None,
        };
        let (before, after) = (files(BEFORE)?, files(AFTER)?);
        Some(match (before.table == after.table, before.indexes == after.indexes) {
            (false, _) => Written::Table,
            (true, false) => Written::Indexes,
            (true, true) => Written::Nothing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_tell_what_was_written_anew() {
        let read = |before: &str, after: &str| {
            let texts = ["", "", "", before, "", after, ""].map(|text| Answer::Text(Some(text.to_owned())));
            Probe::read(&texts)
        };
        let files = |table: u32, index: u32| format!("{{\"table\": {table}, \"indexes\": [{index}]}}");
        assert_eq!(read(&files(1, 2), &files(1, 2)), Some(Written::Nothing));
        assert_eq!(read(&files(1, 2), &files(1, 3)), Some(Written::Indexes));
        assert_eq!(read(&files(1, 2), &files(4, 3)), Some(Written::Table));
        assert_eq!(read(&files(1, 2), ""), None);
        assert_eq!(Probe::read(&[]), None);
    }

    #[test]
    fn a_command_is_tried_on_a_copy_of_the_tables_columns() {
        let probe = Probe { table: RelationName::qualified("public", "T"), command: "ALTER a TYPE text USING a::text".into() };
        let sql: Vec<String> = probe.statements("_p").into_iter().map(|(sql, _)| sql).collect();
        assert_eq!(sql[1], "CREATE TEMPORARY TABLE pg_temp._p (LIKE public.\"T\" INCLUDING INDEXES)");
        assert_eq!(sql[3], "ALTER TABLE pg_temp._p ALTER a TYPE text USING a::text");
    }
}
