//! REINDEX without CONCURRENTLY.

use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::{Operation, Reindex};
use crate::sql::name::RelationName;
use crate::sql::rewrite;
use crate::sql::statement::{ReindexTarget, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("reindex-blocking"),
    sqlstate: "PA001",
    hazard: "REINDEX holds a Share lock on the table, and AccessExclusive on the index, while it builds: writes wait, and so do nearly all reads, since to plan one locks every index.",
    lock: Some(LockMode::Share),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "REINDEX … CONCURRENTLY, outside a transaction.",
    bad: "REINDEX INDEX t_b_idx",
    good: &["REINDEX INDEX CONCURRENTLY t_b_idx"],
    good_since: OLDEST,
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
    let cannot_be = |facts: &RelationFacts| facts.denied.maintain || facts.index.is_some() != (what == "INDEX");
    if target.bears_work() || is_refused_anyway(case, &target) || target.facts.is_some_and(cannot_be) {
        return None;
    }
    let consequence = format!("REINDEX {what} {} blocks writes to its table, and nearly all reads, while it builds", target.name);
    let about = if what == "INDEX" { About::index(&target) } else { About { table: Some(target.name.clone()), ..About::default() } };
    Some(case.finding(&RULE, &target, consequence, concurrently(case, about)).about_table_of(&target))
}

/// What is partitioned is rebuilt part by part, which the server does in no transaction, and 13 not at all.
fn is_refused_anyway(case: &Case<'_>, target: &Target<'_>) -> bool {
    target.facts.is_some_and(|facts| ['p', 'I'].contains(&facts.kind)) && (case.in_transaction || !case.at_least(14))
}

fn many(case: &Case<'_>, what: &str) -> Finding {
    let mut finding = case.general(&RULE, format!("REINDEX {what} blocks writes to each table, and nearly all reads, while it builds"), Vec::new());
    (finding.lock, finding.work) = (RULE.lock, RULE.work);
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
