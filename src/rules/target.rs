//! A relation that a statement names, and how much a lock or work on it would hurt.

use crate::catalog::facts::{Lookup, RelationFacts};
use crate::deferred::operation::Operation;
use crate::deferred::promise::Deferred;
use crate::sql::name::RelationName;

use super::case::Case;

/// A relation, as far as it is known.
pub struct Target<'a> {
    /// As the server resolves it; as written where it is not known.
    pub name: RelationName,
    /// What the server said.
    pub facts: Option<&'a RelationFacts>,
    /// What it is for a judgement.
    pub standing: Standing,
    /// What this transaction has left for after its COMMIT: names that are taken already.
    pub deferred: &'a [Deferred],
}

/// What a relation is for a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Created by this transaction: nobody else can see it.
    New,
    /// Temporary: nobody else can use it.
    Temporary,
    /// It has no rows at all.
    Empty,
    /// Below the limit: reading or writing all of it is brief.
    Small,
    /// Everything else that has rows.
    Large,
    /// A view, sequence, index, foreign table …: nothing of it is scanned or rewritten.
    Rowless,
    /// There is none: the server will say so.
    Missing,
    /// Not known: judged as large.
    Unknown,
}

impl<'a> Target<'a> {
    pub(super) fn new(case: &Case<'a>, written: &RelationName, lookup: &'a Lookup<RelationFacts>) -> Self {
        match lookup {
            Lookup::Found(facts) => {
                let name = facts.qualified();
                // An index speaks for its table. What is new may have old partitions.
                let owner = facts.index.as_ref().map_or_else(|| name.clone(), |index| index.table_name());
                let new = case.overlay.created(&owner) && !facts.has_children;
                let standing = match (of_facts(facts, case.small_table_bytes), new) {
                    (nobodys @ (Standing::Temporary | Standing::Rowless), false) => nobodys,
                    (Standing::New | Standing::Empty | Standing::Small | Standing::Large | Standing::Unknown, _) if case.is_protected(facts) => {
                        Standing::Large
                    }
                    (_, true) => Standing::New,
                    (standing, false) => standing,
                };
                Self { name, facts: Some(facts), standing, deferred: case.overlay.deferred() }
            }
            Lookup::Missing => Self::created(case, written, true).unwrap_or_else(|| Self::unfound(case, written, Standing::Missing)),
            Lookup::Unknown => Self::created(case, written, false).unwrap_or_else(|| Self::unfound(case, written, Standing::Unknown)),
        }
    }

    /// A relation that did not exist when the facts were asked, but that an earlier statement of the string creates. A temporary one is certain
    /// to be meant only where nothing else has the name: the search path may name `pg_temp` last.
    fn created(case: &Case<'a>, written: &RelationName, free: bool) -> Option<Self> {
        let temporary = (free && written.schema.is_none()).then(|| RelationName::qualified("pg_temp", &*written.name));
        let name = case.creation_place(written).into_iter().chain(temporary).find(|place| case.overlay.created(place))?;
        let is_protected = case.protected.iter().any(|protection| protection.covers(&name)) && name.schema.as_deref() != Some("pg_temp");
        let standing = if is_protected { Standing::Unknown } else { Standing::New };
        Some(Self { name, facts: None, standing, deferred: case.overlay.deferred() })
    }

    fn unfound(case: &Case<'a>, written: &RelationName, standing: Standing) -> Self {
        Self { name: written.clone(), facts: None, standing, deferred: case.overlay.deferred() }
    }

    /// A view, sequence, foreign table …
    pub(super) fn is_rowless(facts: &RelationFacts) -> bool {
        !['r', 'p', 'm', 't', 'i', 'I'].contains(&facts.kind)
    }

    /// Locks on it, and scans or rewrites of it, hurt nobody for long.
    #[must_use]
    pub fn bears_work(&self) -> bool {
        !matches!(self.standing, Standing::Large | Standing::Unknown)
    }

    /// Nothing is lost and nobody misses it when it, or a part of it, goes away or changes its name.
    #[must_use]
    pub fn bears_loss(&self) -> bool {
        matches!(self.standing, Standing::New | Standing::Temporary | Standing::Empty | Standing::Missing)
    }

    /// What holds rows of its own and is dropped with it by CASCADE.
    #[must_use]
    pub fn takes_along(&self) -> &'a [String] {
        self.facts.map_or(&[], |facts| &facts.takes_along)
    }

    /// It is partitioned.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.facts.is_some_and(|facts| facts.kind == 'p')
    }

    /// A name is taken beside it. Unknown is free: the server will say.
    #[must_use]
    pub fn is_taken(&self, name: &str, among: Among) -> bool {
        let beside = self.deferred.iter().filter(|deferred| deferred.table.schema == self.name.schema && deferred.operation.gives(name));
        // What is left for after the COMMIT is done in order: the last that has to do with the name says whether it will be taken.
        let awaited = beside.rev().find_map(|deferred| will_take(&deferred.operation, among));
        awaited.unwrap_or_else(|| {
            let has = |names: &[String]| names.iter().any(|taken| taken == name);
            self.facts.is_some_and(|facts| {
                among != Among::Constraints && has(&facts.taken.relations) || among != Among::Relations && has(&facts.taken.constraints)
            })
        })
    }
}

/// Where PostgreSQL looks whether a name that it would choose is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// For an index.
    Relations,
    /// For a CHECK, a foreign key, a NOT NULL.
    Constraints,
    /// For a UNIQUE or PRIMARY KEY, which is an index, too.
    Both,
}

/// Whether the name of an operation will be taken by it, or free; none where it is of the other kind.
fn will_take(operation: &Operation, among: Among) -> Option<bool> {
    match operation {
        Operation::CreateIndex(_) => (among != Among::Constraints).then_some(true),
        Operation::DropIndex(_) => (among != Among::Constraints).then_some(false),
        Operation::AttachKey(_) | Operation::Adopt(_) => Some(true),
        Operation::OnPartition(part) => will_take(&part.operation, among),
        Operation::ForJoin(part) => will_take(&part.operation, among),
        Operation::Validate(_) | Operation::SetNotNull(_) | Operation::Prove(_) => (among != Among::Relations).then_some(true),
        Operation::DropForeignKey(_) | Operation::DropProof(_) => (among != Among::Relations).then_some(false),
        Operation::Reindex(_) | Operation::DropTable(_) | Operation::Detach(_) | Operation::DropBounds(_) | Operation::Join(_) => None,
    }
}

fn of_facts(facts: &RelationFacts, small_table_bytes: u64) -> Standing {
    if facts.persistence == 't' {
        return Standing::Temporary;
    }
    match facts.bytes {
        _ if Target::is_rowless(facts) => Standing::Rowless,
        Some(0) => Standing::Empty,
        Some(bytes) if bytes < small_table_bytes => Standing::Small,
        Some(_) => Standing::Large,
        None => Standing::Unknown,
    }
}
