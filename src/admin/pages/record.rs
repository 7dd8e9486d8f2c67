//! `/records/{id}`: one decision and all that followed, as `pgairlock audit show` tells it.

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::diff::diff;
use super::layout::Here;
use super::{Asks, Failed, parts, shown};
use crate::admin::board::Board;
use crate::audit::approval::{Approval, RecordedApproval, short};
use crate::audit::comparison::{compare, said};
use crate::audit::event::{Committing, DeferredStep, Event, LockHeld};
use crate::audit::line::guess;
use crate::audit::listed::{Listed, Story};
use crate::audit::record::{DecisionId, LockSeen, Outcome, Record, RecordedFact, RecordedFinding};
use crate::audit::unseen::Unseen;

pub(super) async fn page((State(board), Extension(visitor)): Asks, Path(id): Path<String>) -> Response {
    let made = body(&board, &id).await;
    shown(&format!("Record {id}"), Here::Search, &visitor, made)
}

async fn body(board: &Board, id: &str) -> Result<Markup, Failed> {
    let number: DecisionId = id.parse().map_err(Failed::wrong)?;
    let story = board.store.story(number).await?.ok_or_else(|| Failed::nothing(format!("The log has no decision {number}.")))?;
    Ok(of(&story))
}

fn of(story: &Story) -> Markup {
    let listed = &story.listed;
    let record = story.record();
    html! {
        h1 { "Record " (listed.id) }
        p { (parts::decision(&listed.decision)) " " (parts::standing(&listed.standing)) }
        @if let Some(record) = record {
            (about(record, listed))
            @if let Some(approval) = &record.approval { (lifted(approval)) }
            h2 { (if record.steps.is_empty() { "What was sent, and ran as it is" } else { "What was sent (−), and what ran (+)" }) }
            (diff(&record.sql, &record.steps))
            h2 { "Findings" }
            (findings(&record.findings))
            @if !record.facts.is_empty() { (facts(record)) }
            @if !record.former.is_empty() {
                h2 { "What was before it" }
                ul.plain { @for known in &record.former { li { (known) } } }
            }
        }
        h2 { "What followed" }
        (followed(story))
    }
}

fn about(record: &Record, listed: &Listed) -> Markup {
    html! {
        dl {
            dt { "When" } dd { (parts::time(listed.at_unix_micros)) }
            dt { "Role" } dd { (record.role) }
            dt { "Database" } dd { (record.database) }
            dt { "Client" } dd { (record.client) }
            dt { "Certificate" } dd { (record.tls.as_deref().unwrap_or("none")) }
            dt { "Application" } dd { (record.application_name.as_deref().unwrap_or("not named")) }
            dt { "Listener" } dd { (record.listener) }
            dt { "Session" } dd {
                a href={ "/search?session=" (record.session) } { (record.session) }
                ", transaction " (listed.transaction) @if record.in_transaction { ", shared with other statements" }
            }
        }
    }
}

/// Who let it through, or who may.
fn lifted(approval: &RecordedApproval) -> Markup {
    let fingerprint = short(&approval.fingerprint);
    html! {
        div.card {
            @if approval.given.is_empty() {
                p { "A person may approve exactly this statement: " a href={ "/approvals/" (fingerprint) } { "approval " (fingerprint) } "." }
            } @else {
                p { (approval.rules.join(", ")) " lifted, by approval " a href={ "/approvals/" (fingerprint) } { (fingerprint) } ":" }
                ul.plain { @for given in &approval.given { li { strong { (given.by) } ": " (given.reason) " (entry " (given.id) ")" } } }
            }
        }
    }
}

/// Each with what was said of it then.
pub(super) fn findings(findings: &[RecordedFinding]) -> Markup {
    html! {
        @if findings.is_empty() { p.soft { "No rule had anything to say." } }
        @for finding in findings {
            div.card {
                p { strong { (finding.rule) } " " span.mark { (finding.verdict) } " " span.soft { (finding.certainty) } }
                p { (finding.message) }
                p.small.soft {
                    @if let Some(relation) = &finding.relation { (relation) ": " }
                    "lock " (finding.lock.as_deref().unwrap_or("none")) ", work " (finding.work)
                    @if let Some(estimate) = &finding.estimate {
                        ", " (millis(estimate.millis)) " to " (millis(estimate.at_most_millis)) " as written, by an estimate"
                        @if estimate.calibrated { " at this server's measured speed" } @else { " at a usual server's speed" }
                    }
                }
            }
        }
    }
}

fn millis(millis: u64) -> String {
    parts::duration(i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000))
}

pub(super) fn facts(record: &Record) -> Markup {
    let row = |fact: &RecordedFact| {
        html! {
            tr {
                th scope="row" data-of="Relation" { (fact.relation) }
                td data-of="oid" { (fact.oid) }
                td data-of="Kind" { (fact.kind) }
                td.number data-of="Bytes" { (fact.bytes.map_or("unknown".to_owned(), |bytes| bytes.to_string())) }
                td.number data-of="Rows" { (fact.rows.map_or("unknown".to_owned(), |rows| rows.to_string())) }
            }
        }
    };
    html! {
        h2 { "What was known then" }
        table.rows {
            caption { "Of the relations that it names; the server was " (record.server_version) "." }
            thead { tr {
                th scope="col" { "Relation" }
                th scope="col" { "oid" }
                th scope="col" { "Kind" }
                th.number scope="col" { "Bytes" }
                th.number scope="col" { "Rows (statistics)" }
            } }
            tbody { @for fact in &record.facts { (row(fact)) } }
        }
    }
}

fn followed(story: &Story) -> Markup {
    let attributed = story.events.iter().any(|(_, _, event)| matches!(event, Event::Attribution(_)));
    html! {
        ol.story {
            @for (id, at, event) in &story.events {
                @if let Event::Outcome(ended) = event {
                    li { (parts::time(*at)) " " (outcome(&ended.outcome, story.record())) }
                } @else if let Some(words) = told(*id, event) {
                    li { (parts::time(*at)) " " (words) }
                }
            }
            @if !attributed {
                li.soft {
                    "The migration is not known: no tool has written a version for it."
                    @if let Some(tool) = guess(&story.listed) { " By how it came it seemed to be of " (tool) "." }
                }
            }
        }
    }
}

/// What an entry says, if it says anything of a statement.
pub(super) fn told(id: DecisionId, event: &Event) -> Option<Markup> {
    Some(match event {
        Event::Decision(_) => html! { "It was decided upon." },
        Event::Outcome(ended) => outcome(&ended.outcome, None),
        Event::Attribution(attribution) => html! {
            "It belongs to " (attribution.migration.tool) " "
            a href={ "/migrations/" (id) } { (parts::called(attribution)) } ", direction " (attribution.migration.direction.label())
            @if attribution.unfinished { " (not finished)" } ", by what the tool wrote to " (attribution.migration.table) "."
        },
        Event::Committing(committing) => announced(committing),
        Event::Deferred(step) => deferred(step),
        Event::Transaction(transaction) => html! {
            "Its transaction: " (transaction.fate.label()) ", " (parts::duration(transaction.duration_micros))
            " after its first decision: no lock of it was held longer."
        },
        Event::Settled(settled) => html! { "Looked up later by " (settled.by) ": " (settled.fate.label()) "." },
        Event::Approval(approval) => approved(approval),
        Event::ApprovalUseEnded(ended) if ended.consumed => html! { "The approval is used." },
        Event::ApprovalUseEnded(_) => html! { "The approval was not used: it is there for the next run." },
        Event::ApprovalUse(_) | Event::Revocation(_) => return None,
        Event::Started(_) | Event::Session(_) | Event::Retention(_) | Event::Unknown => return None,
    })
}

/// With the record also what was said before, beside what it came to.
fn outcome(outcome: &Outcome, record: Option<&Record>) -> Markup {
    let compared = record.filter(|_| outcome.tag.is_some()).and_then(said);
    let compared = compared.map(|said| compare(said, outcome.duration_micros, outcome.ran_micros).words());
    html! {
        "It ended: "
        @match (&outcome.tag, &outcome.sqlstate) {
            (_, Some(sqlstate)) => { strong { "error " (sqlstate) } },
            (Some(tag), None) => strong { (tag) },
            (None, None) => "done",
        }
        ", " (parts::duration(outcome.duration_micros)) " after the decision."
        @if let Some(ran) = outcome.ran_micros { " It ran for " (parts::duration(ran)) "." }
        @if let Some(words) = compared { " The estimate: " (words) "." }
        @for table in &outcome.rewritten {
            " " (table.relation) @if table.anew { " was written anew: it has another file than before." } @else { " has the same file as before." }
        }
        @if let Some(record) = record { (unseen(&Unseen::of(record, outcome))) }
        @if !outcome.locks_seen.is_empty() {
            " Locks that were seen meanwhile, in " (outcome.looks) " looks:"
            ul.plain { @for lock in &outcome.locks_seen { li { (seen(lock)) } } }
        }
    }
}

fn unseen(unseen: &Unseen<'_>) -> Markup {
    html! {
        @if !unseen.locks.is_empty() || unseen.steps {
            " Locks that were predicted, and not seen (" (unseen.looked()) "):"
            ul.plain {
                @for (mode, relation) in &unseen.locks { li { strong { (mode) } " on " (relation) } }
                @if unseen.steps { li { "those of the steps" } }
            }
        }
    }
}

fn seen(lock: &LockSeen) -> Markup {
    html! {
        strong { (lock.mode) } " on " (lock.relation) ", in " (lock.looks) " of them, from " (parts::duration(lock.first_micros))
        " to " (parts::duration(lock.last_micros)) " after the decision"
    }
}

fn approved(approval: &Approval) -> Markup {
    html! {
        strong { (approval.by) } " approved it, known by "
        @if approval.known_by == "command" { "their own word" } @else { (approval.known_by) }
        ": " (approval.reason) " (for " (approval.uses) " uses, until " (parts::time(approval.expires_unix_micros)) ")."
    }
}

fn announced(committing: &Committing) -> Markup {
    html! {
        @if committing.xid.is_empty() { "Its steps begin." } @else { "Its COMMIT is sent, as transaction " (committing.xid) "." }
        @match &committing.trail.locks {
            None => {},
            Some(locks) if locks.is_empty() => " No lock of SHARE or stronger was held.",
            Some(locks) => {
                " Locks that the whole transaction held, " (parts::duration(committing.trail.open_micros)) " after its first decision:"
                ul.plain { @for lock in locks { li { (held(lock)) } } }
            },
        }
        @if !committing.operations.is_empty() {
            " Left for after it:"
            ul.plain { @for operation in &committing.operations { li { code { (operation.sql.join("; ")) } " (" (operation.rule) ")" } } }
        }
    }
}

/// A lock that was really held, in words.
pub(super) fn held(lock: &LockHeld) -> Markup {
    html! {
        strong { (lock.mode) } " on " (lock.relation)
        @if lock.new { ", which is new" }
        @match lock.rewritten { Some(true) => ", written anew", Some(false) => ", not written anew", None => {} }
        @if let (Some(scans), Some(rows)) = (lock.scans, lock.rows_read) { ", read from end to end " (scans) " times, " (rows) " rows read" }
    }
}

fn deferred(step: &DeferredStep) -> Markup {
    html! {
        "After COMMIT, promise " (step.promise) ": " strong { (step.progress) } @if let Some(operation) = step.operation { " " (operation) }
        @if let Some(message) = &step.message { ": " (message) } @if let Some(sqlstate) = &step.sqlstate { " (" (sqlstate) ")" }
        ", by " (if step.session.is_empty() { "a person" } else { "a session" }) "."
    }
}
