//! Somebody replicates FOR ALL TABLES: a table of ours would reach a subscriber that does not have it, and end its replication.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::support::scene::set_up;
use super::support::{Cluster, Proxy, RawClient, Session, clusters};
use super::{ROWS, STRICT, TABLES, WAYS, Way};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that writes what logical decoding needs.
async fn publishing(version: &str) -> Cluster {
    let cluster = Cluster::start(version).unwrap();
    cluster.connect("postgres").await.batch_execute("ALTER SYSTEM SET wal_level = 'logical'").await.unwrap();
    cluster.stop();
    cluster.restart();
    cluster
}

/// Waits until a query gives this value.
async fn until(session: &Session, query: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    while session.value(query).await != expected {
        assert!(Instant::now() < deadline, "{query}: {}, not {expected}", session.value(query).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A subscription to everything, whose first copy is done.
struct Subscriber {
    session: Session,
    /// The process that applies the changes; another one takes its place when it fails.
    worker: String,
}

const WORKER: &str = "SELECT pid FROM pg_stat_subscription WHERE subname = 'everything' AND relid IS NULL";

impl Subscriber {
    async fn of(publisher: &Cluster, database: &str, on: &Cluster) -> Self {
        let (_, session) = set_up(on, TABLES).await;
        let connection = format!("host=127.0.0.1 port={} user=postgres password=postgres dbname={database}", publisher.port);
        session.batch_execute(&format!("CREATE SUBSCRIPTION everything CONNECTION '{connection}' PUBLICATION everything")).await.unwrap();
        until(&session, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'", "3").await;
        let worker = session.value(WORKER).await;
        assert_ne!(worker, "", "nothing applies changes");
        Self { session, worker }
    }

    /// The worker is the one of the beginning, and has met no error.
    async fn is_well(&self) {
        assert_eq!(self.session.value(WORKER).await, self.worker, "another worker than at first");
        // From 15 on.
        if !self.session.value("SELECT to_regclass('pg_catalog.pg_stat_subscription_stats')").await.is_empty() {
            let errors = "SELECT sum(apply_error_count + sync_error_count) FROM pg_stat_subscription_stats WHERE subname = 'everything'";
            assert_eq!(self.session.value(errors).await, "0");
        }
    }
}

/// The relations of which changes were decoded, by a slot of its own that nobody else reads.
async fn decoded(publisher: &Session) -> BTreeSet<String> {
    let lines = publisher.column("SELECT data FROM pg_logical_slot_peek_changes('witness', NULL, NULL)").await;
    let changes = lines.iter().filter(|line| !line.starts_with("BEGIN ") && !line.starts_with("COMMIT "));
    changes.map(|line| line.split(": ").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_subscriber_of_all_tables_goes_on() {
    for cluster in clusters() {
        let publisher = publishing(&cluster.version).await;
        let (database, direct) = set_up(&publisher, &format!("{TABLES}{ROWS} CREATE PUBLICATION everything FOR ALL TABLES")).await;
        direct.value("SELECT pg_create_logical_replication_slot('witness', 'test_decoding')").await;
        let subscriber = Subscriber::of(&publisher, &database, cluster).await;
        let published = "SELECT string_agg(format('%s.%s', schemaname, tablename), ' ' ORDER BY tablename) FROM pg_publication_tables";
        let before = direct.value(published).await;
        let proxy = Proxy::in_front_of(&publisher, "enforce", STRICT);
        for way in WAYS {
            let mut client = RawClient::log_in(proxy.port, &database).await;
            way.migrate(&mut client).await;
            insert_and_arrive(&mut client, way, &subscriber.session).await;
            subscriber.is_well().await;
        }
        assert_eq!(direct.value(published).await, before);
        let application = ["table public.items", "table public.orders"].map(str::to_owned);
        assert_eq!(decoded(&direct).await, BTreeSet::from(application), "{}", cluster.version);
        subscriber.session.batch_execute("DROP SUBSCRIPTION everything").await.unwrap();
    }
}

async fn insert_and_arrive(client: &mut RawClient, way: Way, subscriber: &Session) {
    let table = way.table();
    let reply = client.ask(&format!("INSERT INTO {table} SELECT i, 1, i, i, 'later' FROM generate_series(1001, 1010) i")).await;
    assert_eq!(reply.tags, ["INSERT 0 10"]);
    until(subscriber, &format!("SELECT count(*) FROM {table} WHERE note = 'later'"), "10").await;
}
