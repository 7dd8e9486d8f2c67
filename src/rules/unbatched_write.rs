//! UPDATE and DELETE of every row of a large table in one statement.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::promise::is_version_table;
use crate::sql::statement::{Reach, Statement};

use super::batches;
use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("unbatched-write"),
    sqlstate: "PA001",
    hazard: "An UPDATE or DELETE of every row locks each row until COMMIT and leaves a dead one: writers wait, and the table grows to twice its size.",
    lock: Some(LockMode::RowExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "The same in batches of some thousand rows, each in a transaction of its own.",
    bad: "UPDATE t SET a = 0",
    good: &["UPDATE t SET a = 0 WHERE id >= 1 AND id < 1000 AND a IS DISTINCT FROM 0"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Query(query) = &case.parsed.statement else { return None };
    // A tool writes the one row of its version table so.
    let written = query.written.as_ref().filter(|table| query.reach == Reach::All && !is_version_table(table))?;
    let target = case.target(written);
    if target.bears_work() {
        return None;
    }
    let deletes = case.slice(&case.parsed.span).trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("delete"));
    let (what, batch) = if deletes { ("DELETE", batches::delete(&target)) } else { ("UPDATE", batches::update(&target)) };
    let consequence = format!("{what} of every row of {} locks all of them until COMMIT, and writers wait for it", target.name);
    let advice = format!("In batches, each in a transaction of its own, until no row is found: {batch}");
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(vec![advice])))
}
