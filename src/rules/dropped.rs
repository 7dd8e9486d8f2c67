//! Statements that name what an earlier one of their transaction left to be dropped after COMMIT: natively it would be gone by now.

use crate::catalog::words::words;
use crate::deferred::drop_table::{DropForeignKey, DropTable};
use crate::deferred::operation::Operation;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, Opaque, Statement};

use super::case::Case;

/// The statement needs, or meets, what this operation has not taken away yet; nothing where the operation drops no table.
pub(super) fn needs(case: &Case<'_>, operation: &Operation) -> Option<bool> {
    match operation {
        Operation::DropTable(drop) => Some(names(case, drop)),
        Operation::DropForeignKey(drop) => Some(is_held_by(case, drop)),
        _ => None,
    }
}

fn names(case: &Case<'_>, drop: &DropTable) -> bool {
    match &case.parsed.statement {
        Statement::Transaction(_) | Statement::Setting(_) | Statement::Deallocate(_) => return false,
        Statement::Query(_) if looks_up(case) => return mentions(drop, case.slice(&case.parsed.span)) || named_as_relation(case, drop),
        Statement::Opaque(Opaque::Do { body, .. }) => return mentions(drop, &body.text),
        Statement::DropTable(again) => return again.relations.iter().any(|table| is(case, drop, table)),
        _ => {}
    }
    named_as_relation(case, drop) || new_name(&case.parsed.statement).is_some_and(|name| is_name(drop, name))
}

fn named_as_relation(case: &Case<'_>, drop: &DropTable) -> bool {
    case.parsed.relations.iter().any(|relation| is(case, drop, relation) || drop.takes.contains(&relation.name))
}

/// One of the tables, as far as the name tells: without a schema it may be meant wherever it stands.
fn is(case: &Case<'_>, drop: &DropTable, written: &RelationName) -> bool {
    let resolved = case.target(written).name;
    drop.names(&resolved) || resolved.schema.is_none() && drop.tables.iter().any(|table| table.name.name == resolved.name)
}

/// A name that the statement gives to what has another one, or none, in the grammar of a relation.
fn new_name(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Rename(rename) => Some(&rename.to),
        Statement::CreateIndex(create) => create.name.as_deref(),
        _ => None,
    }
}

fn is_name(drop: &DropTable, name: &str) -> bool {
    drop.takes.iter().any(|taken| taken == name) || drop.tables.iter().any(|table| table.name.name == name)
}

fn mentions(drop: &DropTable, text: &str) -> bool {
    let words = words(text);
    drop.tables.iter().any(|table| words.contains(&table.name.name))
}

/// Where tools look for a table by its name.
const LOOK_UPS: &[&str] = &["regclass", "information_schema", "pg_class", "pg_tables"];

fn looks_up(case: &Case<'_>) -> bool {
    let text = case.slice(&case.parsed.span).to_ascii_lowercase();
    LOOK_UPS.iter().any(|place| text.contains(place))
}

/// A key or a column of the table that it references, which it still holds.
fn is_held_by(case: &Case<'_>, drop: &DropForeignKey) -> bool {
    let Some((alter, command)) = case.command else { return false };
    let takes = matches!(command.action, AlterAction::DropConstraint { .. } | AlterAction::DropColumn { .. } | AlterAction::AlterType(_));
    takes && case.target(&alter.relation).name == drop.joined
}
