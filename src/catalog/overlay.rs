//! What this transaction did so far: what the catalog of the client's snapshot cannot tell apart.
//!
//! Kept by the session: an effect is applied when its CommandComplete arrives, never before, so that a failed statement leaves no trace;
//! savepoints restore earlier states. In a multi-statement string the same effects are applied ahead on a copy, to judge later statements.

use std::collections::BTreeSet;

use super::held::Held;
use super::questions::Rows;
use crate::deferred::promise::{Deferred, PromiseId};
use crate::sql::name::RelationName;

/// The transaction so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    now: Changes,
    savepoints: Vec<(String, Changes)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Changes {
    /// Created here, by resolved name: `schema.name`.
    created: BTreeSet<RelationName>,
    /// Altered here under a lock of ShareRowExclusive or stronger, by resolved name.
    altered: BTreeSet<RelationName>,
    /// Large relations, or unknown ones, under such a lock, by resolved name.
    locked: BTreeSet<RelationName>,
    /// Dropped here or renamed, by resolved name: without its schema, the name may mean another relation now.
    left: BTreeSet<RelationName>,
    /// Names, without schema, that a relation was given here: what is known of them is known of something else.
    given: BTreeSet<String>,
    /// What is left for after COMMIT.
    deferred: Vec<Deferred>,
    /// What earlier transactions were promised, and this one has made needless: the promise and the operation in it.
    needless: Vec<(PromiseId, usize)>,
    /// A migration tool noted here that a migration is applied.
    version_written: bool,
    /// Enums that were created here, by name without schema.
    new_enums: BTreeSet<String>,
    /// Values that were added here to older enums: the name of the type, without its schema, and the value.
    new_values: BTreeSet<(String, String)>,
    /// Code that nobody saw.
    ungated: Option<Box<Ungated>>,
}

/// What a statement changes when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing we track.
    Nothing,
    /// It created this relation, which did not exist before.
    Created(RelationName),
    /// It altered these relations under a strong lock.
    Altered(Vec<RelationName>),
    /// It holds a strong lock on these relations that others use.
    Locked(Vec<RelationName>),
    /// It dropped these relations.
    Dropped(Vec<RelationName>),
    /// It renamed a relation.
    Renamed {
        /// Old name.
        from: RelationName,
        /// New name.
        to: RelationName,
    },
    /// Relations that were there before became children of this one: dropping it drops them.
    Adopted(RelationName),
    /// It left this for after COMMIT.
    Deferred(Vec<Deferred>),
    /// It took back what had been left for after COMMIT, by the place in the list.
    Settled(Vec<usize>),
    /// It made needless what earlier transactions were promised.
    Needless(Vec<(PromiseId, usize)>),
    /// A migration tool noted that a migration is applied, or is not any more.
    VersionWritten,
    /// It created this enum.
    EnumCreated(String),
    /// It added a value to an enum.
    ValueAdded {
        /// The name of the type, without its schema.
        of: String,
        /// The value.
        value: String,
    },
    /// It ran code that nobody saw.
    Ungated(Box<Ungated>),
    /// What that code locked has been looked at.
    Gated,
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE.
    Release(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// The transaction ended (COMMIT, ROLLBACK).
    Ended,
    /// Several, in order.
    All(Vec<Effect>),
}

/// Code that ran and was not seen: what it locked is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungated {
    /// What ran it, as the beginning of a sentence: `CALL p() runs code that …`.
    pub what: String,
    /// What was locked before.
    pub before: Held,
}

impl Effect {
    /// It runs code that nobody saw.
    #[must_use]
    pub fn is_ungated(&self) -> bool {
        match self {
            Self::Ungated(_) => true,
            Self::All(effects) => effects.iter().any(Self::is_ungated),
            _ => false,
        }
    }

    /// The part of it that takes back what was left for after COMMIT.
    #[must_use]
    pub fn settling(&self) -> Self {
        match self {
            Self::Settled(_) => self.clone(),
            Self::All(effects) => Self::All(effects.iter().map(Self::settling).collect()),
            _ => Self::Nothing,
        }
    }
}

impl Effect {
    /// Which of the rows matter that the same transaction writes later.
    #[must_use]
    pub fn rows_that_matter(&self) -> Rows {
        match self {
            Self::ValueAdded { .. } => Rows::Any,
            Self::Locked(_) => Rows::Many,
            Self::All(effects) => effects.iter().map(Self::rows_that_matter).max().unwrap_or_default(),
            _ => Rows::Whole,
        }
    }
}

impl Overlay {
    /// Code that nobody saw has run, and what it locked has not been looked at.
    #[must_use]
    pub fn ungated(&self) -> Option<&Ungated> {
        self.now.ungated.as_deref()
    }

    /// Which of the rows matter that it writes later.
    #[must_use]
    pub fn rows_that_matter(&self) -> Rows {
        match (self.now.new_values.is_empty(), self.now.locked.is_empty()) {
            (false, _) => Rows::Any,
            (true, false) => Rows::Many,
            (true, true) => Rows::Whole,
        }
    }

    /// The values that this transaction added to enums, by the name of the type without its schema, but for enums that it created.
    pub fn new_values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.now.new_values.iter().map(|(of, value)| (of.as_str(), value.as_str()))
    }

    /// The large relations, or unknown ones, that this transaction holds a strong lock on.
    pub fn all_locked(&self) -> impl Iterator<Item = &RelationName> {
        self.now.locked.iter()
    }

    /// The relation of this resolved name was created by this transaction.
    #[must_use]
    pub fn created(&self, name: &RelationName) -> bool {
        self.now.created.contains(name)
    }

    /// The relation of this resolved name is locked strongly by this transaction already.
    #[must_use]
    pub fn altered(&self, name: &RelationName) -> bool {
        self.now.altered.contains(name)
    }

    /// A large relation, or an unknown one, that this transaction holds a strong lock on.
    #[must_use]
    pub fn locked(&self) -> Option<&RelationName> {
        self.now.locked.first()
    }

    /// This transaction may hold a strong lock on something.
    #[must_use]
    pub fn holds_locks(&self) -> bool {
        !(self.now.locked.is_empty() && self.now.altered.is_empty() && self.names_are_kept())
    }

    /// The relation of this resolved name was dropped or renamed by this transaction.
    #[must_use]
    pub fn left(&self, name: &RelationName) -> bool {
        self.now.left.contains(name)
    }

    /// This transaction gave that name, in whatever schema, to a relation that had another one.
    #[must_use]
    pub fn given(&self, name: &str) -> bool {
        self.now.given.contains(name)
    }

    /// Nothing was dropped, and nothing has another name.
    #[must_use]
    pub fn names_are_kept(&self) -> bool {
        self.now.left.is_empty() && self.now.given.is_empty()
    }

    /// What is left for after COMMIT, in the order of the statements.
    #[must_use]
    pub fn deferred(&self) -> &[Deferred] {
        &self.now.deferred
    }

    /// Operations of earlier promises that are not to be done once this transaction has committed.
    #[must_use]
    pub fn needless(&self) -> &[(PromiseId, usize)] {
        &self.now.needless
    }

    /// The COMMIT of this transaction makes a tool take a migration for applied.
    #[must_use]
    pub fn version_written(&self) -> bool {
        self.now.version_written
    }

    /// The statement of this effect succeeded.
    pub fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Created(name) => {
                self.now.created.insert(name.clone());
            }
            Effect::Altered(names) => self.now.altered.extend(names.iter().cloned()),
            Effect::Locked(names) => self.now.locked.extend(names.iter().cloned()),
            Effect::Dropped(names) => names.iter().for_each(|name| self.forget(name)),
            Effect::Renamed { from, to } => self.rename(from, to),
            Effect::Adopted(name) => {
                self.now.created.remove(name);
                self.now.given.insert(name.name.clone());
            }
            Effect::Deferred(operations) => self.now.deferred.extend(operations.iter().cloned()),
            Effect::Settled(places) => {
                let mut place = 0..;
                self.now.deferred.retain(|_| place.next().is_none_or(|place| !places.contains(&place)));
            }
            Effect::Needless(operations) => self.now.needless.extend(operations),
            Effect::VersionWritten => self.now.version_written = true,
            Effect::Ungated(ungated) => self.now.ungated = Some(ungated.clone()),
            Effect::Gated => self.now.ungated = None,
            Effect::EnumCreated(name) => _ = self.now.new_enums.insert(name.clone()),
            Effect::ValueAdded { of, value } => {
                if !self.now.new_enums.contains(of) {
                    self.now.new_values.insert((of.clone(), value.clone()));
                }
            }
            Effect::Savepoint(name) => self.savepoints.push((name.clone(), self.now.clone())),
            Effect::Release(name) => self.release(name),
            Effect::RollbackTo(name) => self.roll_back_to(name),
            Effect::Ended => *self = Self::default(),
            Effect::All(effects) => effects.iter().for_each(|effect| self.apply(effect)),
        }
    }

    fn forget(&mut self, name: &RelationName) {
        self.now.created.remove(name);
        self.now.altered.remove(name);
        self.now.left.insert(name.clone());
    }

    fn rename(&mut self, from: &RelationName, to: &RelationName) {
        self.now.left.insert(from.clone());
        self.now.given.insert(to.name.clone());
        if self.now.created.remove(from) {
            self.now.created.insert(to.clone());
        }
        if self.now.altered.remove(from) {
            self.now.altered.insert(to.clone());
        }
    }

    fn release(&mut self, name: &str) {
        if let Some(index) = self.position(name) {
            self.savepoints.truncate(index);
        }
    }

    fn roll_back_to(&mut self, name: &str) {
        let Some(index) = self.position(name) else { return };
        self.savepoints.truncate(index + 1);
        if let Some((_, changes)) = self.savepoints.last() {
            self.now = changes.clone();
        }
    }

    /// PostgreSQL finds the innermost savepoint of a name.
    fn position(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(savepoint, _)| savepoint == name)
    }
}
