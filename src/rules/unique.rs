//! UNIQUE and PRIMARY KEY without a lock for the build: a unique index CONCURRENTLY, then the constraint takes it over.

use std::collections::BTreeSet;

use crate::deferred::operation::{CreateIndex, Operation};
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterTable, Unique};

use super::alter;
use super::rule::{Remedy, Rewrite};
use super::target::Target;

/// What adds the constraint under this name.
pub(super) fn operations(statement: &AlterTable, target: &Target<'_>, unique: &Unique, name: &str) -> Vec<Operation> {
    let build = CreateIndex {
        table: statement.relation.clone(),
        index: Some(target.name.sibling(name)),
        unique: true,
        key: Some(unique.columns.clone()),
        whole: true,
        nulls_not_distinct: unique.nulls_not_distinct,
        sql: create_index(statement, unique, name),
    };
    let (quoted, kind) = (Identifier(name), if unique.primary { "PRIMARY KEY" } else { "UNIQUE" });
    let sql = format!("{} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{}", alter::table(statement), deferral(unique));
    vec![Operation::CreateIndex(build), alter::attach(statement, name, &unique.columns, sql)]
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

fn create_index(statement: &AlterTable, unique: &Unique, name: &str) -> String {
    let columns = |columns: &[String]| columns.iter().map(|column| Identifier(column).to_string()).collect::<Vec<_>>().join(", ");
    let mut sql = format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({})", Identifier(name), statement.relation, columns(&unique.columns));
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
pub(super) fn by_partition(statement: &AlterTable, unique: &Unique) -> Vec<String> {
    let kind = if unique.primary { "PRIMARY KEY" } else { "UNIQUE" };
    vec![
        format!(
            "For each partition, outside a transaction: CREATE UNIQUE INDEX CONCURRENTLY … ; ALTER TABLE the_partition ADD CONSTRAINT … {kind} USING INDEX … ;"
        ),
        format!("then {} ADD CONSTRAINT … {kind} (…); adopts them and builds nothing.", alter::table(statement)),
    ]
}

/// The online way of a UNIQUE or PRIMARY KEY, where there is one.
pub(super) fn remedy(
    target: &Target<'_>,
    key: &Unique,
    operations: impl FnOnce() -> Vec<Operation>,
    by_partition: impl FnOnce() -> Vec<String>,
) -> Remedy {
    if key.without_overlaps {
        return Remedy::Advice(no_online_way());
    }
    if target.is_partitioned() {
        return Remedy::Advice(by_partition());
    }
    Remedy::Rewrite(Rewrite { instead: None, undo: None, then: operations() })
}

/// For what cannot be built beforehand.
pub(super) fn no_online_way() -> Vec<String> {
    vec!["No online way exists: create a new table with the constraint, copy the rows in batches, and swap the names.".to_owned()]
}
