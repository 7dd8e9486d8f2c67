//! CREATE INDEX without CONCURRENTLY.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::{self, Operation};
use crate::sql::naming;
use crate::sql::rewrite;
use crate::sql::statement::{CreateIndex, Statement};

use super::case::Case;
use super::natively;
use super::rule::{Finding, Remedy, Rewrite, Rule, RuleId};
use super::target::{Among, Target};

pub(super) const RULE: Rule = Rule {
    id: RuleId("create-index-blocking"),
    sqlstate: "PA001",
    hazard: "CREATE INDEX holds a Share lock while it reads the whole table: every write waits until the index is built.",
    remedy: "CREATE INDEX CONCURRENTLY, outside a transaction.",
    bad: "CREATE INDEX t_a_idx ON t (a)",
    good: "CREATE INDEX CONCURRENTLY t_a_idx ON t (a)",
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::CreateIndex(create) = &case.parsed.statement else { return None };
    let target = case.target(&create.table);
    if create.concurrently {
        return skipping_the_invalid(case, create, &target);
    }
    if target.bears_work() || (target.is_partitioned() && create.only) || server_refuses(case, create, &target) {
        return None;
    }
    let remedy = if target.is_partitioned() { by_partition(create) } else { concurrently(case, create, &target) };
    let consequence = format!("CREATE INDEX on {} blocks every write while it builds", target.name);
    Some(case.finding(&RULE, &target, consequence, (LockMode::Share, Work::Scan), remedy))
}

/// It fails, or is skipped, before it builds anything. What has no transaction around it is told so by the safe form as well.
fn server_refuses(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> bool {
    let taken = |name: &str| target.facts.is_some_and(|facts| natively::is_relation(case, facts, name));
    let lacks = || create.key_columns.iter().flatten().any(|column| case.lacks(target, column));
    let denied = target.facts.is_some_and(|facts| facts.denied.alter);
    let unsorted = || create.sorted_by.iter().any(|column| natively::is_unsorted(case, target, column));
    case.in_transaction && (denied || unsorted() || create.beyond_method || create.name.as_deref().is_some_and(taken) || lacks())
}

fn concurrently(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> Remedy {
    let name = name(create, target);
    let chosen = name.as_deref().filter(|_| create.name.is_none());
    let Ok(sql) = rewrite::create_index_concurrently(case.text, case.parsed, chosen) else {
        return Remedy::Advice(vec!["Write CREATE INDEX CONCURRENTLY, outside a transaction.".to_owned()]);
    };
    let create = Operation::CreateIndex(operation(create, target, name, sql));
    Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![create] })
}

fn operation(create: &CreateIndex, target: &Target<'_>, name: Option<String>, sql: String) -> operation::CreateIndex {
    operation::CreateIndex {
        table: create.table.clone(),
        index: name.map(|name| target.name.sibling(name)),
        unique: create.unique,
        key: create.key_columns.clone(),
        whole: !create.partial,
        nulls_not_distinct: create.nulls_not_distinct,
        sql,
    }
}

/// CONCURRENTLY IF NOT EXISTS takes what a failed build left behind for the index, and builds nothing.
fn skipping_the_invalid(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> Option<Finding> {
    let name = create.name.as_deref().filter(|name| create.if_not_exists && is_abandoned(target, name))?;
    let build = operation(create, target, Some(name.to_owned()), case.slice(&case.parsed.span).to_owned());
    let remedy = Remedy::Rewrite(Rewrite { instead: None, undo: None, then: vec![Operation::CreateIndex(build)] });
    let consequence =
        format!("CREATE INDEX IF NOT EXISTS would build nothing: {} exists, left INVALID by a build that failed", target.name.sibling(name));
    Some(case.finding(&RULE, target, consequence, (LockMode::ShareUpdateExclusive, Work::None), remedy))
}

fn is_abandoned(target: &Target<'_>, name: &str) -> bool {
    target.facts.is_some_and(|facts| facts.indexes.iter().any(|index| index.name == name && index.abandoned))
}

/// The name that the index will have, when that is certain.
fn name(create: &CreateIndex, target: &Target<'_>) -> Option<String> {
    create.name.clone().or_else(|| {
        let facts = target.facts.filter(|_| !create.key_names.is_empty())?;
        Some(naming::choose(&facts.name, &create.key_names, "idx", &|name| target.is_taken(name, Among::Relations)))
    })
}

fn by_partition(create: &CreateIndex) -> Remedy {
    let index = create.name.as_deref().unwrap_or("the_index");
    let unique = if create.unique { "UNIQUE " } else { "" };
    Remedy::Advice(vec![
        format!("A partitioned table has no CONCURRENTLY; write: CREATE {unique}INDEX {index} ON ONLY {} (…);", create.table),
        format!("then for each partition, outside a transaction: CREATE {unique}INDEX CONCURRENTLY … ON the partition (…);"),
        format!("and: ALTER INDEX {index} ATTACH PARTITION the partition's index;"),
    ])
}
