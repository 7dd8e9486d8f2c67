//! DROP INDEX without CONCURRENTLY.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::{DropIndex, Operation};
use crate::sql::rewrite;
use crate::sql::statement::{Drop, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-index-blocking"),
    sqlstate: "PA001",
    hazard: "DROP INDEX needs an AccessExclusive lock on the table: behind one long reader it blocks all reads and writes.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "DROP INDEX CONCURRENTLY, outside a transaction.",
    bad: "DROP INDEX t_b_idx",
    good: &["DROP INDEX CONCURRENTLY t_b_idx"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::DropIndex(drop) = &case.parsed.statement else { return None };
    if drop.concurrently {
        return None;
    }
    let target = case.judged(&drop.relations).find(|target| !target.bears_work() && !is_refused_anyway(target) && !is_of_a_tree(target))?;
    let table = target.facts.and_then(|facts| facts.index.as_ref()).map_or_else(|| "its table".to_owned(), |index| index.table_name().to_string());
    let consequence = format!("DROP INDEX {} blocks all reads and writes of {table} while it waits for running queries", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy(case, drop, &target)).about_table_of(&target))
}

/// PostgreSQL itself refuses to drop the index of a constraint, or of another role, and what is no index.
fn is_refused_anyway(target: &Target<'_>) -> bool {
    target.facts.is_some_and(|facts| facts.denied.drop || facts.index.as_ref().is_none_or(|index| index.constraint.is_some()))
}

/// That of a partitioned table has no concurrent form. Its locks are many but brief: they are tried for, as those of every other statement.
fn is_of_a_tree(target: &Target<'_>) -> bool {
    target.facts.is_some_and(|facts| facts.kind == 'I')
}

fn remedy(case: &Case<'_>, drop: &Drop, target: &Target<'_>) -> Remedy {
    if drop.cascade || drop.relations.len() != 1 {
        let singly: Vec<String> = drop.relations.iter().map(|index| format!("DROP INDEX CONCURRENTLY {index};")).collect();
        return Remedy::Advice(vec![format!("Drop each by itself, outside a transaction and without CASCADE: {}", singly.join(" "))]);
    }
    match rewrite::drop_index_concurrently(case.text, case.parsed) {
        Ok(sql) => {
            let owner = target.facts.and_then(|facts| facts.index.as_ref());
            let table = owner.map_or_else(|| target.name.clone(), |index| index.table_name());
            let operation = Operation::DropIndex(DropIndex { table, index: target.name.clone(), sql });
            Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![operation] })
        }
        Err(_) => Remedy::Advice(vec!["Write DROP INDEX CONCURRENTLY, outside a transaction.".to_owned()]),
    }
}
