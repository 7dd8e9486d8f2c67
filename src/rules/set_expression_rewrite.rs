//! ALTER COLUMN … SET EXPRESSION: a stored column computed anew.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::AlterAction;

use super::case::Case;
use super::rule::{Finding, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("set-expression-rewrite"),
    sqlstate: "PA001",
    hazard: "SET EXPRESSION of a stored generated column writes the whole table anew under an AccessExclusive lock.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: 17..=18,
    class: RemedyClass::Backfill,
    remedy: "A new column, filled in batches by a trigger and UPDATEs, that takes the name.",
    bad: "ALTER TABLE t ALTER COLUMN a SET EXPRESSION AS (id * 2)",
    good: &["ALTER TABLE t ADD COLUMN a_new int"],
    good_since: 17,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::SetExpression(column) = &command.action else { return None };
    let target = case.target(&statement.relation);
    // The server does not know it before.
    if target.bears_work() || !case.at_least(17) || case.lacks(&target, column) {
        return None;
    }
    let consequence = format!("SET EXPRESSION of {}.{column} writes the whole table anew and blocks all reads and writes meanwhile", target.name);
    let column = Identifier(column);
    let advice = vec![format!(
        "In steps: 1. ALTER TABLE {0} ADD COLUMN …, with a trigger that computes it; 2. fill it in batches; 3. swap the names of the two in one short transaction, and drop {column} later.",
        statement.relation
    )];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}
