use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::sqlite::Database;
use super::*;
use crate::audit::record::RecordedFinding;

/// Long enough for any machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

fn record(session: &str) -> Record {
    Record {
        transaction: 1,
        session: session.into(),
        listener: "migrations".into(),
        client: "127.0.0.1:5".into(),
        role: "deployer".into(),
        database: "app".into(),
        application_name: Some("alembic".into()),
        sql: "CREATE INDEX i ON t (a)".into(),
        decision: "rewrite".into(),
        findings: vec![RecordedFinding {
            rule: "create-index-blocking".into(),
            relation: Some("public.t".into()),
            verdict: "enforced".into(),
            certainty: "proven".into(),
            lock: Some("Share".into()),
            work: "scan".into(),
            bytes: Some(54),
            estimate: None,
            message: "blocks".into(),
        }],
        steps: vec!["CREATE INDEX CONCURRENTLY i ON t (a)".into()],
        in_transaction: true,
    }
}

fn outcome() -> Outcome {
    Outcome { tag: Some("CREATE INDEX".into()), sqlstate: None, duration_micros: 17 }
}

/// The store's file as another program reads it.
fn reader(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn text(connection: &Connection, query: &str) -> String {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

fn count(path: &Path) -> i64 {
    reader(path).query_row("SELECT count(*) FROM decisions", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_recorded_decision_can_be_read_by_others_at_once() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let id = store.record(record("s1"), 1_700_000_000_000_001).await.unwrap();
    let all = "SELECT concat_ws('|', id, at_unix_micros, session, listener, client, role, database, application_name, sql, decision,
                                in_transaction, findings ->> '$[0].rule', findings ->> '$[0].bytes', steps ->> '$[0]',
                                coalesce(outcome_tag, 'open')) FROM decisions";
    let expected = format!(
        "{}|1700000000000001|s1|migrations|127.0.0.1:5|deployer|app|alembic|CREATE INDEX i ON t (a)|rewrite|1|create-index-blocking|54|\
         CREATE INDEX CONCURRENTLY i ON t (a)|open",
        id.seq
    );
    assert_eq!(text(&reader(&path), all), expected);
}

#[tokio::test]
async fn an_outcome_is_added_to_its_decision() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let (first, second) =
        (store.record(record("a"), 1_700_000_000_000_001).await.unwrap(), store.record(record("b"), 1_700_000_000_000_001).await.unwrap());
    store.outcome(second, outcome()).await.unwrap();
    let failed = Outcome { tag: None, sqlstate: Some("PA001".into()), duration_micros: 3 };
    store.outcome(first, failed).await.unwrap();
    let each = "SELECT group_concat(concat_ws('|', session, outcome_tag, outcome_sqlstate, outcome_duration_micros), ' ') FROM decisions";
    assert_eq!(text(&reader(&path), each), "a|PA001|3 b|CREATE INDEX|17");
    assert_eq!(store.outcome(DecisionId { writer: 1, seq: 99 }, outcome()).await, Err(StoreError::NoSuchDecision(99)));
}

#[tokio::test]
async fn decisions_outlive_the_store_and_ids_go_on() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let first = store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.record(record("late"), 1_700_000_000_000_001).await, Err(StoreError::Closed));
    let store = Store::open(&path).unwrap();
    let second = store.record(record("b"), 1_700_000_000_000_001).await.unwrap();
    assert!(second.seq > first.seq);
    assert_eq!(count(&path), 2);
}

/// A copy of the files at the moment of the answer is what a crash would leave.
#[tokio::test]
async fn what_a_crash_leaves_holds_every_answered_decision() {
    let (directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    let copy = directory.path().join("crashed.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(directory.path().join("store.db-wal"), directory.path().join("crashed.db-wal")).unwrap();
    assert_eq!(count(&copy), 1);
    let synchronous: i64 = reader_setting(&path, "synchronous");
    assert_eq!(synchronous, 2, "FULL");
}

/// A setting of a connection opened as the store opens its own.
fn reader_setting(path: &Path, pragma: &str) -> i64 {
    Database::open(path, sqlite::BUSY).unwrap().pragma(pragma)
}

#[tokio::test]
async fn many_callers_at_once_all_get_their_own_row() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let callers: Vec<_> = (0..500).map(|n| (n, store.clone())).collect();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|(n, store)| tokio::spawn(async move { store.record(record(&format!("s{n}")), 1).await.map(|id| (n, id)) }))
        .collect();
    for task in tasks {
        let (n, id) = task.await.unwrap().unwrap();
        let session: String = reader(&path).query_row("SELECT session FROM decisions WHERE id = ?1", [id.seq], |row| row.get(0)).unwrap();
        assert_eq!(session, format!("s{n}"));
    }
    assert_eq!(count(&path), 500);
}

#[tokio::test]
async fn a_lock_of_another_process_is_busy_and_ends() {
    let (_directory, path) = place();
    let store = Store::start(Database::open(&path, Duration::from_millis(20)).unwrap()).unwrap();
    let other = reader(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(timeout(PATIENCE, store.record(record("a"), 1_700_000_000_000_001)).await.unwrap(), Err(StoreError::Busy));
    assert_eq!(timeout(PATIENCE, store.ready()).await.unwrap(), Err(StoreError::Busy));
    other.execute_batch("COMMIT").unwrap();
    store.ready().await.unwrap();
    store.record(record("b"), 1_700_000_000_000_001).await.unwrap();
    assert_eq!(count(&path), 1);
}

/// The writer hangs as it would on a disk that does not answer; the caller's deadline holds, and what it gave up is never written.
#[tokio::test]
async fn a_store_that_hangs_blocks_nobody_beyond_the_deadline() {
    let (_directory, path) = place();
    let store = Store::start(Database::open(&path, PATIENCE).unwrap()).unwrap();
    let other = reader(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for session in ["being written", "in line"] {
        assert!(timeout(Duration::from_millis(50), store.record(record(session), 1)).await.is_err());
    }
    assert!(timeout(Duration::from_millis(50), store.ready()).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    store.record(record("kept"), 1_700_000_000_000_001).await.unwrap();
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "kept");
}

#[tokio::test]
async fn two_processes_may_share_a_store() {
    let (_directory, path) = place();
    let (one, two) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    let ids = [one.record(record("a"), 1).await.unwrap(), two.record(record("b"), 1).await.unwrap(), one.record(record("c"), 1).await.unwrap()];
    assert!(ids.map(|id| id.seq).is_sorted());
    assert_eq!(count(&path), 3);
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let (_directory, path) = place();
    let database = Database::open(&path, sqlite::BUSY).unwrap();
    let pages = database.pragma("page_count");
    database.limit_pages(pages);
    let store = Store::start(database).unwrap();
    let mut large = record("large");
    large.sql = "x".repeat(1 << 20);
    assert!(matches!(store.record(large, 1).await, Err(StoreError::Full(_))));
    store.ready().await.unwrap();
    assert_eq!(count(&path), 0);
}

#[test]
fn the_file_is_private() {
    let (directory, path) = place();
    let database = Database::open(&path, sqlite::BUSY).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(database);
}

fn error_of(path: &Path) -> StoreError {
    Store::open(path).map(|_| ()).unwrap_err()
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    // Nobody may create files there, not even root.
    for place in ["/sys/pgairlock.db", "/nonexistent/pgairlock.db"] {
        let error = error_of(Path::new(place));
        assert!(matches!(&error, StoreError::Open(text) if text.starts_with(place)), "{error}");
    }
}

#[test]
fn a_directory_is_not_a_store() {
    let (directory, _) = place();
    let error = error_of(directory.path());
    assert!(matches!(&error, StoreError::Open(_)), "{error}");
}

#[test]
fn a_file_that_is_not_a_database_is_told_and_left_alone() {
    let (_directory, path) = place();
    let content = "not a database, ".repeat(1000);
    std::fs::write(&path, &content).unwrap();
    let error = error_of(&path);
    assert!(matches!(&error, StoreError::Foreign(text) if text.starts_with(path.to_str().unwrap())), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_store_is_told() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(&path).unwrap();
    let error = store.record(record("b"), 1_700_000_000_000_001).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(_)), "{error}");
    assert!(matches!(store.ready().await, Err(StoreError::Corrupt(_))));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let (_directory, path) = place();
    reader(&path).execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(error_of(&path), StoreError::Foreign(_)));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let (_directory, path) = place();
    drop(Database::open(&path, sqlite::BUSY).unwrap());
    reader(&path).execute_batch("PRAGMA user_version = 7").unwrap();
    assert_eq!(error_of(&path), StoreError::Newer { found: 7, known: 4 });
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

#[tokio::test]
async fn a_deleted_store_takes_nothing_more_and_is_not_made_anew() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(store.record(record("b"), 1_700_000_000_000_001).await, Err(StoreError::Gone(_))));
        assert!(matches!(store.ready().await, Err(StoreError::Gone(_))));
        assert!(!path.exists());
    }
    std::fs::write(&path, "").unwrap();
    assert!(matches!(store.ready().await, Err(StoreError::Gone(_))));
    std::fs::write(&path, "something else").unwrap();
    assert!(matches!(store.ready().await, Err(StoreError::Foreign(_))));
}

#[tokio::test]
async fn a_store_that_comes_back_is_used_again() {
    let (directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    let aside = directory.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    assert!(matches!(store.record(record("b"), 1_700_000_000_000_001).await, Err(StoreError::Gone(_))));
    std::fs::rename(&aside, &path).unwrap();
    store.record(record("c"), 1_700_000_000_000_001).await.unwrap();
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,c");
}

#[tokio::test]
async fn a_copy_in_the_place_of_the_store_is_taken_up() {
    let (directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    let copy = directory.path().join("copy.db");
    reader(&path).execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    std::fs::rename(&copy, &path).unwrap();
    store.record(record("b"), 1_700_000_000_000_001).await.unwrap();
    store.record(record("c"), 1_700_000_000_000_001).await.unwrap();
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,b,c");
}

#[tokio::test]
async fn a_deleted_log_loses_nothing() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    store.record(record("a"), 1_700_000_000_000_001).await.unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    store.record(record("b"), 1_700_000_000_000_001).await.unwrap();
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,b");
}
