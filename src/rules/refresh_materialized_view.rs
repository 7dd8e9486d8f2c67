//! REFRESH MATERIALIZED VIEW: nobody reads it until it is filled.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::rewrite::{self, Command, Meaning};
use crate::sql::statement::Statement;
use crate::sql::tokens;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("refresh-materialized-view"),
    sqlstate: "PA001",
    hazard: "REFRESH MATERIALIZED VIEW holds an AccessExclusive lock on it while its query runs: nobody reads it meanwhile.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
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
    let remedy = concurrently(case, &target).unwrap_or_else(|| Remedy::Advice(advice(&target)));
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// It runs in any transaction. What is to be emptied cannot be.
fn concurrently(case: &Case<'_>, target: &Target<'_>) -> Option<Remedy> {
    let tokens = tokens::significant(case.text, &case.parsed.span).ok()?;
    let empties = tokens.windows(2).any(|pair| matches!(pair, [no, data] if no.kind.is_keyword("NO") && data.kind.is_keyword("DATA")));
    let certain = is_keyed(target) && !empties && !case.is_changed(target);
    let sql = rewrite::refresh_concurrently(case.text, case.parsed).ok().filter(|_| certain)?;
    let whole = Command { sql, meaning: Meaning::Own };
    Some(Remedy::Rewrite(Rewrite { instead: Some(whole), undo: None, then: Vec::new() }))
}

/// CONCURRENTLY wants a unique index on plain columns of all rows.
fn is_keyed(target: &Target<'_>) -> bool {
    target.facts.is_some_and(|facts| facts.indexes.iter().any(|index| index.unique && index.valid && index.plain))
}

fn advice(target: &Target<'_>) -> Vec<String> {
    let name = &target.name;
    let index = format!("First, outside a transaction: CREATE UNIQUE INDEX CONCURRENTLY ON {name} (…) on columns that tell its rows apart; then");
    let refresh = format!("write: REFRESH MATERIALIZED VIEW CONCURRENTLY {name};");
    if is_keyed(target) { vec![refresh.replacen('w', "W", 1)] } else { vec![index, refresh] }
}
