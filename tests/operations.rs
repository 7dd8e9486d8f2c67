//! What an operator does to a running pgairlock, and what happens to it: signals, new config, a store or server that fails, clients that vanish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "operations/clients.rs"]
mod clients;
#[path = "operations/drain.rs"]
mod drain;
#[path = "operations/limits.rs"]
mod limits;
#[path = "operations/log.rs"]
mod log;
#[path = "operations/reload.rs"]
mod reload;
#[path = "operations/servers.rs"]
mod servers;
#[path = "operations/store.rs"]
mod store;

use serde_json::Value;
use support::{Cluster, Proxy, Session, until};

/// The log lines with this event.
fn events(proxy: &Proxy, event: &str) -> Vec<Value> {
    let log = proxy.log();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| line["event"] == event).collect()
}

async fn until_logged(proxy: &Proxy, event: &str) -> Value {
    until(&format!("{event} in the log"), async || !events(proxy, event).is_empty()).await;
    events(proxy, event).remove(0)
}

/// Rows of the store as another program reads them.
fn stored(proxy: &Proxy, query: &str) -> Vec<String> {
    let store = proxy.searchable();
    let mut statement = store.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    rows.map(|row| row.unwrap().unwrap_or_else(|| "NULL".into())).collect()
}

/// The statements that are promised, and have not come to their end.
fn unfinished(proxy: &Proxy) -> Vec<String> {
    stored(proxy, "SELECT whole ->> 'sql' FROM promises WHERE state = 'promised'")
}

/// `public.large`, too large for naive DDL.
async fn with_large_table(cluster: &Cluster) -> (String, Session) {
    let database = cluster.database().await;
    let direct = cluster.connect(&database).await;
    direct
        .batch_execute("CREATE TABLE large (id int, t text); INSERT INTO large SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
        .await
        .unwrap();
    (database, direct)
}

/// A session whose open transaction lets a concurrent build on `large` wait.
async fn blocker(cluster: &Cluster, database: &str) -> Session {
    let session = cluster.connect(database).await;
    session.batch_execute("BEGIN; UPDATE large SET id = id WHERE id = 1").await.unwrap();
    session
}

/// Waits until a session on this database runs something like this.
async fn until_running(direct: &Session, pattern: &str) {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'
         AND query LIKE '{pattern}'"
    );
    until(pattern, async || direct.value(&question).await != "0").await;
}
