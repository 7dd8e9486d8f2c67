//! What Prometheus and Grafana are given, in a real Prometheus that reads a real pgairlock before a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "observability/files.rs"]
mod files;
#[path = "observability/prometheus.rs"]
mod prometheus;
#[path = "observability/traces.rs"]
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use files::{alerts, dashboard, expressions, metrics_named};
use pgairlock::telemetry::{Kind, Label, TABLE, Values};
use prometheus::{Prometheus, promtool};
use support::cluster::versions;
use support::frontend::{query, sync};
use support::scene::set_up;
use support::{Cluster, Proxy, RawClient, Session, cluster, until};

const TABLES: &str = "CREATE TABLE t (id int NOT NULL, a int); INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
    CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0')";
/// Tables with rows count as large, and locks are not waited for for long.
const SETTINGS: &str = "[limits]\nsmall_table = \"1B\"\n[timeouts]\nlock_total = \"1500ms\"\nstore = \"300ms\"\n\
    [[webhook]]\nname = \"channel\"\nformat = \"json\"\nurl = \"http://127.0.0.1:9/nobody\"\n";

fn newest() -> &'static Cluster {
    cluster(versions().last().unwrap())
}

async fn with_tables() -> (&'static Cluster, String, Session, Proxy) {
    let cluster = newest();
    let (database, direct) = set_up(cluster, TABLES).await;
    (cluster, database, direct, Proxy::in_front_of(cluster, "enforce", SETTINGS))
}

/// A bit of everything: a statement that passes, is made safe, waits for COMMIT, is refused, and does not get its lock; a login that fails.
async fn load(cluster: &Cluster, proxy: &Proxy, database: &str) {
    let session = proxy.connect(database).await;
    for sql in ["CREATE TABLE n (id int)", "CREATE INDEX i ON t (a)", "BEGIN", "CREATE INDEX j ON t (id)", "COMMIT", "SELECT 1"] {
        session.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    assert_eq!(session.error("DROP TABLE t").await.code().code(), "PA001");
    let reader = cluster.connect(database).await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM t").await.unwrap();
    assert_eq!(session.error("ALTER TABLE t ADD COLUMN b int").await.code().code(), "55P03");
    assert!(support::connect_to(proxy.port, "user=postgres password=wrong dbname=postgres").await.is_err());
    let mut cut = RawClient::log_in(proxy.port, database).await;
    cut.send(&[query("SELECT 1"), sync()].concat()).await;
}

fn samples(proxy: &Proxy) -> Vec<String> {
    let page = proxy.http("/metrics").unwrap();
    page.split("\r\n\r\n")
        .nth(1)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("pgairlock_") || line.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn value(samples: &[String], series: &str) -> f64 {
    let found = samples.iter().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{}", samples.join("\n"))).parse().unwrap()
}

/// Its name without what a histogram adds, and its labels.
fn parsed(sample: &str) -> (String, BTreeMap<String, String>) {
    let (series, _) = sample.rsplit_once(' ').unwrap();
    let (name, labels) = series.strip_suffix('}').and_then(|series| series.split_once('{')).unwrap_or((series, ""));
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .find(|base| TABLE.iter().any(|metric| metric.name == *base));
    let pairs = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
    (base.unwrap_or(name).to_owned(), pairs.map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned())).collect())
}

fn may_say(label: &Label, value: &str) -> bool {
    match label.values {
        Values::Listed(values) => values.contains(&value),
        Values::Listeners => value == "migrations",
        Values::Upstreams => value == "main",
        Values::Rules => pgairlock::rules::ids().any(|rule| rule == value),
        Values::RulesOrNone => value == "none" || pgairlock::rules::ids().any(|rule| rule == value),
        Values::LoginFailures => pgairlock::server::login_error::LoginError::KINDS.contains(&value),
        Values::UpstreamErrors => pgairlock::server::UPSTREAM_ERRORS.contains(&value),
        Values::StoreErrors => pgairlock::store::StoreError::KINDS.contains(&value),
        Values::Version => value == env!("CARGO_PKG_VERSION"),
        Values::Webhooks => value == "channel",
    }
}

/// A name or a label that is not in the table would be in nobody's docs, and appear at 1.
#[tokio::test]
async fn what_is_exposed_under_load_is_what_the_table_has_from_the_start() {
    let (cluster, database, _, proxy) = with_tables().await;
    let series = |samples: &[String]| samples.iter().map(|sample| sample.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>();
    let before = series(&samples(&proxy));
    load(cluster, &proxy, &database).await;
    until("all sessions are gone", async || value(&samples(&proxy), "pgairlock_sessions{listener=\"migrations\"}") == 0.0).await;
    let after = samples(&proxy);
    let new: Vec<_> = series(&after).difference(&before).cloned().collect();
    assert!(new.is_empty(), "they were not registered: {new:?}");
    for sample in &after {
        let (name, mut labels) = parsed(sample);
        let metric = TABLE.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{sample} is not in the table"));
        labels.remove("le");
        assert_eq!(labels.len(), metric.labels.len(), "{sample}");
        assert!(metric.labels.iter().all(|label| may_say(label, &labels[label.name])), "{sample}");
    }
    for (series, least) in [
        ("pgairlock_ready", 1.0),
        ("pgairlock_sessions_limit", 1000.0),
        ("pgairlock_sessions_ended_total{reason=\"client\"}", 1.0),
        ("pgairlock_statements_total{decision=\"rewrite\"}", 1.0),
        ("pgairlock_statements_total{decision=\"defer\"}", 1.0),
        ("pgairlock_decisions_total{rule=\"drop-table\",decision=\"refuse\"}", 1.0),
        ("pgairlock_refusals_total{sqlstate=\"PA001\"}", 1.0),
        ("pgairlock_refusals_total{sqlstate=\"55P03\"}", 1.0),
        ("pgairlock_decision_seconds_count", 4.0),
        ("pgairlock_rewrites_total{result=\"ok\"}", 1.0),
        ("pgairlock_lock_tries_total{result=\"missed\"}", 2.0),
        ("pgairlock_lock_wait_seconds_count{result=\"gave-up\"}", 1.0),
        ("pgairlock_after_commit_step_seconds_count{result=\"ok\"}", 1.0),
        ("pgairlock_promises_total{state=\"settled\"}", 1.0),
        ("pgairlock_login_failures_total{kind=\"server-refused\"}", 1.0),
        ("pgairlock_config_last_reload_successful", 1.0),
        ("process_open_fds", 5.0),
    ] {
        assert!(value(&after, series) >= least, "{series} is {}", value(&after, series));
    }
    for waiting in ["lock", "advisory-lock", "rewrite", "after-commit"] {
        assert_eq!(value(&after, &format!("pgairlock_sessions_waiting{{for=\"{waiting}\"}}")), 0.0, "nobody waits any more");
    }
}

#[tokio::test]
async fn who_waits_is_counted_while_it_waits() {
    let (cluster, database, direct, proxy) = with_tables().await;
    let holder = cluster.connect(&database).await;
    holder.batch_execute("BEGIN; UPDATE t SET a = a WHERE id = 1").await.unwrap();
    let waits = |what: &str| value(&samples(&proxy), &format!("pgairlock_sessions_waiting{{for=\"{what}\"}}"));
    let session = proxy.connect(&database).await;
    let (made, ()) = tokio::join!(session.batch_execute("CREATE INDEX i ON t (a)"), async {
        until("a rewrite waits", async || waits("rewrite") == 1.0).await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    made.unwrap();
    session.batch_execute("BEGIN; CREATE INDEX j ON t (id)").await.unwrap();
    holder.batch_execute("BEGIN; UPDATE t SET a = a WHERE id = 1").await.unwrap();
    let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), async {
        until("a COMMIT waits for its work", async || waits("after-commit") == 1.0).await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    committed.unwrap();
    assert_eq!(direct.value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid").await, "2");
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE").await.unwrap();
    let (altered, ()) = tokio::join!(session.batch_execute("ALTER TABLE t ADD COLUMN b int"), async {
        until("a statement waits for its lock", async || waits("lock") == 1.0).await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    altered.unwrap();
    until("it got it", async || value(&samples(&proxy), "pgairlock_lock_wait_seconds_count{result=\"got\"}") == 1.0).await;
    assert_eq!(["rewrite", "after-commit", "lock"].map(waits), [0.0; 3]);
}

#[test]
fn promtool_takes_the_config_the_alerts_and_their_tests() {
    for arguments in [
        ["check", "config", "config/prometheus.yml"],
        ["check", "rules", "config/prometheus-alerts.yml"],
        ["test", "rules", "tests/observability/alerts.yml"],
    ] {
        promtool(&arguments);
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let docs = std::fs::read_to_string(support::root().join("docs/observability.md")).unwrap();
    let alerts = alerts();
    assert!(alerts.len() > 15);
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].as_str().is_some_and(|text| text.len() > 20), "{name} has no {annotation}");
        }
        let runbook = format!("docs/observability.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"].as_str(), Some(&*runbook), "{name}");
        assert!(docs.contains(&format!("\n#### {name}\n")), "docs/observability.md has no section about {name}");
    }
    let sections = docs.lines().filter_map(|line| line.strip_prefix("#### "));
    let strangers: Vec<_> = sections.filter(|name| !alerts.iter().any(|alert| alert["alert"] == *name)).collect();
    assert!(strangers.is_empty(), "sections of alerts that there are not: {strangers:?}");
}

/// Grafana itself is not to be had here: what it needs to import and draw a dashboard is looked at one by one.
#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables.iter().any(|variable| variable["name"] == "datasource" && variable["type"] == "datasource" && variable["query"] == "prometheus")
    );
    assert!(dashboard["title"].is_string() && dashboard["uid"].is_string() && dashboard["schemaVersion"].is_number());
    assert!(dashboard.get("id").is_none(), "an id would be taken for one of this Grafana's own");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has its own id");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|part| panel["gridPos"][part].as_u64().unwrap_or_else(|| panic!("{title}: {part}")));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title} is beside the grid");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(["timeseries", "stat"].contains(&panel["type"].as_str().unwrap()), "{title}");
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title} has no description");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string() && target["refId"].is_string()), "{title}");
    }
}

#[test]
fn nothing_is_named_that_pgairlock_does_not_have_and_nothing_is_left_out() {
    let named: BTreeSet<String> = expressions().iter().flat_map(|(_, expression)| metrics_named(expression)).collect();
    let known: BTreeSet<String> = TABLE.iter().map(|metric| metric.name.to_owned()).collect();
    let base = |name: &String| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.filter(|base| known.contains(*base)).map_or_else(|| name.clone(), str::to_owned)
    };
    let named: BTreeSet<String> = named.iter().filter(|name| *name != "up").map(base).collect();
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), [""; 0], "they are not in the table");
    assert_eq!(known.difference(&named).collect::<Vec<_>>(), [""; 0], "nobody looks at them");
}

#[tokio::test]
async fn prometheus_reads_all_of_it_and_evaluates_every_expression() {
    let (cluster, database, _, proxy) = with_tables().await;
    let prometheus = Prometheus::start(proxy.admin_port);
    load(cluster, &proxy, &database).await;
    until("two scrapes behind the load", async || prometheus.value("sum(increase(pgairlock_statements_total[1m]))").is_some_and(|value| value > 0.0))
        .await;
    let metadata = prometheus.get("/api/v1/metadata", &[]);
    for metric in TABLE {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let found = &metadata[metric.name][0];
        assert_eq!((found["type"].as_str(), found["help"].as_str()), (Some(kind), Some(metric.help)), "{}", metric.name);
    }
    for (place, expression) in expressions() {
        for name in metrics_named(&expression) {
            let series = prometheus.get("/api/v1/series", &[("match[]", &name)]);
            assert!(!series.as_array().unwrap().is_empty(), "{place}: Prometheus has no series of {name}");
        }
        let result = prometheus.get("/api/v1/query", &[("query", &expression)]);
        assert!(result["result"].is_array(), "{place}: {expression}: {result}");
    }
    let rules = prometheus.get("/api/v1/rules", &[]);
    let rules: Vec<_> = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(rules.len(), alerts().len(), "all alerts are loaded");
    until("every alert was evaluated", async || {
        let rules = prometheus.get("/api/v1/rules", &[]);
        rules["groups"][0]["rules"].as_array().unwrap().iter().all(|rule| rule["health"] != "unknown")
    })
    .await;
    for rule in prometheus.get("/api/v1/rules", &[])["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!((rule["health"].as_str(), rule["lastError"].as_str().unwrap_or_default()), (Some("ok"), ""), "{}", rule["name"]);
    }
    assert_eq!(prometheus.value("pgairlock_build_info"), Some(1.0));
    assert!(
        prometheus.alert("PgairlockDown").is_none()
            && prometheus.alert("PgairlockNotReady").is_none()
            && prometheus.alert("PgairlockStoreErrors").is_none()
    );
    until("a lock was not got", async || prometheus.alert("PgairlockLocksNotGot").as_deref() == Some("firing")).await;
}

#[tokio::test]
async fn a_store_that_is_locked_and_work_that_has_failed_reach_whoever_is_on_call() {
    let (_, database, direct, proxy) = with_tables().await;
    let prometheus = Prometheus::start(proxy.admin_port);
    let session = proxy.connect(&database).await;
    for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "UPDATE alembic_version SET version_num = '1'"] {
        session.batch_execute(sql).await.unwrap();
    }
    direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
    assert_eq!(session.error("COMMIT").await.code().code(), "PA004");
    until("failed work after COMMIT", async || prometheus.alert("PgairlockAfterCommitFailed").as_deref() == Some("firing")).await;

    until("it is scraped", async || prometheus.value("pgairlock_ready") == Some(1.0)).await;
    // It is scraped while the store hangs, too.
    let store = rusqlite::Connection::open(&proxy.store).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(session.error("CREATE TABLE late (id int)").await.code().code(), "PA005");
    until("the store's errors", async || prometheus.alert("PgairlockStoreErrors").as_deref() == Some("firing")).await;
    until("it is not ready", async || prometheus.alert("PgairlockNotReady").as_deref() == Some("pending")).await;
    store.execute_batch("ROLLBACK").unwrap();
    until("it is ready again", async || prometheus.alert("PgairlockNotReady").is_none()).await;

    drop(proxy);
    until("it is gone", async || prometheus.alert("PgairlockDown").as_deref() == Some("pending")).await;
}
