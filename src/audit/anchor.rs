//! Retention takes the oldest entries of a chain away; an anchor, signed, stands for them and holds the rest.

use serde::{Deserialize, Serialize};

use super::chain::Digest;
use super::keys::SigningKey;
use super::signed::{Statement, Unwritable, seal};

/// The version of the form.
pub const VERSION: i64 = 1;

/// Up to where a chain was taken away by whoever keeps the log, and not by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Of the form: 1.
    pub version: i64,
    /// When, in Unix microseconds.
    pub at_unix_micros: i64,
    /// Whose chain.
    pub writer: String,
    /// Its short number in its store.
    pub number: i64,
    /// The last entry that is gone.
    pub seq: i64,
    /// Its hash: the next entry stands on it.
    pub hash: Digest,
    /// How many are gone, those of earlier anchors among them.
    pub removed: i64,
    /// The time of the first of them.
    pub oldest_unix_micros: i64,
    /// The time of the last of them.
    pub newest_unix_micros: i64,
}

impl Anchor {
    /// The one that takes the place of `earlier`, behind which more entries went: the time of the first, and all of the last.
    #[must_use]
    pub fn moved(earlier: Option<&Self>, last: Self) -> Self {
        let Some(earlier) = earlier else { return last };
        Self { removed: earlier.removed + last.removed, oldest_unix_micros: earlier.oldest_unix_micros, ..last }
    }

    /// As it stands in the store: one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(self, key: Option<&SigningKey>) -> Result<String, Unwritable> {
        seal(Statement::Anchor(self), key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::signed::Sealed;

    fn anchor(seq: i64, removed: i64, oldest: i64) -> Anchor {
        Anchor {
            version: VERSION,
            at_unix_micros: 100,
            writer: "w".into(),
            number: 1,
            seq,
            hash: Digest::NONE,
            removed,
            oldest_unix_micros: oldest,
            newest_unix_micros: oldest + 1,
        }
    }

    #[test]
    fn an_anchor_stands_for_all_that_went_before() {
        assert_eq!(Anchor::moved(None, anchor(3, 3, 10)), anchor(3, 3, 10));
        let moved = Anchor::moved(Some(&anchor(3, 3, 10)), anchor(7, 4, 20));
        assert_eq!((moved.seq, moved.removed, moved.oldest_unix_micros, moved.newest_unix_micros), (7, 7, 10, 21));
    }

    #[test]
    fn without_a_key_it_is_a_line_without_a_signature() {
        let line = anchor(3, 3, 10).line(None).unwrap();
        assert!(line.starts_with(r#"{"kind":"anchor","version":1,"#), "{line}");
        let sealed = Sealed::read(&line).unwrap();
        assert_eq!((sealed.statement, sealed.signature), (Statement::Anchor(anchor(3, 3, 10)), None));
    }
}
