//! Signed checkpoints: where the chains end now, said every few seconds in a place apart from the store. Who can write the store can make a chain that
//! is sound in itself; what a checkpoint has named he can neither change nor cut off.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::{Digest, Head};
use super::keys::SigningKey;
use super::signed::{Statement, Unwritable, seal};

/// The version of the form.
pub const VERSION: i64 = 1;
/// No more entries than this are without one.
pub const MOST_ENTRIES: i64 = 100;
/// No entry is without one for longer than this, in microseconds.
pub const LONGEST_MICROS: i64 = 5_000_000;

/// Where chains end, as a process has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of the form: 1.
    pub version: i64,
    /// From 1, for each process.
    pub number: i64,
    /// The digest of the line that the same process wrote before; nothing at its start.
    pub previous: Digest,
    /// When, in Unix microseconds.
    pub at_unix_micros: i64,
    /// The chain of the process that says so.
    pub writer: String,
    /// All chains at the start of a process, later those that have grown.
    pub heads: Vec<Head>,
    /// At the start of a process whose key follows another one: the lines that say so, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endorsements: Vec<String>,
}

/// What a line is to the next one.
#[must_use]
pub fn digest(line: &str) -> Digest {
    Digest::of(&[b"pgairlock checkpoint 1\0", line.as_bytes()])
}

/// Makes the checkpoints of one process, and says when one is due.
#[derive(Debug)]
pub struct Checkpointer {
    key: SigningKey,
    writer: String,
    endorsements: Vec<String>,
    number: i64,
    previous: Digest,
    named: BTreeMap<String, i64>,
    newest: i64,
    last_unix_micros: Option<i64>,
}

impl Checkpointer {
    /// For the process that writes this chain; `endorsements` are the lines beside its key.
    #[must_use]
    pub fn new(key: SigningKey, writer: String, endorsements: Vec<String>) -> Self {
        Self { key, writer, endorsements, number: 0, previous: Digest::NONE, named: BTreeMap::new(), newest: 0, last_unix_micros: None }
    }

    /// The process's own entries up to this one are on disk.
    pub fn written(&mut self, seq: i64) {
        self.newest = self.newest.max(seq);
    }

    /// So many of them no checkpoint has named.
    fn waiting(&self) -> i64 {
        self.newest - self.named.get(&self.writer).copied().unwrap_or_default()
    }

    /// When the next one is due, in Unix microseconds: never where nothing is new, else as soon as there is enough of it or it has waited long enough.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        match self.last_unix_micros {
            _ if self.waiting() <= 0 => None,
            Some(last) if self.waiting() < MOST_ENTRIES => Some(last.saturating_add(LONGEST_MICROS)),
            _ => Some(i64::MIN),
        }
    }

    /// Whether that is now. A clock that was set back does not put it off.
    #[must_use]
    pub fn is_due(&self, now_unix_micros: i64) -> bool {
        let back = self.last_unix_micros.is_some_and(|last| now_unix_micros < last);
        self.due().is_some_and(|due| due <= now_unix_micros || back)
    }

    /// The next line, for the end of the file; none when all of this was said before. `heads` are of entries that are on disk, whoever wrote them.
    /// What was made counts as said: where it could not be written, the same line has to be written again before another is asked for.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn line(&mut self, heads: &[Head], now_unix_micros: i64) -> Result<Option<String>, Unwritable> {
        let grown = |head: &&Head| self.named.get(&head.writer).is_none_or(|named| *named < head.seq);
        let heads: Vec<Head> = heads.iter().filter(grown).cloned().collect();
        if heads.is_empty() {
            return Ok(None);
        }
        let checkpoint = Checkpoint {
            version: VERSION,
            number: self.number + 1,
            previous: self.previous,
            at_unix_micros: now_unix_micros,
            writer: self.writer.clone(),
            heads: heads.clone(),
            endorsements: if self.number == 0 { self.endorsements.clone() } else { Vec::new() },
        };
        let line = seal(Statement::Checkpoint(checkpoint), Some(&self.key))?;
        (self.number, self.previous) = (self.number + 1, digest(&line));
        self.last_unix_micros = Some(now_unix_micros);
        self.named.extend(heads.into_iter().map(|head| (head.writer, head.seq)));
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::signed::Sealed;
    use crate::audit::trust::{Trust, endorse};

    fn key(number: u8) -> SigningKey {
        SigningKey::from_pem(&SigningKey::text_of(&[number; 32])).unwrap()
    }

    fn head(writer: &str, seq: i64) -> Head {
        Head { writer: writer.into(), number: 1, seq, hash: Digest([7; 32]) }
    }

    fn read(line: &str) -> Checkpoint {
        match Sealed::read(line).unwrap().statement {
            Statement::Checkpoint(checkpoint) => checkpoint,
            other => panic!("{other:?}"),
        }
    }

    fn named(checkpoint: &Checkpoint) -> Vec<(&str, i64)> {
        checkpoint.heads.iter().map(|head| (head.writer.as_str(), head.seq)).collect()
    }

    #[test]
    fn the_first_names_all_chains_and_the_others_what_has_grown() {
        let endorsement = endorse(&key(1), &key(2).public(), 3).unwrap();
        let mut checkpointer = Checkpointer::new(key(2), "b".into(), vec![endorsement.clone()]);
        let first = checkpointer.line(&[head("a", 5), head("b", 1)], 10).unwrap().unwrap();
        let second = checkpointer.line(&[head("a", 5), head("b", 2)], 20).unwrap().unwrap();
        assert_eq!(checkpointer.line(&[head("a", 5), head("b", 2)], 30).unwrap(), None);
        let (one, two) = (read(&first), read(&second));
        assert_eq!((one.number, one.previous, named(&one)), (1, Digest::NONE, vec![("a", 5), ("b", 1)]));
        assert_eq!((two.number, two.previous, named(&two)), (2, digest(&first), vec![("b", 2)]));
        assert_eq!((one.endorsements, two.endorsements), (vec![endorsement.clone()], vec![]));
        let mut trust = Trust::in_keys(&[key(1).public()]);
        trust.hear([endorsement.as_str()]);
        assert_eq!(trust.check(&Sealed::read(&second).unwrap()), Ok(()));
    }

    #[test]
    fn one_is_due_when_entries_have_waited_or_there_are_many() {
        let mut checkpointer = Checkpointer::new(key(1), "a".into(), vec![]);
        assert!(!checkpointer.is_due(0), "nothing is new");
        checkpointer.written(1);
        assert!(checkpointer.is_due(0), "the first comes at once");
        checkpointer.line(&[head("a", 1)], 1_000).unwrap();
        assert_eq!(checkpointer.due(), None);
        checkpointer.written(MOST_ENTRIES);
        assert_eq!(checkpointer.due(), Some(1_000 + LONGEST_MICROS));
        assert!(!checkpointer.is_due(1_000 + LONGEST_MICROS - 1) && checkpointer.is_due(1_000 + LONGEST_MICROS));
        assert!(checkpointer.is_due(999), "the clock was set back");
        checkpointer.written(MOST_ENTRIES + 1);
        assert!(checkpointer.is_due(1_001));
        checkpointer.line(&[head("a", 101)], 2_000).unwrap();
        assert_eq!(checkpointer.due(), None);
    }
}
