//! `pgairlock audit export`: page by page, since the store may be larger than memory.

use std::time::Duration;

use super::{Format, unprintable};
use crate::audit::line::{Line, csv};
use crate::audit::record::DecisionId;
use crate::cli::SUCCESS;
use crate::cli::deferred::{Ended, now, say};
use crate::store::Store;

/// So many decisions are in memory at once.
const PAGE: u32 = 1_000;

pub(super) async fn export(store: &Store, since: Option<Duration>, format: Format) -> Result<u8, Ended> {
    let start = since.map_or(i64::MIN, |back| now().saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX)));
    let mut after = (start, DecisionId { writer: 0, seq: 0 });
    say(&match format {
        Format::Csv => csv(Line::COLUMNS),
        Format::Json => "{\"version\": 1, \"records\": [".into(),
        Format::Text | Format::Jsonl => String::new(),
    });
    let mut first = true;
    loop {
        let page = store.records(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = (last.at_unix_micros, last.id);
        let mut text = String::new();
        for (listed, event) in &page {
            let line = Line::of(listed, Some(event));
            match format {
                Format::Csv => text += &csv(line.cells().iter().map(String::as_str)),
                Format::Json => {
                    text += if std::mem::take(&mut first) { "\n" } else { ",\n" };
                    text += &serde_json::to_string(&line).map_err(unprintable)?;
                }
                Format::Text | Format::Jsonl => text += &(serde_json::to_string(&line).map_err(unprintable)? + "\n"),
            }
        }
        say(&text);
    }
    if format == Format::Json {
        say("\n]}\n");
    }
    Ok(SUCCESS)
}
