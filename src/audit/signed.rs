//! What is said under a signature: one line of JSON, `{"kind":…,"key":…,"signature":…}`. Signed are the letters of the line without the signature, as they
//! stand, so that openssl alone can look at it.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::anchor::Anchor;
use super::checkpoint::Checkpoint;
use super::keys::{KeyId, SigningKey};
use super::trust::Endorsement;

/// Everything that a key signs. The kind is among what is signed, so that none can be taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Statement {
    /// Where chains end.
    Checkpoint(Checkpoint),
    /// What stands for entries that are gone.
    Anchor(Anchor),
    /// Which key follows.
    Endorsement(Endorsement),
    /// Of a later version.
    #[serde(other)]
    Other,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(flatten)]
    statement: Statement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
}

/// A line that was read. Whether its signature is good is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What it says.
    pub statement: Statement,
    /// The line without the signature.
    pub text: String,
    /// Who signed, and how; none where there was no key.
    pub signature: Option<(KeyId, Vec<u8>)>,
}

/// The line is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// JSON could not be written, which does not happen to what is said here.
#[derive(Debug, Error)]
#[error("a signed line could not be written: {0}")]
pub struct Unwritable(#[from] serde_json::Error);

const SIGNATURE: &str = ",\"signature\":\"";

/// The line, without a line break; without a key it has no signature.
///
/// # Errors
/// As the type says.
pub fn seal(statement: Statement, key: Option<&SigningKey>) -> Result<String, Unwritable> {
    let text = serde_json::to_string(&Envelope { statement, key: key.map(SigningKey::id) })?;
    Ok(match (key, text.strip_suffix('}')) {
        (Some(key), Some(open)) => format!("{open}{SIGNATURE}{}\"}}", key.sign(&text)),
        _ => text,
    })
}

impl Sealed {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none that we understand.
    pub fn read(line: &str) -> Result<Self, Unreadable> {
        let (text, signature) = apart(line)?;
        let Envelope { statement, key } = serde_json::from_str(&text).map_err(|error| Unreadable(error.to_string()))?;
        let signature = match (key, signature) {
            (Some(key), Some(signature)) => Some((key, signature)),
            (None, None) => None,
            (Some(_), None) => return Err(Unreadable("it names a key and has no signature".into())),
            (None, Some(_)) => return Err(Unreadable("it has a signature and names no key".into())),
        };
        Ok(Self { statement, text, signature })
    }
}

/// A quote within a JSON string has a backslash before it, so what is looked for stands nowhere else.
fn apart(line: &str) -> Result<(String, Option<Vec<u8>>), Unreadable> {
    let Some((open, rest)) = line.rsplit_once(SIGNATURE) else { return Ok((line.to_owned(), None)) };
    let base64 = rest.strip_suffix("\"}").ok_or_else(|| Unreadable("its signature is not the last of it".into()))?;
    let signature = BASE64_STANDARD.decode(base64).map_err(|_| Unreadable("its signature is no base64".into()))?;
    Ok((format!("{open}}}"), Some(signature)))
}
