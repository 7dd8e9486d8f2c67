//! `pgairlock audit rollback-sql`: the way back from a migration, as a script to be read before it is run.

use std::fmt::Write as _;

use clap::Args;

use super::source::{self, Whose};
use crate::audit::record::DecisionId;
use crate::cli::deferred::{Place, one_line, say, with_store};
use crate::cli::{FAILURE, SUCCESS};
use crate::sql::inverse::{Applied, Inverse, Undone, rollback};

/// Flags of `audit rollback-sql`.
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    place: Place,
    /// The migration's version, as its tool wrote it
    #[arg(value_name = "MIGRATION")]
    migration: String,
    /// The database, where migrations of several have that version
    #[arg(long)]
    database: Option<String>,
    /// The tool, where migrations of several have that version
    #[arg(long)]
    tool: Option<String>,
}

/// Prints it; returns the exit code: 0 where everything has a way back, 1 where something has none, 2 where nothing could be said.
pub(super) fn run(args: &RollbackArgs) -> u8 {
    with_store(&args.place, async |store, _| {
        let whose = Whose { database: args.database.clone(), tool: args.tool.clone() };
        let applied = source::applied(&store, &args.migration, &whose).await?;
        let applied: Vec<Applied<'_, DecisionId>> =
            applied.iter().map(|(id, record)| Applied { id: *id, sql: &record.sql, former: &record.former }).collect();
        let (text, code) = script(&args.migration, &applied);
        say(&text);
        Ok(code)
    })
}

/// `applied` in the order in which it was run, and of it only what took effect.
pub(super) fn script(migration: &str, applied: &[Applied<'_, DecisionId>]) -> (String, u8) {
    let undone = rollback(applied);
    let without = undone.iter().filter(|undone| !has_a_way(&undone.inverse)).count();
    let mut out = format!("-- The way back from {}, the last statement first. Read it before you run it.\n", one_line(migration));
    if applied.is_empty() {
        out.push_str("-- Nothing that took effect, and was not taken back since, is recorded of it.\n");
    }
    if without > 0 {
        let _ =
            writeln!(out, "-- {without} of {} statements have no way back that could be written here: see NOT KNOWN and LOST below.", undone.len());
    }
    // What is dropped concurrently does not stand in a transaction.
    out.push_str("-- Run statement by statement, through pgairlock: it gives each its safe form.\n");
    undone.iter().for_each(|undone| out.push_str(&of(undone)));
    (out, if without == 0 { SUCCESS } else { FAILURE })
}

fn has_a_way(inverse: &Inverse) -> bool {
    matches!(inverse, Inverse::Sql { .. } | Inverse::Nothing { .. })
}

fn of(undone: &Undone<DecisionId>) -> String {
    let mut out = format!("\n-- {}: {}\n", undone.id, one_line(&undone.sql));
    let mut comment = |word: &str, text: &str| {
        let _ = writeln!(out, "-- {word}: {}", one_line(text));
    };
    match &undone.inverse {
        Inverse::Sql { statements, loses, remarks } => {
            loses.iter().for_each(|data| comment("loses", data));
            remarks.iter().for_each(|remark| comment("note", remark));
            statements.iter().for_each(|statement| {
                let _ = writeln!(out, "{statement};");
            });
        }
        Inverse::Nothing { why } => comment("nothing to do", why),
        Inverse::NoneWithoutLoss { why } => comment("LOST", why),
        Inverse::NotKnown { why } => comment("NOT KNOWN", why),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_it_does_and_what_it_cannot() {
        let all = [(7, "CREATE TABLE t (a int)"), (9, "ALTER TABLE u\n  ADD UNIQUE (a)"), (11, "DROP TABLE old"), (12, "VACUUM u")];
        let applied = all.map(|(seq, sql)| Applied { id: DecisionId { writer: 3, seq }, sql, former: &[] });
        let (text, code) = script("0042", &applied);
        let expected = "\
-- The way back from 0042, the last statement first. Read it before you run it.
-- 1 of 4 statements have no way back that could be written here: see NOT KNOWN and LOST below.
-- Run statement by statement, through pgairlock: it gives each its safe form.

-- 3-12: VACUUM u
-- nothing to do: it changes no schema and no rows

-- 3-11: DROP TABLE old
-- LOST: the rows went with the table: restore it from a backup, or from a replica that lags behind, into another database, and copy it

-- 3-9: ALTER TABLE u ADD UNIQUE (a)
-- note: PostgreSQL chose the name: where u_a_key was taken, the constraint has a number behind it
ALTER TABLE u DROP CONSTRAINT u_a_key;

-- 3-7: CREATE TABLE t (a int)
-- loses: all rows that were written into it since
DROP TABLE t;
";
        assert_eq!((text.as_str(), code), (expected, FAILURE));
        assert_eq!(script("0042", &applied[..2]).1, SUCCESS);
        assert!(script("0\n;DROP TABLE x", &[]).0.contains("-- Nothing that took effect"));
        assert!(script("0\n;DROP TABLE x", &[]).0.lines().all(|line| line.starts_with("--")));
    }
}
