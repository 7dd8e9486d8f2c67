//! Statements that take back what waits for a COMMIT: an index or a key that was promised and is not there is dropped by not making it.

use crate::catalog::facts::{Facts, Lookup};
use crate::catalog::overlay::{Effect, Overlay};
use crate::deferred::operation::Operation;
use crate::deferred::partitions::{Adopt, Object};
use crate::deferred::promise::{Deferred, Pending};
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, AlterCommand, Drop, Parsed, Statement};

/// What a lone statement takes back, where all that it drops is still to be made.
pub(super) fn of(parsed: &Parsed, overlay: &Overlay, pending: &[Pending], facts: &Facts) -> Option<Effect> {
    let asked = |name: &RelationName| facts.scope(0).and_then(|scope| scope.relations.get(name));
    match &parsed.statement {
        // Where the server was not asked, it may know such an index.
        Statement::DropIndex(Drop { relations, concurrently: false, .. }) => match relations.as_slice() {
            [index] if asked(index) == Some(&Lookup::Missing) => dropped_index(index, overlay, pending),
            _ => None,
        },
        Statement::AlterTable(alter) => match alter.commands.as_slice() {
            [AlterCommand { action: AlterAction::DropConstraint { name, .. }, .. }] => {
                let table = asked(&alter.relation)?.found()?.qualified();
                one(overlay, pending, &|deferred| deferred.table == table && is_key(&deferred.operation, name))
            }
            _ => None,
        },
        _ => None,
    }
}

fn dropped_index(index: &RelationName, overlay: &Overlay, pending: &[Pending]) -> Option<Effect> {
    let backs_a_key = |deferred: &Deferred| match &deferred.operation {
        Operation::AttachKey(key) => key.constraint == index.name,
        Operation::Adopt(Adopt { object: Object::Constraint(name), .. }) => *name == index.name,
        _ => false,
    };
    if overlay.deferred().iter().any(backs_a_key) { None } else { one(overlay, pending, &|deferred| is_index(deferred, index)) }
}

/// The index, or what is done for it on partitions.
fn is_index(deferred: &Deferred, name: &RelationName) -> bool {
    let index = match &deferred.operation {
        Operation::CreateIndex(create) => create.index.clone(),
        operation => operation.part_of().map(|whole| deferred.table.sibling(whole)),
    };
    index.is_some_and(|index| index.name == name.name && (name.schema.is_none() || name.schema == index.schema))
}

/// A key that is to be attached, and the index that is built for it; a constraint, and what is done for it on partitions.
fn is_key(operation: &Operation, name: &str) -> bool {
    match operation {
        Operation::AttachKey(key) => key.constraint == name,
        Operation::CreateIndex(create) => create.unique && create.index.as_ref().is_some_and(|index| index.name == name),
        operation => operation.part_of() == Some(name),
    }
}

/// What matches in this transaction, else in an earlier one.
fn one(overlay: &Overlay, pending: &[Pending], matches: &dyn Fn(&Deferred) -> bool) -> Option<Effect> {
    let here = places(overlay.deferred(), matches);
    if !here.is_empty() {
        return Some(Effect::Settled(here));
    }
    let earlier: Vec<_> = pending
        .iter()
        .filter(|pending| pending.promise.whole.is_none())
        .flat_map(|pending| places(pending.rest(), matches).into_iter().map(|place| (pending.id, pending.done + place)))
        .collect();
    (!earlier.is_empty()).then_some(Effect::Needless(earlier))
}

fn places(operations: &[Deferred], matches: &dyn Fn(&Deferred) -> bool) -> Vec<usize> {
    operations.iter().enumerate().filter(|(_, deferred)| matches(deferred)).map(|(place, _)| place).collect()
}

/// What a statement that the server runs makes needless of what its own transaction left for later.
pub(super) fn beside(parsed: &Parsed, overlay: &Overlay, resolved: impl Fn(&RelationName) -> RelationName) -> Effect {
    let gone: Vec<usize> = match &parsed.statement {
        Statement::DropTable(drop) => {
            let tables: Vec<RelationName> = drop.relations.iter().map(&resolved).collect();
            places(overlay.deferred(), &|deferred| tables.contains(&deferred.table))
        }
        Statement::AlterTable(alter) => {
            let table = resolved(&alter.relation);
            let goes = |deferred: &Deferred| alter.commands.iter().any(|command| goes_with(&deferred.operation, &command.action));
            places(overlay.deferred(), &|deferred| deferred.table == table && goes(deferred))
        }
        _ => Vec::new(),
    };
    if gone.is_empty() { Effect::Nothing } else { Effect::Settled(gone) }
}

fn goes_with(operation: &Operation, action: &AlterAction) -> bool {
    match (action, operation) {
        (AlterAction::DropConstraint { name, .. }, Operation::Validate(validate)) => validate.constraint == *name,
        (AlterAction::DropConstraint { name, .. }, operation) => operation.part_of() == Some(name),
        (AlterAction::DropColumn { column, .. }, operation) => operation.goes_with_column(column),
        _ => false,
    }
}
