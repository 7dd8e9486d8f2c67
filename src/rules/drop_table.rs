//! DROP TABLE with rows.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-table"),
    sqlstate: "PA001",
    hazard: "DROP TABLE loses its data, breaks running code, and locks every table that its foreign keys join it with.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Release code that does not use the table first; then let the drop through by an exemption with a reason.",
    bad: "DROP TABLE t",
    good: &["DROP TABLE e"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::DropTable(drop) = &case.parsed.statement else { return None };
    let target = case.judged(&drop.relations).find(|target| !target.bears_loss() || (drop.cascade && !target.takes_along().is_empty()))?;
    let joined = joined(&target);
    let locks = if joined.is_empty() { String::new() } else { format!(", and locks {}", joined.join(", ")) };
    let consequence = if target.bears_loss() {
        format!("DROP TABLE {} CASCADE also drops {}", target.name, target.takes_along().join(", "))
    } else {
        let used = target.facts.map(|facts| facts.evidence_of(None)).unwrap_or_default();
        format!("DROP TABLE {} loses its rows and breaks running code that still uses it{locks}{used}", target.name)
    };
    let mut advice = vec![format!("In steps: 1. release code that does not use {};", target.name)];
    if !joined.is_empty() {
        advice.push("2. drop its foreign keys, one transaction each;".to_owned());
    }
    advice.push(format!("{}. have the drop exempted, with the reason, and run it: DROP TABLE {};", advice.len() + 1, target.name));
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}

/// Tables that foreign keys join with it, in either direction.
fn joined(target: &Target<'_>) -> Vec<String> {
    let Some(facts) = target.facts else { return Vec::new() };
    let own = facts.constraints.iter().filter_map(|constraint| constraint.references.clone());
    let mut joined: Vec<String> = own.chain(facts.referenced_by.iter().cloned()).collect();
    joined.sort();
    joined.dedup();
    joined
}
