//! What can be found: each with the exact entry, and what it means.

use std::fmt::{self, Display};

use serde::Serialize;

use super::verdict::Place;
use crate::audit::trust::Distrust;

/// So many are kept; the others are counted.
pub(super) const MOST: usize = 1_000;

/// A chain, as it is called in findings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Writer {
    /// Its UUID.
    pub writer: String,
    /// Its short number in the store.
    pub number: i64,
}

/// Something is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// The hash of these entries is not that of what stands in them, behind the entry before.
    EntriesChanged {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// They are not there.
    EntriesMissing {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// An entry comes twice, or at another place.
    OutOfOrder {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The entry.
        seq: i64,
        /// It comes after this one.
        after: i64,
    },
    /// The beginning is gone, and nothing that is believed stands for it.
    BeginsWithoutAnchor {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The first that is there.
        seq: i64,
    },
    /// What stands for the beginning is not believed.
    AnchorDistrusted {
        /// The chain, as the anchor says.
        #[serde(flatten)]
        chain: Writer,
        /// Why.
        #[serde(flatten)]
        why: Distrust,
    },
    /// What stands for the beginning cannot be read.
    AnchorUnreadable {
        /// Why.
        error: String,
    },
    /// The first entry of a chain does not say that this chain begins.
    NotStarted {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
    },
    /// An entry is no JSON of ours.
    EntryUnreadable {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The entry.
        seq: i64,
        /// Why.
        error: String,
    },
    /// What is searched in the store for an entry is not what the entry says.
    RowDiffers {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The entry.
        seq: i64,
        /// In what.
        what: String,
    },
    /// The chain is sound in itself, and a checkpoint has another hash: it was written anew.
    Rewritten {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// What was changed comes after this entry.
        after: i64,
        /// And not after this one.
        seq: i64,
        /// The checkpoint.
        by: Place,
    },
    /// A checkpoint names an entry that is not there any more.
    TailCut {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The last that is there.
        last: i64,
        /// The last that was.
        named: i64,
        /// The checkpoint.
        by: Place,
    },
    /// A checkpoint names a chain that is not there.
    ChainMissing {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// So many entries it had.
        named: i64,
        /// The checkpoint.
        by: Place,
    },
    /// A checkpoint calls a chain by another number than the store.
    NumberChanged {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// Its number in the checkpoint.
        named: i64,
        /// The checkpoint.
        by: Place,
    },
    /// A process that began saw this entry of another chain with another hash.
    SeenOtherwise {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The entry.
        seq: i64,
        /// Whose first entry says so.
        by: String,
    },
    /// A process that began saw an entry of another chain that is not there.
    SeenAndGone {
        /// The chain.
        #[serde(flatten)]
        chain: Writer,
        /// The entry.
        seq: i64,
        /// Whose first entry says so.
        by: String,
    },
    /// A line of checkpoints is not believed.
    CheckpointDistrusted {
        /// The line.
        #[serde(flatten)]
        place: Place,
        /// Why.
        #[serde(flatten)]
        why: Distrust,
    },
    /// A whole line of a file of checkpoints is none.
    CheckpointUnreadable {
        /// The line.
        #[serde(flatten)]
        place: Place,
        /// Why.
        error: String,
    },
    /// Checkpoints of a process are not there.
    CheckpointsMissing {
        /// The process: its chain.
        writer: String,
        /// The first.
        from: i64,
        /// The last.
        to: i64,
        /// The line that follows them.
        #[serde(flatten)]
        place: Place,
    },
    /// Two checkpoints cannot both be true.
    CheckpointsDisagree {
        /// The one.
        #[serde(flatten)]
        place: Place,
        /// The other.
        other: Place,
        /// In what.
        about: String,
    },
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

impl Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chain {} (writer {})", self.number, self.writer)
    }
}

/// `entry 3-7`, or `entries 3-7 to 3-9`.
fn entries(chain: &Writer, from: i64, to: i64) -> String {
    let number = chain.number;
    if from == to { format!("entry {number}-{from}") } else { format!("entries {number}-{from} to {number}-{to}") }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntriesChanged { chain, from, to } => {
                write!(f, "{} changed: what stands there, or what stood before it, is not what the hash was made of", entries(chain, *from, *to))
            }
            Self::EntriesMissing { chain, from, to } => write!(f, "{} missing, from the midst of {chain}", entries(chain, *from, *to)),
            Self::OutOfOrder { chain, seq, after } => {
                write!(f, "{} out of place: it comes after {}-{after}", entries(chain, *seq, *seq), chain.number)
            }
            Self::BeginsWithoutAnchor { chain, seq } => {
                let number = chain.number;
                write!(f, "{chain} begins with entry {number}-{seq}, and no anchor that is believed stands for those before it: they were taken away")
            }
            Self::AnchorDistrusted { chain, why } => write!(f, "the anchor of {chain} is not believed: {why}"),
            Self::AnchorUnreadable { error } => write!(f, "an anchor in the store cannot be read: {error}"),
            Self::NotStarted { chain } => write!(f, "entry {}-1 does not say that {chain} begins: it belongs to another one", chain.number),
            Self::EntryUnreadable { chain, seq, error } => write!(f, "{} is none that can be read: {error}", entries(chain, *seq, *seq)),
            Self::RowDiffers { chain, seq, what } => {
                write!(f, "{}: what is listed and searched for it is not what the entry says: {what}", entries(chain, *seq, *seq))
            }
            Self::Rewritten { chain, after, seq, by } => {
                let number = chain.number;
                write!(
                    f,
                    "{chain} was written anew: entry {number}-{seq} is not the one that {by} names, so something behind {number}-{after} was changed"
                )
            }
            Self::TailCut { chain, last, named, by } => {
                write!(f, "the end of {chain} is missing: it ends with {last}, and {by} names entry {}-{named}", chain.number)
            }
            Self::ChainMissing { chain, named, by } => write!(f, "{chain} is missing as a whole; {by} names its entry {named}"),
            Self::NumberChanged { chain, named, by } => write!(f, "{chain} had the number {named}, says {by}"),
            Self::SeenOtherwise { chain, seq, by } => {
                write!(f, "{} was another one when the process {by} began, which noted its hash", entries(chain, *seq, *seq))
            }
            Self::SeenAndGone { chain, seq, by } => write!(f, "{} is missing; the process {by} saw it when it began", entries(chain, *seq, *seq)),
            Self::CheckpointDistrusted { place, why } => write!(f, "the checkpoint {place} is not believed: {why}"),
            Self::CheckpointUnreadable { place, error } => write!(f, "{place} is no checkpoint: {error}"),
            Self::CheckpointsMissing { writer, from, to, place } if from == to => {
                write!(f, "checkpoint {from} of the process {writer} is missing before {place}")
            }
            Self::CheckpointsMissing { writer, from, to, place } => {
                write!(f, "checkpoints {from} to {to} of the process {writer} are missing before {place}")
            }
            Self::CheckpointsDisagree { place, other, about } => write!(f, "{place} and {other} do not agree about {about}"),
        }
    }
}

/// Findings, as many as are kept.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) kept: Vec<Finding>,
    pub(super) more: u64,
}

impl Findings {
    /// Changes of neighbours are one finding.
    pub(super) fn add(&mut self, finding: Finding) {
        if let (Some(Finding::EntriesChanged { chain, to, .. }), Finding::EntriesChanged { chain: next, from, .. }) = (self.kept.last_mut(), &finding)
            && chain == next
            && *to + 1 == *from
        {
            *to = *from;
        } else if self.kept.len() < MOST {
            self.kept.push(finding);
        } else {
            self.more += 1;
        }
    }
}
