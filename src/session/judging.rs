//! From a statement to a decision that is on disk: ask, decide, record.

use std::time::Instant;

use crate::audit::record::DecisionId;
use crate::catalog::aftermath;
use crate::catalog::facts::Facts;
use crate::catalog::questions::{Answer, Inquiry};
use crate::catalog::shadows::{self, Shadows};
use crate::policy::decide::{Outcome, decide};
use crate::policy::plan::{Plan, Refusal};
use crate::policy::settings::Recorded;
use crate::sql::statement::{Parsed, Script, Statement, TransactionControl};
use crate::wire::startup_settings::milliseconds;

use super::completion::{Decided, Ran};
use super::effects::{Arrived, Effects};
use super::observing::traceparent;
use super::own::OwnExchange;
use super::refusals;
use super::runner::ServerError;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session, Status};

impl Session {
    /// Takes up a statement: asks what must be known, or decides at once.
    pub(super) fn judge(&mut self, subject: Subject, out: &mut Effects) -> Progress {
        if self.standby && may_wait_for_locks(&subject) {
            let outcome = refusals::standby(self.identity.mode);
            return self.decided(subject, outcome, out);
        }
        if self.is_ungated() && self.in_block() && !self.has_failed() {
            self.look_before(subject, out);
            return Ok(());
        }
        if self.shadows_stale && !self.has_failed() && shadows::matter_to(&subject.script) {
            self.ask(&[Shadows::question()], out);
            self.work = Work::Learning(Box::new(subject));
            return Ok(());
        }
        let inquiry = self.inquiry(&subject.script, &self.shadows);
        self.inquire(subject, inquiry, out)
    }

    /// What must be known of it. While answers are owed to what changes something, it may stand behind a change.
    pub(super) fn inquiry(&self, script: &Script, shadows: &Shadows) -> Inquiry {
        Inquiry::with(script, &self.registry, shadows, self.overlay.rows_that_matter().max(self.replies.rows_that_will_matter()))
    }

    fn inquire(&mut self, subject: Subject, inquiry: Inquiry, out: &mut Effects) -> Progress {
        if self.has_failed() || inquiry.is_empty() && !may_wait_for_locks(&subject) {
            return self.decide(subject, Facts { server_version: self.parameters.server_version, ..Facts::default() }, out);
        }
        self.ask(&inquiry.questions(), out);
        self.work = Work::Asking(Box::new(subject), inquiry);
        Ok(())
    }

    /// The names are in, and the statement is taken up again.
    pub(super) fn learned(&mut self, subject: Subject, exchange: OwnExchange, out: &mut Effects) -> Progress {
        if exchange.error.is_none() && exchange.answers.iter().any(|answer| self.shadows.learn(answer)) {
            self.shadows_stale = false;
            return self.judge(subject, out);
        }
        if self.status == Status::Failed {
            self.roll_back_question(out);
            self.work = Work::Unlearning(Box::new(subject));
            return Ok(());
        }
        self.unlearned(subject, out)
    }

    /// The names did not come, so any name that the statement calls may be one of them. They are asked for again before the next.
    pub(super) fn unlearned(&mut self, subject: Subject, out: &mut Effects) -> Progress {
        let inquiry = self.inquiry(&subject.script, &Shadows::unknown());
        self.inquire(subject, inquiry, out)
    }

    /// The answers are in.
    pub(super) fn asked(&mut self, subject: Subject, inquiry: Inquiry, exchange: OwnExchange, out: &mut Effects) -> Progress {
        let failed = exchange.error.is_some();
        let (lock_timeout, answers) = self.answers(exchange, inquiry.questions().len());
        let exceeds_cap = self.exceeds_cap(lock_timeout.as_ref());
        if failed && self.status == Status::Failed {
            // The savepoint of the guard holds: what was asked is unknown, and the client's transaction is unharmed.
            self.roll_back_question(out);
            self.work = Work::TakingBack(Box::new(subject), inquiry, exceeds_cap);
            return Ok(());
        }
        self.decide_under_cap(subject, inquiry, answers, exceeds_cap, out)
    }

    /// Brings lock_timeout down first where it stands above the cap.
    pub(super) fn decide_under_cap(
        &mut self,
        subject: Subject,
        inquiry: Inquiry,
        answers: Vec<Answer>,
        exceeds_cap: bool,
        out: &mut Effects,
    ) -> Progress {
        if exceeds_cap {
            self.run_own(&format!("SET lock_timeout = {}", self.lock_timeout_cap_ms), &[], self.own_ending(), out);
            self.work = Work::Capping(Box::new(subject), inquiry, answers);
            return Ok(());
        }
        self.decide_with(subject, &inquiry, &answers, out)
    }

    /// A way that no rule saw has raised lock_timeout. An answer that cannot be read has raised it.
    fn exceeds_cap(&self, lock_timeout: Option<&Answer>) -> bool {
        let cap = self.lock_timeout_cap_ms;
        let now = match lock_timeout {
            Some(Answer::Text(Some(text))) => milliseconds(text.as_bytes()),
            _ => None,
        };
        cap > 0 && now.is_none_or(|now| now == 0 || now > cap)
    }

    pub(super) fn decide_with(&mut self, subject: Subject, inquiry: &Inquiry, answers: &[Answer], out: &mut Effects) -> Progress {
        let facts = inquiry.facts(self.parameters.server_version, &self.parameters.time_zone, answers);
        self.decide(subject, facts, out)
    }

    pub(super) fn decide(&mut self, subject: Subject, facts: Facts, out: &mut Effects) -> Progress {
        let facts = Facts { speed: self.speed(), ..facts };
        self.chronicle.note_facts(&facts);
        let outcome = decide(&subject.script, &facts, &self.situation(subject.shape != Shape::Query, subject.in_transaction));
        if let Some(probe) = self.to_probe(&outcome) {
            self.look_closer(subject, facts, probe, out);
            return Ok(());
        }
        if self.is_worth_gauging(&outcome) {
            self.gauge(subject, facts, out);
            return Ok(());
        }
        if !subject.in_transaction && outcome.record {
            let in_steps = matches!(outcome.decision.plan, Plan::Rewrite(_));
            self.chronicle.note_traces(facts.next_xid.as_ref(), aftermath::traces(&subject.script, &facts, in_steps));
        }
        if let Some(wanted) = outcome.wanted.clone().filter(|_| self.grant.is_none()) {
            self.seek_approval(subject, facts, wanted, outcome, out);
            return Ok(());
        }
        self.decided(subject, outcome, out)
    }

    /// A decision was taken: it is recorded before anything is done.
    pub(super) fn decided(&mut self, subject: Subject, outcome: Outcome, out: &mut Effects) -> Progress {
        let outcome = self.with_cut_off(&subject, outcome);
        if !self.is_recorded(&subject.script, &outcome) || self.is_taken_apart(&subject, &outcome) {
            return self.act(subject, outcome, None, out);
        }
        self.note_decision(&subject, &outcome, out);
        let record = Box::new(self.record(&subject, &outcome));
        self.grant_ends(&outcome);
        self.prepare_to_measure(&record, &subject, out);
        out.record = Some(record);
        out.arrived = Some(Arrived { since: subject.since, traceparent: traceparent(&subject.script.text).map(str::to_owned) });
        self.work = Work::Recording(Box::new(subject), Box::new(outcome));
        Ok(())
    }

    /// Before it goes on, the log has it: for what it is, or because it has everything. A string without a statement is none.
    pub(super) fn is_recorded(&self, script: &Script, outcome: &Outcome) -> bool {
        outcome.record || self.settings.recorded == Recorded::All && !script.statements.is_empty()
    }

    /// Its statements are decided again, and recorded then, one by one.
    pub(super) fn is_taken_apart(&self, subject: &Subject, outcome: &Outcome) -> bool {
        match outcome.decision.plan {
            Plan::Split | Plan::Enclose => true,
            Plan::Pass | Plan::Edit(_) => subject.shape == Shape::Query && self.split.is_none() && self.splits_for_commit(&subject.script),
            _ => false,
        }
    }

    /// The store has answered.
    pub(super) fn recorded(&mut self, result: Result<DecisionId, String>, now: Instant, out: &mut Effects) -> Progress {
        let Work::Recording(subject, outcome) = std::mem::replace(&mut self.work, Work::Open) else { return Ok(()) };
        if result.is_ok() {
            self.chronicle.decided(subject.in_transaction, now);
        }
        self.chronicle.approval_recorded(result.as_ref().ok().copied());
        match result {
            Ok(id) if self.client_gone => {
                // Nobody waits for it any more: as if it had never been sent.
                Ran { decision: Some(Decided { id, at: now }), ..Ran::default() }.refused(CLIENT_GONE, now, out);
                Ok(())
            }
            Ok(id) => {
                let decided = Decided { id, at: now };
                self.begin_to_measure(decided);
                self.act(*subject, *outcome, Some(decided), out)
            }
            Err(_) if self.is_skipped(&subject) => {
                self.work = Work::Open;
                Ok(())
            }
            // It takes back what was done, and would be all that a client can do then. The end of the transaction is told when the store is back.
            Err(_) if rolls_back(&subject.script) => self.act(*subject, *outcome, None, out),
            Err(why) => {
                self.refuse(&subject, &store_unavailable(&why), None, out);
                Ok(())
            }
        }
    }

    /// In a batch without a block the server now skips to Sync: the batch is lost, and the client is told why.
    pub(super) fn question_failed_in_batch(&mut self, error: &ServerError, out: &mut Effects) {
        let message = format!("pgairlock could not look up what this statement touches, so it was not run: {}", error.message);
        self.say_error(&error.sqlstate, &message, error.detail.as_deref(), None, out);
        self.skipping = true;
    }
}

/// Everything but rows and settings: it may queue for a lock, and then lock_timeout has to hold.
fn may_wait_for_locks(subject: &Subject) -> bool {
    let harmless = |parsed: &Parsed| {
        matches!(
            parsed.statement,
            Statement::Query(_)
                | Statement::Transaction(_)
                | Statement::Setting(_)
                | Statement::Copy(_)
                | Statement::Prepare { .. }
                | Statement::Deallocate(_)
        )
    };
    !subject.script.statements.iter().all(harmless)
}

/// Nothing but ROLLBACK and ROLLBACK TO.
fn rolls_back(script: &Script) -> bool {
    let rolls_back =
        |parsed: &Parsed| matches!(parsed.statement, Statement::Transaction(TransactionControl::Rollback { .. } | TransactionControl::RollbackTo(_)));
    script.statements.iter().all(rolls_back) && !script.statements.is_empty()
}

/// connection_failure.
const CLIENT_GONE: &str = "08006";

pub(super) fn store_unavailable(why: &str) -> Refusal {
    Refusal {
        sqlstate: "PA005",
        message: format!("pgairlock could not record its decision, so the statement was not run: {why}"),
        detail: None,
        hint: Some("Nothing passes unrecorded. See /readyz on the admin address; run the migration again once the store answers.".to_owned()),
        position: None,
    }
}
