//! A lone call that waits for an advisory lock: tried again and again, so that no snapshot is held while it waits (`policy::advisory`).
//!
//! ```text
//!   Apart ─▶ Limits ─▶ Try ──true──▶ answered as the call
//!                       ▲  │ false
//!                       │  ▼
//!                       Nap / Pause ── a limit of the client's, or its cancel request ──▶ the error of the call
//! ```
//!
//! Outside of a block the server sleeps between two tries, in a statement of its own, so that a cancel request reaches it by whatever way it
//! comes. In a block a statement that sleeps would hold a snapshot for as long as the block lasts: there nothing runs between two tries.

use std::time::{Duration, Instant};

use crate::policy::advisory::AdvisoryLock;
use crate::policy::plan::Refusal;
use crate::wire::startup_settings::{milliseconds, strictest};
use crate::wire::{messages, views};

use super::approving;
use super::batch::Batch;
use super::completion::{Completion, Decided, Ran};
use super::effects::Effects;
use super::own::{Ending, OwnExchange, server_error};
use super::replies::{Kind, Owner};
use super::runner::sql::NAP;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session, Status};

/// Between two tries in a block; as long as [`NAP`].
const PAUSE: Duration = Duration::from_millis(200);
/// Both in milliseconds; 0 is none.
const LIMITS: &str = "SELECT pg_catalog.string_agg(s.setting, ' ' ORDER BY s.name) FROM pg_catalog.pg_settings s \
     WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout'])";

/// What is called, and how it is tried.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) lock: AdvisoryLock,
    /// The lock_timeout that the session keeps does not end it.
    pub(super) lift: bool,
    /// The statement that tries.
    pub(super) tries: String,
    /// Its record, where it has one.
    pub(super) decided: Option<Decided>,
}

/// A call on its way.
#[derive(Debug)]
pub(super) struct Polling {
    subject: Subject,
    call: Call,
    limit: Option<Limit>,
    cancelled: bool,
    stage: Stage,
}

/// What ends the wait first, and when.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Instant,
    sqlstate: &'static str,
    message: &'static str,
}

#[derive(Debug)]
enum Stage {
    /// The client's portal, which has a snapshot, is being closed, or its implicit transaction.
    Apart,
    Limits,
    Try,
    Nap,
    /// Until then nothing runs.
    Pause(Instant),
}

impl Polling {
    /// When the next try is due.
    pub(super) fn next(&self) -> Option<Instant> {
        if let Stage::Pause(until) = self.stage { Some(until) } else { None }
    }

    pub(super) fn decided(&self) -> Option<Decided> {
        self.call.decided
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    fn over(&self, now: Instant) -> Option<Refusal> {
        let limit = self.limit.filter(|limit| now >= limit.at).map(|limit| (limit.sqlstate, limit.message));
        let (sqlstate, message) = if self.cancelled { Some(CANCELLED) } else { limit }?;
        Some(Refusal { sqlstate, message: message.to_owned(), detail: None, hint: None, position: None })
    }
}

/// In the server's own words.
const CANCELLED: (&str, &str) = ("57014", "canceling statement due to user request");

impl Limit {
    fn after(ms: u64, since: Instant, sqlstate: &'static str, message: &'static str) -> Option<Self> {
        (ms > 0).then(|| Self { at: since + Duration::from_millis(ms), sqlstate, message })
    }
}

impl Session {
    /// The statement that tries; `None` where the call is left to wait as it came: other statements stand in its implicit transaction, the client
    /// wants only some of its rows, or a key is not known.
    pub(super) fn may_poll(&self, subject: &Subject, lock: &AdvisoryLock) -> Option<String> {
        if self.status == Status::Failed || subject.in_transaction && !self.in_block() {
            return None;
        }
        let Shape::Execute = subject.shape else { return lock.try_once(&[]) };
        let frame = subject.frame.as_ref()?;
        let (portal, rows) = views::execute_in_full(frame.get(crate::wire::frames::HEADER..)?)?;
        let parameters = self.bound_keys.as_ref().filter(|(of, _)| of == portal).map_or(&[][..], |(_, keys)| keys);
        if rows == 0 { lock.try_once(parameters) } else { None }
    }

    pub(super) fn poll(&mut self, subject: Subject, call: Call, out: &mut Effects) {
        let mut polling = Box::new(Polling { subject, call, limit: None, cancelled: false, stage: Stage::Apart });
        if polling.subject.shape == Shape::Query {
            polling.stage = Stage::Limits;
            self.run_own(LIMITS, &[], Ending::Sync, out);
        } else if self.in_block() {
            self.close_portal_of(&polling.subject, out);
        } else {
            self.batch = Batch::default();
            self.leave_batch(out);
        }
        self.work = Work::Polling(polling);
    }

    fn close_portal_of(&mut self, subject: &Subject, out: &mut Effects) {
        let body = subject.frame.as_ref().and_then(|frame| frame.get(crate::wire::frames::HEADER..)).unwrap_or_default();
        let portal = views::execute(body).unwrap_or_default().to_vec();
        self.own = Some(OwnExchange::nothing());
        self.send(messages::close_portal(&portal), out);
        self.replies.expect(Kind::Close, Owner::Own, Completion::Nothing);
        self.registry.closed(b'P', &portal);
        self.own_end(Ending::Sync, out);
    }

    /// All replies to our statements are there.
    pub(super) fn polling(&mut self, mut polling: Box<Polling>, exchange: OwnExchange, now: Instant, out: &mut Effects) -> Progress {
        if let Some(error) = &exchange.error {
            self.call_failed(&polling, error, now, out);
            return Ok(());
        }
        let answer = exchange.into_answered().ok().flatten();
        match polling.stage {
            Stage::Apart => {
                polling.stage = Stage::Limits;
                self.run_own(LIMITS, &[], Ending::Sync, out);
                self.work = Work::Polling(polling);
            }
            Stage::Limits => {
                polling.limit = self.limit(&answer.unwrap_or_default(), polling.call.lift, polling.subject.since);
                self.try_lock(polling, now, out);
            }
            Stage::Try if answer.as_deref() == Some("true") => self.call_done(&polling, now, out),
            Stage::Try if self.in_block() => {
                polling.stage = Stage::Pause(polling.limit.map_or(now + PAUSE, |limit| limit.at.min(now + PAUSE)));
                self.work = Work::Polling(polling);
            }
            Stage::Try => {
                polling.stage = Stage::Nap;
                self.run_own(NAP, &[], Ending::Sync, out);
                self.work = Work::Polling(polling);
            }
            Stage::Nap | Stage::Pause(_) => self.try_lock(polling, now, out),
        }
        Ok(())
    }

    /// The pause is over.
    pub(super) fn pause_over(&mut self, now: Instant, out: &mut Effects) {
        match std::mem::replace(&mut self.work, Work::Open) {
            Work::Polling(polling) if polling.next().is_some_and(|next| now >= next) => self.try_lock(polling, now, out),
            Work::Trying(trying) if trying.next().is_some_and(|next| now >= next) => self.try_again(trying, now, out),
            other => self.work = other,
        }
    }

    /// A cancel request for this session has passed: where the server has nothing to cancel, it is ours.
    pub(super) fn cancel_requested(&mut self, now: Instant, out: &mut Effects) {
        // What is held back is not held back any more.
        self.sibling_builds = false;
        match std::mem::replace(&mut self.work, Work::Open) {
            Work::Polling(mut polling) => {
                polling.cancelled = true;
                if polling.next().is_some() {
                    self.try_lock(polling, now, out);
                } else {
                    self.work = Work::Polling(polling);
                }
            }
            Work::Trying(trying) => self.try_cancelled(trying, now, out),
            Work::Approving(approving) => {
                self.work = Work::Approving(approving);
                if self.waits_for_persons() {
                    self.stop_waiting(Some(approving::cancelled()), out);
                }
            }
            mut other => {
                other.cancel_requested();
                self.work = other;
            }
        }
    }

    fn limit(&self, limits: &str, lift: bool, since: Instant) -> Option<Limit> {
        let mut limits = limits.split(' ').map(|text| milliseconds(text.as_bytes()).unwrap_or(0));
        let (lock, statement) = (limits.next().unwrap_or(0), limits.next().unwrap_or(0));
        // The proxy's own is there for locks that others queue behind.
        let lock = if lift && lock >= self.identity.kept_lock_timeout_ms { 0 } else { lock };
        if lock > 0 && strictest(lock, statement) == lock {
            Limit::after(lock, since, "55P03", "canceling statement due to lock timeout")
        } else {
            Limit::after(statement, since, "57014", "canceling statement due to statement timeout")
        }
    }

    fn try_lock(&mut self, mut polling: Box<Polling>, now: Instant, out: &mut Effects) {
        if let Some(refusal) = polling.over(now) {
            return self.refuse(&polling.subject, &refusal, polling.call.decided, out);
        }
        polling.stage = Stage::Try;
        self.run_own(&polling.call.tries, &[], Ending::Sync, out);
        self.work = Work::Polling(polling);
    }

    /// What the call itself would have answered: one row with nothing in it.
    fn call_done(&mut self, polling: &Polling, now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        if polling.subject.shape == Shape::Query {
            self.say(messages::void_description(&polling.call.lock.column), out);
        }
        self.say(messages::void_row(), out);
        self.say_complete(messages::command_complete("SELECT 1"), out);
        Ran { decision: polling.call.decided, tags: vec!["SELECT 1".to_owned()], ..Ran::default() }.report(now, out);
        self.end_of_call(polling.subject.shape, false, out);
    }

    /// A cancel request or a timeout has hit a try: it is the call that was hit. In a block the server's transaction has failed with it.
    fn call_failed(&mut self, polling: &Polling, error: &[u8], now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        let error = server_error(error);
        Ran { decision: polling.call.decided, sqlstate: Some(error.sqlstate.clone()), ..Ran::default() }.report(now, out);
        self.say_error(&error.sqlstate, &error.message, error.detail.as_deref(), error.hint.as_deref(), out);
        self.end_of_call(polling.subject.shape, true, out);
    }

    fn end_of_call(&mut self, shape: Shape, failed: bool, out: &mut Effects) {
        match shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => {
                self.batch.open = true;
                self.batch.executed = true;
                self.skipping = failed;
            }
        }
    }
}
