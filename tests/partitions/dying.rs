//! Whoever dies between two partitions: the next run goes on, or takes back what there is.

use std::time::{Duration, Instant};

use super::support::scene::set_up;
use super::support::{Cluster, Proxy, RawClient, Session, catalog, clusters, directory};
use super::{STRICT, TREES, meant, only};

const MADE: &[&str] = &["CREATE INDEX ON m (a)", "ALTER TABLE m ADD CONSTRAINT once UNIQUE (id, a)"];

/// The places that a statement passes between its first step and its last, each with the how-manieth time.
async fn places(cluster: &Cluster, statements: &[&str]) -> Vec<String> {
    let (database, _) = set_up(cluster, TREES).await;
    let log = directory("partitions").join(format!("{}-{database}", cluster.version));
    let proxy = Proxy::in_front_of_with(cluster, "enforce", STRICT, &[("PGAIRLOCK_FAILPOINTS_LOG", &log.display().to_string())]);
    let mut client = RawClient::log_in(proxy.port, &database).await;
    for sql in statements {
        assert_eq!(client.ask(sql).await.errors, [], "{sql}");
    }
    let mut passed = std::collections::BTreeMap::new();
    let mut places = Vec::new();
    for name in std::fs::read_to_string(&log).unwrap().lines() {
        let count = passed.entry(name.to_owned()).or_insert(0);
        *count += 1;
        if (name.starts_with("sent ") || name.starts_with("reply ")) && (name.contains("CREATE ") || name.contains("ALTER TABLE")) {
            places.push(format!("{name}:{count}"));
        }
    }
    assert!(places.len() > 8, "{places:?}");
    places
}

/// Runs the statements, in which the proxy dies; a new one is there then, and the server's work is at its end.
async fn cut_off(cluster: &Cluster, (database, direct): (&str, &Session), place: &str, statements: &[&str]) -> Proxy {
    let mut proxy = Proxy::in_front_of_with(cluster, "enforce", STRICT, &[("PGAIRLOCK_FAILPOINT", place)]);
    let mut client = RawClient::log_in(proxy.port, database).await;
    let mut told = Vec::new();
    for sql in statements {
        told.push(client.ask(sql).await);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while proxy.is_alive() {
        assert!(Instant::now() < deadline, "{place} is not reached: {told:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while direct.value(others).await != "0" {
        assert!(Instant::now() < deadline, "{place}: the server does not come to its end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.again(&[])
}

#[tokio::test]
async fn a_statement_that_was_cut_off_is_gone_on_with_or_taken_back() {
    for cluster in clusters() {
        for sql in MADE {
            let (_, known) = set_up(cluster, TREES).await;
            let untouched = catalog(&known).await;
            known.batch_execute(sql).await.unwrap();
            let made = catalog(&known).await;
            for (number, place) in places(cluster, &[sql]).await.iter().step_by(3).enumerate() {
                // Half of them come again; otherwise something else comes first.
                let again = number % 2 == 0;
                let (database, direct) = set_up(cluster, TREES).await;
                let proxy = cut_off(cluster, (&database, &direct), place, &[sql]).await;
                let mut client = RawClient::log_in(proxy.port, &database).await;
                if again {
                    let reply = client.ask(sql).await;
                    assert!(reply.errors.is_empty() || reply.sqlstate() == "42P07", "{sql} {place}: {reply:?}");
                } else {
                    assert_eq!(client.ask("BEGIN").await.errors, [], "{sql} {place}");
                    assert_eq!(client.ask("COMMIT").await.errors, [], "{sql} {place}");
                }
                let now = catalog(&direct).await;
                let whole = meant(&now) == meant(&made);
                assert!(
                    whole || !again && now == untouched,
                    "{sql} {place} on {}: {}\nand not\n{}",
                    cluster.version,
                    only(&now, &made),
                    only(&made, &now)
                );
            }
        }
    }
}

#[tokio::test]
async fn what_was_promised_is_done_by_the_next_session() {
    for cluster in clusters() {
        for sql in MADE {
            let (_, known) = set_up(cluster, TREES).await;
            known.batch_execute(sql).await.unwrap();
            let made = catalog(&known).await;
            let migration = ["BEGIN", sql, "COMMIT"];
            for place in places(cluster, &migration).await.iter().step_by(5) {
                let (database, direct) = set_up(cluster, TREES).await;
                let proxy = cut_off(cluster, (&database, &direct), place, &migration).await;
                let mut client = RawClient::log_in(proxy.port, &database).await;
                for sql in ["BEGIN", "COMMIT"] {
                    assert_eq!(client.ask(sql).await.errors, [], "{sql} {place}");
                }
                let now = catalog(&direct).await;
                let told = format!("{sql} {place} on {}: {}\nand not\n{}", cluster.version, only(&now, &made), only(&made, &now));
                assert!(meant(&now) == meant(&made), "{told}");
            }
        }
    }
}
