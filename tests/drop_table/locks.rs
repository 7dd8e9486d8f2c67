//! Who has to wait, and for how long.

use super::support;
use super::support::scene::scenes_with;
use super::support::{PROTOCOLS, Scene, catalog};
use super::{DROPS, TABLES, ran_safely, until};

/// Nobody may have to wait for these.
const PATIENCE: &str = "SET lock_timeout = '100ms'";

/// No deadline of a wait ends the test's.
const PATIENT: &str = "[timeouts]\nlock_total = \"10min\"\n";

/// A step waits for the lock of a table.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'relation'";

/// The first key is dropped by then. (Anything may hold the first table for a moment, an autovacuum too.)
const WAITS_FOR_N2: &str = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = to_regclass('n2')";

/// This table is there.
async fn is_there(scene: &Scene, table: &str) -> bool {
    scene.has(table).await
}

#[tokio::test]
async fn a_reader_of_the_table_stops_no_reader_of_its_neighbours() {
    for scene in scenes_with("enforce", DROPS, TABLES).await {
        let (reader, other) = (scene.cluster.connect(&scene.database).await, scene.cluster.connect(&scene.database).await);
        other.batch_execute(PATIENCE).await.unwrap();
        reader.batch_execute("BEGIN; SELECT count(*) FROM d").await.unwrap();
        let session = scene.connect().await;
        let dropping = session.batch_execute("DROP TABLE d, empty");
        let reading = async {
            until(&scene, WAITS).await;
            for _ in 0..30 {
                other.batch_execute("SELECT count(*) FROM c; UPDATE c SET later = later WHERE id = 1").await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            assert!(is_there(&scene, "d").await);
            reader.batch_execute("COMMIT").await.unwrap();
        };
        let (dropped, ()) = tokio::join!(dropping, reading);
        dropped.unwrap();
        assert!(!is_there(&scene, "d").await && ran_safely(&session.notice_texts()), "on {}", scene.cluster.version);
    }
}

/// Natively the lock on the first neighbour is held while the second is waited for.
#[tokio::test]
async fn a_reader_of_one_neighbour_stops_no_reader_of_another() {
    let tables = "CREATE TABLE first (id int PRIMARY KEY); CREATE TABLE second (id int PRIMARY KEY); INSERT INTO first VALUES (1); INSERT INTO second VALUES (1);
        CREATE TABLE pair (a int REFERENCES first, b int REFERENCES second); INSERT INTO pair VALUES (1, 1)";
    for scene in scenes_with("enforce", DROPS, tables).await {
        let (reader, other) = (scene.cluster.connect(&scene.database).await, scene.cluster.connect(&scene.database).await);
        other.batch_execute(PATIENCE).await.unwrap();
        reader.batch_execute("BEGIN; SELECT count(*) FROM second").await.unwrap();
        let session = scene.connect().await;
        let dropping = session.batch_execute("DROP TABLE pair");
        let reading = async {
            until(&scene, WAITS).await;
            for _ in 0..25 {
                other.batch_execute("SELECT count(*) FROM first").await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            reader.batch_execute("COMMIT").await.unwrap();
        };
        let (dropped, ()) = tokio::join!(dropping, reading);
        dropped.unwrap();
        assert!(!is_there(&scene, "pair").await, "on {}", scene.cluster.version);
    }
}

#[tokio::test]
async fn a_transaction_holds_no_lock_of_its_drops() {
    for scene in scenes_with("enforce", DROPS, TABLES).await {
        let (session, other) = (scene.connect().await, scene.cluster.connect(&scene.database).await);
        other.batch_execute(PATIENCE).await.unwrap();
        for sql in ["BEGIN", "DROP TABLE d", "DROP TABLE empty", "DROP TABLE c"] {
            session.batch_execute(sql).await.unwrap();
        }
        other.batch_execute("SELECT count(*) FROM d, c, p; UPDATE c SET later = later; UPDATE p SET code = code").await.unwrap();
        session.batch_execute("COMMIT").await.unwrap();
        for table in ["d", "empty", "c"] {
            assert!(!is_there(&scene, table).await, "{table} on {}", scene.cluster.version);
        }
    }
}

const PAIR: &str = "CREATE TABLE n1 (id int PRIMARY KEY); CREATE TABLE n2 (id int PRIMARY KEY); INSERT INTO n1 VALUES (1); INSERT INTO n2 VALUES (1);
    CREATE TABLE pair (a int REFERENCES n1 ON DELETE CASCADE, b int REFERENCES n2 DEFERRABLE); INSERT INTO pair VALUES (1, 1)";

/// A writer stands in the way of the key that is to be added again: the client is told, and the next session does it.
#[tokio::test]
async fn what_could_not_be_taken_back_is_left_to_the_next_session() {
    for scene in scenes_with("enforce", DROPS, PAIR).await {
        let before = catalog(&scene.direct).await;
        let (reader, writer) = (scene.cluster.connect(&scene.database).await, scene.cluster.connect(&scene.database).await);
        reader.batch_execute("BEGIN; SELECT count(*) FROM n2").await.unwrap();
        let session = scene.connect().await;
        let cancelling = async {
            until(&scene, WAITS_FOR_N2).await;
            writer.batch_execute("BEGIN; UPDATE n1 SET id = id").await.unwrap();
            session.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
        };
        let (dropped, ()) = tokio::join!(session.run(support::Protocol::Simple, "DROP TABLE pair"), cancelling);
        let error = dropped.unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(
            hint.contains("run by hand: ALTER TABLE public.pair ADD CONSTRAINT pair_a_fkey FOREIGN KEY (a) REFERENCES public.n1(id)"),
            "{error:?}"
        );
        writer.batch_execute("COMMIT").await.unwrap();
        scene.connect().await.batch_execute("BEGIN").await.unwrap();
        assert_eq!(catalog(&scene.direct).await, before, "on {}", scene.cluster.version);
    }
}

/// The client cancels while the last table is waited for: the keys that were dropped are there again.
#[tokio::test]
async fn a_cancelled_drop_leaves_the_schema_as_before() {
    for scene in scenes_with("enforce", &format!("{DROPS}{PATIENT}"), PAIR).await {
        let before = catalog(&scene.direct).await;
        for protocol in PROTOCOLS {
            let reader = scene.cluster.connect(&scene.database).await;
            reader.batch_execute("BEGIN; SELECT count(*) FROM n2").await.unwrap();
            let session = scene.connect().await;
            let cancelling = async {
                until(&scene, WAITS_FOR_N2).await;
                assert_ne!(catalog(&scene.direct).await, before, "the first key is dropped");
                session.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
            };
            let (dropped, ()) = tokio::join!(session.run(protocol, "DROP TABLE pair"), cancelling);
            assert_eq!(dropped.unwrap_err().code().code(), "57014");
            assert_eq!(catalog(&scene.direct).await, before, "by {protocol:?} on {}", scene.cluster.version);
        }
    }
}
