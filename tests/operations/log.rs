//! What the log says agrees with the store and the metrics. Whoever reads it may hang or vanish; nobody else notices.

use super::support::proxy::Reader;
use super::support::{Proxy, RawClient, clusters};
use super::{events, stored, until, with_large_table};

/// Far more than a pipe takes in, as lines of decisions.
async fn says_a_lot(proxy: &Proxy, database: &str) {
    let long = "x".repeat(50_000);
    for number in 0..20 {
        let mut client = RawClient::log_in(proxy.port, database).await;
        let answer = client.query(&format!("CREATE TABLE t{number} (/* {long} */)")).await;
        assert!(answer.iter().any(|(tag, _)| *tag == b'C'), "{answer:?}");
    }
    assert!(proxy.http("/healthz").unwrap().contains("200"));
    assert!(proxy.http("/metrics").unwrap().contains("pgairlock_panics_total 0"));
}

#[tokio::test]
async fn a_reader_that_hangs_or_is_gone_stops_nobody() {
    let cluster = clusters()[0];
    for reader in [Reader::Hangs, Reader::Gone] {
        let database = cluster.database().await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "");
        proxy.log_is_read_by(reader);
        says_a_lot(&proxy, &database).await;
        proxy.signal("TERM");
        assert_eq!(proxy.wait(), Some(0), "{reader:?}");
    }
}

#[tokio::test]
async fn log_store_and_metrics_tell_of_the_same_rewrite() {
    for cluster in clusters() {
        let (database, _direct) = with_large_table(cluster).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "");
        let count = "pgairlock_rewrite_seconds_count{rule=\"create-index-blocking\"}";
        assert!(proxy.http("/metrics").unwrap().contains(&format!("{count} 0\n")), "nothing was rewritten");
        for rewrites in 1..=2 {
            // Each by a session of its own.
            let session = proxy.connect(&database).await;
            session.batch_execute(&format!("CREATE INDEX i{rewrites} ON large (id)")).await.unwrap();
            let told = format!("{count} {rewrites}");
            until(&told, async || proxy.http("/metrics").unwrap().lines().any(|line| line == told)).await;
        }
        proxy.signal("TERM");
        assert_eq!(proxy.wait(), Some(0));
        let recorded = stored(&proxy, "SELECT session FROM records ORDER BY id");
        assert_eq!(recorded.len(), 2);
        for event in ["session_opened", "decision", "rewrite_finished", "outcome"] {
            let logged: Vec<String> = events(&proxy, event).iter().map(|line| line["session"].as_str().unwrap().to_owned()).collect();
            assert_eq!(logged, recorded, "{event}");
        }
        let ids: Vec<String> = events(&proxy, "decision").iter().map(|line| line["id"].to_string()).collect();
        assert_eq!(ids, stored(&proxy, "SELECT json_quote(number) FROM records ORDER BY id"));
    }
}
