//! REINDEX without CONCURRENTLY.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::{Operation, Reindex};
use crate::sql::name::RelationName;
use crate::sql::rewrite;
use crate::sql::statement::{ReindexTarget, Statement};

use super::case::Case;
use super::rule::{Certainty, Finding, Remedy, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("reindex-blocking"),
    sqlstate: "PA001",
    hazard: "REINDEX blocks writes to the table, and reads that use the index, while it builds.",
    remedy: "REINDEX … CONCURRENTLY, outside a transaction.",
    bad: "REINDEX INDEX t_b_idx",
    good: "REINDEX INDEX CONCURRENTLY t_b_idx",
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Reindex(reindex) = &case.parsed.statement else { return None };
    if reindex.concurrently {
        return None;
    }
    match &reindex.target {
        ReindexTarget::Index(name) => one(case, "INDEX", name),
        ReindexTarget::Table(name) => one(case, "TABLE", name),
        ReindexTarget::Schema(name) => Some(many(case, &format!("SCHEMA {name}"))),
        ReindexTarget::Database => Some(many(case, "DATABASE")),
        ReindexTarget::System => {
            let advice = "The system catalogs have no CONCURRENTLY: do it in a maintenance window, past pgairlock.".to_owned();
            Some(case.general(&RULE, "REINDEX SYSTEM locks the system catalogs while it builds".to_owned(), vec![advice]))
        }
    }
}

fn one(case: &Case<'_>, what: &str, name: &RelationName) -> Option<Finding> {
    let target = case.target(name);
    // What is partitioned is rebuilt in transactions of its own, and so in none of the client's.
    let in_parts = |facts: &RelationFacts| case.in_transaction && ['p', 'I'].contains(&facts.kind);
    let is_refused_anyway = |facts: &RelationFacts| facts.denied.maintain || facts.index.is_some() != (what == "INDEX") || in_parts(facts);
    if target.bears_work() || target.facts.is_some_and(is_refused_anyway) {
        return None;
    }
    let consequence = format!("REINDEX {what} {} blocks writes to its table while it builds", target.name);
    let about = if what == "INDEX" { About::index(&target) } else { About { table: Some(target.name.clone()), ..About::default() } };
    Some(case.finding(&RULE, &target, consequence, (LockMode::Share, Work::Rewrite), concurrently(case, about)).about_table_of(&target))
}

fn many(case: &Case<'_>, what: &str) -> Finding {
    let mut finding = case.general(&RULE, format!("REINDEX {what} blocks writes to each table while it builds"), Vec::new());
    finding.lock = Some(LockMode::Share);
    finding.work = Work::Rewrite;
    finding.certainty = Certainty::Assumed;
    finding.remedy = concurrently(case, About::default());
    finding
}

/// What is rebuilt, where it is one thing.
#[derive(Default)]
struct About {
    table: Option<RelationName>,
    index: Option<(RelationName, u32)>,
}

impl About {
    fn index(target: &Target<'_>) -> Self {
        let Some(facts) = target.facts else { return Self::default() };
        Self { table: facts.index.as_ref().map(|index| index.table_name()), index: Some((target.name.clone(), facts.oid)) }
    }
}

fn concurrently(case: &Case<'_>, about: About) -> Remedy {
    match rewrite::reindex_concurrently(case.text, case.parsed) {
        Ok(sql) => {
            let operation = Operation::Reindex(Reindex { table: about.table, index: about.index, sql });
            Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![operation] })
        }
        Err(_) => Remedy::Advice(vec!["Write REINDEX … CONCURRENTLY, outside a transaction.".to_owned()]),
    }
}
