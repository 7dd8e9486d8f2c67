//! Checkpoints of the audit log. The log has each of them as well, so that a log shipper carries them to where the store's owner cannot write.

use metrics::{counter, gauge};
use tracing::{error, info};

use super::{Event, names};

/// One is on disk.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointWritten<'a> {
    /// The line, as it stands in the file.
    pub line: &'a str,
}

impl Event for CheckpointWritten<'_> {
    fn emit(self) {
        counter!(names::CHECKPOINTS_TOTAL, "result" => "ok").increment(1);
        gauge!(names::CHECKPOINT_FAILING).set(0);
        gauge!(names::CHECKPOINT_TIME).set(super::now_seconds());
        info!(event = "audit_checkpoint", checkpoint = self.line, "where the audit log ends");
    }
}

/// One is not.
#[derive(Clone, Copy)]
pub struct CheckpointFailed<'a> {
    /// Why.
    pub error: &'a dyn std::fmt::Display,
}

impl Event for CheckpointFailed<'_> {
    fn emit(self) {
        counter!(names::CHECKPOINTS_TOTAL, "result" => "failed").increment(1);
        gauge!(names::CHECKPOINT_FAILING).set(1);
        error!(event = "audit_checkpoint_failed", error = %self.error, "no checkpoint of the audit log could be written; it is tried again");
    }
}
