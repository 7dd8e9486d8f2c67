//! What an operator sees of one session, beside the lines of its decisions: how long statements are held up, and by what.

use std::time::Instant;

use crate::session::Session;
use crate::session::effects::{Observed, WaitsFor};
use crate::telemetry::{Decided, Event, LockTried, LockWaited, Refused, RewriteFinished, StepEnded, Waiting};

/// Whoever looks.
pub(super) struct Observer {
    session: String,
    /// When the statement came whose decision is being recorded.
    since: Option<Instant>,
    waiting: Option<(WaitsFor, Waiting)>,
}

impl Observer {
    pub(super) fn new(session: String) -> Self {
        Self { session, since: None, waiting: None }
    }

    /// A decision is on its way to the store.
    pub(super) fn recording(&mut self, since: Option<Instant>) {
        self.since = since;
    }

    /// It is there.
    pub(super) fn recorded(&mut self) {
        if let Some(since) = self.since.take() {
            Decided { took: since.elapsed() }.emit();
        }
    }

    /// Something has happened that is counted.
    pub(super) fn observed(&mut self, observed: Observed) {
        match observed {
            Observed::Rewrite { rule, took, succeeded } => {
                RewriteFinished { session: &self.session, rule, duration: took, ok: succeeded }.emit();
            }
            Observed::Refused(sqlstate) => Refused { sqlstate }.emit(),
            Observed::LockTry(got) => LockTried { got }.emit(),
            Observed::LockWait { end, took } => LockWaited { result: end.label(), took }.emit(),
            Observed::Step { after_commit, took, sqlstate, .. } => {
                if after_commit {
                    StepEnded { ok: sqlstate.is_none(), took }.emit();
                }
            }
        }
    }

    /// The session after each of its steps.
    pub(super) fn look(&mut self, session: &Session) {
        let now = session.waits_for_what();
        if self.waiting.as_ref().map(|(what, _)| *what) != now {
            self.waiting = now.map(|what| (what, Waiting::begin(what.label())));
        }
    }
}
