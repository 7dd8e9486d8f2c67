//! VACUUM FULL and CLUSTER: the table written anew while nobody may read it.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("vacuum-full"),
    sqlstate: "PA001",
    hazard: "VACUUM FULL and CLUSTER write the whole table and its indexes anew under an AccessExclusive lock.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "VACUUM; pg_repack or pg_squeeze where the space must be given back.",
    bad: "CLUSTER t USING t_b_idx",
    good: &["VACUUM t"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Unjudged { what: what @ ("VACUUM FULL" | "CLUSTER"), relations } = &case.parsed.statement else { return None };
    if relations.is_empty() {
        let mut finding = case.general(&RULE, format!("{what} writes every table anew and blocks all reads and writes of each meanwhile"), advice());
        finding.certainty = Certainty::Assumed;
        return Some(finding);
    }
    let target = case.judged(relations).find(|target| !target.bears_work())?;
    let consequence = format!("{what} writes all of {} and its indexes anew and blocks all reads and writes meanwhile", target.name);
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice())))
}

fn advice() -> Vec<String> {
    vec![
        "VACUUM makes the space free for new rows and disturbs nobody; where it must be given back, pg_repack does it beside the application."
            .to_owned(),
    ]
}
