//! `/approvals`: statements that were refused and that persons may let through, newest first.

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::Here;
use super::search::Mark;
use super::{Asks, Failed, asked, parts, shown};
use crate::admin::board::{Board, now};
use crate::audit::approval::{Request, Worth, short};

/// On one page.
const MOST: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    before: String,
}

pub(super) async fn page((State(board), Extension(visitor)): Asks, query: Result<Query<From>, axum::extract::rejection::QueryRejection>) -> Response {
    let made = body(&board, &asked(query)).await;
    shown("Approvals", Here::Approvals, &visitor, made)
}

async fn body(board: &Board, from: &From) -> Result<Markup, Failed> {
    let before = Mark::read(&from.before).map_err(Failed::wrong)?;
    let found = board.store.requests(before.map(|Mark(at, id)| (at, id)), MOST).await?;
    let is_full = found.len() >= usize::try_from(MOST).unwrap_or(usize::MAX);
    let older = found.last().filter(|_| is_full).map(|last| format!("before={}", Mark(last.at_unix_micros, last.decision)));
    let now = now();
    Ok(html! {
        h1 { "Approvals" }
        p.soft { "Refused statements that the configuration lets a person approve, each exactly as it was sent. An approved one passes when its migration is run again." }
        div.tools { button type="button" data-pause hidden { "Pause updates" } }
        section aria-label="Statements" data-live="5" {
            @if found.is_empty() {
                (parts::nothing("Nothing was refused that may be approved."))
            } @else {
                (table(&found, now))
            }
        }
        (parts::older(older, "/approvals"))
    })
}

fn table(found: &[Request], now: i64) -> Markup {
    html! {
        table.rows {
            caption { "By the time of their last refusal, newest first." }
            thead { tr {
                th scope="col" { "Statement" }
                th scope="col" { "State" }
                th scope="col" { "Refused" }
                th scope="col" { "Rules" }
                th scope="col" { "Role, database" }
                th scope="col" { "SQL" }
            } }
            tbody {
                @for request in found {
                    tr {
                        th.token scope="row" data-of="Statement" { a href={ "/approvals/" (short(&request.fingerprint)) } { (short(&request.fingerprint)) } }
                        td data-of="State" { (standing(request, now)) }
                        td.narrow data-of="Refused" { (parts::time(request.at_unix_micros)) @if request.times > 1 { br; span.small { (request.times) " times" } } }
                        td data-of="Rules" { (request.rules) }
                        td data-of="Role, database" { (request.role) ", " (request.database) }
                        td { code.sql { (request.head) } }
                    }
                }
            }
        }
    }
}

/// Where a statement stands with its approvers.
pub(super) fn standing(request: &Request, now: i64) -> Markup {
    let (look, words) = state(request, now);
    html! { span.mark.(look) { (words) } }
}

fn state(request: &Request, now: i64) -> (&'static str, String) {
    let said = request.in_force(now).len();
    // What was refused again after all that was said waits again.
    let last = request.words.last().filter(|word| word.at_unix_micros > request.at_unix_micros).map(|word| word.worth(now));
    match (said, last) {
        _ if request.is_approved(now) => ("good", "approved".into()),
        (1.., _) => ("info", format!("approved by {said} of {}", request.people)),
        (0, Some(Worth::Taken)) => ("info", "runs".into()),
        (0, Some(Worth::Used)) => ("still", "used".into()),
        (0, Some(Worth::Expired)) => ("warn", "expired".into()),
        (0, Some(Worth::Revoked)) => ("warn", "taken back".into()),
        (0, _) if request.people > 1 => ("warn", format!("waits for {} persons", request.people)),
        (0, _) => ("warn", "waits for a person".into()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audit::approval::Word;
    use crate::audit::record::DecisionId;

    pub(in crate::admin::pages) fn word(by: &str) -> Word {
        Word {
            id: DecisionId { writer: 1, seq: 2 },
            at_unix_micros: 20,
            by: by.into(),
            known_by: "token".into(),
            reason: "unread since March".into(),
            expires_unix_micros: 100,
            uses: 1,
            left: 1,
            taken: 0,
            revoked: false,
            taken_back: None,
        }
    }

    pub(in crate::admin::pages) fn request(people: i64, words: Vec<Word>) -> Request {
        Request {
            fingerprint: "3f9a2c81d04b".repeat(5),
            decision: DecisionId { writer: 1, seq: 1 },
            at_unix_micros: 10,
            times: 1,
            role: "deployer".into(),
            database: "shop".into(),
            head: "ALTER TABLE t DROP COLUMN c".into(),
            rules: "drop-column".into(),
            people,
            words,
        }
    }

    #[test]
    fn the_state_says_what_is_still_to_be_done() {
        let told = |people, words| state(&request(people, words), 50).1;
        assert_eq!(told(1, vec![]), "waits for a person");
        assert_eq!(told(2, vec![]), "waits for 2 persons");
        assert_eq!(told(1, vec![word("adam")]), "approved");
        assert_eq!(told(2, vec![word("adam"), word("adam")]), "approved by 1 of 2");
        assert_eq!(told(2, vec![word("adam"), word("ADAM")]), "approved by 1 of 2");
        assert_eq!(told(2, vec![word("adam"), word("eve")]), "approved");
        assert_eq!(told(1, vec![Word { left: 0, ..word("adam") }]), "used");
        assert_eq!(told(1, vec![Word { left: 0, taken: 1, ..word("adam") }]), "runs");
        assert_eq!(told(1, vec![Word { expires_unix_micros: 50, ..word("adam") }]), "expired");
        assert_eq!(told(1, vec![Word { revoked: true, ..word("adam") }]), "taken back");
        let again = Word { left: 0, at_unix_micros: 5, ..word("adam") };
        assert_eq!(told(1, vec![again]), "waits for a person", "it was refused again after that was used");
    }
}
