//! `/migrations/{entry}`: what one migration did, when, under which locks, and what came after its COMMIT.

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::diff::diff;
use super::drawing::{Span, drawing, spans};
use super::layout::Here;
use super::migrations::counts;
use super::record::{findings, told};
use super::{Asks, Failed, parts, shown};
use crate::admin::board::Board;
use crate::audit::event::Event;
use crate::audit::listed::{Listed, Migrated};
use crate::audit::record::{DecisionId, Record};

pub(super) async fn page((State(board), Extension(visitor)): Asks, Path(entry): Path<String>) -> Response {
    let made = body(&board, &entry).await;
    shown(&format!("Migration {entry}"), Here::Migrations, &visitor, made)
}

async fn body(board: &Board, entry: &str) -> Result<Markup, Failed> {
    let number: DecisionId = entry.parse().map_err(Failed::wrong)?;
    let nothing = || Failed::nothing(format!("Entry {number} of the log is no migration."));
    let migrated = board.store.migration(number).await?.ok_or_else(nothing)?;
    Ok(of(&migrated))
}

fn of(migrated: &Migrated) -> Markup {
    let (applied, attribution) = (&migrated.applied, &migrated.applied.attribution);
    let migration = &attribution.migration;
    let spans = spans(migrated);
    html! {
        h1 { (parts::called(attribution)) " " (parts::course(applied.course)) }
        dl {
            dt { "Tool" } dd { (migration.tool) ", by what it wrote to " (migration.table) }
            dt { "Direction" } dd { (migration.direction.label()) @if let (Some(from), Some(to)) = (&migration.from, &migration.to) { " (from " (from) " to " (to) ")" } }
            dt { "Database, role" } dd { (attribution.database) ", " (attribution.role) }
            dt { "When" } dd { (parts::time(applied.at_unix_micros)) @if attribution.unfinished { ", not finished" } }
            dt { "Statements" } dd { (attribution.decisions.len()) ": " (counts(applied)) }
            dt { "The way back" } dd { code { "pgairlock audit rollback-sql " (migration.version) } }
        }
        @if migrated.decisions.is_empty() {
            (parts::nothing("No statement of it is in the log: it changed no schema."))
        } @else {
            h2 { "Statements and locks over time" }
            (drawing(&spans))
            (held(&spans))
            h2 { "Statements" }
            div.cards {
                @for (place, (listed, event)) in migrated.decisions.iter().enumerate() {
                    @if let Event::Decision(record) = event { (statement(place + 1, listed, record)) }
                }
            }
            @if attribution.decisions.len() > migrated.decisions.len() {
                p { "Of " (attribution.decisions.len()) " statements these are the first " (migrated.decisions.len()) "." }
            }
        }
        (behind(migrated))
    }
}

/// Outcomes stand with their statements.
fn behind(migrated: &Migrated) -> Markup {
    let later = migrated.events.iter().filter(|(_, _, event)| !matches!(event, Event::Outcome(_) | Event::Attribution(_)));
    let told: Vec<(i64, Markup)> = later.filter_map(|(id, at, event)| Some((*at, told(*id, event)?))).collect();
    html! {
        @if !told.is_empty() {
            h2 { "COMMIT, and after it" }
            ol.story { @for (at, words) in &told { li { (parts::time(*at)) " " (words) } } }
        }
    }
}

fn statement(place: usize, listed: &Listed, record: &Record) -> Markup {
    html! {
        section.card aria-labelledby={ "statement-" (place) } {
            h3 id={ "statement-" (place) } { (place) ". " a href={ "/records/" (listed.id) } { "Record " (listed.id) } }
            p {
                (parts::decision(&listed.decision)) " " (parts::standing(&listed.standing)) " "
                span.soft.small { (parts::time(listed.at_unix_micros)) @if let Some(took) = listed.duration_micros { ", " (parts::duration(took)) } }
            }
            (diff(&record.sql, &record.steps))
            @if !record.findings.is_empty() { details { summary { (parts::counted(u64::try_from(record.findings.len()).unwrap_or_default(), "finding")) ": " (listed.rules) } (findings(&record.findings)) } }
        }
    }
}

/// The same as the drawing, for whoever does not see it.
fn held(spans: &[Span]) -> Markup {
    let locks: Vec<&Span> = spans.iter().filter(|span| span.is_lock()).collect();
    html! {
        @if locks.is_empty() {
            p.soft { "No lock of SHARE or stronger is known to have been held." }
        } @else {
            table.rows {
                caption { "Locks: from the statement that took them to the end of its transaction." }
                thead { tr {
                    th scope="col" { "Lock" }
                    th scope="col" { "Known from" }
                    th scope="col" { "From" }
                    th scope="col" { "Held for, at most" }
                } }
                tbody {
                    @for span in locks {
                        tr {
                            th scope="row" data-of="Lock" { (span.name) }
                            td data-of="Known from" { (span.known_from()) }
                            td data-of="From" { (parts::time(span.from)) }
                            td data-of="Held for, at most" { (parts::duration(span.to - span.from)) }
                        }
                    }
                }
            }
        }
    }
}
