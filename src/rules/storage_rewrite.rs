//! SET LOGGED, UNLOGGED, TABLESPACE, ACCESS METHOD: the table, or an index, written anew.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{AlterAction, Statement, Storage};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("storage-rewrite"),
    sqlstate: "PA001",
    hazard: "SET LOGGED, UNLOGGED, TABLESPACE and ACCESS METHOD write the whole table anew under an AccessExclusive lock, unless it is so already.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "A new table that is filled in batches and takes the name; for an index a new one by CREATE INDEX CONCURRENTLY … TABLESPACE.",
    bad: "ALTER TABLE t SET UNLOGGED",
    good: &["CREATE UNLOGGED TABLE t_new (LIKE t INCLUDING ALL)"],
    good_since: OLDEST,
    judge,
};

/// Where a database keeps its tables unless it was told otherwise.
const DEFAULT_TABLESPACE: &str = "pg_default";
/// How they are kept.
const DEFAULT_ACCESS_METHOD: &str = "heap";

fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Statement::Unjudged { what: "ALTER INDEX … SET TABLESPACE", relations } = &case.parsed.statement {
        let target = case.judged(relations).find(|target| !target.bears_work())?;
        let consequence = format!("ALTER INDEX {} SET TABLESPACE copies the index, and nobody reads its table meanwhile", target.name);
        let advice = vec![format!("Run it outside a transaction: REINDEX (TABLESPACE …, CONCURRENTLY) INDEX {};", target.name)];
        let finding = case.finding(&RULE, &target, consequence, Remedy::Advice(advice));
        return Some(finding.about_table_of(&target));
    }
    let (statement, command) = case.command?;
    let AlterAction::Store(storage) = &command.action else { return None };
    let target = case.target(&statement.relation);
    let has_rows = !matches!(target.facts, Some(facts) if facts.kind == 'p');
    if target.bears_work() || !has_rows || !case.is_changed(&target) && is_so(&target, storage) {
        return None;
    }
    let consequence = format!("{} of {} writes the whole table anew and blocks all reads and writes meanwhile", storage.words(), target.name);
    let advice = vec![format!(
        "In steps: 1. CREATE TABLE {0}_new (LIKE {0} INCLUDING ALL) as it is to be stored; 2. a trigger that keeps it equal, and the old rows in batches; 3. swap the two names in one short transaction.",
        statement.relation.name
    )];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}

/// Where nothing is known of it, it is taken for an ordinary table.
fn is_so(target: &Target<'_>, storage: &Storage) -> bool {
    let has = |own: fn(&RelationFacts) -> Option<&str>, ordinary: &str, wanted: &str| match target.facts {
        Some(facts) => own(facts) == Some(wanted),
        None => wanted == ordinary,
    };
    match storage {
        Storage::Logged => target.facts.is_some_and(|facts| facts.persistence == 'p'),
        Storage::Unlogged => target.facts.is_some_and(|facts| facts.persistence == 'u'),
        Storage::Tablespace(name) => has(|facts| facts.tablespace.as_deref(), DEFAULT_TABLESPACE, name),
        Storage::AccessMethod(Some(name)) => has(|facts| facts.access_method.as_deref(), DEFAULT_ACCESS_METHOD, name),
        Storage::AccessMethod(None) => false,
    }
}
