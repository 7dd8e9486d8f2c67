//! VALIDATE CONSTRAINT while the transaction holds a strong lock.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterAction, AlterTable, ConstraintKind};

use super::case::Case;
use super::names;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;
use super::{alter, natively};

pub(super) const RULE: Rule = Rule {
    id: RuleId("validate-in-transaction"),
    sqlstate: "PA001",
    hazard: "VALIDATE CONSTRAINT disturbs nobody by itself, but a strong lock that the transaction took earlier is held while every row is read.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "VALIDATE CONSTRAINT in a transaction of its own, after the one that added the constraint.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT t_a_check",
    good: &["ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT t_a_check"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::ValidateConstraint(constraint) = &command.action else { return None };
    let target = case.target(&statement.relation);
    let together = statement.commands.iter().any(|other| !matches!(other.action, AlterAction::ValidateConstraint(_)));
    if target.bears_work() || !(together || case.in_transaction) || natively::needs_no_validation(case, statement, &target, constraint) {
        return None;
    }
    // Whatever is locked waits for the scan.
    let own = together || case.is_altered(&target);
    let locked = if own { &target.name } else { case.overlay.locked()? };
    let name = Identifier(constraint);
    let remedy = if is_new_key(case, statement, &target, constraint) {
        Remedy::Advice(vec!["Leave the VALIDATE away: a key is valid when it is there.".to_owned()])
    } else {
        Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![alter::validate(statement, constraint)] })
    };
    let what = if own { "its readers and writers".to_owned() } else { format!("those who use {locked}") };
    let consequence = format!("VALIDATE CONSTRAINT {name} reads all of {} while an earlier lock of this transaction blocks {what}", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// The same statement adds a key of that name, which the server would not validate.
fn is_new_key(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, name: &str) -> bool {
    statement.commands.iter().any(|command| match &command.action {
        AlterAction::AddConstraint(constraint) if matches!(constraint.kind, ConstraintKind::Unique(_) | ConstraintKind::UsingIndex { .. }) => {
            names::of(case, statement, target, constraint) == name
        }
        _ => false,
    })
}
