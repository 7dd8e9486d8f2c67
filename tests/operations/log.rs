//! Whoever reads the log may hang or vanish; nobody else notices.

use super::support::proxy::Reader;
use super::support::{Proxy, RawClient, clusters};

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
