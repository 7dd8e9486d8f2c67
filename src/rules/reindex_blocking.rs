//! REINDEX without CONCURRENTLY.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::RelationName;
use crate::sql::naming;
use crate::sql::rewrite;
use crate::sql::statement::{ReindexTarget, Statement};

use super::case::Case;
use super::rule::{Certainty, Finding, Remedy, Rewrite, Rule, RuleId, Step};
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
    if target.bears_work() {
        return None;
    }
    let consequence = format!("REINDEX {what} {} blocks writes to its table while it builds", target.name);
    let debris = (what == "INDEX").then(|| debris(&target)).flatten();
    Some(case.finding(&RULE, &target, consequence, (LockMode::Share, Work::Rewrite), concurrently(case, debris)).about_table_of(&target))
}

fn many(case: &Case<'_>, what: &str) -> Finding {
    let mut finding = case.general(&RULE, format!("REINDEX {what} blocks writes to each table while it builds"), Vec::new());
    finding.lock = Some(LockMode::Share);
    finding.work = Work::Rewrite;
    finding.certainty = Certainty::Assumed;
    finding.remedy = concurrently(case, None);
    finding
}

/// A failed REINDEX CONCURRENTLY leaves the new, invalid index behind, under a name of this pattern.
fn debris(target: &Target<'_>) -> Option<String> {
    let index = target.facts?;
    let leftover = naming::choose(&index.name, &[], "ccnew", &|name| target.is_taken(name));
    Some(format!("DROP INDEX CONCURRENTLY IF EXISTS {}", target.name.sibling(leftover)))
}

fn concurrently(case: &Case<'_>, debris: Option<String>) -> Remedy {
    match rewrite::reindex_concurrently(case.text, case.parsed) {
        Ok(sql) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![Step { debris, ..Step::long(sql) }] }),
        Err(_) => Remedy::Advice(vec!["Write REINDEX … CONCURRENTLY, outside a transaction.".to_owned()]),
    }
}
