use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::sqlite::{self, Database};
use super::*;
use crate::audit::chain::Digest;
use crate::audit::record::RecordedFinding;
use crate::audit::settling::Mark;
use crate::deferred::whole::Whole;
use crate::sql::trace::{Kind, Trace};

/// Long enough for any machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

pub(super) fn open(path: &Path) -> Store {
    Store::open(&Place::File(path.to_owned())).unwrap()
}

fn start(path: &Path, database: Database) -> Store {
    Store::start(move || Ok(Box::new(database)), Place::File(path.to_owned())).unwrap()
}

pub(super) fn record(session: &str) -> Record {
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
        commit_is_announced: false,
        facts: Vec::new(),
        former: vec![],
        tool_guess: None,
        server_version: 150_000,
        approval: None,
        tls: None,
        mark: None,
    }
}

pub(super) fn outcome() -> Outcome {
    Outcome { tag: Some("CREATE INDEX".into()), sqlstate: None, duration_micros: 17, ..Default::default() }
}

/// The store's file as another program reads it.
pub(super) fn reader(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// What follows from entries comes a moment later than they do.
pub(super) async fn derived(store: &Store) {
    while store.underived().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn text(connection: &Connection, query: &str) -> String {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

fn count(path: &Path) -> i64 {
    reader(path).query_row("SELECT count(*) FROM decisions", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_recorded_decision_can_be_read_by_others_at_once() {
    let (_directory, path) = place();
    let store = open(&path);
    let id = store.record(record("s1")).await.unwrap();
    derived(&store).await;
    let body: String = text(&reader(&path), "SELECT body FROM decisions JOIN entries USING (id)");
    assert_eq!(serde_json::from_str::<Event>(&body).unwrap(), Event::Decision(Box::new(record("s1"))));
    let row =
        "SELECT concat_ws('|', id, session, client, role, database_name, application_name, head, decision, rules, relations, coalesce(tag, 'open'))
               FROM decisions";
    let expected =
        format!("{}|s1|127.0.0.1:5|deployer|app|alembic|CREATE INDEX i ON t (a)|rewrite|create-index-blocking|public.t|open", plan::key(id));
    assert_eq!((text(&reader(&path), row), id.to_string()), (expected, "1-2".into()));
    assert_eq!(text(&reader(&path), "SELECT group_concat(mark) FROM marks"), "rule:create-index-blocking,table:public.t");
}

#[tokio::test]
async fn an_outcome_is_added_to_its_decision() {
    let (_directory, path) = place();
    let store = open(&path);
    let (first, second) = (store.record(record("a")).await.unwrap(), store.record(record("b")).await.unwrap());
    store.outcome(second, outcome()).await.unwrap();
    let failed = Outcome { tag: None, sqlstate: Some("PA001".into()), duration_micros: 3, ..Default::default() };
    store.outcome(first, failed).await.unwrap();
    derived(&store).await;
    let each = "SELECT group_concat(concat_ws('|', session, tag, sqlstate, duration_micros), ' ') FROM decisions";
    assert_eq!(text(&reader(&path), each), "a|PA001|3 b|CREATE INDEX|17");
}

#[tokio::test]
async fn decisions_outlive_the_store_and_each_start_has_a_chain_of_its_own() {
    let (_directory, path) = place();
    let store = open(&path);
    let first = store.record(record("a")).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.record(record("late")).await, Err(StoreError::Closed));
    let store = open(&path);
    let second = store.record(record("b")).await.unwrap();
    assert_eq!([first, second].map(|id| id.to_string()), ["1-2", "2-2"]);
    derived(&store).await;
    assert_eq!(count(&path), 2);
}

/// A copy of the files at the moment of the answer is what a crash would leave.
#[tokio::test]
async fn what_a_crash_leaves_holds_every_answered_decision() {
    let (directory, path) = place();
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    let copy = directory.path().join("crashed.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(directory.path().join("store.db-wal"), directory.path().join("crashed.db-wal")).unwrap();
    let entries: i64 = reader(&copy).query_row("SELECT count(*) FROM entries WHERE body LIKE '%decision%'", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 1);
    // Whoever opens it makes what a search needs, if that had not been made.
    open(&copy).close().await.unwrap();
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
    let store = open(&path);
    let callers: Vec<_> = (0..500).map(|n| (n, store.clone())).collect();
    let tasks: Vec<_> =
        callers.into_iter().map(|(n, store)| tokio::spawn(async move { store.record(record(&format!("s{n}"))).await.map(|id| (n, id)) })).collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap().unwrap());
    }
    derived(&store).await;
    for (n, id) in ids {
        let session: String = reader(&path).query_row("SELECT session FROM decisions WHERE id = ?1", [plan::key(id)], |row| row.get(0)).unwrap();
        assert_eq!(session, format!("s{n}"));
    }
    assert_eq!(count(&path), 500);
}

#[tokio::test]
async fn a_lock_of_another_process_is_busy_and_ends() {
    let (_directory, path) = place();
    let store = start(&path, Database::open(&path, Duration::from_millis(20)).unwrap());
    let other = reader(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(timeout(PATIENCE, store.record(record("a"))).await.unwrap(), Err(StoreError::Busy));
    assert_eq!(timeout(PATIENCE, store.ready()).await.unwrap(), Err(StoreError::Busy));
    other.execute_batch("COMMIT").unwrap();
    store.ready().await.unwrap();
    store.record(record("b")).await.unwrap();
    derived(&store).await;
    assert_eq!(count(&path), 1);
}

/// The writer hangs as it would on a disk that does not answer; the caller's deadline holds. What was in line is never written, and what was under way
/// says that it was not run.
#[tokio::test]
async fn a_store_that_hangs_blocks_nobody_beyond_the_deadline() {
    let (_directory, path) = place();
    let store = start(&path, Database::open(&path, PATIENCE).unwrap());
    let other = reader(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for session in ["being written", "in line"] {
        assert!(timeout(Duration::from_millis(50), store.record(record(session))).await.is_err());
    }
    assert!(timeout(Duration::from_millis(50), store.ready()).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    store.record(record("kept")).await.unwrap();
    store.close().await.unwrap();
    let each = "SELECT group_concat(concat_ws('|', session, sqlstate)) FROM decisions";
    assert_eq!(text(&reader(&path), each), "being written|PA005,kept");
}

#[tokio::test]
async fn two_processes_may_share_a_store() {
    let (_directory, path) = place();
    let (one, two) = (open(&path), open(&path));
    let ids = [one.record(record("a")).await.unwrap(), two.record(record("b")).await.unwrap(), one.record(record("c")).await.unwrap()];
    assert_eq!(ids.map(|id| id.to_string()), ["1-2", "2-2", "1-3"]);
    derived(&two).await;
    assert_eq!(count(&path), 3);
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let (_directory, path) = place();
    let database = Database::open(&path, sqlite::BUSY).unwrap();
    let pages = database.pragma("page_count");
    database.limit_pages(pages);
    let store = start(&path, database);
    let mut large = record("large");
    large.sql = "x".repeat(1 << 20);
    assert!(matches!(store.record(large).await, Err(StoreError::Full(_))));
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
    Store::open(&Place::File(path.to_owned())).map(|_| ()).unwrap_err()
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
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    let error = error_of(&path);
    assert!(matches!(&error, StoreError::Corrupt(_)), "{error}");
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
    let known = schema::known();
    reader(&path).execute_batch("UPDATE store SET version = 70, compatible = 70").unwrap();
    assert_eq!(error_of(&path), StoreError::Newer { found: 70, known });
}

/// What a later version has added is no news to this one.
#[tokio::test]
async fn a_newer_store_is_used_where_it_only_has_more_in_it() {
    let (_directory, path) = place();
    drop(Database::open(&path, sqlite::BUSY).unwrap());
    let add = "ALTER TABLE decisions ADD COLUMN mood TEXT; CREATE TABLE moods (mood TEXT); UPDATE store SET version = 70";
    reader(&path).execute_batch(add).unwrap();
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) || (SELECT version FROM store) FROM decisions"), "a70");
}

#[test]
fn a_store_of_before_the_first_release_is_told() {
    let (_directory, path) = place();
    reader(&path).execute_batch("PRAGMA application_id = 1346847052; CREATE TABLE decisions (id INTEGER)").unwrap();
    assert_eq!(error_of(&path), StoreError::Older);
}

/// Each entry stands on the one before it, in every chain, and a new chain begins with the ends of the others.
#[tokio::test]
async fn chains_hold() {
    let (_directory, path) = place();
    let one = open(&path);
    let id = one.record(record("a")).await.unwrap();
    one.outcome(id, outcome()).await.unwrap();
    let two = open(&path);
    two.record(record("b")).await.unwrap();
    one.record(record("c")).await.unwrap();
    let mut bodies = Vec::new();
    for (number, writer) in two.writers().await.unwrap() {
        let mut previous = Digest::NONE;
        for entry in two.entries(DecisionId { writer: number, seq: 0 }, 100).await.unwrap() {
            assert_eq!(Entry::digest(previous, &writer, entry.seq, entry.at_unix_micros, &entry.body), entry.hash);
            previous = entry.hash;
            bodies.push(serde_json::from_str::<Event>(&entry.body).unwrap());
        }
    }
    let kinds: Vec<&str> = bodies.iter().map(kind).collect();
    assert_eq!(kinds, ["started", "decision", "outcome", "decision", "started", "decision"]);
    let Event::Started(started) = &bodies[4] else { panic!() };
    assert_eq!(started.heads.iter().map(|head| (head.number, head.seq)).collect::<Vec<_>>(), [(1, 3)]);
    let heads = two.heads().await.unwrap();
    assert_eq!(heads.iter().map(|head| (head.number, head.seq)).collect::<Vec<_>>(), [(1, 4), (2, 2)]);
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Started(_) => "started",
        Event::Decision(_) => "decision",
        Event::Outcome(_) => "outcome",
        _ => "other",
    }
}

/// An outcome has happened: it is not lost when the store is away for a while, nor is its place in the order.
#[tokio::test]
async fn what_has_happened_waits_for_the_store() {
    let (directory, path) = place();
    let store = open(&path);
    let id = store.record(record("a")).await.unwrap();
    let aside = directory.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    let late = {
        let store = store.clone();
        tokio::spawn(async move { store.outcome(id, outcome()).await })
    };
    while !matches!(store.record(record("b")).await, Err(StoreError::Gone(_))) {}
    assert!(!late.is_finished());
    std::fs::rename(&aside, &path).unwrap();
    late.await.unwrap().unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT group_concat(concat_ws('|', session, tag)) FROM decisions"), "a|CREATE INDEX");
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

#[tokio::test]
async fn a_deleted_store_takes_nothing_more_and_is_not_made_anew() {
    let (_directory, path) = place();
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(store.record(record("b")).await, Err(StoreError::Gone(_))));
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
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    derived(&store).await;
    let aside = directory.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    assert!(matches!(store.record(record("b")).await, Err(StoreError::Gone(_))));
    std::fs::rename(&aside, &path).unwrap();
    store.record(record("c")).await.unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,c");
}

#[tokio::test]
async fn a_copy_in_the_place_of_the_store_is_taken_up() {
    let (directory, path) = place();
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    derived(&store).await;
    let copy = directory.path().join("copy.db");
    reader(&path).execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    std::fs::rename(&copy, &path).unwrap();
    store.record(record("b")).await.unwrap();
    store.record(record("c")).await.unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,b,c");
}

#[tokio::test]
async fn what_a_copy_lacks_keeps_nothing_behind_it_from_being_found() {
    let (_directory, path) = place();
    let store = open(&path);
    let first = store.record(record("one")).await.unwrap();
    store.outcome(first, outcome()).await.unwrap();
    derived(&store).await;
    // As in a copy of the moment before the outcome.
    let gone = "DELETE FROM entries WHERE id = (SELECT max(id) FROM entries); UPDATE writers SET derived = derived - 1";
    reader(&path).execute_batch(gone).unwrap();
    let second = store.record(record("two")).await.unwrap();
    store.outcome(second, outcome()).await.unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT outcome_tag FROM records ORDER BY id DESC LIMIT 1"), "CREATE INDEX");
}

#[tokio::test]
async fn a_deleted_log_loses_nothing() {
    let (_directory, path) = place();
    let store = open(&path);
    store.record(record("a")).await.unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(with_end(&path, end)).unwrap();
    }
    store.record(record("b")).await.unwrap();
    derived(&store).await;
    assert_eq!(text(&reader(&path), "SELECT group_concat(session) FROM decisions"), "a,b");
}

/// A statement outside of any transaction that makes this table, and whose end nobody has heard.
fn creates(table: &str, session: &str) -> Record {
    let trace = Trace { kind: Kind::Relation, schema: "public".into(), relation: table.into(), oid: None, part: None, there: true };
    let mark = Mark { system: "7".into(), backend: 1, backend_started: "1.5".into(), next_xid: "700".into(), traces: vec![trace] };
    let (sql, decision) = (format!("CREATE TABLE {table} (a int)"), "pass".to_owned());
    Record { sql, decision, findings: Vec::new(), steps: Vec::new(), in_transaction: false, mark: Some(mark), ..record(session) }
}

fn at(system: &str) -> At {
    At { system: system.into(), database: "app".into() }
}

async fn unheard(store: &Store) -> Vec<DecisionId> {
    derived(store).await;
    store.unheard(at("7"), "deployer".into()).await.unwrap().into_iter().map(|unheard| unheard.decision).collect()
}

#[tokio::test]
async fn what_nobody_heard_is_found_by_who_may_look_until_it_is_settled() {
    let (_directory, path) = place();
    let store = open(&path);
    let [heard, lost, cut, failed, never] = ["heard", "lost", "cut", "failed", "never"].map(|table| creates(table, table));
    let mut ids = Vec::new();
    for record in [heard, lost, cut, failed, Record { mark: None, ..never }] {
        ids.push(store.record(record).await.unwrap());
    }
    let error = |sqlstate: &str| Outcome { sqlstate: Some(sqlstate.into()), ..Outcome::default() };
    store.outcome(ids[0], outcome()).await.unwrap();
    store.outcome(ids[2], error("08006")).await.unwrap();
    store.outcome(ids[3], error("42P07")).await.unwrap();
    assert_eq!(unheard(&store).await, [ids[1], ids[2]]);
    assert!(store.unheard(at("8"), "deployer".into()).await.unwrap().is_empty(), "of another cluster");
    assert!(store.unheard(at("7"), "other".into()).await.unwrap().is_empty(), "of another role");
    let found = store.unheard(at("7"), "deployer".into()).await.unwrap();
    for (found, done) in found.iter().zip([Some(true), None]) {
        store.event(Event::Settled(found.settled(done, true))).await.unwrap();
    }
    assert!(unheard(&store).await.is_empty(), "also of what cannot be told");
    let states = |id| store.story(id);
    assert_eq!(states(ids[1]).await.unwrap().unwrap().listed.standing.words(), "done");
    assert_eq!(states(ids[2]).await.unwrap().unwrap().listed.standing.words(), "outcome unknown");
}

#[tokio::test]
async fn who_else_had_to_do_with_the_same_is_found() {
    let text = |sql: &str| Record { sql: sql.into(), mark: None, ..creates("other", "other") };
    let refused = |sql: &str| Record { decision: "refuse".into(), ..text(sql) };
    let mut unseen = text("SELECT anything()");
    unseen.findings = record("s").findings;
    unseen.findings[0].rule = "opaque-code".into();
    for (other, alone) in [
        (text("CREATE TABLE another (a int)"), true),
        (text("CREATE TABLE fresh_2 (a int)"), true),
        (refused("DROP TABLE fresh"), true),
        (text("DROP TABLE public.\"fresh\""), false),
        (text("alter table FRESH add b int"), false),
        (text("DROP SCHEMA public CASCADE"), false),
        (text("DO $$ BEGIN PERFORM 1; END $$"), false),
        (text("ALTER TABLE U&\"fr\\0065sh\" ADD b int"), false),
        (unseen, false),
        (Record { database: "elsewhere".into(), ..text("DROP TABLE fresh") }, true),
    ] {
        for (before, ended) in [(false, false), (true, false), (true, true)] {
            let (_directory, path) = place();
            let store = open(&path);
            let its_own = if before { None } else { Some(store.record(creates("fresh", "s")).await.unwrap()) };
            let id = store.record(other.clone()).await.unwrap();
            if ended {
                store.outcome(id, outcome()).await.unwrap();
            }
            let own = match its_own {
                Some(own) => own,
                None => store.record(creates("fresh", "s")).await.unwrap(),
            };
            let asked = vec![Unheard { decision: own, mark: creates("fresh", "s").mark.unwrap() }];
            let expected = if alone || ended { vec![own] } else { Vec::new() };
            // What cannot be searched for yet speaks against it, never for it.
            let early = store.alone(asked.clone()).await.unwrap();
            assert!(early.is_empty() || early == expected, "{}, before: {before}, ended: {ended}", other.sql);
            derived(&store).await;
            assert_eq!(store.alone(asked).await.unwrap(), expected, "{}, before: {before}, ended: {ended}", other.sql);
        }
    }
}

#[tokio::test]
async fn what_became_of_a_promise_is_what_became_of_its_statement() {
    let (_directory, path) = place();
    let store = open(&path);
    for (number, progress, words) in [(1, Progress::Settled, "done"), (2, Progress::Aborted, "rolled back")] {
        let decision = Record { transaction: number, ..creates("fresh", "s") };
        let id = store.record(decision).await.unwrap();
        let promise = Promise { transaction: number, ..whole("s") };
        let promise = store.promise(promise, Trail::default()).await.unwrap();
        assert!(unheard(&store).await.is_empty(), "it is promised");
        store.progress(promise, progress, "next").await.unwrap();
        derived(&store).await;
        assert_eq!(store.story(id).await.unwrap().unwrap().listed.standing.words(), words);
    }
}

fn whole(session: &str) -> Promise {
    Promise {
        session: session.into(),
        transaction: 1,
        place: at("7"),
        role: "deployer".into(),
        xid: String::new(),
        life: String::new(),
        operations: Vec::new(),
        whole: Some(Whole { sql: "CREATE TABLE fresh (a int)".into(), first: None }),
    }
}

/// Refusals, one that policy has exempted in part, one in warn mode, and something else.
async fn write_refusals(store: &Store) {
    let finding = |rule: &str, verdict: &str| RecordedFinding { rule: rule.into(), verdict: verdict.into(), ..record("s").findings.remove(0) };
    let refused = |number: usize, decision: &str, findings| Record {
        role: format!("team_{}", number % 3),
        application_name: number.is_multiple_of(2).then(|| format!("flyway {number}")),
        decision: decision.into(),
        findings,
        ..record("s")
    };
    for number in 0..20 {
        let findings = vec![finding("drop-table", "enforced"), finding("truncate", "exempted: agreed"), finding("rename-table", "enforced")];
        store.record(refused(number, "refuse", findings)).await.unwrap();
        store.record(refused(number, "would-refuse", vec![finding("drop-column", "warned")])).await.unwrap();
        store.record(refused(number, "rewrite", vec![finding("drop-index", "enforced")])).await.unwrap();
        store.record(refused(number, "refuse", Vec::new())).await.unwrap();
    }
    derived(store).await;
}

#[tokio::test]
async fn refusals_are_counted_as_the_report_counts_them() {
    let (_directory, path) = place();
    let store = open(&path);
    write_refusals(&store).await;
    let (alike, more) = store.refusals(0, 1_000).await.unwrap();
    let counted = crate::audit::refusals::Refusals::of(&alike);
    let page = Page { after: DecisionId { writer: 0, seq: 0 }, since_unix_micros: 0, most: 1_000 };
    let mut summary = crate::audit::summary::Summary::default();
    store.decisions(page).await.unwrap().iter().for_each(|(_, decided)| summary.add(decided));
    assert_eq!((counted.all.all(), more), (summary.counts.refuse, false));
    let by_rule: Vec<(String, u64)> = counted.rules.iter().map(|(rule, count)| (rule.clone(), count.all())).collect();
    let reported: Vec<(String, u64)> =
        summary.rules.iter().filter(|(_, of_rule)| of_rule.counts.refuse > 0).map(|(rule, of_rule)| (rule.clone(), of_rule.counts.refuse)).collect();
    assert_eq!(by_rule, reported);
    assert_eq!(by_rule.len(), 3, "what policy has exempted is no reason");
    assert_eq!((counted.teams.len(), counted.tools.len(), counted.rules["drop-column"].would), (3, 2, 20));
    assert_eq!(store.refusals(i64::MAX, 1_000).await.unwrap(), (Vec::new(), false));
    assert!(store.refusals(0, 3).await.unwrap().1, "there are more kinds");
    let asked = format!("EXPLAIN QUERY PLAN {}", search::alike(backend::Dialect::Sqlite));
    let plan: String = reader(&path).query_row(&asked, [1], |row| row.get(3)).unwrap();
    assert!(plan.contains("COVERING INDEX decisions_refused"), "{plan}");
}

#[tokio::test]
async fn who_looks_apart_holds_up_no_reader() {
    let (_directory, path) = place();
    let store = open(&path);
    let apart = store.apart().unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let looking = tokio::spawn(async move { apart.read(move |_| Ok(held.recv().is_ok())).await });
    assert!(timeout(PATIENCE, store.pending(Wanted::All)).await.unwrap().unwrap().is_empty());
    hold.send(()).unwrap();
    assert!(looking.await.unwrap().unwrap());
    store.close().await.unwrap();
}
