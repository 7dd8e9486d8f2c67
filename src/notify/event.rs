//! What can be told. The fields are those of the JSON that receivers get: they keep their names and meanings (docs/webhooks.md).

use serde::Serialize;

/// Something to tell, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The same with each attempt to deliver it, and of nothing else of this store: a receiver that knows it has it already.
    pub id: String,
    /// When it happened, in microseconds since 1970.
    pub at_unix_micros: i64,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// A run of a migration tool has begun to change something.
    MigrationStarted(Started),
    /// It has come to its end.
    MigrationFinished(Finished),
    /// A statement was refused.
    Refused(Refused),
    /// A statement was refused, or waits, that persons may let through.
    ApprovalWanted(ApprovalWanted),
    /// What waited for a COMMIT has failed.
    AfterCommitFailed(AfterCommitFailed),
    /// Somebody tries whether messages arrive.
    Test(Test),
}

/// The kinds that a webhook may ask for. A test comes to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "as the events")]
pub enum Kind {
    MigrationStarted,
    MigrationFinished,
    Refused,
    ApprovalWanted,
    AfterCommitFailed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::MigrationStarted, Self::MigrationFinished, Self::Refused, Self::ApprovalWanted, Self::AfterCommitFailed];

    /// Its name in the config and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MigrationStarted => "migration_started",
            Self::MigrationFinished => "migration_finished",
            Self::Refused => "refused",
            Self::ApprovalWanted => "approval_wanted",
            Self::AfterCommitFailed => "after_commit_failed",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Who it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The database.
    pub database: String,
    /// The role that logged in.
    pub role: String,
    /// As sent at the start of the session.
    pub application_name: Option<String>,
    /// The client's address and port, where one is known.
    pub client: Option<String>,
    /// The session; of a run, its first one.
    pub session: Option<String>,
}

/// See [`Event::MigrationStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    /// The run: the number of its first decision in the log.
    pub run: String,
    /// The tool, as far as it has shown itself before its first statement.
    pub tool: Option<String>,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The first statement, as the log has it.
    pub sql: String,
}

/// See [`Event::MigrationFinished`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// As in [`Started::run`].
    pub run: String,
    /// Whether all of it is there.
    pub result: RunResult,
    /// Why not.
    pub reason: Option<String>,
    /// The tool, where it has written a version.
    pub tool: Option<String>,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// What the tool has applied or taken back, in order; the first 100.
    pub migrations: Vec<Migrated>,
    /// From the first decision to the last that was heard of it.
    pub duration_ms: u64,
    /// How many statements were let through, as they came or in a safe form.
    pub statements: u64,
    /// How many of those failed.
    pub failed: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many pieces of work after a COMMIT have failed.
    pub after_commit_failed: u64,
    /// The decisions in the log; the first 100.
    pub decisions: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Nothing came to nothing since the last version that was written.
    Ok,
    /// Something was refused, has failed, or was rolled back.
    Failed,
}

/// A migration of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// The version.
    pub version: String,
    /// Its name, where the tool writes one.
    pub name: Option<String>,
    /// `up`, `down` or `unknown`.
    pub direction: String,
    /// The tool has said that it is done.
    pub done: bool,
}

/// See [`Event::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The decision's number in the log.
    pub decision: String,
    /// The rules that were not borne; none where no rule was asked.
    pub rules: Vec<String>,
    /// The table.
    pub table: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The statement, as the log has it.
    pub sql: String,
    /// How it may be let through.
    pub way_through: String,
    /// 0 for one that is told at once. Else this is the last one of so many more by the same rules, role and database, within [`Self::within_seconds`].
    pub repeated: u64,
    /// See [`Self::repeated`].
    pub within_seconds: u64,
}

/// See [`Event::ApprovalWanted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalWanted {
    /// What is to be approved: the first digits of its fingerprint.
    pub request: String,
    /// The rules that ask for it.
    pub rules: Vec<String>,
    /// The table.
    pub table: Option<String>,
    /// What is at stake.
    pub message: String,
    /// Who asks.
    #[serde(flatten)]
    pub who: Who,
    /// The statement, as the log has it.
    pub sql: String,
    /// What a person does to approve.
    pub approve: String,
    /// Its page, where there is one.
    pub page: Option<String>,
    /// The statement waits for it; otherwise the migration is to be run again.
    pub waits: bool,
}

/// See [`Event::AfterCommitFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AfterCommitFailed {
    /// Its number in `pgairlock deferred list`.
    pub promise: i64,
    /// The rule that put it off, where it is still to be done.
    pub rule: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// What is still to be done, in order.
    pub operation: Vec<String>,
    /// The error's SQLSTATE.
    pub sqlstate: String,
    /// The error.
    pub error: String,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// What a person does now.
    pub what_to_do: String,
}

/// See [`Event::Test`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Test {
    /// The webhook's name.
    pub webhook: String,
}

impl Event {
    /// Its kind; none for a test.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::MigrationStarted(_) => Kind::MigrationStarted,
            Self::MigrationFinished(_) => Kind::MigrationFinished,
            Self::Refused(_) => Kind::Refused,
            Self::ApprovalWanted(_) => Kind::ApprovalWanted,
            Self::AfterCommitFailed(_) => Kind::AfterCommitFailed,
            Self::Test(_) => return None,
        })
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().map_or("test", Kind::name)
    }

    /// Who it is about; nobody for a test.
    #[must_use]
    pub fn who(&self) -> Option<&Who> {
        Some(match self {
            Self::MigrationStarted(started) => &started.who,
            Self::MigrationFinished(finished) => &finished.who,
            Self::Refused(refused) => &refused.who,
            Self::ApprovalWanted(wanted) => &wanted.who,
            Self::AfterCommitFailed(failed) => &failed.who,
            Self::Test(_) => return None,
        })
    }
}
