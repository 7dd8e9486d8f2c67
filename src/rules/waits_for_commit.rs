//! A statement that needs, or changes, what an earlier one of its transaction left for after COMMIT.

use crate::catalog::locks::Work;
use crate::catalog::words::words;
use crate::deferred::operation::Operation;
use crate::deferred::partitions::{Adopt, Object};
use crate::deferred::promise::Deferred;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, AlterCommand, Constraint, ConstraintKind, Opaque, Statement};

use super::case::Case;
use super::dropped;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("waits-for-commit"),
    sqlstate: "PA001",
    hazard: "The object is not there yet, or not in its final state: it is made safely after COMMIT, and this statement would fail or miss it.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Put the statement into a later migration, or let the tool commit after each migration.",
    bad: "ALTER TABLE t CLUSTER ON t_a_idx /* which CREATE INDEX, earlier in this transaction, left for after its COMMIT */",
    good: &["ALTER TABLE t ADD COLUMN c int"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let all = case.overlay.deferred();
    let deferred = all.iter().find(|deferred| needs(case, deferred))?;
    let what = describe(deferred);
    let advice =
        "Put this statement into a later migration, or let the tool commit after each: with Alembic transaction_per_migration=True in env.py, \
                  elsewhere a migration of its own."
            .to_owned();
    let consequence = format!("this statement needs or changes {what}, which is done after the COMMIT of this transaction");
    let mut finding = case.general(&RULE, consequence, vec![advice]);
    finding.relation = Some(deferred.table.clone());
    Some(finding)
}

fn describe(deferred: &Deferred) -> String {
    let name = deferred.operation.name().unwrap_or_default();
    let what = match deferred.operation.own() {
        Operation::DropTable(drop) => return format!("the drop of the table {}", drop.others().join(", ")),
        Operation::Adopt(Adopt { object: Object::Index(_), .. }) => format!("the index {name}"),
        Operation::Adopt(_) => format!("the constraint {name}"),
        Operation::OnPartition(_) => String::new(),
        Operation::Detach(detach) | Operation::DropBounds(detach) => return format!("that the partition {name} leaves {}", detach.of),
        operation @ (Operation::Prove(_) | Operation::Join(_) | Operation::DropProof(_)) => {
            return format!("the new partition {}", operation.joins().map(ToString::to_string).unwrap_or_default());
        }
        Operation::ForJoin(_) => String::new(),
        Operation::CreateIndex(_) => format!("the index {name}"),
        Operation::DropIndex(_) => format!("the drop of the index {name}"),
        Operation::AttachKey(_) | Operation::Validate(_) => format!("the constraint {name}"),
        Operation::SetNotNull(set) => format!("NOT NULL of {}", set.column),
        Operation::DropForeignKey(_) => format!("the drop of the foreign key {name}"),
        Operation::Reindex(_) => "the rebuilt index".to_owned(),
    };
    format!("{what} on {}", deferred.table)
}

fn needs(case: &Case<'_>, deferred: &Deferred) -> bool {
    if is_about_leaving(case, &deferred.operation) {
        return true;
    }
    if let Some(needs) = joins(case, &deferred.operation) {
        return needs;
    }
    if let Some(needs) = dropped::needs(case, &deferred.operation) {
        return needs;
    }
    match &case.parsed.statement {
        Statement::Transaction(_) | Statement::Setting(_) | Statement::Copy(_) | Statement::Deallocate(_) | Statement::LockTable { .. } => false,
        // Only a name that is looked up needs the object; a column or a value may be called the same.
        Statement::Query(query) => {
            let arbiter =
                query.on_conflict && query.written.as_ref().is_some_and(|table| is_table(case, deferred, table)) && is_unique(&deferred.operation);
            arbiter || looks_up(case) && mentions(case, deferred)
        }
        Statement::AlterTable(_) => case.command.is_some_and(|(alter, command)| match &command.action {
            // A key is valid when it is there.
            AlterAction::ValidateConstraint(name) if matches!(deferred.operation.own(), Operation::AttachKey(key) if key.constraint == *name) => {
                is_table(case, deferred, &alter.relation)
            }
            // Validating twice is validating once; what is dropped need not be done.
            AlterAction::ValidateConstraint(_) | AlterAction::DropConstraint { .. } => false,
            AlterAction::DropColumn { column, .. } => is_table(case, deferred, &alter.relation) && may_use(&deferred.operation, column),
            AlterAction::AlterType(_) => is_table(case, deferred, &alter.relation),
            AlterAction::DropNotNull(column) => is_table(case, deferred, &alter.relation) && makes_not_null(deferred, column),
            AlterAction::AddConstraint(constraint) if takes_its_name(deferred, constraint) => false,
            AlterAction::AddConstraint(constraint) if references(case, deferred, &constraint.kind) => true,
            _ => mentions_in(case.slice(&command.span), deferred),
        }),
        Statement::Rename(rename) => rename.relation.as_ref().is_some_and(|table| is_table(case, deferred, table)) || mentions(case, deferred),
        Statement::SetSchema { relation } => is_table(case, deferred, relation) || mentions(case, deferred),
        Statement::CreateTable(create) => create.like.iter().any(|table| is_table(case, deferred, table)),
        // What was promised is taken back, or dropped before it is built again.
        Statement::DropIndex(_) | Statement::DropTable(_) => false,
        Statement::CreateIndex(_) if matches!(deferred.operation, Operation::DropIndex(_)) => false,
        Statement::CreateIndex(create) if create.name.is_some() && create.name.as_deref() == deferred.operation.name() => false,
        _ => mentions(case, deferred),
    }
}

/// A change of a partition that is to leave, or another in its place.
fn is_about_leaving(case: &Case<'_>, operation: &Operation) -> bool {
    let Operation::Detach(detach) = operation else { return false };
    let is = |name: &RelationName, known: &RelationName| case.target(name).name == *known || name == known;
    match &case.parsed.statement {
        Statement::AlterTable(alter) => {
            let attaches = case.command.is_some_and(|(_, command)| matches!(command.action, AlterAction::AttachPartition { .. }));
            is(&alter.relation, &detach.partition) || attaches && is(&alter.relation, &detach.of)
        }
        Statement::CreateTable(create) => create.partition_of.as_ref().is_some_and(|parent| is(parent, &detach.of)),
        Statement::DropTable(drop) => drop.relations.iter().any(|name| is(name, &detach.partition)),
        _ => false,
    }
}

/// A statement that names a table which is to get a partition, or the table that is to become it: its rows would not be found where they are looked
/// for, nor put where they belong. Another new partition may come behind it.
fn joins(case: &Case<'_>, operation: &Operation) -> Option<bool> {
    let partition = operation.joins()?;
    let Operation::Join(join) = operation else { return Some(false) };
    let is = |name: &RelationName, known: &RelationName| {
        let resolved = case.target(name).name;
        resolved == *known || resolved.schema.is_none() && resolved.name == known.name
    };
    let named = || case.parsed.relations.iter().any(|name| is(name, &join.of) || is(name, partition));
    Some(match &case.parsed.statement {
        Statement::Transaction(_) | Statement::Setting(_) | Statement::Deallocate(_) => false,
        Statement::CreateTable(create) if create.partition_of.as_ref().is_some_and(|parent| is(parent, &join.of)) => is(&create.relation, partition),
        Statement::AlterTable(alter) if is(&alter.relation, &join.of) => match case.command {
            Some((_, AlterCommand { action: AlterAction::AttachPartition { child, .. }, .. })) => is(child, partition),
            _ => true,
        },
        Statement::Opaque(Opaque::Do { body, .. }) => {
            let words = words(&body.text);
            words.contains(&join.of.name) || words.contains(&partition.name)
        }
        _ => named() || looks_up(case) && words(case.slice(&case.parsed.span)).contains(&partition.name),
    })
}

/// A key of the same name: it is told that the name is taken, when it is its turn.
fn takes_its_name(deferred: &Deferred, constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::Unique(_)) && constraint.name.is_some() && constraint.name.as_deref() == deferred.operation.name()
}

fn is_table(case: &Case<'_>, deferred: &Deferred, written: &RelationName) -> bool {
    let resolved = case.target(written).name;
    resolved == deferred.table || resolved.schema.is_none() && resolved.name == deferred.table.name
}

fn is_unique(operation: &Operation) -> bool {
    matches!(operation.own(), Operation::CreateIndex(create) if create.unique)
}

/// A foreign key wants the unique index of what it references.
fn references(case: &Case<'_>, deferred: &Deferred, kind: &ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::ForeignKey { references, .. } if is_unique(&deferred.operation) && is_table(case, deferred, references))
}

/// Its expressions or its predicate name the column: what becomes of it then is not followed.
fn may_use(operation: &Operation, column: &str) -> bool {
    matches!(operation.own(), Operation::CreateIndex(create) if !operation.goes_with_column(column) && words(&create.sql).contains(column))
}

/// What this command takes away is still to come.
fn makes_not_null(deferred: &Deferred, column: &String) -> bool {
    match deferred.operation.own() {
        Operation::SetNotNull(set) => set.column == *column,
        Operation::AttachKey(key) => key.is_primary() && key.columns.contains(column),
        _ => false,
    }
}

fn looks_up(case: &Case<'_>) -> bool {
    case.slice(&case.parsed.span).to_ascii_lowercase().contains("regclass")
}

fn mentions(case: &Case<'_>, deferred: &Deferred) -> bool {
    mentions_in(case.slice(&case.parsed.span), deferred)
}

fn mentions_in(text: &str, deferred: &Deferred) -> bool {
    deferred.operation.name().is_some_and(|name| words(text).contains(name))
}
