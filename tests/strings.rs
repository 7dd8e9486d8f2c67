//! Strings of several statements: what cannot run as it stands is made safe inside of them, and the client hears what the server would have said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::raw::{Message, RawClient, text};
use support::scene::{Scene, scenes_with, set_up};
use support::{catalog, scenes};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE p (id int PRIMARY KEY, name text);
    INSERT INTO p SELECT i, 'x' FROM generate_series(1, 100) i;
    CREATE TABLE t (id int NOT NULL, a int, b text, c int);
    INSERT INTO t SELECT i, i, i::text, i FROM generate_series(1, 100) i;
    CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    CREATE INDEX t_c ON t (c)";

/// Each is made up of naive DDL and of what stands around it.
const STRINGS: &[&str] = &[
    "CREATE TABLE n (id int); CREATE INDEX t_a ON t (a); INSERT INTO n VALUES (1)",
    "CREATE INDEX t_a ON t (a); ALTER TABLE t ADD CONSTRAINT k UNIQUE (a); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p; \
     ALTER TABLE t ADD CONSTRAINT h CHECK (a > 0); ALTER TABLE t ALTER COLUMN b SET NOT NULL; DROP INDEX t_c",
    "SELECT 1 AS x; CREATE INDEX ON t (a); SELECT 'é' AS y, 2; -- the end\n",
    "/* é */ CREATE INDEX t_a ON t (a); SELECT 1 / 0; CREATE TABLE never (id int)",
    "CREATE INDEX t_a ON t (a); SELECT nonesuch FROM t; SELECT 2",
    "CREATE INDEX t_a ON t (a); SELECT 'ééé', nonesuch FROM t",
    "BEGIN; CREATE INDEX t_a ON t (a); COMMIT",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE INDEX t_a ON t (a); COMMIT; SELECT 3",
    "START TRANSACTION; ALTER TABLE t ADD CONSTRAINT k UNIQUE (a); END; INSERT INTO t (id) VALUES (1000); SELECT 4",
    "CREATE INDEX t_a ON t (a); BEGIN; SELECT 5; COMMIT; SELECT 6",
    "CREATE INDEX t_a ON t (a); START TRANSACTION; SELECT 5; SAVEPOINT s; DROP TABLE d; ROLLBACK TO s; RELEASE s; COMMIT",
    "CREATE INDEX t_a ON t (a); COMMIT; SELECT 7; ROLLBACK; SELECT 8",
    "CREATE INDEX t_a ON t (a); ROLLBACK; SELECT 9",
    "CREATE INDEX t_a ON t (a); SAVEPOINT s; SELECT 10",
    "CREATE INDEX t_a ON t (a); RELEASE s",
    "CREATE INDEX t_a ON t (a); ROLLBACK TO s",
    "CREATE INDEX t_a ON t (a); SET LOCAL work_mem = '1MB'; SHOW work_mem",
    "SET work_mem = '2MB'; CREATE INDEX t_a ON t (a); SHOW work_mem",
    "SET work_mem = '3MB'; CREATE INDEX t_a ON t (a); SELECT 1 / 0",
    "SHOW work_mem; CREATE INDEX t_a ON t (a)",
    "CREATE INDEX t_a ON t (a); DECLARE c CURSOR FOR SELECT 1; FETCH c; CLOSE c",
    "CREATE INDEX t_a ON t (a); VACUUM t",
    "CREATE INDEX t_a ON t (a); INSERT INTO d VALUES (1), (1)",
    "CREATE INDEX t_a ON t (a); INSERT INTO d VALUES (1), (1); COMMIT; SELECT 11",
    "CREATE INDEX t_a ON t (a); COPY p TO STDOUT; LOCK TABLE p",
    "CREATE INDEX t_a ON t (a); PREPARE q AS SELECT 12; EXECUTE q; DEALLOCATE q",
    "CREATE INDEX t_a ON t (a); BEGIN; CREATE INDEX t_b ON t (b)",
    "CREATE INDEX t_x ON t (a); CREATE INDEX t_x ON t (b)",
    "CREATE INDEX t_x ON t (a); CREATE INDEX IF NOT EXISTS t_x ON t (b)",
    "CREATE INDEX t_x ON t (a); ALTER TABLE t ADD CONSTRAINT t_x UNIQUE (a)",
    "CREATE INDEX t_a ON t (a); CREATE INDEX t_c ON t (b)",
    "CREATE INDEX t_a ON t (a); CREATE INDEX IF NOT EXISTS t_c ON t (c)",
    "DROP INDEX t_c; CREATE INDEX t_c ON t (c, a)",
    "CREATE INDEX t_a ON t (a); SELECT 1",
];

/// What a client can see of a reply: types, tags, rows, and of errors SQLSTATE, message and position. Notices of ours are not the server's.
fn seen(messages: &[Message]) -> Vec<String> {
    let shown = |(tag, body): &Message| match tag {
        b'E' | b'N' if text(body, b'M').starts_with("pgairlock") => None,
        b'E' | b'N' => {
            let field = |code| text(body, code);
            Some(format!("{} {} {} {}", char::from(*tag), field(b'C'), field(b'M'), field(b'P')))
        }
        // Without the oids of tables.
        b'T' => Some(format!("T {}", String::from_utf8_lossy(&body[2..]).split('\0').next().unwrap())),
        _ => Some(format!("{} {}", char::from(*tag), String::from_utf8_lossy(body))),
    };
    messages.iter().filter_map(shown).collect()
}

async fn ends(client: &mut RawClient) -> Vec<String> {
    let mut seen_after = Vec::new();
    for sql in ["ROLLBACK", "SHOW work_mem", "SELECT count(*) FROM t"] {
        seen_after.extend(seen(&client.query(sql).await));
    }
    seen_after
}

#[tokio::test]
async fn the_client_hears_what_the_server_would_have_said() {
    for scene in scenes_with("enforce", STRICT, "").await {
        for sql in STRINGS {
            let (native, direct) = set_up(scene.cluster, TABLES).await;
            let (ours, through) = set_up(scene.cluster, TABLES).await;
            let mut plain = RawClient::log_in(scene.cluster.port, &native).await;
            let mut proxied = RawClient::log_in(scene.proxy.port, &ours).await;
            let (expected, answer) = (seen(&plain.query(sql).await), seen(&proxied.query(sql).await));
            assert_eq!(answer, expected, "{sql} on {}", scene.cluster.version);
            assert_eq!(ends(&mut proxied).await, ends(&mut plain).await, "behind {sql}");
            assert_eq!(catalog(&through).await, catalog(&direct).await, "{sql} on {}", scene.cluster.version);
            let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
            assert_eq!(through.value(invalid).await, "0", "{sql}");
        }
    }
}

async fn run(scene: &Scene, sql: &str) -> (Vec<String>, String) {
    let mut client = scene.raw().await;
    let messages = client.query(sql).await;
    let error = messages.iter().find(|(tag, _)| *tag == b'E').map(|(_, body)| text(body, b'M')).unwrap_or_default();
    (seen(&messages), error)
}

#[tokio::test]
async fn in_a_block_the_string_is_part_of_it() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut client = scene.raw().await;
        client.query("BEGIN").await;
        let reply = seen(&client.query("CREATE INDEX t_a ON t (a); SAVEPOINT s; CREATE INDEX t_b ON t (b); ROLLBACK TO s").await);
        assert_eq!(reply.iter().filter(|line| line.starts_with('C')).count(), 4, "{reply:?}");
        assert_eq!(reply.last().unwrap(), "Z T");
        assert!(!scene.has("t_a").await);
        let reply = seen(&client.query("SELECT 1; COMMIT; SELECT 2").await);
        assert_eq!(reply.last().unwrap(), "Z I", "{reply:?}");
        assert!(scene.has("t_a").await && !scene.has("t_b").await);
    }
}

#[tokio::test]
async fn what_has_no_safe_form_is_refused_before_anything_runs() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let before = catalog(&scene.direct).await;
        let (_, error) = run(&scene, "CREATE TABLE n (id int); COMMIT; CREATE INDEX t_a ON t (a); ALTER TABLE t ALTER COLUMN a TYPE bigint").await;
        assert!(error.starts_with("pgairlock [alter-column-type]"), "{error}");
        // What only shows on the way takes the string's transaction along.
        let (seen, error) = run(&scene, "CREATE UNIQUE INDEX u ON t (a); INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO NOTHING").await;
        assert!(error.starts_with("pgairlock [waits-for-commit]"), "{error}");
        assert_eq!(seen.last().unwrap(), "Z I");
        assert_eq!(catalog(&scene.direct).await, before);
    }
}

#[tokio::test]
async fn what_needs_nothing_of_ours_passes_in_one_piece() {
    for scene in scenes(TABLES).await {
        let sql = "CREATE TABLE n (id int); SELECT 1; INSERT INTO n VALUES (1)";
        let mut client = scene.raw().await;
        client.query(sql).await;
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE TABLE n%INSERT%'";
        assert_eq!(scene.direct.value(query).await, "1", "the string itself was sent");
    }
}
