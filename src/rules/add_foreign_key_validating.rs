//! ADD FOREIGN KEY that checks every row under its lock.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::Class;
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterAction, ConstraintKind};

use super::alter;
use super::case::Case;
use super::rule::{Finding, Remedy, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-foreign-key-validating"),
    sqlstate: "PA001",
    hazard: "ADD FOREIGN KEY holds a ShareRowExclusive lock on both tables while it checks every row: writes to both wait.",
    remedy: "ADD … NOT VALID, and VALIDATE CONSTRAINT in a later transaction.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p (id)",
    good: "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p (id) NOT VALID",
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AddConstraint(constraint) = &command.action else { return None };
    let ConstraintKind::ForeignKey { references, .. } = &constraint.kind else { return None };
    let target = case.target(&statement.relation);
    if constraint.not_valid || target.bears_work() {
        return None;
    }
    let name = alter::constraint_name(statement, &target, constraint);
    let parent = case.target(references).name;
    let consequence = format!("ADD FOREIGN KEY on {} blocks writes to it and to {parent} while every row is checked", target.name);
    let remedy = if target.is_partitioned() && !case.at_least(18) {
        Remedy::Advice(vec![
            format!(
                "Before PostgreSQL 18 a partitioned table has no NOT VALID foreign key; for each partition: ALTER TABLE the_partition ADD CONSTRAINT {0} FOREIGN KEY … NOT VALID; and in a later transaction: ALTER TABLE the_partition VALIDATE CONSTRAINT {0};",
                Identifier(&name)
            ),
            format!("then {}, which adopts them: name it {}.", alter::table(statement), Identifier(&name)),
        ])
    } else {
        Remedy::Rewrite(alter::not_valid_first(case, statement, command, constraint, &name, Class::ForeignKey))
    };
    Some(case.finding(&RULE, &target, consequence, (LockMode::ShareRowExclusive, Work::Scan), remedy))
}
