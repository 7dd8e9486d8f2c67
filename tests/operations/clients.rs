//! Clients that vanish, do not read, or send too much.

use std::fs;

use super::support::raw::{Message, frame, text};
use super::support::{Proxy, RawClient, clusters};
use super::{blocker, events, stored, until, until_logged, until_running, with_large_table};

const LARGE: usize = 100 << 20;

/// The most memory that the process ever had, in bytes.
fn peak(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

fn header(tag: u8, body: usize) -> Vec<u8> {
    [&[tag], u32::try_from(body + 4).unwrap().to_be_bytes().as_slice()].concat()
}

/// Sends that many bytes in pieces.
async fn pour(client: &mut RawClient, mut bytes: usize) {
    let piece = vec![b'x'; 1 << 20];
    while bytes > 0 {
        let part = bytes.min(piece.len());
        client.send(&piece[..part]).await;
        bytes -= part;
    }
}

fn errors(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|(tag, _)| *tag == b'E').map(|(_, body)| text(body, b'C')).collect()
}

fn until_closed(proxy: &Proxy) -> impl Future<Output = serde_json::Value> {
    until_logged(proxy, "session_closed")
}

#[tokio::test]
async fn a_rewrite_goes_on_without_its_client() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let blocking = blocker(cluster, &database).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        until_running(&direct, "CREATE INDEX CONCURRENTLY%").await;
        drop(client);
        blocking.batch_execute("COMMIT").await.unwrap();
        assert_eq!(until_closed(&proxy).await["reason"], "client-gone");
        assert_eq!(direct.value("SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'i'::regclass").await, "true");
        until("outcome", async || stored(&proxy, "SELECT outcome_tag FROM records") == ["CREATE INDEX"]).await;
        assert_eq!(events(&proxy, "rewrite_finished")[0]["ok"], true);
    }
}

#[tokio::test]
async fn a_decision_whose_client_left_has_an_outcome() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let blocking = blocker(cluster, &database).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\nlock = \"1h\"\n");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"ALTER TABLE large ADD COLUMN a int\0")).await;
        until_running(&direct, "ALTER TABLE large%").await;
        drop(client);
        assert_eq!(until_closed(&proxy).await["reason"], "client-gone");
        until("outcome", async || stored(&proxy, "SELECT outcome_sqlstate FROM records") == ["08006"]).await;
        blocking.batch_execute("COMMIT").await.unwrap();
    }
}

/// The question has to wait for the table, and the client leaves meanwhile.
#[tokio::test]
async fn a_question_ends_with_its_client_and_nothing_is_run() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let blocking = cluster.connect(&database).await;
        blocking.batch_execute("BEGIN; ALTER TABLE large ADD COLUMN locked int").await.unwrap();
        let proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\nlock = \"1h\"\n");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        let waits = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("something waits for the table", async || !direct.column(waits).await.is_empty()).await;
        assert!(!direct.value(waits).await.contains("CREATE INDEX"), "a question waits, not the statement");
        drop(client);
        assert_eq!(until_closed(&proxy).await["reason"], "client-gone");
        blocking.batch_execute("ROLLBACK").await.unwrap();
        let theirs = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'trusted'";
        until("its backend is gone", async || direct.value(theirs).await == "0").await;
        assert_eq!(direct.value("SELECT to_regclass('i') IS NULL").await, "t");
        assert_eq!(stored(&proxy, "SELECT sql FROM records"), [""; 0]);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_memory() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut client = RawClient::log_in(proxy.port, "postgres").await;
    client.query("SELECT 1").await;
    let before = peak(&proxy);
    client.send(&frame(b'Q', b"SELECT repeat('x', 1000000) FROM generate_series(1, 100)\0")).await;
    let direct = cluster.connect("postgres").await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE 'SELECT repeat(%'";
    until("the server waits for us", async || direct.value(waits).await == "1").await;
    assert!(peak(&proxy) - before < 8 << 20, "{} bytes more", peak(&proxy) - before);
    let rows = client.until(b'Z').await;
    assert_eq!(rows.iter().filter(|(tag, body)| *tag == b'D' && body.len() > 1_000_000).count(), 100);
    assert!(peak(&proxy) - before < 8 << 20, "{} bytes more", peak(&proxy) - before);
}

#[tokio::test]
async fn a_large_query_is_refused_without_being_kept() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut client = RawClient::log_in(proxy.port, "postgres").await;
    client.query("SELECT 1").await;
    let before = peak(&proxy);
    client.send(&header(b'Q', LARGE)).await;
    pour(&mut client, LARGE - 1).await;
    client.send(b"\0").await;
    assert_eq!(errors(&client.until(b'Z').await), ["PA002"]);
    assert_eq!(client.query("SELECT 1").await.last().unwrap().1, "I");
    // While the decision is written, as much arrives as a statement may have.
    assert!(peak(&proxy) - before < 16 << 20, "{} bytes more", peak(&proxy) - before);
}

#[tokio::test]
async fn a_large_bind_and_a_large_copy_stream() {
    let cluster = clusters()[0];
    let database = cluster.database().await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut client = RawClient::log_in(proxy.port, &database).await;
    client.query("CREATE TABLE texts (t text)").await;
    let before = peak(&proxy);

    client.send(&frame(b'P', b"\0SELECT length($1::text)::text\0\0\0")).await;
    let names = b"\0\0\0\0\0\x01";
    client.send(&header(b'B', names.len() + 4 + LARGE + 2)).await;
    client.send(&[names.as_slice(), &u32::try_from(LARGE).unwrap().to_be_bytes()].concat()).await;
    pour(&mut client, LARGE).await;
    client.send(&[b"\0\0".as_slice(), &frame(b'E', b"\0\0\0\0\0"), &frame(b'S', b"")].concat()).await;
    let answer = client.until(b'Z').await;
    assert_eq!(super::support::raw::first_column(&answer), [LARGE.to_string()], "{answer:?}");

    client.send(&frame(b'Q', b"COPY texts FROM STDIN\0")).await;
    assert_eq!(client.until(b'G').await.len(), 1);
    client.send(&header(b'd', LARGE)).await;
    pour(&mut client, LARGE).await;
    client.send(&frame(b'c', b"")).await;
    assert_eq!(errors(&client.until(b'Z').await), [""; 0]);
    assert_eq!(super::support::raw::first_column(&client.query("SELECT sum(length(t))::text FROM texts").await), [LARGE.to_string()]);
    assert!(peak(&proxy) - before < 16 << 20, "{} bytes more", peak(&proxy) - before);
}

#[tokio::test]
async fn a_client_that_vanishes_within_a_message_is_no_more() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut client = RawClient::log_in(proxy.port, "postgres").await;
    client.send(&frame(b'P', b"\0SELECT length($1::text)::text\0\0\0")).await;
    client.send(&header(b'B', LARGE)).await;
    client.send(b"\0\0\0\0\0\x01").await;
    pour(&mut client, 1 << 20).await;
    drop(client);
    assert_eq!(until_closed(&proxy).await["reason"], "client-gone");
    let direct = cluster.connect("postgres").await;
    let theirs = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trusted' AND backend_type = 'client backend' AND query LIKE '%length($1%'";
    until("its backend is gone", async || direct.value(theirs).await == "0").await;
}

#[tokio::test]
async fn many_sessions_cost_little() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut clients = vec![RawClient::log_in(proxy.port, "postgres").await];
    let before = peak(&proxy);
    // The server takes 200, and other tests need some of them.
    while clients.len() < 121 {
        clients.push(RawClient::log_in(proxy.port, "postgres").await);
    }
    for client in &mut clients {
        client.send(&frame(b'Q', b"SELECT repeat('x', 100000)\0")).await;
    }
    for client in &mut clients {
        assert_eq!(client.until(b'Z').await.len(), 4);
    }
    let each = (peak(&proxy) - before) / 120;
    assert!(each < 400 << 10, "{each} bytes for each session");
}
