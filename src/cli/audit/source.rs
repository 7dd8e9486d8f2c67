//! Where `audit verify` gets its entries from: the store, or a test's memory.

use std::collections::BTreeSet;

use crate::audit::chain::Entry;
use crate::audit::event::{Direction, Event};
use crate::audit::listed::Standing;
use crate::audit::record::{DecisionId, Record};
use crate::audit::verify::Writer;
use crate::cli::USAGE;
use crate::cli::deferred::{Ended, one_line};
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

/// Whose migration is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Whose {
    /// The database.
    pub(super) database: Option<String>,
    /// The tool.
    pub(super) tool: Option<String>,
}

/// The statements of a migration that took effect and were not taken back since, in the order in which they were run.
pub(super) async fn applied(store: &Store, migration: &str, whose: &Whose) -> Result<Vec<(DecisionId, Box<Record>)>, Ended> {
    let mut all = store.of_migration(migration.to_owned(), MOST).await?;
    let fits = |wanted: &Option<String>, is: Option<&String>| wanted.is_none() || wanted.as_ref() == is;
    all.retain(|(listed, _)| fits(&whose.database, Some(&listed.database)) && fits(&whose.tool, listed.tool.as_ref()));
    let listed = all.iter().map(|(listed, _)| listed);
    of_one("database", listed.clone().map(|listed| listed.database.as_str()))?;
    of_one("tool", listed.filter_map(|listed| listed.tool.as_deref()))?;
    let took_effect = all.into_iter().filter(|(listed, _)| matches!(listed.standing, Standing::Done { .. }));
    let mut applied = Vec::new();
    for (listed, event) in took_effect {
        match event {
            // The tool itself has gone back over all that was before.
            Event::Decision(_) if listed.direction.as_deref() == Some(Direction::Down.label()) => applied.clear(),
            Event::Decision(record) => applied.push((listed.id, record)),
            _ => {}
        }
    }
    Ok(applied)
}

/// A way back out of two migrations that happen to have one number is none.
fn of_one<'a>(what: &str, all: impl Iterator<Item = &'a str>) -> Result<(), Ended> {
    let names: BTreeSet<&str> = all.collect();
    if names.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = names.into_iter().map(one_line).collect();
    Err(Ended(USAGE, format!("there is a migration of that version in more than one {what} ({}): say which with --{what}", names.join(", "))))
}
