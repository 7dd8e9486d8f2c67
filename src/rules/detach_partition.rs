//! DETACH PARTITION without CONCURRENTLY.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::detach::Detach;
use crate::deferred::operation::Operation;
use crate::sql::statement::AlterAction;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("detach-partition-blocking"),
    sqlstate: "PA001",
    hazard: "DETACH PARTITION takes an AccessExclusive lock on the whole table: one reader that does not end stops all others.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "DETACH PARTITION … CONCURRENTLY (14 and later), outside a transaction.",
    bad: "ALTER TABLE t DETACH PARTITION p",
    good: &["ALTER TABLE t DETACH PARTITION p CONCURRENTLY"],
    good_since: 14,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::DetachPartition(child) = &command.action else { return None };
    let (parent, partition) = (case.target(&statement.relation), case.target(child));
    if parent.bears_work() {
        return None;
    }
    let remedy = match concurrently(case, &parent, &partition) {
        Ok(detach) => {
            let detach = Detach { table: statement.relation.clone(), ..detach };
            // On the way back the first of them comes last.
            let then = vec![Operation::DropBounds(detach.clone()), Operation::Detach(detach.clone()), Operation::DropBounds(detach)];
            Remedy::Rewrite(Rewrite { instead: None, undo: None, then })
        }
        Err(why) => Remedy::Advice(vec![format!("It cannot be done CONCURRENTLY: {why}. Have it exempted, with the reason: lock_timeout holds.")]),
    };
    let consequence = format!("DETACH PARTITION on {} blocks all reads and writes of it while it waits for any one of them", parent.name);
    Some(case.finding(&RULE, &parent, consequence, remedy))
}

fn concurrently(case: &Case<'_>, parent: &Target<'_>, partition: &Target<'_>) -> Result<Detach, &'static str> {
    if !case.at_least(14) {
        return Err("PostgreSQL 13 has no such form");
    }
    let (Some(table), Some(facts)) = (parent.facts, partition.facts) else { return Err("what is named is not known") };
    if table.has_default_partition {
        return Err("the table has a default partition");
    }
    // One that is leaving already has no parents any more, as far as PostgreSQL tells.
    let columns = facts.bounded_by.clone().or_else(|| table.partition_key.clone()).filter(|columns| !columns.iter().any(String::is_empty));
    let columns = columns.ok_or("its table is not partitioned, or by an expression, so that the CHECK that stays could not be told from others")?;
    let checks = facts.constraints.iter().map(|constraint| constraint.name.clone()).collect();
    Ok(Detach { table: parent.name.clone(), of: parent.name.clone(), partition: partition.name.clone(), checks, columns })
}
