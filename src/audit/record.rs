//! One row per decision: what the store keeps and the log says.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::approval::RecordedApproval;
use super::settling::Mark;
use crate::sql::former::Known;

/// A decision, before it is acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The session's id (UUID v7).
    pub session: String,
    /// Which of the session's transactions, from 1.
    pub transaction: i64,
    /// The listener's name.
    pub listener: String,
    /// The client's address.
    pub client: String,
    /// The role that logged in.
    pub role: String,
    /// The database.
    pub database: String,
    /// application_name of the start-up packet.
    pub application_name: Option<String>,
    /// The SQL as the client sent it, secrets redacted.
    pub sql: String,
    /// `pass`, `rewrite`, `defer`, `settle`, `gate`, `refuse`, `await` (persons are waited for), or in warn mode `would-rewrite`, `would-defer`, `would-gate`, `would-refuse`.
    pub decision: String,
    /// Its findings.
    pub findings: Vec<RecordedFinding>,
    /// The SQL that runs instead, in order; empty when the original runs.
    pub steps: Vec<String>,
    /// It was decided inside a transaction.
    pub in_transaction: bool,
    /// The COMMIT of that transaction is not sent before the log has it: without such an entry it was rolled back.
    #[serde(default)]
    pub commit_is_announced: bool,
    /// What was known of the relations that it names, as far as it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<RecordedFact>,
    /// What it writes over or takes away, as it was before, and whether what it makes unless it is there was there: for its way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Known>,
    /// `server_version_num`.
    #[serde(default)]
    pub server_version: u32,
    /// Persons may let it through, or have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<RecordedApproval>,
    /// The subject of the client's certificate, which was verified (RFC 4514); where that is empty, its alternative names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The migration tool that it seemed to be of by then; the log knows for certain what has an attribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_guess: Option<String>,
    /// By what it can be told what became of it, should nobody hear it; outside of transactions, and where the catalog can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// A relation as it was when a statement was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFact {
    /// The relation, as the server resolved it.
    pub relation: String,
    /// Its oid.
    pub oid: u32,
    /// `pg_class.relkind`.
    pub kind: char,
    /// Its size in bytes, with what is kept out of line, over all partitions and children; none where it was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its rows, as the statistics have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// `pg_class.relfilenode`: another one is another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u32>,
}

/// A finding as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFinding {
    /// Rule id.
    pub rule: String,
    /// The relation.
    pub relation: Option<String>,
    /// `enforced`, `warned`, `off`, `exempted: reason`, or `allowed: reason` where a directive in the SQL lifts it.
    pub verdict: String,
    /// `proven` or `assumed`.
    pub certainty: String,
    /// The lock's name.
    pub lock: Option<String>,
    /// `none`, `scan`, `rewrite`.
    pub work: String,
    /// Size of the relation in bytes.
    pub bytes: Option<u64>,
    /// How long its work was said to take.
    pub estimate: Option<RecordedEstimate>,
    /// The consequence.
    pub message: String,
}

/// What was said of the work of a finding before it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEstimate {
    /// The statement as written: milliseconds, most likely.
    pub millis: u64,
    /// And at most.
    pub at_most_millis: u64,
    /// What runs in its place: milliseconds, most likely.
    pub safe_millis: Option<u64>,
    /// And at most.
    pub safe_at_most_millis: Option<u64>,
    /// Rows.
    pub rows: u64,
    /// Bytes that it needs beside what there was.
    pub disk_bytes: u64,
    /// The server's own speed was measured.
    pub calibrated: bool,
}

/// How a decision ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The CommandComplete tag or tags, or `None` after an error.
    pub tag: Option<String>,
    /// SQLSTATE of the error that the client saw.
    pub sqlstate: Option<String>,
    /// From decision to reply, in microseconds.
    pub duration_micros: i64,
    /// How long what was sent ran itself, without pauses between tries and what was asked in between, in microseconds; none where that was not
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_micros: Option<i64>,
    /// How often the monitor looked at the session meanwhile. Without a look nothing was seen, whatever was held.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub looks: u32,
    /// Strong locks that it saw there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks_seen: Vec<LockSeen>,
    /// Tables whose file was looked at before and behind a statement outside of any transaction; none where it was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Rewritten>,
}

/// Whether a table was written anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewritten {
    /// The table.
    pub relation: String,
    /// It has another file than before.
    pub anew: bool,
}

/// A lock, as the monitor saw it from outside: SHARE UPDATE EXCLUSIVE or stronger, and granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSeen {
    /// The relation.
    pub relation: String,
    /// The mode: `AccessExclusive` …
    pub mode: String,
    /// In the first look that showed it, in microseconds after the decision. It was held before, for as long as there is between two looks at most.
    pub first_micros: i64,
    /// In the last one.
    pub last_micros: i64,
    /// In so many looks.
    pub looks: u32,
}

/// Of nobody in particular.
#[cfg(test)]
pub(crate) fn test_record() -> Record {
    Record {
        session: "s".into(),
        transaction: 1,
        listener: "l".into(),
        client: "c".into(),
        role: "r".into(),
        database: "d".into(),
        application_name: None,
        sql: String::new(),
        decision: "pass".into(),
        findings: Vec::new(),
        steps: Vec::new(),
        in_transaction: false,
        commit_is_announced: false,
        facts: Vec::new(),
        server_version: 150_000,
        approval: None,
        former: Vec::new(),
        tool_guess: None,
        tls: None,
        mark: None,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The number of a record: of its chain in the store, and of its entry in the chain. As text `3-118`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DecisionId {
    /// The chain's short number.
    pub writer: i64,
    /// The entry, from 1.
    pub seq: i64,
}

impl Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.writer, self.seq)
    }
}

impl From<DecisionId> for String {
    fn from(id: DecisionId) -> Self {
        id.to_string()
    }
}

impl FromStr for DecisionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|number: &i64| *number > 0);
        text.split_once('-')
            .and_then(|(writer, seq)| Some(Self { writer: number(writer)?, seq: number(seq)? }))
            .ok_or_else(|| format!("{text:?} is no number of a record; it looks like 3-118"))
    }
}

impl TryFrom<String> for DecisionId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
