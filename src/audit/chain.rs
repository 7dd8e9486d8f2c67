//! Each entry of the log holds the one before it: the hash of an entry covers the hash of its predecessor, so that none can be changed, taken away or
//! put elsewhere without all that follow. A process that writes has a chain of its own; no two wait for each other.

use std::fmt::{self, Display};
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Stands at the front of what is hashed, so that no hash of something else can be taken for one of an entry.
const DOMAIN: &[u8] = b"pgairlock audit entry 1\0";

/// SHA-256; as text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What the first entry of a chain has in the place of a predecessor.
    pub const NONE: Self = Self([0; 32]);

    /// Of these bytes.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SHA-256 of 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The last entry of a chain, as somebody has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain: a UUID, new with each start of a process.
    pub writer: String,
    /// Its short number in its store.
    pub number: i64,
    /// The number of the entry in the chain, from 1.
    pub seq: i64,
    /// The entry's hash.
    pub hash: Digest,
}

/// One entry, as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of the entry in its chain, from 1.
    pub seq: i64,
    /// Unix time in microseconds.
    pub at_unix_micros: i64,
    /// An [`super::event::Event`] as JSON, to the byte as it was hashed.
    pub body: String,
    /// Over all of this, the writer, and the hash before it.
    pub hash: Digest,
}

impl Entry {
    /// The hash that an entry must have behind that one.
    #[must_use]
    pub fn digest(previous: Digest, writer: &str, seq: i64, at_unix_micros: i64, body: &str) -> Digest {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        Digest::of(&[
            DOMAIN,
            &previous.0,
            &length(writer),
            writer.as_bytes(),
            &seq.to_be_bytes(),
            &at_unix_micros.to_be_bytes(),
            &length(body),
            body.as_bytes(),
        ])
    }
}

/// The end of a chain that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    head: Head,
}

impl Chain {
    /// An empty one.
    #[must_use]
    pub fn new(writer: String, number: i64) -> Self {
        Self { head: Head { writer, number, seq: 0, hash: Digest::NONE } }
    }

    /// Where it ends now.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Puts an entry behind the last one.
    pub fn link(&mut self, at_unix_micros: i64, body: String) -> Entry {
        let seq = self.head.seq + 1;
        let hash = Entry::digest(self.head.hash, &self.head.writer, seq, at_unix_micros, &body);
        (self.head.seq, self.head.hash) = (seq, hash);
        Entry { seq, at_unix_micros, body, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_entry_is_in_its_hash() {
        let mut chain = Chain::new("w".into(), 1);
        let first = chain.link(5, "{}".into());
        let second = chain.link(6, "{}".into());
        assert_eq!((first.seq, second.seq, chain.head().hash), (1, 2, second.hash));
        assert_eq!(Entry::digest(Digest::NONE, "w", 1, 5, "{}"), first.hash);
        assert_eq!(Entry::digest(first.hash, "w", 2, 6, "{}"), second.hash);
        for other in [
            Entry::digest(second.hash, "w", 1, 5, "{}"),
            Entry::digest(Digest::NONE, "v", 1, 5, "{}"),
            Entry::digest(Digest::NONE, "w", 2, 5, "{}"),
            Entry::digest(Digest::NONE, "w", 1, 6, "{}"),
            Entry::digest(Digest::NONE, "w", 1, 5, "{ }"),
        ] {
            assert_ne!(other, first.hash);
        }
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(&[b"abc"]);
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
