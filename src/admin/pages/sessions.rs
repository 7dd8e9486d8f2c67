//! `/`: who is connected now, and what everybody waits for.

use axum::extract::{Extension, State};
use axum::response::Response;
use maud::{Markup, html};

use super::layout::Here;
use super::{Asks, parts, shown};
use crate::admin::board::now;
use crate::admin::live::{LiveSession, Waiting};
use crate::audit::time::utc;

/// So much of a statement stands in the list.
const HEAD: usize = 600;
/// More sessions are counted, not listed; those that do something come first.
const MOST: usize = 500;

pub(super) async fn page((State(board), Extension(visitor)): Asks) -> Response {
    let sessions = (board.sessions)();
    shown("Sessions", Here::Sessions, &visitor, Ok(body(sessions, now())))
}

fn body(mut sessions: Vec<LiveSession>, now: i64) -> Markup {
    sessions.sort_by_key(|session| (session.is_idle, session.state_since_unix_micros));
    let (all, busy) = (sessions.len(), sessions.iter().filter(|session| !session.is_idle).count());
    let waiting = sessions.iter().filter(|session| session.waits.is_some()).count();
    sessions.truncate(MOST);
    html! {
        h1 { "Sessions" }
        div.tools {
            div data-filter-of hidden {
                label for="filter" { "Filter" }
                input id="filter" type="search" data-filter placeholder="role, database, table …";
            }
            button type="button" data-pause hidden { "Pause updates" }
            p.soft role="status" data-filtered {}
        }
        section aria-label="Open sessions" data-live="3" {
            p {
                strong { (all) } " open, " strong { (busy) } " in a statement or a transaction, " strong { (waiting) } " waiting; as of "
                (parts::time(now)) "."
            }
            @if sessions.is_empty() { (parts::nothing("Nobody is connected through pgairlock now.")) } @else { (table(&sessions, now)) }
            @if all > MOST { p.soft { "And " (all - MOST) " more that do nothing." } }
        }
    }
}

fn table(sessions: &[LiveSession], now: i64) -> Markup {
    html! {
        table.rows {
            caption { "Those that do something first." }
            thead { tr {
                th scope="col" { "Role" }
                th scope="col" { "Database" }
                th scope="col" { "Tool, client" }
                th scope="col" { "State" }
                th scope="col" { "Waits for" }
                th scope="col" { "Statement" }
            } }
            tbody { @for session in sessions { (row(session, now)) } }
        }
    }
}

fn row(session: &LiveSession, now: i64) -> Markup {
    let ago = |since: i64| parts::duration(now.saturating_sub(since));
    let look = match (session.is_idle, &session.waits) {
        (true, _) => "still",
        (false, Some(_)) => "warn",
        (false, None) => "info",
    };
    html! {
        tr {
            th scope="row" data-of="Role" { (session.role) }
            td data-of="Database" { (session.database) @if session.upstream != "default" { br; span.soft.small { (session.upstream) } } }
            td data-of="Client" {
                @if let Some(tool) = &session.tool { (tool) br; }
                @if let Some(name) = &session.application_name { span.small { (name) } br; }
                span.soft.small { (session.client) ", server process " (session.server_pid) }
                br;
                span.soft.small { "connected for " (ago(session.since_unix_micros)) @if session.mode != "enforce" { ", mode " (session.mode) } }
            }
            td data-of="State" {
                span.mark.(look) { (session.state) }
                br;
                span.small title=(utc(session.state_since_unix_micros)) { "for " (ago(session.state_since_unix_micros)) }
            }
            td data-of="Waits for" { @if let Some(waits) = &session.waits { (waits_for(waits)) } @else { span.soft { "nothing" } } }
            td {
                @if let Some(sql) = &session.statement {
                    code.sql { (sql.chars().take(HEAD).collect::<String>()) }
                    @if session.is_idle { span.soft.small { "ended; its last" } }
                }
            }
        }
    }
}

/// What it waits for, and how far that is.
pub(super) fn waits_for(waits: &Waiting) -> Markup {
    html! {
        @match waits.what {
            "lock" => {
                "a lock" @if let Some(on) = &waits.on { " on " strong { (on) } } @if let Some(mode) = &waits.lock { " (" (mode) ")" }
                @if let Some(tries) = waits.tries { br; span.small { "tried " (tries) @if tries == 1 { " time" } @else { " times" } } }
            }
            "advisory-lock" => "an advisory lock that another session has",
            "approval" => { a href="/approvals" { "the word of persons" } " who may let it through" },
            "store" => "the store",
            _ => (work(waits)),
        }
        @if let Some(who) = &waits.in_the_way { br; span.small { "in the way: " (who) } }
    }
}

fn work(waits: &Waiting) -> Markup {
    html! {
        @if let (Some(done), Some(of)) = (waits.done, waits.of) {
            @if of > 0 { (progress(done, of)) br; }
        }
        @if let Some(percent) = waits.percent {
            progress max="100" value=(percent) aria-label="This step" { (percent) " %" } " " span.small { (percent) " % of this phase" }
            br;
        }
        @if let Some(seen) = &waits.seen { span.small { (seen) } br; }
        @if let Some(step) = &waits.step { code { (step) } } @else { span.small { "between two steps" } }
    }
}

/// How much of some work is done.
pub(super) fn progress(done: usize, of: usize) -> Markup {
    html! { progress max=(of) value=(done) aria-label="Operations that are done" { (done) " of " (of) } " " span.small { (done) " of " (of) " done" } }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;

    pub(in crate::admin) fn session(state: &'static str) -> LiveSession {
        LiveSession {
            session: "s".into(),
            listener: "l".into(),
            upstream: "main".into(),
            client: "10.0.0.1:5".into(),
            role: "deployer".into(),
            database: "shop".into(),
            application_name: Some("alembic".into()),
            tool: Some("Alembic".into()),
            mode: "enforce",
            server_pid: 7,
            since_unix_micros: 0,
            state,
            state_since_unix_micros: 1_000_000,
            is_idle: state == "idle",
            statement: None,
            waits: None,
        }
    }

    #[test]
    fn what_a_session_waits_for_is_told_in_words() {
        let lock = Waiting {
            what: "lock",
            on: Some("public.t".into()),
            lock: Some("AccessExclusive".into()),
            tries: Some(3),
            in_the_way: Some("pid 9 (role app)".into()),
            ..Waiting::default()
        };
        let held = Waiting { what: "work", done: Some(1), of: Some(2), percent: Some(40), step: Some("CREATE INDEX".into()), ..Waiting::default() };
        let waiting = LiveSession { waits: Some(lock), statement: Some("ALTER TABLE <t>".into()), ..session("waiting for a lock") };
        let text = body(vec![session("idle"), waiting, LiveSession { waits: Some(held), ..session("COMMIT held back") }], 61_000_000).into_string();
        for words in [
            "<strong>3</strong> open, <strong>2</strong> in a",
            "tried 3 times",
            "in the way: pid 9 (role app)",
            "1 of 2 done",
            "ALTER TABLE &lt;t&gt;",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.find("waiting for a lock").unwrap() < text.find(">idle<").unwrap(), "those that do something first");
    }
}
