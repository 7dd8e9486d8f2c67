//! `/migrations`: what tools have applied, newest first.

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::Here;
use super::search::Mark;
use super::{Asks, Failed, asked, parts, shown};
use crate::admin::board::Board;
use crate::audit::listed::Applied;
use crate::audit::time::utc;

/// On one page.
const MOST: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    before: String,
}

pub(super) async fn page((State(board), Extension(visitor)): Asks, query: Result<Query<From>, axum::extract::rejection::QueryRejection>) -> Response {
    let made = body(&board, &asked(query)).await;
    shown("Migrations", Here::Migrations, &visitor, made)
}

async fn body(board: &Board, from: &From) -> Result<Markup, Failed> {
    let before = Mark::read(&from.before).map_err(Failed::wrong)?;
    let found = board.store.migrations(before.map(|Mark(at, id)| (at, id)), MOST).await?;
    let is_full = found.len() >= usize::try_from(MOST).unwrap_or(usize::MAX);
    let older = found.last().filter(|_| is_full).map(|last| format!("before={}", Mark(last.at_unix_micros, last.id)));
    Ok(html! {
        h1 { "Migrations" }
        @if found.is_empty() {
            (parts::nothing("No tool has written a version through pgairlock yet. Single statements are found by the search."))
        } @else {
            (table(&found))
        }
        (parts::older(older, "/migrations"))
    })
}

fn table(found: &[Applied]) -> Markup {
    let mut day = String::new();
    html! {
        table.rows {
            caption { "By the time at which its tool wrote the version, newest first." }
            thead { tr {
                th scope="col" { "Migration" }
                th scope="col" { "When" }
                th scope="col" { "What became of it" }
                th scope="col" { "Tool" }
                th scope="col" { "Direction" }
                th scope="col" { "Database, role" }
                th.number scope="col" { "Statements" }
                th scope="col" { "Decisions" }
            } }
            tbody {
                @for applied in found {
                    @let today = utc(applied.at_unix_micros).chars().take(10).collect::<String>();
                    @if std::mem::replace(&mut day, today.clone()) != today {
                        tr { th.soft scope="rowgroup" colspan="8" { (today) } }
                    }
                    (row(applied))
                }
            }
        }
    }
}

fn row(applied: &Applied) -> Markup {
    let migration = &applied.attribution.migration;
    html! {
        tr {
            th scope="row" data-of="Migration" { a href={ "/migrations/" (applied.id) } { (parts::called(&applied.attribution)) } }
            td.narrow data-of="When" { (parts::time(applied.at_unix_micros)) }
            td data-of="What became of it" { (parts::course(applied.course)) }
            td data-of="Tool" { (migration.tool) }
            td data-of="Direction" { (migration.direction.label()) }
            td data-of="Database, role" { (applied.attribution.database) ", " (applied.attribution.role) }
            td.number data-of="Statements" { (applied.attribution.decisions.len()) }
            td data-of="Decisions" { (counts(applied)) }
        }
    }
}

/// How many statements had which decision.
pub(super) fn counts(applied: &Applied) -> Markup {
    html! {
        @for (decision, count) in &applied.decisions { (parts::decision(decision)) " " (count) " " }
        @if applied.decisions.is_empty() { span.soft { "none" } }
    }
}
