//! Carrying out a decision.

use bytes::Bytes;

use crate::catalog::shadows::may_change;
use crate::policy::decide::{LockTimeoutCare, Outcome};
use crate::policy::plan::{Notice, Plan, Refusal, SafeForm, Step};
use crate::policy::settings::Recorded;
use crate::wire::errors::{self, Report};
use crate::wire::frames::HEADER;
use crate::wire::{messages, views};

use super::completion::{Completion, Decided, Ran};
use super::effects::{Effects, Observed};
use super::own::OwnExchange;
use super::polling::Call;
use super::replies::{Kind, Owner};
use super::work::{Care, Shape, Subject, Work};
use super::{Progress, Session, Status};

/// What the record of a statement says that the server skipped: in_failed_sql_transaction.
const SKIPPED: &str = "25P02";

const LIFT: &str = "SELECT pg_catalog.set_config('lock_timeout', '0', false)";
const READ: &str = "SELECT pg_catalog.current_setting('lock_timeout')";
const RESTORE: &str = "SELECT pg_catalog.set_config('lock_timeout', $1, false)";
/// `pg_settings.setting` is in milliseconds; 0 is none.
const REAPPLY: &str = "SELECT pg_catalog.set_config('lock_timeout', $1, false) FROM pg_catalog.pg_settings s \
     WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout' AND (s.setting::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 \
     OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.>) $1::pg_catalog.int8)";

impl Session {
    pub(super) fn act(&mut self, subject: Subject, mut outcome: Outcome, decided: Option<Decided>, out: &mut Effects) -> Progress {
        self.work = Work::Open;
        if self.is_skipped(&subject) {
            Ran { decision: decided, ..Ran::default() }.refused(SKIPPED, subject.since, out);
            return Ok(());
        }
        for notice in std::mem::take(&mut outcome.decision.notices) {
            self.say_notice(&notice, out);
        }
        let taken_apart = self.is_taken_apart(&subject, &outcome);
        match std::mem::replace(&mut outcome.decision.plan, Plan::Pass) {
            Plan::Refuse(refusal) => self.refuse(&subject, &refusal, decided, out),
            Plan::Await(refusal) => {
                let now = decided.map_or(subject.since, |decided| decided.at);
                self.await_approval(subject, outcome, refusal, decided, now, out);
            }
            Plan::Rewrite(form) => self.rewrite(subject, &outcome, form, decided, out),
            Plan::Enclose => self.enclose(subject, out),
            Plan::Split => self.split_up(&subject),
            Plan::Pass | Plan::Edit(_) if taken_apart => self.split_up(&subject),
            Plan::Settle { effect, tag } => self.settle_promised(&subject, effect, tag, decided, out),
            Plan::Defer(form) => self.defer(subject, outcome, form, decided, out),
            Plan::Edit(edits) if subject.shape == Shape::Query => {
                let text = crate::sql::rewrite::apply(&subject.script.text, &edits);
                let subject = Subject { frame: Some(messages::query(&text)), ..subject };
                self.forward_subject(subject, outcome, decided, out);
            }
            Plan::TakeBack(refusal) => self.take_back_commit(subject, refusal, decided, out),
            Plan::Pass | Plan::Edit(_) | Plan::Gate => self.forward_subject(subject, outcome, decided, out),
        }
        Ok(())
    }

    /// While it was decided an earlier statement of its batch failed: the server skips it.
    pub(super) fn is_skipped(&self, subject: &Subject) -> bool {
        subject.shape != Shape::Query && self.skipping
    }

    fn forward_subject(&mut self, subject: Subject, outcome: Outcome, decided: Option<Decided>, out: &mut Effects) {
        if let LockTimeoutCare::Poll { lock, lift } = &outcome.lock_timeout
            && let Some(tries) = self.may_poll(&subject, lock)
        {
            return self.poll(subject, Call { lock: lock.clone(), lift: *lift, tries, decided }, out);
        }
        if let Some(lock) = outcome.lock_timeout.strong().filter(|_| self.may_try(&subject)) {
            return self.try_statement(subject, outcome, lock, decided, out);
        }
        match &outcome.lock_timeout {
            LockTimeoutCare::LiftDuring | LockTimeoutCare::Poll { lift: true, .. }
                if self.lock_timeout_cap_ms > 0 && self.status != Status::Failed =>
            {
                self.run_own(READ, &[], self.own_ending(), out);
                self.work = Work::Lifting(Box::new(subject), Box::new(outcome), decided);
            }
            LockTimeoutCare::RunByItself(by_itself) => {
                let (tag, wait) = (by_itself.tag, by_itself.wait);
                let form = SafeForm { now: Some(Step { wait, ..Step::short(subject.script.text.to_string()) }), then: Vec::new(), tag };
                self.rewrite(subject, &outcome, form, decided, out);
            }
            LockTimeoutCare::ReapplyAfter if self.lock_timeout_cap_ms > 0 => self.run_subject(&subject, outcome, decided, Some(Care::Reapply), out),
            _ => self.run_subject(&subject, outcome, decided, None, out),
        }
    }

    /// The answer to [`READ`]: lift, then forward.
    pub(super) fn lifting(&mut self, subject: Subject, outcome: Outcome, decided: Option<Decided>, exchange: OwnExchange, out: &mut Effects) {
        let before = exchange.into_answered().ok().flatten().unwrap_or_else(|| format!("{}ms", self.lock_timeout_cap_ms));
        self.run_subject_lifted(&subject, outcome, decided, before, out);
    }

    fn run_subject_lifted(&mut self, subject: &Subject, outcome: Outcome, decided: Option<Decided>, before: String, out: &mut Effects) {
        self.run_own(LIFT, &[], self.own_ending(), out);
        self.run_subject(subject, outcome, decided, Some(Care::Restore(before)), out);
    }

    fn run_subject(&mut self, subject: &Subject, outcome: Outcome, decided: Option<Decided>, care: Option<Care>, out: &mut Effects) {
        self.shadows_stale |= may_change(&subject.script);
        let given = self.given_to(subject);
        let portal = if self.settings.recorded == Recorded::All && !outcome.record { self.passes(subject) } else { None };
        let ran = Ran { effects: outcome.effects.into(), script: Some(subject.script.clone()), decision: decided, given, portal, ..Ran::default() };
        let (kind, completion) = match subject.shape {
            Shape::Query => (Kind::Query, Completion::Ran(ran)),
            Shape::Execute => (Kind::Execute, Completion::Ran(ran)),
            Shape::Parse => (Kind::Parse, Completion::Prepared { name: self.name_of_parse(), script: subject.script.clone() }),
        };
        self.batch.open |= subject.shape != Shape::Query;
        self.batch.executed |= subject.shape == Shape::Execute;
        match &subject.frame {
            Some(frame) => self.send(frame.clone(), out),
            None => self.client.approve(),
        }
        self.replies.expect(kind, Owner::Client, completion);
        match care {
            None => self.await_copy_of(subject),
            Some(care) if subject.shape == Shape::Query => self.work = Work::Caring(care),
            Some(care) => self.care(&care, out),
        }
    }

    /// What would pass, were it not recorded, means for the session what it would mean otherwise. The portal of its Execute.
    fn passes(&mut self, subject: &Subject) -> Option<Vec<u8>> {
        let frame = subject.frame.as_ref().filter(|_| subject.shape == Shape::Execute)?;
        let (portal, rows) = views::execute_in_full(frame.get(HEADER..)?)?;
        self.note_execute(portal, rows, &subject.script);
        Some(portal.to_vec())
    }

    /// The statement name of the Parse at the front of the inbox.
    fn name_of_parse(&mut self) -> Vec<u8> {
        let body = self.client.peek().ok().flatten().map(|frame| frame.body).unwrap_or_default();
        body.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
    }

    fn await_copy_of(&mut self, subject: &Subject) {
        if super::client::copies_in(&subject.script) {
            self.work = Work::AwaitCopy;
        }
    }

    /// A Query has ended: what was to be set behind it is set now, unless its transaction failed and took it along.
    pub(super) fn query_ended(&mut self, out: &mut Effects) {
        self.copying_in = false;
        match std::mem::replace(&mut self.work, Work::Open) {
            Work::Caring(Care::Sent) | Work::AwaitCopy | Work::Open => {}
            Work::Caring(care) if self.status != Status::Failed => self.care(&care, out),
            Work::Caring(_) => {}
            other => self.work = other,
        }
    }

    fn care(&mut self, care: &Care, out: &mut Effects) {
        match care {
            Care::Restore(before) => self.run_own(RESTORE, std::slice::from_ref(before), self.own_ending(), out),
            Care::Reapply => self.reapply_cap(out),
            Care::Sent => return,
        }
        self.work = Work::Caring(Care::Sent);
    }

    /// lock_timeout not above the cap, whatever it was set to.
    pub(super) fn reapply_cap(&mut self, out: &mut Effects) {
        self.run_own(REAPPLY, &[self.lock_timeout_cap_ms.to_string()], self.own_ending(), out);
    }

    /// Answers with an error; a transaction, explicit or implicit, fails on the server with it.
    pub(super) fn refuse(&mut self, subject: &Subject, refusal: &Refusal, decided: Option<Decided>, out: &mut Effects) {
        self.work = Work::Open;
        out.observed.push(Observed::Refused(refusal.sqlstate));
        if subject.frame.is_none() {
            self.discard(out);
        }
        let ran = Ran { decision: decided, ..Ran::default() };
        let error = errors::error(&Report {
            severity: "ERROR",
            sqlstate: refusal.sqlstate,
            message: &refusal.message,
            detail: refusal.detail.as_deref(),
            hint: refusal.hint.as_deref(),
            position: refusal.position,
        });
        match (subject.shape, self.status) {
            (Shape::Execute | Shape::Parse, _) => {
                self.fail_on_server(messages::own_parse(&self.own_name, &must_fail(refusal)), Kind::Parse, error, ran, out)
            }
            (Shape::Query, Status::InTransaction) => self.fail_on_server(messages::query(&must_fail(refusal)), Kind::Query, error, ran, out),
            (Shape::Query, Status::Idle | Status::Failed) => {
                self.say(error, out);
                self.split_fails();
                self.say_ready(out);
                ran.refused(refusal.sqlstate, subject.since, out);
            }
        }
    }

    fn fail_on_server(&mut self, frame: Bytes, kind: Kind, error: Bytes, ran: Ran, out: &mut Effects) {
        self.send(frame, out);
        self.batch.open |= kind == Kind::Parse;
        self.replies.expect(kind, Owner::Refused(error), Completion::Ran(ran));
    }

    /// ReadyForQuery with the state as it is; not between the statements of one string.
    pub(super) fn say_ready(&mut self, out: &mut Effects) {
        if self.part_is_answered() {
            return;
        }
        let status = match self.status {
            Status::Idle => b'I',
            Status::InTransaction => b'T',
            Status::Failed => b'E',
        };
        self.say(messages::ready_for_query(status), out);
    }

    pub(super) fn say_notice(&mut self, notice: &Notice, out: &mut Effects) {
        let report = Report { detail: notice.detail.as_deref(), ..Report::new(notice.severity, notice.sqlstate, &notice.message) };
        self.say(errors::notice(&report), out);
    }

    pub(super) fn say_error(&mut self, sqlstate: &str, message: &str, detail: Option<&str>, hint: Option<&str>, out: &mut Effects) {
        self.say(errors::error(&Report { detail, hint, ..Report::new("ERROR", sqlstate, message) }), out);
        self.split_fails();
    }
}

/// No statement of any PostgreSQL: it fails while it is read, whatever the role may do, and says in the server's log who refused what.
fn must_fail(refusal: &Refusal) -> String {
    format!("pgairlock refused the statement of this session ({})", refusal.sqlstate)
}
