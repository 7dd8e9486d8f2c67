//! What users of linters, ORM helpers and migration tools ask for and do not have, one test each: the complaint stands above it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::scene::scenes_with;
use support::{BIG, Protocol, Scene, Told, connect_to, scenes};

/// A parent with two partitions that have rows.
const PARTITIONED: &str = "CREATE TABLE parted (id int, a int, b text) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (6000);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (6000) TO (20000);
    INSERT INTO parted SELECT i, i, repeat('x', 100) FROM generate_series(1, 12000) i;";

/// `pgairlock check --format json` of one file, with this database where one is given: what is said of its statements.
fn check(name: &str, text: &str, arguments: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(name), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
    let output = command.env_clear().current_dir(directory.path()).args(["check", "--format", "json"]).args(arguments).arg(name).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    document["files"][0]["statements"].as_array().unwrap().clone()
}

fn url(scene: &Scene) -> String {
    format!("postgres://trusted@127.0.0.1:{}/{}", scene.cluster.port, scene.database)
}

/// "All migrations inspected, whatever the tool": raw SQL went past the ORM's own timeout and took production down.
#[tokio::test]
async fn complaint_raw_sql_escapes_the_orms_timeout() {
    for scene in scenes(BIG).await {
        let session = scene.connect().await;
        session.batch_execute("SET lock_timeout = 0").await.unwrap();
        assert_eq!(session.value("SHOW lock_timeout").await, "2s");
        assert_eq!(session.refusal(Protocol::Simple, "/* RunSQL */ ALTER TABLE big ALTER id TYPE bigint").await.0, "PA001");
        assert_eq!(session.refusal(Protocol::Extended, "ALTER TABLE big ALTER id TYPE bigint").await.0, "PA001");
    }
}

/// "A mandatory reason for an override."
#[tokio::test]
async fn complaint_an_override_needs_no_reason() {
    let config = |reason: &str| {
        format!(
            "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:6432\"\n[[upstream]]\nname = \"m\"\nhosts = [\"127.0.0.1:5432\"]\n\
             [[exempt]]\ntable = \"big\"\nrules = [\"drop-table\"]\n{reason}"
        )
    };
    let ids: Vec<&str> = pgairlock::rules::ids().collect();
    for reason in ["", "reason = \"\"\n", "reason = \"  \"\n"] {
        let error = pgairlock::config::from_str(&config(reason), "p.toml", &ids).unwrap_err().to_string();
        assert!(error.contains("reason"), "{error}");
    }
    pgairlock::config::from_str(&config("reason = \"empty since March\"\n"), "p.toml", &ids).unwrap();
}

/// "Which tables does it block, and whom?"
#[tokio::test]
async fn complaint_the_message_does_not_say_what_is_blocked() {
    for scene in scenes(&format!("{BIG}CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other SELECT generate_series(1, 12000);")).await {
        let error = scene.connect().await.error("BEGIN; ALTER TABLE big ADD COLUMN c uuid DEFAULT gen_random_uuid()").await;
        assert!(error.message().contains("public.big") && error.message().contains("blocks all reads and writes"), "{error:?}");
        assert!(error.detail().unwrap().starts_with("lock AccessExclusive on public.big ("), "{error:?}");
        let finding = &check("x.sql", "ALTER TABLE big ADD FOREIGN KEY (a) REFERENCES other", &["--database-url", &url(&scene)])[0]["findings"][0];
        assert!(finding["message"].as_str().unwrap().contains("blocks writes to it and to public.other"), "{finding}");
    }
}

/// "The table is small, new or empty: why am I told?"
#[tokio::test]
async fn complaint_small_new_and_empty_tables_are_flagged() {
    for scene in
        scenes(&format!("{BIG}CREATE TABLE empty (id int, a int); CREATE TABLE small (id int, a int); INSERT INTO small VALUES (1, 1);")).await
    {
        let session = scene.connect().await;
        session.batch_execute("CREATE INDEX ON empty (a)").await.unwrap();
        session.batch_execute("CREATE INDEX ON small (a)").await.unwrap();
        session
            .batch_execute("BEGIN; CREATE TABLE new AS SELECT * FROM big; ALTER TABLE new ALTER a SET NOT NULL; CREATE INDEX ON new (a); COMMIT")
            .await
            .unwrap();
        assert_eq!(session.notice_texts(), Vec::<String>::new());
        session.batch_execute("CREATE INDEX ON big (a)").await.unwrap();
        assert!(session.notice_texts()[0].contains("CREATE INDEX CONCURRENTLY"));
    }
}

/// "CONCURRENTLY is suggested inside a transaction, where it fails."
#[tokio::test]
async fn complaint_the_transaction_is_guessed() {
    for scene in scenes(BIG).await {
        let session = scene.connect().await;
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE INDEX big_a ON big (a)").await.unwrap();
        assert!(session.notice_texts()[0].contains("runs after COMMIT: CREATE INDEX CONCURRENTLY big_a ON big (a)"));
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(scene.direct.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_a'::regclass").await, "t");
    }
    assert_eq!(check("1_x.up.sql", "CREATE INDEX i ON t (a)", &[])[0]["decision"], "rewrite");
    assert_eq!(check("V1__x.sql", "CREATE INDEX i ON t (a)", &[])[0]["decision"], "defer");
}

/// "The tool should try again when the lock cannot be had", and "Who is in its way? A nightly dump, somebody idle in a transaction."
#[tokio::test]
async fn complaint_no_retries_and_nobody_named() {
    for scene in scenes_with("enforce", "[timeouts]\nlock_total = \"10min\"\n", BIG).await {
        let session = scene.connect().await;
        let parameters = format!("user=postgres password=postgres dbname={} application_name=nightly_dump", scene.database);
        let idle = connect_to(scene.cluster.port, &parameters).await.unwrap();
        idle.batch_execute("BEGIN; SELECT count(*) FROM big WHERE a = 4711").await.unwrap();
        let mut told = Told::by(&session);
        let waiting = async {
            let named = told.until(&["waiting for a lock on", "in use by pid "]).await;
            assert!(named.contains("application \"nightly_dump\"") && named.contains("idle in transaction after: BEGIN; SELECT count(*)"), "{named}");
            assert!(!named.contains("4711"), "literals are redacted: {named}");
            told.until(&[" times"]).await;
            idle.batch_execute("COMMIT").await.unwrap();
        };
        let (migrated, ()) = tokio::join!(session.batch_execute("ALTER TABLE big ADD COLUMN c int"), waiting);
        migrated.unwrap();
    }
}

/// "Turn my SQL file into expand and contract."
#[tokio::test]
async fn complaint_sql_files_are_not_turned_into_steps() {
    let statements =
        check("x.sql", "ALTER TABLE users ALTER id TYPE bigint; ALTER TABLE users RENAME COLUMN a TO b; ALTER TABLE users ALTER c SET NOT NULL", &[]);
    let help = |index: usize| statements[index]["findings"][0]["help"].as_str().unwrap().to_owned();
    for (index, steps) in [
        (0, vec!["ALTER TABLE users ADD COLUMN id_new bigint", "trigger", "batches", "swap the two names"]),
        (1, vec!["ADD COLUMN b", "trigger", "a"]),
        (2, vec!["CHECK (c IS NOT NULL) NOT VALID", "VALIDATE CONSTRAINT", "SET NOT NULL"]),
    ] {
        assert!(steps.iter().all(|step| help(index).contains(step)), "{steps:?}: {}", help(index));
    }
}

/// "It failed after an hour, for one bad row": what the rows do not allow is said before anything is done.
#[tokio::test]
async fn complaint_bad_data_is_found_at_the_end() {
    for scene in scenes(&format!("{BIG}UPDATE big SET a = NULL WHERE id = 11999;")).await {
        let session = scene.connect().await;
        session.batch_execute("BEGIN").await.unwrap();
        let error = session.error("ALTER TABLE big ALTER a SET NOT NULL").await;
        assert_eq!((error.code().code(), error.message()), ("23502", "column \"a\" of relation \"big\" contains null values"));
        session.batch_execute("ROLLBACK; BEGIN").await.unwrap();
        assert_eq!(session.error("ALTER TABLE big ADD CHECK (id < 11999)").await.code().code(), "23514");
        session.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(scene.direct.value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'big'::regclass AND contype = 'c'").await, "0");
    }
}

/// "CONCURRENTLY does not work on partitioned tables."
#[tokio::test]
async fn complaint_no_concurrent_index_on_partitioned_tables() {
    for scene in scenes(PARTITIONED).await {
        let session = scene.connect().await;
        session.batch_execute("CREATE INDEX ON parted (a)").await.unwrap();
        let told = session.notice_texts().join("\n");
        assert!(told.contains("CREATE INDEX CONCURRENTLY parted_1_a_idx ON public.parted_1 (a)"), "{told}");
        let valid = "SELECT string_agg(indisvalid::text, ',') FROM pg_index WHERE indrelid IN ('parted'::regclass, 'parted_1'::regclass, 'parted_2'::regclass)";
        assert_eq!(scene.direct.value(valid).await, "true,true,true");
    }
}
