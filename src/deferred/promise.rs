//! What a transaction was promised for after its COMMIT: on disk before the COMMIT is sent.

use serde::{Deserialize, Serialize};

use crate::sql::name::RelationName;

use super::operation::{Operation, Try};
use super::whole::{FirstPart, Whole};

/// One operation that a statement left for after COMMIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// What is done.
    pub operation: Operation,
    /// The table, as the server resolved it.
    pub table: RelationName,
    /// The rule that asked for it.
    pub rule: String,
    /// The settings that the statement ran under, as a JSON object of names and values: `role`, `search_path` …
    pub context: String,
}

/// Where a transaction ran: its number means something there only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// `pg_control_system()`: the cluster.
    pub system: String,
    /// The database.
    pub database: String,
}

/// Everything that one transaction, or one statement outside of any, was promised. Of a transaction that is in the log it may be nothing: then only
/// whether it has committed is asked later, should nobody hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The session that made it.
    pub session: String,
    /// Which of its transactions, from 1.
    pub transaction: i64,
    /// Where.
    pub place: Place,
    /// Who logged in: nobody else runs it.
    pub role: String,
    /// `pg_current_xact_id()`: whether it committed can be asked of the server.
    pub xid: String,
    /// [`super::fate::LIFE`] of the server at that time: its number means something in that life only.
    pub life: String,
    /// What is done after its COMMIT, in order.
    pub operations: Vec<Deferred>,
    /// It is no transaction but a statement outside of any, which has no number.
    pub whole: Option<Whole>,
}

/// The number of a promise in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromiseId(pub i64);

/// What has become of a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Its transaction has committed.
    Committed,
    /// Its transaction has not committed: there is nothing to do.
    Aborted,
    /// The first so many of its operations are done.
    Done(usize),
    /// A client has heard of the failure as an error.
    Told,
    /// The operation of this number is not to be done any more: what it is about was dropped.
    Needless(usize),
    /// One of its operations failed: SQLSTATE, message.
    Failed {
        /// The operation that failed, by its place in the promise.
        operation: usize,
        /// SQLSTATE, as the client would have seen it.
        sqlstate: String,
        /// Message.
        message: String,
    },
    /// All of it is done.
    Settled,
    /// Nothing was left to do, and whether its transaction has committed cannot be found out any more.
    Unknown,
    /// A person has decided that it is not to be done.
    Dropped {
        /// Why.
        reason: String,
        /// When, in microseconds since 1970.
        at_unix_micros: i64,
    },
}

/// A promise that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: PromiseId,
    /// What was promised.
    pub promise: Promise,
    /// When, in microseconds since 1970.
    pub at_unix_micros: i64,
    /// It is known that its transaction has committed.
    pub committed: bool,
    /// How many of its operations are done.
    pub done: usize,
    /// Why the first one that is not done has failed.
    pub error: Option<Failed>,
    /// A client has heard of that as an error.
    pub told: bool,
}

/// An error that stopped a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// SQLSTATE.
    pub sqlstate: String,
    /// Message.
    pub message: String,
}

impl Pending {
    /// Whether it may be run again without a person's word: it was cut off, cancelled, or did not get its lock. Bad data waits for somebody who
    /// has mended it.
    #[must_use]
    pub fn may_be_retried(&self) -> bool {
        self.error.as_ref().is_none_or(|error| is_passing(&error.sqlstate))
    }

    /// What is still to do.
    #[must_use]
    pub fn rest(&self) -> &[Deferred] {
        let first = usize::from(self.first_part().is_some());
        self.promise.operations.get(self.done.saturating_sub(first)..).unwrap_or_default()
    }

    /// The part of a statement outside of any transaction that ran before its operations.
    #[must_use]
    pub fn first_part(&self) -> Option<&FirstPart> {
        self.promise.whole.as_ref()?.first.as_ref()
    }

    /// Whether the operation of this place among [`Self::rest`] may have been begun, and been cleaned up. What comes behind one that failed has not.
    #[must_use]
    pub fn tried(&self, place: usize) -> Try {
        Try::Again { cleaned: place == 0 && self.error.is_some() }
    }

    /// What is still to do as SQL, and what each belongs to, as far as that can be told without a look at the server: a constraint that failed has
    /// been taken away again.
    #[must_use]
    pub fn to_do(&self) -> Vec<(&Deferred, String)> {
        let steps = |place, operation: &Operation| match self.tried(place) {
            tried @ Try::Again { cleaned: true } if operation.clean_up().is_some() => operation.anew(tried),
            _ => operation.steps(),
        };
        let each = |(place, deferred): (usize, &'_ Deferred)| steps(place, &deferred.operation).into_iter().map(|step| step.sql).collect::<Vec<_>>();
        self.rest().iter().enumerate().flat_map(|(place, deferred)| each((place, deferred)).into_iter().map(move |sql| (deferred, sql))).collect()
    }
}

/// An error that says nothing against trying again: lock_not_available, query_canceled (a timeout, a cancel request), a lost connection, a deadlock.
#[must_use]
pub fn is_passing(sqlstate: &str) -> bool {
    matches!(sqlstate, "55P03" | "57014" | "40P01") || sqlstate.starts_with("08") || sqlstate.starts_with("57P")
}

/// Tables in which migration tools keep what has been applied (facts: tools, "the version write to watch").
const VERSION_TABLES: &[&str] = &[
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__EFMigrationsHistory",
    "_prisma_migrations",
    "_sqlx_migrations",
    "_yoyo_migration",
    "alembic_version",
    "atlas_schema_revisions",
    "databasechangelog",
    "django_migrations",
    "flyway_schema_history",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "migrations",
    "pgmigrations",
    "refinery_schema_history",
    "schema_migrations",
    "schema_version",
];

/// A row in this table makes a tool take the migration for applied.
#[must_use]
pub fn is_version_table(name: &RelationName) -> bool {
    VERSION_TABLES.contains(&name.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_bad_data_is_not() {
        for (sqlstate, passing) in
            [("55P03", true), ("57014", true), ("40P01", true), ("57P01", true), ("08006", true), ("23505", false), ("42P07", false)]
        {
            assert_eq!(is_passing(sqlstate), passing, "{sqlstate}");
        }
    }

    #[test]
    fn version_tables_are_known_in_any_schema() {
        assert!(is_version_table(&RelationName::qualified("public", "flyway_schema_history")));
        assert!(is_version_table(&RelationName::unqualified("alembic_version")));
        assert!(!is_version_table(&RelationName::unqualified("users")));
    }
}
