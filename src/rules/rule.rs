//! A rule is data plus one pure function; each stands in a file of its own.

use std::ops::RangeInclusive;

use crate::catalog::estimate::Estimate;
use crate::catalog::locks::{LockMode, Work};
use crate::catalog::probe::Probe;
use crate::deferred::operation::Operation;
use crate::sql::name::RelationName;
use crate::sql::rewrite::Command;

use super::case::Case;

/// Name of a rule: kebab-case, stable, known to config files and reviewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub &'static str);

/// The oldest PostgreSQL that pgairlock knows.
pub const OLDEST: u32 = 13;

/// Every PostgreSQL that it knows.
pub const ALL_VERSIONS: RangeInclusive<u32> = OLDEST..=18;

/// What every rule carries. `tests/proofs.rs` measures on real servers what it claims of its `bad` and its `good` SQL.
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// The SQLSTATE of its refusal.
    pub sqlstate: &'static str,
    /// The hazard in one sentence.
    pub hazard: &'static str,
    /// The strongest lock that hurts, on the table that the finding is about; none where it is no lock that hurts.
    pub lock: Option<LockMode>,
    /// What is done under that lock.
    pub work: Work,
    /// The major versions of PostgreSQL that have the hazard.
    pub versions: RangeInclusive<u32>,
    /// Who can do it right, and when.
    pub class: RemedyClass,
    /// The way to do it right, in general words.
    pub remedy: &'static str,
    /// SQL that it flags on a large table `t(id, a, b)` beside `p(id)` and an empty `e`.
    pub bad: &'static str,
    /// Statements that reach the same end, or the first steps towards it, and that it passes: each by itself, in this order.
    pub good: &'static [&'static str],
    /// The first major version that has them.
    pub good_since: u32,
    /// The decision: pure, on values only.
    pub judge: fn(&Case<'_>) -> Option<Finding>,
}

/// Who can do right what a rule flags, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemedyClass {
    /// A: pgairlock, in the statement's place, in any transaction; what reads all rows follows when the transaction has ended.
    InPlace,
    /// B: pgairlock, outside of any transaction: at once, or after its COMMIT.
    Outside,
    /// C: a person, over several releases, with rows filled in batches between them.
    Backfill,
    /// D: a person decides, since data or names that code uses go away.
    Decision,
    /// pgairlock, in any transaction, as it stands: it is taken back before the COMMIT by what it has locked.
    Gate,
    /// Nobody: it is not for the wire, or not in this place.
    Refusal,
}

impl RemedyClass {
    /// The letter by which tables name it.
    #[must_use]
    pub fn letter(self) -> Option<char> {
        match self {
            Self::InPlace => Some('A'),
            Self::Outside => Some('B'),
            Self::Backfill => Some('C'),
            Self::Decision => Some('D'),
            Self::Gate | Self::Refusal => None,
        }
    }
}

/// What a rule found in one statement, or in one command of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// Its SQLSTATE.
    pub sqlstate: &'static str,
    /// The relation it is about, as resolved by the server where it could be.
    pub relation: Option<RelationName>,
    /// The danger in one clause, naming the object: `CREATE INDEX on public.users blocks every write while it builds`.
    pub consequence: String,
    /// Strongest lock that hurts.
    pub lock: Option<LockMode>,
    /// What that lock is on, where it is another relation.
    pub locked: Option<RelationName>,
    /// What is done under it.
    pub work: Work,
    /// How sure.
    pub certainty: Certainty,
    /// Size in bytes of what is locked, when known.
    pub bytes: Option<u64>,
    /// The indexes that are written anew, where it is not the whole table.
    pub rebuilds: Vec<String>,
    /// How long the work takes, where that can be told.
    pub estimate: Option<Estimate>,
    /// What is to be tried to know more.
    pub probe: Option<Probe>,
    /// What can be done instead.
    pub remedy: Remedy,
}

/// How a finding knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The server's catalog says so.
    Proven,
    /// Something was unknown and the worst was assumed.
    Assumed,
}

/// The way out of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Done by pgairlock itself where no transaction is open.
    Rewrite(Rewrite),
    /// In a transaction it may run, since what it has locked can be looked at before the COMMIT; where there is none, a person can do this instead.
    Gate(Vec<String>),
    /// Only a person can: the statements or steps to write instead, in order, with the user's own names.
    Advice(Vec<String>),
}

/// The safe form of a statement or of one command of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// For a command of ALTER TABLE: what takes its place in the statement (`ADD CONSTRAINT f … NOT VALID`); `None` drops it from there.
    /// For any other statement: what takes its place, in any transaction.
    pub instead: Option<Command>,
    /// SQL that takes back what `instead` did.
    pub undo: Option<String>,
    /// What follows, outside any transaction.
    pub then: Vec<Operation>,
}

impl Rewrite {
    /// It adds a constraint of this name in the statement's place.
    #[must_use]
    pub(super) fn adds(&self, name: &str) -> bool {
        self.instead.is_some() && self.then.iter().any(|operation| operation.name() == Some(name))
    }
}
