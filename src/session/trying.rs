//! A statement that waits for a strong lock: tried again and again with a short lock_timeout, so that nobody stands behind it for long (`patience`).
//!
//! ```text
//!   Apart ─▶ Limits ─▶ Try ──done──▶ answered as the statement
//!               │       ▲ │ no lock
//!               │       │ ▼
//!               │       │ Look ─▶ (TakingBack ─▶) Nap / Pause ── a limit, or a cancel request ──▶ the error of the statement
//!               ▼       └─────────────────────────────┘
//!             Once: the transaction holds something that others wait for
//! ```
//!
//! Outside of a block each try is a statement with a transaction of its own, and between two of them the server sleeps, so that a cancel request
//! reaches it by whatever way it comes. In a block a try stands behind a savepoint, and nothing runs in a pause: a statement that sleeps would hold a
//! snapshot. A savepoint gives back only what came behind it, so in a transaction that holds more already it is run once and as it came: whoever
//! waits for that would wait for every try, and every pause.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::catalog::overlay::Effect;
use crate::catalog::questions::Answer;
use crate::catalog::shadows::may_change;
use crate::deferred::promise::is_version_table;
use crate::policy::decide::Outcome;
use crate::policy::plan::Refusal;
use crate::policy::strong::{Patience, StrongLock};
use crate::wire::startup_settings::milliseconds;
use crate::wire::{errors, messages};

use super::batch::Batch;
use super::completion::Decided;
use super::deferring::{Deferring, is_cancel_request};
use super::effects::{Effects, Observed, WaitEnd, Watch};
use super::holders::{self, Holders};
use super::in_the_way;
use super::own::{Ending, OwnExchange, RELEASE, ROLLBACK_TO, SAVEPOINT, server_error};
use super::patience::Tries;
use super::runner::sql::SLEEP;
use super::sight::Sight;
use super::ticks::Ticks;
use super::work::{Shape, Subject, Work};
use super::{Fatal, Progress, Session, Status};

/// SHOW and SET take no snapshot: before LOCK TABLE a SELECT of ours would change what the client sees.
const LIMITS: [&str; 2] = ["SHOW lock_timeout", "SHOW statement_timeout"];
/// For the transaction of one statement; SET LOCAL would warn there.
const SET: &str = "SELECT pg_catalog.set_config(s.key, s.value, true) FROM pg_catalog.json_each_text($1::pg_catalog.json) s";
/// A transaction that is open for so many seconds is told before the first try.
const LONG: i64 = 2;
/// What a statement whose work is brief may take for each relation, in milliseconds, beside waiting: 25 times of what was measured.
const WORK_MS: u64 = 1;

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Trying {
    goal: Goal,
    sql: String,
    lock: StrongLock,
    since: Instant,
    in_block: bool,
    /// What the client has set: lock_timeout and statement_timeout, in milliseconds.
    before: [u64; 2],
    limit: Limit,
    /// No try takes longer, in milliseconds.
    longest_ms: u64,
    tries: Tries,
    holders: Option<Holders>,
    ticks: Ticks,
    /// The monitor is looking at whoever is in the way.
    looking: bool,
    cancelled: bool,
    stage: Stage,
}

/// What the statement is to the session.
#[derive(Debug)]
enum Goal {
    /// The client's own.
    Statement { subject: Subject, effects: Vec<Effect>, decided: Option<Decided> },
    /// The part that runs at once of one whose rest waits for COMMIT.
    Deferred(Box<Deferring>),
}

/// What ends the wait, and when.
#[derive(Debug, Clone, Copy)]
struct Limit {
    total_ms: u64,
    sqlstate: &'static str,
    message: &'static str,
}

#[derive(Debug)]
enum Stage {
    /// The client's implicit transaction, in which nothing has run, is being closed.
    Apart,
    Limits,
    /// As it came, and once.
    Once,
    Try(Run),
    Look,
    /// The question of the look has failed in a block; whether the first try is still to come.
    TakingBack {
        first: bool,
    },
    Nap,
    /// Until then nothing runs.
    Pause(Instant),
}

/// A try on its way.
#[derive(Debug, Clone, Copy)]
struct Run {
    begun: Instant,
    lock_ms: u64,
    /// All locks together, and the work.
    bound_ms: Option<u64>,
    /// The place of the statement among what is sent.
    place: usize,
}

impl Goal {
    fn subject(&self) -> &Subject {
        match self {
            Self::Statement { subject, .. } => subject,
            Self::Deferred(deferring) => deferring.subject(),
        }
    }

    fn decided(&self) -> Option<Decided> {
        match self {
            Self::Statement { decided, .. } => *decided,
            Self::Deferred(deferring) => deferring.decided(),
        }
    }
}

impl Trying {
    /// When the next try is due.
    pub(super) fn next(&self) -> Option<Instant> {
        if let Stage::Pause(until) = self.stage { Some(until) } else { None }
    }

    pub(super) fn decided(&self) -> Option<Decided> {
        self.goal.decided()
    }

    /// A try has missed its lock.
    /// As far as one can tell from here: a try has found the lock taken, and the last one is not under way.
    pub(super) fn is_in_the_queue(&self) -> bool {
        self.has_missed() && !matches!(self.stage, Stage::Once)
    }

    pub(super) fn has_missed(&self) -> bool {
        self.tries.count() > 0
    }

    /// It waits no longer.
    fn observe_end(&self, end: WaitEnd, now: Instant, out: &mut Effects) {
        if self.has_missed() {
            out.observed.push(Observed::LockWait { end, took: self.waited(now) });
        }
    }

    pub(super) fn subject(&self) -> &Subject {
        self.goal.subject()
    }

    /// What it waits for.
    pub(super) fn lock(&self) -> &StrongLock {
        &self.lock
    }

    /// How many tries have failed.
    pub(super) fn tries(&self) -> u32 {
        self.tries.count()
    }

    /// Who was in the way when somebody looked last.
    pub(super) fn holders(&self) -> Option<String> {
        self.holders.as_ref().filter(|holders| !holders.is_empty()).map(ToString::to_string)
    }

    fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// lock_timeout is for each lock: where there are several, their sum is bounded by statement_timeout, unless the work itself takes its time. That
    /// may be known by experience only: a try as long as any may be is not bounded, and ends as it would without us.
    fn bound(&self, lock_ms: u64, now: Instant) -> (Option<u64>, Option<u64>) {
        let [_, statement] = self.before;
        let waited = u64::try_from(self.waited(now).as_millis()).unwrap_or(u64::MAX);
        let left = (statement > 0).then(|| statement.saturating_sub(waited).max(1));
        let relations = self.holders.as_ref().map_or(1, |holders| holders.relations).max(self.lock.relations.len().try_into().unwrap_or(1));
        let bound =
            (self.lock.brief && relations > 1 && lock_ms < self.longest_ms).then(|| lock_ms.saturating_add(relations.saturating_mul(WORK_MS)));
        let bound = bound.filter(|bound| left.is_none_or(|left| *bound < left));
        (bound, bound.or(left))
    }

    /// The try has failed for want of a lock. What fails sooner fails for another reason, such as a NOWAIT somewhere.
    fn is_without_lock(&self, run: Run, error: &[u8], now: Instant) -> bool {
        let took = u64::try_from(now.saturating_duration_since(run.begun).as_millis()).unwrap_or(u64::MAX);
        match server_error(error).sqlstate.as_str() {
            "55P03" => took >= run.lock_ms,
            "57014" => !self.cancelled && !is_cancel_request(error) && run.bound_ms.is_some_and(|bound| took >= bound),
            _ => false,
        }
    }

    fn over(&self, now: Instant) -> Refusal {
        let Limit { sqlstate, message, .. } = self.limit;
        let detail = in_the_way::given_up(&in_the_way::on(&self.lock), self.waited(now), self.tries.count(), self.holders.as_ref());
        Refusal { sqlstate, message: message.to_owned(), detail: Some(detail), hint: Some(in_the_way::WHAT_TO_DO.to_owned()), position: None }
    }
}

impl Session {
    /// Whether it may be tried again at all: other statements of its implicit transaction would be lost with it.
    pub(super) fn may_try(&self, subject: &Subject) -> bool {
        self.identity.patience.total_ms > 0 && self.status != Status::Failed && (!subject.in_transaction || self.in_block())
    }

    pub(super) fn try_statement(&mut self, subject: Subject, outcome: Outcome, lock: StrongLock, decided: Option<Decided>, out: &mut Effects) {
        self.shadows_stale |= may_change(&subject.script);
        let apart = subject.shape != Shape::Query && !self.in_block();
        let sql = subject.script.text.to_string();
        let trying = self.trying(Goal::Statement { subject, effects: outcome.effects, decided }, sql, lock);
        if apart {
            self.batch = Batch::default();
            self.leave_batch(out);
            self.work = Work::Trying(trying);
        } else {
            self.ask_limits(trying, out);
        }
    }

    pub(super) fn try_deferred(&mut self, deferring: Box<Deferring>, sql: String, lock: StrongLock, out: &mut Effects) {
        let trying = self.trying(Goal::Deferred(deferring), sql, lock);
        self.ask_limits(trying, out);
    }

    fn trying(&self, goal: Goal, sql: String, lock: StrongLock) -> Box<Trying> {
        let (since, patience) = (goal.subject().since, self.identity.patience);
        Box::new(Trying {
            goal,
            sql,
            lock,
            since,
            in_block: self.in_block(),
            before: [0, 0],
            limit: limit([0, 0], self.identity.kept_lock_timeout_ms, patience),
            longest_ms: patience.longest_ms,
            tries: Tries::new(patience, patience.total_ms, &self.identity.id),
            holders: None,
            ticks: Ticks::new(since),
            looking: false,
            cancelled: false,
            stage: Stage::Apart,
        })
    }

    fn ask_limits(&mut self, mut trying: Box<Trying>, out: &mut Effects) {
        let parameters = holders::parameters(&trying.lock);
        let mut statements: Vec<(&str, &[String])> = LIMITS.iter().map(|sql| (*sql, &[][..])).collect();
        if trying.lock.may_ask {
            let guard = |sql| trying.in_block.then_some((sql, &[][..]));
            statements.extend(guard(SAVEPOINT).into_iter().chain([(holders::QUESTION, &parameters[..])]).chain(guard(RELEASE)));
        }
        self.run_owns(&statements, Ending::Sync, out);
        trying.stage = Stage::Limits;
        self.work = Work::Trying(trying);
    }

    /// All replies to our statements are there.
    pub(super) fn trying_on(&mut self, mut trying: Box<Trying>, exchange: OwnExchange, now: Instant, out: &mut Effects) -> Progress {
        if matches!(trying.stage, Stage::Once | Stage::Try(_)) {
            self.step_ends(exchange.error.is_none(), now);
        }
        if let Stage::Try(run) = trying.stage
            && exchange.error.as_ref().is_none_or(|error| trying.is_without_lock(run, error, now))
        {
            out.observed.push(Observed::LockTry(exchange.error.is_none()));
        }
        match (std::mem::replace(&mut trying.stage, Stage::Look), &exchange.error) {
            (Stage::Apart, None) => self.ask_limits(trying, out),
            (Stage::Limits, error) => {
                if let [Answer::Text(Some(lock)), Answer::Text(Some(statement)), ..] = exchange.answers.as_slice() {
                    trying.before = [lock, statement].map(|text| milliseconds(text.as_bytes()).unwrap_or(0));
                }
                match error {
                    Some(error) if is_cancel_request(error) || exchange.answers.len() < LIMITS.len() => self.try_failed(trying, error, now, out),
                    Some(_) if trying.in_block => self.take_look_back(trying, true, out),
                    _ => {
                        trying.holders = read(&exchange);
                        self.begin_tries(trying, now, out);
                    }
                }
            }
            (Stage::Once, None) => self.try_succeeded(trying, exchange.tags.first(), now, out),
            (Stage::Try(run), None) => self.try_succeeded(trying, exchange.tags.get(run.place), now, out),
            (Stage::Try(run), Some(error)) if trying.is_without_lock(run, error, now) => self.look_who_is_there(trying, now, out),
            (Stage::Look, None) => {
                trying.holders = read(&exchange);
                self.pause_between_tries(trying, now, out);
            }
            (Stage::Look, Some(error)) if !is_cancel_request(error) => {
                trying.holders = None;
                if trying.in_block { self.take_look_back(trying, false, out) } else { self.pause_between_tries(trying, now, out) }
            }
            (Stage::TakingBack { first: true }, None) => self.begin_tries(trying, now, out),
            (Stage::TakingBack { first: false }, None) => self.pause_between_tries(trying, now, out),
            (Stage::TakingBack { .. }, Some(_)) => return Err(Fatal::protocol("a question could not be taken back")),
            (Stage::Nap | Stage::Pause(_), None) => self.next_try(trying, now, out),
            (Stage::Apart | Stage::Once | Stage::Try(_) | Stage::Look | Stage::Nap | Stage::Pause(_), Some(error)) => {
                self.try_failed(trying, error, now, out);
            }
        }
        Ok(())
    }

    fn take_look_back(&mut self, mut trying: Box<Trying>, first: bool, out: &mut Effects) {
        self.roll_back_question(out);
        trying.stage = Stage::TakingBack { first };
        self.work = Work::Trying(trying);
    }

    /// What the client has set is known, and who is in the way.
    fn begin_tries(&mut self, mut trying: Box<Trying>, now: Instant, out: &mut Effects) {
        let is_new = |relation: &_| self.overlay.created(relation) || is_version_table(relation);
        if trying.in_block && trying.holders.as_ref().is_some_and(|holders| holders.holds_of_others(is_new)) {
            self.step_begins(now);
            self.run_own(&trying.sql, &[], Ending::Sync, out);
            trying.stage = Stage::Once;
            self.work = Work::Trying(trying);
            return;
        }
        let [lock, _] = trying.before;
        let mut patience = self.identity.patience;
        patience.longest_ms = if lock > 0 { patience.longest_ms.min(lock) } else { patience.longest_ms };
        trying.limit = limit(trying.before, self.identity.kept_lock_timeout_ms, patience);
        trying.longest_ms = patience.longest_ms;
        trying.tries = Tries::new(patience, trying.limit.total_ms, &self.identity.id);
        trying.tries.begin(trying.holders.as_ref());
        match trying.holders.as_ref().and_then(|holders| holders.open_for(LONG)) {
            Some(long) => self.say_notice(&in_the_way::in_use(&trying.lock, &long, trying.limit.total_ms), out),
            None => _ = self.watch_who_is_there(&mut trying, out),
        }
        self.next_try(trying, now, out);
    }

    fn next_try(&mut self, mut trying: Box<Trying>, now: Instant, out: &mut Effects) {
        if trying.cancelled {
            trying.observe_end(WaitEnd::Failed, now, out);
            let refusal = Refusal { sqlstate: "57014", message: CANCELLED.to_owned(), detail: None, hint: None, position: None };
            return self.refuse(trying.goal.subject(), &refusal, trying.decided(), out);
        }
        let lock_ms = trying.tries.timeout_ms(trying.waited(now));
        let (bound_ms, statement_ms) = trying.bound(lock_ms, now);
        let place = if trying.in_block {
            self.try_behind_savepoint(&trying, lock_ms, statement_ms, out)
        } else {
            let limits = std::iter::once(("lock_timeout", lock_ms)).chain(statement_ms.map(|ms| ("statement_timeout", ms)));
            let limits: serde_json::Map<_, _> = limits.map(|(name, ms)| (name.to_owned(), ms.to_string().into())).collect();
            self.run_owns(&[(SET, &[serde_json::Value::from(limits).to_string()]), (&trying.sql, &[])], Ending::Sync, out);
            1
        };
        self.step_begins(now);
        trying.stage = Stage::Try(Run { begun: now, lock_ms, bound_ms, place });
        self.work = Work::Trying(trying);
    }

    /// What was set behind the savepoint outlives its release, and is set back.
    fn try_behind_savepoint(&mut self, trying: &Trying, lock_ms: u64, statement_ms: Option<u64>, out: &mut Effects) -> usize {
        let set = |name: &str, ms: u64| format!("SET LOCAL {name} = {ms}");
        let [lock, statement] = trying.before;
        let limits = std::iter::once(set("lock_timeout", lock_ms)).chain(statement_ms.map(|ms| set("statement_timeout", ms)));
        let back = std::iter::once(set("lock_timeout", lock)).chain(statement_ms.map(|_| set("statement_timeout", statement)));
        let before: Vec<String> = std::iter::once(SAVEPOINT.to_owned()).chain(limits).collect();
        let behind: Vec<String> = std::iter::once(RELEASE.to_owned()).chain(back).collect();
        let statements: Vec<(&str, &[String])> = before.iter().chain([&trying.sql]).chain(&behind).map(|sql| (sql.as_str(), &[][..])).collect();
        self.run_owns(&statements, Ending::Sync, out);
        before.len()
    }

    /// The locks of the try are given back, and whoever is there is asked for.
    fn look_who_is_there(&mut self, mut trying: Box<Trying>, now: Instant, out: &mut Effects) {
        let parameters = holders::parameters(&trying.lock);
        let question = trying.lock.may_ask.then_some((holders::QUESTION, &parameters[..]));
        let guard = |sql| trying.in_block.then_some((sql, &[][..]));
        let statements: Vec<(&str, &[String])> = guard(ROLLBACK_TO).into_iter().chain(question).chain(guard(RELEASE)).collect();
        if statements.is_empty() {
            trying.holders = None;
            return self.pause_between_tries(trying, now, out);
        }
        if trying.in_block {
            self.run_owns_behind_failure(&statements, out)
        } else {
            self.run_owns(&statements, Ending::Sync, out)
        }
        trying.stage = Stage::Look;
        self.work = Work::Trying(trying);
    }

    fn pause_between_tries(&mut self, mut trying: Box<Trying>, now: Instant, out: &mut Effects) {
        let waited = trying.waited(now);
        let Some(pause) = trying.tries.failed(waited, trying.holders.as_ref()) else {
            let refusal = trying.over(now);
            trying.observe_end(WaitEnd::GaveUp, now, out);
            return self.refuse(trying.goal.subject(), &refusal, trying.decided(), out);
        };
        let told = trying.ticks.due(now).is_some() || trying.tries.count() == 1;
        if told && !self.watch_who_is_there(&mut trying, out) {
            self.say_notice(&in_the_way::waiting(&trying.lock, waited, trying.tries.count(), trying.holders.as_ref()), out);
        }
        trying.stage = if trying.in_block {
            Stage::Pause(now + pause)
        } else {
            self.run_own(SLEEP, &[pause.as_secs_f64().to_string()], Ending::Sync, out);
            Stage::Nap
        };
        self.work = Work::Trying(trying);
    }

    /// Asks the monitor, which may know more of them; then they are told when it has answered. Whether it was asked.
    fn watch_who_is_there(&mut self, trying: &mut Trying, out: &mut Effects) -> bool {
        let Some(pid) = self.watched() else { return false };
        let beside = trying.holders.as_ref().map(Holders::pids).unwrap_or_default();
        if beside.is_empty() && trying.lock.may_ask || trying.looking {
            return trying.looking;
        }
        out.watch = Some(Watch { pid, beside });
        trying.looking = true;
        true
    }

    /// The monitor has looked; `None` where it could not.
    pub(super) fn seen_in_the_way(&mut self, sight: Option<&Sight>, now: Instant, out: &mut Effects) {
        let Work::Trying(trying) = &mut self.work else { return };
        if !std::mem::take(&mut trying.looking) {
            return;
        }
        if let (Some(holders), Some(sight)) = (&mut trying.holders, sight) {
            holders.learn(sight);
        }
        let (waited, count) = (trying.waited(now), trying.tries.count());
        let long = trying.holders.as_ref().and_then(|holders| holders.open_for(LONG));
        let notice = match long {
            _ if count > 0 => Some(in_the_way::waiting(&trying.lock, waited, count, trying.holders.as_ref())),
            long => long.map(|long| in_the_way::in_use(&trying.lock, &long, trying.limit.total_ms)),
        };
        if let Some(notice) = notice {
            self.say_notice(&notice, out);
        }
    }

    /// A cancel request for this session has passed: in a pause the server has nothing to cancel, and it is ours.
    pub(super) fn try_cancelled(&mut self, mut trying: Box<Trying>, now: Instant, out: &mut Effects) {
        trying.cancelled = true;
        if trying.next().is_some() { self.next_try(trying, now, out) } else { self.work = Work::Trying(trying) }
    }

    /// The time that [`Trying::next`] named has come.
    pub(super) fn try_again(&mut self, trying: Box<Trying>, now: Instant, out: &mut Effects) {
        self.next_try(trying, now, out);
    }

    fn try_succeeded(&mut self, trying: Box<Trying>, tag: Option<&String>, now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        self.touched = true;
        trying.observe_end(WaitEnd::Got, now, out);
        match trying.goal {
            Goal::Deferred(deferring) => self.original_done(*deferring, now, out),
            Goal::Statement { subject, effects, decided } => {
                if trying.in_block {
                    effects.iter().for_each(|effect| self.overlay.apply(effect));
                }
                let tag = tag.map_or("", String::as_str);
                self.versions.tried(&subject.script, &effects, tag, self.status);
                self.close_record(decided, Some(tag), None, now, out);
                self.say_complete(messages::command_complete(tag), out);
                self.end_of_try(subject.shape, false, out);
            }
        }
    }

    /// The server's own error is the client's, word for word; in a block the transaction has failed with it.
    fn try_failed(&mut self, trying: Box<Trying>, error: &Bytes, now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        trying.observe_end(WaitEnd::Failed, now, out);
        match trying.goal {
            Goal::Deferred(deferring) => self.original_failed(&deferring, error, now, out),
            Goal::Statement { subject, decided, .. } => {
                self.close_record(decided, None, Some(server_error(error).sqlstate), now, out);
                let frame = self.as_of_the_string(errors::error_of(error));
                self.say(frame, out);
                self.end_of_try(subject.shape, true, out);
            }
        }
    }

    fn end_of_try(&mut self, shape: Shape, failed: bool, out: &mut Effects) {
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

/// In the server's own words.
const CANCELLED: &str = "canceling statement due to user request";

/// A lock_timeout of the client's own that is stricter than the proxy's is for the whole wait, and so is its statement_timeout.
fn limit([lock, statement]: [u64; 2], kept_lock_timeout_ms: u64, patience: Patience) -> Limit {
    let total_ms = if lock > 0 && lock < kept_lock_timeout_ms { lock } else { patience.total_ms };
    if statement > 0 && statement < total_ms {
        return Limit { total_ms: statement, sqlstate: "57014", message: "canceling statement due to statement timeout" };
    }
    Limit { total_ms, sqlstate: "55P03", message: "canceling statement due to lock timeout" }
}

fn read(exchange: &OwnExchange) -> Option<Holders> {
    exchange.answers.iter().find_map(|answer| match answer {
        Answer::Text(Some(text)) => Holders::read(text),
        Answer::Text(None) | Answer::Failed => None,
    })
}
