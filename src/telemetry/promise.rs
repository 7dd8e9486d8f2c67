//! What transactions were promised for after their COMMIT, and what became of it.

use metrics::counter;
use tracing::{info, warn};

use super::{Event, names};
use crate::deferred::promise::{Progress, Promise, PromiseId};

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
