//! Whatever dies at whatever moment: the next run of the same migration by the same role ends where an undisturbed one does.
//!
//! A scenario is run once to learn the places that the process passes (`server::failpoint`), and then once for each chosen place, at which
//! the proxy, the client, the session of the server or the whole server dies. `PGAIRLOCK_KILLS=long` (`make kills`) takes every kind of place
//! for everybody; otherwise it is a handful. `PGAIRLOCK_KILLS_ONLY` is a word of the rows that are wanted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "kills/places.rs"]
mod places;
#[path = "kills/row.rs"]
mod row;
#[path = "kills/scenario.rs"]
mod scenario;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use places::chosen;
use row::{Row, Told, run};
use scenario::SCENARIOS;
use support::cluster::versions;
use support::{Cluster, skipped};

/// What is waited for comes within this, or the row fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows at a time: each has a database and a proxy of its own.
const AT_ONCE: usize = 3;

/// Waits until something that can only be asked for has happened.
async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !happened().await {
        if Instant::now() > deadline {
            return Err(format!("never: {what}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[test]
fn nothing_is_lost_whoever_dies() {
    let long = std::env::var("PGAIRLOCK_KILLS").is_ok_and(|form| form == "long");
    let only = std::env::var("PGAIRLOCK_KILLS_ONLY").ok();
    let found = |version: String| Cluster::start(&version).map_err(|reason| skipped(&format!("PostgreSQL {version}: {reason}"))).ok();
    let clusters = versions().into_iter().filter_map(found).take(if long { usize::MAX } else { 1 });
    let told: Vec<Told> = clusters.flat_map(|cluster| all(&cluster, long, only.as_deref())).collect();
    let wrong: Vec<String> = told.iter().filter(|row| row.failed()).map(ToString::to_string).collect();
    eprintln!("{} rows: {} ok, {} FAILED", told.len(), told.len() - wrong.len(), wrong.len());
    assert!(!told.is_empty(), "no row was run");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rows of one server: those that stop it come last, one by one.
fn all(cluster: &Cluster, long: bool, only: Option<&str>) -> Vec<Told> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(write_late(cluster));
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let (schema, places) = runtime.block_on(async { (scenario.schema(cluster).await, scenario.places(cluster).await) });
        rows.extend(chosen(scenario, &places, long).into_iter().map(|(victim, place)| Row { scenario, victim, place, schema: schema.clone() }));
    }
    rows.retain(|row| only.is_none_or(|only| row.to_string().contains(only)));
    let (stopping, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.victim.is_server());
    let mut told = at_once(cluster, AT_ONCE, others);
    told.extend(at_once(cluster, 1, stopping));
    told
}

/// What is not committed is not on disk by chance: a transaction's number is lost with the server that dies.
async fn write_late(cluster: &Cluster) {
    let server = cluster.connect("postgres").await;
    for sql in ["ALTER SYSTEM SET wal_writer_delay = '10s'", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"] {
        server.batch_execute(sql).await.unwrap();
    }
}

/// So many rows at a time.
fn at_once(cluster: &Cluster, workers: usize, rows: Vec<Row>) -> Vec<Told> {
    let (waiting, told) = (Mutex::new(VecDeque::from(rows)), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(row) = next() {
                    let row = run(cluster, row);
                    eprintln!("{row}");
                    told.lock().unwrap().push(row);
                }
            });
        }
    });
    told.into_inner().unwrap()
}
