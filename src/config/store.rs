//! `[store]` as used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where decisions and promises are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// An SQLite file of one machine.
    File(PathBuf),
    /// A PostgreSQL database that many replicas share.
    Fleet(FleetPlace),
}

/// As `[store] url` has it; it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct FleetPlace {
    /// `postgres://role@host:port/database?sslmode=…`.
    pub url: String,
    /// Where its password is read, at each start.
    pub password_file: Option<PathBuf>,
}

impl fmt::Debug for FleetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://…")
    }
}

impl StorePlace {
    /// A path, or a URL of PostgreSQL.
    ///
    /// # Errors
    /// When it is empty, or the URL of something else.
    pub fn read(text: &Path) -> Result<Self, String> {
        match text.to_str() {
            Some("") => Err("is empty; give the path of a file, or postgres://role@host:port/database".into()),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::Fleet(FleetPlace { url: url.to_owned(), password_file: None }))
            }
            Some(url) if url.contains("://") => {
                Err("is a URL, but not of PostgreSQL; give the path of a file, or postgres://role@host:port/database".into())
            }
            _ => Ok(Self::File(text.to_owned())),
        }
    }

    /// A path starts at this directory.
    #[must_use]
    pub fn within(self, directory: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(directory.join(path)),
            fleet @ Self::Fleet(_) => fleet,
        }
    }
}

/// What holds the log against who can write the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// Signs checkpoints and anchors.
    pub signing_key: Option<PathBuf>,
    /// Where checkpoints are added, apart from the store.
    pub checkpoints: Option<PathBuf>,
    /// Entries that are older go; without it they are kept for ever.
    pub retention: Option<Duration>,
}
