//! A statement outside of any transaction as a promise: made when its table is its own, closed when it has come to its end (`deferred::whole`).

use std::time::Instant;

use crate::audit::event::Trail;
use crate::deferred::operation::Operation;
use crate::deferred::promise::{Deferred, Pending, Progress as Became, Promise, PromiseId};
use crate::deferred::whole::{FirstPart, Whole};
use crate::policy::decide::{LockTimeoutCare, Outcome};
use crate::policy::plan::{Notice, Plan, SafeForm, Verdict};
use crate::policy::settings::Mode;
use crate::policy::{compose, message};

use super::Session;
use super::effects::Effects;
use super::runner::ServerError;
use super::work::{Rewriting, Subject, Work};

/// The promise of a rewrite, and what the store knows of it.
#[derive(Debug, Default)]
pub(super) struct Promising {
    id: Option<PromiseId>,
    /// It was promised by a session that was cut off; whether it still is open is to be asked.
    taken_up: bool,
    noted: usize,
    closed: bool,
}

/// Of a rewrite that goes on with this one, or of a new one.
pub(super) fn promising(cut_off: Option<Pending>) -> Promising {
    cut_off.map_or_else(Promising::default, |pending| Promising { id: Some(pending.id), taken_up: true, noted: pending.done, closed: false })
}

/// What goes on with a statement that was cut off: as it was promised, however its half-made objects look to a decision now.
fn form_of(pending: &Pending, tag: &'static str) -> SafeForm {
    let then = pending.promise.operations.iter().map(|deferred| deferred.operation.clone()).collect();
    SafeForm { now: pending.first_part().map(FirstPart::step), then, tag }
}

/// The rule that has found the safe form does not find it again among what is half made of it.
fn is_refused_by_its_own_rule(outcome: &Outcome, pending: &Pending) -> bool {
    let enforced = outcome.decision.findings.iter().filter(|judged| judged.verdict == Verdict::Enforced);
    let own = |rule: &str| pending.promise.operations.iter().any(|deferred| deferred.rule == rule);
    enforced.map(|judged| judged.finding.rule.0).all(own)
}

impl Session {
    /// The statement was cut off in an earlier session, and comes again: it is gone on with, unless it is to be refused now.
    pub(super) fn with_cut_off(&mut self, subject: &Subject, mut outcome: Outcome) -> Outcome {
        let alone = !subject.in_transaction && subject.script.statements.len() == 1 && self.identity.mode == Mode::Enforce;
        let is_it = |pending: &Pending| alone && pending.promise.whole.as_ref().is_some_and(|whole| *whole.sql == *subject.script.text);
        let goes_on_with = |plan: &Plan| match plan {
            Plan::Pass | Plan::Rewrite(_) => true,
            Plan::Refuse(_) => self.cut_off.as_ref().is_some_and(|pending| is_refused_by_its_own_rule(&outcome, pending)),
            Plan::Edit(_) | Plan::Defer(_) | Plan::Split | Plan::Enclose | Plan::Settle { .. } | Plan::Gate | Plan::Await(_) | Plan::TakeBack(_) => {
                false
            }
        };
        if !goes_on_with(&outcome.decision.plan) || !self.cut_off.as_ref().is_some_and(is_it) {
            self.cut_off = None;
            return outcome;
        }
        if let (Some(pending), Some(parsed)) = (&self.cut_off, subject.script.statements.first()) {
            let form = form_of(pending, compose::tag(&parsed.statement));
            outcome.decision.notices = vec![goes_on(&form)];
            outcome.decision.plan = Plan::Rewrite(form);
            outcome.lock_timeout = LockTimeoutCare::None;
            outcome.record = true;
        }
        outcome
    }

    /// The table is its own: from here on what is done is done as a whole.
    pub(super) fn promise_whole(&mut self, mut rewriting: Box<Rewriting>, now: Instant, out: &mut Effects) {
        let (Some(place), Some(table)) = (&self.place, &rewriting.table) else {
            let next = rewriting.runner.promise_answered(Ok(true));
            return self.run_next(rewriting, next, now, out);
        };
        if rewriting.whole.taken_up {
            out.pending = Some(place.clone());
            self.work = Work::Running(rewriting);
            return;
        }
        let context = rewriting.runner.settings().to_owned();
        let first = rewriting.form.now.as_ref().map(|step| FirstPart::of(step, rewriting.runner.lacks_column()));
        let deferred = |operation: &Operation| Deferred {
            operation: operation.clone(),
            table: table.clone(),
            rule: rewriting.rule.to_owned(),
            context: context.clone(),
        };
        let promise = Promise {
            session: self.identity.id.clone(),
            transaction: self.recorded_transaction(),
            place: place.clone(),
            role: self.identity.principal.role.clone(),
            xid: String::new(),
            life: String::new(),
            operations: rewriting.form.then.iter().map(deferred).collect(),
            whole: Some(Whole { sql: rewriting.subject.script.text.to_string(), first }),
        };
        out.promise = Some(Box::new((promise, Trail::default())));
        self.work = Work::Running(rewriting);
    }

    /// The store has answered.
    pub(super) fn whole_promised(&mut self, mut rewriting: Box<Rewriting>, result: Result<PromiseId, String>, now: Instant, out: &mut Effects) {
        let promised = result.map(|id| rewriting.whole.id = Some(id)).map(|()| true);
        self.go_on(rewriting, promised, now, out);
    }

    /// The store has said what is pending. Whoever had begun the statement may have come to an end with it while its table was waited for.
    pub(super) fn whole_found(&mut self, mut rewriting: Box<Rewriting>, result: Result<Vec<Pending>, String>, now: Instant, out: &mut Effects) {
        let is_open = result.map(|found| found.iter().any(|pending| Some(pending.id) == rewriting.whole.id));
        if is_open == Ok(false) {
            rewriting.whole = Promising::default();
        }
        self.go_on(rewriting, is_open, now, out);
    }

    fn go_on(&mut self, mut rewriting: Box<Rewriting>, promised: Result<bool, String>, now: Instant, out: &mut Effects) {
        let promised = promised.map_err(|why| {
            let refusal = super::judging::store_unavailable(&why);
            ServerError { sqlstate: refusal.sqlstate.to_owned(), message: refusal.message, hint: refusal.hint, ..ServerError::default() }
        });
        let next = rewriting.runner.promise_answered(promised);
        self.run_next(rewriting, next, now, out);
    }
}

fn goes_on(form: &SafeForm) -> Notice {
    let message = format!("pgairlock: this statement was cut off in an earlier session, and is gone on with: {}", message::sql_of(&form.steps()));
    Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None }
}

impl Rewriting {
    /// What the store is to know. The promise is closed before the table is given back, so that who waits for the table finds it closed. What could
    /// not be taken back stays open: the next session tries again.
    pub(super) fn note_progress(&mut self, out: &mut Effects) {
        let Some(id) = self.whole.id.filter(|_| !self.whole.closed) else { return };
        if self.runner.done() > self.whole.noted {
            self.whole.noted = self.runner.done();
            out.progress.push((id, Became::Done(self.whole.noted)));
        }
        if self.runner.is_ending() && self.runner.left_nothing() {
            self.whole.closed = true;
            out.progress.push((id, if self.runner.has_failed() && !self.runner.has_settled() { Became::Aborted } else { Became::Settled }));
        }
    }

    /// It is on disk, and not closed.
    pub(super) fn is_promised(&self) -> bool {
        self.whole.id.is_some() && !self.whole.closed
    }
}
