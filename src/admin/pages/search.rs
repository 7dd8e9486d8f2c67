//! `/search`: decisions by what they are about.

use std::fmt;

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::layout::Here;
use super::{Asks, Failed, parts, shown};
use crate::admin::board::{Board, now};
use crate::audit::listed::{Listed, Search};
use crate::audit::record::DecisionId;
use crate::audit::time;
use crate::config::units;

/// On one page, when nothing else is said; and at most.
const MOST: u32 = 50;
const MOST_OF_ALL: u32 = 500;

/// What is asked for, as it stands in the address: the same fields as `pgairlock audit list` has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::admin) struct Asked {
    #[serde(skip_serializing_if = "String::is_empty")]
    since: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    until: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tool: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    migration: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    table: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    decision: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    role: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    database: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    session: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sql: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    open: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    before: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    limit: String,
}

/// Where a page ended: the time and the number of its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) struct Mark(pub(in crate::admin) i64, pub(in crate::admin) DecisionId);

impl Mark {
    pub(in crate::admin) fn read(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let read = |text: &str| {
            let (at, id) = text.split_once('.')?;
            Some(Self(at.parse().ok()?, id.parse().ok()?))
        };
        read(text).map(Some).ok_or_else(|| "before is not where a page ended; take it from a link, or from next".to_owned())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Asked {
    /// As the store is asked.
    ///
    /// # Errors
    /// When a time, a number or the place cannot be read.
    pub(in crate::admin) fn search(&self, now: i64) -> Result<Search, String> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let limit = given(&self.limit).map(|limit| limit.parse::<u32>().ok().filter(|limit| (1..=MOST_OF_ALL).contains(limit)));
        let limit = limit.map(|limit| limit.ok_or_else(|| format!("limit is not a number from 1 to {MOST_OF_ALL}"))).transpose()?;
        Ok(Search {
            since_unix_micros: given(&self.since).map(|text| moment(&text, now)).transpose()?,
            until_unix_micros: given(&self.until).map(|text| moment(&text, now)).transpose()?,
            before: Mark::read(&self.before)?.map(|Mark(at, id)| (at, id)),
            tool: given(&self.tool),
            version: given(&self.migration),
            table: given(&self.table),
            rule: given(&self.rule),
            decision: given(&self.decision),
            role: given(&self.role),
            database: given(&self.database),
            session: given(&self.session),
            words: given(&self.sql),
            open: !self.open.is_empty(),
            most: limit.unwrap_or(MOST),
        })
    }

    /// The same behind the last of these, if the page was full.
    pub(in crate::admin) fn next(&self, found: &[Listed], most: u32) -> Option<String> {
        let last = found.last().filter(|_| found.len() >= usize::try_from(most).unwrap_or(usize::MAX))?;
        Some(Mark(last.at_unix_micros, last.id).to_string())
    }

    fn is_empty(&self) -> bool {
        serde_urlencoded::to_string(self).is_ok_and(|query| query.is_empty())
    }
}

/// A time back from now (`7d`), or a moment in UTC.
fn moment(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(back) = units::duration(text) {
        return Ok(now.saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX)));
    }
    time::parse(text).ok_or_else(|| format!("{text:?} is no time; write how far back (7d, 2h, 30min), or a moment in UTC (2026-11-29T09:30)"))
}

pub(super) async fn page(
    (State(board), Extension(visitor)): Asks,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = super::asked(query);
    let made = body(&board, &asked).await;
    shown("Search", Here::Search, &visitor, made)
}

async fn body(board: &Board, asked: &Asked) -> Result<Markup, Failed> {
    let search = asked.search(now()).map_err(Failed::wrong)?;
    let most = search.most;
    let found = board.store.search(search).await?;
    let next = asked.next(&found, most).and_then(|before| serde_urlencoded::to_string(Asked { before, ..asked.clone() }).ok());
    let caption = if asked.is_empty() { "The newest decisions." } else { "Decisions that fit, newest first." };
    Ok(html! {
        h1 { "Search" }
        (form(asked))
        h2 { "Decisions" }
        @if found.is_empty() { (parts::nothing("Nothing was found.")) } @else { (parts::decisions(&found, caption)) }
        (parts::older(next, "/search"))
    })
}

const DECISIONS: [&str; 10] = ["pass", "rewrite", "defer", "settle", "gate", "await", "refuse", "would-rewrite", "would-defer", "would-refuse"];

fn form(asked: &Asked) -> Markup {
    html! {
        form.fields method="get" action="/search" role="search" aria-label="Decisions" {
            (field("sql", "Words of the SQL", &asked.sql, "orders not null"))
            (field("table", "Table", &asked.table, "public.orders"))
            (field("rule", "Rule", &asked.rule, "drop-column"))
            div {
                label for="decision" { "Decision" }
                select id="decision" name="decision" {
                    option value="" { "any" }
                    @for decision in DECISIONS { option value=(decision) selected[decision == asked.decision] { (decision) } }
                }
            }
            (field("role", "Role", &asked.role, "deployer"))
            (field("database", "Database", &asked.database, "app"))
            (field("tool", "Tool", &asked.tool, "alembic"))
            (field("migration", "Migration (version)", &asked.migration, "20261129_add_index"))
            (field("session", "Session", &asked.session, ""))
            (field("since", "Since (7d, or in UTC)", &asked.since, "7d"))
            (field("until", "Until (the same)", &asked.until, "2026-11-29T09:30"))
            div {
                label for="open" { "Outcome" }
                select id="open" name="open" {
                    option value="" { "any" }
                    option value="yes" selected[!asked.open.is_empty()] { "nobody has heard it" }
                }
            }
            div { button.main type="submit" { "Search" } " " a href="/search" { "Clear" } }
        }
    }
}

fn field(name: &str, words: &str, value: &str, example: &str) -> Markup {
    html! { div { label for=(name) { (words) } input id=(name) name=(name) value=(value) placeholder=(example) autocomplete="off" spellcheck="false"; } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        serde_urlencoded::from_str(query).unwrap()
    }

    #[test]
    fn what_is_asked_for_stands_in_the_address() {
        let asked = asked("since=7d&until=2026-11-29T09:30&table=public.t&sql=+a+b+&open=yes&before=12.3-118&role=&limit=7");
        let search = asked.search(700_000_000_000).unwrap();
        assert_eq!((search.since_unix_micros, search.until_unix_micros), (Some(95_200_000_000), time::parse("2026-11-29T09:30")));
        assert_eq!((search.table.as_deref(), search.words.as_deref(), search.role, search.open), (Some("public.t"), Some("a b"), None, true));
        assert_eq!((search.before, search.most), (Some((12, "3-118".parse().unwrap())), 7));
        assert!(!asked.is_empty() && Asked::default().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (query, why) in
            [("since=yesterday", "how far back"), ("before=x", "where a page ended"), ("limit=0", "from 1 to 500"), ("limit=501", "from 1")]
        {
            assert!(asked(query).search(0).is_err_and(|told| told.contains(why)), "{query}");
        }
    }
}
