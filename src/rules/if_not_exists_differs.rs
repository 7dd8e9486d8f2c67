//! IF NOT EXISTS that finds something else than what it would make.

use crate::catalog::facts::{IndexFacts, RelationFacts};
use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::{AddColumn, AlterAction, CreateIndex, CreateTable, Statement, TypeName};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;
use super::{alter, type_change};

pub(super) const RULE: Rule = Rule {
    id: RuleId("if-not-exists-differs"),
    sqlstate: "PA001",
    hazard: "IF NOT EXISTS is content with anything of that name: what is there stays as it is, and the migration counts as applied.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Change what is there to what it should be; or drop it first, or give the new one another name.",
    bad: "ALTER TABLE t ADD COLUMN IF NOT EXISTS a text",
    good: &["ALTER TABLE t ADD COLUMN IF NOT EXISTS a int"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    match &case.parsed.statement {
        Statement::CreateTable(create) if create.if_not_exists => table(case, create),
        Statement::CreateIndex(create) if create.if_not_exists => index(case, create),
        Statement::AlterTable(_) => {
            let (statement, command) = case.command?;
            let AlterAction::AddColumn(column) = &command.action else { return None };
            let target = case.target(&statement.relation);
            let sql = format!("{} ALTER COLUMN {} TYPE …", alter::table(statement), Identifier(&column.column));
            self::column(case, &target, column).map(|why| found(case, &target, "ADD COLUMN", &why, &sql))
        }
        _ => None,
    }
}

fn column(case: &Case<'_>, target: &Target<'_>, column: &AddColumn) -> Option<String> {
    let facts = known(case, target).filter(|_| column.if_not_exists)?;
    facts.column(&column.column)?;
    differs(case, facts, &column.column, &column.type_name)
}

fn table(case: &Case<'_>, create: &CreateTable) -> Option<Finding> {
    let target = case.target(&create.relation);
    let facts = known(case, &target).filter(|facts| case.creation_place(&create.relation).is_some_and(|place| place == facts.qualified()))?;
    if !['r', 'p', 'f'].contains(&facts.kind) {
        return None;
    }
    let why = create.columns.iter().find_map(|(name, of)| differs(case, facts, name, of))?;
    Some(Finding { lock: None, ..found(case, &target, "CREATE TABLE", &why, &format!("ALTER TABLE {} …", target.name)) })
}

/// How the column that is there differs from what is wanted.
fn differs(case: &Case<'_>, facts: &RelationFacts, column: &str, of: &TypeName) -> Option<String> {
    let Some(there) = facts.column(column) else { return Some(format!("has no column {}", Identifier(column))) };
    let wanted = case.type_facts(of)?;
    (!type_change::is_same(there, wanted, of)).then(|| format!("has a column {} of type {}", Identifier(column), there.type_text))
}

fn index(case: &Case<'_>, create: &CreateIndex) -> Option<Finding> {
    let target = case.target(&create.table);
    let (facts, name) = (known(case, &target)?, create.name.as_deref()?);
    let there = facts.indexes.iter().find(|index| index.name == name && index.valid)?;
    let why = other_index(there, create)?;
    let sql = format!("DROP INDEX CONCURRENTLY {};", target.name.sibling(name));
    let found = found(case, &target, "CREATE INDEX", &format!("has an index {} {why}", Identifier(name)), &sql);
    Some(Finding { lock: Some(LockMode::Share), ..found })
}

fn other_index(there: &IndexFacts, wanted: &CreateIndex) -> Option<String> {
    if there.unique != wanted.unique {
        return Some(if there.unique { "that is UNIQUE".to_owned() } else { "that is not UNIQUE".to_owned() });
    }
    let mut key = wanted.key_columns.clone().filter(|_| there.plain)?;
    let mut found = there.key.clone();
    key.sort();
    found.sort();
    (key != found).then(|| format!("of {}", there.key.iter().map(|name| Identifier(name).to_string()).collect::<Vec<_>>().join(", ")))
}

/// What is there, where nothing before it in the string has changed it.
fn known<'a>(case: &Case<'_>, target: &Target<'a>) -> Option<&'a RelationFacts> {
    target.facts.filter(|_| !case.is_changed(target))
}

fn found(case: &Case<'_>, target: &Target<'_>, what: &str, why: &str, sql: &str) -> Finding {
    let consequence = format!("{what} IF NOT EXISTS would change nothing: {} {why}", target.name);
    let advice = format!("Make it what it should be ({sql}), or give the new one another name.");
    case.finding(&RULE, target, consequence, Remedy::Advice(vec![advice]))
}
