//! UNIQUE and PRIMARY KEY without a lock for the build: a unique index CONCURRENTLY, then the constraint takes it over.

use std::collections::BTreeSet;

use crate::deferred::operation::{AttachKey, CreateIndex, Operation};
use crate::sql::name::{Identifier, RelationName};
use crate::sql::naming;
use crate::sql::statement::{AlterTable, Unique};

use super::alter::{self, Adding};
use super::case::Case;
use super::rule::{Remedy, Rewrite};
use super::target::{Among, Target};
use super::tree::{Tree, Wanted};

/// What adds the constraint under this name.
pub(super) fn operations(statement: &AlterTable, target: &Target<'_>, unique: &Unique, name: &str) -> Vec<Operation> {
    let table = &statement.relation;
    let build = build(table, target.name.sibling(name), unique, name);
    vec![build, alter::attach(statement, name, &unique.columns, using_index(&alter::table(statement), unique, name))]
}

fn using_index(alter_table: &str, unique: &Unique, name: &str) -> String {
    let (quoted, kind) = (Identifier(name), if unique.primary { "PRIMARY KEY" } else { "UNIQUE" });
    format!("{alter_table} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{}", deferral(unique))
}

/// The unique index on a table, which becomes the constraint's.
fn build(table: &RelationName, index: RelationName, unique: &Unique, name: &str) -> Operation {
    Operation::CreateIndex(CreateIndex {
        table: table.clone(),
        index: Some(index),
        unique: true,
        key: Some(unique.columns.clone()),
        whole: true,
        nulls_not_distinct: unique.nulls_not_distinct,
        sql: create_index(table, unique, name),
    })
}

/// On a partitioned table: the constraint on each partition, and then on the table, which takes them over.
fn on_partitions(case: &Case<'_>, target: &Target<'_>, unique: &Unique, adding: &Adding<'_>) -> Result<Vec<Operation>, String> {
    let tree = Tree::of(case, target).ok_or("its partitions are not known")?;
    tree.work_on_each()?;
    if let Some(foreign) = tree.foreign() {
        return Err(format!("{} is a foreign table, which cannot have a unique index", foreign.qualified()));
    }
    if let Some(partition) = tree.not_unique_on(Some(&unique.columns)) {
        return Err(format!("{} is partitioned by a column that the key has not", partition.qualified()));
    }
    if target.is_taken(adding.name, Among::Both) {
        return Err(format!("the name {} is taken", adding.name));
    }
    let kind = if unique.primary { 'p' } else { 'u' };
    let (key, including) = (Some(&*unique.columns), &*unique.including);
    let wanted = Wanted { key, including, unique: true, constraint: Some(kind), ordinary: !unique.nulls_not_distinct };
    let names = if unique.primary { Vec::new() } else { naming::distinct([&unique.columns[..], &unique.including].concat().into_iter()) };
    let mut operations = Vec::new();
    for leaf in tree.to_build(&wanted, adding.name, &names, if unique.primary { "pkey" } else { "key" })? {
        let build = build(&leaf.table, leaf.table.sibling(&*leaf.name), unique, &leaf.name);
        let sql = using_index(&format!("ALTER TABLE {}", leaf.table), unique, &leaf.name);
        let attach = AttachKey { table: leaf.table, only: false, constraint: leaf.name, columns: unique.columns.clone(), sql };
        operations.extend([build, Operation::AttachKey(attach)].map(|operation| operation.on_partition(adding.name)));
    }
    operations.push(alter::adopt(case, adding, &unique.columns, tree.len()).ok_or("the constraint cannot be added by itself")?);
    Ok(operations)
}

/// An index of that name is what a build of this very key left behind when its connection was lost.
pub(super) fn is_left_over(target: &Target<'_>, key: &Unique, name: &str) -> bool {
    let wanted: BTreeSet<&String> = key.columns.iter().chain(&key.including).collect();
    target.facts.is_some_and(|facts| {
        facts.indexes.iter().any(|index| {
            index.name == name && index.abandoned && index.unique && index.plain && index.columns.iter().collect::<BTreeSet<_>>() == wanted
        })
    })
}

fn create_index(table: &RelationName, unique: &Unique, name: &str) -> String {
    let columns = |columns: &[String]| columns.iter().map(|column| Identifier(column).to_string()).collect::<Vec<_>>().join(", ");
    let mut sql = format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({})", Identifier(name), table, columns(&unique.columns));
    if !unique.including.is_empty() {
        sql += &format!(" INCLUDE ({})", columns(&unique.including));
    }
    if unique.nulls_not_distinct {
        sql += " NULLS NOT DISTINCT";
    }
    if let Some(with) = &unique.with {
        sql += &format!(" WITH ({with})");
    }
    if let Some(tablespace) = &unique.tablespace {
        sql += &format!(" TABLESPACE {}", Identifier(tablespace));
    }
    sql
}

fn deferral(unique: &Unique) -> &'static str {
    match (unique.deferrable, unique.initially_deferred) {
        (_, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        (false, false) => "",
    }
}

/// What to write where there is no way without a lock on a partitioned table.
fn by_partition(statement: &AlterTable, unique: &Unique) -> Vec<String> {
    let kind = if unique.primary { "PRIMARY KEY" } else { "UNIQUE" };
    vec![
        format!(
            "For each partition, outside a transaction: CREATE UNIQUE INDEX CONCURRENTLY … ; ALTER TABLE the_partition ADD CONSTRAINT … {kind} USING INDEX … ;"
        ),
        format!("then {} ADD CONSTRAINT … {kind} (…); adopts them and builds nothing.", alter::table(statement)),
    ]
}

/// What makes the columns of a primary key NOT NULL.
#[derive(Default)]
pub(super) struct NotNull {
    /// On the table, or on each partition.
    pub(super) first: Vec<Operation>,
    /// On the table, when its partitions have it.
    pub(super) of_whole: Vec<Operation>,
}

impl NotNull {
    fn around(self, mut key: Vec<Operation>) -> Vec<Operation> {
        let last = key.pop();
        self.first.into_iter().chain(key).chain(self.of_whole).chain(last).collect()
    }
}

/// The online way of a UNIQUE or PRIMARY KEY, where there is one. What makes its columns NOT NULL comes first.
pub(super) fn remedy(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, key: &Unique, adding: &Adding<'_>, not_null: NotNull) -> Remedy {
    if key.without_overlaps {
        return Remedy::Advice(no_online_way());
    }
    let operations =
        if target.is_partitioned() { on_partitions(case, target, key, adding) } else { Ok(operations(statement, target, key, adding.name)) };
    match operations {
        Ok(operations) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then: not_null.around(operations) }),
        Err(why) => {
            let why = format!("It cannot be done partition by partition: {why}.");
            Remedy::Advice(std::iter::once(why).chain(by_partition(statement, key)).collect())
        }
    }
}

/// For what cannot be built beforehand.
pub(super) fn no_online_way() -> Vec<String> {
    vec!["No online way exists: create a new table with the constraint, copy the rows in batches, and swap the names.".to_owned()]
}
