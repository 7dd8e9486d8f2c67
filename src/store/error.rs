//! Why the store cannot be used, in words for an operator.

use std::path::Path;

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
    /// An unreleased pgairlock wrote the file.
    #[error(
        "store was written by a pgairlock of before its first release, whose format is not read any more: see with that one that `deferred list` is empty, and name another file"
    )]
    Older,
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
    /// The connection to the store is lost: what became of the last write is not known.
    #[error("store was lost: {0}")]
    Lost(String),
    /// The database of the store lets nobody in.
    #[error("store cannot be reached: {0}")]
    Unreachable(String),
    /// The disk failed.
    #[error("store failed: {0}")]
    Io(String),
    /// No promise has that id.
    #[error("store has no promise {0}")]
    NoSuchPromise(i64),
    /// It is shut.
    #[error("store is closed")]
    Closed,
}

impl StoreError {
    /// Every word of [`StoreError::kind`], and that of a call that had no answer in time.
    pub const KINDS: &'static [&'static str] = &[
        "open",
        "foreign",
        "newer",
        "older",
        "busy",
        "lost",
        "unreachable",
        "gone",
        "full",
        "corrupt",
        "read-only",
        "io",
        "no-such-promise",
        "closed",
        "timeout",
    ];

    /// A word for metrics and logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Foreign(_) => "foreign",
            Self::Newer { .. } => "newer",
            Self::Older => "older",
            Self::Busy => "busy",
            Self::Lost(_) => "lost",
            Self::Unreachable(_) => "unreachable",
            Self::Gone(_) => "gone",
            Self::Full(_) => "full",
            Self::Corrupt(_) => "corrupt",
            Self::ReadOnly(_) => "read-only",
            Self::Io(_) => "io",
            Self::NoSuchPromise(_) => "no-such-promise",
            Self::Closed => "closed",
        }
    }
}

impl StoreError {
    /// What is to be written is tried again: the store may be back soon.
    #[must_use]
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Lost(_) | Self::Unreachable(_) | Self::Full(_) | Self::Gone(_) | Self::Io(_) | Self::ReadOnly(_))
    }

    /// Names the file in an error of opening.
    pub(super) fn at(self, path: &Path) -> Self {
        let path = path.display();
        match self {
            Self::Open(text) => Self::Open(format!("{path}: {text}")),
            Self::Foreign(text) => Self::Foreign(format!("{path}: {text}")),
            Self::Corrupt(text) => Self::Corrupt(format!("{path}: {text}")),
            Self::ReadOnly(text) => Self::ReadOnly(format!("{path}: {text}")),
            Self::Io(text) => Self::Io(format!("{path}: {text}")),
            Self::Full(text) => Self::Full(format!("{path}: {text}")),
            error @ (Self::Newer { .. }
            | Self::Older
            | Self::Busy
            | Self::Gone(_)
            | Self::Lost(_)
            | Self::Unreachable(_)
            | Self::NoSuchPromise(_)
            | Self::Closed) => error,
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
