//! Events of decisions, rewrites and the store that keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{counter, histogram};
use tracing::{debug, error, info, warn};

use super::{Event, names};
use crate::audit::record::{DecisionId, Outcome, Record};
use crate::store::StoreError;

/// A statement was judged.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Its row in the store, when it was recorded.
    pub id: Option<DecisionId>,
    /// What was decided; its SQL is redacted already.
    pub record: &'a Record,
}

impl Event for Decision<'_> {
    fn emit(self) {
        let rules: BTreeSet<&str> = self.record.findings.iter().map(|finding| finding.rule.as_str()).collect();
        self.count(&rules);
        let Record { session, listener, client, role, database, application_name, sql, decision, steps, in_transaction, .. } = self.record;
        info!(
            event = "decision",
            id = self.id.map(|id| id.to_string()),
            session,
            listener,
            client,
            role,
            database,
            application_name,
            sql,
            decision,
            rules = rules.into_iter().collect::<Vec<_>>().join(","),
            steps = steps.len(),
            in_transaction,
            "decision"
        );
    }
}

impl Decision<'_> {
    fn count(&self, rules: &BTreeSet<&str>) {
        counter!(names::STATEMENTS_TOTAL, "decision" => self.record.decision.clone()).increment(1);
        let one = |rule: &str| counter!(names::DECISIONS_TOTAL, "rule" => rule.to_owned(), "decision" => self.record.decision.clone()).increment(1);
        if rules.is_empty() {
            one(names::NO_RULE);
        }
        rules.iter().for_each(|rule| one(rule));
    }
}

/// A recorded decision has ended on the server, or before.
#[derive(Debug, Clone, Copy)]
pub struct DecisionEnded<'a> {
    /// The session.
    pub session: &'a str,
    /// The decision's row in the store.
    pub id: DecisionId,
    /// How.
    pub outcome: &'a Outcome,
}

impl Event for DecisionEnded<'_> {
    fn emit(self) {
        let Self { session, id, outcome: Outcome { tag, sqlstate, duration_micros, .. } } = self;
        let seconds = Duration::from_micros(u64::try_from(*duration_micros).unwrap_or(0)).as_secs_f64();
        info!(event = "outcome", session, id = %id, tag, sqlstate, seconds, "outcome");
    }
}

/// The safe form of a statement ran, or failed.
#[derive(Debug, Clone, Copy)]
pub struct RewriteFinished<'a> {
    /// The session.
    pub session: &'a str,
    /// The rule that asked for it.
    pub rule: &'a str,
    /// From its first step to its last reply.
    pub duration: Duration,
    /// Every step succeeded.
    pub ok: bool,
}

impl Event for RewriteFinished<'_> {
    fn emit(self) {
        let Self { session, rule, duration, ok } = self;
        let seconds = duration.as_secs_f64();
        histogram!(names::REWRITE_SECONDS, "rule" => rule.to_owned()).record(seconds);
        counter!(names::REWRITES_TOTAL, "result" => if ok { "ok" } else { "failed" }).increment(1);
        if ok {
            info!(event = "rewrite_finished", session, rule, seconds, ok, "rewrite finished");
        } else {
            warn!(event = "rewrite_finished", session, rule, seconds, ok, "rewrite failed");
        }
    }
}

/// A statement has ended of which a time was said before.
#[derive(Debug, Clone, Copy)]
pub struct EstimateMet {
    /// `as-written` or `safe-form`.
    pub of: &'static str,
    /// How many times as long as was likely.
    pub ratio: f64,
}

impl Event for EstimateMet {
    fn emit(self) {
        histogram!(names::ESTIMATE_RATIO, "of" => self.of).record(self.ratio);
    }
}

/// A write to the store is on disk.
#[derive(Debug, Clone, Copy)]
pub struct StoreWritten {
    /// `record` or `outcome`.
    pub operation: &'static str,
    /// Time waited.
    pub duration: Duration,
}

impl Event for StoreWritten {
    fn emit(self) {
        let Self { operation, duration } = self;
        histogram!(names::STORE_SECONDS, "operation" => operation).record(duration.as_secs_f64());
        debug!(event = "store_written", operation, seconds = duration.as_secs_f64(), "store written");
    }
}

/// A write to the store failed, or took longer than its deadline (`error` is `None`).
#[derive(Debug, Clone, Copy)]
pub struct StoreFailed<'a> {
    /// The session that was to be recorded.
    pub session: &'a str,
    /// `record` or `outcome`.
    pub operation: &'static str,
    /// What the store said; nothing within the deadline when absent.
    pub error: Option<&'a StoreError>,
}

impl Event for StoreFailed<'_> {
    fn emit(self) {
        let Self { session, operation, error } = self;
        let kind = error.map_or("timeout", StoreError::kind);
        let message = error.map_or_else(|| "no answer within the deadline".to_owned(), ToString::to_string);
        counter!(names::STORE_ERRORS_TOTAL, "kind" => kind).increment(1);
        error!(event = "store_failed", session, operation, kind, error = message, "store failed");
    }
}
