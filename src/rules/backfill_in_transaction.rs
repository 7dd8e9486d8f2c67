//! Rows written in great numbers while an earlier statement of the transaction keeps everybody from a table.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::promise::is_version_table;
use crate::sql::name::RelationName;
use crate::sql::statement::{CreateTable, Query, Reach, Statement};

use super::batches;
use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::{Standing, Target};

pub(super) const RULE: Rule = Rule {
    id: RuleId("backfill-in-transaction"),
    sqlstate: "PA001",
    hazard: "Whatever the transaction has altered stays locked until its COMMIT: the longer it writes rows, the longer everybody waits.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "The rows in a migration of their own, in batches, between the one that adds the column and the one that demands it.",
    bad: "ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = a WHERE c IS NULL",
    good: &["ALTER TABLE t ADD COLUMN c int", "UPDATE t SET c = a WHERE id IN (SELECT id FROM t WHERE c IS DISTINCT FROM a LIMIT 1000)"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (what, target) = match &case.parsed.statement {
        Statement::Query(query) => rows_of(case, query)?,
        Statement::CreateTable(create) => copied(case, create)?,
        _ => return None,
    };
    let locked = case.overlay.all_locked().find(|name| **name == target.name).or_else(|| case.overlay.locked())?;
    let consequence = format!("{what} {} takes its time while an earlier statement of this transaction keeps everybody from {locked}", target.name);
    let advice = vec![
        "In migrations of their own: 1. what alters the table;".to_owned(),
        format!("2. the rows, in batches, each in a transaction of its own: {}", batches::update(&target)),
        "3. what needs them filled.".to_owned(),
    ];
    let locked = (*locked != target.name).then(|| locked.clone());
    Some(Finding { locked, ..case.finding(&RULE, &target, consequence, Remedy::Advice(advice)) })
}

/// The table of which very many rows are written or read.
fn rows_of<'a>(case: &Case<'a>, query: &Query) -> Option<(&'static str, Target<'a>)> {
    let written = query.written.as_ref().filter(|table| !is_version_table(table))?;
    match &query.reach {
        Reach::Given => None,
        Reach::All => many(case.target(written)).map(|target| ("writing every row of", target)),
        Reach::Pinned(columns) => {
            let target = many(case.target(written)).filter(|target| !are_few(target, columns))?;
            Some(("writing rows of", target))
        }
        Reach::Queried => read_by(case, None).map(|target| ("writing rows that are read from", target)),
    }
}

/// CREATE TABLE AS and its like.
fn copied<'a>(case: &Case<'a>, create: &CreateTable) -> Option<(&'static str, Target<'a>)> {
    if !create.from_query {
        return None;
    }
    read_by(case, Some(&create.relation)).map(|target| ("copying rows of", target))
}

fn read_by<'a>(case: &Case<'a>, but: Option<&RelationName>) -> Option<Target<'a>> {
    let read = case.parsed.relations.iter().filter(|name| Some(*name) != but).map(|name| case.target(name));
    read.filter(|target| target.standing == Standing::Large).find_map(many)
}

fn many(target: Target<'_>) -> Option<Target<'_>> {
    (!target.bears_work()).then_some(target)
}

/// A unique index finds them. Of a table that is not known, any column that is pinned is taken for such a key.
fn are_few(target: &Target<'_>, pinned: &[String]) -> bool {
    let is_key = |facts: &RelationFacts| {
        facts.indexes.iter().any(|index| index.unique && index.valid && index.plain && index.key.iter().all(|column| pinned.contains(column)))
    };
    target.facts.map_or(!pinned.is_empty(), is_key)
}
