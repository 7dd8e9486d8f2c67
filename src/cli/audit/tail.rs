//! `pgairlock audit tail`: what there is, and what comes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::signal::ctrl_c;

use super::{Format, TailArgs, list, unprintable};
use crate::audit::chain::Entry;
use crate::audit::listed::Search;
use crate::audit::record::DecisionId;
use crate::cli::SUCCESS;
use crate::cli::deferred::{Ended, say, utc_micros};
use crate::store::Store;

/// Between two looks at the store.
const PAUSE: Duration = Duration::from_millis(500);
/// So many entries of one chain are read at once.
const PAGE: u32 = 1_000;
/// Columns of a table that grows: wide enough for most.
const WIDTHS: [usize; 9] = [8, 20, 14, 16, 12, 13, 26, 18, 0];

/// An entry of the log as a log shipper takes it.
#[derive(Serialize)]
struct Shipped<'a> {
    id: String,
    at: String,
    #[serde(flatten)]
    event: &'a serde_json::Value,
    hash: String,
}

pub(super) async fn tail(store: &Store, args: &TailArgs) -> Result<u8, Ended> {
    // The ends of the chains before what is shown of them, so that nothing is left out in between.
    let mut seen: BTreeMap<i64, i64> = store.heads().await?.into_iter().map(|head| (head.number, head.seq)).collect();
    let mut newest = store.search(Search { most: args.lines, ..Search::default() }).await?;
    newest.reverse();
    if args.format == Format::Text {
        newest.iter().for_each(|listed| say(&list::line(&list::row(listed), &WIDTHS)));
    } else {
        for listed in &newest {
            let before = DecisionId { seq: listed.id.seq - 1, ..listed.id };
            let entries = store.entries(before, 1).await?;
            entries.first().map_or(Ok(()), |entry| ship(listed.id.writer, entry))?;
        }
    }
    if !args.follow {
        return Ok(SUCCESS);
    }
    loop {
        tokio::select! {
            _ = ctrl_c() => return Ok(SUCCESS),
            () = tokio::time::sleep(PAUSE) => {}
        }
        for (number, _) in store.writers().await? {
            let after = seen.entry(number).or_default();
            loop {
                let entries = store.entries(DecisionId { writer: number, seq: *after }, PAGE).await?;
                let Some(last) = entries.last() else { break };
                *after = last.seq;
                show(store, number, &entries, args.format).await?;
            }
        }
    }
}

async fn show(store: &Store, number: i64, entries: &[Entry], format: Format) -> Result<(), Ended> {
    for entry in entries {
        if format != Format::Text {
            ship(number, entry)?;
        } else if let Some(story) = store.story(DecisionId { writer: number, seq: entry.seq }).await? {
            say(&list::line(&list::row(&story.listed), &WIDTHS));
        }
    }
    Ok(())
}

fn ship(number: i64, entry: &Entry) -> Result<(), Ended> {
    let event: serde_json::Value = serde_json::from_str(&entry.body).map_err(unprintable)?;
    let id = DecisionId { writer: number, seq: entry.seq }.to_string();
    let shipped = Shipped { id, at: utc_micros(entry.at_unix_micros), event: &event, hash: entry.hash.to_string() };
    say(&(serde_json::to_string(&shipped).map_err(unprintable)? + "\n"));
    Ok(())
}
