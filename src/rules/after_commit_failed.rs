//! DDL on a table on which something still waits that an earlier migration was promised, and that failed.

use crate::catalog::locks::Work;
use crate::sql::name::RelationName;
use crate::sql::statement::{ReindexTarget, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("after-commit-failed"),
    sqlstate: "PA004",
    hazard: "An earlier migration is not finished on this table: what it left for after its COMMIT has failed, and further DDL may build on what is not there.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Mend what made it fail and run: pgairlock deferred run; or drop the object that it is about.",
    bad: "ALTER TABLE p ADD COLUMN c int /* after a CREATE INDEX on p that failed behind its COMMIT */",
    good: &["ALTER TABLE t ADD COLUMN c int"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let named = relations(&case.parsed.statement);
    let tables: Vec<RelationName> = named.into_iter().map(|name| table(case, name)).collect();
    let (pending, left) = case.pending.iter().find_map(|pending| {
        let left = pending.rest().iter().find(|deferred| tables.contains(&deferred.table))?;
        Some((pending, left))
    })?;
    let steps: Vec<String> = left.operation.steps().into_iter().map(|step| step.sql).collect();
    let why = pending
        .error
        .as_ref()
        .map_or_else(|| "it is not known whether its transaction committed".to_owned(), |error| format!("{} ({})", error.message, error.sqlstate));
    let consequence = format!("on {} an earlier migration is not finished: {} has failed: {why}", left.table, steps.join("; "));
    let advice = format!("Mend the cause and run: pgairlock deferred run {}; or drop what it is about.", pending.id.0);
    let mut finding = case.general(&RULE, consequence, vec![advice]);
    finding.relation = Some(left.table.clone());
    Some(finding)
}

/// An index stands for its table.
fn table(case: &Case<'_>, name: &RelationName) -> RelationName {
    let target = case.target(name);
    target.facts.and_then(|facts| facts.index.as_ref()).map_or(target.name, |index| index.table_name())
}

/// What is changed. What is dropped is not: that may be the way out.
fn relations(statement: &Statement) -> Vec<&RelationName> {
    match statement {
        Statement::CreateIndex(create) => vec![&create.table],
        Statement::AlterTable(alter) if !alter.commands.iter().all(|command| command.action.drops()) => vec![&alter.relation],
        Statement::Rename(rename) => rename.relation.iter().collect(),
        Statement::SetSchema { relation } => vec![relation],
        Statement::Reindex(reindex) => match &reindex.target {
            ReindexTarget::Index(name) | ReindexTarget::Table(name) => vec![name],
            ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => Vec::new(),
        },
        Statement::Unjudged { relations, .. } => relations.iter().collect(),
        _ => Vec::new(),
    }
}
