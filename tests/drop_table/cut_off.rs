//! The proxy dies at every step: the next session ends where an undisturbed one does, or where it began.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::frontend::Reply;
use super::support::scene::set_up;
use super::support::{Cluster, Proxy, RawClient, catalog, clusters, directory};
use super::{DROPS, TABLES};

/// Where the proxy dies.
const KINDS: &[&str] = &["reply ALTER", "sent DROP", "reply DROP", "after promise", "reply COMMIT"];

const DROP: &str = "DROP TABLE c CASCADE";

/// What the tool runs: what it saw, `done` when it came to its end.
async fn tool(port: u16, database: &str, statements: &[&str]) -> String {
    let mut client = RawClient::connect(port).await;
    client.start(&[("user", "trusted"), ("database", database)]).await;
    let greeted = Reply::of(&client.until(b'Z').await);
    if greeted.status == 0 {
        return "end of stream".into();
    }
    for sql in statements {
        let reply = client.ask(sql).await;
        if reply.status == 0 || !reply.errors.is_empty() {
            return format!("{sql}: {:?}", reply.errors);
        }
    }
    "done".into()
}

/// The places that an undisturbed run passes, each with the how-manieth time.
async fn places(cluster: &Cluster, statements: &[&str]) -> Vec<String> {
    let log = directory("drop-table-places").join(format!("{}-{}", cluster.version, statements.len()));
    let (database, _) = set_up(cluster, TABLES).await;
    let mut proxy = Proxy::in_front_of_with(cluster, "enforce", DROPS, &[("PGAIRLOCK_FAILPOINTS_LOG", &log.display().to_string())]);
    assert_eq!(tool(proxy.port, &database, statements).await, "done");
    proxy.signal("TERM");
    proxy.wait();
    let names = read(&log);
    let count = |at: usize| names[..=at].iter().filter(|name| **name == names[at]).count();
    let all = (0..names.len()).map(|at| format!("{}:{}", names[at], count(at)));
    all.filter(|place| KINDS.iter().any(|kind| place.starts_with(kind))).collect()
}

fn read(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).expect("a build without debug assertions has no failpoints");
    text.lines().map(str::to_owned).collect()
}

/// A session that only takes up what is left, until nothing is: what the server still works on is left to it. What becomes of a promise is written
/// down after it has.
async fn until_closed(proxy: &Proxy, database: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !open(proxy).is_empty() {
        assert!(Instant::now() < deadline, "open: {:?}", open(proxy));
        assert_eq!(tool(proxy.port, database, &["BEGIN", "COMMIT"]).await, "done");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn open(proxy: &Proxy) -> Vec<String> {
    let store = rusqlite::Connection::open(&proxy.store).unwrap();
    let mut rows = store.prepare("SELECT id || ' is ' || state FROM promises WHERE state NOT IN ('settled', 'aborted')").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// How a schema is after a run past the proxy.
async fn after(cluster: &Cluster, sql: &str) -> String {
    let (_, direct) = set_up(cluster, TABLES).await;
    direct.batch_execute(sql).await.unwrap();
    catalog(&direct).await
}

#[tokio::test]
async fn a_drop_that_was_cut_off_is_gone_on_with_or_taken_back() {
    for cluster in clusters() {
        let (before, done) = (after(cluster, "").await, after(cluster, DROP).await);
        let places = places(cluster, &[DROP]).await;
        assert!(places.iter().filter(|place| place.starts_with("reply ALTER")).count() >= 3, "{places:?}");
        for place in places {
            // The same comes again; then something else does.
            for next in [&[DROP][..], &["BEGIN", "COMMIT"]] {
                let (database, direct) = set_up(cluster, TABLES).await;
                let proxy = Proxy::in_front_of_with(cluster, "enforce", DROPS, &[("PGAIRLOCK_FAILPOINT", &place)]);
                assert_ne!(tool(proxy.port, &database, &[DROP]).await, "done", "{place}");
                let proxy = proxy.again(&[]);
                assert_eq!(tool(proxy.port, &database, next).await, "done", "{place} on {}, then {next:?}", cluster.version);
                until_closed(&proxy, &database).await;
                let schema = catalog(&direct).await;
                let ends_well = schema == done || schema == before && next != [DROP];
                assert!(ends_well, "{place} on {}, then {next:?}:\n{schema}", cluster.version);
            }
        }
    }
}

#[tokio::test]
async fn a_committed_drop_that_was_cut_off_is_finished() {
    let transaction = ["BEGIN", "DROP TABLE d", "DROP TABLE c CASCADE", "COMMIT"];
    for cluster in clusters() {
        let (before, done) = (after(cluster, "").await, after(cluster, "DROP TABLE d; DROP TABLE c CASCADE").await);
        for place in places(cluster, &transaction).await {
            let (database, direct) = set_up(cluster, TABLES).await;
            let proxy = Proxy::in_front_of_with(cluster, "enforce", DROPS, &[("PGAIRLOCK_FAILPOINT", &place)]);
            assert_ne!(tool(proxy.port, &database, &transaction).await, "done", "{place}");
            let proxy = proxy.again(&[]);
            until_closed(&proxy, &database).await;
            let schema = catalog(&direct).await;
            let rolled_back = place.starts_with("after promise") && schema == before;
            assert!(schema == done || rolled_back, "{place} on {}:\n{schema}", cluster.version);
        }
    }
}

/// What has taken the name of a table that was to be dropped is somebody else's.
#[tokio::test]
async fn another_table_of_the_name_stays() {
    let transaction = ["BEGIN", "DROP TABLE d", "COMMIT"];
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of_with(cluster, "enforce", DROPS, &[("PGAIRLOCK_FAILPOINT", "reply COMMIT:1")]);
        assert_ne!(tool(proxy.port, &database, &transaction).await, "done");
        let list = Command::new(env!("CARGO_BIN_EXE_pgairlock")).args(["deferred", "list", "--store"]).arg(&proxy.store).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(list.contains("ALTER TABLE public.d DROP CONSTRAINT d_c_id_fkey;") && list.contains("DROP TABLE public.d;"), "{list}");
        direct
            .batch_execute("DROP TABLE d; CREATE TABLE d (id int, c_id int, CONSTRAINT d_c_id_fkey FOREIGN KEY (c_id) REFERENCES c)")
            .await
            .unwrap();
        let schema = catalog(&direct).await;
        let proxy = proxy.again(&[]);
        until_closed(&proxy, &database).await;
        assert_eq!(catalog(&direct).await, schema, "on {}", cluster.version);
    }
}
