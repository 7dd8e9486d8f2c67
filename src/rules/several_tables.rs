//! Strong locks on several tables in one transaction.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("several-tables"),
    sqlstate: "PA001",
    hazard: "While one table is locked, the transaction waits for another: code that uses both the other way round runs into a deadlock, and may be the one that fails.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "One table in each transaction.",
    bad: "ALTER TABLE p ADD COLUMN c int; ALTER TABLE t ADD COLUMN c int",
    good: &["ALTER TABLE p ADD COLUMN c int", "ALTER TABLE t ADD COLUMN c int"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::AlterTable(alter) = &case.parsed.statement else { return None };
    // Once for all its commands.
    let first = alter.commands.first().is_some_and(|first| case.command.is_some_and(|(_, command)| std::ptr::eq(first, command)));
    let target = case.target(&alter.relation);
    if !first || target.bears_work() || case.is_altered(&target) {
        return None;
    }
    let held = case.overlay.all_locked().find(|name| **name != target.name)?;
    let consequence = format!("this transaction keeps everybody from {held} while it waits for {}: code that uses both may deadlock", target.name);
    let advice = vec![format!("Alter {} in a migration of its own.", target.name)];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}
