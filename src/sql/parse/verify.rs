//! Text that we cut or edited is parsed again: it must mean what we think.

use std::ops::Range;

use pg_query::protobuf::{AlterTableStmt, ConstrType, Constraint, DefElem, IndexStmt, RangeVar, RawStmt, String as Text};
use pg_query::{Node, NodeEnum};
use serde::Serialize;
use serde_json::Value;

use super::super::name::RelationName;
use super::super::rewrite::{Command, Meaning};
use super::{ParseError, Source, statements, tree};

/// Which statement an edit may have made concurrent, and nothing else of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Change<'a> {
    /// CREATE INDEX became CONCURRENTLY, and got this name when one is given.
    CreateIndex(Option<&'a str>),
    /// CREATE INDEX got this name.
    NameIndex(&'a str),
    /// CREATE INDEX became CONCURRENTLY on another table, under this name, however the original was named; IF NOT EXISTS is left out.
    CreateIndexOn(&'a RelationName, &'a str),
    /// DROP INDEX became CONCURRENTLY.
    DropIndex,
    /// REINDEX became CONCURRENTLY.
    Reindex,
    /// REFRESH MATERIALIZED VIEW became CONCURRENTLY.
    Refresh,
}

/// Whether `edited` is one statement whose tree is that of `original` but for `change`.
pub(in crate::sql) fn differs_only_by(original: &str, edited: &str, change: Change<'_>) -> bool {
    let (Some(mut expected), Some(found)) = (only_statement(original), only_statement(edited)) else { return false };
    make(&mut expected, change) && same(&expected, &found)
}

/// Whether `composed` is the ALTER TABLE in `span` with exactly these commands: each what it must be of the one of that number.
pub(in crate::sql) fn consists_of(text: &str, span: &Range<usize>, composed: &str, commands: &[(usize, Command)]) -> bool {
    let original = text.get(span.clone()).and_then(alter_table);
    let (Some(mut expected), Some(found)) = (original, alter_table(composed)) else { return false };
    let Some(cmds) = all_intended(&expected, span.start, commands) else { return false };
    expected.cmds = cmds;
    same(&expected, &found)
}

/// The same, as a statement about another table.
pub(in crate::sql) fn consists_of_on(text: &str, span: &Range<usize>, composed: &str, commands: &[(usize, Command)], table: &RelationName) -> bool {
    let original = text.get(span.clone()).and_then(alter_table);
    let (Some(mut expected), Some(found)) = (original, alter_table(composed)) else { return false };
    let Some(cmds) = all_intended(&expected, span.start, commands) else { return false };
    expected.cmds = cmds;
    expected.missing_ok = false;
    name_table(expected.relation.as_mut(), table) && same(&expected, &found)
}

fn all_intended(original: &AlterTableStmt, start: usize, commands: &[(usize, Command)]) -> Option<Vec<Node>> {
    commands.iter().map(|(number, command)| intended(original.cmds.get(*number)?, start, command)).collect()
}

/// Another table in the place of the one that is named.
fn name_table(relation: Option<&mut RangeVar>, table: &RelationName) -> bool {
    let Some(relation) = relation else { return false };
    relation.catalogname.clear();
    relation.schemaname = table.schema.clone().unwrap_or_default();
    relation.relname.clone_from(&table.name);
    relation.inh = true;
    true
}

fn alter_table(text: &str) -> Option<AlterTableStmt> {
    match only_statement(text)? {
        NodeEnum::AlterTableStmt(stmt) => Some(stmt),
        _ => None,
    }
}

/// What the tree of a command must be. `start` is where its statement begins in the script.
fn intended(original: &Node, start: usize, command: &Command) -> Option<Node> {
    let mut node = original.clone();
    match &command.meaning {
        Meaning::AsWritten => {}
        Meaning::Named(name) => name.clone_into(&mut constraint_of(&mut node)?.conname),
        Meaning::NotValid(name) => make_not_valid(constraint_of(&mut node)?, name),
        Meaning::Without(places) => {
            let Some(NodeEnum::ColumnDef(column)) = definition_of(&mut node)? else { return None };
            column.constraints.retain(|constraint| !places.iter().any(|place| stands_in(constraint, start, place)));
        }
        Meaning::Own => return alter_table(&format!("ALTER TABLE t {}", command.sql))?.cmds.pop(),
    }
    Some(node)
}

fn definition_of(command: &mut Node) -> Option<Option<&mut NodeEnum>> {
    match command.node.as_mut()? {
        NodeEnum::AlterTableCmd(cmd) => Some(cmd.def.as_mut()?.node.as_mut()),
        _ => None,
    }
}

fn constraint_of(command: &mut Node) -> Option<&mut Constraint> {
    match definition_of(command)?? {
        NodeEnum::Constraint(constraint) => Some(constraint),
        _ => None,
    }
}

fn make_not_valid(constraint: &mut Constraint, name: &str) {
    name.clone_into(&mut constraint.conname);
    (constraint.skip_validation, constraint.initially_valid) = (true, false);
}

fn stands_in(node: &Node, start: usize, place: &Range<usize>) -> bool {
    let Some(NodeEnum::Constraint(constraint)) = tree::kind(node) else { return false };
    usize::try_from(constraint.location).is_ok_and(|location| place.contains(&(start + location)))
}

/// Whether `sql` adds, as a constraint of the table, exactly the one that stands at `place` beside a column: under this name, NOT VALID.
pub(in crate::sql) fn adds_apart(text: &str, span: &Range<usize>, place: &Range<usize>, name: &str, sql: &str) -> bool {
    let expected = text.get(span.clone()).and_then(alter_table).and_then(|stmt| apart(&stmt, span.start, place, name));
    let mut added = alter_table(sql).map(|stmt| stmt.cmds).unwrap_or_default();
    match (expected, added.as_mut_slice()) {
        (Some(expected), [added]) => constraint_of(added).is_some_and(|added| same(&expected, added)),
        _ => false,
    }
}

/// The constraint as it would be one of the table.
fn apart(stmt: &AlterTableStmt, start: usize, place: &Range<usize>, name: &str) -> Option<Constraint> {
    let definitions = stmt.cmds.iter().filter_map(|command| match tree::kind(command)? {
        NodeEnum::AlterTableCmd(cmd) => tree::inner(cmd.def.as_deref()),
        _ => None,
    });
    let columns = definitions.filter_map(|definition| match definition {
        NodeEnum::ColumnDef(column) => Some(column),
        _ => None,
    });
    for column in columns {
        let mut here =
            column.constraints.iter().filter(|constraint| stands_in(constraint, start, place)).filter_map(|node| match tree::kind(node)? {
                NodeEnum::Constraint(constraint) => Some(constraint),
                _ => None,
            });
        let Some(constraint) = here.next() else { continue };
        let mut expected = constraint.as_ref().clone();
        make_not_valid(&mut expected, name);
        if ConstrType::try_from(expected.contype) == Ok(ConstrType::ConstrForeign) {
            expected.fk_attrs = vec![Node { node: Some(NodeEnum::String(Text { sval: column.colname.clone() })) }];
        }
        here.for_each(|attribute| add_attribute(&mut expected, attribute));
        return Some(expected);
    }
    None
}

/// Beside a column `DEFERRABLE` and its like are nodes of their own.
fn add_attribute(constraint: &mut Constraint, attribute: &Constraint) {
    match ConstrType::try_from(attribute.contype) {
        Ok(ConstrType::ConstrAttrDeferrable) => constraint.deferrable = true,
        Ok(ConstrType::ConstrAttrDeferred) => (constraint.deferrable, constraint.initdeferred) = (true, true),
        Ok(ConstrType::ConstrAttrNotEnforced) => constraint.is_enforced = false,
        _ => {}
    }
}

fn only_statement(text: &str) -> Option<NodeEnum> {
    match <[RawStmt; 1]>::try_from(statements(text).ok()?) {
        Ok([statement]) => statement.stmt?.node,
        Err(_) => None,
    }
}

fn make(statement: &mut NodeEnum, change: Change<'_>) -> bool {
    match (statement, change) {
        (NodeEnum::IndexStmt(stmt), Change::CreateIndex(name)) => make_concurrent(stmt, name),
        (NodeEnum::IndexStmt(stmt), Change::NameIndex(name)) if stmt.idxname.is_empty() => {
            name.clone_into(&mut stmt.idxname);
            true
        }
        (NodeEnum::IndexStmt(stmt), Change::CreateIndexOn(table, name)) => {
            name.clone_into(&mut stmt.idxname);
            stmt.if_not_exists = false;
            !std::mem::replace(&mut stmt.concurrent, true) && name_table(stmt.relation.as_mut(), table)
        }
        (NodeEnum::DropStmt(stmt), Change::DropIndex) => !std::mem::replace(&mut stmt.concurrent, true),
        (NodeEnum::RefreshMatViewStmt(stmt), Change::Refresh) => !std::mem::replace(&mut stmt.concurrent, true),
        (NodeEnum::ReindexStmt(stmt), Change::Reindex) if !tree::switched_on(&stmt.params, "concurrently") => {
            stmt.params.push(switch("concurrently"));
            true
        }
        _ => false,
    }
}

fn make_concurrent(stmt: &mut IndexStmt, name: Option<&str>) -> bool {
    let was_concurrent = std::mem::replace(&mut stmt.concurrent, true);
    let had_name = !stmt.idxname.is_empty();
    if let Some(name) = name {
        name.clone_into(&mut stmt.idxname);
    }
    !(was_concurrent || had_name && name.is_some())
}

fn switch(name: &str) -> Node {
    let option = DefElem { defname: name.to_owned(), defaction: 1, ..DefElem::default() };
    Node { node: Some(NodeEnum::DefElem(Box::new(option))) }
}

/// Checks that each piece of an ALTER TABLE, put behind the table's name alone, is the command it was taken for.
pub(super) fn pieces(source: &Source<'_>, stmt: &AlterTableStmt, pieces: &[Range<usize>]) -> Result<(), ParseError> {
    let head = pieces.first().and_then(|first| source.text.get(source.span.start..first.start)).unwrap_or_default();
    let misread = || ParseError::not_understood("the commands of this ALTER TABLE cannot be told apart");
    for (command, piece) in stmt.cmds.iter().zip(pieces) {
        let alone = format!("{head}{}", source.text.get(piece.clone()).unwrap_or_default());
        let Some(NodeEnum::AlterTableStmt(read)) = only_statement(&alone) else { return Err(misread()) };
        let [found] = read.cmds.as_slice() else { return Err(misread()) };
        if !same(&tree::kind(found), &tree::kind(command)) {
            return Err(misread());
        }
    }
    Ok(())
}

fn same(one: &impl Serialize, other: &impl Serialize) -> bool {
    shape(one).is_some_and(|one| Some(one) == shape(other))
}

/// A tree without the places where its parts stood.
fn shape(tree: &impl Serialize) -> Option<Value> {
    let mut value = serde_json::to_value(tree).ok()?;
    forget_places(&mut value);
    Some(value)
}

fn forget_places(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PLACES.contains(&name.as_str()));
            fields.values_mut().for_each(forget_places);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_places),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The fields of the tree that hold places.
const PLACES: &[&str] =
    &["location", "arg_location", "stmt_location", "stmt_len", "name_location", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"];
