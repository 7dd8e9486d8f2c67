//! A rule is data plus one pure function; each stands in a file of its own.

use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::Operation;
use crate::sql::name::RelationName;
use crate::sql::rewrite::Command;

use super::case::Case;

/// Name of a rule: kebab-case, stable, known to config files and reviewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub &'static str);

/// What every rule carries.
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// The SQLSTATE of its refusal.
    pub sqlstate: &'static str,
    /// The hazard in one sentence.
    pub hazard: &'static str,
    /// The way to do it right, in general words.
    pub remedy: &'static str,
    /// SQL that it flags on a large table `t(id, a, b)` beside `p(id)`.
    pub bad: &'static str,
    /// SQL that reaches the same end and that it passes.
    pub good: &'static str,
    /// The decision: pure, on values only.
    pub judge: fn(&Case<'_>) -> Option<Finding>,
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
    /// What is done under it.
    pub work: Work,
    /// How sure.
    pub certainty: Certainty,
    /// Size of the relation in bytes, when known.
    pub bytes: Option<u64>,
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
    /// Only a person can: the statements or steps to write instead, in order, with the user's own names.
    Advice(Vec<String>),
}

/// The safe form of a statement or of one command of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// For a command of ALTER TABLE: what takes its place in the statement (`ADD CONSTRAINT f … NOT VALID`); `None` drops it from there.
    /// For any other statement always `None`.
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
