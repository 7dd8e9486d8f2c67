//! What earlier transactions of this role were promised, and was not done: it is finished before the session's first statement that may change
//! the schema, or its first BEGIN.
//!
//! ```text
//!   Listing ─▶ (Asking whether it committed) ─▶ Work ⟲ ─▶ the next one … ─▶ the client's statement
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::deferred::fate::{self, Fate, borne_out, evidence};
use crate::deferred::promise::{Failed, Pending, Progress as Became};
use crate::deferred::seen::{self, Seen};
use crate::policy::plan::Notice;
use crate::policy::settings::Mode;
use crate::sql::statement::{Script, Statement, TransactionControl};

use super::committing::failed;
use super::effects::Effects;
use super::own::{Ending, OwnExchange};
use super::runner::{Failure, Next, Runner, Task};
use super::ticks::Ticks;
use super::work::Work;
use super::{Progress, Session, Status};

/// Promises on their way.
#[derive(Debug)]
pub(super) struct Resuming {
    waiting: VecDeque<Pending>,
    current: Option<Pending>,
    work: Option<Runner>,
    /// The catalog is asked to bear out what the server says of the transaction's number.
    doubted: bool,
    noted: usize,
    /// What the client wants to run.
    sql: Arc<str>,
    pub(super) ticks: Ticks,
}

impl Resuming {
    /// What is being finished.
    pub(super) fn runner(&self) -> Option<&Runner> {
        self.work.as_ref()
    }

    /// How many operations it has left.
    pub(super) fn operations(&self) -> usize {
        self.current.as_ref().map_or(0, |pending| pending.rest().len())
    }

    /// What the client wants to run.
    pub(super) fn sql(&self) -> Arc<str> {
        Arc::clone(&self.sql)
    }
}

/// Everything but rows and settings.
pub(super) fn may_change_schema(script: &Script) -> bool {
    script.statements.iter().any(|parsed| match &parsed.statement {
        Statement::Transaction(control) => *control == TransactionControl::Begin,
        Statement::Query(_) | Statement::Setting(_) | Statement::Copy(_) | Statement::Deallocate(_) | Statement::Brief("SHOW") => false,
        _ => true,
    })
}

impl Session {
    /// The store is to be asked before this string: nothing is under way on the session that what it finds could disturb.
    pub(super) fn resumes_before(&self, script: &Script) -> bool {
        let asks = !self.resumed && !self.standby && self.identity.mode == Mode::Enforce && self.place.is_some();
        asks && self.status == Status::Idle && self.replies.is_empty() && !self.batch.open && may_change_schema(script)
    }

    /// Asks the store; the client's frame stays where it is.
    pub(super) fn resume(&mut self, script: &Script, now: Instant, out: &mut Effects) {
        self.resumed = true;
        out.pending.clone_from(&self.place);
        self.work = Work::Resuming(Box::new(Resuming {
            waiting: VecDeque::new(),
            current: None,
            work: None,
            doubted: false,
            noted: 0,
            sql: Arc::clone(&script.text),
            ticks: Ticks::new(now),
        }));
    }

    /// The store has answered.
    pub(super) fn pending_found(&mut self, result: Result<Vec<Pending>, String>, now: Instant, out: &mut Effects) -> Progress {
        let mut resuming = match std::mem::replace(&mut self.work, Work::Open) {
            Work::Resuming(resuming) => resuming,
            Work::Committing(committing) => {
                self.untold_found(committing, result.unwrap_or_default(), out);
                return Ok(());
            }
            Work::Running(rewriting) => {
                self.whole_found(rewriting, result, now, out);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match result {
            Ok(found) => {
                resuming.waiting = found.into();
                self.resume_next(resuming, out);
            }
            Err(why) => {
                // Who has waited in vain for the store once does not do so twice.
                self.looked_back = true;
                self.say_notice(&unknown(&why), out);
            }
        }
        Ok(())
    }

    fn resume_next(&mut self, mut resuming: Box<Resuming>, out: &mut Effects) {
        let Some(pending) = resuming.waiting.pop_front() else {
            self.work = Work::Open;
            return;
        };
        if let Some(whole) = &pending.promise.whole {
            let comes_again = whole.sql == *resuming.sql;
            return self.resume_whole(resuming, pending, comes_again, out);
        }
        let committed = pending.committed;
        let xid = pending.promise.xid.clone();
        resuming.current = Some(pending);
        (resuming.work, resuming.doubted) = (None, false);
        if committed {
            self.resume_work(resuming, out);
        } else {
            self.run_own(&fate::question(), &[xid], Ending::Sync, out);
            self.work = Work::Resuming(resuming);
        }
    }

    /// All replies to our statements are there.
    pub(super) fn resuming(&mut self, mut resuming: Box<Resuming>, exchange: OwnExchange, _now: Instant, out: &mut Effects) -> Progress {
        if let Some(mut work) = resuming.work.take() {
            let next = work.answered(exchange.into_answered());
            resuming.work = Some(work);
            self.resume_with(resuming, next, out);
            return Ok(());
        }
        let answer = exchange.into_answered();
        let answer = answer.as_ref().map(|text| text.as_deref()).map_err(|error| &*error.sqlstate);
        let fate = match (&resuming.current, resuming.doubted) {
            (Some(_), true) => {
                answer.map_or(Fate::Unknown, |text| text.and_then(|text| Seen::read(text).ok()).map_or(Fate::Unknown, |seen| borne_out(&seen)))
            }
            (Some(pending), false) => Fate::of(answer, &pending.promise.life),
            (None, _) => Fate::Unknown,
        };
        self.resume_after(resuming, fate, out);
        Ok(())
    }

    /// It is known what became of the transaction, or that it is not known.
    fn resume_after(&mut self, mut resuming: Box<Resuming>, fate: Fate, out: &mut Effects) {
        let id = resuming.current.as_ref().map(|pending| pending.id);
        match fate {
            Fate::Committed if self.only_asks(&resuming) => {
                out.progress.extend(id.map(|id| (id, Became::Settled)));
                self.resume_next(resuming, out);
            }
            Fate::Doubtful | Fate::Unknown if self.only_asks(&resuming) => {
                out.progress.extend(id.map(|id| (id, Became::Unknown)));
                self.resume_next(resuming, out);
            }
            Fate::Committed => {
                out.progress.extend(id.map(|id| (id, Became::Committed)));
                self.resume_work(resuming, out);
            }
            Fate::Aborted => {
                out.progress.extend(id.map(|id| (id, Became::Aborted)));
                self.resume_next(resuming, out);
            }
            // Its session is about to commit it, and then works it off itself.
            Fate::InProgress => self.resume_next(resuming, out),
            Fate::Doubtful => match resuming.current.as_ref().and_then(|pending| evidence(&pending.promise.operations)) {
                Some(parameters) => {
                    resuming.doubted = true;
                    self.run_own(seen::QUESTION, &parameters, Ending::Sync, out);
                    self.work = Work::Resuming(resuming);
                }
                None => self.resume_after(resuming, Fate::Unknown, out),
            },
            // A person has to look; until then DDL on its tables is refused.
            Fate::Unknown => {
                self.pending.extend(resuming.current.take());
                self.resume_next(resuming, out);
            }
        }
    }

    /// Nothing was left to do: only the log wants to know.
    fn only_asks(&self, resuming: &Resuming) -> bool {
        resuming.current.as_ref().is_some_and(|pending| pending.promise.operations.is_empty())
    }

    fn resume_work(&mut self, mut resuming: Box<Resuming>, out: &mut Effects) {
        let Some(pending) = resuming.current.take() else { return self.resume_next(resuming, out) };
        let tasks: Vec<_> = pending.rest().iter().enumerate().map(|(place, deferred)| Task::promised(deferred, pending.tried(place))).collect();
        let runner = Runner::promised(self.settings.hold_ms.min(self.identity.step_timeout_ms), tasks)
            .patient(self.identity.patience, &self.identity.id, None)
            .once();
        // Bad data waits for a person; but what it was about may have been dropped, or made by hand.
        let runner = if pending.may_be_retried() { runner } else { runner.looking() };
        if pending.may_be_retried() {
            self.say_notice(&resumed(&pending), out);
        }
        let next = runner.start();
        (resuming.noted, resuming.current, resuming.work) = (0, Some(pending), Some(runner));
        self.resume_with(resuming, next, out);
    }

    /// A statement that was cut off: it is taken back, or left for its own return.
    fn resume_whole(&mut self, mut resuming: Box<Resuming>, pending: Pending, comes_again: bool, out: &mut Effects) {
        if comes_again {
            self.cut_off = Some(pending);
            return self.resume_next(resuming, out);
        }
        // What speaks against taking it back is for a person.
        if !pending.may_be_retried() {
            self.pending.push(pending);
            return self.resume_next(resuming, out);
        }
        let runner = Runner::back(self.identity.step_timeout_ms, &pending).patient(self.identity.patience, &self.identity.id, None).once();
        let next = runner.start();
        (resuming.noted, resuming.current, resuming.work) = (0, Some(pending), Some(runner));
        self.resume_with(resuming, next, out);
    }

    fn resume_with(&mut self, mut resuming: Box<Resuming>, next: Next, out: &mut Effects) {
        let done = resuming.work.as_ref().map_or(0, Runner::done);
        let (id, before) = resuming.current.as_ref().map_or((None, 0), |pending| (Some(pending.id), pending.done));
        let whole = resuming.current.as_ref().is_some_and(|pending| pending.promise.whole.is_some());
        if done > resuming.noted && !whole {
            resuming.noted = done;
            out.progress.extend(id.map(|id| (id, Became::Done(before + done))));
        }
        match next {
            Next::Quiet => {
                self.quiet_siblings(out);
                self.work = Work::Resuming(resuming);
            }
            Next::Run(sql, parameters) => {
                self.run_own(&sql, &parameters, Ending::Sync, out);
                self.work = Work::Resuming(resuming);
            }
            Next::Note(error) => {
                let Some(id) = id else { return self.resuming_noted(resuming, out) };
                out.note = Some((id, failed(before + done, &error)));
                self.work = Work::Resuming(resuming);
            }
            // Nobody promises anew what is promised.
            Next::Promise => self.resume_next(resuming, out),
            Next::Finished(Ok(())) if whole => {
                let complete = resuming.work.as_ref().is_some_and(Runner::is_complete);
                self.taken_back(&mut resuming, complete, out);
                self.resume_next(resuming, out);
            }
            Next::Finished(Err(failure)) if whole => {
                self.resume_failed(&mut resuming, before, failure, out);
                self.resume_next(resuming, out);
            }
            Next::Finished(Ok(())) => {
                self.resume_done(&mut resuming, before + done, out);
                self.resume_next(resuming, out);
            }
            Next::Finished(Err(failure)) => {
                self.resume_failed(&mut resuming, before + done, failure, out);
                self.resume_next(resuming, out);
            }
        }
    }

    pub(super) fn resuming_noted(&mut self, mut resuming: Box<Resuming>, out: &mut Effects) {
        match resuming.work.as_mut().map(|work| work.answered(Ok(None))) {
            Some(next) => self.resume_with(resuming, next, out),
            None => self.resume_next(resuming, out),
        }
    }

    /// Of a statement that was cut off all was there, or nothing is left.
    fn taken_back(&mut self, resuming: &mut Resuming, complete: bool, out: &mut Effects) {
        let Some(pending) = resuming.current.take() else { return };
        out.progress.push((pending.id, if complete { Became::Settled } else { Became::Aborted }));
        if !complete {
            self.say_notice(&was_taken_back(&pending), out);
        }
    }

    /// All is done; or, where it was only looked at, so much as need not be done any more.
    fn resume_done(&mut self, resuming: &mut Resuming, done: usize, out: &mut Effects) {
        let Some(mut pending) = resuming.current.take() else { return };
        if done >= pending.promise.operations.len() {
            out.progress.push((pending.id, Became::Settled));
            return;
        }
        if done > pending.done {
            pending.error = None;
        }
        pending.done = done;
        self.pending.push(pending);
    }

    fn resume_failed(&mut self, resuming: &mut Resuming, operation: usize, failure: Failure, out: &mut Effects) {
        let Some(mut pending) = resuming.current.take() else { return };
        if failure.is_busy() {
            self.say_notice(&busy(&pending), out);
            return;
        }
        out.progress.push((pending.id, failed(operation, &failure.error)));
        self.say_notice(&still_failing(&pending, &failure), out);
        pending.done = operation;
        pending.error = Some(Failed { sqlstate: failure.error.sqlstate, message: failure.error.message });
        self.pending.push(pending);
    }
}

fn tables(pending: &Pending) -> String {
    let mut names: Vec<String> = pending.rest().iter().map(|deferred| deferred.table.to_string()).collect();
    names.dedup();
    names.join(", ")
}

fn notice(severity: &'static str, message: String) -> Notice {
    let sqlstate = if severity == "WARNING" { "01000" } else { "00000" };
    Notice { severity, sqlstate, message, detail: None }
}

fn resumed(pending: &Pending) -> Notice {
    let steps: Vec<String> = pending.rest().iter().flat_map(|deferred| deferred.operation.steps()).map(|step| step.sql).collect();
    notice("NOTICE", format!("pgairlock: finishing what an earlier migration left for after its COMMIT: {}", steps.join("; ")))
}

fn was_taken_back(pending: &Pending) -> Notice {
    let sql = pending.promise.whole.as_ref().map(|whole| &*whole.sql).unwrap_or_default();
    let joins = pending.promise.operations.iter().any(|deferred| deferred.operation.joins().is_some());
    let what = if joins { "its helpers are dropped; a partition that had joined stays" } else { "what it had done is taken back" };
    notice("NOTICE", format!("pgairlock: a statement on {} was cut off in an earlier session; {what}: {sql}", tables(pending)))
}

fn busy(pending: &Pending) -> Notice {
    if pending.promise.whole.is_some() {
        return notice("NOTICE", format!("pgairlock: another session is still changing {} in safe steps", tables(pending)));
    }
    notice("NOTICE", format!("pgairlock: another session is still working on {}, after the COMMIT of an earlier migration", tables(pending)))
}

fn still_failing(pending: &Pending, failure: &Failure) -> Notice {
    let what = if pending.promise.whole.is_some() {
        "a statement was cut off in an earlier session, and taking back what it had done on"
    } else {
        "what an earlier migration left to do on"
    };
    let message = format!(
        "pgairlock: {what} {} has failed{}: {} ({}); see: pgairlock deferred list",
        tables(pending),
        if pending.promise.whole.is_some() { "" } else { " again" },
        failure.error.message,
        failure.error.sqlstate
    );
    notice("WARNING", message)
}

fn unknown(why: &str) -> Notice {
    notice("WARNING", format!("pgairlock could not look up what earlier migrations left to do: {why}"))
}
