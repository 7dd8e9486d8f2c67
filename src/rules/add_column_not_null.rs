//! ADD COLUMN NOT NULL without a default.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::Generated;

use super::alter;
use super::case::Case;
use super::inline::Addition;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-column-not-null"),
    sqlstate: "PA001",
    hazard: "ADD COLUMN … NOT NULL without a default fails on a table with rows, and breaks running code that does not know the column.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "ADD COLUMN nullable or with a default, fill it in batches, then SET NOT NULL.",
    bad: "ALTER TABLE t ADD COLUMN c int NOT NULL",
    good: &["ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 0"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let addition = Addition::of(case)?;
    let column = addition.column;
    if !column.not_null || addition.fills() || column.sequence || column.generated == Some(Generated::Stored) {
        return None;
    }
    let (table, name) = (alter::table(addition.statement), Identifier(&column.column));
    if column.generated.is_some() {
        return Some(of_virtual(case, &addition, &table));
    }
    let relation = &addition.statement.relation;
    let remedy = Remedy::Advice(vec![
        format!("In steps: 1. {table} ADD COLUMN {name} {}; and release code that writes it;", column.type_name),
        format!("2. fill it in batches: UPDATE {relation} SET {name} = … WHERE {name} IS NULL AND …;"),
        format!("3. {table} ALTER COLUMN {name} SET NOT NULL; in a migration of its own. With a constant DEFAULT one statement is enough."),
    ]);
    let consequence =
        format!("ADD COLUMN {} NOT NULL without a default fails on existing rows and breaks code that does not write it", addition.label());
    Some(case.finding(&RULE, &addition.target, consequence, remedy))
}

/// A virtual column has its values already, but every one of them is computed and looked at.
fn of_virtual(case: &Case<'_>, addition: &Addition<'_>, table: &str) -> Finding {
    let name = Identifier(&addition.column.column);
    let remedy = Remedy::Advice(vec![
        format!("Write instead: {table} ADD COLUMN {name} … without NOT NULL;"),
        format!("and in a migration of its own: {table} ALTER COLUMN {name} SET NOT NULL;"),
    ]);
    let consequence = format!("ADD COLUMN {} VIRTUAL NOT NULL blocks all reads and writes while every row is computed", addition.label());
    case.finding(&RULE, &addition.target, consequence, remedy)
}
