//! Calls that wait for an advisory lock: tried again and again in their place, with the same answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::frontend::{bind, bind_values, describe, execute, parse, query, sync};
use support::raw::{Message, frame};
use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol, RawClient, Scene, Session, scenes};
use tokio_postgres::NoTls;

const SHORT: &str = "[timeouts]\nlock = \"200ms\"\n";
/// A client waits by such a call in these surroundings.
const WAYS: [(&str, &str); 3] =
    [("", "SELECT pg_advisory_lock(7)"), ("BEGIN", "SELECT pg_advisory_xact_lock(7)"), ("BEGIN", "SELECT pg_catalog.pg_advisory_lock(7)")];

/// Waits until `count` tries of that database have been seen.
async fn until_tried(scene: &Scene, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let tries = "SELECT query_start FROM pg_stat_activity WHERE datname = current_database()
        AND (query LIKE 'SELECT pg\\_catalog.pg\\_try\\_advisory%' OR query LIKE 'SELECT pg\\_catalog.pg\\_sleep(0.2)%')";
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count {
        assert!(Instant::now() < deadline, "seen {seen:?}: {}", scene.proxy.log());
        seen.extend(scene.direct.column(tries).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn holds(session: &Session, wait: &str) -> bool {
    let count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted";
    let held = session.value(count).await;
    assert!(held == "0" || held == "1", "{wait}: {held}");
    held == "1"
}

#[tokio::test]
async fn the_answer_is_that_of_the_server() {
    for scene in scenes("").await {
        let binary = |key: i64| {
            let body = [b"\0\0\0\x01\0\x01\0\x01\0\0\0\x08".as_slice(), &key.to_be_bytes(), b"\0\x01\0\x01"].concat();
            frame(b'B', &body).to_vec()
        };
        let one = "SELECT pg_advisory_lock($1)";
        let conversations: Vec<(&str, Vec<u8>)> = vec![
            ("a call", query("SELECT pg_advisory_lock(1)")),
            ("with a name", query("select pg_catalog.pg_advisory_lock_shared(1, -2) AS \"The Lock\";")),
            ("of a transaction", query("SELECT pg_advisory_xact_lock(1)")),
            ("in a block", query("BEGIN")),
            ("in a block", query("SELECT pg_advisory_xact_lock_shared(3)")),
            ("in a block", query("COMMIT")),
            ("a parameter in text", [parse("", one), bind_values(&["17"]), describe(""), execute(""), sync()].concat()),
            ("a parameter in binary", [parse("", one), binary(18), describe(""), execute(""), sync()].concat()),
            ("two of them", [parse("", "SELECT pg_advisory_lock($1, $2)"), bind_values(&["1", "2"]), execute(""), sync()].concat()),
            ("a constant", [parse("s", "SELECT pg_advisory_lock(9)"), bind("p", "s"), execute("p"), sync()].concat()),
            ("not all rows", [parse("", one), bind_values(&["17"]), frame(b'E', b"\0\0\0\0\x01").to_vec(), sync()].concat()),
            ("among others", [parse("", one), bind_values(&["17"]), execute(""), bind_values(&["18"]), execute(""), sync()].concat()),
            ("not a number", [parse("", one), bind_values(&["x"]), execute(""), sync()].concat()),
            ("after all that", query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")),
            ("after all that", query("SELECT pg_advisory_unlock_all()")),
            ("in a block, by parameter", query("BEGIN")),
            ("in a block, by parameter", [parse("", one), bind_values(&["20"]), describe(""), execute(""), sync()].concat()),
            ("in a block, by parameter", query("COMMIT")),
            ("NULL", [parse("", one), frame(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xff\0\0").to_vec(), execute(""), sync()].concat()),
        ];
        // What one has taken the other would wait for.
        let expected = answers(&mut scene.raw_direct().await, &conversations).await;
        let answers = answers(&mut scene.raw().await, &conversations).await;
        for ((what, _), (answer, expected)) in conversations.iter().zip(answers.iter().zip(&expected)) {
            assert_eq!(answer, expected, "{what} on {}", scene.cluster.version);
        }
    }
}

async fn answers(client: &mut RawClient, conversations: &[(&str, Vec<u8>)]) -> Vec<Vec<Message>> {
    let mut answers = Vec::new();
    for (_, said) in conversations {
        client.send(said).await;
        answers.push(client.until(b'Z').await);
    }
    client.query("SELECT pg_advisory_unlock_all()").await;
    answers
}

#[tokio::test]
async fn the_holder_of_the_lock_builds_concurrently_while_others_wait() {
    for scene in scenes_with("enforce", SHORT, BIG).await {
        let holder = scene.cluster.connect(&scene.database).await;
        for protocol in PROTOCOLS {
            for (begin, call) in WAYS {
                let wait = format!("{protocol:?} {begin} {call} on {}", scene.cluster.version);
                let session = scene.connect().await;
                session.batch_execute(begin).await.unwrap();
                holder.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
                let work = async {
                    // More than the 200 ms of the proxy's lock_timeout.
                    until_tried(&scene, 4).await;
                    holder.batch_execute("SET lock_timeout = '30s'; SET deadlock_timeout = '30s'").await.unwrap();
                    for sql in ["CREATE INDEX CONCURRENTLY i ON big (a)", "DROP INDEX CONCURRENTLY i", "SELECT pg_advisory_unlock(7)"] {
                        holder.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql} beside {wait}: {error:?}"));
                    }
                };
                let (waited, ()) = tokio::join!(session.run(protocol, call), work);
                waited.unwrap_or_else(|error| panic!("{wait}: {error:?}"));
                assert!(holds(&session, &wait).await, "{wait}");
                assert_eq!(session.value("SHOW lock_timeout").await, "200ms", "{wait}");
                session.batch_execute("COMMIT").await.unwrap();
                session.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
                assert!(!holds(&session, &wait).await, "{wait}");
            }
        }
    }
}

#[tokio::test]
async fn the_clients_own_timeouts_end_the_wait() {
    let limits = [
        ("statement_timeout", "57014", "canceling statement due to statement timeout"),
        ("lock_timeout", "55P03", "canceling statement due to lock timeout"),
    ];
    for scene in scenes_with("enforce", "[timeouts]\nlock = \"1min\"\n", "").await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        for protocol in PROTOCOLS {
            for (begin, call) in WAYS {
                for (limit, sqlstate, message) in limits {
                    let session = scene.connect().await;
                    session.batch_execute(&format!("SET {limit} = '500ms'; {begin}")).await.unwrap();
                    let seen = session.refusal(protocol, call).await;
                    assert_eq!((&*seen.0, &*seen.1), (sqlstate, message), "{protocol:?} {begin} {call}");
                    still_usable(&session, protocol, begin).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_request_ends_the_wait() {
    for scene in scenes("").await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        for protocol in PROTOCOLS {
            for (begin, call) in WAYS {
                let session = scene.connect().await;
                session.batch_execute(begin).await.unwrap();
                let cancel = async {
                    until_tried(&scene, 2).await;
                    session.cancel_token().cancel_query(NoTls).await.unwrap();
                };
                let (seen, ()) = tokio::join!(session.refusal(protocol, call), cancel);
                assert_eq!((&*seen.0, &*seen.1), ("57014", "canceling statement due to user request"), "{protocol:?} {begin} {call}");
                still_usable(&session, protocol, begin).await;
            }
        }
    }
}

/// A block has failed, and everything else goes on.
async fn still_usable(session: &Session, protocol: Protocol, begin: &str) {
    if !begin.is_empty() {
        assert_eq!(session.refusal(protocol, "SELECT 1").await.0, "25P02");
        session.run(protocol, "ROLLBACK").await.unwrap();
    }
    session.run(protocol, "SELECT 1").await.unwrap();
    assert!(!holds(session, begin).await);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_wait_along() {
    for scene in scenes("").await {
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        let mut raw = scene.raw().await;
        raw.send(&query("BEGIN")).await;
        raw.until(b'Z').await;
        raw.send(&query("SELECT pg_advisory_xact_lock(7)")).await;
        until_tried(&scene, 2).await;
        drop(raw);
        let deadline = Instant::now() + Duration::from_secs(60);
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'trusted'";
        while scene.direct.value(others).await != "0" {
            assert!(Instant::now() < deadline, "{}", scene.proxy.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
