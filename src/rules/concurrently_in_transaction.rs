//! CONCURRENTLY where the server will not have it.

use crate::catalog::locks::Work;
use crate::sql::statement::{ReindexTarget, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("concurrently-in-transaction"),
    sqlstate: "25001",
    hazard: "CONCURRENTLY cannot run inside a transaction block, nor in a string of several statements: the server refuses it.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Run the statement by itself, outside a transaction.",
    bad: "BEGIN; CREATE INDEX CONCURRENTLY t_a_idx ON t (a)",
    good: &["CREATE INDEX CONCURRENTLY t_a_idx ON t (a)"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (what, relation) = match &case.parsed.statement {
        Statement::CreateIndex(create) if create.concurrently => ("CREATE INDEX CONCURRENTLY", Some(&create.table)),
        Statement::DropIndex(drop) if drop.concurrently => ("DROP INDEX CONCURRENTLY", drop.relations.first()),
        Statement::Reindex(reindex) if reindex.concurrently => (
            "REINDEX CONCURRENTLY",
            match &reindex.target {
                ReindexTarget::Index(name) | ReindexTarget::Table(name) => Some(name),
                ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => None,
            },
        ),
        _ => return None,
    };
    if !case.in_transaction {
        return None;
    }
    let sql = case.slice(&case.parsed.span);
    let advice = format!("Run it outside a transaction, as a statement of its own: {sql};");
    let mut finding = case.general(&RULE, format!("{what} cannot run inside a transaction block"), vec![advice]);
    finding.relation = relation.map(|name| case.target(name).name);
    Some(finding)
}
