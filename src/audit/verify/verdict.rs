//! What a verification has found, what it can answer for, and what it cannot.

use serde::Serialize;

use super::finding::Finding;

/// A line of a file of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
}

/// How much the verification could go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// By checkpoints whose signatures were looked at.
    Signed,
    /// By checkpoints; no key was given, so whoever could write them is believed.
    Unsigned,
    /// By the store alone.
    Chain,
}

/// The end of what a checkpoint answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// Up to and with this entry.
    pub seq: i64,
    /// When the checkpoint was made, in Unix microseconds.
    pub at_unix_micros: i64,
    /// Which it is.
    pub by: Place,
}

/// What stands in the place of entries that retention took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Up to and with this entry.
    pub seq: i64,
    /// How many.
    pub entries: i64,
    /// The time of the first, in Unix microseconds.
    pub oldest_unix_micros: i64,
    /// The time of the last.
    pub newest_unix_micros: i64,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainVerdict {
    /// Whose.
    pub writer: String,
    /// Its short number in the store.
    pub number: i64,
    /// How many entries are there.
    pub entries: u64,
    /// The last one that is there or was.
    pub last: i64,
    /// Its time, in Unix microseconds.
    pub last_unix_micros: Option<i64>,
    /// What is gone by retention.
    pub removed: Option<Removed>,
    /// How far a checkpoint answers for it.
    pub vouched: Option<Vouched>,
    /// So many entries come after that: who can write the store could have cut them off, written them anew, or put others there.
    pub beyond: u64,
    /// The time of the first of them, in Unix microseconds.
    pub beyond_since_unix_micros: Option<i64>,
    /// They are more, or older, than they may be while checkpoints are written.
    pub overdue: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it goes by.
    pub proof: Proof,
    /// What is not as it was written.
    pub findings: Vec<Finding>,
    /// So many more findings are left out.
    pub more_findings: u64,
    /// What is no finding, and should be known.
    pub notes: Vec<String>,
    /// Each chain, in the order in which it was read.
    pub chains: Vec<ChainVerdict>,
    /// So many lines of checkpoints were read and believed.
    pub checkpoints: u64,
    /// When the last of them was made, in Unix microseconds: a chain that began later could be missing altogether.
    pub last_checkpoint_unix_micros: Option<i64>,
}

impl Verdict {
    /// Nothing was found.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many entries were read.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.chains.iter().map(|chain| chain.entries).sum()
    }

    /// How many entries no checkpoint answers for.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.chains.iter().map(|chain| chain.beyond).sum()
    }
}
