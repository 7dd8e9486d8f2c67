//! Statements that wait for a strong lock on relations that others use: they are tried again and again, so that nobody stands behind them for long.
//!
//! Whoever waits for such a lock makes everybody wait who comes later, readers too. So the session asks for it with a short lock_timeout, and lets the
//! others through between two tries (facts: postgres, "the lock queue").

use crate::catalog::facts::{Facts, Lookup, RelationFacts};
use crate::catalog::locks::LockMode;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, AlterTable, ConstraintKind, Parsed, ReindexTarget, Script, Statement};

use super::decide::Situation;
use super::lock_timeout::waits_without_harm;
use super::settings::Mode;

/// The lock that a statement waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrongLock {
    /// On what, as the server resolves it; as written where it is not known. What it takes along (partitions, children) is left out.
    pub relations: Vec<RelationName>,
    /// The strongest mode.
    pub mode: LockMode,
    /// Also on the tables at the other end of its foreign keys.
    pub neighbours: bool,
    /// A question may stand before it: LOCK TABLE comes before the snapshot of its transaction.
    pub may_ask: bool,
    /// Nothing is scanned or written anew under it, as far as the rules know.
    pub brief: bool,
}

/// `[timeouts]`, as far as they are about waiting for a strong lock; all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// lock_timeout of a try.
    pub try_ms: u64,
    /// Between two tries, a quarter more or less by chance.
    pub pause_ms: u64,
    /// For all tries together; 0: it is not tried again.
    pub total_ms: u64,
    /// No try takes longer: the lock_timeout that the session keeps.
    pub longest_ms: u64,
}

impl Patience {
    /// What holds where nothing else is said.
    pub const USUAL: Self = Self { try_ms: 100, pause_ms: 500, total_ms: 60_000, longest_ms: 2_000 };
}

impl Default for Patience {
    fn default() -> Self {
        Self::USUAL
    }
}

/// The lock of a lone statement; none where nobody else can hold anything against it.
pub(super) fn of(script: &Script, facts: &Facts, situation: &Situation<'_>, brief: bool) -> Option<StrongLock> {
    let [parsed] = script.statements.as_slice() else { return None };
    let alone = !situation.in_transaction || situation.in_block && !situation.overlay.holds_locks();
    if situation.mode != Mode::Enforce || situation.failed_transaction || !alone || waits_without_harm(parsed) {
        return None;
    }
    let found = |name: &RelationName| facts.scope(0).and_then(|scope| scope.relations.get(name));
    let relations: Vec<RelationName> = named(parsed).into_iter().filter_map(|name| others_use(name, found(name), situation)).collect();
    let may_ask = !matches!(parsed.statement, Statement::LockTable { .. });
    // Outside of a block the server refuses LOCK TABLE; among statements of ours it would not, and the lock be gone when it is answered.
    if !may_ask && !situation.in_block {
        return None;
    }
    (!relations.is_empty()).then(|| StrongLock {
        relations,
        mode: mode(&parsed.statement),
        neighbours: reaches_neighbours(&parsed.statement),
        may_ask,
        brief,
    })
}

/// The relations that it locks strongly; empty for everything else.
fn named(parsed: &Parsed) -> Vec<&RelationName> {
    match &parsed.statement {
        Statement::AlterTable(alter) => altered(alter),
        Statement::CreateIndex(create) => vec![&create.table],
        Statement::DropIndex(drop) | Statement::DropTable(drop) => drop.relations.iter().collect(),
        Statement::Reindex(reindex) => match &reindex.target {
            ReindexTarget::Index(relation) | ReindexTarget::Table(relation) => vec![relation],
            ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => Vec::new(),
        },
        Statement::Rename(rename) => rename.relation.iter().collect(),
        Statement::SetSchema { relation } => vec![relation],
        Statement::CreateTable(create) => create.references.iter().chain(&create.partition_of).chain(&create.inherits).collect(),
        Statement::Unjudged { relations, .. } => relations.iter().collect(),
        _ => parsed.locks.iter().collect(),
    }
}

fn altered(alter: &AlterTable) -> Vec<&RelationName> {
    let others = alter.commands.iter().filter_map(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => match &constraint.kind {
            ConstraintKind::ForeignKey { references, .. } => Some(references),
            _ => None,
        },
        AlterAction::AttachPartition { child: other, .. } | AlterAction::Inherit(other) => Some(other),
        _ => None,
    });
    std::iter::once(&alter.relation).chain(others).collect()
}

/// The name by which the server knows it; none for what is not there, or belongs to this transaction alone.
fn others_use(name: &RelationName, found: Option<&Lookup<RelationFacts>>, situation: &Situation<'_>) -> Option<RelationName> {
    match found {
        Some(Lookup::Missing) => None,
        Some(Lookup::Found(facts)) => {
            let resolved = facts.qualified();
            let owner = facts.index.as_ref().map_or_else(|| resolved.clone(), |index| index.table_name());
            let own = facts.persistence == 't' || situation.overlay.created(&owner) && !facts.has_children;
            (!own).then_some(resolved)
        }
        Some(Lookup::Unknown) | None => Some(name.clone()),
    }
}

fn mode(statement: &Statement) -> LockMode {
    match statement {
        Statement::CreateIndex(_) => LockMode::Share,
        Statement::Brief("CREATE TRIGGER" | "ALTER SEQUENCE") => LockMode::ShareRowExclusive,
        Statement::CreateTable(create) if create.partition_of.is_none() && create.inherits.is_empty() => LockMode::ShareRowExclusive,
        Statement::AlterTable(alter) if alter.commands.iter().all(|command| adds_foreign_key(&command.action)) => LockMode::ShareRowExclusive,
        _ => LockMode::AccessExclusive,
    }
}

fn adds_foreign_key(action: &AlterAction) -> bool {
    matches!(action, AlterAction::AddConstraint(constraint) if matches!(constraint.kind, ConstraintKind::ForeignKey { .. }))
}

/// Dropping a foreign key, or what it belongs to, locks both its tables.
fn reaches_neighbours(statement: &Statement) -> bool {
    match statement {
        Statement::DropTable(_) => true,
        Statement::Unjudged { what, .. } => what.starts_with("TRUNCATE") || what.starts_with("DROP"),
        Statement::AlterTable(alter) => alter.commands.iter().any(|command| command.action.drops()),
        _ => false,
    }
}
