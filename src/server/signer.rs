//! The key of the audit log, and what endorses it, as files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::audit::keys::SigningKey;

/// A key and the lines that say whom it follows, the oldest first.
#[derive(Debug)]
pub struct Signer {
    /// Signs.
    pub key: SigningKey,
    /// Each a line of JSON.
    pub endorsements: Vec<String>,
}

/// Where the endorsements of a key stand: `KEY.endorsements`.
#[must_use]
pub fn endorsements_of(key: &Path) -> PathBuf {
    let mut name = OsString::from(key);
    name.push(".endorsements");
    PathBuf::from(name)
}

impl Signer {
    /// Reads the key and, where it follows another one, the file beside it.
    ///
    /// # Errors
    /// When one of them cannot be used; says which, and why.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("the key {} cannot be read: {error}", path.display()))?;
        let key = SigningKey::from_pem(&text).map_err(|why| format!("the key {} {why}", path.display()))?;
        let beside = endorsements_of(path);
        let endorsements = match std::fs::read_to_string(&beside) {
            Ok(text) => text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("the endorsements {} cannot be read: {error}", beside.display())),
        };
        Ok(Self { key, endorsements })
    }
}
