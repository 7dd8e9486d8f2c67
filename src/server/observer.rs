//! What an operator sees of one session, beside the lines of its decisions: how long statements are held up, and by what.

use std::time::Instant;

use crate::audit::record::{DecisionId, Outcome, Record};
use crate::session::effects::{Arrived, Observed, WaitsFor};
use crate::session::{Identity, Session};
use crate::telemetry::{Decided, EstimateMet, Event, LockTried, LockWaited, Refused, RewriteFinished, StepEnded, Waiting};

use super::trace::Trace;
use super::traces::Traces;

/// Whoever looks.
pub(super) struct Observer {
    identity: Identity,
    /// When the statement came whose decision is being recorded.
    since: Option<Instant>,
    waiting: Option<(WaitsFor, Waiting)>,
    trace: Option<Trace>,
}

impl Observer {
    pub(super) fn new(identity: Identity, traces: Traces) -> Self {
        let trace = Trace::begin(traces, &identity);
        Self { identity, since: None, waiting: None, trace }
    }

    /// A decision is on its way to the store.
    pub(super) fn recording(&mut self, record: &Record, arrived: Option<&Arrived>) {
        self.since = arrived.map(|arrived| arrived.since);
        if let (Some(trace), Some(arrived)) = (&mut self.trace, arrived) {
            trace.recording(record, arrived, &self.identity);
        }
    }

    /// It is there, or cannot be.
    pub(super) fn recorded(&mut self, id: Option<DecisionId>) {
        if let Some(since) = self.since.take().filter(|_| id.is_some()) {
            Decided { took: since.elapsed() }.emit();
        }
        if let Some(trace) = &mut self.trace {
            trace.recorded(id);
        }
    }

    /// A statement has ended.
    pub(super) fn ended(&mut self, id: DecisionId, outcome: &Outcome) {
        if let Some(trace) = &mut self.trace {
            trace.ended(id, outcome);
        }
    }

    /// Something has happened that is counted.
    pub(super) fn observed(&mut self, observed: Observed) {
        match observed {
            Observed::Rewrite { rule, took, succeeded } => {
                RewriteFinished { session: &self.identity.id, rule, duration: took, ok: succeeded }.emit();
            }
            Observed::Estimate { of, ratio } => EstimateMet { of: of.label(), ratio }.emit(),
            Observed::Refused(sqlstate) => Refused { sqlstate }.emit(),
            Observed::LockTry(got) => LockTried { got }.emit(),
            Observed::LockWait { end, took } => LockWaited { result: end.label(), took }.emit(),
            Observed::Step { sql, after_commit, took, sqlstate } => {
                if after_commit {
                    StepEnded { ok: sqlstate.is_none(), took }.emit();
                }
                if let Some(trace) = &mut self.trace {
                    trace.step(&sql, took, sqlstate.as_deref(), &self.identity);
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
        if let Some(trace) = &mut self.trace {
            trace.look(now, session.works_after_commit());
        }
    }
}
