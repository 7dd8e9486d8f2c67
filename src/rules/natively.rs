//! What the server refuses by itself, before it locks for long or reads a row. It is left to it: the client hears at once, and in the server's
//! words, what would otherwise show after a long build, or after a COMMIT.

use crate::catalog::facts::RelationFacts;
use crate::deferred::operation::Operation;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, AlterTable, Constraint, ConstraintKind, Unique};

use super::case::Case;
use super::target::{Standing, Target};
use super::{names, tree, unique};

/// A UNIQUE or PRIMARY KEY that cannot be, whatever the rows are.
pub(super) fn refuses_key(case: &Case<'_>, target: &Target<'_>, constraint: &Constraint, key: &Unique) -> bool {
    let twice = key.columns.iter().enumerate().any(|(at, column)| key.columns.iter().skip(at + 1).any(|other| other == column));
    // Of a second primary key the server speaks before it looks at names: where the first one waits for the COMMIT, that is ours to say.
    let is_second = key.primary && target.deferred.iter().any(|waits| waits.table == target.name && waits.operation.is_primary_key());
    twice || !is_second && is_refused_at_once(case, target, constraint, key)
}

fn is_refused_at_once(case: &Case<'_>, target: &Target<'_>, constraint: &Constraint, key: &Unique) -> bool {
    tree::is_refused(case, target, constraint.name.as_deref(), Some(&key.columns), true)
        || certain(case, target).is_some_and(|facts| {
            let second = key.primary && facts.constraints.iter().any(|other| other.kind == 'p');
            let taken = constraint.name.as_deref().is_some_and(|name| is_taken(case, facts, name) && !unique::is_left_over(target, key, name));
            let unsorted = key.columns.iter().any(|column| is_unsorted(case, target, column));
            facts.denied.alter || facts.denied.create || second || taken || unsorted || key.columns.iter().any(|column| case.lacks(target, column))
        })
}

/// A foreign key that cannot be, whatever the rows are.
pub(super) fn refuses_foreign_key(
    case: &Case<'_>,
    statement: &AlterTable,
    target: &Target<'_>,
    constraint: &Constraint,
    columns: &[String],
    references: &RelationName,
) -> bool {
    certain(case, target).is_some_and(|facts| {
        let taken = constraint.name.as_deref().is_some_and(|name| facts.constraints.iter().any(|other| other.name == name));
        let missing = case.target(references).standing == Standing::Missing;
        // A partitioned table has none without its partitions.
        let alone = statement.only && facts.kind == 'p';
        facts.denied.alter || taken || missing || alone || columns.iter().any(|column| case.lacks(target, column))
    })
}

/// A B-tree does not sort the column by itself.
pub(super) fn is_unsorted(case: &Case<'_>, target: &Target<'_>, column: &str) -> bool {
    !case.is_changed(target) && target.facts.and_then(|facts| facts.column(column)).is_some_and(|column| column.unsorted)
}

/// VALIDATE of what is not there, or cannot be validated; or of what is valid, which reads nothing.
pub(super) fn needs_no_validation(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, name: &str) -> bool {
    let added = statement.commands.iter().any(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => names::of(case, statement, target, constraint) == name,
        AlterAction::AddColumn(column) => column.constraints.iter().any(|inline| names::of(case, statement, target, &inline.constraint) == name),
        _ => false,
    });
    let known = certain(case, target).filter(|_| !added);
    known.is_some_and(|facts| {
        let found = facts.constraints.iter().find(|constraint| constraint.name == name);
        facts.denied.alter || found.is_none_or(|constraint| constraint.validated || !['c', 'f', 'n'].contains(&constraint.kind))
    })
}

/// The facts, where no part of the string and of the statement changes them first, and nothing is gone on with that was cut off.
pub(super) fn certain<'a>(case: &Case<'_>, target: &Target<'a>) -> Option<&'a RelationFacts> {
    let changes = |action: &AlterAction| action.drops() || matches!(action, AlterAction::AlterType(_));
    let changed = case.command.is_some_and(|(statement, _)| statement.commands.iter().any(|command| changes(&command.action)));
    target.facts.filter(|_| case.alone && !changed && case.pending.is_empty())
}

/// A command of the same statement adds a key that cannot be: the server says so before it looks at a row for any other.
pub(super) fn refuses_key_beside(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>) -> bool {
    statement.commands.iter().any(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => match &constraint.kind {
            ConstraintKind::Unique(key) => refuses_key(case, target, constraint, key),
            _ => false,
        },
        _ => false,
    })
}

/// Of a constraint of this table, or of a relation in its schema that stays until the key is built.
fn is_taken(case: &Case<'_>, facts: &RelationFacts, name: &str) -> bool {
    facts.constraints.iter().any(|other| other.name == name) || is_relation(case, facts, name)
}

/// A relation in the schema of this one has the name, and keeps it.
pub(super) fn is_relation(case: &Case<'_>, facts: &RelationFacts, name: &str) -> bool {
    let drops = |operation: &Operation| matches!(operation, Operation::DropIndex(drop) if drop.index.name == name);
    facts.taken.relations.iter().any(|taken| taken == name) && !case.overlay.deferred().iter().any(|one| drops(&one.operation))
}
