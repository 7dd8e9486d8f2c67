//! A table is dropped without stopping those that foreign keys join it with, and ends as DROP TABLE itself would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "drop_table/cut_off.rs"]
mod cut_off;
#[path = "drop_table/locks.rs"]
mod locks;

use support::scene::{Scene, scenes_with, set_up};
use support::{PROTOCOLS, Session, catalog};

/// Tables with rows count as large, and may be dropped.
const DROPS: &str = "[limits]\nsmall_table = \"1B\"\n[rules]\ndrop-table = \"off\"\n";

/// `d` refers to `c`, and `c` to itself and to three others, in every way that a foreign key can be written.
const TABLES: &str = r#"
    CREATE TABLE p (id int PRIMARY KEY, code int UNIQUE);
    CREATE TABLE q (id int, part int, PRIMARY KEY (id, part));
    CREATE SCHEMA "Other";
    CREATE TABLE "Other"."P p" (id int PRIMARY KEY);
    INSERT INTO p SELECT i, i FROM generate_series(1, 100) i;
    INSERT INTO q SELECT i, i FROM generate_series(1, 100) i;
    INSERT INTO "Other"."P p" SELECT generate_series(1, 100);
    CREATE TABLE c (id serial PRIMARY KEY, up int REFERENCES c, p_id int REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        code int CONSTRAINT "by Code" REFERENCES p (code) ON UPDATE SET DEFAULT DEFERRABLE,
        o int REFERENCES "Other"."P p", q_id int, q_part int, later int,
        CONSTRAINT both_parts FOREIGN KEY (q_id, q_part) REFERENCES q MATCH FULL ON DELETE SET NULL);
    INSERT INTO c SELECT i, i, i, i, i, i, i, -1 FROM generate_series(1, 100) i;
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE c ADD CONSTRAINT later FOREIGN KEY (later) REFERENCES p NOT VALID;
    CREATE TABLE d (id int PRIMARY KEY, c_id int REFERENCES c);
    INSERT INTO d SELECT i, i FROM generate_series(1, 100) i;
    CREATE TABLE alone (id int);
    CREATE TABLE empty (c_id int REFERENCES c);"#;

/// Each by itself, after those before it.
const ONE_BY_ONE: &[&[&str]] = &[
    &["DROP TABLE d", "DROP TABLE IF EXISTS d, nowhere, empty", "DROP TABLE c -- at last"],
    &["drop table public.c cascade"],
    &["DROP TABLE IF EXISTS nowhere, d, c, empty RESTRICT"],
    &["DROP TABLE c, d, c, empty", "CREATE TABLE c (id int REFERENCES p)", "DROP TABLE c"],
    &["DROP TABLE p CASCADE", "DROP TABLE d, empty", "DROP TABLE c, q"],
    &["CREATE VIEW seen AS SELECT c.id FROM c JOIN d ON d.c_id = c.id", "DROP TABLE c CASCADE"],
    &["SET search_path = \"Other\", public", "DROP TABLE \"P p\" CASCADE", "DROP TABLE public.d"],
];

/// In one transaction each.
const TOGETHER: &[&[&str]] = &[
    &["DROP TABLE d"],
    &["DROP TABLE d", "DROP TABLE empty", "DROP TABLE c"],
    &["DROP TABLE d, empty", "DROP TABLE c", "DROP TABLE p", "DROP TABLE q"],
    &["DROP TABLE c CASCADE", "CREATE TABLE n (id int REFERENCES p)", "INSERT INTO n VALUES (1)", "CREATE INDEX ON d (c_id)"],
    &["DROP TABLE IF EXISTS nowhere, d CASCADE", "CREATE TABLE nowhere (id int)", "DROP TABLE alone"],
    &["CREATE INDEX gone ON d (c_id)", "DROP TABLE d", "ALTER TABLE p ADD COLUMN d int"],
    &["SET LOCAL search_path = \"Other\"", "DROP TABLE \"P p\" CASCADE"],
    &["CREATE TABLE n (id int REFERENCES p)", "DROP TABLE n"],
];

fn ran_safely(told: &[String]) -> bool {
    told.iter().any(|notice| notice.contains("[drop-table-foreign-keys]") && (notice.contains("runs as: ") || notice.contains("after COMMIT: ")))
}

async fn run_all(session: &Session, protocol: support::Protocol, statements: impl Iterator<Item = &&'static str>) {
    for sql in statements {
        let ran = session.run(protocol, sql).await;
        assert!(ran.is_ok(), "{sql}: {ran:?}");
    }
}

#[tokio::test]
async fn the_schema_is_as_the_statement_would_have_left_it() {
    for scene in scenes_with("enforce", DROPS, "").await {
        for protocol in PROTOCOLS {
            for statements in ONE_BY_ONE {
                let (direct, proxied) = (set_up(scene.cluster, TABLES).await, set_up(scene.cluster, TABLES).await);
                let session = scene.proxy.connect(&proxied.0).await;
                run_all(&direct.1, protocol, statements.iter()).await;
                run_all(&session, protocol, statements.iter()).await;
                let told = session.notice_texts();
                assert!(ran_safely(&told), "{statements:?}: {told:?}");
                assert_eq!(catalog(&proxied.1).await, catalog(&direct.1).await, "{statements:?} by {protocol:?} on {}", scene.cluster.version);
                assert_eq!(session.value("SHOW lock_timeout").await, "2s");
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_ends_in_the_same_schema() {
    for scene in scenes_with("enforce", DROPS, "").await {
        for protocol in PROTOCOLS {
            for statements in TOGETHER {
                let (direct, proxied) = (set_up(scene.cluster, TABLES).await, set_up(scene.cluster, TABLES).await);
                let session = scene.proxy.connect(&proxied.0).await;
                for session in [&direct.1, &session] {
                    run_all(session, protocol, ["BEGIN"].iter().chain(*statements).chain(&["COMMIT"])).await;
                }
                let told = session.notice_texts();
                assert!(ran_safely(&told), "{statements:?}: {told:?}");
                assert_eq!(catalog(&proxied.1).await, catalog(&direct.1).await, "{statements:?} by {protocol:?} on {}", scene.cluster.version);
                assert_eq!(session.value("SHOW search_path").await, "\"$user\", public");
            }
        }
    }
}

/// What the server refuses it refuses in its own words, before anything is dropped.
#[tokio::test]
async fn a_drop_that_cannot_succeed_is_not_begun() {
    let more = "CREATE VIEW of_d AS SELECT 1 FROM d; CREATE TABLE rows_of_empty (e empty); CREATE ROLE somebody;
        CREATE TABLE theirs (id int, p_id int REFERENCES p); INSERT INTO theirs VALUES (1, 1)";
    for scene in scenes_with("enforce", DROPS, &format!("{TABLES};{}", more.replace("somebody", "nobody_in_particular"))).await {
        let before = catalog(&scene.direct).await;
        let past = scene.cluster.connect(&scene.database).await;
        for protocol in PROTOCOLS {
            let session = scene.connect().await;
            for (role, sql, sqlstate) in [
                ("NONE", "DROP TABLE c", "2BP01"),
                ("NONE", "DROP TABLE d", "2BP01"),
                ("NONE", "DROP TABLE empty, d", "2BP01"),
                ("NONE", "DROP TABLE c, nowhere CASCADE", "42P01"),
                ("nobody_in_particular", "DROP TABLE theirs", "42501"),
            ] {
                let mut told = Vec::new();
                for session in [&session, &past] {
                    session.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
                    told.push(session.refusal(protocol, sql).await);
                    session.batch_execute("RESET ROLE").await.unwrap();
                }
                assert_eq!((&*told[0].0, &told[0]), (sqlstate, &told[1]), "{sql}");
            }
            assert!(!ran_safely(&session.notice_texts()));
            assert_eq!(catalog(&scene.direct).await, before, "on {}", scene.cluster.version);
        }
    }
}

/// The table cannot be dropped after all: everything is as before, and the error is the server's.
#[tokio::test]
async fn a_drop_that_fails_in_the_end_leaves_the_schema_as_before() {
    let stop = "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today' USING ERRCODE = '2F002'; END $$;
        CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION stop()";
    for scene in scenes_with("enforce", DROPS, &format!("{TABLES};{stop}")).await {
        let before = catalog(&scene.direct).await;
        for protocol in PROTOCOLS {
            for sql in ["DROP TABLE c CASCADE", "DROP TABLE d, c, empty", "DROP TABLE d"] {
                let session = scene.connect().await;
                assert_eq!(session.refusal(protocol, sql).await, ("2F002".to_owned(), "not today".to_owned()), "{sql}");
                assert!(ran_safely(&session.notice_texts()), "{sql}");
                assert_eq!(catalog(&scene.direct).await, before, "{sql} by {protocol:?} on {}", scene.cluster.version);
            }
        }
        scene.direct.batch_execute("DROP EVENT TRIGGER stop").await.unwrap();
    }
}

/// What names the table while its drop waits fails the transaction; with that, and with a savepoint, the promise is gone.
#[tokio::test]
async fn a_drop_that_waits_can_be_taken_back() {
    for scene in scenes_with("enforce", DROPS, TABLES).await {
        let before = catalog(&scene.direct).await;
        for protocol in PROTOCOLS {
            for sql in ["CREATE TABLE d (id int)", "SELECT * FROM d", "DROP TABLE d", "ALTER TABLE alone RENAME TO d", "INSERT INTO d VALUES (0)"] {
                let session = scene.connect().await;
                session.batch_execute("BEGIN; ").await.unwrap();
                session.run(protocol, "DROP TABLE d").await.unwrap();
                let (sqlstate, message) = session.refusal(protocol, sql).await;
                assert!(sqlstate == "PA001" && message.contains("the drop of the table public.d"), "{sql}: {message}");
                assert_eq!(session.refusal(protocol, "SELECT 1").await.0, "25P02");
                session.batch_execute("COMMIT").await.unwrap();
            }
            let session = scene.connect().await;
            for sql in ["BEGIN", "SAVEPOINT s", "DROP TABLE d", "ROLLBACK TO s", "SELECT 1 FROM d", "COMMIT", "BEGIN", "DROP TABLE d", "ROLLBACK"] {
                session.run(protocol, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            assert_eq!(catalog(&scene.direct).await, before, "on {}", scene.cluster.version);
        }
    }
}

/// Another role's foreign key could be dropped by CASCADE only: it is told, and nothing is done.
#[tokio::test]
async fn keys_that_are_not_ours_to_drop_are_told() {
    let more = "CREATE ROLE key_owner LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO key_owner; ALTER TABLE c OWNER TO key_owner";
    for scene in scenes_with("enforce", DROPS, &format!("{TABLES};{more}")).await {
        let before = catalog(&scene.direct).await;
        let session = scene.connect().await;
        session.batch_execute("SET ROLE key_owner").await.unwrap();
        let (sqlstate, message) = session.refusal(support::Protocol::Simple, "DROP TABLE c CASCADE").await;
        assert_eq!(sqlstate, "PA001", "{message}");
        assert!(message.contains("ALTER TABLE public.d DROP CONSTRAINT d_c_id_fkey;"), "{message}");
        assert_eq!(catalog(&scene.direct).await, before, "on {}", scene.cluster.version);
    }
}

/// A table that is small, as all its neighbours are, and one whose neighbours are partitioned, go as they always did.
#[tokio::test]
async fn what_stops_nobody_passes_as_it_is_written() {
    let tables = "CREATE TABLE small (id int PRIMARY KEY); CREATE TABLE beside (id int REFERENCES small);
        CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted DEFAULT;
        INSERT INTO parted VALUES (1); CREATE TABLE to_parted (id int REFERENCES parted)";
    for scene in scenes_with("enforce", DROPS, tables).await {
        let session = scene.connect().await;
        for sql in ["DROP TABLE beside", "DROP TABLE to_parted", "DROP TABLE small"] {
            session.run(support::Protocol::Simple, sql).await.unwrap();
        }
        assert!(!ran_safely(&session.notice_texts()));
    }
}

/// Waits until a question is answered with yes.
async fn until(scene: &Scene, question: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while scene.direct.value(question).await != "t" {
        assert!(std::time::Instant::now() < deadline, "it does not come to {question}: {}", scene.proxy.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
