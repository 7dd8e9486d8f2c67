//! SIGTERM.

use tokio::net::TcpStream;

use super::support::raw::{frame, text};
use super::support::{Proxy, RawClient, clusters};
use super::{blocker, events, stored, unfinished, until, until_logged, until_running, with_large_table};

const PATIENT: &str = "[timeouts]\ndrain = \"1h\"\n";

#[tokio::test]
async fn an_idle_session_is_told_and_the_process_ends_well() {
    for cluster in clusters() {
        let mut proxy = Proxy::in_front_of(cluster, "enforce", PATIENT);
        let mut client = RawClient::log_in(proxy.port, "postgres").await;
        proxy.signal("TERM");
        assert_eq!(client.fatal().await.0, "57P01");
        assert_eq!(proxy.wait(), Some(0));
        assert_eq!(events(&proxy, "session_closed")[0]["reason"], "drained");
        assert_eq!(events(&proxy, "stopped")[0]["cut_off"], 0);
    }
}

#[tokio::test]
async fn a_transaction_ends_first_and_nobody_new_comes_in() {
    for cluster in clusters() {
        let mut proxy = Proxy::in_front_of(cluster, "enforce", PATIENT);
        let mut client = RawClient::log_in(proxy.port, "postgres").await;
        client.query("BEGIN").await;
        proxy.signal("TERM");
        until("no new connections", async || TcpStream::connect(("127.0.0.1", proxy.port)).await.is_err()).await;
        let readiness = proxy.http("/readyz").unwrap();
        assert!(readiness.contains("503") && readiness.contains("not ready: draining"), "{readiness}");
        assert_eq!(client.query("SELECT 1").await.last().unwrap().1, "T");
        assert_eq!(client.query("COMMIT").await.last().unwrap().1, "I");
        assert_eq!(client.fatal().await.0, "57P01");
        assert_eq!(proxy.wait(), Some(0));
    }
}

#[tokio::test]
async fn what_is_not_looked_at_yet_is_not_run_and_does_not_hold_up_the_end() {
    for cluster in clusters() {
        let mut proxy = Proxy::in_front_of(cluster, "enforce", PATIENT);
        let mut client = RawClient::log_in(proxy.port, "postgres").await;
        client.query("BEGIN").await;
        proxy.signal("TERM");
        until_logged(&proxy, "draining").await;
        client.send(&[frame(b'Q', b"COMMIT\0"), frame(b'Q', b"CREATE TABLE late ()\0")].concat()).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().1, "I");
        let after = client.until(b'E').await;
        assert_eq!(text(&after.last().unwrap().1, b'C'), "57P01", "{after:?}");
        assert_eq!(after.len(), 1, "{after:?}");
        assert_eq!(proxy.wait(), Some(0));
    }
}

#[tokio::test]
async fn a_transaction_is_cut_at_the_deadline_told_so_and_rolled_back() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\ndrain = \"100ms\"\n");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.query("BEGIN").await;
        client.query("UPDATE large SET id = -1 WHERE id = 1").await;
        proxy.signal("TERM");
        let (sqlstate, message) = client.fatal().await;
        assert_eq!(sqlstate, "57P01");
        assert!(message.contains("drain"), "{message}");
        assert_eq!(proxy.wait(), Some(0));
        assert_eq!(events(&proxy, "stopped")[0]["cut_off"], 1);
        assert_eq!(events(&proxy, "session_closed")[0]["reason"], "cut-off");
        let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'large'::regclass";
        until("rolled back", async || direct.value(locks).await == "0").await;
        assert_eq!(direct.value("SELECT count(*) FROM large WHERE id = -1").await, "0");
    }
}

#[tokio::test]
async fn a_running_rewrite_reaches_its_end() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let blocking = blocker(cluster, &database).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", PATIENT);
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        until_running(&direct, "CREATE INDEX CONCURRENTLY%").await;
        proxy.signal("TERM");
        until_logged(&proxy, "draining").await;
        blocking.batch_execute("COMMIT").await.unwrap();
        let answer = client.until(b'Z').await;
        assert!(answer.iter().any(|(tag, body)| *tag == b'C' && body.starts_with(b"CREATE INDEX")), "{answer:?}");
        assert_eq!(client.fatal().await.0, "57P01");
        assert_eq!(proxy.wait(), Some(0));
        assert_eq!(stored(&proxy, "SELECT outcome_tag FROM records"), ["CREATE INDEX"]);
        assert_eq!(unfinished(&proxy), [""; 0]);
    }
}

#[tokio::test]
async fn a_rewrite_that_is_cut_says_what_it_leaves() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let _blocking = blocker(cluster, &database).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\ndrain = \"100ms\"\n");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        until_running(&direct, "CREATE INDEX CONCURRENTLY%").await;
        proxy.signal("TERM");
        let answer = client.until(b'E').await;
        let last = &answer.last().unwrap().1;
        let (sqlstate, message) = (text(last, b'C'), text(last, b'M'));
        assert_eq!(sqlstate, "57P01");
        assert!(message.contains("CREATE INDEX CONCURRENTLY i ON large (id)"), "{message}");
        assert!(message.contains("The next session of this role takes back"), "{message}");
        assert_eq!(proxy.wait(), Some(0));
        assert_eq!(stored(&proxy, "SELECT outcome_sqlstate FROM records"), ["57P01"]);
        assert_eq!(unfinished(&proxy), ["CREATE INDEX i ON large (id)"]);
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let cluster = clusters()[0];
    let mut proxy = Proxy::in_front_of(cluster, "enforce", PATIENT);
    let mut client = RawClient::log_in(proxy.port, "postgres").await;
    client.query("BEGIN").await;
    proxy.signal("TERM");
    until_logged(&proxy, "draining").await;
    proxy.signal("INT");
    assert_eq!(client.fatal().await.0, "57P01");
    assert_eq!(proxy.wait(), Some(0));
}

#[tokio::test]
async fn bytes_that_nobody_reads_are_cut_off_at_the_deadline() {
    let cluster = clusters()[0];
    let mut proxy = Proxy::in_front_of(cluster, "off", "[timeouts]\ndrain = \"100ms\"\n");
    let mut client = RawClient::log_in(proxy.port, "postgres").await;
    client.query("SELECT 1").await;
    proxy.signal("TERM");
    assert_eq!(client.rest().await, "");
    assert_eq!(proxy.wait(), Some(0));
    assert_eq!(events(&proxy, "session_closed")[0]["reason"], "cut-off");
}

#[tokio::test]
async fn a_statement_of_a_transaction_that_is_cut_off_does_not_run_on() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\ndrain = \"100ms\"\n");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.query("BEGIN").await;
        client.query("UPDATE large SET id = -1 WHERE id = 1").await;
        client.send(&frame(b'Q', b"SELECT pg_sleep(600)\0")).await;
        until_running(&direct, "SELECT pg_sleep%").await;
        proxy.signal("TERM");
        assert_eq!(client.fatal().await.0, "57P01");
        let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'large'::regclass";
        until("rolled back", async || direct.value(locks).await == "0").await;
        assert_eq!(proxy.wait(), Some(0));
    }
}
