//! DETACH PARTITION, by its concurrent form, leaves what the plain one leaves.

use std::time::{Duration, Instant};

use super::support::scene::{scenes_with, set_up};
use super::support::{PROTOCOLS, Proxy, RawClient, Session, catalog, clusters};
use super::{STRICT, only, run};

/// `m` has a key, an index, a foreign key to `ref` and partitions of each kind; one has the CHECK of its bounds already.
const TREES: &str = "
    CREATE TABLE ref (id int PRIMARY KEY);
    INSERT INTO ref SELECT generate_series(1, 1000);
    CREATE TABLE m (id int PRIMARY KEY, a int CHECK (a > 0), r int REFERENCES ref) PARTITION BY RANGE (id);
    CREATE INDEX ON m (a);
    CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE m_2 PARTITION OF m FOR VALUES FROM (100) TO (200) PARTITION BY LIST (id);
    CREATE TABLE m_2a PARTITION OF m_2 FOR VALUES IN (100, 101, 102);
    CREATE TABLE m_2b PARTITION OF m_2 FOR VALUES IN (103);
    CREATE TABLE m_3 PARTITION OF m FOR VALUES FROM (200) TO (300);
    ALTER TABLE m_3 ADD CONSTRAINT mine CHECK (id IS NOT NULL AND id >= 200 AND id < 300), ADD CONSTRAINT m_3_id_check CHECK (id > 0);
    INSERT INTO m SELECT i, i, i FROM generate_series(1, 103) i;
    CREATE TABLE h (id int, b text) PARTITION BY HASH (id);
    CREATE TABLE h_0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE h_1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO h SELECT i, 'x' FROM generate_series(1, 100) i;
    CREATE TABLE d (id int) PARTITION BY RANGE (id);
    CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (1) TO (100);
    CREATE TABLE d_d PARTITION OF d DEFAULT;
    INSERT INTO d SELECT generate_series(1, 200);";

const DETACHED: &[&str] = &[
    "ALTER TABLE m DETACH PARTITION m_1",
    "ALTER TABLE m_2 DETACH PARTITION public.m_2a",
    "ALTER TABLE m DETACH PARTITION m_3",
    "ALTER TABLE public.m DETACH PARTITION m_2",
    "ALTER TABLE h DETACH PARTITION h_1",
];

/// From 14 on.
fn has_the_form(version: &str) -> bool {
    !version.starts_with("13")
}

#[tokio::test]
async fn a_partition_is_detached_as_by_the_statement_itself() {
    for scene in scenes_with("enforce", STRICT, "SELECT").await.into_iter().filter(|scene| has_the_form(&scene.cluster.version)) {
        for protocol in PROTOCOLS {
            for in_transaction in [false, true] {
                let ((ours, seen), (_, known)) = (set_up(scene.cluster, TREES).await, set_up(scene.cluster, TREES).await);
                let mut client = RawClient::log_in(scene.proxy.port, &ours).await;
                for sql in DETACHED {
                    let begun = if in_transaction { client.ask("BEGIN").await.errors } else { vec![] };
                    let reply = run(&mut client, protocol, sql).await;
                    let ended = if in_transaction { client.ask("COMMIT").await.errors } else { vec![] };
                    assert_eq!((begun, &reply.errors[..], ended), (vec![], &[][..], vec![]), "{sql}");
                    assert_eq!(reply.tags, ["ALTER TABLE"]);
                    assert!(reply.notices.iter().any(|text| text.contains("[detach-partition-blocking]")), "{reply:?}");
                    known.batch_execute(sql).await.unwrap();
                    let (made, direct) = (catalog(&seen).await, catalog(&known).await);
                    let told = format!("{sql} on {}:\n  {}\nnot\n  {}", scene.cluster.version, only(&made, &direct), only(&direct, &made));
                    assert!(made == direct, "{told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn it_is_refused_where_it_cannot_be_concurrent() {
    for scene in scenes_with("enforce", STRICT, TREES).await {
        let mut client = scene.raw().await;
        let reply = client.ask("ALTER TABLE d DETACH PARTITION d_1").await;
        assert_eq!(reply.sqlstate(), "PA001");
        let reason = if has_the_form(&scene.cluster.version) { "has a default partition" } else { "PostgreSQL 13 has no such form" };
        assert!(reply.errors[0].1.contains(reason), "{reply:?}");
        assert_eq!(scene.direct.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'd'::regclass").await, "2");
        if has_the_form(&scene.cluster.version) {
            for later in ["ALTER TABLE m_1 ADD COLUMN x int", "CREATE TABLE n PARTITION OF m FOR VALUES FROM (1) TO (100)", "DROP TABLE m_1"] {
                for sql in ["BEGIN", "ALTER TABLE m DETACH PARTITION m_1"] {
                    assert_eq!(client.ask(sql).await.errors, [], "{sql}");
                }
                let reply = client.ask(later).await;
                assert!(reply.errors[0].1.contains("[waits-for-commit]"), "{later}: {reply:?}");
                client.ask("ROLLBACK").await;
            }
        }
    }
}

/// While it waits for an older reader, the others read and write; cut off there, it is gone on with.
#[tokio::test]
async fn one_that_was_cut_off_is_finished() {
    for cluster in clusters().into_iter().filter(|cluster| has_the_form(&cluster.version)) {
        for again in [true, false] {
            let ((ours, direct), (_, known)) = (set_up(cluster, TREES).await, set_up(cluster, TREES).await);
            let sql = "ALTER TABLE m DETACH PARTITION m_1";
            known.batch_execute(sql).await.unwrap();
            let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
            let mut client = RawClient::log_in(proxy.port, &ours).await;
            let (reader, other) = (cluster.connect(&ours).await, cluster.connect(&ours).await);
            reader.batch_execute("BEGIN; SELECT count(*) FROM m").await.unwrap();
            client.send(&super::support::frontend::query(sql)).await;
            until(&direct, LEAVING, "1").await;
            other.batch_execute("SET lock_timeout = '100ms'; UPDATE m SET a = a; SELECT count(*) FROM m; SELECT count(*) FROM m_1").await.unwrap();
            direct
                .batch_execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'CONCURRENTLY$'",
                )
                .await
                .unwrap();
            client.until(b'E').await;
            reader.batch_execute("COMMIT").await.unwrap();
            assert_eq!(direct.value(LEAVING).await, "1", "it is neither here nor there");
            drop(client);
            let mut next = RawClient::log_in(proxy.port, &ours).await;
            for sql in if again { vec![sql] } else { vec!["BEGIN", "COMMIT"] } {
                assert_eq!(next.ask(sql).await.errors, [], "{sql}");
            }
            let (made, wanted) = (catalog(&direct).await, catalog(&known).await);
            assert!(made == wanted, "again={again} on {}:\n  {}\nnot\n  {}", cluster.version, only(&made, &wanted), only(&wanted, &made));
        }
    }
}

const LEAVING: &str = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";

async fn until(session: &Session, sql: &str, value: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while session.value(sql).await != value {
        assert!(Instant::now() < deadline, "never: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
