//! REFRESH MATERIALIZED VIEW CONCURRENTLY: its readers go on, and nothing else may change it. Said, not acted upon.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("refresh-concurrently"),
    sqlstate: "PA001",
    hazard: "REFRESH MATERIALIZED VIEW CONCURRENTLY holds an Exclusive lock on it while its query runs: readers go on, another REFRESH waits.",
    lock: Some(LockMode::Exclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Nothing: it is the safe form. In a transaction its lock stays until COMMIT.",
    bad: "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    good: &["SELECT a FROM v WHERE id = 1"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Unjudged { what: "REFRESH MATERIALIZED VIEW CONCURRENTLY", relations } = &case.parsed.statement else { return None };
    let target = case.judged(relations).find(|target| !target.bears_work())?;
    let consequence = format!("REFRESH … CONCURRENTLY of {} lets readers go on, and another REFRESH of it wait", target.name);
    let advice = vec!["It is the safe form.".to_owned()];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}
