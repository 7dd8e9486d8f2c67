//! A refusal that persons may lift: whether they have is asked of the store, and where the configuration lets it, they are waited for.
//!
//! ```text
//!   (refused) ─▶ Store ──a use is taken──▶ decided anew, with what is lifted
//!                  │ nobody has said so
//!                  ├──▶ refused
//!                  └──▶ Locks ─▶ (recorded) ─▶ Waiting ⟲ ──enough have──▶ judged anew
//!                                                 └─ too late ─▶ refused
//! ```
//!
//! What if we die here? A use is on disk before its statement is sent. What has not been answered leaves it taken: an approval is for so many runs at most.

use std::time::{Duration, Instant};

use crate::audit::approval::{RecordedApproval, Reserved, Use};
use crate::audit::record::Outcome as Recorded;
use crate::catalog::facts::Facts;
use crate::catalog::questions::Answer;
use crate::policy::approval::{Granted, Wanted};
use crate::policy::decide::{Outcome, decide};
use crate::policy::plan::{Notice, Plan, Refusal};

use super::completion::Decided;
use super::effects::{ApprovalAnswer, ApprovalQuestion, Effects};
use super::own::OwnExchange;
use super::server::micros;
use super::ticks::Ticks;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session};

/// Locks that others could wait for: anything stronger than ROW SHARE.
const LOCKS: &str = "SELECT pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_locks l \
     WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted AND l.locktype OPERATOR(pg_catalog.=) 'relation' \
     AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock' AND l.mode OPERATOR(pg_catalog.<>) 'RowShareLock'";
/// Between two looks into the store.
const LOOK: Duration = Duration::from_secs(1);

/// What persons have let through, for the string that is being worked off.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) granted: Granted,
    pub(super) recorded: RecordedApproval,
}

/// A statement that waits for persons, or for the word of the store about them.
#[derive(Debug)]
pub(super) struct Approving {
    subject: Subject,
    wanted: Wanted,
    outcome: Outcome,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// A use is being taken.
    Store(Box<Facts>),
    /// Whether anybody could wait for this transaction.
    Locks,
    Waiting(Wait),
}

#[derive(Debug)]
struct Wait {
    decided: Option<Decided>,
    ticks: Ticks,
    /// When the next look is due; none while one is on its way.
    look: Option<Instant>,
    until: Instant,
}

impl Approving {
    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Waiting(wait) => wait.look,
            Stage::Store(_) | Stage::Locks => None,
        }
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The record that waits for its outcome.
    pub(super) fn decided(&self) -> Option<Decided> {
        if let Stage::Waiting(wait) = &self.stage { wait.decided } else { None }
    }

    /// While a use is being taken, its entry may be on its way to the disk.
    pub(super) fn may_be_abandoned(&self) -> bool {
        !matches!(self.stage, Stage::Store(_))
    }
}

impl Session {
    /// Asks the store for a use of what persons have said.
    pub(super) fn seek_approval(&mut self, subject: Subject, facts: Facts, wanted: Wanted, outcome: Outcome, out: &mut Effects) {
        let people = usize::try_from(wanted.people).unwrap_or(usize::MAX);
        let using = Use {
            fingerprint: wanted.fingerprint.clone(),
            approvals: Vec::new(),
            session: self.identity.id.clone(),
            transaction: self.chronicle.number(),
            commit_is_announced: subject.in_transaction && self.announces_commits(),
        };
        out.approval = Some(ApprovalQuestion::Reserve(using, people));
        self.work = Work::Approving(Box::new(Approving { subject, wanted, outcome, stage: Stage::Store(Box::new(facts)) }));
    }

    /// The store has answered.
    pub(super) fn approval_answered(&mut self, answer: Result<ApprovalAnswer, String>, now: Instant, out: &mut Effects) -> Progress {
        let Work::Approving(mut approving) = std::mem::replace(&mut self.work, Work::Open) else { return Ok(()) };
        match (std::mem::replace(&mut approving.stage, Stage::Locks), answer) {
            (Stage::Store(facts), Ok(ApprovalAnswer::Reserved(Some(reserved)))) => self.approved(*approving, *facts, reserved, out),
            (Stage::Store(_), Ok(ApprovalAnswer::Reserved(None))) => self.not_approved(approving, out),
            (Stage::Store(_), Err(why)) => {
                self.refuse(&approving.subject, &super::judging::store_unavailable(&why), None, out);
                Ok(())
            }
            (Stage::Waiting(wait), Ok(ApprovalAnswer::Looked(true))) => {
                tell_end(&wait, Some("APPROVED"), None, now, out);
                // Time has passed: what the statement is about may have changed, and is asked for again.
                self.judge(approving.subject, out)
            }
            (Stage::Waiting(wait), _) => {
                approving.stage = Stage::Waiting(Wait { look: Some(now + LOOK), ..wait });
                self.work = Work::Approving(approving);
                Ok(())
            }
            (stage, _) => {
                approving.stage = stage;
                self.work = Work::Approving(approving);
                Ok(())
            }
        }
    }

    /// A use is taken: the statement is decided anew.
    fn approved(&mut self, approving: Approving, facts: Facts, reserved: Reserved, out: &mut Effects) -> Progress {
        let Approving { subject, wanted, .. } = approving;
        let who = reserved.given.iter().map(|given| format!("{} ({})", given.by, given.reason)).collect::<Vec<_>>().join(" and ");
        self.chronicle.approval_taken(reserved.id, subject.in_transaction);
        self.grant = Some(Grant {
            granted: Granted { rules: wanted.rules.clone(), told: who },
            recorded: RecordedApproval { given: reserved.given, used: Some(reserved.id), ..recorded(&wanted) },
        });
        let outcome = decide(&subject.script, &facts, &self.situation(subject.shape != Shape::Query, subject.in_transaction));
        self.chronicle.note_facts(&facts);
        self.decided(subject, outcome, out)
    }

    fn not_approved(&mut self, mut approving: Box<Approving>, out: &mut Effects) -> Progress {
        let may_wait = approving.wanted.wait_ms > 0 && !self.draining && self.own_ending() == super::own::Ending::Sync;
        if !may_wait || self.split.is_some() && approving.subject.shape != Shape::Query {
            return self.decided(approving.subject, approving.outcome, out);
        }
        self.run_own(LOCKS, &[], self.own_ending(), out);
        approving.stage = Stage::Locks;
        self.work = Work::Approving(approving);
        Ok(())
    }

    /// It is known whether the transaction holds what others could wait for.
    pub(super) fn locks_are_known(&mut self, approving: Box<Approving>, exchange: &OwnExchange, out: &mut Effects) -> Progress {
        let Approving { subject, mut outcome, .. } = *approving;
        let holds_nothing = exchange.error.is_none() && matches!(exchange.answers.last(), Some(Answer::Text(Some(count))) if count == "0");
        if let (true, Plan::Refuse(refusal)) = (holds_nothing, &outcome.decision.plan) {
            outcome.decision.plan = Plan::Await(refusal.clone());
        }
        self.decided(subject, outcome, out)
    }

    /// The wait is in the log, and begins.
    pub(super) fn await_approval(
        &mut self,
        subject: Subject,
        outcome: Outcome,
        refusal: Refusal,
        decided: Option<Decided>,
        now: Instant,
        out: &mut Effects,
    ) {
        let Some(wanted) = outcome.wanted.clone() else { return self.refuse(&subject, &refusal, decided, out) };
        let wait = Duration::from_millis(wanted.wait_ms);
        self.say_notice(&waits(&wanted, Duration::ZERO), out);
        let outcome = Outcome { decision: crate::policy::plan::Decision { plan: Plan::Refuse(refusal), ..outcome.decision }, ..outcome };
        let wait = Wait { decided, ticks: Ticks::new(now), look: Some(now + LOOK), until: now + wait };
        self.work = Work::Approving(Box::new(Approving { subject, wanted, outcome, stage: Stage::Waiting(wait) }));
    }

    /// Time has passed.
    pub(super) fn wait_for_approval(&mut self, now: Instant, out: &mut Effects) {
        let Work::Approving(approving) = &mut self.work else { return };
        let Stage::Waiting(wait) = &mut approving.stage else { return };
        if now >= wait.until {
            return self.stop_waiting(None, out);
        }
        if wait.look.is_some_and(|look| look <= now) {
            wait.look = None;
            let people = usize::try_from(approving.wanted.people).unwrap_or(usize::MAX);
            out.approval = Some(ApprovalQuestion::Look(approving.wanted.fingerprint.clone(), people));
        }
        if let Some(waited) = wait.ticks.due(now) {
            let notice = waits(&approving.wanted, waited);
            self.say_notice(&notice, out);
        }
    }

    /// Nobody has said so in time; or the client, or the process, waits no longer.
    pub(super) fn stop_waiting(&mut self, why: Option<Refusal>, out: &mut Effects) {
        let Work::Approving(approving) = std::mem::replace(&mut self.work, Work::Open) else { return };
        let Approving { subject, outcome, stage, .. } = *approving;
        let decided = if let Stage::Waiting(wait) = &stage { wait.decided } else { None };
        match (why, outcome.decision.plan) {
            (Some(refusal), _) | (None, Plan::Refuse(refusal)) => self.refuse(&subject, &refusal, decided, out),
            _ => {}
        }
    }

    /// It waits for persons, and nothing has to be finished first.
    pub(super) fn waits_for_persons(&self) -> bool {
        matches!(&self.work, Work::Approving(approving) if matches!(approving.stage, Stage::Waiting(_)))
    }

    /// What is decided now has, or wants, the word of persons.
    pub(super) fn recorded_approval(&self, outcome: &Outcome) -> Option<RecordedApproval> {
        self.grant.as_ref().map(|grant| grant.recorded.clone()).or_else(|| outcome.wanted.as_ref().map(recorded))
    }

    /// The string is done with, but for what is decided anew in parts.
    pub(super) fn grant_ends(&mut self, outcome: &Outcome) {
        if self.split.is_none() && !matches!(outcome.decision.plan, Plan::Split | Plan::Enclose) {
            self.grant = None;
        }
    }
}

/// The client cancels what it waits for.
pub(super) fn cancelled() -> Refusal {
    let message = "canceling statement due to user request".to_owned();
    Refusal { sqlstate: "57014", message, detail: Some("It waited for an approval.".to_owned()), hint: None, position: None }
}

fn recorded(wanted: &Wanted) -> RecordedApproval {
    RecordedApproval {
        fingerprint: wanted.fingerprint.clone(),
        rules: wanted.rules.clone(),
        people: i64::from(wanted.people),
        given: Vec::new(),
        used: None,
    }
}

fn tell_end(wait: &Wait, tag: Option<&str>, sqlstate: Option<&str>, now: Instant, out: &mut Effects) {
    let Some(decided) = wait.decided else { return };
    let recorded = Recorded {
        tag: tag.map(str::to_owned),
        sqlstate: sqlstate.map(str::to_owned),
        duration_micros: micros(now, decided.at),
        ..Recorded::default()
    };
    out.outcomes.push((decided.id, recorded));
}

fn waits(wanted: &Wanted, waited: Duration) -> Notice {
    let who = if wanted.people > 1 { format!("the approval of {} persons", wanted.people) } else { "an approval".to_owned() };
    let left = Duration::from_millis(wanted.wait_ms).saturating_sub(waited).as_secs();
    let message = format!("pgairlock: waiting for {who}, for {left} s more, {}; nothing is locked meanwhile", wanted.how());
    Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None }
}
