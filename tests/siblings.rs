//! Sessions of one tool stand out of the way of a concurrent build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::frontend::{Reply, statement, sync};
use support::scene::scenes_with;
use support::{PROTOCOLS, Scene};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE p (id int PRIMARY KEY);
    INSERT INTO p SELECT generate_series(1, 100);
    CREATE TABLE t (id int NOT NULL, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) i";

/// As Flyway's main connection idles: in a transaction, its last SELECT by the extended protocol, whose portal pins a snapshot.
#[tokio::test]
async fn an_idle_sibling_with_an_open_portal_is_not_waited_for() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut sibling = scene.raw().await;
        sibling.ask("BEGIN").await;
        assert_eq!(sibling.ask_extended("SELECT count(*) FROM p").await.rows, ["100"]);
        for (begin, end) in [("BEGIN", "COMMIT"), ("SELECT 1", "SELECT 1")] {
            let session = scene.connect().await;
            session.batch_execute(begin).await.unwrap();
            session.batch_execute("CREATE INDEX i ON t (a)").await.unwrap();
            session.batch_execute(end).await.unwrap();
            assert!(scene.has("i").await);
            scene.direct.batch_execute("DROP INDEX i").await.unwrap();
            assert_eq!(sibling.ask_extended("SELECT count(*) FROM p").await.rows, ["100"], "it goes on");
        }
        // One that is written by hand, as Flyway sends it.
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            assert_eq!(sibling.ask_extended("SELECT count(*) FROM p").await.rows, ["100"]);
            let build = session.run(protocol, "CREATE INDEX CONCURRENTLY i ON t (a)");
            tokio::time::timeout(Duration::from_secs(30), build).await.expect("it waits for the sibling").unwrap();
            assert!(scene.has("i").await);
            scene.direct.batch_execute("DROP INDEX i").await.unwrap();
        }
        assert_eq!(sibling.ask("COMMIT").await.tags, ["COMMIT"]);
    }
}

/// As Flyway's second runner does it: it asks for its lock in a transaction, again and again, while the first one builds.
#[tokio::test]
async fn a_sibling_that_asks_for_its_lock_while_another_builds_is_not_waited_for() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let writer = scene.cluster.connect(&scene.database).await;
        writer.batch_execute("BEGIN; INSERT INTO t VALUES (100000, 100000)").await.unwrap();
        let (mut sibling, session) = (scene.raw().await, scene.connect().await);
        let build = tokio::spawn(async move { session.batch_execute("CREATE INDEX i ON t (a)").await });
        until_it_builds(&scene).await;
        // Also one that has come meanwhile.
        let mut late = scene.raw().await;
        late.ask("BEGIN").await;
        sibling.ask("BEGIN").await;
        // A portal that is through is not left open.
        let mut reader = scene.raw().await;
        reader.ask("BEGIN").await;
        assert_eq!(reader.ask_extended("SELECT count(*) FROM p").await.rows, ["100"]);
        let call = [statement("SELECT pg_try_advisory_xact_lock(1)"), sync()].concat();
        sibling.send(&call).await;
        late.send(&call).await;
        writer.batch_execute("COMMIT").await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), build).await.expect("it waits for a sibling").unwrap().unwrap();
        assert_eq!(reader.ask("COMMIT").await.tags, ["COMMIT"]);
        let answers = [Reply::of(&sibling.until(b'Z').await), Reply::of(&late.until(b'Z').await)];
        let mut got = answers.map(|answer| answer.rows.concat());
        got.sort();
        assert_eq!(got, ["f", "t"], "held back, and then answered");
    }
}

/// One that has read or written in its transaction may be what the build waits for: it is answered.
#[tokio::test]
async fn a_sibling_with_locks_of_its_own_is_not_held_back() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let (mut sibling, session) = (scene.raw().await, scene.connect().await);
        sibling.ask("BEGIN").await;
        assert_eq!(sibling.ask("INSERT INTO t VALUES (100000, 100000)").await.tags, ["INSERT 0 1"]);
        let build = tokio::spawn(async move { session.batch_execute("CREATE INDEX i ON t (a)").await });
        until_it_builds(&scene).await;
        assert_eq!(sibling.ask_extended("SELECT pg_try_advisory_xact_lock(1)").await.rows, ["t"]);
        assert_eq!(sibling.ask("COMMIT").await.tags, ["COMMIT"]);
        build.await.unwrap().unwrap();
    }
}

/// The build waits for whoever has locks on its table.
async fn until_it_builds(scene: &Scene) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONC%' AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + Duration::from_secs(60);
    while scene.direct.value(WAITING).await != "1" {
        assert!(Instant::now() < deadline, "no build waits: {}", scene.proxy.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
