//! Where a store is.

use std::path::PathBuf;

use super::backend::Backend;
use super::error::StoreError;
use super::postgres::Fleet;
use super::sqlite::{self, Database};
use crate::config::settings::{FleetPlace, StorePlace};
use crate::upstream::client::DatabaseUrl;

/// A file of one process and its helpers, or a database that many share.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Fleet(Box<DatabaseUrl>),
}

impl Place {
    /// As the settings have it; the password of a database is read now.
    ///
    /// # Errors
    /// When the URL cannot be read, or the file of the password.
    pub fn read(place: &StorePlace) -> Result<Self, String> {
        let FleetPlace { url, password_file } = match place {
            StorePlace::File(path) => return Ok(Self::File(path.clone())),
            StorePlace::Fleet(fleet) => fleet,
        };
        let password = match password_file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| format!("[store] password_file {}: {error}", file.display()))?),
            None => std::env::var("PGPASSWORD").ok(),
        };
        let password = password.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
        DatabaseUrl::read(url, password).map(|url| Self::Fleet(Box::new(url))).map_err(|why| format!("the URL of the store {why}"))
    }

    /// Creates what is missing.
    pub(super) fn open(&self) -> Result<Box<dyn Backend>, StoreError> {
        Ok(match self {
            Self::File(path) => Box::new(Database::open(path, sqlite::BUSY)?),
            Self::Fleet(url) => Box::new(Fleet::open(url)?),
        })
    }

    /// A second connection to what is there. A file that is gone is not made anew: it would hide that it is lost.
    pub(super) fn open_again(&self) -> Result<Box<dyn Backend>, StoreError> {
        match self {
            Self::File(path) if !path.exists() => Err(StoreError::Gone(path.display().to_string())),
            Self::File(_) | Self::Fleet(_) => self.open(),
        }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}
