//! Batches of the extended protocol without BEGIN: what cannot run as it stands is made safe inside of them, and the client hears what the server
//! would have said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::catalog;
use support::frontend::{Reply, bind, describe, execute, execute_rows, flush, parse, query, statement, sync};
use support::raw::{RawClient, text};
use support::scene::{scenes_with, set_up};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE p (id int PRIMARY KEY, name text);
    INSERT INTO p SELECT i, 'x' FROM generate_series(1, 100) i;
    CREATE TABLE t (id int NOT NULL, a int, b text, c int);
    INSERT INTO t SELECT i, i, i::text, i FROM generate_series(1, 100) i;
    CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE log (n int);
    CREATE INDEX t_c ON t (c)";

const INDEX: &str = "CREATE INDEX t_a ON t (a)";

fn insert(n: u32) -> Vec<u8> {
    statement(&format!("INSERT INTO log VALUES ({n})"))
}

fn batch(statements: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = statements.iter().flat_map(|sql| statement(sql)).collect();
    bytes.extend(sync());
    bytes
}

/// What is sent at once, and how many ReadyForQuery answer it.
fn conversations() -> Vec<(Vec<u8>, usize)> {
    let named = [parse("ddl", INDEX), parse("i", "INSERT INTO log VALUES (1)"), bind("x", "i"), execute("x"), bind("y", "ddl"), describe("y")];
    let rows = [parse("", "SELECT id FROM p ORDER BY id"), bind("rows", ""), execute_rows("rows", 2), statement(INDEX), execute_rows("rows", 2)];
    vec![
        (batch(&["INSERT INTO log VALUES (1)", INDEX, "INSERT INTO log VALUES (2)"]), 1),
        (batch(&[INDEX, "INSERT INTO log VALUES (1)"]), 1),
        (
            batch(&[
                "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)",
                "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p",
                "ALTER TABLE t ADD CONSTRAINT h CHECK (a > 0)",
                "ALTER TABLE t ALTER COLUMN b SET NOT NULL",
                "CREATE INDEX ON t (b)",
                "DROP INDEX t_c",
            ]),
            1,
        ),
        ([insert(1), parse("", INDEX), bind("", ""), describe(""), execute(""), insert(2), sync(), insert(3), sync()].concat(), 2),
        ([named.concat(), execute("y"), bind("", "i"), execute(""), sync(), bind("", "i"), execute(""), sync()].concat(), 2),
        ([rows.concat(), execute_rows("rows", 0), sync()].concat(), 1),
        ([statement(INDEX), flush(), insert(1), flush(), sync()].concat(), 1),
        ([batch(&[INDEX, "SELECT 1 / 0", "CREATE TABLE never (id int)"]), batch(&["INSERT INTO log VALUES (1)"])].concat(), 2),
        ([batch(&["SELECT 1 / 0", INDEX]), batch(&[INDEX, "SELECT 1"])].concat(), 2),
        (batch(&["SELECT 1", INDEX, "SELECT nonesuch FROM t"]), 1),
        (batch(&["INSERT INTO d VALUES (1), (1)", INDEX]), 1),
        (batch(&[INDEX, "INSERT INTO d VALUES (1), (1)", "SELECT 1"]), 1),
        (batch(&[INDEX, INDEX]), 1),
        (batch(&[INDEX, "CREATE INDEX IF NOT EXISTS t_a ON t (b)", "SELECT 1"]), 1),
        (batch(&["SET work_mem = '2MB'", INDEX, "SHOW work_mem"]), 1),
        ([batch(&[INDEX, "BEGIN", "INSERT INTO log VALUES (1)"]), query("SELECT 1"), query("COMMIT")].concat(), 3),
        ([batch(&[INDEX, "START TRANSACTION", "SAVEPOINT s", "DROP TABLE d", "ROLLBACK TO s"]), query("COMMIT")].concat(), 2),
        ([batch(&[INDEX, "BEGIN", "CREATE INDEX t_b ON t (b)", "COMMIT", "INSERT INTO log VALUES (1)"])].concat(), 1),
        (batch(&["INSERT INTO log VALUES (1)", INDEX, "COMMIT", "INSERT INTO log VALUES (2)", "CREATE INDEX t_b ON t (b)", "SELECT 3"]), 1),
        (batch(&["INSERT INTO log VALUES (1)", "CREATE TABLE n (id int)", INDEX, "COMMIT", "SELECT 1 / 0"]), 1),
        (batch(&[INDEX, "ROLLBACK", "INSERT INTO log VALUES (2)"]), 1),
        (batch(&[INDEX, "SAVEPOINT s", "SELECT 1"]), 1),
        (batch(&[INDEX, "ROLLBACK TO s"]), 1),
        (batch(&[INDEX, "RELEASE s"]), 1),
        (batch(&[INDEX, "COMMIT AND CHAIN"]), 1),
        ([query("BEGIN"), batch(&["INSERT INTO log VALUES (1)", "COMMIT", INDEX, "INSERT INTO log VALUES (2)"])].concat(), 2),
        (batch(&["BEGIN", "INSERT INTO log VALUES (1)", INDEX, "COMMIT", "INSERT INTO log VALUES (2)"]), 1),
        ([batch(&[INDEX, "INSERT INTO log VALUES (1)"]), query("SELECT count(*) FROM log"), batch(&["DROP INDEX t_a", "SELECT 1"])].concat(), 3),
    ]
}

/// What a program sees, and the server's own notices.
fn seen(replies: Vec<Reply>) -> Vec<Reply> {
    let ours = |notice: &String| notice.starts_with("pgairlock");
    replies.into_iter().map(|reply| Reply { notices: reply.notices.iter().filter(|notice| !ours(notice)).cloned().collect(), ..reply }).collect()
}

async fn ends(client: &mut RawClient) -> Vec<Reply> {
    let mut replies = Vec::new();
    for sql in ["ROLLBACK", "SHOW work_mem", "SELECT n FROM log ORDER BY n"] {
        replies.push(client.ask(sql).await);
    }
    replies
}

#[tokio::test]
async fn the_client_hears_what_the_server_would_have_said() {
    for scene in scenes_with("enforce", STRICT, "").await {
        for (index, (bytes, replies)) in conversations().into_iter().enumerate() {
            let (native, direct) = set_up(scene.cluster, TABLES).await;
            let (ours, through) = set_up(scene.cluster, TABLES).await;
            let mut plain = RawClient::log_in(scene.cluster.port, &native).await;
            let mut proxied = RawClient::log_in(scene.proxy.port, &ours).await;
            let expected = seen(plain.exchange(&bytes, replies).await);
            assert_eq!(seen(proxied.exchange(&bytes, replies).await), expected, "conversation {index} on {}", scene.cluster.version);
            assert_eq!(ends(&mut proxied).await, ends(&mut plain).await, "behind conversation {index}");
            assert_eq!(catalog(&through).await, catalog(&direct).await, "conversation {index} on {}", scene.cluster.version);
            assert_eq!(through.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0", "conversation {index}");
        }
    }
}

#[tokio::test]
async fn what_waits_is_done_behind_the_sync_of_its_batch() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut client = scene.raw().await;
        client.send(&[statement(INDEX), insert(1), flush()].concat()).await;
        let told = loop {
            let (tag, body) = client.message().await.unwrap();
            if tag == b'N' {
                break text(&body, b'M');
            }
        };
        assert!(told.contains("after COMMIT") && told.contains("CREATE INDEX CONCURRENTLY t_a ON t (a)"), "{told}");
        assert!(!scene.has("t_a").await);
        let reply = client.exchange(&sync(), 1).await.remove(0);
        assert_eq!(reply.status, b'I', "{reply:?}");
        assert!(scene.has("t_a").await);
    }
}

/// Rows that the constraint does not allow are found before anything is promised.
#[tokio::test]
async fn rows_that_are_not_allowed_fail_the_batch() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        scene.direct.batch_execute("INSERT INTO t VALUES (1, 1)").await.unwrap();
        let before = catalog(&scene.direct).await;
        let mut client = scene.raw().await;
        let bytes = batch(&["INSERT INTO log VALUES (1)", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "INSERT INTO log VALUES (2)"]);
        let reply = client.exchange(&bytes, 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("23505", b'I'), "{reply:?}");
        assert_eq!(catalog(&scene.direct).await, before);
        assert_eq!(client.ask("SELECT count(*) FROM log").await.rows, ["0"]);
    }
}

/// What has no safe form takes its batch along, and nothing else.
#[tokio::test]
async fn a_refusal_behind_something_that_waits() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let before = catalog(&scene.direct).await;
        let mut client = scene.raw().await;
        let bytes = batch(&[INDEX, "ALTER TABLE t ALTER COLUMN a TYPE bigint", "INSERT INTO log VALUES (2)"]);
        let reply = client.exchange(&bytes, 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'), "{reply:?}");
        assert_eq!(catalog(&scene.direct).await, before);
        assert_eq!(client.exchange(&batch(&[INDEX, "SELECT 1"]), 1).await.remove(0).rows, ["1"]);
        assert!(scene.has("t_a").await);
    }
}

/// A client that sends its last batch and goes away has asked for it.
#[tokio::test]
async fn a_batch_that_nobody_waits_for_is_done() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut client = scene.raw().await;
        client.send(&[batch(&["INSERT INTO log VALUES (1)", INDEX]), support::raw::frame(b'X', b"").to_vec()].concat()).await;
        while client.message().await.is_some() {}
        assert!(scene.has("t_a").await);
        assert_eq!(scene.direct.value("SELECT count(*) FROM log").await, "1");
    }
}
