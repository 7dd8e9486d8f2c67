//! How fast the server is: asked once for each, before a statement whose time is to be told.
//!
//! The question takes some 20 ms and touches no relation. It is asked only where it can harm nobody: not while the transaction holds a lock that others
//! wait for, not in a batch whose implicit transaction it would fail, not twice in a session. Without an answer the time is told all the same, and
//! that it is not this server's.

use crate::catalog::estimate::{QUESTION, Speed};
use crate::catalog::facts::Facts;
use crate::catalog::questions::Answer;
use crate::policy::decide::Outcome;
use crate::policy::plan::Verdict;

use super::effects::Effects;
use super::own::{Ending, GUARDED, LIMIT, OwnExchange};
use super::work::{Subject, Work};
use super::{Progress, Session, Status};

/// Ten times what a slow server needs.
const LIMIT_MS: u64 = 500;
/// The place of the question behind its limit.
const LIMITED: usize = 1;

/// What is known of the server's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It was measured.
    Measured(Speed),
    /// Nobody has asked.
    Unknown,
    /// It is not to be asked, or not again.
    Unasked,
}

impl Pace {
    fn speed(self) -> Option<Speed> {
        if let Self::Measured(speed) = self { Some(speed) } else { None }
    }
}

impl Session {
    /// The speed of the server, where it was measured.
    pub(super) fn speed(&self) -> Option<Speed> {
        self.pace.speed()
    }

    /// The client is going to read a time that another server's speed stands behind, and this one can be asked.
    pub(super) fn is_worth_gauging(&self, outcome: &Outcome) -> bool {
        let findings = &outcome.decision.findings;
        let told =
            || findings.iter().any(|judged| judged.finding.estimate.is_some() && matches!(judged.verdict, Verdict::Enforced | Verdict::Warned));
        let harmless = self.own_ending() == Ending::Sync && self.status != Status::Failed && !self.overlay.holds_locks();
        self.pace == Pace::Unknown && harmless && told()
    }

    pub(super) fn gauge(&mut self, subject: Subject, facts: Facts, out: &mut Effects) {
        self.pace = Pace::Unasked;
        if self.status == Status::InTransaction {
            self.run_guarded(QUESTION, &[], LIMIT_MS, out);
        } else {
            self.run_owns(&[(LIMIT, &[LIMIT_MS.to_string()]), (QUESTION, &[])], Ending::Sync, out);
        }
        self.work = Work::Gauging(Box::new(subject), Box::new(facts));
    }

    /// The answer is in, or there is none.
    pub(super) fn gauged(&mut self, subject: Subject, facts: Facts, exchange: &OwnExchange, out: &mut Effects) -> Progress {
        let place = if exchange.answers.len() > LIMITED + 1 { GUARDED } else { LIMITED };
        if let (None, Some(Answer::Text(Some(answer)))) = (&exchange.error, exchange.answers.get(place))
            && let Some(speed) = Speed::read(answer)
        {
            self.pace = Pace::Measured(speed);
            out.gauged = Some(speed);
        }
        if self.status == Status::Failed {
            self.roll_back_question(out);
            self.work = Work::Ungauging(Box::new(subject), Box::new(facts));
            return Ok(());
        }
        self.decide(subject, facts, out)
    }
}
