//! A statement that waits for a strong lock lets the others through, says who is in its way, and ends as it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::frontend::{bind, execute, parse, query, sync};
use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol, Scene, Session, Told, catalog, connect_to};
use tokio_postgres::error::DbError;

const ADD: &str = "ALTER TABLE big ADD COLUMN c int";
/// A deadline that no test waits for.
const PATIENT: &str = "[timeouts]\nlock_total = \"10min\"\n";
const HASTY: &str = "[timeouts]\nlock_total = \"1500ms\"\n";

/// Who is idle in a transaction that has read the table, and says so in its name.
async fn reader(scene: &Scene, table: &str) -> Session {
    let parameters = format!("user=postgres password=postgres dbname={} application_name=nightly_report", scene.database);
    let reader = connect_to(scene.cluster.port, &parameters).await.unwrap();
    reader.batch_execute(&format!("BEGIN; SELECT count(*) FROM {table} WHERE id < 7")).await.unwrap();
    reader
}

/// While it waits, other readers come and go; when the one in its way has ended, it succeeds.
async fn waits_and_lets_readers_through(scene: &Scene, session: &Session, migration: impl Future<Output = Result<(), DbError>>) {
    let idle = reader(scene, "big").await;
    let other = scene.cluster.connect(&scene.database).await;
    other.batch_execute("SET lock_timeout = '5s'").await.unwrap();
    let mut told = Told::by(session);
    let application = async {
        let named = told.until(&["waiting for a lock on", "tried once, in use by pid "]).await;
        assert!(named.contains("application \"nightly_report\""), "{named}");
        assert!(named.ends_with("idle in transaction after: BEGIN; SELECT count(*) FROM big WHERE id < ?)"), "{named}");
        // Each reader comes to its end while the statement still waits, whatever way they fall between tries and pauses.
        for _ in 0..20 {
            other.batch_execute("SELECT count(*) FROM big").await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert!(!scene.has_column("big", "c").await);
        told.until(&[" times"]).await;
        idle.batch_execute("COMMIT").await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migration, application);
    migrated.unwrap();
}

#[tokio::test]
async fn outside_of_a_block() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            waits_and_lets_readers_through(&scene, &session, session.run(protocol, ADD)).await;
            assert!(scene.has_column("big", "c").await, "{protocol:?}");
            assert_eq!(session.value("SHOW lock_timeout").await, "2s");
            assert_eq!(session.value("SHOW statement_timeout").await, "0");
            scene.direct.batch_execute("ALTER TABLE big DROP COLUMN c").await.unwrap();
        }
    }
}

#[tokio::test]
async fn first_in_a_block() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            // The client's own savepoint and setting, around the tries.
            session.batch_execute("BEGIN; SET LOCAL work_mem = '5MB'; SAVEPOINT mine").await.unwrap();
            waits_and_lets_readers_through(&scene, &session, session.run(protocol, ADD)).await;
            assert_eq!(session.value("SHOW lock_timeout").await, "2s");
            assert_eq!(session.error("ROLLBACK TO SAVEPOINT _pgairlock").await.code().code(), "3B001", "ours is released");
            session.batch_execute("ROLLBACK TO SAVEPOINT mine").await.unwrap();
            assert_eq!(session.value("SHOW work_mem").await, "5MB");
            assert_eq!(session.value("SHOW lock_timeout").await, "2s");
            session.batch_execute("COMMIT").await.unwrap();
            assert!(!scene.has_column("big", "c").await, "{protocol:?}: taken back by the client");
            session.batch_execute("BEGIN").await.unwrap();
            session.run(protocol, ADD).await.unwrap();
            session.batch_execute("COMMIT").await.unwrap();
            assert!(scene.has_column("big", "c").await, "{protocol:?}");
            scene.direct.batch_execute("ALTER TABLE big DROP COLUMN c").await.unwrap();
        }
    }
}

/// What runs at once of a statement whose rest waits for COMMIT, and the first step of one that is rewritten.
#[tokio::test]
async fn in_parts() {
    let sql = "ALTER TABLE big ADD CONSTRAINT c CHECK (a > 0)";
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let session = scene.connect().await;
        for (begin, end, words) in
            [("BEGIN", "COMMIT", ["waiting for a lock on public.big", "nightly_report"]), ("", "", ["NOT VALID; waits for pid", "nightly_report"])]
        {
            session.batch_execute(begin).await.unwrap();
            let idle = reader(&scene, "big").await;
            let other = scene.cluster.connect(&scene.database).await;
            let mut told = Told::by(&session);
            let application = async {
                told.until(&words).await;
                other.batch_execute("SET lock_timeout = '5s'; SELECT count(*) FROM big").await.unwrap();
                idle.batch_execute("COMMIT").await.unwrap();
            };
            let (added, ()) = tokio::join!(session.run(Protocol::Simple, sql), application);
            added.unwrap();
            session.batch_execute(end).await.unwrap();
            assert_eq!(scene.direct.value("SELECT convalidated FROM pg_constraint WHERE conname = 'c'").await, "t", "{begin}");
            scene.direct.batch_execute("ALTER TABLE big DROP CONSTRAINT c").await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_is_there_for_long_is_named_before_the_first_try() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let idle = reader(&scene, "big").await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let session = scene.connect().await;
        let mut told = Told::by(&session);
        let releases = async {
            let notice = told.until(&["public.big is in use by pid "]).await;
            assert!(
                notice.contains("nightly_report") && notice.ends_with("; the statement waits for its lock in short tries, 600 s at most"),
                "{notice}"
            );
            assert!(!told.all.iter().any(|notice| notice.contains("tried")), "{:?}", told.all);
            idle.batch_execute("COMMIT").await.unwrap();
        };
        let (added, ()) = tokio::join!(session.run(Protocol::Simple, ADD), releases);
        added.unwrap();
    }
}

/// A role without pg_monitor sees pid, role and application of others; with `[monitor]` the client hears the rest, too.
#[tokio::test]
async fn a_monitor_sees_what_the_role_may_not() {
    let roles = "CREATE ROLE migrator LOGIN PASSWORD 'm'; CREATE ROLE lock_watcher LOGIN PASSWORD 'w'; GRANT pg_monitor TO lock_watcher";
    let table = format!("{BIG} ALTER TABLE big OWNER TO migrator");
    let file = support::directory("lock_waits").join("password");
    std::fs::write(&file, "w").unwrap();
    let monitor = format!("{PATIENT}[monitor]\nuser = \"lock_watcher\"\npassword_file = \"{}\"\n", file.display());
    for cluster in support::clusters() {
        cluster.connect("postgres").await.batch_execute(roles).await.unwrap();
    }
    for (more, words, hidden) in
        [(PATIENT, "in use by pid ", "SELECT"), (&*monitor, "idle in transaction after: BEGIN; SELECT count(*) FROM big WHERE id < ?", "secret")]
    {
        for scene in scenes_with("enforce", more, &table).await {
            let idle = reader(&scene, "big").await;
            let session = connect_to(scene.proxy.port, &format!("user=migrator password=m dbname={}", scene.database)).await.unwrap();
            let mut told = Told::by(&session);
            let releases = async {
                let notice = told.until(&["(role postgres, application \"nightly_report\"", words]).await;
                assert!(!notice.contains(hidden), "{notice}");
                idle.batch_execute("COMMIT").await.unwrap();
            };
            let (added, ()) = tokio::join!(session.run(Protocol::Simple, ADD), releases);
            added.unwrap();
        }
    }
}

#[tokio::test]
async fn at_the_deadline_it_fails_as_natively_and_nothing_is_left() {
    for scene in scenes_with("enforce", HASTY, BIG).await {
        let before = catalog(&scene.direct).await;
        let _idle = reader(&scene, "big").await;
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for begin in ["", "BEGIN"] {
                for sql in [ADD, "ALTER TABLE big ADD CHECK (a > 0)"] {
                    session.batch_execute(begin).await.unwrap();
                    let error = session.run(protocol, sql).await.unwrap_err();
                    assert_eq!((error.code().code(), error.message()), ("55P03", "canceling statement due to lock timeout"), "{begin} {sql}");
                    let detail = error.detail().unwrap();
                    assert!(detail.contains("pgairlock tried for 1 s to lock") && detail.contains("nightly_report"), "{detail}");
                    if !begin.is_empty() {
                        assert_eq!(session.error("SELECT 1").await.code().code(), "25P02", "{sql}");
                        session.batch_execute("ROLLBACK").await.unwrap();
                    }
                    assert_eq!(session.value("SHOW lock_timeout").await, "2s");
                    assert_eq!(catalog(&scene.direct).await, before, "{begin} {sql}");
                }
            }
        }
    }
}

#[tokio::test]
async fn limits_of_the_client_are_for_the_whole_wait() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let _idle = reader(&scene, "big").await;
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for (set, sqlstate, words) in
                [("SET lock_timeout = '700ms'", "55P03", "lock timeout"), ("SET statement_timeout = '1200ms'", "57014", "statement timeout")]
            {
                for begin in ["", "BEGIN"] {
                    session.batch_execute(set).await.unwrap();
                    session.batch_execute(begin).await.unwrap();
                    let error = session.run(protocol, ADD).await.unwrap_err();
                    assert_eq!(error.code().code(), sqlstate, "{protocol:?} {begin} {set}");
                    assert!(error.message().contains(words), "{error:?}");
                    if !begin.is_empty() {
                        assert_eq!(session.error("SELECT 1").await.code().code(), "25P02", "{set}");
                        session.batch_execute("ROLLBACK").await.unwrap();
                    }
                    let setting = set.split(' ').nth(1).unwrap();
                    assert!(set.contains(&session.value(&format!("SHOW {setting}")).await), "{set}");
                    session.batch_execute("RESET ALL").await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_request_ends_it() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        let _idle = reader(&scene, "big").await;
        for protocol in PROTOCOLS {
            for begin in ["", "BEGIN"] {
                // In a pause, and in a try, as it falls.
                for wait_ms in [0, 150, 300, 450, 600] {
                    let session = scene.connect().await;
                    session.batch_execute(begin).await.unwrap();
                    let cancel = session.cancel_token();
                    let mut told = Told::by(&session);
                    let cancels = async {
                        told.until(&["tried once"]).await;
                        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
                    };
                    let (migrated, ()) = tokio::join!(session.run(protocol, ADD), cancels);
                    assert_eq!(migrated.unwrap_err().code().code(), "57014", "{protocol:?} {begin} {wait_ms}");
                    if begin.is_empty() {
                        assert_eq!(session.value("SELECT 1").await, "1");
                    } else {
                        assert_eq!(session.error("SELECT 1").await.code().code(), "25P02");
                        session.batch_execute("ROLLBACK").await.unwrap();
                    }
                }
            }
        }
    }
}

/// A retry would keep what the transaction holds, and whoever reads that would wait for all of it.
#[tokio::test]
async fn a_transaction_that_holds_something_is_not_kept_waiting() {
    let more = "[timeouts]\nlock = \"300ms\"\nlock_total = \"10min\"\n";
    for scene in scenes_with("enforce", more, &format!("{BIG} CREATE TABLE other (id int); INSERT INTO other VALUES (1)")).await {
        let _idle = reader(&scene, "big").await;
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            // Seen by its text, and by the locks that are really held.
            for first in ["ALTER TABLE other ADD COLUMN c int", "UPDATE other SET id = 2", "LOCK TABLE other IN EXCLUSIVE MODE"] {
                session.batch_execute("BEGIN").await.unwrap();
                session.batch_execute(first).await.unwrap();
                session.notices();
                let error = session.run(protocol, ADD).await.unwrap_err();
                assert_eq!((error.code().code(), error.detail()), ("55P03", None), "{first}");
                assert_eq!(session.notice_texts(), Vec::<String>::new(), "{first}");
                assert_eq!(session.error("SELECT 1").await.code().code(), "25P02");
                session.batch_execute("ROLLBACK").await.unwrap();
            }
            // What is new is nobody else's.
            session.batch_execute("BEGIN; CREATE TABLE new (id int); INSERT INTO new VALUES (1)").await.unwrap();
            let cancel = session.cancel_token();
            let mut told = Told::by(&session);
            let cancels = async {
                told.until(&[" times"]).await;
                cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
            };
            let (migrated, ()) = tokio::join!(session.run(protocol, ADD), cancels);
            assert_eq!(migrated.unwrap_err().code().code(), "57014");
            session.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}

/// LOCK TABLE comes before the snapshot of its transaction: what was written while it waited is seen.
#[tokio::test]
async fn lock_table_is_tried_without_a_snapshot() {
    for scene in scenes_with("enforce", PATIENT, "CREATE TABLE history (id int)").await {
        let holder = scene.cluster.connect(&scene.database).await;
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            holder.batch_execute("BEGIN; TRUNCATE history; INSERT INTO history VALUES (1)").await.unwrap();
            session.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
            let mut told = Told::by(&session);
            let releases = async {
                told.until(&["waiting for a lock on history", " times"]).await;
                holder.batch_execute("COMMIT").await.unwrap();
            };
            let (locked, ()) = tokio::join!(session.run(protocol, "LOCK TABLE history IN ACCESS EXCLUSIVE MODE"), releases);
            locked.unwrap();
            assert_eq!(session.value("SELECT count(*) FROM history").await, "1");
            session.batch_execute("COMMIT").await.unwrap();
            // Who does not want to wait is told at once.
            holder.batch_execute("BEGIN; LOCK TABLE history").await.unwrap();
            session.batch_execute("BEGIN").await.unwrap();
            let error = session.run(protocol, "LOCK TABLE history NOWAIT").await.unwrap_err();
            assert!(error.message().contains("could not obtain lock"), "{error:?}");
            session.batch_execute("ROLLBACK").await.unwrap();
            holder.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}

/// It makes way only for one that waits for longer than deadlock_timeout.
#[tokio::test]
async fn an_autovacuum_makes_way() {
    let wide =
        "CREATE TABLE big (id int, b text) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_enabled = off);
        INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 60000) i; DELETE FROM big WHERE id % 2 = 0";
    let set = "ALTER SYSTEM SET autovacuum_naptime = '1s'; ALTER SYSTEM SET log_min_messages = 'notice'";
    for version in support::cluster::versions() {
        let cluster = match support::Cluster::start(&version) {
            Ok(cluster) => &*Box::leak(Box::new(cluster)),
            Err(reason) => {
                support::skipped(&format!("PostgreSQL {version}: {reason}"));
                continue;
            }
        };
        let administrator = cluster.connect("postgres").await;
        for sql in set.split("; ").chain(["SELECT pg_reload_conf()"]) {
            administrator.batch_execute(sql).await.unwrap();
        }
        let (database, direct) = support::scene::set_up(cluster, wide).await;
        let proxy = support::Proxy::in_front_of(cluster, "enforce", PATIENT);
        direct.batch_execute("ALTER TABLE big SET (autovacuum_enabled = on)").await.unwrap();
        let at_work = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE backend_type = 'autovacuum worker' AND relation = 'big'::regclass";
        let deadline = Instant::now() + Duration::from_secs(120);
        while direct.value(at_work).await == "0" {
            assert!(Instant::now() < deadline, "no autovacuum on {version}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let session = proxy.connect(&database).await;
        session.run(Protocol::Simple, ADD).await.unwrap();
        let told = session.notice_texts();
        assert!(told.iter().any(|notice| notice.contains("autovacuum worker")), "{told:?}");
        // It did not end by itself.
        let log = std::fs::read_to_string(cluster.directory.join("data/server.log")).unwrap();
        assert!(log.contains("canceling autovacuum task"), "{log}");
    }
}

/// lock_timeout is for each lock: with many of them, the sum is bounded too.
#[tokio::test]
async fn many_tables_are_waited_for_together() {
    let parts: String = (0..6).map(|i| format!("CREATE TABLE p{i} PARTITION OF p FOR VALUES FROM ({i}) TO ({});", i + 1)).collect();
    for scene in scenes_with("enforce", PATIENT, &format!("CREATE TABLE p (id int) PARTITION BY RANGE (id); {parts}")).await {
        let session = scene.connect().await;
        let idle = reader(&scene, "p5").await;
        let mut told = Told::by(&session);
        let releases = async {
            told.until(&["waiting for a lock on public.p ", "nightly_report"]).await;
            idle.batch_execute("COMMIT").await.unwrap();
        };
        let (added, ()) = tokio::join!(session.run(Protocol::Simple, "ALTER TABLE p ADD COLUMN c int"), releases);
        added.unwrap();
        assert!(scene.has_column("p5", "c").await);
        assert_eq!(session.value("SHOW statement_timeout").await, "0");
    }
}

/// The tries share nothing with a batch that went before, and what comes behind goes on as if nothing had been.
#[tokio::test]
async fn batches_go_on_behind_it() {
    for scene in scenes_with("enforce", PATIENT, BIG).await {
        for begin in ["", "BEGIN"] {
            let mut client = scene.raw().await;
            if !begin.is_empty() {
                client.ask(begin).await;
            }
            let idle = reader(&scene, "big").await;
            let ddl = [parse("", ADD), bind("", ""), execute(""), sync()].concat();
            let behind = [parse("", "SELECT 'behind'"), bind("", ""), execute(""), sync(), query("SELECT 'last'")].concat();
            let releases = async {
                tokio::time::sleep(Duration::from_millis(700)).await;
                idle.batch_execute("COMMIT").await.unwrap();
            };
            let batch = [ddl, behind].concat();
            let (replies, ()) = tokio::join!(client.exchange(&batch, 3), releases);
            let tags: Vec<_> = replies.iter().map(|reply| reply.rows.join(",")).collect();
            assert_eq!(tags, ["", "behind", "last"], "{begin}");
            client.ask("ROLLBACK").await;
            scene.direct.batch_execute("ALTER TABLE big DROP COLUMN IF EXISTS c").await.unwrap();
        }
    }
}
