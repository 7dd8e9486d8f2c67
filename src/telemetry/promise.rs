//! What transactions were promised for after their COMMIT, and what became of it.

use std::time::Duration;

use metrics::{counter, gauge};
use tracing::{info, warn};

use super::{Event, names};
use crate::deferred::promise::{Progress, Promise, PromiseId};
use crate::store::OpenPromises;

/// A promise is on disk.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// Its row in the store.
    pub id: PromiseId,
    /// What was promised.
    pub promise: &'a Promise,
}

impl Event for Promised<'_> {
    fn emit(self) {
        let Self { id, promise } = self;
        let (session, xid, operations) = (&promise.session, &promise.xid, promise.operations.len());
        counter!(names::PROMISES_TOTAL, "state" => "promised").increment(1);
        info!(event = "promised", session, id = id.0, xid, operations, "promised for after COMMIT");
    }
}

/// What is open in the store, of this process and others.
#[derive(Debug, Clone, Copy)]
pub struct PromisesCounted {
    /// What the store has said.
    pub open: OpenPromises,
    /// Unix time in microseconds.
    pub now_unix_micros: i64,
}

impl Event for PromisesCounted {
    fn emit(self) {
        let Self { open: OpenPromises { waiting, failed }, now_unix_micros } = self;
        for (state, group) in [("waiting", waiting), ("failed", failed)] {
            let age = if group.count > 0 { now_unix_micros.saturating_sub(group.oldest_unix_micros).max(0) } else { 0 };
            gauge!(names::PROMISES_OPEN, "state" => state).set(u32::try_from(group.count).unwrap_or(u32::MAX));
            gauge!(names::PROMISES_OLDEST_SECONDS, "state" => state).set(Duration::from_micros(age.unsigned_abs()).as_secs_f64());
        }
    }
}

/// Something has become of a promise.
#[derive(Debug, Clone, Copy)]
pub struct PromiseProgress<'a> {
    /// The session that it happened in.
    pub session: &'a str,
    /// The promise.
    pub id: PromiseId,
    /// What.
    pub progress: &'a Progress,
}

impl Event for PromiseProgress<'_> {
    fn emit(self) {
        let Self { session, id, progress } = self;
        let state = match progress {
            Progress::Committed => "committed",
            Progress::Aborted => "aborted",
            Progress::Unknown => "unknown",
            Progress::Settled => "settled",
            Progress::Failed { .. } => "failed",
            Progress::Dropped { .. } => "dropped",
            Progress::Told => return,
            Progress::Needless(operation) => {
                info!(event = "after_commit", session, id = id.0, operation, "a step after COMMIT is not needed any more");
                return;
            }
            Progress::Done(done) => {
                info!(event = "after_commit", session, id = id.0, done, "a step after COMMIT is done");
                return;
            }
        };
        counter!(names::PROMISES_TOTAL, "state" => state).increment(1);
        match progress {
            Progress::Failed { operation, sqlstate, message } => {
                warn!(event = "after_commit", session, id = id.0, state, operation, sqlstate, error = message, "work after COMMIT failed");
            }
            _ => info!(event = "after_commit", session, id = id.0, state, "promise"),
        }
    }
}
