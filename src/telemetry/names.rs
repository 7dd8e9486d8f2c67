//! Names, meanings and first values of metrics.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

pub(super) const SESSIONS: &str = "pgairlock_sessions";
pub(super) const SESSIONS_TOTAL: &str = "pgairlock_sessions_total";
pub(super) const LOGIN_FAILURES_TOTAL: &str = "pgairlock_login_failures_total";
pub(super) const DECISIONS_TOTAL: &str = "pgairlock_decisions_total";
pub(super) const REWRITE_SECONDS: &str = "pgairlock_rewrite_seconds";
pub(super) const PROMISES_TOTAL: &str = "pgairlock_promises_total";
pub(super) const UPSTREAM_ERRORS_TOTAL: &str = "pgairlock_upstream_errors_total";
pub(super) const STORE_SECONDS: &str = "pgairlock_store_seconds";
pub(super) const STORE_ERRORS_TOTAL: &str = "pgairlock_store_errors_total";
pub(super) const LOG_LINES_DROPPED_TOTAL: &str = "pgairlock_log_lines_dropped_total";
pub(super) const PANICS_TOTAL: &str = "pgairlock_panics_total";
pub(super) const CONFIG_RELOADS_TOTAL: &str = "pgairlock_config_reloads_total";
pub(super) const CHECKPOINTS_TOTAL: &str = "pgairlock_audit_checkpoints_total";

pub(super) const ADMIN_LOGINS_TOTAL: &str = "pgairlock_admin_logins_total";

/// The `rule` label of a decision without findings.
pub(super) const NO_RULE: &str = "none";
/// Values of the `decision` label (see `audit::record`).
const DECISIONS: [&str; 8] = ["pass", "rewrite", "defer", "settle", "refuse", "would-rewrite", "would-defer", "would-refuse"];
/// Values of the `state` label.
const PROMISE_STATES: [&str; 5] = ["promised", "committed", "aborted", "failed", "settled"];

/// Labels whose values are known before anything happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Labels<'a> {
    /// Names of listeners.
    pub listeners: &'a [&'a str],
    /// Names of upstreams.
    pub upstreams: &'a [&'a str],
    /// Rule ids.
    pub rules: &'a [&'a str],
    /// Kinds of failed logins.
    pub login_failures: &'a [&'a str],
    /// Kinds of upstream errors.
    pub upstream_errors: &'a [&'a str],
}

/// HELP and TYPE of every metric.
pub(super) fn describe() {
    describe_gauge!(SESSIONS, "Open sessions, by listener.");
    describe_counter!(SESSIONS_TOTAL, "Sessions opened, by listener.");
    describe_counter!(LOGIN_FAILURES_TOTAL, "Logins that did not become a session, by kind.");
    describe_counter!(
        DECISIONS_TOTAL,
        "Decisions, by rule and decision; one with findings of several rules counts under each, one without under rule=\"none\"."
    );
    describe_histogram!(REWRITE_SECONDS, Unit::Seconds, "Time that a rewritten statement took, by rule.");
    describe_counter!(PROMISES_TOTAL, "What transactions were promised for after their COMMIT, by what has become of it.");
    describe_counter!(UPSTREAM_ERRORS_TOTAL, "Failures towards PostgreSQL servers, by upstream and kind.");
    describe_histogram!(STORE_SECONDS, Unit::Seconds, "Time until a write to the store was on disk, by operation.");
    describe_counter!(STORE_ERRORS_TOTAL, "Failed writes to the store, by kind.");
    describe_counter!(LOG_LINES_DROPPED_TOTAL, "Log lines that were not written, because nobody read stderr fast enough.");
    describe_counter!(PANICS_TOTAL, "Tasks that a bug ended.");
    describe_counter!(CONFIG_RELOADS_TOTAL, "Reloads of the config, by result.");
    describe_counter!(ADMIN_LOGINS_TOTAL, "Logins to the dashboard, and requests that were not let in, by result.");
    describe_counter!(CHECKPOINTS_TOTAL, "Checkpoints of the audit log, by result; without a key there are none.");
}

/// Makes what is known appear as 0: a counter that first appears at 1 hides its first increase from `rate()`.
/// Leaves what is counted already as it is, so it may be called again after a reload.
pub fn register(labels: Labels<'_>) {
    for state in PROMISE_STATES {
        counter!(PROMISES_TOTAL, "state" => state).increment(0);
    }
    for listener in labels.listeners {
        gauge!(SESSIONS, "listener" => (*listener).to_owned()).increment(0);
        counter!(SESSIONS_TOTAL, "listener" => (*listener).to_owned()).increment(0);
    }
    for kind in labels.login_failures {
        counter!(LOGIN_FAILURES_TOTAL, "kind" => (*kind).to_owned()).increment(0);
    }
    for rule in labels.rules.iter().chain([&NO_RULE]) {
        for decision in DECISIONS {
            counter!(DECISIONS_TOTAL, "rule" => (*rule).to_owned(), "decision" => decision).increment(0);
        }
    }
    for upstream in labels.upstreams {
        for kind in labels.upstream_errors {
            counter!(UPSTREAM_ERRORS_TOTAL, "upstream" => (*upstream).to_owned(), "kind" => (*kind).to_owned()).increment(0);
        }
    }
    counter!(LOG_LINES_DROPPED_TOTAL).increment(0);
    counter!(PANICS_TOTAL).increment(0);
    for result in ["ok", "rejected"] {
        counter!(CONFIG_RELOADS_TOTAL, "result" => result).increment(0);
    }
    for result in ["ok", "wrong-token", "too-often", "no-role", "wrong-host", "cross-site", "viewer"] {
        counter!(ADMIN_LOGINS_TOTAL, "result" => result).increment(0);
    }
    for result in ["ok", "failed"] {
        counter!(CHECKPOINTS_TOTAL, "result" => result).increment(0);
    }
}
