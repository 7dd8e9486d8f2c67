//! For programs.

use serde::Serialize;

use super::Report;
use crate::audit::summary::{Counts, Key};
use crate::cli::deferred::utc;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    since: &'a str,
    until: &'a str,
    statements: Counts,
    groups: Vec<One<'a>>,
    toml: &'a str,
}

#[derive(Serialize)]
struct One<'a> {
    #[serde(flatten)]
    key: &'a Key,
    statements: Counts,
    tables: Vec<&'a str>,
    /// There were more tables than are listed.
    more_tables: bool,
    example: &'a str,
    first: String,
    last: String,
}

/// All of it.
pub(super) fn report(report: &Report) -> Result<String, serde_json::Error> {
    let groups = report.summary.groups.iter().map(|(key, group)| One {
        key,
        statements: group.counts,
        tables: group.tables.iter().collect(),
        more_tables: group.tables.more,
        example: &group.example,
        first: utc(group.first),
        last: utc(group.last),
    });
    let document = Document {
        version: 1,
        since: &report.since,
        until: &report.until,
        statements: report.summary.counts,
        groups: groups.collect(),
        toml: &report.toml,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}
