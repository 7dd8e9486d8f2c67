//! What is done with a statement: the end of the pure part of its journey.

use std::ops::Range;

use crate::catalog::overlay::Effect;
pub use crate::deferred::operation::Operation;
pub use crate::deferred::step::{ErrorMapping, Step, Wait};
pub use crate::rules::rule::{Certainty, Finding, Remedy};

/// The decision about one string of SQL (one Query message, or one Execute).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub plan: Plan,
    /// Everything that the rules found, also what policy let pass.
    pub findings: Vec<Judged>,
    /// NOTICEs for the client, in order: rewrites, warnings, overridden settings.
    pub notices: Vec<Notice>,
}

/// A finding with what policy made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The finding.
    pub finding: Finding,
    /// Index of its statement in the script.
    pub statement: usize,
    /// What policy says.
    pub verdict: Verdict,
    /// Why a directive that stands at its statement did not lift it.
    pub not_honoured: Option<String>,
    /// It belongs to a statement that this one only runs: how that begins, where it is an ALTER TABLE.
    pub inner: Option<String>,
}

/// Policy's word on a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Acted upon.
    Enforced,
    /// `[rules] x = "warn"`, or the listener only warns.
    Warned,
    /// `[rules] x = "off"`.
    Off,
    /// An `[[exempt]]` covers it: its reason.
    Exempted(String),
    /// A directive in the SQL lifts it: its reason.
    Allowed(String),
    /// Persons have approved the statement: who, and why.
    Approved(String),
}

/// What happens with the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Forward the original bytes.
    Pass,
    /// Forward the text with these replacements (ranges of the original text, ascending, disjoint); works in any transaction state.
    Edit(Vec<(Range<usize>, String)>),
    /// Run the safe form instead, outside a transaction.
    Rewrite(SafeForm),
    /// Run in the transaction what of the safe form it can hold, and the rest after its COMMIT.
    Defer(SafeForm),
    /// Run the string statement by statement, each with a plan of its own, in one transaction.
    Split,
    /// Make the transaction of the batch a block, and decide there.
    Enclose,
    /// What it drops is still to be made, and is not made: nothing is sent.
    Settle {
        /// What is not done any more.
        effect: Effect,
        /// The CommandComplete tag.
        tag: &'static str,
    },
    /// Forward it, and look at what it has locked before the COMMIT.
    Gate,
    /// It is a COMMIT: roll back, and answer with an error.
    TakeBack(Refusal),
    /// Wait for persons who may let it through; where they do not, answer with an error.
    Await(Refusal),
    /// Answer with an error; the server's transaction, if any, fails with it.
    Refuse(Refusal),
}

/// What is run in place of a statement; then it is answered as the statement would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeForm {
    /// What any transaction can hold.
    pub now: Option<Step>,
    /// What none can, in order.
    pub then: Vec<Operation>,
    /// The CommandComplete tag of the original, e.g. `CREATE INDEX`.
    pub tag: &'static str,
}

impl SafeForm {
    /// All of it as steps, where nothing of it is there yet.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.now.iter().cloned().chain(self.then.iter().flat_map(Operation::steps)).collect()
    }
}

/// An error in PostgreSQL's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub sqlstate: &'static str,
    /// The primary message: rule id, consequence, safe SQL. Most tools show nothing else.
    pub message: String,
    /// Lock, size, certainty.
    pub detail: Option<String>,
    /// The escape hatch.
    pub hint: Option<String>,
    /// 1-based character position of the statement in a multi-statement string.
    pub position: Option<usize>,
}

/// A NOTICE (or WARNING) of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// SQLSTATE; `00000` or `01000`.
    pub sqlstate: &'static str,
    /// The text.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
}
