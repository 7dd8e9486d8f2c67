//! What a client has in its session is as it left it.

use super::support::RawClient;
use super::support::frontend::{bind, execute, parse, sync};
use super::support::scene::{Scene, scenes_with};
use super::{ROWS, STRICT, TABLES, WAYS, Way};

/// What a session has, one line of text each.
const STATE: &[&str] = &[
    "SELECT 'lastval ' || lastval()",
    "SELECT 'currval ' || currval('counter')",
    "SELECT format('setting %s = %s, RESET gives %s, from %s', name, setting, reset_val, source) FROM pg_settings ORDER BY name",
    "SELECT 'own setting ' || current_setting('my.own', true)",
    "SELECT format('roles %s %s, path %s', current_user, session_user, current_schemas(true))",
    "SELECT 'listens to ' || channel FROM pg_listening_channels() channel ORDER BY channel",
    "SELECT format('prepared %s %s %s %s', name, statement, prepare_time, from_sql) FROM pg_prepared_statements ORDER BY name",
    "SELECT format('cursor %s %s %s', name, statement, creation_time) FROM pg_cursors ORDER BY name",
    "SELECT format('temporary %s %s', relname, relkind) FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY relname",
    "SELECT format('lock %s %s %s %s %s %s', locktype, relation::regclass, classid, objid, objsubid, mode) FROM pg_locks
     WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid' ORDER BY 1",
    "SELECT format('activity %s %s %s', pid, application_name, usename) FROM pg_stat_activity WHERE pid = pg_backend_pid()",
];

/// What a client may have done before its migration.
const BEFORE: &[&str] = &[
    "SELECT nextval('counter')",
    "SELECT nextval('counter')",
    "LISTEN one",
    "LISTEN \"Two\"",
    "PREPARE by_sql (int) AS SELECT $1 + 1",
    "CREATE TEMP TABLE mine AS SELECT 1 AS a",
    "DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 3)",
    "FETCH 1 FROM held",
    "SELECT pg_advisory_lock(7, 8)",
    "SELECT pg_advisory_lock_shared(9)",
];

/// Settings that pgairlock itself changes for its work, and some that it reads.
const SETTINGS: &[&str] = &[
    "SET lock_timeout = '1500ms'",
    "SET statement_timeout = '10min'",
    "SET idle_in_transaction_session_timeout = '11min'",
    "SET search_path = public, pg_catalog",
    "SET DateStyle = 'SQL, DMY'",
    "SET IntervalStyle = 'iso_8601'",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET client_min_messages = 'notice'",
    "SET work_mem = '5MB'",
    "SET my.own = 'mine'",
    "SET ROLE trusted",
];

async fn client_with(scene: &Scene, settings: &[&str]) -> RawClient {
    let mut client = scene.raw().await;
    for sql in settings.iter().chain(BEFORE) {
        let reply = client.ask(sql).await;
        assert!(reply.errors.is_empty(), "{sql}: {reply:?}");
    }
    let reply = client.exchange(&[parse("by_protocol", "SELECT 5"), sync()].concat(), 1).await.remove(0);
    assert_eq!(reply.shape, "1Z");
    client
}

/// Everything of `STATE`, and the transaction's state as the protocol tells it.
async fn state(client: &mut RawClient) -> Vec<String> {
    let mut lines = Vec::new();
    for question in STATE {
        let reply = client.ask(question).await;
        assert!(reply.errors.is_empty() && !reply.rows.is_empty(), "{question}: {reply:?}");
        lines.extend(reply.rows);
        lines.push(format!("transaction {}", char::from(reply.status)));
    }
    lines
}

/// Lines of one that the other does not have.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let only = |sign: &str, left: &[String], right: &[String]| -> Vec<String> {
        left.iter().filter(|line| !right.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only("-", before, after), only("+", after, before)].concat()
}

#[tokio::test]
async fn a_migration_leaves_a_session_as_it_was() {
    for scene in scenes_with("enforce", STRICT, &format!("{TABLES}{ROWS} CREATE SEQUENCE counter")).await {
        for way in WAYS {
            for settings in [&[], SETTINGS] {
                let mut client = client_with(&scene, settings).await;
                let before = state(&mut client).await;
                way.migrate(&mut client).await;
                let after = state(&mut client).await;
                assert_eq!(difference(&before, &after), Vec::<String>::new(), "{way:?} on {}", scene.cluster.version);
                still_works(&mut client).await;
                undo(&scene, way).await;
            }
        }
    }
}

/// What was prepared and declared can be used, and a channel is heard.
async fn still_works(client: &mut RawClient) {
    assert_eq!(client.ask("EXECUTE by_sql (1)").await.rows, ["2"]);
    let reply = client.exchange(&[bind("", "by_protocol"), execute(""), sync()].concat(), 1).await.remove(0);
    assert_eq!(reply.rows, ["5"]);
    assert_eq!(client.ask("FETCH 1 FROM held").await.rows, ["2"]);
    assert_eq!(client.ask("SELECT a FROM mine").await.rows, ["1"]);
    assert!(client.query("NOTIFY \"Two\"").await.iter().any(|(tag, _)| *tag == b'A'), "NotificationResponse");
}

async fn undo(scene: &Scene, way: Way) {
    let table = way.table();
    let drops = format!(
        "DROP INDEX {table}_note_idx; ALTER TABLE {table} DROP CONSTRAINT {table}_number_key, DROP CONSTRAINT {table}_customer_fkey,
         DROP CONSTRAINT {table}_amount_check, ALTER amount DROP NOT NULL"
    );
    scene.direct.batch_execute(&drops).await.unwrap();
}

/// Within the transaction, before its COMMIT: the client's savepoints are there, ours are not, and what it set is set.
#[tokio::test]
async fn a_statement_that_is_split_leaves_a_transaction_as_it_was() {
    for scene in scenes_with("enforce", STRICT, &format!("{TABLES}{ROWS} CREATE SEQUENCE counter")).await {
        let mut client = client_with(&scene, SETTINGS).await;
        let outside = state(&mut client).await;
        for sql in ["BEGIN", "SET LOCAL work_mem = '6MB'", "SAVEPOINT mine"] {
            client.ask(sql).await;
        }
        let before = of_the_client(state(&mut client).await);
        for sql in &Way::Transaction.statements()[1..6] {
            let reply = client.ask(sql).await;
            assert!(reply.errors.is_empty() && reply.status == b'T', "{sql}: {reply:?}");
            assert_eq!(difference(&before, &of_the_client(state(&mut client).await)), Vec::<String>::new(), "{sql} on {}", scene.cluster.version);
        }
        assert_eq!(client.ask("RELEASE SAVEPOINT mine").await.tags, ["RELEASE"]);
        assert_eq!(client.ask("RELEASE SAVEPOINT _pgairlock").await.sqlstate(), "3B001");
        assert_eq!(client.ask("ROLLBACK").await.status, b'I');
        assert_eq!(difference(&outside, &state(&mut client).await), Vec::<String>::new(), "{}", scene.cluster.version);
    }
}

/// The statements take the locks that they take, and until the block ends our questions stay prepared.
fn of_the_client(state: Vec<String>) -> Vec<String> {
    state.into_iter().filter(|line| !line.starts_with("lock ") && !line.starts_with("prepared _pgairlock_")).collect()
}
