//! Where `audit verify` gets its entries from: the store, or a test's memory.

use crate::audit::chain::Entry;
use crate::audit::event::Event;
use crate::audit::listed::Standing;
use crate::audit::record::DecisionId;
use crate::audit::verify::Writer;
use crate::cli::deferred::Ended;
use crate::store::Store;

/// A log that can be read, all of it as it stands at one moment: what retention takes away meanwhile would look as if it were missing.
pub(super) trait Entries {
    /// What is read from now on is what there is now.
    async fn pin(&self) -> Result<(), Ended>;

    /// Every chain; also one that has entries and nothing else.
    async fn writers(&self) -> Result<Vec<Writer>, Ended>;

    /// What stands for what retention took, a line each.
    async fn anchors(&self) -> Result<Vec<String>, Ended>;

    /// At most so many entries behind this one, by their number.
    async fn entries(&self, chain: &Writer, after_seq: i64, most: u32) -> Result<Vec<Entry>, Ended>;

    /// In what the rows that are listed and searched for these entries differ from what the entries say; by entry.
    async fn differences(&self, chain: &Writer, page: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, Ended>;
}

impl Entries for Store {
    async fn pin(&self) -> Result<(), Ended> {
        Ok(Self::pin(self).await?)
    }

    async fn writers(&self) -> Result<Vec<Writer>, Ended> {
        let mut writers: Vec<Writer> = Self::writers(self).await?.into_iter().map(|(number, writer)| Writer { writer, number }).collect();
        for number in self.chains().await?.into_iter().filter(|number| !writers.iter().any(|writer| writer.number == *number)).collect::<Vec<_>>() {
            // Whose it is, its first entry says.
            let first = Self::entries(self, DecisionId { writer: number, seq: 0 }, 1).await?;
            let said = first.first().and_then(|entry| serde_json::from_str(&entry.body).ok());
            let writer = if let Some(Event::Started(started)) = said { started.writer } else { String::new() };
            writers.push(Writer { writer, number });
        }
        Ok(writers)
    }

    async fn anchors(&self) -> Result<Vec<String>, Ended> {
        Ok(Self::anchors(self).await?)
    }

    async fn entries(&self, chain: &Writer, after_seq: i64, most: u32) -> Result<Vec<Entry>, Ended> {
        Ok(Self::entries(self, DecisionId { writer: chain.number, seq: after_seq.max(0) }, most).await?)
    }

    async fn differences(&self, chain: &Writer, page: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, Ended> {
        Ok(Self::differences(self, chain.number, page.to_vec()).await?)
    }
}

/// So many statements of one migration are taken back.
const MOST: u32 = 10_000;

/// The statements of a migration that took effect, in the order in which they were run.
pub(super) async fn applied(store: &Store, migration: &str) -> Result<Vec<(DecisionId, String)>, Ended> {
    let all = store.of_migration(migration.to_owned(), MOST).await?;
    let applied = all.into_iter().filter_map(|(listed, event)| match (listed.standing, event) {
        (Standing::Done { .. }, Event::Decision(record)) => Some((listed.id, record.sql)),
        _ => None,
    });
    Ok(applied.collect())
}
