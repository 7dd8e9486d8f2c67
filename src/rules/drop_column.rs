//! DROP COLUMN of a table with rows.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::AlterAction;

use super::alter;
use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-column"),
    sqlstate: "PA001",
    hazard: "DROP COLUMN loses data, breaks running code that still names the column, and drops every index that uses it without a word.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Release code that does not use the column first; then let the drop through by an exemption with a reason.",
    bad: "ALTER TABLE t DROP COLUMN a",
    good: &["ALTER TABLE t ALTER COLUMN a DROP NOT NULL"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::DropColumn { column, cascade, .. } = &command.action else { return None };
    let target = case.target(&statement.relation);
    let alone = !*cascade || target.takes_along().is_empty();
    if (target.bears_loss() && alone) || case.lacks(&target, column) {
        return None;
    }
    let name = Identifier(column);
    let mut lost = target.facts.map_or_else(String::new, |facts| lost_with(facts, column));
    if !alone {
        lost += &format!(", and by CASCADE may drop {}", target.takes_along().join(", "));
    }
    let used = target.facts.map(|facts| facts.evidence_of(Some(column))).unwrap_or_default();
    let consequence = format!("DROP COLUMN {}.{name} loses its data and breaks running code that still uses it{lost}{used}", target.name);
    let table = alter::table(statement);
    let demanded = target.facts.and_then(|facts| facts.column(column)).is_some_and(|column| column.not_null);
    let first = if demanded { format!("{table} ALTER COLUMN {name} DROP NOT NULL; and ") } else { String::new() };
    let remedy = Remedy::Advice(vec![
        format!("In steps: 1. {first}release code that does not use {name};"),
        format!("2. have the drop exempted, with the reason, and run it: {table} DROP COLUMN {name};"),
    ]);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// What else goes, or is locked.
fn lost_with(facts: &RelationFacts, column: &str) -> String {
    let indexes: Vec<String> = facts
        .indexes
        .iter()
        .filter(|index| index.columns.len() > 1 && index.columns.iter().any(|name| name == column))
        .map(|index| Identifier(&index.name).to_string())
        .collect();
    let parents: Vec<&str> = facts
        .constraints
        .iter()
        .filter(|constraint| constraint.columns.iter().any(|name| name == column))
        .filter_map(|constraint| constraint.references.as_deref())
        .collect();
    let mut lost = String::new();
    if !indexes.is_empty() {
        lost += &format!(", drops the index {}", indexes.join(", "));
    }
    if !parents.is_empty() {
        lost += &format!(", and locks {}", parents.join(", "));
    }
    lost
}
