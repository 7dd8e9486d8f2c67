//! `[store] record = "all"` on real servers: each statement that was sent is in the log, with what came of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use serde_json::Value;
use support::frontend::{bind, execute, execute_rows, flush, parse, query, statement, sync};
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, RawClient, clusters, until};

const ALL: &str = "[store]\nrecord = \"all\"\n";

async fn scene(cluster: &Cluster, mode: &str, more: &str) -> (Proxy, RawClient) {
    let (database, _) = set_up(cluster, &format!("{BIG} CREATE TABLE r (a int, b text)")).await;
    let proxy = Proxy::in_front_of(cluster, mode, more);
    let client = RawClient::log_in(proxy.port, &database).await;
    (proxy, client)
}

/// Of each record what was sent and what came of it, once every outcome is there.
async fn log(proxy: &Proxy) -> Vec<String> {
    let mut records = Vec::new();
    until("every outcome is there", async || {
        records = proxy.exported();
        !records.iter().any(|record| record["state"] == "running" || record["state"] == "uncommitted")
    })
    .await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    records
        .iter()
        .map(|record| format!("{} | {} {}", text(&record["sql"]), text(&record["state"]), text(&record["tag"]) + &text(&record["sqlstate"])))
        .collect()
}

#[tokio::test]
async fn every_statement_is_in_the_log_with_what_came_of_it() {
    for cluster in clusters() {
        let (proxy, mut client) = scene(cluster, "enforce", ALL).await;
        assert_eq!(client.ask("SELECT 1 AS one").await.rows, ["1"]);
        assert_eq!(client.ask_extended("INSERT INTO r (a) VALUES (-1)").await.tags, ["INSERT 0 1"]);
        assert_eq!(client.ask("INSERT INTO r (a) VALUES (-2); SELECT 'two'").await.tags, ["INSERT 0 1", "SELECT 1"]);
        assert_eq!(client.ask("SELECT 1/0").await.sqlstate(), "22012");
        assert_eq!(client.ask("SET work_mem = '5MB'").await.tags, ["SET"]);
        assert_eq!(client.ask("SHOW work_mem").await.rows, ["5MB"]);
        let mut seen = log(&proxy).await;
        // The tag of a row that is inserted, of a string, of an error.
        assert_eq!(
            seen,
            [
                "SELECT 1 AS one | done SELECT 1",
                "INSERT INTO r (a) VALUES (-1) | done INSERT 0 1",
                "INSERT INTO r (a) VALUES (-2); SELECT 'two' | done INSERT 0 1; SELECT 1",
                "SELECT 1/0 | failed 22012",
                "SET work_mem = '5MB' | done SET",
                "SHOW work_mem | done SHOW"
            ]
        );
        // A prepared statement, by the protocol and by SQL, each executed twice.
        let prepared = [parse("s", "SELECT a FROM r WHERE a = -1"), sync()].concat();
        client.exchange(&prepared, 1).await;
        for _ in 0..2 {
            assert_eq!(client.exchange(&[bind("", "s"), execute(""), sync()].concat(), 1).await[0].rows, ["-1"]);
        }
        client.ask("PREPARE q AS SELECT 5").await;
        for _ in 0..2 {
            assert_eq!(client.ask("EXECUTE q").await.rows, ["5"]);
        }
        // A portal in portions, and two statements of one batch.
        let portions = [parse("", "SELECT generate_series(1, 3)"), bind("p", ""), execute_rows("p", 2), flush()].concat();
        client.send(&portions).await;
        client.until(b's').await;
        assert_eq!(client.exchange(&[execute_rows("p", 2), sync()].concat(), 1).await[0].rows, ["3"]);
        let batch = [statement("INSERT INTO r (a) VALUES (-3)"), statement("SELECT 3"), sync()].concat();
        assert_eq!(client.exchange(&batch, 1).await[0].tags, ["INSERT 0 1", "SELECT 1"]);
        let later = log(&proxy).await.split_off(seen.len());
        assert_eq!(
            later,
            [
                "SELECT a FROM r WHERE a = -1 | done SELECT 1",
                "SELECT a FROM r WHERE a = -1 | done SELECT 1",
                "PREPARE q AS SELECT 5 | done PREPARE",
                "EXECUTE q | done SELECT 1",
                "EXECUTE q | done SELECT 1",
                "SELECT generate_series(1, 3) | done PortalSuspended",
                "SELECT generate_series(1, 3) | done SELECT 1",
                "INSERT INTO r (a) VALUES (-3) | done INSERT 0 1",
                "SELECT 3 | done SELECT 1",
            ]
        );
        seen.extend(later);
        // COPY in both directions and by both protocols; libpq sends Sync together with Execute.
        for bytes in [query("COPY r (a) FROM STDIN"), [statement("COPY r (a) FROM STDIN"), sync()].concat()] {
            client.send(&bytes).await;
            client.until(b'G').await;
            let extended = bytes[0] == b'P';
            let end = if extended { sync() } else { Vec::new() };
            client.send(&[&support::raw::frame(b'd', b"-4\n")[..], &support::raw::frame(b'c', b""), &end].concat()).await;
            client.until(b'Z').await;
        }
        client.ask("COPY (SELECT 6) TO STDOUT").await;
        let copies = log(&proxy).await.split_off(seen.len());
        let copy = "COPY r (a) FROM STDIN | done COPY 1";
        assert_eq!(copies, [copy, copy, "COPY (SELECT 6) TO STDOUT | done COPY 1"]);
        assert_eq!(client.ask("SELECT count(*) FROM r WHERE a < 0").await.rows, ["5"], "each has run once");
    }
}

#[tokio::test]
async fn the_log_knows_what_was_committed() {
    for cluster in clusters() {
        let (proxy, mut client) = scene(cluster, "enforce", ALL).await;
        for sql in ["BEGIN", "INSERT INTO r (a) VALUES (-1)", "SAVEPOINT s", "SELECT 1", "COMMIT"] {
            assert!(client.ask(sql).await.errors.is_empty(), "{sql}");
        }
        for sql in ["BEGIN", "UPDATE r SET b = 'x' WHERE a = -1", "ROLLBACK"] {
            assert!(client.ask(sql).await.errors.is_empty(), "{sql}");
        }
        let batch = [statement("BEGIN"), statement("DELETE FROM r WHERE a = -1"), sync()].concat();
        assert_eq!(client.exchange(&batch, 1).await[0].tags, ["BEGIN", "DELETE 1"]);
        assert_eq!(client.exchange(&[statement("COMMIT"), sync()].concat(), 1).await[0].tags, ["COMMIT"]);
        assert_eq!(client.ask("SELECT count(*) FROM r WHERE a = -1").await.rows, ["0"]);
        // A COMMIT of what is in the log is no record of its own: it stands with its transaction.
        let seen = log(&proxy).await;
        assert_eq!(
            seen,
            [
                "BEGIN | done BEGIN",
                "INSERT INTO r (a) VALUES (-1) | done INSERT 0 1",
                "SAVEPOINT s | done SAVEPOINT",
                "SELECT 1 | done SELECT 1",
                "BEGIN | rolled-back BEGIN",
                "UPDATE r SET b = 'x' WHERE a = -1 | rolled-back UPDATE 1",
                "ROLLBACK | rolled-back ROLLBACK",
                "BEGIN | done BEGIN",
                "DELETE FROM r WHERE a = -1 | done DELETE 1",
                "SELECT count(*) FROM r WHERE a = -1 | done SELECT 1",
            ]
        );
        let records = proxy.exported();
        let transactions: Vec<i64> = records.iter().map(|record| record["transaction"].as_i64().unwrap()).collect();
        assert_eq!(transactions, [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]);
    }
}

#[tokio::test]
async fn values_are_left_out_where_the_log_has_none() {
    for cluster in clusters() {
        let (proxy, mut client) = scene(cluster, "enforce", &format!("{ALL}literals = \"redact\"\n")).await;
        client.ask("INSERT INTO r (a, b) VALUES (-17, 'hunter2')").await;
        client.ask_extended("SELECT 4711").await;
        assert_eq!(log(&proxy).await, ["INSERT INTO r (a, b) VALUES (-?, '***') | done INSERT 0 1", "SELECT ? | done SELECT 1"]);
    }
}

#[tokio::test]
async fn other_modes_and_the_default() {
    for cluster in clusters() {
        let talk = async |mode: &str, more: &str| {
            let (proxy, mut client) = scene(cluster, mode, more).await;
            for sql in ["BEGIN", "INSERT INTO r (a) VALUES (-1)", "COMMIT", "SELECT 1", "CREATE TABLE fresh (a int)"] {
                assert!(client.ask(sql).await.errors.is_empty(), "{sql}");
            }
            let mut seen = log(&proxy).await;
            seen.iter_mut().for_each(|line| line.truncate(line.find(" |").unwrap()));
            seen
        };
        let ddl = ["CREATE TABLE fresh (a int)"];
        assert_eq!(talk("enforce", "[store]\n").await, ddl);
        assert_eq!(talk("enforce", "[store]\nrecord = \"ddl\"\n").await, ddl);
        assert_eq!(talk("warn", ALL).await, ["BEGIN", "INSERT INTO r (a) VALUES (-1)", "COMMIT", "SELECT 1", ddl[0]], "COMMIT is not announced");
        assert_eq!(talk("off", ALL).await, [""; 0], "bytes only");
    }
}

/// Its statements are decided one by one, and so they are recorded.
#[tokio::test]
async fn a_string_that_is_taken_apart_is_recorded_once() {
    for cluster in clusters() {
        for (more, select) in [("[store]\n", false), (ALL, true)] {
            let (proxy, mut client) = scene(cluster, "enforce", more).await;
            client.ask("BEGIN").await;
            assert!(client.ask("CREATE INDEX waits ON big (a)").await.errors.is_empty());
            assert_eq!(client.ask("CREATE TABLE fresh (a int); SELECT 1; COMMIT").await.tags, ["CREATE TABLE", "SELECT 1", "COMMIT"]);
            let seen: Vec<String> = log(&proxy).await.into_iter().filter(|line| line.contains("fresh") || line.contains("SELECT")).collect();
            let parts = ["CREATE TABLE fresh (a int) | done CREATE TABLE", "SELECT 1 | done SELECT 1"];
            assert_eq!(seen, parts[..if select { 2 } else { 1 }]);
        }
    }
}

/// An error that was taken back to a savepoint takes nothing else along; a COMMIT that could not be recorded has not been sent.
#[tokio::test]
async fn what_a_commit_came_to_does_not_hang_on_errors_before_it() {
    for cluster in clusters() {
        let (proxy, mut client) = scene(cluster, "enforce", "[store]\n").await;
        for sql in ["BEGIN", "CREATE TABLE kept (a int)", "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO SAVEPOINT s", "COMMIT"] {
            assert_eq!(client.ask(sql).await.errors.len(), usize::from(sql == "SELECT 1/0"), "{sql}");
        }
        for sql in ["BEGIN", "CREATE TABLE lost (a int)"] {
            assert!(client.ask(sql).await.errors.is_empty(), "{sql}");
        }
        std::fs::rename(&proxy.store, proxy.store.with_extension("away")).unwrap();
        assert_eq!(client.ask("COMMIT").await.sqlstate(), "PA005");
        std::fs::rename(proxy.store.with_extension("away"), &proxy.store).unwrap();
        until("the store is back", async || client.ask("DROP VIEW IF EXISTS nowhere").await.errors.is_empty()).await;
        let found = client.ask("SELECT relname FROM pg_class WHERE relname IN ('kept', 'lost')").await.rows;
        assert_eq!(found, ["kept"]);
        let seen = log(&proxy).await;
        assert_eq!(seen[..2], ["CREATE TABLE kept (a int) | done CREATE TABLE", "CREATE TABLE lost (a int) | rolled-back CREATE TABLE"]);
    }
}

#[tokio::test]
async fn while_nothing_can_be_recorded_only_rollback_is_run() {
    for cluster in clusters() {
        let (proxy, mut client) = scene(cluster, "enforce", ALL).await;
        client.ask("BEGIN").await;
        client.ask("INSERT INTO r (a) VALUES (-1)").await;
        std::fs::rename(&proxy.store, proxy.store.with_extension("away")).unwrap();
        assert_eq!(client.ask("SELECT 1").await.sqlstate(), "PA005");
        let rollback = client.ask("ROLLBACK").await;
        assert_eq!((rollback.tags, rollback.status), (vec!["ROLLBACK".to_owned()], b'I'));
        assert_eq!(client.ask("SELECT 1").await.sqlstate(), "PA005");
        std::fs::rename(proxy.store.with_extension("away"), &proxy.store).unwrap();
        until("the store is back", async || client.ask("SELECT 2").await.errors.is_empty()).await;
        assert_eq!(client.ask("SELECT count(*) FROM r WHERE a < 0").await.rows, ["0"]);
        assert!(log(&proxy).await.contains(&"INSERT INTO r (a) VALUES (-1) | rolled-back INSERT 0 1".to_owned()));
    }
}
