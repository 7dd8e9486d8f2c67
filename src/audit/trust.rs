//! Which keys are believed: those that somebody gives, and those that they have endorsed as their successors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::keys::{KeyId, PublicKey, SigningKey};
use super::signed::{Sealed, Statement, Unwritable, seal};

/// "This key follows me", signed by the one that it follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// When, in Unix microseconds.
    pub at_unix_micros: i64,
    /// The new key: its public half as PEM.
    pub successor: String,
    /// The one that says so, as PEM: for who has the new key and not the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<String>,
}

/// The line with which the old key endorses the new one.
///
/// # Errors
/// When it cannot be written.
pub fn endorse(old: &SigningKey, new: &PublicKey, at_unix_micros: i64) -> Result<String, Unwritable> {
    let endorsement = Endorsement { at_unix_micros, successor: new.to_pem(), predecessor: Some(old.public().to_pem()) };
    seal(Statement::Endorsement(endorsement), Some(old))
}

/// Why what a line says is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Distrust {
    /// Nobody signed it.
    #[error("nobody has signed it")]
    Unsigned,
    /// By a key that was neither given nor endorsed.
    #[error("it is signed with the key {key}, which is none of those given, and none that they endorsed")]
    UnknownKey {
        /// That.
        key: KeyId,
    },
    /// By a known key, as it says.
    #[error("its signature is not that of the key {key}: it was changed, or forged")]
    BadSignature {
        /// That.
        key: KeyId,
    },
}

/// Keys that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: BTreeMap<KeyId, PublicKey>,
}

impl Trust {
    /// These, and whom they endorse.
    #[must_use]
    pub fn in_keys(keys: &[PublicKey]) -> Self {
        Self { keys: keys.iter().map(|key| (key.id(), *key)).collect() }
    }

    /// The key of a process and those that it follows, by the lines that stand beside it, the oldest first. Back along them: only for who has these lines
    /// from where he has the key.
    #[must_use]
    pub fn following(key: &PublicKey, endorsements: &[String]) -> Self {
        let mut trust = Self::in_keys(&[*key]);
        for sealed in endorsements.iter().rev().filter_map(|line| Sealed::read(line).ok()) {
            let Statement::Endorsement(Endorsement { successor, predecessor: Some(predecessor), .. }) = &sealed.statement else { continue };
            let (Ok(successor), Ok(predecessor)) = (PublicKey::from_pem(successor), PublicKey::from_pem(predecessor)) else { continue };
            if trust.keys.contains_key(&successor.id()) && Self::in_keys(&[predecessor]).check(&sealed).is_ok() {
                trust.keys.insert(predecessor.id(), predecessor);
            }
        }
        trust
    }

    /// Nobody is believed: signatures are not looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes endorsements, the oldest first, as far as they come from keys that are believed already.
    pub fn hear<'a>(&mut self, endorsements: impl IntoIterator<Item = &'a str>) {
        for line in endorsements {
            let Ok(sealed) = Sealed::read(line) else { continue };
            if self.check(&sealed).is_err() {
                continue;
            }
            if let Statement::Endorsement(endorsement) = &sealed.statement
                && let Ok(key) = PublicKey::from_pem(&endorsement.successor)
            {
                self.keys.insert(key.id(), key);
            }
        }
    }

    /// Whether a key that is believed has signed this.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, sealed: &Sealed) -> Result<(), Distrust> {
        let Some((id, signature)) = &sealed.signature else { return Err(Distrust::Unsigned) };
        let key = self.keys.get(id).ok_or_else(|| Distrust::UnknownKey { key: id.clone() })?;
        if key.has_signed(&sealed.text, signature) { Ok(()) } else { Err(Distrust::BadSignature { key: id.clone() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::anchor::Anchor;
    use crate::audit::chain::Digest;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_pem(&SigningKey::text_of(&[number; 32])).unwrap()
    }

    fn signed(key: Option<&SigningKey>) -> Sealed {
        let anchor = Anchor {
            version: 1,
            at_unix_micros: 9,
            writer: "w".into(),
            number: 1,
            seq: 3,
            hash: Digest::NONE,
            removed: 3,
            oldest_unix_micros: 1,
            newest_unix_micros: 2,
        };
        Sealed::read(&seal(Statement::Anchor(anchor), key).unwrap()).unwrap()
    }

    #[test]
    fn who_is_given_is_believed_and_nobody_else() {
        let trust = Trust::in_keys(&[key(1).public()]);
        assert_eq!(trust.check(&signed(Some(&key(1)))), Ok(()));
        assert_eq!(trust.check(&signed(Some(&key(2)))), Err(Distrust::UnknownKey { key: key(2).id() }));
        assert_eq!(trust.check(&signed(None)), Err(Distrust::Unsigned));
        let mut changed = signed(Some(&key(1)));
        changed.text = changed.text.replace("\"seq\":3", "\"seq\":4");
        assert_eq!(trust.check(&changed), Err(Distrust::BadSignature { key: key(1).id() }));
    }

    #[test]
    fn trust_goes_along_endorsements_and_no_other_way() {
        let line = |old: u8, new: u8| endorse(&key(old), &key(new).public(), 5).unwrap();
        let believed = |given: u8, lines: &[String]| {
            let mut trust = Trust::in_keys(&[key(given).public()]);
            trust.hear(lines.iter().map(String::as_str));
            (1..=4).filter(|number| trust.check(&signed(Some(&key(*number)))).is_ok()).collect::<Vec<u8>>()
        };
        let chain = [line(1, 2), line(2, 3)];
        assert_eq!(believed(1, &chain), [1, 2, 3]);
        assert_eq!(believed(2, &chain), [2, 3], "a key that is not given any more is not believed for having been followed");
        assert_eq!(believed(3, &chain), [3]);
        assert_eq!(believed(1, &[line(4, 2)]), [1]);
        assert_eq!(believed(1, &[line(1, 2).replace("-----BEGIN", "-----BEGUN"), "{".into()]), [1]);
        let forged = line(4, 4).replace(&key(4).id().0, &key(1).id().0);
        assert_eq!(believed(1, &[forged]), [1]);
    }

    #[test]
    fn each_byte_of_a_line_counts() {
        let trust = Trust::in_keys(&[key(1).public()]);
        let line = endorse(&key(1), &key(2).public(), 5).unwrap();
        assert!(Sealed::read(&line).is_ok_and(|sealed| trust.check(&sealed).is_ok()));
        for at in 0..line.len() {
            for flip in [1, 0x20] {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= flip;
                let text = String::from_utf8_lossy(&bytes);
                assert!(Sealed::read(&text).is_ok_and(|sealed| trust.check(&sealed).is_ok()).eq(&false), "{text}");
            }
        }
    }
}
