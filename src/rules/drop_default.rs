//! DROP DEFAULT of a column that must have a value.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::AlterAction;

use super::alter;
use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-default"),
    sqlstate: "PA001",
    hazard: "Without its DEFAULT a NOT NULL column has to be named by every INSERT: running code that does not know it fails from now on.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Keep the DEFAULT until no old code runs any more; drop it in a later migration.",
    bad: "ALTER TABLE t ALTER COLUMN a DROP DEFAULT",
    good: &["ALTER TABLE t ALTER COLUMN a SET DEFAULT 1"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::DropDefault(column) = &command.action else { return None };
    let target = case.target(&statement.relation);
    let facts = target.facts.and_then(|facts| facts.column(column))?;
    let brings_another =
        statement.commands.iter().any(|other| matches!(other.action, AlterAction::Brief("SET DEFAULT" | "ADD GENERATED … AS IDENTITY")));
    if target.bears_loss() || !facts.not_null || !facts.has_default || brings_another {
        return None;
    }
    let name = Identifier(column);
    let consequence = format!("DROP DEFAULT of {}.{name}, which is NOT NULL, breaks running code whose INSERT does not name it", target.name);
    let advice = format!(
        "Release code that names {name} in every INSERT first; then, in a later migration: {} ALTER COLUMN {name} DROP DEFAULT;",
        alter::table(statement)
    );
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(vec![advice])))
}
