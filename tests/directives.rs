//! Directives in the SQL: what they let through on a real server, by whatever way they come, and what they do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol, Scene, psql};

/// `trusted` may use none.
const PERMITTED: &str = "[[directive]]\nrole = \"postgres\"\nrules = [\"drop-column\", \"drop-table\", \"create-index-blocking\"]\n";

const TABLES: &str = "CREATE TABLE big (id int PRIMARY KEY, a int, b int, c int, d int, e int, f int, g int, h int, pad text);
    INSERT INTO big SELECT i, i, i, i, i, i, i, i, i, repeat('x', 100) FROM generate_series(1, 12000) i;
    ALTER TABLE big OWNER TO trusted;";

async fn here() -> Vec<Scene> {
    scenes_with("enforce", PERMITTED, TABLES).await
}

/// `-- pgairlock:allow drop-column …` and the statement.
fn drops(column: &str) -> String {
    format!("-- pgairlock:allow drop-column reason=\"unread since March\"\nALTER TABLE big DROP COLUMN {column}")
}

async fn has_column(scene: &Scene, column: &str) -> bool {
    scene.direct.value(&format!("SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attname = '{column}'")).await == "1"
}

/// The verdicts that the store has of the scene's database, by the column that was dropped.
fn verdicts(scene: &Scene, like: &str) -> Vec<String> {
    let store = scene.proxy.searchable();
    let mut statement = store
        .prepare("SELECT f.value ->> 'verdict' FROM records d, json_each(d.findings) f WHERE d.database = ?1 AND d.sql LIKE ?2 ORDER BY d.id")
        .unwrap();
    let rows = statement.query_map([&scene.database, like], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn in_a_comment_it_lifts_its_statement_and_is_recorded() {
    for scene in here().await {
        let session = scene.connect().await;
        for (protocol, column) in PROTOCOLS.into_iter().zip(["a", "b"]) {
            session.run(protocol, &drops(column)).await.unwrap();
            assert!(!has_column(&scene, column).await);
            assert_eq!(verdicts(&scene, &format!("%DROP COLUMN {column}")), ["allowed: unread since March"]);
            let told = session.notice_texts().join("\n");
            assert!(told.contains("allowed by the directive in its SQL: unread since March"), "{told}");
            // The next one has none.
            assert_eq!(session.refusal(protocol, "ALTER TABLE big DROP COLUMN c").await.0, "PA001");
        }
        // The string is taken apart for the index, and each statement keeps its own.
        session.batch_execute(&format!("CREATE INDEX i ON big (d);\n{};", drops("c"))).await.unwrap();
        assert!(!has_column(&scene, "c").await && scene.has("i").await);
        let both = format!("{}; ALTER TABLE big DROP COLUMN e;", drops("d"));
        assert_eq!(session.refusal(Protocol::Simple, &both).await.0, "PA001");
        assert!(has_column(&scene, "d").await);
    }
}

#[tokio::test]
async fn where_it_is_not_permitted_the_refusal_says_what_is_missing() {
    for scene in here().await {
        let other = scene.connect_with("").await;
        for protocol in PROTOCOLS {
            let (code, message) = other.refusal(protocol, &drops("a")).await;
            assert_eq!(code, "PA001");
            assert!(
                message.contains("lets the role \"trusted\" lift drop-column here; it takes: [[directive]] with role = \"trusted\""),
                "{message}"
            );
        }
        let session = scene.connect().await;
        for (sql, why) in [
            ("-- pgairlock:allow drop-column\nALTER TABLE big DROP COLUMN a", "it gives no reason"),
            ("-- pgairlock:allow drop-colum reason=\"x\"\nALTER TABLE big DROP COLUMN a", "did you mean \"drop-column\"?"),
            ("SELECT '-- pgairlock:allow drop-column reason=\"x\"\n'; ALTER TABLE big DROP COLUMN a", "Wait until no"),
            ("ALTER TABLE big RENAME TO other -- pgairlock:allow rename-table reason=\"x\"", "lets the role \"postgres\" lift rename-table here"),
        ] {
            let (_, message) = session.refusal(Protocol::Simple, sql).await;
            assert!(message.contains(why) || why == "Wait until no" && !message.contains("directive"), "{sql}: {message}");
        }
        assert!(has_column(&scene, "a").await);
        // A rewrite says it in a notice.
        other.batch_execute("-- pgairlock:allow create-index-blocking reason=\"at night\"\nCREATE INDEX i ON big (a)").await.unwrap();
        let told = other.notice_texts().join("\n");
        assert!(told.contains("runs as: CREATE INDEX CONCURRENTLY") && told.contains("is not honoured: no [[directive]]"), "{told}");
    }
}

#[tokio::test]
async fn the_setting_holds_as_long_as_the_servers_own() {
    const SET: &str = "SET pgairlock.allow = 'drop-column: unread since March'";
    const LOCAL: &str = "SET LOCAL pgairlock.allow = 'drop-column: unread since March'";
    let drop = |column: &str| format!("ALTER TABLE big DROP COLUMN {column}");
    for scene in here().await {
        for protocol in PROTOCOLS {
            let session = scene.connect().await;
            let refused = async |sql: String| assert_eq!(session.refusal(protocol, &sql).await.0, "PA001", "{sql}");
            let run = async |sql: &str| session.run(protocol, sql).await.unwrap();
            let [one, two, three] = if protocol == Protocol::Simple { ["a", "b", "c"] } else { ["d", "e", "f"] };
            run(SET).await;
            assert_eq!(session.value("SHOW pgairlock.allow").await, "drop-column: unread since March", "it is the server's own as well");
            run(&drop(one)).await;
            run("RESET pgairlock.allow").await;
            refused(drop(two)).await;
            // Until the end of the transaction.
            for sql in ["BEGIN", LOCAL, &drop(two), "COMMIT"] {
                run(sql).await;
            }
            refused(drop(three)).await;
            // Not beyond what took it back.
            for sql in ["BEGIN", SET, "ROLLBACK"] {
                run(sql).await;
            }
            refused(drop(three)).await;
            for sql in ["BEGIN", "SAVEPOINT s", SET, "ROLLBACK TO s"] {
                run(sql).await;
            }
            refused(drop(three)).await;
            run("ROLLBACK").await;
            for sql in ["BEGIN", SET, "COMMIT"] {
                run(sql).await;
            }
            run(&drop(three)).await;
            assert_eq!(verdicts(&scene, &format!("%{}", drop(three))).last().unwrap(), "allowed: unread since March");
        }
        let session = scene.connect().await;
        session.batch_execute("SET pgairlock.allow = 'drop-column: in one string'; ALTER TABLE big DROP COLUMN g").await.unwrap();
        assert!(!has_column(&scene, "g").await);
        session.batch_execute("DISCARD ALL").await.unwrap();
        assert_eq!(session.refusal(Protocol::Simple, &drop("h")).await.0, "PA001");
    }
}

#[tokio::test]
async fn what_the_proxy_stands_on_stays() {
    for scene in scenes_with("enforce", PERMITTED, BIG).await {
        let session = scene.connect().await;
        for sql in [
            "-- pgairlock:allow protected-setting reason=\"x\"\nSET standard_conforming_strings = off",
            "SET pgairlock.allow = 'protected-setting: x'; SET standard_conforming_strings = off",
        ] {
            let (code, message) = session.refusal(Protocol::Simple, sql).await;
            assert_eq!(code, "PA006", "{sql}");
            assert!(message.contains("protected-setting guards what pgairlock itself stands on"), "{message}");
        }
    }
}

#[tokio::test]
async fn psql_sends_block_comments_and_those_inside_a_statement() {
    for scene in here().await {
        let Some(mut psql) = psql() else { return };
        let port = scene.proxy.port.to_string();
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", &scene.database, "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let block = drops("a").replace("-- pgairlock", "/* pgairlock").replace("\nALTER", " */\nALTER");
        let inside = format!("ALTER TABLE big\n{}", drops("b").replace("ALTER TABLE big ", ""));
        std::fs::write(file.path(), format!("SELECT 1;\n{block};\n{inside};\n{};\n", drops("c"))).unwrap();
        let output = psql.stdin(std::fs::File::open(file.path()).unwrap()).output().unwrap();
        assert!(!has_column(&scene, "a").await && !has_column(&scene, "b").await);
        // A line comment in front of a statement is for psql alone.
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("psql:<stdin>:8: ERROR:  pgairlock [drop-column]") && has_column(&scene, "c").await, "{told}");
    }
}
