use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::audit::record::{DecisionId, Outcome, Record, RecordedFinding};
use crate::config::{ConfigError, Place, Problem};
use crate::store::StoreError;

/// Log lines in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `events` logs (without timestamps) and what the metrics say afterwards.
fn observe(events: impl FnOnce()) -> (Vec<Value>, String) {
    let lines = Lines::default();
    let writer = lines.clone();
    let recorder = builder().unwrap().build_recorder();
    let log = subscriber(EnvFilter::new("debug"), move || writer.clone());
    tracing::subscriber::with_default(log, || {
        metrics::with_local_recorder(&recorder, || {
            names::describe();
            events();
        });
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (text.lines().map(without_timestamp).collect(), recorder.handle().render())
}

fn without_timestamp(line: &str) -> Value {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    assert!(object.remove("timestamp").is_some(), "{line}");
    Value::Object(object)
}

fn finding(rule: &str) -> RecordedFinding {
    RecordedFinding {
        rule: rule.into(),
        relation: None,
        verdict: "enforced".into(),
        certainty: "proven".into(),
        lock: None,
        work: "none".into(),
        bytes: None,
        estimate: None,
        message: "m".into(),
    }
}

fn record(findings: Vec<RecordedFinding>) -> Record {
    Record {
        transaction: 1,
        session: "s".into(),
        listener: "l".into(),
        client: "c".into(),
        role: "r".into(),
        database: "d".into(),
        application_name: None,
        sql: "DROP TABLE \"t\"\n".into(),
        decision: "refuse".into(),
        findings,
        steps: vec![],
        in_transaction: true,
        commit_is_announced: false,
        facts: Vec::new(),
        former: vec![],
        tool_guess: None,
        server_version: 150_000,
        approval: None,
        tls: None,
        mark: None,
    }
}

#[track_caller]
fn assert_has(metrics: &str, sample: &str) {
    assert!(metrics.lines().any(|line| line == sample), "no line {sample:?} in:\n{metrics}");
}

#[test]
fn a_decision_is_one_line_and_counts_under_each_of_its_rules() {
    let twice = record(vec![finding("drop-table"), finding("drop-column"), finding("drop-table")]);
    let (lines, metrics) = observe(|| {
        Decision { id: Some(DecisionId { writer: 1, seq: 7 }), record: &twice }.emit();
        Decision { id: None, record: &record(vec![]) }.emit();
        let outcome = Outcome { tag: None, sqlstate: Some("57P01".into()), duration_micros: 1_500_000, ..Default::default() };
        DecisionEnded { session: "s", id: DecisionId { writer: 1, seq: 7 }, outcome: &outcome }.emit();
    });
    assert_eq!(
        lines[0],
        json!({"level": "INFO", "event": "decision", "message": "decision", "id": "1-7", "session": "s", "listener": "l", "client": "c", "role": "r",
               "database": "d", "sql": "DROP TABLE \"t\"\n", "decision": "refuse", "rules": "drop-column,drop-table", "steps": 0, "in_transaction": true})
    );
    assert_eq!((lines.len(), lines[1].get("id"), &lines[1]["rules"]), (3, None, &json!("")));
    assert_eq!(
        (&lines[2]["event"], &lines[2]["id"], &lines[2]["sqlstate"], &lines[2]["seconds"]),
        (&json!("outcome"), &json!("1-7"), &json!("57P01"), &json!(1.5))
    );
    for rule in ["drop-table", "drop-column", "none"] {
        assert_has(&metrics, &format!("pgairlock_decisions_total{{rule=\"{rule}\",decision=\"refuse\"}} 1"));
    }
}

#[test]
fn sessions_are_counted_and_gauged_by_listener() {
    let opened = SessionOpened {
        session: "s",
        listener: "l",
        client: "c",
        role: "r",
        database: "d",
        application_name: Some("alembic"),
        tls: Some("CN=ci"),
        upstream: "main",
    };
    let closed = SessionClosed { session: "s", listener: "l", reason: "terminate", message: None, duration: Duration::from_millis(1_500) };
    let (lines, metrics) = observe(|| {
        opened.emit();
        opened.emit();
        closed.emit();
    });
    assert_eq!((&lines[0]["event"], &lines[0]["application_name"]), (&json!("session_opened"), &json!("alembic")));
    assert_eq!((&lines[2]["event"], &lines[2]["reason"], &lines[2]["seconds"]), (&json!("session_closed"), &json!("terminate"), &json!(1.5)));
    assert_has(&metrics, "pgairlock_sessions{listener=\"l\"} 1");
    assert_has(&metrics, "pgairlock_sessions_total{listener=\"l\"} 2");
}

#[test]
fn failures_are_counted_by_kind() {
    let error = StoreError::Full("no room".into());
    let (lines, metrics) = observe(|| {
        LoginFailed { listener: "l", client: "c", kind: "tls-required", message: "plain" }.emit();
        UpstreamError { session: "s", upstream: "main", kind: "refused", message: "no" }.emit();
        StoreFailed { session: "s", operation: "record", error: Some(&error) }.emit();
        StoreFailed { session: "s", operation: "record", error: None }.emit();
    });
    assert_has(&metrics, "pgairlock_login_failures_total{kind=\"tls-required\"} 1");
    assert_has(&metrics, "pgairlock_upstream_errors_total{upstream=\"main\",kind=\"refused\"} 1");
    assert_has(&metrics, "pgairlock_store_errors_total{kind=\"full\"} 1");
    assert_has(&metrics, "pgairlock_store_errors_total{kind=\"timeout\"} 1");
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["WARN", "WARN", "ERROR", "ERROR"]);
    assert_eq!(lines[2]["error"], "store is full: no room");
}

#[test]
fn times_are_histograms_in_seconds() {
    let (_, metrics) = observe(|| {
        RewriteFinished { session: "s", rule: "set-not-null-scan", duration: Duration::from_secs(2), ok: true }.emit();
        StoreWritten { operation: "record", duration: Duration::from_millis(2) }.emit();
        EstimateMet { of: "safe-form", ratio: 2.5 }.emit();
    });
    assert_has(&metrics, "pgairlock_rewrite_seconds_bucket{rule=\"set-not-null-scan\",le=\"1\"} 0");
    assert_has(&metrics, "pgairlock_rewrite_seconds_bucket{rule=\"set-not-null-scan\",le=\"5\"} 1");
    assert_has(&metrics, "pgairlock_rewrite_seconds_sum{rule=\"set-not-null-scan\"} 2");
    assert_has(&metrics, "pgairlock_store_seconds_bucket{operation=\"record\",le=\"0.0025\"} 1");
    assert_has(&metrics, "# TYPE pgairlock_rewrite_seconds histogram");
    assert_has(&metrics, "pgairlock_estimate_ratio_bucket{of=\"safe-form\",le=\"2\"} 0");
    assert_has(&metrics, "pgairlock_estimate_ratio_bucket{of=\"safe-form\",le=\"3\"} 1");
}

#[test]
fn the_life_of_the_process_is_told() {
    let error = ConfigError { file: "p.toml".into(), problems: vec![Problem { place: Place::Line(3), message: "wrong".into() }] };
    let (lines, metrics) = observe(|| {
        Listening { listener: "l", address: "127.0.0.1:1".parse().unwrap() }.emit();
        ConfigReloaded.emit();
        RestartNeeded { setting: "[store] path" }.emit();
        ConfigRejected { error: &error }.emit();
        TooFewFiles { sessions: 1000, needed: 2064, allowed: 1024 }.emit();
        Panicked { place: "src/x.rs:1:2" }.emit();
        Draining { sessions: 2, deadline: Duration::from_secs(30) }.emit();
        Stopped { cut_off: 1 }.emit();
    });
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["listening", "config_reloaded", "restart_needed", "config_rejected", "too_few_files", "panic", "draining", "stopped"]);
    assert_eq!((&lines[0]["address"], &lines[3]["error"]), (&json!("127.0.0.1:1"), &json!("p.toml:3: wrong")));
    assert_has(&metrics, "pgairlock_panics_total 1");
    assert_has(&metrics, "pgairlock_config_reloads_total{result=\"ok\"} 1");
    assert_has(&metrics, "pgairlock_config_reloads_total{result=\"rejected\"} 1");
}

#[test]
fn what_is_known_starts_at_zero_and_registering_again_changes_nothing() {
    let labels = Labels {
        listeners: &["l"],
        upstreams: &["u"],
        rules: &["r"],
        login_failures: &["f"],
        upstream_errors: &["e"],
        store_errors: &["s"],
        webhooks: &["w"],
    };
    let (_, metrics) = observe(|| {
        register(labels);
        LoginFailed { listener: "l", client: "c", kind: "f", message: "m" }.emit();
        register(labels);
    });
    for zero in [
        "pgairlock_sessions{listener=\"l\"} 0",
        "pgairlock_sessions_total{listener=\"l\"} 0",
        "pgairlock_decisions_total{rule=\"r\",decision=\"would-refuse\"} 0",
        "pgairlock_decisions_total{rule=\"none\",decision=\"pass\"} 0",
        "pgairlock_upstream_errors_total{upstream=\"u\",kind=\"e\"} 0",
        "pgairlock_config_reloads_total{result=\"rejected\"} 0",
        "pgairlock_rewrite_seconds_count{rule=\"r\"} 0",
        "pgairlock_lock_wait_seconds_bucket{result=\"got\",le=\"+Inf\"} 0",
    ] {
        assert_has(&metrics, zero);
    }
    assert_has(&metrics, "pgairlock_login_failures_total{kind=\"f\"} 1");
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_told() {
    let error = init("nonsense=loud").unwrap_err().to_string();
    assert!(error.starts_with("log filter \"nonsense=loud\": "), "{error}");
}

#[test]
fn what_retention_takes_is_told_and_counted() {
    let (lines, metrics) = observe(|| {
        EntriesRemoved { chain: 3, writer: "w", removed: 500 }.emit();
        EntriesRemoved { chain: 4, writer: "v", removed: 20 }.emit();
        RetentionRan.emit();
        RetentionFailed { error: &"the store is away" }.emit();
    });
    assert_eq!((&lines[0]["event"], &lines[0]["chain"], &lines[0]["removed"]), (&json!("audit_entries_removed"), &json!(3), &json!(500)));
    assert_eq!((&lines[3]["level"], &lines[3]["event"]), (&json!("ERROR"), &json!("audit_retention_failed")));
    assert_has(&metrics, "pgairlock_audit_entries_removed_total 520");
    assert_has(&metrics, "pgairlock_audit_retention_total{result=\"ok\"} 1");
    assert_has(&metrics, "pgairlock_audit_retention_total{result=\"failed\"} 1");
}

#[test]
fn a_checkpoint_is_in_the_log_letter_by_letter() {
    let line = r#"{"kind":"checkpoint","signature":"x"}"#;
    let (lines, metrics) = observe(|| {
        CheckpointWritten { line }.emit();
        CheckpointFailed { error: &"the disk is full" }.emit();
    });
    assert_eq!((&lines[0]["event"], &lines[0]["checkpoint"]), (&json!("audit_checkpoint"), &json!(line)));
    assert_eq!((&lines[1]["level"], &lines[1]["error"]), (&json!("ERROR"), &json!("the disk is full")));
    assert_has(&metrics, "pgairlock_audit_checkpoints_total{result=\"failed\"} 1");
}

/// What is registered without anything having happened is the whole table.
#[test]
fn every_metric_of_the_table_is_there_from_the_start() {
    let some = &["x"][..];
    let labels =
        Labels { listeners: some, upstreams: some, rules: some, login_failures: some, upstream_errors: some, store_errors: some, webhooks: some };
    let (_, metrics) = observe(|| register(labels));
    for metric in TABLE {
        let (kind, sample) = match metric.kind {
            Kind::Counter => ("counter", metric.name.to_owned()),
            Kind::Gauge => ("gauge", metric.name.to_owned()),
            Kind::Histogram(_) => ("histogram", format!("{}_count", metric.name)),
        };
        assert_has(&metrics, &format!("# TYPE {} {kind}", metric.name));
        assert!(metrics.lines().any(|line| line.starts_with(&sample) && line.ends_with(" 0")), "{} has no value", metric.name);
    }
}

#[test]
fn names_say_what_they_count() {
    let mut names = std::collections::BTreeSet::new();
    for Metric { name, kind, unit, help, labels } in TABLE {
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("pgairlock_") || name.starts_with("process_"), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert_eq!(matches!(unit, Unit::Seconds | Unit::Time), name.ends_with("_seconds"), "{name}");
        assert_eq!(*unit == Unit::Time, name.ends_with("_time_seconds") || name.ends_with("_timestamp_seconds"), "{name}");
        assert_eq!(*unit == Unit::Bytes, name.ends_with("_bytes"), "{name}");
        assert!(help.ends_with('.') && !help.contains('|'), "{name}: a sentence, and a cell of a table");
        assert!(labels.len() <= 2, "{name}: what has more labels has too many series");
    }
}

#[test]
fn statements_on_their_way_are_counted() {
    let (lines, metrics) = observe(|| {
        Decided { took: Duration::from_millis(3) }.emit();
        Refused { sqlstate: "PA001" }.emit();
        Refused { sqlstate: "99999" }.emit();
        LockTried { got: false }.emit();
        LockTried { got: true }.emit();
        LockWaited { result: "got", took: Duration::from_secs(2) }.emit();
        StepEnded { ok: true, took: Duration::from_secs(70) }.emit();
        let waiting = Waiting::begin("lock");
        drop(Waiting::begin("lock"));
        std::mem::forget(waiting);
    });
    assert_eq!(lines.len(), 0, "they are many: {lines:?}");
    for sample in [
        "pgairlock_decision_seconds_bucket{le=\"0.005\"} 1",
        "pgairlock_refusals_total{sqlstate=\"PA001\"} 1",
        "pgairlock_refusals_total{sqlstate=\"other\"} 1",
        "pgairlock_lock_tries_total{result=\"missed\"} 1",
        "pgairlock_lock_wait_seconds_sum{result=\"got\"} 2",
        "pgairlock_after_commit_step_seconds_bucket{result=\"ok\",le=\"60\"} 0",
        "pgairlock_after_commit_step_seconds_count{result=\"ok\"} 1",
        "pgairlock_sessions_waiting{for=\"lock\"} 1",
    ] {
        assert_has(&metrics, sample);
    }
}

#[test]
fn open_promises_have_an_age_and_none_has_none() {
    let group = |count, oldest_unix_micros| crate::store::Group { count, oldest_unix_micros };
    let (_, metrics) = observe(|| {
        let open = crate::store::OpenPromises { waiting: group(0, 0), failed: group(2, 10_000_000) };
        PromisesCounted { open, now_unix_micros: 100_000_000 }.emit();
    });
    assert_has(&metrics, "pgairlock_promises_open{state=\"failed\"} 2");
    assert_has(&metrics, "pgairlock_promises_oldest_seconds{state=\"failed\"} 90");
    assert_has(&metrics, "pgairlock_promises_oldest_seconds{state=\"waiting\"} 0");
}

#[test]
fn a_scrape_looks_at_the_process() {
    let (_, metrics) = observe(|| Scraped { ready: true, owed: 3, queued: 4 }.emit());
    for sample in ["pgairlock_ready 1", "pgairlock_store_owed_entries 3", "pgairlock_store_queued_requests 4"] {
        assert_has(&metrics, sample);
    }
    let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().parse::<f64>().unwrap();
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 2.0);
}

#[path = "docs_tests.rs"]
mod docs;
