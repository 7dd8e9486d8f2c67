//! ADD CHECK that reads every row under its lock.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::Class;
use crate::sql::statement::{AlterAction, ConstraintKind};

use super::alter;
use super::case::Case;
use super::names;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-check-validating"),
    sqlstate: "PA001",
    hazard: "ADD CHECK holds an AccessExclusive lock while it reads every row: all reads and writes wait.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
    remedy: "ADD … NOT VALID, and VALIDATE CONSTRAINT in a later transaction.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0)",
    good: &["ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT t_a_check"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AddConstraint(constraint) = &command.action else { return None };
    let target = case.target(&statement.relation);
    if !matches!(constraint.kind, ConstraintKind::Check { .. }) || constraint.not_valid || target.bears_work() {
        return None;
    }
    let name = names::of(case, statement, &target, constraint);
    let rewrite = alter::not_valid_first(case, statement, command, constraint, &name, Class::Check);
    let consequence = format!("ADD CHECK on {} blocks all reads and writes while every row is read", target.name);
    Some(case.finding(&RULE, &target, consequence, Remedy::Rewrite(rewrite)))
}
