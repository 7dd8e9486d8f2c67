//! ADD UNIQUE or EXCLUDE: an index built under AccessExclusive.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{AlterAction, ConstraintKind};

use super::alter::Adding;
use super::case::Case;
use super::names;
use super::natively;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::unique::{self, NotNull};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-unique-blocking"),
    sqlstate: "PA001",
    hazard: "ADD UNIQUE, or EXCLUDE, builds its index under an AccessExclusive lock: all reads and writes wait.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX. EXCLUDE has no such way: a new table with it, filled in batches, swapped by name.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_a_key UNIQUE (a)",
    good: &["CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON t (a)", "ALTER TABLE t ADD CONSTRAINT t_a_key UNIQUE USING INDEX t_a_key"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AddConstraint(constraint) = &command.action else { return None };
    let target = case.target(&statement.relation);
    let of_nothing_yet = statement.only && target.is_partitioned();
    if target.bears_work() || of_nothing_yet && !matches!(constraint.kind, ConstraintKind::Exclude) {
        return None;
    }
    let (what, remedy) = match &constraint.kind {
        ConstraintKind::Exclude => ("EXCLUDE", Remedy::Advice(unique::no_online_way())),
        ConstraintKind::Unique(key) if natively::refuses_key(case, &target, constraint, key) => return None,
        ConstraintKind::Unique(key) if !key.primary => ("UNIQUE", {
            let name = names::of(case, statement, &target, constraint);
            unique::remedy(case, statement, &target, key, &Adding { constraint, name: &name }, NotNull::default())
        }),
        _ => return None,
    };
    let consequence = format!("ADD {what} on {} blocks all reads and writes while its index is built", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}
