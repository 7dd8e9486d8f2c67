//! `/refusals`: what was refused, by rule, by team and by tool.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::Here;
use super::{Asks, Failed, asked, parts, shown};
use crate::admin::board::{Board, now};
use crate::audit::refusals::{Count, Refusals, by_number};

/// Statements that differ in more ways are not counted to the end.
const MOST: u32 = 50_000;
/// The periods that one can choose, and what they are called.
const PERIODS: [(&str, i64, &str); 3] = [("24h", 1, "24 hours"), ("7d", 7, "7 days"), ("30d", 30, "30 days")];
const DAY: i64 = 86_400_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Over {
    since: String,
}

pub(super) async fn page((State(board), Extension(visitor)): Asks, query: Result<Query<Over>, axum::extract::rejection::QueryRejection>) -> Response {
    let over = asked(query);
    let period = PERIODS.iter().find(|(name, ..)| *name == over.since).unwrap_or(&PERIODS[1]);
    let made = body(&board, period).await;
    shown("Refusals", Here::Refusals, &visitor, made)
}

async fn body(board: &Board, (since, days, words): &(&str, i64, &str)) -> Result<Markup, Failed> {
    let (alike, more) = board.store.refusals(now() - days * DAY, MOST).await?;
    let all = Refusals::of(&alike);
    Ok(html! {
        h1 { "Refusals of the last " (words) }
        nav aria-label="Period" {
            ul { @for (name, _, words) in PERIODS { li { a href={ "/refusals?since=" (name) } aria-current=[(name == *since).then_some("true")] { (words) } } } }
        }
        p { strong { (parts::counted(all.all.refused, "refused statement")) } @if all.all.would > 0 { "; " strong { (all.all.would) } " passed in warn mode that enforce would have refused" } "." }
        @if more { p.mark.warn { "There are more kinds of them than are counted here." } }
        @if all.all.all() == 0 {
            (parts::nothing("Nothing was refused in this time."))
        } @else {
            (table("By rule", "Rule", &all.rules, |rule| Some(format!("rule={}", encoded(rule))), since))
            (table("By team (role)", "Role", &all.teams, |role| Some(format!("role={}", encoded(role))), since))
            (table("By tool (application_name)", "Tool", &all.tools, |_| None, since))
        }
    })
}

fn encoded(text: &str) -> String {
    serde_urlencoded::to_string([("", text)]).map(|pair| pair.trim_start_matches('=').to_owned()).unwrap_or_default()
}

fn table<K: Ord + Display>(title: &str, column: &str, counts: &BTreeMap<K, Count>, field: impl Fn(&str) -> Option<String>, since: &str) -> Markup {
    let most = counts.values().map(Count::all).max().unwrap_or(1);
    html! {
        h2 { (title) }
        table.rows {
            caption.small { "Those with the most first." }
            thead { tr {
                th scope="col" { (column) }
                th.number scope="col" { "Refused" }
                th.number scope="col" { "Only warned" }
                th scope="col" { "Share" }
                th scope="col" { "Last" }
            } }
            tbody {
                @for (name, count) in by_number(counts) {
                    tr {
                        th scope="row" data-of=(column) {
                            @match field(&name.to_string()) {
                                Some(field) => a href={ "/search?" (field) "&decision=" (if count.refused > 0 { "refuse" } else { "would-refuse" }) "&since=" (since) } { (name) },
                                None => (name),
                            }
                        }
                        td.number data-of="Refused" { (count.refused) }
                        td.number data-of="Only warned" { (count.would) }
                        td { (bar(count.all(), most)) }
                        td.narrow data-of="Last" { (parts::time(count.last)) }
                    }
                }
            }
        }
    }
}

/// Only to look at: the numbers stand beside it.
fn bar(part: u64, most: u64) -> Markup {
    let width = part.saturating_mul(100) / most.max(1);
    html! { svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" { rect.ran x="0" y="0" width=(width.max(1)) height="10" {} } }
}
