//! What is taken away from the audit log because it is old.

use metrics::counter;
use tracing::{debug, error, info};

use super::{Event, names};

/// The beginning of a chain is gone.
#[derive(Debug, Clone, Copy)]
pub struct EntriesRemoved<'a> {
    /// The chain's short number.
    pub chain: i64,
    /// Its name.
    pub writer: &'a str,
    /// How many entries went.
    pub removed: u64,
}

impl Event for EntriesRemoved<'_> {
    fn emit(self) {
        let Self { chain, writer, removed } = self;
        counter!(names::ENTRIES_REMOVED_TOTAL).increment(removed);
        info!(event = "audit_entries_removed", chain, writer, removed, "entries of the audit log that are older than [store] retention are gone");
    }
}

/// All that may go is gone, or another process is at it.
#[derive(Debug, Clone, Copy)]
pub struct RetentionRan;

impl Event for RetentionRan {
    fn emit(self) {
        counter!(names::RETENTION_TOTAL, "result" => "ok").increment(1);
        debug!(event = "audit_retention", "the audit log reaches back no further than [store] retention");
    }
}

/// Some of it is not.
#[derive(Clone, Copy)]
pub struct RetentionFailed<'a> {
    /// Why.
    pub error: &'a dyn std::fmt::Display,
}

impl Event for RetentionFailed<'_> {
    fn emit(self) {
        counter!(names::RETENTION_TOTAL, "result" => "failed").increment(1);
        error!(event = "audit_retention_failed", error = %self.error, "entries of the audit log stay that are older than [store] retention; it is tried again");
    }
}
