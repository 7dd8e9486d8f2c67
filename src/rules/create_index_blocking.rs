//! CREATE INDEX without CONCURRENTLY.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::{self, Operation};
use crate::deferred::partitions::{Adopt, Object};
use crate::sql::naming;
use crate::sql::rewrite;
use crate::sql::statement::{CreateIndex, Statement};

use super::case::Case;
use super::natively;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::{Among, Target};
use super::tree::{self, Leaf, Tree, Wanted};

pub(super) const RULE: Rule = Rule {
    id: RuleId("create-index-blocking"),
    sqlstate: "PA001",
    hazard: "CREATE INDEX holds a Share lock while it reads the whole table: every write waits until the index is built.",
    lock: Some(LockMode::Share),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "CREATE INDEX CONCURRENTLY, outside a transaction.",
    bad: "CREATE INDEX t_a_idx ON t (a)",
    good: &["CREATE INDEX CONCURRENTLY t_a_idx ON t (a)"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::CreateIndex(create) = &case.parsed.statement else { return None };
    let target = case.target(&create.table);
    if create.concurrently {
        return skipping_the_invalid(case, create, &target);
    }
    if target.bears_work()
        || (target.is_partitioned() && create.only)
        || server_refuses(case, create, &target)
        || is_there(case, create, &target)
        || tree::is_refused(case, &target, create.name.as_deref(), create.key_columns.as_deref(), create.unique)
    {
        return None;
    }
    let remedy = if target.is_partitioned() { by_partition(case, create, &target) } else { concurrently(case, create, &target) };
    let consequence = format!("CREATE INDEX on {} blocks every write while it builds", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// IF NOT EXISTS finds it, whole.
fn is_there(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> bool {
    let Some(name) = create.name.as_ref().filter(|_| create.if_not_exists) else { return false };
    natively::certain(case, target).is_some_and(|facts| facts.indexes.iter().any(|index| index.name == *name && index.valid))
}

/// It fails, or is skipped, before it builds anything. What has no transaction around it is told so by the safe form as well.
fn server_refuses(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> bool {
    let lacks = || create.key_columns.iter().flatten().any(|column| case.lacks(target, column));
    let unsorted = || create.sorted_by.iter().any(|column| natively::is_unsorted(case, target, column));
    case.in_transaction
        && natively::certain(case, target).is_some_and(|facts| {
            let taken = |name: &str| natively::is_relation(case, facts, name);
            facts.denied.alter || facts.denied.create || unsorted() || create.beyond_method || create.name.as_deref().is_some_and(taken) || lacks()
        })
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
    Some(Finding { lock: Some(LockMode::ShareUpdateExclusive), work: Work::None, ..case.finding(&RULE, target, consequence, remedy) })
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

/// A partitioned table has no CONCURRENTLY: each partition gets its index first, and the table's own takes them over.
fn by_partition(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> Remedy {
    match on_partitions(case, create, target) {
        Ok(then) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then }),
        Err(why) => Remedy::Advice(std::iter::once(format!("It cannot be done partition by partition: {why}.")).chain(by_hand(create)).collect()),
    }
}

fn on_partitions(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>) -> Result<Vec<Operation>, String> {
    let tree = Tree::of(case, target).ok_or("its partitions are not known")?;
    tree.work_on_each()?;
    let whole = name(create, target).ok_or("its name is not known")?;
    if target.is_taken(&whole, Among::Relations) {
        return Err(format!("the name {whole} is taken"));
    }
    if let Some(foreign) = tree.foreign().filter(|_| create.unique) {
        return Err(format!("{} is a foreign table, which cannot have a unique index", foreign.qualified()));
    }
    if let Some(partition) = tree.not_unique_on(create.key_columns.as_deref()).filter(|_| create.unique) {
        return Err(format!("{} is partitioned by a column that the index has not", partition.qualified()));
    }
    let including = create.key_names.get(create.key_columns.as_ref().map_or(0, Vec::len)..).unwrap_or_default();
    let wanted = Wanted { key: create.key_columns.as_deref(), including, unique: create.unique, constraint: None, ordinary: create.ordinary };
    let leaves = tree.to_build(&wanted, &whole, &create.key_names, "idx")?;
    let builds = leaves.iter().map(|leaf| build_on(case, create, leaf, &whole)).collect::<Option<Vec<_>>>();
    let mut operations = builds.ok_or("the statement cannot be written for a partition")?;
    operations.push(adopt(case, create, target, &whole, tree.len()).ok_or("the statement cannot be written with its name")?);
    Ok(operations)
}

fn build_on(case: &Case<'_>, create: &CreateIndex, leaf: &Leaf, whole: &str) -> Option<Operation> {
    let sql = rewrite::create_index_on(case.text, case.parsed, &leaf.table, &leaf.name).ok()?;
    let build = operation::CreateIndex {
        table: leaf.table.clone(),
        index: Some(leaf.table.sibling(&*leaf.name)),
        unique: create.unique,
        key: create.key_columns.clone(),
        whole: !create.partial,
        nulls_not_distinct: create.nulls_not_distinct,
        sql,
    };
    Some(Operation::CreateIndex(build).on_partition(whole))
}

fn adopt(case: &Case<'_>, create: &CreateIndex, target: &Target<'_>, whole: &str, partitions: usize) -> Option<Operation> {
    let sql = match &create.name {
        Some(_) => case.slice(&case.parsed.span).to_owned(),
        None => rewrite::create_index_named(case.text, case.parsed, whole).ok()?,
    };
    Some(Operation::Adopt(Adopt {
        table: create.table.clone(),
        object: Object::Index(target.name.sibling(whole)),
        columns: create.key_columns.clone().unwrap_or_default(),
        partitions: u64::try_from(partitions).unwrap_or(u64::MAX),
        sql,
        beside: Vec::new(),
    }))
}

fn by_hand(create: &CreateIndex) -> Vec<String> {
    let index = create.name.as_deref().unwrap_or("the_index");
    let unique = if create.unique { "UNIQUE " } else { "" };
    vec![
        format!("For each partition, outside a transaction: CREATE {unique}INDEX CONCURRENTLY … ON the partition (…);"),
        format!("then CREATE {unique}INDEX {index} ON {} (…); takes them over and builds nothing.", create.table),
    ]
}
