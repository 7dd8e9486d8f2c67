//! CREATE TABLE in its forms, CREATE INDEX, REINDEX.

use pg_query::protobuf::{
    ConstrType, CreateStmt, CreateTableAsStmt, IndexStmt, IntoClause, RangeVar, ReindexObjectType, ReindexStmt, SortByDir, SortByNulls,
};
use pg_query::{Node, NodeEnum};

use super::super::name::RelationName;
use super::super::naming;
use super::super::statement::{CreateIndex, CreateTable, Reindex, ReindexTarget, Statement, TypeName};
use super::{bound, figure, tree, walk};

/// CREATE TABLE.
pub(super) fn table(stmt: &CreateStmt) -> CreateTable {
    let mut parents = tree::relations(&stmt.inh_relations);
    let partition_of = stmt.partbound.is_some().then(|| parents.pop()).flatten();
    CreateTable {
        relation: tree::required(stmt.relation.as_ref()),
        if_not_exists: stmt.if_not_exists,
        columns: stmt.table_elts.iter().filter_map(column).collect(),
        temporary: is_temporary(stmt.relation.as_ref()),
        references: references(stmt),
        partition_of,
        bound: stmt.partbound.as_ref().map(bound::of),
        inherits: parents,
        like: stmt.table_elts.iter().filter_map(like).collect(),
        from_query: false,
        execute: None,
    }
}

fn column(node: &Node) -> Option<(String, TypeName)> {
    let NodeEnum::ColumnDef(column) = tree::kind(node)? else { return None };
    column.type_name.as_ref().map(|of| (column.colname.clone(), tree::type_name(Some(of))))
}

fn like(node: &Node) -> Option<RelationName> {
    let NodeEnum::TableLikeClause(like) = tree::kind(node)? else { return None };
    like.relation.as_ref().map(tree::relation)
}

fn is_temporary(var: Option<&RangeVar>) -> bool {
    var.is_some_and(|var| var.relpersistence == "t" || var.schemaname == "pg_temp")
}

/// The tables that foreign keys name, beside columns and inside them.
fn references(stmt: &CreateStmt) -> Vec<RelationName> {
    let mut found = Vec::new();
    for element in stmt.table_elts.iter().chain(&stmt.constraints).filter_map(tree::kind) {
        match element {
            NodeEnum::ColumnDef(column) => column.constraints.iter().for_each(|node| add_reference(&mut found, node)),
            other => add_reference_of(&mut found, other),
        }
    }
    found
}

fn add_reference(found: &mut Vec<RelationName>, node: &Node) {
    if let Some(kind) = tree::kind(node) {
        add_reference_of(found, kind);
    }
}

fn add_reference_of(found: &mut Vec<RelationName>, node: &NodeEnum) {
    if let NodeEnum::Constraint(constraint) = node
        && ConstrType::try_from(constraint.contype) == Ok(ConstrType::ConstrForeign)
        && let Some(table) = &constraint.pktable
    {
        walk::push_once(found, tree::relation(table));
    }
}

/// CREATE TABLE AS and CREATE MATERIALIZED VIEW.
pub(super) fn table_as(stmt: &CreateTableAsStmt) -> Statement {
    let execute = match tree::inner(stmt.query.as_deref()) {
        Some(NodeEnum::ExecuteStmt(execute)) => Some(execute.name.clone()),
        _ => None,
    };
    match &stmt.into {
        Some(into) => Statement::CreateTable(from_into(into, stmt.if_not_exists, execute)),
        None => super::statement::unjudged("CREATE TABLE AS"),
    }
}

/// What an INTO clause makes.
pub(super) fn from_into(into: &IntoClause, if_not_exists: bool, execute: Option<String>) -> CreateTable {
    CreateTable {
        relation: tree::required(into.rel.as_ref()),
        if_not_exists,
        columns: Vec::new(),
        temporary: is_temporary(into.rel.as_ref()),
        references: Vec::new(),
        partition_of: None,
        bound: None,
        inherits: Vec::new(),
        like: Vec::new(),
        from_query: true,
        execute,
    }
}

/// CREATE INDEX.
pub(super) fn index(stmt: &IndexStmt) -> CreateIndex {
    let keys = stmt.index_params.iter().chain(&stmt.index_including_params);
    CreateIndex {
        name: tree::filled(&stmt.idxname),
        table: tree::required(stmt.relation.as_ref()),
        only: stmt.relation.as_ref().is_some_and(|table| !table.inh),
        unique: stmt.unique,
        concurrently: stmt.concurrent,
        if_not_exists: stmt.if_not_exists,
        key_names: naming::distinct(keys.filter_map(key_name)),
        key_columns: stmt.index_params.iter().map(key_column).collect(),
        partial: stmt.where_clause.is_some(),
        ordinary: is_ordinary(stmt),
        nulls_not_distinct: stmt.nulls_not_distinct,
        method: stmt.access_method.clone(),
        sorted_by: if ["", "btree"].contains(&&*stmt.access_method) {
            stmt.index_params.iter().filter_map(sorted_column).collect()
        } else {
            Vec::new()
        },
        beyond_method: is_beyond_method(stmt),
    }
}

fn sorted_column(node: &Node) -> Option<String> {
    let NodeEnum::IndexElem(key) = tree::kind(node)? else { return None };
    tree::filled(&key.name).filter(|_| key.opclass.is_empty())
}

/// Only a B-tree is unique and sorts; what else each method knows stands in its documentation.
fn is_beyond_method(stmt: &IndexStmt) -> bool {
    let sorts = |node: &Node| match tree::kind(node) {
        Some(NodeEnum::IndexElem(key)) => {
            let default = |value: i32, default: i32| value == default || value == 0;
            !default(key.ordering, SortByDir::SortbyDefault as i32) || !default(key.nulls_ordering, SortByNulls::SortbyNullsDefault as i32)
        }
        _ => false,
    };
    let (several, includes) = (stmt.index_params.len() > 1, !stmt.index_including_params.is_empty());
    match &*stmt.access_method {
        "hash" => stmt.unique || several || includes || stmt.index_params.iter().any(sorts),
        "gin" | "brin" => stmt.unique || includes || stmt.index_params.iter().any(sorts),
        "gist" => stmt.unique || stmt.index_params.iter().any(sorts),
        "spgist" => stmt.unique || several || stmt.index_params.iter().any(sorts),
        _ => false,
    }
}

/// A B-tree of columns, with what comes by default otherwise. The order of its keys does not matter to whoever takes one index for another.
fn is_ordinary(stmt: &IndexStmt) -> bool {
    let plain = |node: &Node| matches!(tree::kind(node), Some(NodeEnum::IndexElem(key)) if key.expr.is_none() && key.collation.is_empty() && key.opclass.is_empty());
    stmt.access_method == "btree" && stmt.where_clause.is_none() && !stmt.nulls_not_distinct && stmt.index_params.iter().all(plain)
}

fn key_column(node: &Node) -> Option<String> {
    let NodeEnum::IndexElem(key) = tree::kind(node)? else { return None };
    tree::filled(&key.name)
}

fn key_name(node: &Node) -> Option<String> {
    let NodeEnum::IndexElem(key) = tree::kind(node)? else { return None };
    let figured = || key.expr.as_deref().and_then(figure::column_name).unwrap_or_else(|| "expr".to_owned());
    Some(tree::filled(&key.name).unwrap_or_else(figured))
}

/// REINDEX.
pub(super) fn reindex(stmt: &ReindexStmt) -> Option<Statement> {
    use ReindexObjectType as Kind;
    let relation = || tree::required(stmt.relation.as_ref());
    let target = match Kind::try_from(stmt.kind).ok()? {
        Kind::ReindexObjectIndex => ReindexTarget::Index(relation()),
        Kind::ReindexObjectTable => ReindexTarget::Table(relation()),
        Kind::ReindexObjectSchema => ReindexTarget::Schema(stmt.name.clone()),
        Kind::ReindexObjectDatabase => ReindexTarget::Database,
        Kind::ReindexObjectSystem => ReindexTarget::System,
        Kind::Undefined => return None,
    };
    Some(Statement::Reindex(Reindex { target, concurrently: tree::switched_on(&stmt.params, "concurrently") }))
}
