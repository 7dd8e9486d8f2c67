//! Code that nobody saw has run in the transaction: the locks that it really took are looked at before the next statement is judged, and before the
//! COMMIT.

use crate::catalog::held::{self, Held};
use crate::catalog::overlay::Effect;
use crate::policy::decide::Outcome;
use crate::policy::gate;
use crate::policy::plan::Refusal;
use crate::policy::settings::Mode;

use super::committing::Committing;
use super::completion::{Decided, Ran};
use super::effects::{Effects, Observed};
use super::own::{Ending, OwnExchange, server_error};
use super::work::{Subject, Work};
use super::{Progress, Session};

impl Session {
    /// Code that nobody saw has run, or is under way.
    pub(super) fn is_ungated(&self) -> bool {
        self.identity.mode == Mode::Enforce && (self.overlay.ungated().is_some() || self.replies.run_ungated())
    }

    /// Asks for the locks before a statement is judged: its own are not to be taken for the code's.
    pub(super) fn look_before(&mut self, subject: Subject, out: &mut Effects) {
        self.run_own(held::QUESTION, &[], self.own_ending(), out);
        self.work = Work::Gating(Box::new(subject));
    }

    /// The locks are known. What cannot be known is not borne.
    pub(super) fn gated_before(&mut self, subject: Subject, exchange: &OwnExchange, out: &mut Effects) -> Progress {
        if let Some(error) = &exchange.error {
            self.refuse(&subject, &unseen(error), None, out);
            return Ok(());
        }
        if let Some(outcome) = self.gate(exchange, false) {
            return self.decided(subject, outcome, out);
        }
        self.overlay.apply(&Effect::Gated);
        self.judge(subject, out)
    }

    /// Asks for the locks before a COMMIT is sent.
    pub(super) fn look_before_commit(&mut self, committing: Committing, out: &mut Effects) {
        self.run_own(held::QUESTION, &[], self.own_ending(), out);
        self.work = Work::Committing(Box::new(committing));
    }

    /// Nothing has to be said against the locks: the COMMIT goes on; or the transaction is taken back.
    pub(super) fn gated_before_commit(&mut self, committing: Box<Committing>, exchange: &OwnExchange, out: &mut Effects) -> Progress {
        if let Some(error) = &exchange.error {
            self.take_back_commit(committing.into_subject(), unseen(error), None, out);
            return Ok(());
        }
        if let Some(outcome) = self.gate(exchange, true) {
            return self.decided(committing.into_subject(), outcome, out);
        }
        self.overlay.apply(&Effect::Gated);
        if self.something_waits() || committing.is_chained() || self.tells_of_earlier() || self.is_in_the_log() {
            self.ask_for_number(committing, out);
        } else {
            let versioned = self.overlay.version_written();
            self.send_commit(Box::new(committing.versioned(versioned)), out);
        }
        Ok(())
    }

    /// What is to be done about the locks; nothing where there is nothing to be said against them.
    pub(super) fn gate(&self, exchange: &OwnExchange, at_commit: bool) -> Option<Outcome> {
        let ungated = self.overlay.ungated()?;
        // An answer that cannot be read tells nothing: then whatever is locked now counts.
        let now = exchange.answers.last().and_then(Held::read).unwrap_or_else(Held::unknown);
        gate::judge(ungated, &now, at_commit, &self.situation(false, true))
    }

    /// The COMMIT is not sent; its client hears why when the transaction is rolled back.
    pub(super) fn take_back_commit(&mut self, subject: Subject, refusal: Refusal, decided: Option<Decided>, out: &mut Effects) {
        self.run_own("ROLLBACK", &[], Ending::Sync, out);
        self.work = Work::TakingCommitBack(Box::new(subject), Box::new(refusal), decided);
    }

    /// The transaction is rolled back.
    pub(super) fn commit_taken_back(&mut self, subject: &Subject, refusal: &Refusal, decided: Option<Decided>, out: &mut Effects) {
        out.observed.push(Observed::Refused(refusal.sqlstate));
        self.say_error(refusal.sqlstate, &refusal.message, refusal.detail.as_deref(), refusal.hint.as_deref(), out);
        Ran { decision: decided, ..Ran::default() }.refused(refusal.sqlstate, subject.since, out);
        self.end_of_commit(subject.shape, true, out);
    }
}

fn unseen(error: &[u8]) -> Refusal {
    let error = server_error(error);
    Refusal {
        sqlstate: "PA002",
        message: format!(
            "pgairlock [opaque-code]: what the code of this transaction has locked could not be looked at: {} ({}). Nothing of it is committed.",
            error.message, error.sqlstate
        ),
        detail: error.detail,
        hint: None,
        position: None,
    }
}
