//! A COMMIT that something waits for: promised on disk, committed, done, and only then answered.
//!
//! ```text
//!   Number ─▶ Promise ─▶ Commit ─▶ Work ⟲ ─▶ (Untold ─▶) Rest ⟲ ─▶ answered
//!               │ the store says no   │ ROLLBACK, or an error: the promise is dropped
//!               ▼                     ▼
//!            TakingBack            answered as the server did
//! ```
//!
//! What if we die here? Before `Promise` is answered the transaction is rolled back with the session. Behind it, whether the COMMIT happened is
//! asked of the server by the transaction's number, when a session of the same role comes next (`resuming`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use crate::catalog::footprint::{EXPRESSION, Footprint};
use crate::deferred::fate::LIFE;
use crate::deferred::operation::Try;
use crate::deferred::promise::{Deferred, Pending, Progress as Became, Promise, PromiseId};
use crate::policy::message;
use crate::policy::plan::Notice;
use crate::policy::settings::Mode;
use crate::sql::statement::{Script, Statement, TransactionControl};
use crate::wire::messages;

use super::batch::Batch;
use super::client::Flow;
use super::effects::{Effects, Observed};
use super::own::{Ending, OwnExchange, server_error};
use super::refusals;
use super::runner::{Failure, Next, Runner, ServerError, Task};
use super::ticks::Ticks;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session, Status};

/// The number by which the server will know whether it committed, what it holds, and what a chained transaction inherits. Where nothing waits for the
/// COMMIT no number is taken: a transaction without one has changed nothing.
fn number(is_needed: bool) -> String {
    let current = if is_needed { "pg_current_xact_id" } else { "pg_current_xact_id_if_assigned" };
    format!(
        "SELECT pg_catalog.json_build_object('xid', pg_catalog.{current}()::pg_catalog.text, 'life', {LIFE}, 'footprints', ({EXPRESSION}), \
         'isolation', pg_catalog.current_setting('transaction_isolation'), 'read_only', pg_catalog.current_setting('transaction_read_only'), \
         'deferrable', pg_catalog.current_setting('transaction_deferrable'))::pg_catalog.text"
    )
}

#[derive(Debug, Deserialize)]
struct Number {
    xid: Option<String>,
    life: Option<String>,
    isolation: String,
    read_only: String,
    deferrable: String,
    footprints: Vec<Footprint>,
}

/// A COMMIT on its way.
#[derive(Debug)]
pub(super) struct Committing {
    subject: Subject,
    /// What follows in the same string, and what AND CHAIN begins: its tag where the client hears it.
    rest: VecDeque<(String, bool)>,
    chain: bool,
    tags: Vec<String>,
    /// The COMMIT makes a migration tool take the migration for applied.
    versioned: bool,
    operations: Vec<Deferred>,
    /// Operations of earlier promises that the transaction has made needless.
    needless: Vec<(PromiseId, usize)>,
    promise: Option<PromiseId>,
    work: Option<Runner>,
    /// Operations that the store knows to be done.
    noted: usize,
    /// What failed, and in which promise.
    failure: Option<(Failure, Option<PromiseId>)>,
    /// Nobody hears its tag.
    silent: bool,
    pub(super) ticks: Ticks,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// What code that nobody saw has locked.
    Gate,
    Number,
    Promise,
    Commit,
    Work,
    /// Whether an earlier COMMIT of the same migration has failed without an error that a tool sees.
    Untold,
    Rest(bool),
    TakingBack(String),
}

impl Committing {
    /// Until the promise is on its way, the transaction goes with the session, and nothing is lost.
    pub(super) fn may_be_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Gate | Stage::Number)
    }

    /// Gives back the statement of the COMMIT.
    pub(super) fn into_subject(self) -> Subject {
        self.subject
    }

    /// What its transaction was, the next one is to be.
    pub(super) fn is_chained(&self) -> bool {
        self.chain
    }

    /// It makes a migration tool take the migration for applied.
    pub(super) fn versioned(self, versioned: bool) -> Self {
        Self { versioned, ..self }
    }

    /// What runs after the COMMIT.
    pub(super) fn in_hand(&self) -> Option<String> {
        self.work.as_ref()?.in_hand().map(|(step, _)| step.to_owned())
    }

    pub(super) fn cancel_requested(&mut self) {
        if let Some(work) = &mut self.work {
            work.cancel_requested();
        }
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Nothing runs on the server: the store is asked.
    pub(super) fn waits_for_store(&self) -> bool {
        matches!(self.stage, Stage::Promise | Stage::Untold)
    }

    /// How many operations come after it.
    pub(super) fn operations(&self) -> usize {
        self.operations.len()
    }

    /// The work after the COMMIT.
    pub(super) fn runner(&self) -> Option<&Runner> {
        self.work.as_ref()
    }

    pub(super) fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Work)
    }
}

/// How a string ends a transaction.
pub(super) enum Commits {
    /// COMMIT, perhaps with other transaction commands behind it.
    First {
        /// AND CHAIN.
        chain: bool,
    },
    /// In a way that nothing can be held behind.
    Otherwise,
}

/// Whether a string ends the transaction well.
pub(super) fn commits(script: &Script) -> Option<Commits> {
    let control = |statement: &Statement| if let Statement::Transaction(control) = statement { Some(control.clone()) } else { None };
    let controls: Option<Vec<TransactionControl>> = script.statements.iter().map(|parsed| control(&parsed.statement)).collect();
    let ends = |control: &TransactionControl| matches!(control, TransactionControl::Commit { .. } | TransactionControl::TwoPhase);
    if !script.statements.iter().filter_map(|parsed| control(&parsed.statement)).any(|control| ends(&control)) {
        return None;
    }
    match controls.as_deref() {
        Some([TransactionControl::Commit { chain }, rest @ ..]) if !rest.iter().any(ends) => Some(Commits::First { chain: *chain }),
        _ => Some(Commits::Otherwise),
    }
}

impl Session {
    /// Something waits for the COMMIT that this string would send.
    pub(super) fn commits_what_waits(&self, script: &Script) -> Option<Commits> {
        let waits = self.is_ungated() || self.something_waits();
        if self.status == Status::Failed || !waits && !self.tells_of_earlier() && !self.is_in_the_log() {
            return None;
        }
        // Where nothing waits, a COMMIT among others has no answer that could be held back.
        commits(script).filter(|how| waits || matches!(how, Commits::First { .. }))
    }

    /// Something was put off until the COMMIT, or is needless with it.
    pub(super) fn something_waits(&self) -> bool {
        !(self.overlay.deferred().is_empty() && self.overlay.needless().is_empty())
    }

    /// The COMMIT makes a tool take a migration for applied, whose own COMMIT came before it, perhaps on another connection: if what waited for
    /// that one has failed, this is the answer to be an error (facts: tools, 3).
    pub(super) fn tells_of_earlier(&self) -> bool {
        self.overlay.version_written() && self.identity.mode == Mode::Enforce && self.place.is_some()
    }

    /// Decisions of this transaction are in the log: whether it committed is to be found out even when nobody hears it.
    pub(super) fn is_in_the_log(&self) -> bool {
        self.chronicle.is_open() && self.announces_commits()
    }

    /// No COMMIT of what is in the log is sent before the log has it too.
    pub(super) fn announces_commits(&self) -> bool {
        self.identity.mode == Mode::Enforce && self.place.is_some()
    }

    /// Takes up a COMMIT that something waits for.
    pub(super) fn commit(&mut self, script: Arc<Script>, shape: Shape, how: &Commits, now: Instant, out: &mut Effects) -> Progress<Flow> {
        let frame = self.take_next(out);
        self.commit_subject(Subject { script, frame: Some(frame), shape, in_transaction: true, since: now }, how, out);
        Ok(Flow::Next)
    }

    pub(super) fn commit_subject(&mut self, subject: Subject, how: &Commits, out: &mut Effects) {
        let Commits::First { chain } = how else {
            return self.refuse(&subject, &refusals::commit_among_others(), None, out);
        };
        let (script, since) = (Arc::clone(&subject.script), subject.since);
        let rest = script.statements.iter().skip(1).filter_map(|parsed| script.text.get(parsed.span.clone()));
        let committing = Committing {
            subject,
            rest: rest.map(|sql| (sql.to_owned(), true)).collect(),
            chain: *chain,
            tags: Vec::new(),
            versioned: false,
            operations: Vec::new(),
            needless: Vec::new(),
            promise: None,
            work: None,
            noted: 0,
            failure: None,
            silent: self.commit_is_unasked(),
            ticks: Ticks::new(since),
            stage: Stage::Number,
        };
        if self.is_ungated() {
            return self.look_before_commit(Committing { stage: Stage::Gate, ..committing }, out);
        }
        self.ask_for_number(Box::new(committing), out);
    }

    pub(super) fn ask_for_number(&mut self, committing: Box<Committing>, out: &mut Effects) {
        self.run_own(&number(self.something_waits()), &[], self.own_ending(), out);
        self.work = Work::Committing(Box::new(Committing { stage: Stage::Number, ..*committing }));
    }

    /// All replies to our statements are there.
    pub(super) fn committing(&mut self, mut committing: Box<Committing>, exchange: OwnExchange, now: Instant, out: &mut Effects) -> Progress {
        match std::mem::replace(&mut committing.stage, Stage::Number) {
            Stage::Gate => return self.gated_before_commit(committing, &exchange, out),
            Stage::Number => self.numbered(committing, exchange, now, out),
            Stage::Commit => self.committed(committing, &exchange, now, out),
            Stage::Work => {
                let next = committing.work.as_mut().map(|work| work.answered(exchange.into_answered()));
                self.work_on(committing, next, out);
            }
            Stage::Rest(told) => {
                if let Some(error) = &exchange.error {
                    self.commit_failed(&committing, error, out);
                    return Ok(());
                }
                committing.tags.extend(exchange.tags.into_iter().filter(|_| told));
                self.rest(committing, out);
            }
            Stage::TakingBack(why) => {
                self.work = Work::Open;
                let refusal = super::judging::store_unavailable(&why);
                out.observed.push(Observed::Refused(refusal.sqlstate));
                self.say_error(refusal.sqlstate, &refusal.message, None, refusal.hint.as_deref(), out);
                self.end_of_commit(committing.subject.shape, true, out);
            }
            // Nothing of ours runs while the store is asked.
            stage @ (Stage::Promise | Stage::Untold) => {
                committing.stage = stage;
                self.work = Work::Committing(committing);
            }
        }
        Ok(())
    }

    fn numbered(&mut self, mut committing: Box<Committing>, exchange: OwnExchange, now: Instant, out: &mut Effects) {
        if let Some(error) = &exchange.error {
            return self.commit_failed(&committing, error, out);
        }
        let number = exchange.into_answered().ok().flatten().and_then(|text| serde_json::from_str::<Number>(&text).ok());
        // Only now is everything answered that stood before it: a ROLLBACK TO in the same batch may have left nothing to wait.
        committing.operations = self.overlay.deferred().to_vec();
        committing.needless = self.overlay.needless().to_vec();
        committing.versioned = self.overlay.version_written();
        let (Some(number), Some(place)) = (number, self.place.clone()) else {
            self.work = Work::Open;
            self.refuse(&committing.subject, &refusals::commit_without_number(), None, out);
            return;
        };
        if committing.chain {
            committing.rest.push_front((begin_like(&number), false));
        }
        let Some(xid) = number.xid.filter(|_| !committing.operations.is_empty() || self.is_in_the_log()) else {
            return self.send_commit(committing, out);
        };
        let promise = Promise {
            session: self.identity.id.clone(),
            transaction: self.chronicle.number(),
            place,
            role: self.identity.principal.role.clone(),
            xid,
            life: number.life.unwrap_or_default(),
            operations: committing.operations.clone(),
            whole: None,
        };
        out.promise = Some(Box::new((promise, self.chronicle.trail(Some(number.footprints), &self.overlay, now))));
        committing.stage = Stage::Promise;
        self.work = Work::Committing(committing);
    }

    /// The store has answered.
    pub(super) fn promised(&mut self, result: Result<PromiseId, String>, now: Instant, out: &mut Effects) -> Progress {
        let mut committing = match std::mem::replace(&mut self.work, Work::Open) {
            Work::Committing(committing) => committing,
            Work::Running(rewriting) => {
                self.whole_promised(rewriting, result, now, out);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match result {
            // Nobody waits for it any more: it is rolled back with the session.
            Ok(id) if self.client_gone => out.progress.push((id, Became::Aborted)),
            Ok(id) => {
                committing.promise = Some(id);
                self.send_commit(committing, out);
            }
            Err(why) => {
                committing.stage = Stage::TakingBack(why);
                self.run_own("ROLLBACK", &[], Ending::Sync, out);
                self.work = Work::Committing(committing);
            }
        }
        Ok(())
    }

    pub(super) fn send_commit(&mut self, mut committing: Box<Committing>, out: &mut Effects) {
        committing.stage = Stage::Commit;
        self.run_own("COMMIT", &[], Ending::Sync, out);
        self.work = Work::Committing(committing);
    }

    fn committed(&mut self, mut committing: Box<Committing>, exchange: &OwnExchange, now: Instant, out: &mut Effects) {
        let became = |became: Became| committing.promise.map(|id| (id, became));
        if let Some(error) = &exchange.error {
            out.progress.extend(became(Became::Aborted));
            return self.commit_failed(&committing, error, out);
        }
        let tag = exchange.tags.first().cloned().unwrap_or_default();
        let done = tag == "COMMIT";
        self.chronicle.ended(done, now);
        let well = if committing.operations.is_empty() { Became::Settled } else { Became::Committed };
        out.progress.extend(became(if done { well } else { Became::Aborted }));
        committing.tags.push(tag);
        if done {
            out.progress.extend(committing.needless.iter().map(|(id, operation)| (*id, Became::Needless(*operation))));
            self.forget_pending(&committing.needless);
        }
        if !done {
            return self.rest(committing, out);
        }
        if committing.operations.is_empty() {
            return self.look_for_untold(committing, out);
        }
        let tasks = committing.operations.iter().map(|deferred| Task::promised(deferred, Try::Again { cleaned: false })).collect();
        let runner = Runner::promised(self.settings.hold_ms.min(self.identity.step_timeout_ms), tasks).patient(
            self.identity.patience,
            &self.identity.id,
            None,
        );
        let next = runner.start();
        committing.work = Some(runner);
        committing.ticks = Ticks::new(now);
        self.work_on(committing, Some(next), out);
    }

    fn work_on(&mut self, mut committing: Box<Committing>, next: Option<Next>, out: &mut Effects) {
        if let (Some(id), Some(work)) = (committing.promise, &committing.work)
            && work.done() > committing.noted
        {
            committing.noted = work.done();
            out.progress.push((id, Became::Done(committing.noted)));
        }
        match next {
            Some(Next::Quiet) => {
                committing.stage = Stage::Work;
                self.quiet_siblings(out);
                self.work = Work::Committing(committing);
            }
            Some(Next::Run(sql, parameters)) => {
                committing.stage = Stage::Work;
                self.run_own(&sql, &parameters, Ending::Sync, out);
                self.work = Work::Committing(committing);
            }
            Some(Next::Note(error)) => {
                committing.stage = Stage::Work;
                out.note = committing.promise.map(|id| (id, failed(committing.noted, &error)));
                self.work = Work::Committing(committing);
                if out.note.is_none() {
                    self.noted(out);
                }
            }
            Some(Next::Finished(result)) => {
                let became = match &result {
                    Ok(()) => Became::Settled,
                    Err(failure) => failed(committing.noted, &failure.error),
                };
                out.progress.extend(committing.promise.map(|id| (id, became)));
                committing.failure = result.err().map(|failure| (failure, committing.promise));
                if committing.failure.is_some() { self.rest(committing, out) } else { self.look_for_untold(committing, out) }
            }
            // Only what stands outside of any transaction is promised while it runs.
            Some(Next::Promise) | None => self.rest(committing, out),
        }
    }

    /// The store knows of a failure, or cannot: the work that has failed goes on to its end.
    pub(super) fn noted(&mut self, out: &mut Effects) {
        match std::mem::replace(&mut self.work, Work::Open) {
            Work::Committing(mut committing) => {
                let next = committing.work.as_mut().map(|work| work.answered(Ok(None)));
                self.work_on(committing, next, out);
            }
            Work::Resuming(resuming) => self.resuming_noted(resuming, out),
            other => self.work = other,
        }
    }

    fn look_for_untold(&mut self, mut committing: Box<Committing>, out: &mut Effects) {
        if !committing.versioned || self.identity.mode != Mode::Enforce {
            return self.rest(committing, out);
        }
        out.pending.clone_from(&self.place);
        committing.stage = Stage::Untold;
        self.work = Work::Committing(committing);
    }

    /// The store has answered.
    pub(super) fn untold_found(&mut self, mut committing: Box<Committing>, found: Vec<Pending>, out: &mut Effects) {
        // That it was told may still be on its way to the store.
        let untold =
            found.into_iter().find(|pending| pending.committed && pending.error.is_some() && !pending.told && !self.told.contains(&pending.id));
        committing.failure = untold.and_then(|pending| {
            let step = pending.rest().first().map(|deferred| message::sql_of(&deferred.operation.steps())).unwrap_or_default();
            let error = pending.error?;
            let error = ServerError { sqlstate: error.sqlstate, message: error.message, ..ServerError::default() };
            Some((Failure { error, step, left_over: Vec::new() }, Some(pending.id)))
        });
        self.rest(committing, out);
    }

    /// What stands behind the COMMIT in its string; then the client is answered.
    fn rest(&mut self, mut committing: Box<Committing>, out: &mut Effects) {
        if let Some((sql, told)) = committing.rest.pop_front() {
            committing.stage = Stage::Rest(told);
            self.run_own(&sql, &[], Ending::Sync, out);
            self.work = Work::Committing(committing);
            return;
        }
        self.work = Work::Open;
        match &committing.failure {
            Some((failure, promise)) if committing.versioned => {
                self.told.extend(*promise);
                out.progress.extend(promise.map(|id| (id, Became::Told)));
                let (message, detail, hint) = told(failure, *promise);
                self.say_error("PA004", &message, Some(&detail), Some(&hint), out);
                return self.end_of_commit(committing.subject.shape, true, out);
            }
            Some((failure, promise)) => {
                let (message, detail, _) = told(failure, *promise);
                self.say_notice(&Notice { severity: "WARNING", sqlstate: "01000", message, detail: Some(detail) }, out);
            }
            None => {}
        }
        for tag in committing.tags.iter().filter(|_| !committing.silent) {
            self.say(messages::command_complete(tag), out);
        }
        self.end_of_commit(committing.subject.shape, false, out);
    }

    /// The server's own error is the client's.
    fn commit_failed(&mut self, committing: &Committing, error: &[u8], out: &mut Effects) {
        self.work = Work::Open;
        let error = server_error(error);
        self.say_error(&error.sqlstate, &error.message, error.detail.as_deref(), error.hint.as_deref(), out);
        self.end_of_commit(committing.subject.shape, true, out);
    }

    pub(super) fn end_of_commit(&mut self, shape: Shape, failed: bool, out: &mut Effects) {
        match shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => {
                self.batch = Batch { open: true, ..Batch::default() };
                self.skipping = failed;
            }
        }
    }
}

/// What the store keeps of a failure.
pub(super) fn failed(operation: usize, error: &ServerError) -> Became {
    Became::Failed { operation, sqlstate: error.sqlstate.clone(), message: error.message.clone() }
}

/// Message, DETAIL and HINT.
fn told(failure: &Failure, promise: Option<PromiseId>) -> (String, String, String) {
    let number = promise.map_or(0, |id| id.0);
    let again = format!("pgairlock deferred run {number}");
    let message = format!(
        "pgairlock: the migration is committed, but what waited for its COMMIT has failed: {} ({}). Mend the cause, then run: {again}",
        failure.error.message, failure.error.sqlstate
    );
    let step = format!("pgairlock was running: {}", failure.step);
    let detail = failure.error.detail.as_ref().map_or(step.clone(), |detail| format!("{detail}\n{step}"));
    let left = if failure.left_over.is_empty() { String::new() } else { format!(" Left over: {};", failure.left_over.join("; ")) };
    (message, detail, format!("Until then DDL on this table is refused with PA004; the migration itself is not to be run again.{left}"))
}

/// What AND CHAIN begins.
fn begin_like(number: &Number) -> String {
    let access = if number.read_only == "on" { "READ ONLY" } else { "READ WRITE" };
    let deferrable = if number.deferrable == "on" { "DEFERRABLE" } else { "NOT DEFERRABLE" };
    format!("BEGIN ISOLATION LEVEL {} {access} {deferrable}", number.isolation.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    fn how(text: &str) -> Option<&'static str> {
        commits(&script(text, 1 << 20).unwrap()).map(|commits| match commits {
            Commits::First { chain: true } => "chain",
            Commits::First { chain: false } => "first",
            Commits::Otherwise => "otherwise",
        })
    }

    #[test]
    fn strings_that_commit_are_known() {
        for (text, expected) in [
            ("COMMIT", Some("first")),
            ("END", Some("first")),
            ("COMMIT AND CHAIN", Some("chain")),
            ("COMMIT; BEGIN", Some("first")),
            ("COMMIT; BEGIN; COMMIT", Some("otherwise")),
            ("SELECT 1; COMMIT", Some("otherwise")),
            ("COMMIT; SELECT 1", Some("otherwise")),
            ("PREPARE TRANSACTION 'x'", Some("otherwise")),
            ("ROLLBACK", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(how(text), expected, "{text}");
        }
    }

    #[test]
    fn a_chained_transaction_is_like_the_one_before() {
        let number = Number {
            xid: None,
            life: None,
            footprints: Vec::new(),
            isolation: "repeatable read".into(),
            read_only: "off".into(),
            deferrable: "on".into(),
        };
        assert_eq!(begin_like(&number), "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE DEFERRABLE");
    }
}
