//! RENAME COLUMN, or a value of an enum, under running code.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::{Identifier, Literal};
use crate::sql::statement::{RenameKind, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("rename-column"),
    sqlstate: "PA001",
    hazard: "RENAME COLUMN, or RENAME VALUE of an enum, breaks running code that uses the old name, until the last old process has gone.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Add a column of the new name, keep both in step, move the code, drop the old one; or keep the column and rename it in the code only.",
    bad: "ALTER TABLE t RENAME COLUMN a TO c",
    good: &[
        "ALTER TABLE t ADD COLUMN c int",
        "CREATE FUNCTION t_c() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.c := NEW.a; RETURN NEW; END $$",
        "CREATE TRIGGER t_c BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION t_c()",
        "UPDATE t SET c = a WHERE c IS DISTINCT FROM a AND id BETWEEN 1 AND 1000",
    ],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Rename(rename) = &case.parsed.statement else { return None };
    if rename.kind == RenameKind::Other("enum value") {
        return Some(enum_value(case, &rename.to));
    }
    let RenameKind::Column(column) = &rename.kind else { return None };
    let relation = rename.relation.as_ref()?;
    let target = case.target(relation);
    if target.bears_loss() || case.lacks(&target, column) {
        return None;
    }
    let (old, new) = (Identifier(column), Identifier(&rename.to));
    let of_type = target.facts.and_then(|facts| facts.column(column)).map_or("…", |column| column.type_text.as_str());
    let remedy = Remedy::Advice(vec![
        format!("In steps: 1. ALTER TABLE {relation} ADD COLUMN {new} {of_type}; with a trigger that keeps it equal to {old};"),
        format!("2. fill it in batches: UPDATE {relation} SET {new} = {old} WHERE {new} IS DISTINCT FROM {old} AND …;"),
        format!("3. release code that uses {new} only, then drop {old}."),
    ]);
    let used = target.facts.map(|facts| facts.evidence_of(Some(column))).unwrap_or_default();
    let consequence = format!("RENAME COLUMN {}.{old} breaks running code that still uses that name{used}", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// The value itself is renamed, in every row: it has no table, and code names it as a constant.
fn enum_value(case: &Case<'_>, to: &str) -> Finding {
    let consequence = "ALTER TYPE … RENAME VALUE breaks running code that still reads or writes the old value".to_owned();
    let to = Literal(to);
    let advice = vec![
        format!("In steps: 1. ALTER TYPE … ADD VALUE {to}; and release code that knows both;"),
        format!("2. release code that writes {to} only, and change the old rows in batches."),
    ];
    case.general(&RULE, consequence, advice)
}
