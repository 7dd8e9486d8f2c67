//! A decision as programs read it: the same fields in every format, and in this order. Scripts of others depend on them.

use serde::Serialize;

use super::comparison::{Comparison, compare, said};
use super::event::Event;
use super::listed::{Listed, Standing, Story};
use super::record::{Record, RecordedFact, RecordedFinding};
use super::time::utc_micros;
use crate::sql::former::Known;

/// One decision.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    id: String,
    at: String,
    session: &'a str,
    transaction: i64,
    client: &'a str,
    role: &'a str,
    database: &'a str,
    application_name: Option<&'a str>,
    tool: Option<&'a str>,
    /// Where the log does not know the tool: of which it seemed to be.
    tool_guess: Option<&'a str>,
    migration: Option<&'a str>,
    migration_name: Option<&'a str>,
    direction: Option<&'a str>,
    unfinished: bool,
    decision: &'a str,
    rules: Vec<&'a str>,
    tables: Vec<&'a str>,
    sql: &'a str,
    #[serde(flatten)]
    outcome: Outcome<'a>,
    duration_seconds: Option<f64>,
    ran_seconds: Option<f64>,
    #[serde(flatten)]
    more: Option<More<'a>>,
}

/// One decision and all that followed.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    version: u32,
    record: Line<'a>,
    entries: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: String,
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl<'a> Whole<'a> {
    /// With the record's own fields.
    #[must_use]
    pub fn of(story: &'a Story) -> Self {
        let entries = story.events.iter().map(|(id, at, event)| Shown { id: id.to_string(), at: utc_micros(*at), event });
        let own = story.events.first().map(|(_, _, event)| event);
        Self { version: 1, record: Line::of(&story.listed, own), entries: entries.collect() }
    }
}

/// A list of them.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    version: u32,
    records: Vec<Line<'a>>,
}

impl<'a> Listing<'a> {
    /// In this order.
    #[must_use]
    pub fn of(found: &'a [Listed]) -> Self {
        Self { version: 1, records: found.iter().map(|listed| Line::of(listed, None)).collect() }
    }
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    state: &'static str,
    tag: Option<&'a str>,
    sqlstate: Option<&'a str>,
}

/// What only the record has.
#[derive(Debug, Serialize)]
struct More<'a> {
    ran: &'a [String],
    findings: &'a [RecordedFinding],
    facts: &'a [RecordedFact],
    former: &'a [Known],
    estimate: Option<Comparison>,
    server_version: u32,
    listener: &'a str,
    tls: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Without its record the SQL is only its beginning.
    #[must_use]
    pub fn of(listed: &'a Listed, event: Option<&'a Event>) -> Self {
        let record = event.and_then(|event| if let Event::Decision(record) = event { Some(record) } else { None });
        Self {
            id: listed.id.to_string(),
            at: utc_micros(listed.at_unix_micros),
            session: &listed.session,
            transaction: listed.transaction,
            client: &listed.client,
            role: &listed.role,
            database: &listed.database,
            application_name: listed.application_name.as_deref(),
            tool: listed.tool.as_deref(),
            tool_guess: guess(listed),
            migration: listed.version.as_deref(),
            migration_name: listed.name.as_deref(),
            direction: listed.direction.as_deref(),
            unfinished: listed.unfinished,
            decision: &listed.decision,
            rules: names(&listed.rules),
            tables: names(&listed.relations),
            sql: record.map_or(&listed.head, |record| &record.sql),
            outcome: outcome(&listed.standing),
            duration_seconds: listed.duration_micros.map(seconds),
            ran_seconds: listed.ran_micros.map(seconds),
            more: record.map(|record| More {
                ran: &record.steps,
                findings: &record.findings,
                facts: &record.facts,
                former: &record.former,
                estimate: compared(record, listed),
                server_version: record.server_version,
                listener: &record.listener,
                tls: record.tls.as_deref(),
            }),
        }
    }

    /// The columns of [`Self::cells`].
    pub const COLUMNS: [&'static str; 24] = [
        "id",
        "at",
        "session",
        "transaction",
        "client",
        "role",
        "database",
        "application_name",
        "tool",
        "tool_guess",
        "migration",
        "migration_name",
        "direction",
        "unfinished",
        "decision",
        "rules",
        "tables",
        "sql",
        "state",
        "tag",
        "sqlstate",
        "duration_seconds",
        "ran_seconds",
        "tls",
    ];

    /// For a spreadsheet.
    #[must_use]
    pub fn cells(&self) -> [String; 24] {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            self.id.clone(),
            self.at.clone(),
            self.session.to_owned(),
            self.transaction.to_string(),
            self.client.to_owned(),
            self.role.to_owned(),
            self.database.to_owned(),
            text(self.application_name),
            text(self.tool),
            text(self.tool_guess),
            text(self.migration),
            text(self.migration_name),
            text(self.direction),
            self.unfinished.to_string(),
            self.decision.to_owned(),
            self.rules.join(" "),
            self.tables.join(" "),
            self.sql.to_owned(),
            self.outcome.state.to_owned(),
            text(self.outcome.tag),
            text(self.outcome.sqlstate),
            self.duration_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            self.ran_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            text(self.more.as_ref().and_then(|more| more.tls)),
        ]
    }
}

/// Where nothing better is known.
#[must_use]
pub fn guess(listed: &Listed) -> Option<&str> {
    listed.tool_guess.as_deref().filter(|_| listed.tool.is_none())
}

/// What was said of its time beside the time that it took; nothing where it did not succeed.
fn compared(record: &Record, listed: &Listed) -> Option<Comparison> {
    let succeeded = match &listed.standing {
        Standing::Done { tag } => !tag.is_empty(),
        Standing::Uncommitted { .. } => true,
        Standing::RolledBack { tag } | Standing::Unknown { tag } => tag.is_some(),
        Standing::Running | Standing::Failed { .. } => false,
    };
    let duration = listed.duration_micros.filter(|_| succeeded)?;
    Some(compare(said(record)?, duration, listed.ran_micros))
}

fn names(joined: &str) -> Vec<&str> {
    joined.split(", ").filter(|name| !name.is_empty()).collect()
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of years are exact")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn outcome(standing: &Standing) -> Outcome<'_> {
    let (state, tag, sqlstate) = match standing {
        Standing::Running => ("running", None, None),
        Standing::Done { tag } => ("done", Some(tag.as_str()), None),
        Standing::Uncommitted { tag } => ("uncommitted", Some(tag.as_str()), None),
        Standing::RolledBack { tag } => ("rolled-back", tag.as_deref(), None),
        Standing::Failed { sqlstate } => ("failed", None, Some(sqlstate.as_str())),
        Standing::Unknown { tag } => ("unknown", tag.as_deref(), None),
    };
    Outcome { state, tag, sqlstate }
}

/// One row of RFC 4180. A cell that a spreadsheet would take for a formula is text to it.
pub fn csv<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = cells.into_iter().map(csv_cell).collect();
    quoted.join(",") + "\r\n"
}

fn csv_cell(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
