//! SET NOT NULL that reads every row under its lock.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::Class;
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterAction, AlterTable, ConstraintKind};

use super::alter;
use super::case::Case;
use super::names;
use super::natively;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("set-not-null-scan"),
    sqlstate: "PA001",
    hazard: "SET NOT NULL holds an AccessExclusive lock while it reads every row, unless a valid CHECK proves that there is no NULL.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
    remedy: "A CHECK (c IS NOT NULL) NOT VALID, VALIDATE, SET NOT NULL, drop the CHECK; on 18 a NOT NULL constraint NOT VALID, VALIDATE.",
    bad: "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
    good: &[
        "ALTER TABLE t ADD CONSTRAINT t_a_nn CHECK (a IS NOT NULL) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT t_a_nn",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE t DROP CONSTRAINT t_a_nn",
    ],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let target = case.target(&statement.relation);
    if target.bears_work() || natively::refuses_key_beside(case, statement, &target) {
        return None;
    }
    let (column, rewrite) = match &command.action {
        AlterAction::SetNotNull(column) => (column, by_steps(case, statement, &target, column)),
        AlterAction::AddConstraint(constraint) if !constraint.not_valid => {
            let ConstraintKind::NotNull { column } = &constraint.kind else { return None };
            let name = names::of(case, statement, &target, constraint);
            (column, alter::not_valid_first(case, statement, command, constraint, &name, Class::NotNull))
        }
        _ => return None,
    };
    // A proof that the same statement, or an earlier one of the string, may take away proves nothing.
    let lasting = !case.is_changed(&target) && !statement.commands.iter().any(|command| takes_a_proof(&command.action));
    let left_over = !case.at_least(18) && matches!(command.action, AlterAction::SetNotNull(_)) && alter::left_over_check(&target, column).is_some();
    if case.lacks(&target, column) || (lasting && !left_over && target.facts.is_some_and(|facts| is_proven(case, statement, facts, column))) {
        return None;
    }
    let remedy = if case.at_least(18) && names::of_new_columns(statement, &target).any(|name| rewrite.adds(&name)) {
        Remedy::Advice(vec![format!(
            "Write it as a statement of its own: {} ALTER COLUMN {} SET NOT NULL;",
            alter::table(statement),
            Identifier(column)
        )])
    } else {
        Remedy::Rewrite(rewrite)
    };
    let consequence = format!("SET NOT NULL on {}.{column} blocks all reads and writes while every row is read", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// Before 18 a parent may be NOT NULL without its children.
fn is_proven(case: &Case<'_>, statement: &AlterTable, facts: &RelationFacts, column: &str) -> bool {
    let marked = alter::is_not_null(facts, column) && (case.at_least(18) || !alter::reaches_children(statement, facts));
    marked || alter::is_proven_by_check(statement, facts, column)
}

fn takes_a_proof(action: &AlterAction) -> bool {
    matches!(action, AlterAction::DropConstraint { .. } | AlterAction::DropColumn { .. } | AlterAction::DropNotNull(_))
}

fn by_steps(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, column: &str) -> Rewrite {
    if let Some(constraint) = alter::waiting_not_null(target, column) {
        return Rewrite { instead: None, undo: None, then: vec![alter::validate(statement, constraint)] };
    }
    alter::set_not_null(statement, target, column, case.at_least(18))
}
