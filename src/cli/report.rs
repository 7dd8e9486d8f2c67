//! `pgairlock report`: what enforce would have done, from what was recorded.

mod json;
mod text;

use std::time::Duration;

use clap::Args;

use super::SUCCESS;
use super::deferred::{Ended, Format, Place, now, say, utc, with_store};
use crate::audit::record::DecisionId;
use crate::audit::starting::{self, Rules};
use crate::audit::summary::Summary;
use crate::config::units;
use crate::rules;
use crate::store::{Page, Store};

/// Flags of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    place: Place,
    /// How far back
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = units::duration)]
    since: Duration,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// So many decisions are in memory at once.
const PAGE: u32 = 1_000;

/// What is printed, whatever the format.
struct Report {
    summary: Summary,
    /// The oldest that could be in it.
    since: String,
    /// When it was made.
    until: String,
    /// The policy to start with.
    toml: String,
}

/// Reads and prints; returns the exit code.
pub(super) fn run(args: ReportArgs) -> u8 {
    let ReportArgs { place, since, format } = args;
    with_store(&place, async |store, _| {
        let report = report(&store, since).await?;
        match format {
            Format::Text => say(&text::report(&report)),
            Format::Json => say(&json::report(&report).map_err(|error| Ended(super::FAILURE, error.to_string()))?),
        }
        Ok(SUCCESS)
    })
}

async fn report(store: &Store, back: Duration) -> Result<Report, Ended> {
    let until = now();
    let since = until.saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX));
    let summary = summary(store, since).await?;
    let ids: Vec<&str> = rules::ids().collect();
    let known = Rules { ids: &ids, guards_the_proxy: &rules::guards_the_proxy };
    let toml = starting::toml(&summary, &known, &utc(since));
    Ok(Report { summary, since: utc(since), until: utc(until), toml })
}

/// Page by page: the store may be larger than memory.
async fn summary(store: &Store, since_unix_micros: i64) -> Result<Summary, Ended> {
    let mut summary = Summary::default();
    let mut after = DecisionId { writer: 0, seq: 0 };
    loop {
        let page = store.decisions(Page { after, since_unix_micros, most: PAGE }).await?;
        let Some((last, _)) = page.last() else { return Ok(summary) };
        after = *last;
        page.iter().for_each(|(_, decided)| summary.add(decided));
    }
}
