//! TRUNCATE: every row goes, and nobody reads the table meanwhile.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::RelationName;
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("truncate"),
    sqlstate: "PA001",
    hazard: "TRUNCATE takes every row away under an AccessExclusive lock, and with CASCADE those of every table that references it.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "DELETE in batches of what is not needed any more, or an exemption with the reason.",
    bad: "TRUNCATE t",
    good: &["DELETE FROM t WHERE id < 1000"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Unjudged { what: what @ ("TRUNCATE" | "TRUNCATE … CASCADE"), relations } = &case.parsed.statement else { return None };
    let cascades = *what == "TRUNCATE … CASCADE";
    let bears = |target: &Target<'_>| match cascades && empties_others(case, target, relations) {
        true => false,
        false => target.bears_loss() || !cascades && holds_a_tools_version(target),
    };
    let target = case.judged(relations).find(|target| !bears(target))?;
    let others = if cascades { ", and of every table that references it" } else { "" };
    let consequence = format!("{what} of {} takes every row of it away{others}, and blocks all reads and writes meanwhile", target.name);
    let advice = vec![
        format!("If no row is needed any more, in batches: DELETE FROM {} WHERE …;", target.name),
        format!("or have it exempted, with the reason, and run it: TRUNCATE {};", target.name),
    ];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}

/// TRUNCATE … CASCADE empties every table whose foreign keys reference it.
fn empties_others(case: &Case<'_>, target: &Target<'_>, named: &[RelationName]) -> bool {
    let named: Vec<String> =
        named.iter().filter_map(|name| case.target(name).facts).map(|facts| format!("{}.{}", facts.schema, facts.name)).collect();
    let others = target.facts.is_some_and(|facts| facts.referenced_by.iter().any(|other| !named.contains(other)));
    // A foreign key of the same string may reference it by now.
    others || case.is_changed(target)
}

/// golang-migrate empties its one-row table, `(version bigint, dirty boolean)`, and fills it again around every migration (facts: tools).
fn holds_a_tools_version(target: &Target<'_>) -> bool {
    let columns = target.facts.map(|facts| facts.columns.iter().map(|column| (&*column.name, &*column.type_text)).collect::<Vec<_>>());
    columns.is_some_and(|columns| columns == [("version", "bigint"), ("dirty", "boolean")]) && target.bears_work()
}
