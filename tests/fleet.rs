//! Three replicas with one log in a PostgreSQL database, which is stopped and started under load; and a promise that is made at one replica and kept at
//! another. `make fleet`; a short form is in `make test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, Session, clusters, connect_to};

const REPLICAS: usize = 3;
/// Sessions at each replica.
const SESSIONS: usize = 4;

struct Fleet {
    /// The server of the log, apart from the one that is migrated.
    store: Cluster,
    url: String,
    proxies: Vec<Proxy>,
    cluster: &'static Cluster,
    database: String,
}

impl Fleet {
    async fn new(cluster: &'static Cluster) -> Option<Self> {
        let store = Cluster::start(&cluster.version).map_err(|reason| support::skipped(&reason)).ok()?;
        let url = format!("postgres://postgres:postgres@127.0.0.1:{}/{}?sslmode=disable", store.port, store.database().await);
        let (database, _) = set_up(cluster, BIG).await;
        let proxies =
            (0..REPLICAS).map(|_| Proxy::in_front_of_with(cluster, "enforce", "[timeouts]\nstore = \"2s\"\n", &[("PGAIRLOCK_STORE", &url)]));
        Some(Self { url: url.clone(), proxies: proxies.collect(), store, cluster, database })
    }

    async fn connect(&self, replica: usize) -> Session {
        connect_to(self.proxies[replica].port, &format!("user=trusted dbname={}", self.database)).await.unwrap()
    }

    fn records(&self) -> Vec<Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_pgairlock")).env_clear().args(["audit", "export", "--store", &self.url]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What a client has heard of its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Done,
    Unavailable,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_recorded_once_while_the_store_comes_and_goes() {
    let stops: usize = std::env::var("PGAIRLOCK_FLEET_STOPS").ok().map_or(2, |text| text.parse().expect("a number of stops"));
    let Some(cluster) = clusters().into_iter().next() else { return };
    let Some(fleet) = Fleet::new(cluster).await else { return };
    let (sent, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let mut sessions = Vec::new();
    for replica in 0..REPLICAS {
        for number in 0..SESSIONS {
            let (session, sent, is_over) = (fleet.connect(replica).await, Arc::clone(&sent), Arc::clone(&is_over));
            sessions.push(tokio::spawn(async move {
                let mut heard = BTreeMap::new();
                for statement in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let sql = format!("CREATE TABLE t_{replica}_{number}_{statement} (a int)");
                    let answer = match session.batch_execute(&sql).await {
                        Ok(()) => Heard::Done,
                        Err(error) if error.code().is_some_and(|code| code.code() == "PA005") => Heard::Unavailable,
                        Err(error) => panic!("{sql}: {error:?}"),
                    };
                    heard.insert(sql, answer);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                heard
            }));
        }
    }
    for _ in 0..stops {
        let before = sent.load(Ordering::Relaxed);
        support::until("the load goes on", async || sent.load(Ordering::Relaxed) > before + 100).await;
        fleet.store.stop();
        tokio::time::sleep(Duration::from_millis(700)).await;
        fleet.store.restart();
    }
    let before = sent.load(Ordering::Relaxed);
    support::until("all replicas write again", async || sent.load(Ordering::Relaxed) > before + 300).await;
    is_over.store(true, Ordering::Relaxed);
    let mut heard = BTreeMap::new();
    for session in sessions {
        heard.extend(session.await.unwrap());
    }
    let open = async || fleet.records().iter().filter(|record| record["state"] == "running").count();
    support::until("every outcome is there", async || open().await == 0).await;

    let mut recorded: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in fleet.records() {
        let end = format!("{} {}", record["state"].as_str().unwrap(), record["sqlstate"].as_str().unwrap_or_default());
        recorded.entry(record["sql"].as_str().unwrap().to_owned()).or_default().push(end.trim_end().to_owned());
    }
    let mut told: BTreeMap<(Heard, Vec<String>), usize> = BTreeMap::new();
    for (sql, answer) in &heard {
        *told.entry((*answer, recorded.remove(sql).unwrap_or_default())).or_default() += 1;
    }
    println!("{} replicas, the store was stopped {stops} times: {} sent; {told:?}", REPLICAS, heard.len());
    assert!(recorded.is_empty(), "nobody sent: {recorded:?}");
    for (answer, ends) in told.keys() {
        match answer {
            Heard::Done => assert_eq!(ends, &["done"], "once, and with its end"),
            // Nothing, or that it was not run.
            Heard::Unavailable => assert!(ends.is_empty() || ends == &["failed PA005"], "{ends:?}"),
        }
    }
    let ran: usize =
        fleet.cluster.connect(&fleet.database).await.value("SELECT count(*)::text FROM pg_class WHERE relname LIKE 't\\_%'").await.parse().unwrap();
    assert_eq!(ran, heard.values().filter(|answer| **answer == Heard::Done).count(), "what was refused was not run");
    assert!(told.keys().any(|(answer, _)| *answer == Heard::Unavailable), "the store was never away: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_of_one_replica_is_kept_by_another() {
    for cluster in clusters() {
        let Some(mut fleet) = Fleet::new(cluster).await else { return };
        let first = fleet.proxies.remove(0);
        let dying = first.again(&[("PGAIRLOCK_STORE", &fleet.url), ("PGAIRLOCK_FAILPOINT", "reply COMMIT:1")]);
        let session = connect_to(dying.port, &format!("user=trusted dbname={}", fleet.database)).await.unwrap();
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE INDEX promised ON big (a)").await.unwrap();
        session.batch_execute("COMMIT").await.unwrap_err();
        let direct = cluster.connect(&fleet.database).await;
        assert_eq!(direct.value("SELECT count(*)::text FROM pg_class WHERE relname = 'promised'").await, "0");

        let other = fleet.connect(0).await;
        other.batch_execute("CREATE TABLE next_migration (a int)").await.unwrap();
        assert_eq!(direct.value("SELECT indisvalid::text FROM pg_index WHERE indexrelid = to_regclass('promised')").await, "true");
        let third = fleet.connect(1).await;
        third.batch_execute("ALTER TABLE big ADD COLUMN c int").await.unwrap();
        support::until("it is in the log that all is done", async || {
            let states: Vec<String> = fleet.records().iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect();
            states == ["done", "done", "done"]
        })
        .await;
    }
}
