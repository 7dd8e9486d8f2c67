//! What a rule looks at.

use std::ops::Range;

use crate::catalog::facts::{Facts, FunctionFacts, Lookup, RelationFacts, Scope, TypeFacts};
use crate::catalog::locks::Work;
use crate::catalog::overlay::Overlay;
use crate::deferred::promise::Pending;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, AlterCommand, AlterTable, Definition, FunctionCall, Parsed, TypeName};

use super::protection::{self, Protection};
use super::rule::{Certainty, Finding, Remedy, Rule};
use super::target::{Standing, Target};

/// One statement, or one command of an ALTER TABLE, with everything that is known around it.
pub struct Case<'a> {
    /// The whole string of SQL.
    pub text: &'a str,
    /// The statement.
    pub parsed: &'a Parsed,
    /// For ALTER TABLE: the statement and the command that is judged.
    pub command: Option<(&'a AlterTable, &'a AlterCommand)>,
    /// Where several relations are named: the one that is judged. Each has its own finding, since each may have its own exemption.
    pub relation: Option<&'a RelationName>,
    /// What the server said.
    pub facts: &'a Facts,
    /// What names mean where the statement stands.
    pub scope: &'a Scope,
    /// What this transaction did so far, earlier statements of the same string included.
    pub overlay: &'a Overlay,
    /// What earlier statements of the same string did: the facts were asked before them.
    pub here: &'a Overlay,
    /// What earlier transactions were promised, and nobody has done.
    pub pending: &'a [Pending],
    /// The statement runs inside a transaction block, or an implicit transaction with other statements.
    pub in_transaction: bool,
    /// Relations below this many bytes are small.
    pub small_table_bytes: u64,
    /// Tables that are never small, empty or new.
    pub protected: &'a [Protection],
    /// The lock_timeout that the session keeps, in milliseconds; 0 is none.
    pub lock_timeout_cap_ms: u64,
    /// The statement is its whole string, and not run by EXECUTE.
    pub alone: bool,
    /// EXECUTE of a statement that was not seen being prepared.
    pub unseen: bool,
    /// Functions that earlier statements of the same string created or replaced.
    pub defined: &'a [Definition],
    /// What earlier statements of the same string did to the facts.
    pub stale: Stale,
}

/// What the facts, asked before the string ran, no longer tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stale {
    /// Whose names may mean another relation now, beside those that the overlay of the string knows to have gone.
    pub names: Doubt,
    /// Functions were created or replaced.
    pub functions: bool,
    /// Domains were created or changed.
    pub domains: bool,
}

/// Whose names may mean something else than when the facts were asked: each includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Nobody's.
    #[default]
    None,
    /// Without their schema: views, sequences and partitions, which go unnamed with other things.
    Dependents,
    /// All without their schema.
    Unqualified,
    /// All.
    All,
}

static NOTHING: Lookup<RelationFacts> = Lookup::Unknown;
static NONE_LEFT: Lookup<RelationFacts> = Lookup::Missing;

impl<'a> Case<'a> {
    /// The text of a span.
    #[must_use]
    pub fn slice(&self, span: &Range<usize>) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The relation of that name, and how much a lock or work on it hurts.
    #[must_use]
    pub fn target(&self, name: &RelationName) -> Target<'a> {
        Target::new(self, name, self.lookup(name))
    }

    /// What is known of a name here: the facts were asked before the string ran.
    #[must_use]
    pub fn lookup(&self, name: &RelationName) -> &'a Lookup<RelationFacts> {
        let asked = self.scope.relations.get(name).unwrap_or(&NOTHING);
        let found = asked.found().filter(|_| name.schema.is_none());
        let doubted = match self.stale.names {
            Doubt::None => false,
            Doubt::Dependents => found.is_some_and(|facts| facts.is_partition || Target::is_rowless(facts)),
            Doubt::Unqualified => name.schema.is_none(),
            Doubt::All => true,
        };
        if doubted {
            return &NOTHING;
        }
        let left = found.map(RelationFacts::qualified).filter(|resolved| self.here.left(resolved));
        match left {
            // What the string made in the same place is found in the same place.
            Some(resolved) if self.here.created(&resolved) => &NONE_LEFT,
            Some(_) => &NOTHING,
            None if self.here.given(&name.name) => {
                if self.creation_place(name).is_some_and(|place| self.here.created(&place)) {
                    &NONE_LEFT
                } else {
                    &NOTHING
                }
            }
            None => asked,
        }
    }

    /// Where a relation of that name would be created.
    #[must_use]
    pub fn creation_place(&self, name: &RelationName) -> Option<RelationName> {
        let schema = name.schema.as_deref().or(self.scope.creation_schema.as_deref())?;
        (self.stale.names < Doubt::Unqualified || name.schema.is_some()).then(|| RelationName::qualified(schema, &*name.name))
    }

    /// Those of the statement's relations that are judged now.
    pub fn judged<'b>(&self, relations: impl IntoIterator<Item = &'b RelationName>) -> impl Iterator<Item = Target<'a>> {
        relations.into_iter().filter(|name| self.relation.is_none_or(|relation| relation == *name)).map(|name| self.target(name))
    }

    /// An earlier statement of the same string changed the relation: what is known of its columns and constraints may be past.
    #[must_use]
    pub fn is_changed(&self, target: &Target<'_>) -> bool {
        self.here.altered(&target.name)
    }

    /// The relation certainly has no such column, and no earlier part of the string, or of the same ALTER TABLE, brings one.
    #[must_use]
    pub fn lacks(&self, target: &Target<'_>, column: &str) -> bool {
        let commands = self.command.map_or(&[][..], |(statement, _)| &statement.commands);
        let added = commands.iter().any(|command| matches!(&command.action, AlterAction::AddColumn(new) if new.column == column));
        !added && !self.is_changed(target) && target.facts.is_some_and(|facts| facts.column(column).is_none())
    }

    /// This transaction holds a strong lock on the relation.
    #[must_use]
    pub fn is_altered(&self, target: &Target<'_>) -> bool {
        self.overlay.altered(&target.name)
    }

    /// The functions of that name. Where the string itself creates functions, only PostgreSQL's own are still known.
    #[must_use]
    pub fn functions(&self, call: &FunctionCall) -> Option<&'a [FunctionFacts]> {
        let found = self.scope.functions.get(call).and_then(Lookup::found).filter(|_| self.defined.iter().all(|new| new.name != call.name))?;
        let lasting = !found.is_empty() && found.iter().all(|function| function.builtin);
        (lasting || !self.stale.functions).then_some(found.as_slice())
    }

    /// The type of that name.
    #[must_use]
    pub fn type_facts(&self, name: &TypeName) -> Option<&'a TypeFacts> {
        self.scope.types.get(name).and_then(Lookup::found)
    }

    /// The server says that there is no such type.
    #[must_use]
    pub fn is_missing(&self, name: &TypeName) -> bool {
        self.scope.types.get(name) == Some(&Lookup::Missing)
    }

    /// Version 18 or later, and so on.
    #[must_use]
    pub fn at_least(&self, major: u32) -> bool {
        self.facts.server_version >= major * 10_000
    }

    /// A table beside those that the statement names is too small to hurt.
    #[must_use]
    pub(super) fn is_small(&self, table: &RelationName, bytes: Option<u64>) -> bool {
        bytes.is_some_and(|bytes| bytes < self.small_table_bytes) && self.protected.iter().all(|protection| !protection.covers(table))
    }

    /// Somebody has put it under protection.
    #[must_use]
    pub(super) fn is_protected(&self, facts: &RelationFacts) -> bool {
        protection::of_facts(self.protected, facts).is_some()
    }

    /// A finding about a relation, with the lock and the work of its rule.
    #[must_use]
    pub fn finding(&self, rule: &Rule, target: &Target<'_>, consequence: String, remedy: Remedy) -> Finding {
        Finding {
            rule: rule.id,
            sqlstate: rule.sqlstate,
            relation: Some(target.name.clone()),
            consequence,
            lock: rule.lock,
            locked: None,
            work: rule.work,
            certainty: if target.standing == Standing::Unknown { Certainty::Assumed } else { Certainty::Proven },
            bytes: target.facts.and_then(|facts| facts.bytes),
            rebuilds: Vec::new(),
            estimate: None,
            probe: None,
            remedy,
        }
    }

    /// A finding about no relation in particular.
    #[must_use]
    pub fn general(&self, rule: &Rule, consequence: String, advice: Vec<String>) -> Finding {
        Finding {
            rule: rule.id,
            sqlstate: rule.sqlstate,
            relation: None,
            consequence,
            lock: None,
            locked: None,
            work: Work::None,
            certainty: Certainty::Proven,
            bytes: None,
            rebuilds: Vec::new(),
            estimate: None,
            probe: None,
            remedy: Remedy::Advice(advice),
        }
    }
}

impl Finding {
    /// A finding on an index is about its table: there it hurts, and by its name it is exempted.
    pub(super) fn about_table_of(mut self, index: &Target<'_>) -> Self {
        if let Some(owner) = index.facts.and_then(|facts| facts.index.as_ref()) {
            self.relation = Some(owner.table_name());
        }
        self
    }
}
