//! Refusals that need no statement to be read, and what else is said in fixed words.

use std::time::Duration;

use crate::policy::decide::{LockTimeoutCare, Outcome};
use crate::policy::plan::{Decision, Notice, Plan, Refusal};
use crate::policy::settings::Mode;

use super::sight::Sight;

/// FunctionCall: its oid could be anything, also one that changes settings or schema.
pub(super) fn function_call(mode: Mode) -> Outcome {
    refused(
        "0A000",
        "pgairlock [opaque-code]: the FunctionCall message is not supported, since it hides what it runs; write SELECT function(…) instead",
        mode,
    )
}

/// Execute of a portal that we did not see made (or of one of SQL's DECLARE).
pub(super) fn unknown_portal(name: &[u8], mode: Mode) -> Outcome {
    let name = String::from_utf8_lossy(name);
    refused(
        "PA002",
        &format!(
            "pgairlock [opaque-code]: it is not known what the portal \"{name}\" runs, so it was not executed; \
             send Parse and Bind on this connection first, or FETCH from a cursor by SQL"
        ),
        mode,
    )
}

/// EXECUTE behind an unanswered frame of its own batch that may change what it runs.
pub(super) fn changing_statement(mode: Mode) -> Outcome {
    let message = "pgairlock [opaque-code]: EXECUTE follows a change of prepared statements in the same batch, so it is not known what it runs; send Sync first";
    refused("PA002", message, mode)
}

/// DDL on a standby.
pub(super) fn standby(mode: Mode) -> Outcome {
    let message = "pgairlock: the database server is a standby, where nothing can be changed; point [[upstream]] at the primary (after a promotion: connect again)";
    refused("25006", message, mode)
}

/// A transaction of which something waits is ended among other statements, or by PREPARE TRANSACTION.
pub(super) fn commit_among_others() -> Refusal {
    simple(
        "0A000",
        "pgairlock: something of this transaction waits for its COMMIT, which must come as a statement of its own: not among others in one string,          and not as PREPARE TRANSACTION",
    )
}

/// A sign of life for a client that waits, with what a monitor has seen.
pub(super) fn still_running(after_commit: bool, waited: Duration, step: &str, sight: Option<&Sight>) -> Notice {
    let seen = sight.map(ToString::to_string).unwrap_or_default();
    let after = if after_commit { "after COMMIT, " } else { "" };
    let message = format!("pgairlock: {after}running for {} s: {step}{seen}", waited.as_secs());
    Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None }
}

/// The server did not say which transaction it is.
pub(super) fn commit_without_number() -> Refusal {
    simple(
        "PA005",
        "pgairlock: the server did not name this transaction, so that what waits for its COMMIT could not be promised; nothing is committed",
    )
}

/// What waits for a COMMIT is kept by its table. The decision names one; should it ever not, nobody is left without an answer.
pub(super) fn deferred_without_table() -> Refusal {
    simple("PA002", "pgairlock: it is not known which table this statement is about, so that a part of it cannot wait for COMMIT; nothing was run")
}

/// Its modes would be those of a transaction that has begun by then.
pub(super) fn begin_in_batch() -> Refusal {
    simple(
        "25001",
        "pgairlock: BEGIN with modes must come before any other statement of its batch; send it first, or end the batch with Sync before it",
    )
}

fn simple(sqlstate: &'static str, message: &str) -> Refusal {
    Refusal { sqlstate, message: message.to_owned(), detail: None, hint: None, position: None }
}

/// Bytes that are not UTF-8.
pub(super) fn not_utf8(mode: Mode) -> Outcome {
    refused("22021", "pgairlock [not-understood]: the statement is not valid UTF-8, so it cannot be read safely; send it in UTF-8", mode)
}

fn refused(sqlstate: &'static str, message: &str, mode: Mode) -> Outcome {
    let refusal = Plan::Refuse(Refusal { sqlstate, message: message.to_owned(), detail: None, hint: None, position: None });
    let warning = || Notice { severity: "WARNING", sqlstate: "01000", message: format!("{message} (only a warning on this listener)"), detail: None };
    let (plan, would, notices) = match mode {
        Mode::Enforce => (refusal, None, Vec::new()),
        Mode::Warn | Mode::Off => (Plan::Pass, Some(refusal), vec![warning()]),
    };
    let decision = Decision { plan, findings: Vec::new(), notices };
    Outcome { decision, would, effects: Vec::new(), lock_timeout: LockTimeoutCare::None, record: true, wanted: None }
}
