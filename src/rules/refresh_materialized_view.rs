//! REFRESH MATERIALIZED VIEW: nobody reads it until it is filled.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("refresh-materialized-view"),
    sqlstate: "PA001",
    hazard: "REFRESH MATERIALIZED VIEW holds an AccessExclusive lock on it while its query runs: nobody reads it meanwhile.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which wants a unique index on plain columns.",
    bad: "REFRESH MATERIALIZED VIEW v",
    good: &["CREATE UNIQUE INDEX CONCURRENTLY v_id_idx ON v (id)"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Unjudged { what: "REFRESH MATERIALIZED VIEW", relations } = &case.parsed.statement else { return None };
    let target = case.judged(relations).find(|target| !target.bears_work())?;
    // Nobody can read it yet.
    if target.facts.is_some_and(|facts| facts.kind == 'm' && !facts.populated) {
        return None;
    }
    let consequence = format!("REFRESH of {} blocks everybody who reads it while its query runs", target.name);
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice(&target))))
}

fn advice(target: &Target<'_>) -> Vec<String> {
    let name = &target.name;
    let keyed = target.facts.is_some_and(|facts| facts.indexes.iter().any(|index| index.unique && index.valid && index.plain));
    let index = format!("First, outside a transaction: CREATE UNIQUE INDEX CONCURRENTLY ON {name} (…) on columns that tell its rows apart; then");
    let refresh = format!("write: REFRESH MATERIALIZED VIEW CONCURRENTLY {name};");
    if keyed { vec![refresh.replacen('w', "W", 1)] } else { vec![index, refresh] }
}
