//! The table of metrics: names, meanings, labels and first values. docs/metrics.md is written from it.

use metrics::{Unit as Exposed, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

pub(super) const BUILD_INFO: &str = "pgairlock_build_info";
pub(super) const READY: &str = "pgairlock_ready";
pub(super) const SESSIONS: &str = "pgairlock_sessions";
pub(super) const SESSIONS_LIMIT: &str = "pgairlock_sessions_limit";
pub(super) const SESSIONS_TOTAL: &str = "pgairlock_sessions_total";
pub(super) const SESSIONS_ENDED_TOTAL: &str = "pgairlock_sessions_ended_total";
pub(super) const SESSIONS_WAITING: &str = "pgairlock_sessions_waiting";
pub(super) const LOGIN_FAILURES_TOTAL: &str = "pgairlock_login_failures_total";
pub(super) const STATEMENTS_TOTAL: &str = "pgairlock_statements_total";
pub(super) const DECISIONS_TOTAL: &str = "pgairlock_decisions_total";
pub(super) const DECISION_SECONDS: &str = "pgairlock_decision_seconds";
pub(super) const REFUSALS_TOTAL: &str = "pgairlock_refusals_total";
pub(super) const REWRITE_SECONDS: &str = "pgairlock_rewrite_seconds";
pub(super) const ESTIMATE_RATIO: &str = "pgairlock_estimate_ratio";
pub(super) const REWRITES_TOTAL: &str = "pgairlock_rewrites_total";
pub(super) const LOCK_TRIES_TOTAL: &str = "pgairlock_lock_tries_total";
pub(super) const LOCK_WAIT_SECONDS: &str = "pgairlock_lock_wait_seconds";
pub(super) const PROMISES_TOTAL: &str = "pgairlock_promises_total";
pub(super) const PROMISES_OPEN: &str = "pgairlock_promises_open";
pub(super) const PROMISES_OLDEST_SECONDS: &str = "pgairlock_promises_oldest_seconds";
pub(super) const AFTER_COMMIT_STEP_SECONDS: &str = "pgairlock_after_commit_step_seconds";
pub(super) const UPSTREAM_ERRORS_TOTAL: &str = "pgairlock_upstream_errors_total";
pub(super) const STORE_SECONDS: &str = "pgairlock_store_seconds";
pub(super) const STORE_ERRORS_TOTAL: &str = "pgairlock_store_errors_total";
pub(super) const STORE_OWED: &str = "pgairlock_store_owed_entries";
pub(super) const STORE_QUEUE: &str = "pgairlock_store_queued_requests";
pub(super) const CHECKPOINTS_TOTAL: &str = "pgairlock_audit_checkpoints_total";
pub(super) const ENTRIES_REMOVED_TOTAL: &str = "pgairlock_audit_entries_removed_total";
pub(super) const RETENTION_TOTAL: &str = "pgairlock_audit_retention_total";
pub(super) const CHECKPOINT_TIME: &str = "pgairlock_audit_checkpoint_timestamp_seconds";
pub(super) const CHECKPOINT_FAILING: &str = "pgairlock_audit_checkpoint_failing";
pub(super) const CONFIG_RELOADS_TOTAL: &str = "pgairlock_config_reloads_total";
pub(super) const CONFIG_OK: &str = "pgairlock_config_last_reload_successful";
pub(super) const CONFIG_TIME: &str = "pgairlock_config_last_reload_success_timestamp_seconds";
pub(super) const RESTART_NEEDED: &str = "pgairlock_config_restart_needed_settings";
pub(super) const LOG_LINES_DROPPED_TOTAL: &str = "pgairlock_log_lines_dropped_total";
pub(super) const TRACE_SPANS_TOTAL: &str = "pgairlock_trace_spans_total";
pub(super) const PANICS_TOTAL: &str = "pgairlock_panics_total";
pub(super) const START_TIME: &str = "process_start_time_seconds";
pub(super) const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
pub(super) const OPEN_FILES: &str = "process_open_fds";
pub(super) const MOST_FILES: &str = "process_max_fds";
pub(super) const WEBHOOK_DELIVERIES_TOTAL: &str = "pgairlock_webhook_deliveries_total";
pub(super) const WEBHOOK_DROPPED_TOTAL: &str = "pgairlock_webhook_dropped_total";
pub(super) const WEBHOOK_QUEUE: &str = "pgairlock_webhook_queue";
pub(super) const ADMIN_LOGINS_TOTAL: &str = "pgairlock_admin_logins_total";

/// The `rule` label of a decision without findings.
pub(super) const NO_RULE: &str = "none";
/// The `sqlstate` label of a refusal whose SQLSTATE is not in the table.
pub(super) const OTHER: &str = "other";
/// SQLSTATEs of refusals.
pub(super) const REFUSED_WITH: &[&str] =
    &["PA001", "PA002", "PA003", "PA004", "PA005", "PA006", "0A000", "22021", "25001", "25006", "25P01", "42704", "42P07", "55P03", "57014", OTHER];
/// Why sessions end: those of the state machine (`session::effects::Close`), and those of the edge.
const ENDS: &[&str] = &["client", "client-gone", "server", "protocol", "policy", "drained", "cut-off", "broken", "aborted", "shutdown"];
/// Values of the `decision` label (see `audit::record`).
const DECISIONS: &[&str] =
    &["pass", "rewrite", "defer", "settle", "gate", "refuse", "await", "would-rewrite", "would-defer", "would-gate", "would-refuse"];
/// What becomes of who comes to the dashboard (see `admin::gate`).
const ADMIN_LOGINS: &[&str] = &["ok", "wrong-token", "too-often", "no-role", "wrong-name", "wrong-host", "cross-site", "viewer"];
/// What is written to the store, and asked of it, while a session waits.
const OPERATIONS: &[&str] =
    &["record", "outcome", "transaction", "attribution", "session", "promise", "progress", "pending", "approval", "unheard", "alone", "settled"];

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; from 0 with each start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by these upper bounds.
    Histogram(&'static [f64]),
}

/// In what a metric counts: base units only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Seconds since 1970.
    Time,
    /// Bytes.
    Bytes,
    /// 0 is no, 1 is yes.
    Truth,
}

/// What a label may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// These.
    Listed(&'static [&'static str]),
    /// Names of `[[listener]]`.
    Listeners,
    /// Names of `[[upstream]]`.
    Upstreams,
    /// Ids of rules.
    Rules,
    /// Ids of rules, and `none`.
    RulesOrNone,
    /// Kinds of failed logins.
    LoginFailures,
    /// Kinds of errors towards servers.
    UpstreamErrors,
    /// Kinds of errors of the store.
    StoreErrors,
    /// Names of `[[webhook]]`.
    Webhooks,
    /// This program's version.
    Version,
}

/// A label.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// A metric, as docs/metrics.md has it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// In what it counts.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it says, and what follows from that.
    pub help: &'static str,
}

const fn listed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Listed(values) }
}

const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, labels, help }
}

const fn gauge(name: &'static str, unit: Unit, labels: &'static [Label], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

const fn seconds(name: &'static str, bounds: &'static [f64], labels: &'static [Label], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(bounds), unit: Unit::Seconds, labels, help }
}

const WEBHOOK: Label = Label { name: "webhook", values: Values::Webhooks };
const LISTENER: Label = Label { name: "listener", values: Values::Listeners };
const DECISION: Label = listed("decision", DECISIONS);
const RULE: Label = Label { name: "rule", values: Values::Rules };

/// What a person waits for.
const LONG: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0];
/// What a statement waits for.
const BRIEF: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// What a try with lock_timeout takes.
const LOCKS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Every metric.
pub const TABLE: &[Metric] = &[
    gauge(BUILD_INFO, Unit::Truth, &[Label { name: "version", values: Values::Version }], "Always 1; which version runs."),
    gauge(READY, Unit::Truth, &[], "What /readyz says: it serves, and a decision can be written; the store is asked every 5 s."),
    gauge(SESSIONS, Unit::Count, &[LISTENER], "Open sessions."),
    gauge(SESSIONS_LIMIT, Unit::Count, &[], "[limits] sessions, for all listeners together; beyond it logins are refused with SQLSTATE 53300."),
    counter(SESSIONS_TOTAL, &[LISTENER], "Sessions opened."),
    counter(
        SESSIONS_ENDED_TOTAL,
        &[listed("reason", ENDS)],
        "Sessions that have ended, by who ended them or why: broken is a socket in mode off, aborted a bug, cut-off the end of a drain.",
    ),
    gauge(
        SESSIONS_WAITING,
        Unit::Count,
        &[listed("for", WAITS)],
        "Sessions whose client waits now: for a lock that somebody holds, an advisory lock, the steps of a rewrite, or work after a COMMIT.",
    ),
    counter(LOGIN_FAILURES_TOTAL, &[Label { name: "kind", values: Values::LoginFailures }], "Connections that did not become a session."),
    counter(STATEMENTS_TOTAL, &[DECISION], "Statements that were decided and recorded, each once. What needs no decision passes uncounted."),
    counter(
        DECISIONS_TOTAL,
        &[Label { name: "rule", values: Values::RulesOrNone }, DECISION],
        "Findings of decisions: one with findings of several rules counts under each, one without under rule=\"none\".",
    ),
    seconds(DECISION_SECONDS, BRIEF, &[], "From a statement's arrival until its decision was on disk: what pgairlock adds to it before it runs."),
    counter(
        REFUSALS_TOTAL,
        &[listed("sqlstate", REFUSED_WITH)],
        "Statements that pgairlock refused, by the SQLSTATE that the client got: PA001 a rule, PA005 the store, 55P03 a lock that did not come.",
    ),
    seconds(REWRITE_SECONDS, LONG, &[RULE], "Time that a rewritten statement took, from its arrival to its answer."),
    Metric {
        name: ESTIMATE_RATIO,
        kind: Kind::Histogram(&[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0]),
        unit: Unit::Count,
        labels: &[listed("of", &["as-written", "safe-form"])],
        help: "Time that a statement took, through the time that was said to be likely, by what ran.",
    },
    counter(REWRITES_TOTAL, &[listed("result", &["ok", "failed"])], "Rewritten statements that have ended."),
    counter(
        LOCK_TRIES_TOTAL,
        &[listed("result", &["got", "missed"])],
        "Tries of statements and steps that need a strong lock: each with a short lock_timeout, so that nobody stands behind it for long.",
    ),
    seconds(
        LOCK_WAIT_SECONDS,
        LOCKS,
        &[listed("result", &["got", "gave-up", "failed"])],
        "How long statements waited whose first try missed its lock: gave-up after [timeouts] lock_total, failed for another reason, a cancel among them.",
    ),
    counter(
        PROMISES_TOTAL,
        &[listed("state", &["promised", "committed", "aborted", "failed", "settled", "unknown", "dropped"])],
        "What transactions were promised for after their COMMIT, by what has become of it; failed counts each failure, also one that is tried again.",
    ),
    gauge(
        PROMISES_OPEN,
        Unit::Count,
        &[listed("state", &["waiting", "failed"])],
        "Promises in the store that are not settled, looked at every 10 s: failed ones wait for a person (pgairlock deferred list). Replicas on one store all say the same.",
    ),
    gauge(PROMISES_OLDEST_SECONDS, Unit::Seconds, &[listed("state", &["waiting", "failed"])], "Age of the oldest of them; 0 where there is none."),
    seconds(
        AFTER_COMMIT_STEP_SECONDS,
        LONG,
        &[listed("result", &["ok", "failed"])],
        "Time that steps after a COMMIT took, such as a concurrent build; a try that missed its lock is a failed one.",
    ),
    counter(
        UPSTREAM_ERRORS_TOTAL,
        &[Label { name: "upstream", values: Values::Upstreams }, Label { name: "kind", values: Values::UpstreamErrors }],
        "Failures towards PostgreSQL servers: connect no host could be used, lost a session's connection broke, monitor the login of [monitor] cannot look.",
    ),
    seconds(STORE_SECONDS, BRIEF, &[listed("operation", OPERATIONS)], "Time until a write to the store was on disk, or a question answered."),
    counter(
        STORE_ERRORS_TOTAL,
        &[Label { name: "kind", values: Values::StoreErrors }],
        "Failed calls of the store. Statements whose decision it was were refused with SQLSTATE PA005.",
    ),
    gauge(
        STORE_OWED,
        Unit::Count,
        &[],
        "Entries of what has happened that the store has not taken yet: they are kept in memory, written when it is back, and lost if the process dies first.",
    ),
    gauge(STORE_QUEUE, Unit::Count, &[], "Requests that wait for the thread that writes; from 1024 on, callers wait in line."),
    counter(
        CHECKPOINTS_TOTAL,
        &[listed("result", &["ok", "failed"])],
        "Checkpoints of the audit log; without [store] signing_key there are none. One that failed is tried again each second.",
    ),
    gauge(CHECKPOINT_TIME, Unit::Time, &[], "When the last checkpoint was written; 0 before the first. None is due while nothing happens."),
    gauge(CHECKPOINT_FAILING, Unit::Truth, &[], "The last checkpoint could not be written: entries since then have no witness but the store."),
    counter(ENTRIES_REMOVED_TOTAL, &[], "Entries of the audit log that were older than [store] retention and are gone."),
    counter(
        RETENTION_TOTAL,
        &[listed("result", &["ok", "failed"])],
        "Runs of the retention of the audit log; without [store] retention there are none.",
    ),
    counter(
        WEBHOOK_DELIVERIES_TOTAL,
        &[WEBHOOK, listed("result", &["ok", "retried", "refused", "expired", "shutdown"])],
        "Messages to webhooks: ok was taken, retried failed and is tried again; refused, expired and shutdown are given up.",
    ),
    counter(
        WEBHOOK_DROPPED_TOTAL,
        &[WEBHOOK, listed("why", &["full", "removed", "shutdown"])],
        "Messages to webhooks that were not even tried: so many waited already, a reload took the webhook away, or the process ended.",
    ),
    gauge(WEBHOOK_QUEUE, Unit::Count, &[WEBHOOK], "Messages that wait for a webhook, the one on its way included."),
    counter(CONFIG_RELOADS_TOTAL, &[listed("result", &["ok", "rejected"])], "Reloads of the config: on SIGHUP, and when the file has changed."),
    gauge(CONFIG_OK, Unit::Truth, &[], "The last reload was taken; 0: the file is wrong, and the settings of before it are in use."),
    gauge(CONFIG_TIME, Unit::Time, &[], "When the settings in use were read."),
    gauge(RESTART_NEEDED, Unit::Count, &[], "Settings that a reload changed and that take effect with a restart only."),
    counter(LOG_LINES_DROPPED_TOTAL, &[], "Log lines that were not written, because nobody read stderr fast enough."),
    counter(
        TRACE_SPANS_TOTAL,
        &[listed("result", &["exported", "dropped", "failed"])],
        "Spans for [telemetry] otlp_endpoint: dropped since too many waited, failed since the collector did not take them.",
    ),
    counter(
        ADMIN_LOGINS_TOTAL,
        &[listed("result", ADMIN_LOGINS)],
        "Logins to the dashboard by token, and requests to it that were not let in: too-often is an address that was wrong about tokens again and again.",
    ),
    counter(PANICS_TOTAL, &[], "Tasks that a bug ended; the log has the place."),
    gauge(START_TIME, Unit::Time, &[], "When the process started."),
    gauge(RESIDENT_BYTES, Unit::Bytes, &[], "Memory of the process."),
    gauge(OPEN_FILES, Unit::Count, &[], "Open files and sockets: two of each session, and some."),
    gauge(MOST_FILES, Unit::Count, &[], "How many may be open (ulimit -n); 0 is no limit."),
];

/// Values of the label `for`.
pub(super) const WAITS: &[&str] = &["lock", "advisory-lock", "rewrite", "after-commit", "approval"];

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
    /// Kinds of errors of the store.
    pub store_errors: &'a [&'a str],
    /// Names of `[[webhook]]`.
    pub webhooks: &'a [&'a str],
}

impl Labels<'_> {
    /// What a label may say.
    fn values(&self, values: Values) -> Vec<&str> {
        match values {
            Values::Listed(listed) => listed.to_vec(),
            Values::Listeners => self.listeners.to_vec(),
            Values::Upstreams => self.upstreams.to_vec(),
            Values::Rules => self.rules.to_vec(),
            Values::RulesOrNone => self.rules.iter().copied().chain([NO_RULE]).collect(),
            Values::LoginFailures => self.login_failures.to_vec(),
            Values::UpstreamErrors => self.upstream_errors.to_vec(),
            Values::StoreErrors => self.store_errors.to_vec(),
            Values::Webhooks => self.webhooks.to_vec(),
            Values::Version => vec![VERSION],
        }
    }

    /// Every series that a metric may have.
    fn series(&self, metric: &Metric) -> Vec<Vec<(String, String)>> {
        let mut series = vec![Vec::new()];
        for label in metric.labels {
            let values = self.values(label.values);
            let with =
                |before: &Vec<(String, String)>, value: &str| before.iter().cloned().chain([(label.name.to_owned(), value.to_owned())]).collect();
            series = series.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).collect();
        }
        series
    }
}

/// Of this program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// HELP and TYPE of every metric.
pub(super) fn describe() {
    for Metric { name, kind, unit, help, .. } in TABLE {
        let unit = match unit {
            Unit::Seconds | Unit::Time => Exposed::Seconds,
            Unit::Bytes => Exposed::Bytes,
            Unit::Count | Unit::Truth => Exposed::Count,
        };
        match kind {
            Kind::Counter => describe_counter!(*name, unit, *help),
            Kind::Gauge => describe_gauge!(*name, unit, *help),
            Kind::Histogram(_) => describe_histogram!(*name, unit, *help),
        }
    }
}

/// Makes what is known appear as 0: a counter that first appears at 1 hides its first increase from `rate()`.
/// Leaves what is counted already as it is, so it may be called again after a reload.
pub fn register(labels: Labels<'_>) {
    for metric in TABLE {
        for series in labels.series(metric) {
            match metric.kind {
                Kind::Counter => counter!(metric.name, &series).increment(0),
                Kind::Gauge => gauge!(metric.name, &series).increment(0),
                // To have a handle is to be there.
                Kind::Histogram(_) => drop(histogram!(metric.name, &series)),
            }
        }
    }
}
