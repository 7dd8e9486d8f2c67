//! What is done with a statement: the end of the pure part of its journey.

use std::ops::Range;

pub use crate::rules::rule::{Certainty, ErrorMapping, Finding, Remedy, Step, Wait};

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
}

/// What happens with the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Forward the original bytes.
    Pass,
    /// Forward the text with these replacements (ranges of the original text, ascending, disjoint); works in any transaction state.
    Edit(Vec<(Range<usize>, String)>),
    /// Run these steps instead, outside a transaction; then answer with `tag`.
    Rewrite {
        /// In order.
        steps: Vec<Step>,
        /// The CommandComplete tag of the original, e.g. `CREATE INDEX`.
        tag: &'static str,
    },
    /// Answer with an error; the server's transaction, if any, fails with it.
    Refuse(Refusal),
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
