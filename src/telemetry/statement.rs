//! Events of statements on their way: how long they are held up, and by what. They are counted; what became of each stands in its decision's lines.

use std::time::Duration;

use metrics::{Gauge, counter, gauge, histogram};

use super::{Event, names};

/// A decision is on disk.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// Since its statement came.
    pub took: Duration,
}

impl Event for Decided {
    fn emit(self) {
        histogram!(names::DECISION_SECONDS).record(self.took.as_secs_f64());
    }
}

/// A statement was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// What its client got.
    pub sqlstate: &'static str,
}

impl Event for Refused {
    fn emit(self) {
        let sqlstate = if names::REFUSED_WITH.contains(&self.sqlstate) { self.sqlstate } else { names::OTHER };
        counter!(names::REFUSALS_TOTAL, "sqlstate" => sqlstate).increment(1);
    }
}

/// A statement or step was tried that needs a strong lock.
#[derive(Debug, Clone, Copy)]
pub struct LockTried {
    /// It got the lock.
    pub got: bool,
}

impl Event for LockTried {
    fn emit(self) {
        counter!(names::LOCK_TRIES_TOTAL, "result" => if self.got { "got" } else { "missed" }).increment(1);
    }
}

/// A statement whose first try missed its lock waits no longer.
#[derive(Debug, Clone, Copy)]
pub struct LockWaited {
    /// `got`, `gave-up` or `failed`.
    pub result: &'static str,
    /// Since it came.
    pub took: Duration,
}

impl Event for LockWaited {
    fn emit(self) {
        histogram!(names::LOCK_WAIT_SECONDS, "result" => self.result).record(self.took.as_secs_f64());
    }
}

/// A step after a COMMIT was answered.
#[derive(Debug, Clone, Copy)]
pub struct StepEnded {
    /// Without an error.
    pub ok: bool,
    /// Until then.
    pub took: Duration,
}

impl Event for StepEnded {
    fn emit(self) {
        histogram!(names::AFTER_COMMIT_STEP_SECONDS, "result" => if self.ok { "ok" } else { "failed" }).record(self.took.as_secs_f64());
    }
}

/// A session whose client waits; it is counted as long as this lives.
pub struct Waiting(Gauge);

impl Waiting {
    /// From now on, for one of the values of the label `for`.
    #[must_use]
    pub fn begin(what: &'static str) -> Self {
        let waiting = gauge!(names::SESSIONS_WAITING, "for" => what);
        waiting.increment(1);
        Self(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
