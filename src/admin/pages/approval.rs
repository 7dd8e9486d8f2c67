//! `/approvals/{fingerprint}`: one refused statement, all that an approver has to know of it, and where he says yes.

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::approvals::standing;
use super::layout::{self, Here, csrf};
use super::{Asks, Failed, asked, parts, record, shown};
use crate::admin::access::Visitor;
use crate::admin::board::{Board, now};
use crate::admin::deciding::{self, Draft, Seen};
use crate::audit::approval::{MOST_USES, Request, Word, Worth, same_person, short};
use crate::audit::record::Record;
use crate::config::admin::Role;

/// How long an approval may be good, as one chooses it; the first is the usual one.
const LASTING: [(&str, &str); 5] = [("24h", "24 hours"), ("1h", "1 hour"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    said: String,
}

pub(super) async fn page(
    (State(board), Extension(visitor)): Asks,
    Path(fingerprint): Path<String>,
    query: Result<Query<Said>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let made = body(&board, &visitor, &fingerprint, &Draft::default(), &Told::Done(&asked(query).said)).await;
    shown(&format!("Approval {fingerprint}"), Here::Approvals, &visitor, made)
}

/// The page again, with what somebody has written and what is wrong with it.
pub(in crate::admin) async fn again(board: &Board, visitor: &Visitor, fingerprint: &str, draft: &Draft, wrong: &deciding::Wrong) -> Response {
    let status = match wrong {
        deciding::Wrong::Form(_) => StatusCode::BAD_REQUEST,
        deciding::Wrong::Meanwhile => StatusCode::CONFLICT,
        deciding::Wrong::Page(failed) => return failed.answer(visitor, ""),
    };
    match body(board, visitor, fingerprint, draft, &Told::Wrong(&wrong.to_string())).await {
        Ok(body) => (status, layout::page(&format!("Approval {fingerprint}"), Here::Approvals, Some(visitor), &body)).into_response(),
        Err(failed) => failed.answer(visitor, ""),
    }
}

/// What is told above the page of what was sent before.
enum Told<'a> {
    /// What was done, as the address says it; which anybody can write.
    Done(&'a str),
    Wrong(&'a str),
}

impl Told<'_> {
    fn shown(&self, request: &Request, visitor: &Visitor) -> Markup {
        let is_own = |by: &str| visitor.name.as_deref() == Some(by);
        html! {
            @match self {
                Told::Done(deciding::APPROVED) if request.words.iter().any(|word| is_own(&word.by)) => {
                    p.mark.good.wide role="status" {
                        "Your approval stands in the log. Once enough persons have approved it, the statement passes when its migration is run again."
                    }
                },
                Told::Done(deciding::REVOKED) if request.words.iter().filter_map(|word| word.taken_back.as_ref()).any(|back| is_own(&back.by)) => {
                    p.mark.good.wide role="status" { "It is taken back, and stands in the log. What it was already used for stays as it is." }
                },
                Told::Done(_) => {},
                Told::Wrong(words) => p.mark.bad.wide role="alert" { (words) },
            }
        }
    }
}

async fn body(board: &Board, visitor: &Visitor, fingerprint: &str, draft: &Draft, told: &Told<'_>) -> Result<Markup, Failed> {
    let request = deciding::request(board, fingerprint).await?;
    let story = board.store.story(request.decision).await?;
    let record = story.as_ref().and_then(|story| story.record());
    let now = now();
    Ok(html! {
        h1 { "Approval " (short(&request.fingerprint)) }
        (told.shown(&request, visitor))
        p { (standing(&request, now)) }
        (about(&request, record))
        h2 { "The statement" }
        pre { code { (record.map_or(request.head.as_str(), |record| &record.sql)) } }
        p.soft.small {
            "Exactly this, sent by " strong { (request.role) } " to " strong { (request.database) } ", and nothing that differs in a letter, a value or the table that a name stands for. "
            "Secrets are masked here, as in the log; the whole statement counts."
        }
        @if let Some(record) = record {
            h2 { "Why it was refused" }
            (record::findings(&record.findings))
            @if !record.facts.is_empty() { (record::facts(record)) }
        }
        h2 { "Who has said something" }
        @if request.words.is_empty() { p.soft { "Nobody yet." } }
        div.cards { @for word in request.words.iter().rev() { (said(word, &request, visitor, now)) } }
        h2 { "Approve it" }
        (approving(&request, visitor, draft, now))
    })
}

fn about(request: &Request, record: Option<&Record>) -> Markup {
    html! {
        dl {
            dt { "Role" } dd { (request.role) }
            dt { "Database" } dd { (request.database) }
            dt { "Refused" } dd {
                @if request.times > 1 { (request.times) " times, last " }
                (parts::time(request.at_unix_micros)) ": " a href={ "/records/" (request.decision) } { "record " (request.decision) }
            }
            @if let Some(record) = record {
                dt { "Client" } dd { (record.client) @if let Some(name) = &record.application_name { ", " (name) } }
            }
            dt { "Lifted with it" } dd { (request.rules) }
            dt { "Persons needed" } dd { (request.people) }
            dt { "Fingerprint" } dd { code { (request.fingerprint) } }
        }
    }
}

fn said(word: &Word, request: &Request, visitor: &Visitor, now: i64) -> Markup {
    let worth = word.worth(now);
    let (look, words) = match worth {
        Worth::InForce => ("good", format!("{} of {} left", word.left, word.uses)),
        Worth::Taken => ("info", "a transaction has it that has not ended".into()),
        Worth::Used => ("still", "used".into()),
        Worth::Expired => ("warn", "expired".into()),
        Worth::Revoked => ("warn", "taken back".into()),
    };
    html! {
        article.card aria-labelledby={ "word-" (word.id) } {
            h3 id={ "word-" (word.id) } { (word.by) " " span.mark.(look) { (words) } }
            p { (word.reason) }
            @if let Some(back) = &word.taken_back { p { "Taken back by " strong { (back.by) } ", known by " (known_by(&back.known_by)) ": " (back.reason) } }
            p.small.soft {
                (parts::time(word.at_unix_micros)) ", known by " (known_by(&word.known_by))
                "; for " (parts::counted(word.uses.unsigned_abs(), "run")) ", until " (parts::time(word.expires_unix_micros)) "; entry " (word.id)
            }
            @if visitor.role >= Role::Approver && matches!(worth, Worth::InForce | Worth::Taken) { (taking_back(word, request, visitor)) }
        }
    }
}

fn known_by(how: &str) -> &str {
    if how == "command" { "their own word (pgairlock approve)" } else { how }
}

fn taking_back(word: &Word, request: &Request, visitor: &Visitor) -> Markup {
    let field = format!("back-{}", word.id);
    html! {
        details {
            summary { "Take it back" }
            form.fields method="post" action={ "/approvals/" (request.fingerprint) "/revoke" } {
                (csrf(visitor))
                input type="hidden" name="word" value=(word.id);
                div { label for=(field) { "Why not any more" } input id=(field) name="reason" required maxlength="4000" autocomplete="off"; }
                div { button type="submit" { "Take back what " (word.by) " said" } }
            }
        }
    }
}

fn approving(request: &Request, visitor: &Visitor, draft: &Draft, now: i64) -> Markup {
    let own = request.in_force(now).iter().any(|word| visitor.name.as_deref().is_some_and(|name| same_person(name, &word.by)));
    html! {
        @if visitor.role < Role::Approver {
            p { "You may look. Who has the role approver decides here, or who is trusted with the store, with:" }
            pre { code { "pgairlock approve " (short(&request.fingerprint)) " --reason \"…\"" } }
        } @else if own && !request.is_approved(now) {
            p { "You have approved it. It takes " (parts::counted(request.missing(now).unsigned_abs(), "other person")) ", too." }
        } @else if request.is_approved(now) {
            p { "Nothing is left to do here: it passes when its migration is run again." }
            details open[!draft.reason.is_empty()] { summary { "Let it run more often" } (form(request, visitor, draft)) }
        } @else {
            (form(request, visitor, draft))
        }
    }
}

fn form(request: &Request, visitor: &Visitor, draft: &Draft) -> Markup {
    html! {
        form.fields method="post" action={ "/approvals/" (request.fingerprint) "/approve" } {
            (csrf(visitor))
            input type="hidden" name="seen" value=(Seen::of(request));
            div.whole {
                label for="reason" { "Why it may run (stands in the log)" }
                textarea id="reason" name="reason" rows="3" required maxlength="4000" { (draft.reason) }
            }
            div {
                label for="expires" { "Until" }
                select id="expires" name="expires" {
                    @for (value, words) in LASTING { option value=(value) selected[value == draft.expires] { (words) " from now" } }
                }
            }
            div {
                label for="uses" { "Runs (staging, canary, production: 3)" }
                input id="uses" name="uses" type="number" min="1" max=(MOST_USES) required value=(if draft.uses.is_empty() { "1" } else { &draft.uses });
            }
            div { button.main type="submit" { "Approve" } }
        }
        p.small.soft { "A run that fails or is rolled back does not count." }
    }
}
