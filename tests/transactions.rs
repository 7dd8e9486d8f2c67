//! A refusal inside a transaction fails the transaction, as every client sees it: psql, drivers, pipelines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::Output;

use support::frontend::{Reply, bind, describe, execute, parse, query, statement, sync};
use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol, Scene, psql, scenes};

const SETUP: &str = "CREATE TABLE log (n int);";

/// Nothing waits for a COMMIT: what its transaction cannot hold is refused.
const AT_ONCE: &str = "[after_commit]\ndefer = false\n";

fn setup() -> String {
    format!("{BIG}{SETUP}")
}

async fn logged(scene: &Scene) -> Vec<String> {
    scene.direct.column("SELECT n FROM log ORDER BY n").await
}

/// A script by `psql -f`, which goes on after errors.
fn psql_file(scene: &Scene, script: &str) -> Option<Output> {
    let file = support::directory("psql").join(format!("{}-{}.sql", scene.cluster.version, scene.database));
    std::fs::write(&file, script).unwrap();
    let mut command = psql()?;
    let port = scene.proxy.port.to_string();
    Some(command.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", &scene.database, "-f"]).arg(&file).output().unwrap())
}

#[tokio::test]
async fn psql_commits_nothing_of_a_refused_transaction() {
    for scene in scenes(&setup()).await {
        let script = "BEGIN;\nCREATE TABLE made (id int);\nINSERT INTO log VALUES (1);\nALTER TABLE big DROP COLUMN a;\nINSERT INTO log VALUES (2);\nCOMMIT;\n\
                      INSERT INTO log VALUES (3);\n";
        let Some(output) = psql_file(&scene, script) else { return };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("pgairlock [drop-column]"), "{errors}");
        assert!(errors.contains("current transaction is aborted"), "what follows fails, too: {errors}");
        assert_eq!(logged(&scene).await, ["3"], "what follows the transaction runs: {errors}");
        assert!(!scene.has("made").await);
        assert!(scene.has_column("big", "a").await);
    }
}

#[tokio::test]
async fn psql_runs_what_is_safe_and_says_what_was_rewritten() {
    for scene in scenes(&setup()).await {
        let script = "CREATE INDEX big_a_idx ON big (a);\nBEGIN;\nCREATE TABLE made (id int PRIMARY KEY, big int REFERENCES big NOT NULL);\n\
                      CREATE INDEX ON made (big);\nALTER TABLE big ADD COLUMN c text;\nCOMMIT;\n\\di big*\n";
        let Some(output) = psql_file(&scene, script) else { return };
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(errors.contains("NOTICE:  pgairlock [create-index-blocking]") && errors.contains("CREATE INDEX CONCURRENTLY big_a_idx"), "{errors}");
        assert!(!errors.contains("ERROR"), "{errors}");
        assert!(said.contains("big_a_idx"), "{said}");
        assert!(scene.has("made_big_idx").await && scene.has_column("big", "c").await);
    }
}

#[tokio::test]
async fn drivers_commit_nothing_of_a_refused_transaction() {
    for scene in scenes(&setup()).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for refused in ["ALTER TABLE big DROP COLUMN a", "ALTER TABLE big ALTER a TYPE bigint", "DROP TABLE big FROBNICATE"] {
                session.run(protocol, "BEGIN").await.unwrap();
                session.run(protocol, "CREATE TABLE made (id int)").await.unwrap();
                session.run(protocol, "INSERT INTO log VALUES (1)").await.unwrap();
                let (sqlstate, message) = session.refusal(protocol, refused).await;
                assert!(sqlstate.starts_with("PA00"), "{sqlstate} {message}");
                assert_eq!(session.refusal(protocol, "INSERT INTO log VALUES (2)").await.0, "25P02", "after {refused}");
                session.run(protocol, "COMMIT").await.unwrap();
                assert_eq!(logged(&scene).await, Vec::<String>::new(), "{protocol:?} {refused}");
                assert!(!scene.has("made").await);
            }
        }
        assert_eq!(scene.direct.value("SELECT count(*) FROM pg_index WHERE indrelid = 'big'::regclass").await, "1");
    }
}

#[tokio::test]
async fn the_way_out_is_in_the_message() {
    for scene in scenes_with("enforce", AT_ONCE, &setup()).await {
        let session = scene.connect().await;
        let error = session.error("SELECT 1; create index big_a_idx on big (a) -- why").await;
        assert_eq!((error.code().code(), error.severity()), ("PA001", "ERROR"));
        assert!(error.message().starts_with("pgairlock [create-index-blocking]: "), "{}", error.message());
        assert!(error.message().to_lowercase().contains("create index concurrently big_a_idx on big (a)"), "{}", error.message());
        let (detail, hint) = (error.detail().unwrap_or_default(), error.hint().unwrap_or_default());
        assert!(detail.contains("Share") && detail.contains("public.big"), "{detail}");
        assert!(hint.contains("create-index-blocking"), "{hint}");
    }
}

#[tokio::test]
async fn a_savepoint_is_a_way_back() {
    for scene in scenes(&setup()).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for sql in ["BEGIN", "INSERT INTO log VALUES (1)", "SAVEPOINT here", "INSERT INTO log VALUES (2)"] {
                session.run(protocol, sql).await.unwrap();
            }
            assert_eq!(session.refusal(protocol, "ALTER TABLE big DROP COLUMN a").await.0, "PA001");
            assert_eq!(session.refusal(protocol, "SELECT 1").await.0, "25P02");
            for sql in ["ROLLBACK TO here", "INSERT INTO log VALUES (3)", "ALTER TABLE big ADD COLUMN IF NOT EXISTS c int", "RELEASE here", "COMMIT"]
            {
                session.run(protocol, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            assert_eq!(logged(&scene).await, ["1", "3"]);
            scene.direct.batch_execute("TRUNCATE log").await.unwrap();
        }
    }
}

#[tokio::test]
async fn several_statements_in_one_query_are_refused_whole() {
    for scene in scenes_with("enforce", AT_ONCE, &setup()).await {
        let session = scene.connect().await;
        let sql = "INSERT INTO log VALUES (1); -- ä\nCREATE INDEX big_a_idx ON big (a); INSERT INTO log VALUES (2)";
        let error = session.error(sql).await;
        assert_eq!(error.code().code(), "PA001");
        assert!(error.message().contains("CREATE INDEX CONCURRENTLY big_a_idx ON big (a)"), "{}", error.message());
        let place = sql.chars().take_while(|letter| *letter != '\n').count() + 2;
        let expected = tokio_postgres::error::ErrorPosition::Original(u32::try_from(place).unwrap());
        assert_eq!(error.position(), Some(&expected), "the statement is pointed at");
        assert_eq!(logged(&scene).await, Vec::<String>::new());
        // With its own transaction in it, and inside of one.
        session.error("BEGIN; INSERT INTO log VALUES (1); ALTER TABLE big DROP COLUMN a; COMMIT").await;
        assert_eq!(session.value("SELECT now() = statement_timestamp()").await, "t", "no transaction is open");
        session.batch_execute("BEGIN; INSERT INTO log VALUES (1)").await.unwrap();
        session.error("INSERT INTO log VALUES (2); ALTER TABLE big DROP COLUMN a").await;
        assert_eq!(session.error("SELECT 1").await.code().code(), "25P02");
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(logged(&scene).await, Vec::<String>::new());
        assert_eq!(session.error("SELECT 1; DROP TABLE big").await.position(), Some(&tokio_postgres::error::ErrorPosition::Original(11)));
    }
}

#[tokio::test]
async fn what_a_query_or_transaction_makes_it_may_index() {
    for scene in scenes(&setup()).await {
        let fill = "INSERT INTO NAME SELECT i, repeat('x', 100) FROM generate_series(1, 12000) i";
        let statements = |name: &str| {
            [
                "CREATE TABLE NAME (id int, b text)",
                fill,
                "CREATE INDEX ON NAME (id)",
                "ALTER TABLE NAME ADD CHECK (id > 0)",
                "ALTER TABLE NAME ADD PRIMARY KEY (id)",
                "ALTER TABLE NAME DROP COLUMN b",
            ]
            .map(|sql| sql.replace("NAME", name))
        };
        let session = scene.connect().await;
        session.batch_execute(&statements("one").join("; ")).await.unwrap();
        for (protocol, name) in [(Protocol::Simple, "two"), (Protocol::Extended, "three")] {
            session.run(protocol, "BEGIN").await.unwrap();
            for sql in statements(name) {
                session.run(protocol, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            session.run(protocol, "COMMIT").await.unwrap();
        }
        assert_eq!(session.notice_texts(), Vec::<String>::new(), "nothing was rewritten");
        for name in ["one", "two", "three"] {
            assert!(scene.has(&format!("{name}_id_idx")).await && scene.has(&format!("{name}_pkey")).await, "{name}");
            assert!(!scene.has_column(name, "b").await);
        }
        // What was rolled back was never made; and after COMMIT it is a table like any other.
        session.batch_execute("BEGIN; CREATE TABLE again (id int); ROLLBACK").await.unwrap();
        scene.direct.batch_execute("CREATE TABLE again AS TABLE big").await.unwrap();
        for sql in
            ["BEGIN; DROP TABLE again; COMMIT", "ALTER TABLE one DROP COLUMN id", "CREATE TABLE IF NOT EXISTS again (id int); DROP TABLE again"]
        {
            assert_eq!(session.error(sql).await.code().code(), "PA001", "{sql}");
        }
        session.batch_execute("BEGIN; SAVEPOINT s; CREATE TABLE later (id int); ROLLBACK TO s").await.unwrap();
        scene.direct.batch_execute("CREATE TABLE later AS TABLE big").await.unwrap();
        assert_eq!(session.error("DROP TABLE later").await.code().code(), "PA001");
    }
}

/// What the server refuses inside of any transaction runs by the extended protocol too, where questions of ours would have opened one.
#[tokio::test]
async fn what_needs_no_transaction_around_it_gets_none() {
    let alike = ["VACUUM big", "VACUUM ANALYZE big", "VACUUM (VERBOSE)", "ANALYZE big", "DISCARD ALL", "REINDEX TABLE parts"];
    let exempted = [
        "VACUUM FULL big",
        "CLUSTER",
        "REINDEX SCHEMA public",
        "CREATE DATABASE one_WHO",
        "DROP DATABASE one_WHO",
        "ALTER SYSTEM SET deadlock_timeout = '1001ms'",
        "ALTER SYSTEM RESET deadlock_timeout",
        "SET allow_in_place_tablespaces = on",
        "CREATE TABLESPACE two_WHO LOCATION ''",
        "DROP TABLESPACE two_WHO",
        "CREATE SUBSCRIPTION three_WHO CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
        "ALTER SUBSCRIPTION three_WHO SET (slot_name = NONE)",
        "DROP SUBSCRIPTION three_WHO",
    ];
    let setup = format!("{BIG} CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts DEFAULT");
    for (mode, statements) in [("enforce", &alike[..]), ("warn", &exempted[..])] {
        for scene in scenes_with(mode, "", &setup).await {
            let (mut through, mut past) = (scene.raw().await, scene.raw_direct().await);
            let session = scene.connect().await;
            for sql in statements {
                let own = |who: &str| sql.replace("WHO", &format!("{who}_{}", scene.database));
                let of_ours = [through.ask(&own("a")).await, through.ask_extended(&own("b")).await].map(Reply::quiet);
                let direct = [past.ask(&own("c")).await, past.ask_extended(&own("d")).await].map(Reply::quiet);
                assert_eq!(of_ours, direct, "{mode} {sql} on {}", scene.cluster.version);
                assert!(direct.iter().all(|reply| reply.errors.is_empty()), "{sql} on {}: {direct:?}", scene.cluster.version);
                session.run(Protocol::Extended, &own("e")).await.unwrap_or_else(|error| panic!("{mode} {sql}: {error:?}"));
            }
            // Where there is a transaction, the server says what it always says.
            for bytes in [[statement("SELECT 1"), statement("VACUUM"), sync()].concat(), [query("BEGIN"), statement("VACUUM"), sync()].concat()] {
                let replies = if bytes[0] == b'Q' { 2 } else { 1 };
                let last = through.exchange(&bytes, replies).await.pop().unwrap();
                assert_eq!(last.sqlstate(), "25001", "{last:?}");
            }
            assert_eq!(through.ask("ROLLBACK").await.status, b'I');
            assert_eq!(through.ask("SHOW lock_timeout").await.rows, ["2s"]);
        }
    }
}

/// Questions of ours would take the snapshot that must come after these.
#[tokio::test]
async fn nothing_stands_before_what_must_come_before_the_snapshot() {
    for scene in scenes(&setup()).await {
        let session = scene.connect().await;
        for (protocol, name) in [(Protocol::Simple, "one"), (Protocol::Extended, "two")] {
            for first in ["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "LOCK TABLE big"] {
                session.run(protocol, &format!("CREATE OR REPLACE FUNCTION {name}() RETURNS int LANGUAGE sql AS 'SELECT 1'")).await.unwrap();
                session.run(protocol, "BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
                session.run(protocol, first).await.unwrap_or_else(|error| panic!("{protocol:?} {first}: {error:?}"));
                scene.direct.batch_execute("INSERT INTO log VALUES (1)").await.unwrap();
                assert_eq!(session.value("SELECT count(*), abs(-1) FROM log").await, "1", "{protocol:?} {first}: the snapshot is taken here");
                session.run(protocol, "COMMIT").await.unwrap();
                scene.direct.batch_execute("TRUNCATE log").await.unwrap();
            }
        }
    }
}

/// As pgjdbc sends the first statement after setAutoCommit(false).
fn with_begin(sql: &str) -> Vec<u8> {
    [parse("", "BEGIN"), bind("", ""), execute(""), parse("", sql), bind("", ""), describe(""), execute(""), sync()].concat()
}

#[tokio::test]
async fn begin_pipelined_with_ddl() {
    for scene in scenes(&setup()).await {
        let mut client = scene.raw().await;
        let reply = client.exchange(&with_begin("CREATE TABLE made (id int)"), 1).await.remove(0);
        assert_eq!((&*reply.shape, reply.status), ("12C12nCZ", b'T'), "{reply:?}");
        assert_eq!(client.ask_extended("CREATE INDEX ON made (id)").await.tags, ["CREATE INDEX"]);
        assert_eq!(client.ask_extended("COMMIT").await.tags, ["COMMIT"]);
        assert!(scene.has("made_id_idx").await);
        let reply = client.exchange(&with_begin("ALTER TABLE big DROP COLUMN a"), 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'E'), "{reply:?}");
        assert_eq!(client.ask_extended("SELECT 1").await.sqlstate(), "25P02");
        let reply = client.ask_extended("COMMIT").await;
        assert_eq!((reply.tags[0].as_str(), reply.status), ("ROLLBACK", b'I'));
        assert_eq!(client.ask_extended("INSERT INTO log VALUES (1)").await.tags, ["INSERT 0 1"], "the session lives");
    }
}

/// Through the proxy and past it, in databases that are alike, the same bytes get the same answers.
#[tokio::test]
async fn a_judged_statement_between_others_is_answered_in_its_place() {
    let insert = |n: u32| statement(&format!("INSERT INTO log VALUES ({n})"));
    let conversations: Vec<(Vec<u8>, usize)> = vec![
        ([insert(1), statement("ALTER TABLE big ADD COLUMN c int"), insert(2), sync()].concat(), 1),
        ([insert(3), statement("ALTER TABLE no_such ADD COLUMN c int"), insert(4), sync(), insert(5), sync()].concat(), 2),
        (
            [
                statement("SELECT 1"),
                statement("ALTER TABLE big ALTER COLUMN c SET DEFAULT 1"),
                sync(),
                statement("SELECT c FROM big LIMIT 1"),
                sync(),
            ]
            .concat(),
            2,
        ),
        ([query("SELECT 1"), query("CREATE TABLE made (id int); CREATE INDEX ON made (id)"), query("SELECT 2")].concat(), 3),
        (
            [
                parse("s", "ALTER TABLE made ADD COLUMN c int"),
                bind("p", "s"),
                describe("p"),
                execute("p"),
                parse("", "SELECT c FROM made"),
                bind("", ""),
                execute(""),
                sync(),
            ]
            .concat(),
            1,
        ),
        (
            [
                query("BEGIN"),
                statement("ALTER TABLE made ADD COLUMN d int"),
                insert(6),
                sync(),
                query("SELECT 1/0"),
                query("COMMIT"),
                query("SELECT 3"),
            ]
            .concat(),
            5,
        ),
        ([query(""), statement(""), sync(), query(";"), query("SELECT 1;;SELECT 2")].concat(), 4),
        ([statement("CREATE TABLE twice (id int)"), statement("CREATE TABLE twice (id int)"), insert(7), sync()].concat(), 1),
        ([statement("SET lock_timeout = 1"), statement("RESET lock_timeout"), insert(8), sync()].concat(), 1),
        ([query("CREATE TABLE one (id int); SELECT 1/0; CREATE TABLE two (id int)"), query("SELECT 1")].concat(), 2),
    ];
    for scene in scenes(&setup()).await {
        let (other, _) = support::scene::set_up(scene.cluster, &setup()).await;
        let mut through = scene.raw().await;
        let mut past = support::RawClient::log_in(scene.cluster.port, &other).await;
        for (index, (bytes, replies)) in conversations.iter().enumerate() {
            let (ours, theirs): (Vec<Reply>, Vec<Reply>) = (through.exchange(bytes, *replies).await, past.exchange(bytes, *replies).await);
            assert_eq!(ours, theirs, "conversation {index} on {}", scene.cluster.version);
        }
    }
}

#[tokio::test]
async fn a_refusal_in_a_pipeline_fails_its_batch_and_no_other() {
    for scene in scenes(&setup()).await {
        let insert = |n: u32| statement(&format!("INSERT INTO log VALUES ({n})"));
        let refused = statement("ALTER TABLE big DROP COLUMN a");
        let mut client = scene.raw().await;
        let reply = client.exchange(&[insert(1), refused.clone(), insert(2), sync()].concat(), 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'), "{reply:?}");
        assert_eq!(reply.tags, ["INSERT 0 1"], "{reply:?}");
        assert_eq!(logged(&scene).await, Vec::<String>::new(), "what ran before it in the same batch is rolled back");
        // Three batches in one write.
        let replies = client.exchange(&[insert(3), sync(), refused.clone(), insert(4), sync(), insert(5), sync()].concat(), 3).await;
        assert_eq!(replies.iter().map(|reply| reply.errors.len()).collect::<Vec<_>>(), [0, 1, 0], "{replies:?}");
        assert_eq!(logged(&scene).await, ["3", "5"]);
        // What has to stand outside of any transaction does not here.
        let reply = client.exchange(&[insert(6), statement("CREATE INDEX CONCURRENTLY ON big (a)"), sync()].concat(), 1).await.remove(0);
        assert_eq!(reply.sqlstate(), "25001");
        assert_eq!(logged(&scene).await, ["3", "5"]);
        // Alone between others' Syncs it has.
        let replies = client.exchange(&[insert(8), sync(), statement("CREATE INDEX ON big (a)"), sync(), insert(9), sync()].concat(), 3).await;
        assert!(replies.iter().all(|reply| reply.errors.is_empty()), "{replies:?}");
        assert_eq!(replies[1].tags, ["CREATE INDEX"]);
        assert!(scene.has("big_a_idx").await);
        assert_eq!(logged(&scene).await, ["3", "5", "8", "9"]);
    }
}

#[tokio::test]
async fn warn_mode_forwards_and_says_so() {
    for scene in scenes_with("warn", "", &setup()).await {
        let session = scene.connect().await;
        for (protocol, column) in [(Protocol::Simple, "a"), (Protocol::Extended, "b")] {
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, &format!("CREATE INDEX ON big ({column})")).await.unwrap();
            let notices = session.notice_texts();
            assert!(notices.iter().any(|text| text.contains("[create-index-blocking]") && text.contains("enforce")), "{notices:?}");
            session.run(protocol, &format!("ALTER TABLE big DROP COLUMN {column}")).await.unwrap();
            let notices = session.notice_texts();
            assert!(notices.iter().any(|text| text.contains("[drop-column]") && text.contains("refuse")), "{notices:?}");
            session.run(protocol, "COMMIT").await.unwrap();
            assert!(!scene.has_column("big", column).await);
        }
        session.batch_execute("DROP TABLE big").await.unwrap();
        assert!(!scene.has("big").await);
    }
}

#[tokio::test]
async fn mode_off_forwards_and_says_nothing() {
    for scene in scenes_with("off", "", &setup()).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            session.run(protocol, "CREATE INDEX ON big (a)").await.unwrap();
        }
        session.batch_execute("ALTER TABLE big DROP COLUMN a; DROP TABLE big").await.unwrap();
        assert_eq!(session.notice_texts(), Vec::<String>::new());
        assert!(!scene.has("big").await);
    }
}
