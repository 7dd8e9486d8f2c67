//! One statement of a safe sequence.

use crate::sql::name::RelationName;

/// One statement that pgairlock runs in place of, or after, the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The statement.
    pub sql: String,
    /// Whether it may wait for locks beyond lock_timeout.
    pub wait: Wait,
    /// What a *failed* run of this step leaves behind.
    pub debris: Option<Debris>,
    /// SQL that takes the finished step back when a later one fails.
    pub undo: Option<String>,
    /// SQL that follows `undo`, outside its transaction, and makes whole again what that brings back.
    pub undo_then: Option<String>,
    /// How an error of this step reads as the original statement's.
    pub errors: Option<ErrorMapping>,
}

/// What a failed step leaves: INVALID indexes, and a partition that is neither here nor there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Debris {
    /// The index that was being built: it is dropped.
    Index(RelationName),
    /// The index that was being dropped: it may be INVALID already, though kept up to date, and then is told to whoever reads the error.
    HalfDropped(RelationName),
    /// A partition that has begun to leave its table, and cannot but go on.
    Leaving {
        /// The table.
        table: RelationName,
        /// The partition.
        partition: RelationName,
    },
    /// What a rebuild had made beside the old indexes (`…_ccnew`, `…_ccold`), on this table or on any: they are dropped.
    Rebuilt(Option<RelationName>),
}

/// How long a step may wait (facts: sequences, S and L).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Takes a strong lock: lock_timeout stays.
    Short,
    /// Takes strong locks of many tables, one after the other: they are waited for no longer together than for one, and its own work takes so many
    /// milliseconds at most.
    Bounded(u64),
    /// Waits without hurting anyone: lock_timeout, statement_timeout and transaction_timeout are off for it.
    Long,
}

/// An error of a step, as the original statement would have said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMapping {
    /// The step's SQLSTATE.
    pub from: &'static str,
    /// The original's.
    pub to: &'static str,
    /// The original's message.
    pub message: String,
}

impl Debris {
    /// What removes it, or finishes it, where that is one statement.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Index(index) => Some(format!("DROP INDEX CONCURRENTLY IF EXISTS {index}")),
            Self::HalfDropped(index) => Some(format!("REINDEX INDEX CONCURRENTLY {index}")),
            Self::Leaving { table, partition } => Some(format!("ALTER TABLE {table} DETACH PARTITION {partition} FINALIZE")),
            Self::Rebuilt(_) => None,
        }
    }
}

impl Step {
    /// A step under a strong, brief lock.
    #[must_use]
    pub fn short(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), wait: Wait::Short, debris: None, undo: None, undo_then: None, errors: None }
    }

    /// A step that may wait long without hurting anyone.
    #[must_use]
    pub fn long(sql: impl Into<String>) -> Self {
        Self { wait: Wait::Long, ..Self::short(sql) }
    }

    /// With what a failed run leaves.
    #[must_use]
    pub fn debris(mut self, debris: Debris) -> Self {
        self.debris = Some(debris);
        self
    }

    /// With SQL that takes it back.
    #[must_use]
    pub fn undo(mut self, sql: impl Into<String>) -> Self {
        self.undo = Some(sql.into());
        self
    }

    /// With SQL that follows what takes it back.
    #[must_use]
    pub fn undo_then(mut self, sql: impl Into<String>) -> Self {
        self.undo_then = Some(sql.into());
        self
    }

    /// With an error mapping.
    #[must_use]
    pub fn errors(mut self, mapping: ErrorMapping) -> Self {
        self.errors = Some(mapping);
        self
    }
}
