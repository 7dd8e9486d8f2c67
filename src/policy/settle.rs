//! Statements that take back what waits for a COMMIT: an index or a key that was promised and is not there is dropped by not making it.

use crate::catalog::overlay::{Effect, Overlay};
use crate::deferred::operation::Operation;
use crate::deferred::promise::{Deferred, Pending};
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, Drop, Parsed, Statement};

/// What a lone statement takes back, where all that it drops is still to be made; `exists` says what the server knows already.
pub(super) fn of(parsed: &Parsed, overlay: &Overlay, pending: &[Pending], exists: impl Fn(&RelationName) -> bool) -> Option<Effect> {
    match &parsed.statement {
        Statement::DropIndex(drop) if !drop.concurrently => dropped_indexes(drop, overlay, pending, exists),
        Statement::AlterTable(alter) => match alter.commands.as_slice() {
            [command] => match &command.action {
                AlterAction::DropConstraint { name, .. } => one(overlay, pending, &|operation| is_key(operation, name)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn dropped_indexes(drop: &Drop, overlay: &Overlay, pending: &[Pending], exists: impl Fn(&RelationName) -> bool) -> Option<Effect> {
    let [index] = drop.relations.as_slice() else { return None };
    let backs_a_key =
        overlay.deferred().iter().any(|deferred| matches!(&deferred.operation, Operation::AttachKey(key) if key.constraint == index.name));
    if exists(index) || backs_a_key {
        return None;
    }
    one(overlay, pending, &|operation| is_index(operation, index))
}

fn is_index(operation: &Operation, name: &RelationName) -> bool {
    let Operation::CreateIndex(create) = operation else { return false };
    create.index.as_ref().is_some_and(|index| index.name == name.name && (name.schema.is_none() || name.schema == index.schema))
}

/// A key that is to be attached, and the index that is built for it.
fn is_key(operation: &Operation, name: &str) -> bool {
    match operation {
        Operation::AttachKey(key) => key.constraint == name,
        Operation::CreateIndex(create) => create.unique && create.index.as_ref().is_some_and(|index| index.name == name),
        _ => false,
    }
}

/// What matches in this transaction, else in an earlier one.
fn one(overlay: &Overlay, pending: &[Pending], matches: &dyn Fn(&Operation) -> bool) -> Option<Effect> {
    let here = places(overlay.deferred(), matches);
    if !here.is_empty() {
        return Some(Effect::Settled(here));
    }
    let earlier: Vec<_> =
        pending.iter().flat_map(|pending| places(pending.rest(), matches).into_iter().map(|place| (pending.id, pending.done + place))).collect();
    (!earlier.is_empty()).then_some(Effect::Needless(earlier))
}

fn places(operations: &[Deferred], matches: &dyn Fn(&Operation) -> bool) -> Vec<usize> {
    operations.iter().enumerate().filter(|(_, deferred)| matches(&deferred.operation)).map(|(place, _)| place).collect()
}

/// What a statement that the server runs makes needless of what its own transaction left for later.
pub(super) fn beside(parsed: &Parsed, overlay: &Overlay, resolved: impl Fn(&RelationName) -> RelationName) -> Effect {
    let gone: Vec<usize> = match &parsed.statement {
        Statement::DropTable(drop) => {
            let tables: Vec<RelationName> = drop.relations.iter().map(&resolved).collect();
            of_tables(overlay, |deferred| tables.contains(&deferred.table))
        }
        Statement::AlterTable(alter) => {
            let table = resolved(&alter.relation);
            let goes = |deferred: &Deferred| alter.commands.iter().any(|command| goes_with(&deferred.operation, &command.action));
            of_tables(overlay, |deferred| deferred.table == table && goes(deferred))
        }
        _ => Vec::new(),
    };
    if gone.is_empty() { Effect::Nothing } else { Effect::Settled(gone) }
}

fn of_tables(overlay: &Overlay, matches: impl Fn(&Deferred) -> bool) -> Vec<usize> {
    overlay.deferred().iter().enumerate().filter(|(_, deferred)| matches(deferred)).map(|(place, _)| place).collect()
}

fn goes_with(operation: &Operation, action: &AlterAction) -> bool {
    match (action, operation) {
        (AlterAction::DropConstraint { name, .. }, Operation::Validate(validate)) => validate.constraint == *name,
        (AlterAction::DropColumn { column, .. }, Operation::SetNotNull(set)) => set.column == *column,
        (AlterAction::DropColumn { column, .. }, Operation::CreateIndex(create)) => create.key.as_ref().is_some_and(|key| key.contains(column)),
        _ => false,
    }
}
