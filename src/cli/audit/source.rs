//! Where `audit verify` gets its entries from: the store, or a test's memory.

use crate::audit::chain::Entry;
use crate::audit::event::Event;
use crate::audit::record::DecisionId;
use crate::audit::verify::Writer;
use crate::cli::USAGE;
use crate::cli::deferred::Ended;

/// A log that can be read. Where the store can, all of it in one snapshot: what retention takes away meanwhile would look as if it were missing.
pub(super) trait Entries {
    /// Every chain; also one that has entries and nothing else.
    async fn writers(&self) -> Result<Vec<Writer>, Ended>;

    /// What stands for what retention took, a line each.
    async fn anchors(&self) -> Result<Vec<String>, Ended>;

    /// At most so many entries behind this one, by their number.
    async fn entries(&self, chain: &Writer, after_seq: i64, most: u32) -> Result<Vec<Entry>, Ended>;

    /// In what the rows that are listed and searched for these entries differ from what the entries say; by entry.
    async fn differences(&self, chain: &Writer, page: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, Ended>;
}

/// The store keeps no entries yet.
pub(super) struct NoEntries;

impl NoEntries {
    fn why<T>() -> Result<T, Ended> {
        Err(Ended(USAGE, "the store of this version keeps no entries that could be verified".into()))
    }
}

impl Entries for NoEntries {
    async fn writers(&self) -> Result<Vec<Writer>, Ended> {
        Self::why()
    }

    async fn anchors(&self) -> Result<Vec<String>, Ended> {
        Self::why()
    }

    async fn entries(&self, _: &Writer, _: i64, _: u32) -> Result<Vec<Entry>, Ended> {
        Self::why()
    }

    async fn differences(&self, _: &Writer, _: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, Ended> {
        Self::why()
    }
}

/// The statements of a migration that took effect, in the order in which they were run.
pub(super) async fn applied(_migration: &str) -> Result<Vec<(DecisionId, String)>, Ended> {
    NoEntries::why()
}
