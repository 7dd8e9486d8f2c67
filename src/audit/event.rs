//! What can happen that the log tells of: the body of each entry, as JSON. A field that a later version adds is no news to an older one.

use serde::{Deserialize, Serialize};

use super::approval::{Approval, Revocation, Use, UseEnded};
use super::chain::{Digest, Head};
use super::record::{DecisionId, Outcome, Record};

/// See the module; `kind` stands in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The first entry of each chain.
    Started(Started),
    /// Before a statement goes on, or is refused.
    Decision(Box<Record>),
    /// How it ended.
    Outcome(Ended),
    /// What became of a transaction with decisions in it.
    Transaction(Transaction),
    /// Which migration decisions belong to.
    Attribution(Attribution),
    /// What a session did beside its decisions, at its end.
    Session(SessionEnded),
    /// A COMMIT is about to be sent, with what is to be done after it; or a statement outside of any transaction is, in steps.
    Committing(Committing),
    /// A step after COMMIT, or the end of them.
    Deferred(DeferredStep),
    /// What became of a decision whose outcome nobody had written down.
    Settled(Settled),
    /// A person lets a refused statement through.
    Approval(Approval),
    /// A person takes that back.
    Revocation(Revocation),
    /// A statement takes what persons have let through.
    ApprovalUse(Use),
    /// What became of that.
    ApprovalUseEnded(UseEnded),
    /// Entries that are older than the retention are about to be taken away; an anchor stands for those that are.
    Retention(Retention),
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// A process began to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its chain: a UUID.
    pub writer: String,
    /// The chain's short number in the store.
    pub number: i64,
    /// The version of pgairlock.
    pub version: String,
    /// Where the chains of all others ended then.
    pub heads: Vec<Head>,
}

/// The outcome of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Of this one.
    pub decision: DecisionId,
    /// How.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The server said COMMIT.
    Committed,
    /// The server said ROLLBACK, or lost the session before COMMIT was sent.
    RolledBack,
    /// Nobody heard it, and it cannot be found out any more.
    Unknown,
}

impl Fate {
    /// In one word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled-back",
            Self::Unknown => "unknown",
        }
    }
}

/// The end of a transaction in which statements were decided upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The session.
    pub session: String,
    /// As [`Record::transaction`].
    pub transaction: i64,
    /// What became of it.
    pub fate: Fate,
    /// From its first decision to its end, in microseconds: no lock of its statements was held longer.
    pub duration_micros: i64,
}

/// What is known of a transaction when its COMMIT is about to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// The strong locks that it holds, as `pg_locks` says; none where they could not be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locks: Option<Vec<LockHeld>>,
    /// From its first decision to now, in microseconds.
    #[serde(default)]
    pub open_micros: i64,
}

/// A lock that a transaction really held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHeld {
    /// The relation; its oid where it is dropped.
    pub relation: String,
    /// The mode: `AccessExclusive` …
    pub mode: String,
    /// The relation was made in this transaction: nobody else could want it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
    /// It was written anew: it has another file. Not known where nobody had looked at it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<bool>,
    /// How often the transaction has read it from end to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scans: Option<i64>,
    /// How many rows the transaction has read there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_read: Option<i64>,
}

/// The direction of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To a later version.
    Up,
    /// Back.
    Down,
    /// The tool does not say, and nothing seen before tells.
    Unknown,
}

/// A migration of a tool, by what the tool itself wrote down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// `alembic`, `flyway` …
    pub tool: String,
    /// Its table of versions, as named there.
    pub table: String,
    /// The version that was applied or taken back; `?` where the tool's own value could not be read.
    pub version: String,
    /// Its name, where the tool writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Up or down.
    pub direction: Direction,
    /// Where the tool keeps one version and writes it over: what it was before, as far as that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// And what it is behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Direction {
    /// In one word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// Decisions belong to a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The session that wrote the version.
    pub session: String,
    /// The database.
    pub database: String,
    /// The role that logged in.
    pub role: String,
    /// What was applied or taken back.
    pub migration: Migration,
    /// By these statements; of other sessions too, where the tool uses several.
    pub decisions: Vec<DecisionId>,
    /// It was begun, and the tool has not said that it is done, or has said that it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
}

/// What a session did that was not recorded statement by statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// The session.
    pub session: String,
    /// The client's address.
    pub client: String,
    /// The role that logged in.
    pub role: String,
    /// The database.
    pub database: String,
    /// `application_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_name: Option<String>,
    /// From login to end, in microseconds.
    pub duration_micros: i64,
    /// Why it ended.
    pub reason: String,
    /// How many statements of each kind completed: `SELECT`, `INSERT` …
    pub statements: Vec<(String, u64)>,
}

/// A transaction before its COMMIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committing {
    /// The session.
    pub session: String,
    /// As [`Record::transaction`].
    pub transaction: i64,
    /// The role that logged in.
    pub role: String,
    /// The cluster: `pg_control_system()`.
    pub system: String,
    /// The database.
    pub database: String,
    /// `pg_current_xact_id()`, by which the server can be asked later; empty for a statement outside of any transaction.
    pub xid: String,
    /// What it has done.
    #[serde(flatten)]
    pub trail: Trail,
    /// What is to be done after it, in order.
    pub operations: Vec<Operation>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The table.
    pub table: String,
    /// The rule that asked for it.
    pub rule: String,
    /// Its steps.
    pub sql: Vec<String>,
}

/// What has become of a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredStep {
    /// Who did it; empty for a person at the command line.
    pub session: String,
    /// The promise's number in the store.
    pub promise: i64,
    /// `committed`, `aborted`, `done`, `told`, `needless`, `failed`, `settled`, `unknown`, `dropped`.
    pub progress: String,
    /// How many operations are done, or which one it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<i64>,
    /// The error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// The error's message, or a person's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Somebody looked what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Of this one.
    pub decision: DecisionId,
    /// What that is.
    pub fate: Fate,
    /// By what: `pg_xact_status`, `catalog`.
    pub by: String,
    /// What was seen, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The beginning of a chain is taken away, from now on and in steps: where the process dies meanwhile, less of it is gone, and the next run says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Whose.
    pub writer: String,
    /// Up to and with this entry.
    pub seq: i64,
    /// Its hash: the next one stands on it.
    pub hash: Digest,
    /// How many entries go.
    pub removed: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_its_kind_first() {
        let settled = Event::Settled(Settled {
            decision: DecisionId { writer: 3, seq: 118 },
            fate: Fate::Committed,
            by: "pg_xact_status".into(),
            evidence: None,
        });
        let text = serde_json::to_string(&settled).unwrap();
        assert_eq!(text, r#"{"kind":"settled","decision":"3-118","fate":"committed","by":"pg_xact_status"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), settled);
        let newer = r#"{"kind":"of-tomorrow","what":[1]}"#;
        assert_eq!(serde_json::from_str::<Event>(newer).unwrap(), Event::Unknown);
    }
}
