//! Why the store cannot be used, in words for an operator.

use rusqlite::ErrorCode;

/// A failed call. `kind` is the label of the metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error("store cannot be opened: {0}")]
    Open(String),
    /// The file is something else than a store of ours.
    #[error("not a store of pgairlock: {0}")]
    Foreign(String),
    /// A newer pgairlock wrote the file.
    #[error("store has schema version {found}, this pgairlock knows {known}: it was written by a newer one")]
    Newer {
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another process holds the write lock.
    #[error("store is locked by another process")]
    Busy,
    /// The path leads to another file than the one that is open, or to none.
    #[error("store {0} was deleted or replaced by what is no store; put it back, or restart pgairlock to begin a new one")]
    Gone(String),
    /// No room.
    #[error("store is full: {0}")]
    Full(String),
    /// The file is damaged.
    #[error("store is damaged: {0}")]
    Corrupt(String),
    /// The file or its directory may not be written.
    #[error("store cannot be written: {0}")]
    ReadOnly(String),
    /// The disk failed.
    #[error("store failed: {0}")]
    Io(String),
    /// No decision has that id.
    #[error("store has no decision {0}")]
    NoSuchDecision(i64),
    /// No promise has that id.
    #[error("store has no promise {0}")]
    NoSuchPromise(i64),
    /// It is shut.
    #[error("store is closed")]
    Closed,
}

impl StoreError {
    /// A word for metrics and logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Foreign(_) => "foreign",
            Self::Newer { .. } => "newer",
            Self::Busy => "busy",
            Self::Gone(_) => "gone",
            Self::Full(_) => "full",
            Self::Corrupt(_) => "corrupt",
            Self::ReadOnly(_) => "read-only",
            Self::Io(_) => "io",
            Self::NoSuchDecision(_) | Self::NoSuchPromise(_) => "no-such-decision",
            Self::Closed => "closed",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt(text),
            Some(ErrorCode::NotADatabase) => Self::Foreign(text),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(text),
            Some(ErrorCode::CannotOpen) => Self::Open(text),
            _ => Self::Io(text),
        }
    }
}
