//! `/work`: what is left to do after COMMITs.

use axum::extract::{Extension, State};
use axum::response::Response;
use maud::{Markup, html};

use super::layout::Here;
use super::sessions::{progress, waits_for};
use super::{Asks, Failed, parts, shown};
use crate::admin::board::{Board, now};
use crate::admin::live::LiveSession;
use crate::deferred::listing::{state, to_do};
use crate::deferred::promise::Pending;
use crate::store::Wanted;

/// More are counted, not shown.
const MOST: usize = 200;

pub(super) async fn page((State(board), Extension(visitor)): Asks) -> Response {
    let made = body(&board).await;
    shown("After-commit work", Here::Work, &visitor, made)
}

async fn body(board: &Board) -> Result<Markup, Failed> {
    let pending = board.store.pending(Wanted::All).await?;
    let sessions = (board.sessions)();
    let failed = pending.iter().filter(|one| !one.may_be_retried()).count();
    let mut ordered: Vec<&Pending> = pending.iter().collect();
    ordered.sort_by_key(|one| (one.may_be_retried(), one.id));
    Ok(html! {
        h1 { "After-commit work" }
        p.soft { "What no transaction can hold (concurrent builds, VALIDATE) is promised before a COMMIT and done after it." }
        div.tools { button type="button" data-pause hidden { "Pause updates" } }
        section aria-label="Promises" data-live="5" {
            p { strong { (pending.len()) } " open, " strong { (failed) } " failed; as of " (parts::time(now())) "." }
            @if pending.is_empty() { (parts::nothing("Nothing is left to do.")) }
            div.cards { @for one in ordered.iter().take(MOST) { (card(one, &sessions)) } }
            @if pending.len() > MOST { p { "And " (pending.len() - MOST) " more: " code { "pgairlock deferred list" } } }
        }
    })
}

fn card(pending: &Pending, sessions: &[LiveSession]) -> Markup {
    let (promise, id) = (&pending.promise, pending.id.0);
    let working =
        sessions.iter().find(|session| session.session == promise.session && session.waits.as_ref().is_some_and(|waits| waits.what == "work"));
    let look = match state(pending) {
        "failed" => "bad",
        "interrupted" => "warn",
        _ => "info",
    };
    html! {
        article.card aria-labelledby={ "promise-" (id) } {
            h2 id={ "promise-" (id) } { "Promise " (id) " " span.mark.(look) { (state(pending)) } }
            p {
                (promise.role) " in " (promise.place.database) ", since " (parts::time(pending.at_unix_micros)) ". "
                @if !promise.operations.is_empty() { (progress(pending.done, promise.operations.len())) }
            }
            @if let Some(session) = working {
                p { "It is being done now, for " (parts::duration(now().saturating_sub(session.state_since_unix_micros))) ": " @if let Some(waits) = &session.waits { (waits_for(waits)) } }
            }
            @if let Some(error) = &pending.error { p { strong { "Error " (error.sqlstate) ": " } (error.message) } }
            h3 { "To do" }
            pre { code { @for sql in to_do(pending) { (sql) ";\n" } } }
            (what_to_do(pending, working.is_some()))
        }
    }
}

/// What a person can do, as commands.
fn what_to_do(pending: &Pending, is_working: bool) -> Markup {
    let (promise, id) = (&pending.promise, pending.id.0);
    html! {
        @if is_working {
        } @else if pending.may_be_retried() {
            p { "Nobody has to do anything: the next session of " strong { (promise.role) } " in " strong { (promise.place.database) } " goes on with it. To do it now:" }
            (run(pending))
        } @else {
            p { "Mend what the error says, then:" }
            (run(pending))
            p { "Or give it up, and why:" }
            pre { code { "pgairlock deferred drop " (id) " --reason \"…\"" } }
        }
        p { a href={ "/search?session=" (promise.session) } { "What its session did" } }
    }
}

fn run(pending: &Pending) -> Markup {
    html! {
        pre { code { "pgairlock deferred run " (pending.id.0) " --database-url postgres://" (pending.promise.role) "@HOST/" (pending.promise.place.database) } }
    }
}
