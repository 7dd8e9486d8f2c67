//! Statements that are run as statements of ours, since they want no transaction around them: by the extended protocol a question of ours has
//! opened one already. There they stand behind a Sync that closes the batch, in which nothing has run.

use crate::catalog::facts::{Facts, Lookup};
use crate::sql::name::RelationName;
use crate::sql::statement::{External, Parsed, ReindexTarget, Script, Statement};

use super::decide::Situation;
use super::plan::Wait;
use super::settings::Mode;
use super::{compose, lock_timeout};

/// How such a statement is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByItself {
    /// The tag of its CommandComplete.
    pub tag: &'static str,
    /// Whether it may wait for locks beyond lock_timeout.
    pub wait: Wait,
    /// The table that it is the only one to build on, as the server resolves it.
    pub table: Option<RelationName>,
}

/// The only statement of its batch, when it is one of these.
pub(super) fn of(script: &Script, facts: &Facts, situation: &Situation<'_>) -> Option<ByItself> {
    let [parsed] = script.statements.as_slice() else { return None };
    if situation.in_transaction {
        return None;
    }
    // As a statement of ours it asks the sessions first that it would wait for, and is the only one on its table.
    if lock_timeout::waits_without_harm(parsed) && (situation.extended || situation.mode == Mode::Enforce) {
        return Some(ByItself { tag: compose::tag(&parsed.statement), wait: Wait::Long, table: table(parsed, facts) });
    }
    // By the simple protocol nothing stands before it, unless it is tried again.
    let is_tried = situation.mode == Mode::Enforce && locks_strongly(parsed);
    if !(situation.extended || is_tried) {
        return None;
    }
    minds_a_transaction(script, parsed).map(|tag| ByItself { tag, wait: Wait::Short, table: None })
}

fn locks_strongly(parsed: &Parsed) -> bool {
    matches!(parsed.statement, Statement::Reindex(_) | Statement::Unjudged { what: "VACUUM FULL" | "CLUSTER", .. })
}

/// What the server takes otherwise inside of a transaction, in some of its forms at least: its tag.
fn minds_a_transaction(script: &Script, parsed: &Parsed) -> Option<&'static str> {
    match &parsed.statement {
        Statement::Brief("VACUUM") | Statement::Unjudged { what: "VACUUM FULL", .. } => Some("VACUUM"),
        Statement::Brief(what @ "DROP TABLESPACE") => Some(what),
        // It is the other way round: behind a question of ours it would pass, and its lock be gone when it is answered.
        Statement::LockTable { .. } => Some("LOCK TABLE"),
        // A partitioned table is rebuilt partition by partition.
        Statement::Reindex(_) => Some("REINDEX"),
        Statement::Unjudged { what: what @ ("CLUSTER" | "CREATE DATABASE" | "DROP DATABASE" | "CREATE TABLESPACE"), .. } => Some(what),
        Statement::Unjudged { what: "ALTER DATABASE … SET TABLESPACE", .. } => Some("ALTER DATABASE"),
        Statement::External(External::PersistentSetting { what: what @ "ALTER SYSTEM", .. }) => Some(what),
        Statement::External(External::Subscription) => subscription(script.text.get(parsed.span.clone())?),
        _ => None,
    }
}

/// CREATE, ALTER or DROP: its first word.
fn subscription(sql: &str) -> Option<&'static str> {
    ["CREATE SUBSCRIPTION", "ALTER SUBSCRIPTION", "DROP SUBSCRIPTION"].into_iter().find(|tag| {
        let word = tag.split(' ').next().unwrap_or_default();
        sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}

/// The table that the statement names, or whose index it names.
fn table(parsed: &Parsed, facts: &Facts) -> Option<RelationName> {
    let named = match &parsed.statement {
        Statement::CreateIndex(create) => &create.table,
        Statement::DropIndex(drop) => drop.relations.first()?,
        Statement::AlterTable(alter) => &alter.relation,
        Statement::Reindex(reindex) => match &reindex.target {
            ReindexTarget::Index(name) | ReindexTarget::Table(name) => name,
            ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => return None,
        },
        _ => return None,
    };
    let found = facts.scope(0).and_then(|scope| scope.relations.get(named)).and_then(Lookup::found);
    Some(found.map_or_else(|| named.clone(), |facts| facts.index.as_ref().map_or_else(|| facts.qualified(), |index| index.table_name())))
}
