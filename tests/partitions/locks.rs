//! Whoever reads or writes the partitions meanwhile is not stopped for long.

use std::time::{Duration, Instant};

use super::support::scene::scenes_with;
use super::support::{Scene, Session};
use super::{STRICT, TREES};

const MADE: &[&str] = &[
    "CREATE INDEX ON m (a)",
    "ALTER TABLE m ADD CONSTRAINT once UNIQUE (id, a)",
    "ALTER TABLE m ADD PRIMARY KEY (id)",
    "ALTER TABLE m ADD FOREIGN KEY (a) REFERENCES ref",
    "ALTER TABLE m ADD CHECK (a > 0)",
    "ALTER TABLE m ALTER r SET NOT NULL",
];

/// Reads and writes of each partition, by its own name and by that of the table.
const TRAFFIC: &[&str] = &[
    "UPDATE m SET b = b WHERE id = 5",
    "UPDATE m SET b = b WHERE id = 101",
    "UPDATE m_2d SET b = b WHERE id = 150",
    "UPDATE m_3 SET b = b WHERE id = 260",
    "DELETE FROM m WHERE id = 299",
    "INSERT INTO m (id, a, b, r, c) VALUES (299, 299, 'b', 299, 299)",
    "SELECT count(*) FROM m",
    "SELECT count(*) FROM other.m_1",
    "UPDATE ref SET id = id WHERE id = 1000",
];

/// How long the traffic waits for locks; it gives up after a second.
async fn longest_wait(session: &Session) -> Duration {
    let mut longest = Duration::ZERO;
    for sql in TRAFFIC {
        let begun = Instant::now();
        session.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// Sessions of this database that wait for something of this kind.
async fn waiting(scene: &Scene, event: &str) -> bool {
    let sql = format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = '{event}'");
    scene.direct.value(&sql).await == "t"
}

/// Each build waits for a snapshot: the traffic goes on all that time.
#[tokio::test]
async fn traffic_goes_on_while_the_builds_wait() {
    for scene in scenes_with("enforce", STRICT, TREES).await {
        let traffic = scene.cluster.connect(&scene.database).await;
        traffic.batch_execute("SET lock_timeout = '1s'").await.unwrap();
        for sql in ["CREATE INDEX slow ON m (a)", "ALTER TABLE m ADD CONSTRAINT slow_too UNIQUE (id, a)"] {
            let mut holder = snapshot(&scene).await;
            let (mut client, sql) = (scene.raw().await, sql.to_owned());
            let task = tokio::spawn(async move { client.ask(&sql).await });
            for build in 0..4 {
                let deadline = Instant::now() + Duration::from_secs(60);
                while !waiting(&scene, "virtualxid").await {
                    assert!(Instant::now() < deadline && !task.is_finished(), "build {build} does not wait");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let waited = longest_wait(&traffic).await;
                assert!(waited < Duration::from_millis(500), "the traffic waited {waited:?} beside build {build}");
                assert!(waiting(&scene, "virtualxid").await, "the build has waited all the time");
                // The next build waits for the next one.
                let next = snapshot(&scene).await;
                holder.batch_execute("COMMIT").await.unwrap();
                holder = next;
                let gone = Instant::now() + Duration::from_secs(60);
                let built = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid WHERE indisvalid AND relkind = 'i' AND relname ~ '_a_(idx|key)$'";
                while scene.direct.value(built).await.parse::<usize>().unwrap() % 4 != (build + 1) % 4 {
                    assert!(Instant::now() < gone, "build {build} does not end");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            holder.batch_execute("COMMIT").await.unwrap();
            assert_eq!(task.await.unwrap().errors, []);
        }
    }
}

async fn snapshot(scene: &Scene) -> Session {
    let holder = scene.cluster.connect(&scene.database).await;
    holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    holder
}

/// A writer of one partition that does not come to its end: what takes over the whole tree lets the others go on in between, and comes again.
#[tokio::test]
async fn a_writer_of_one_partition_does_not_stop_those_of_the_others() {
    for scene in scenes_with("enforce", STRICT, TREES).await {
        let (writer, traffic) = (scene.cluster.connect(&scene.database).await, scene.cluster.connect(&scene.database).await);
        traffic.batch_execute("SET lock_timeout = '8s'").await.unwrap();
        for sql in MADE {
            // The writer's last partition is the last that is locked.
            let mut client = scene.raw().await;
            let statement = (*sql).to_owned();
            writer.batch_execute("BEGIN; UPDATE m_3 SET b = b WHERE id = 250").await.unwrap();
            let task = tokio::spawn(async move { client.ask(&statement).await });
            let (begun, mut longest) = (Instant::now(), Duration::ZERO);
            while begun.elapsed() < Duration::from_secs(4) {
                longest = longest.max(longest_wait(&traffic).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // lock_timeout is 2 s, and what it lets through follows.
            assert!(longest < Duration::from_secs(4), "{sql} on {}: the traffic waited {longest:?}", scene.cluster.version);
            writer.batch_execute("COMMIT").await.unwrap();
            let reply = task.await.unwrap();
            // The first step of all gives up, as the statement itself would.
            assert!(reply.errors.is_empty() || reply.sqlstate() == "55P03", "{sql}: {reply:?}");
            if !reply.errors.is_empty() {
                assert_eq!(scene.raw().await.ask(sql).await.errors, [], "{sql} on {}", scene.cluster.version);
            }
        }
    }
}

/// What this watches with does see a build under a lock.
#[tokio::test]
async fn the_statement_itself_stops_the_traffic() {
    for scene in scenes_with("enforce", STRICT, TREES).await {
        let (native, traffic) = (scene.cluster.connect(&scene.database).await, scene.cluster.connect(&scene.database).await);
        traffic.batch_execute("SET lock_timeout = '100ms'").await.unwrap();
        for sql in MADE {
            native.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
            let mut stopped = false;
            for sql in TRAFFIC {
                stopped |= traffic.batch_execute(sql).await.is_err();
            }
            assert!(stopped, "{sql} on {}", scene.cluster.version);
            native.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}
