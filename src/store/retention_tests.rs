use std::path::Path;

use super::super::tests::{derived, open, outcome, place, reader, record, text};
use super::*;
use crate::audit::event::{Attribution, Direction, Fate, Migration, SessionEnded, Settled, Trail, Transaction};
use crate::audit::keys::SigningKey;
use crate::audit::listed::Search;
use crate::audit::record::Record;
use crate::audit::verify::{Verdict, Verifier, Writer};
use crate::deferred::promise::{Place as At, Progress, Promise};

/// Everything is older.
const ALL: i64 = i64::MAX;

fn key() -> SigningKey {
    SigningKey::from_pem(&SigningKey::text_of(&[1; 32])).unwrap()
}

fn sealer() -> Sealer {
    Sealer::new(Some(key()), &[])
}

/// As `audit verify` reads it.
async fn verified(store: &Store) -> Verdict {
    let mut verifier = Verifier::new(&[key().public()], &[]);
    store.anchors().await.unwrap().iter().for_each(|line| verifier.anchor(line));
    let writers = store.writers().await.unwrap();
    for (number, _) in &writers {
        let first = store.entries(DecisionId { writer: *number, seq: 0 }, 1).await.unwrap();
        first.iter().for_each(|entry| verifier.first(entry));
    }
    for (number, writer) in writers {
        verifier.begin(Writer { writer, number });
        let entries = store.entries(DecisionId { writer: number, seq: 0 }, 100_000).await.unwrap();
        let page: Vec<_> = entries.into_iter().map(|entry| (entry.clone(), verifier.entry(&entry))).collect();
        store.differences(number, page).await.unwrap().into_iter().for_each(|(seq, what)| verifier.differs(seq, what));
    }
    verifier.finish()
}

async fn intact(store: &Store) -> Verdict {
    let verdict = verified(store).await;
    assert_eq!(verdict.findings, []);
    verdict
}

/// One run, as a process does it; how many entries went.
async fn run(store: &Store, before: i64) -> u64 {
    assert!(store.begin_retention().await.unwrap());
    let mut removed = 0;
    for chain in store.aged(before).await.unwrap() {
        removed += store.expire(&chain, before, &sealer()).await.unwrap();
    }
    store.end_retention().await.unwrap();
    removed
}

/// The numbers of a chain's entries that are there.
async fn left(store: &Store, number: i64) -> Vec<i64> {
    store.entries(DecisionId { writer: number, seq: 0 }, 100_000).await.unwrap().iter().map(|entry| entry.seq).collect()
}

fn count(path: &Path, table: &str) -> i64 {
    reader(path).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Its process has died, and long ago.
fn die(path: &Path, number: i64) {
    reader(path).execute("UPDATE writers SET seen_at = 0 WHERE number = ?1", [number]).unwrap();
}

fn over(session: &str) -> Event {
    Event::Session(SessionEnded {
        session: session.into(),
        client: "c".into(),
        role: "r".into(),
        database: "app".into(),
        application_name: None,
        duration_micros: 1,
        reason: "terminate".into(),
        statements: vec![],
    })
}

/// Alone, so that its outcome is its end.
fn alone(session: &str) -> Record {
    Record { in_transaction: false, ..record(session) }
}

/// A decision with its outcome, of a session that has ended.
async fn told(store: &Store, session: &str) -> DecisionId {
    let id = store.record(alone(session)).await.unwrap();
    store.outcome(id, outcome()).await.unwrap();
    store.event(over(session)).await.unwrap();
    id
}

fn promise(session: &str) -> Promise {
    Promise {
        transaction: 1,
        session: session.into(),
        place: At { system: "1".into(), database: "app".into() },
        role: "deployer".into(),
        xid: "7".into(),
        life: "1".into(),
        operations: Vec::new(),
        whole: None,
    }
}

fn attribution(decision: DecisionId) -> Event {
    Event::Attribution(Attribution {
        session: "s".into(),
        database: "app".into(),
        role: "r".into(),
        migration: Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: "7".into(),
            name: None,
            direction: Direction::Up,
            from: None,
            to: None,
        },
        decisions: vec![decision],
        unfinished: false,
    })
}

/// A living chain keeps its last entry, the dead leave nothing but an anchor, and the rows go with their entries.
#[tokio::test]
async fn what_is_old_goes_and_anchors_stand_for_it() {
    let (_directory, path) = place();
    let dead = open(&path);
    let id = told(&dead, "a").await;
    let shared = dead.record(record("a2")).await.unwrap();
    let ended = Transaction { session: "a2".into(), transaction: 1, fate: Fate::Committed, duration_micros: 1 };
    dead.event(Event::Transaction(ended)).await.unwrap();
    dead.event(attribution(id)).await.unwrap();
    let done = dead.promise(promise("a2"), Trail::default()).await.unwrap();
    dead.progress(done, Progress::Settled, "a2").await.unwrap();
    dead.close().await.unwrap();
    die(&path, 1);
    let store = open(&path);
    told(&store, "b").await;
    derived(&store).await;
    assert_eq!((left(&store, 1).await.len(), shared.seq), (9, 5));
    assert_eq!(run(&store, ALL).await, 9 + 3);
    // What was its last one, and then the announcements.
    assert_eq!((left(&store, 1).await, left(&store, 2).await), (vec![], vec![4, 5, 6]));
    assert_eq!(run(&store, ALL).await, 2);
    for table in ["decisions", "texts", "marks", "follows", "transactions", "sessions", "migrations", "announced"] {
        assert_eq!(count(&path, table), 0, "{table}");
    }
    let verdict = intact(&store).await;
    let removed: Vec<_> = verdict.chains.iter().map(|chain| chain.removed.as_ref().map(|removed| (removed.seq, removed.entries))).collect();
    assert_eq!((removed, left(&store, 2).await), (vec![Some((9, 9)), Some((5, 5))], vec![6, 7]));
    let bodies = store.entries(DecisionId { writer: 2, seq: 0 }, 9).await.unwrap();
    let said: Vec<Event> = bodies.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
    assert!(matches!(&said[0], Event::Retention(Retention { seq: 3, removed: 3, .. })), "{said:?}");
    assert!(matches!(&said[1], Event::Retention(Retention { seq: 5, removed: 2, .. })), "{said:?}");
    // Somebody else begins, and has a number of his own.
    let next = open(&path);
    let id = told(&next, "c").await;
    assert_eq!(id.to_string(), "3-2");
    derived(&next).await;
    intact(&next).await;
    let found: Vec<_> = next.search(Search { words: Some("index".into()), most: 9, ..Search::default() }).await.unwrap();
    assert_eq!(found.iter().map(|listed| listed.id).collect::<Vec<_>>(), [id]);
}

/// Each page is a step of its own, and a process that dies between two leaves a log that is sound.
#[tokio::test]
async fn a_process_may_die_between_any_two_steps() {
    let (_directory, path) = place();
    let dead = open(&path);
    let mut posted = Vec::new();
    for number in 0..400 {
        posted.push(tokio::spawn({
            let dead = dead.clone();
            async move { told(&dead, &format!("s{number}")).await }
        }));
    }
    for task in posted {
        task.await.unwrap();
    }
    dead.close().await.unwrap();
    die(&path, 1);
    let store = open(&path);
    store.ready().await.unwrap();
    let chain = store.aged(ALL).await.unwrap().remove(0);
    let steps = store.expiring(&chain, ALL, &sealer()).await.unwrap().steps();
    assert_eq!(steps.iter().map(|step| (step.first, step.anchor.seq)).collect::<Vec<_>>(), [(1, 500), (501, 1_000), (1_001, 1_201)]);
    // It was looked at, and nothing is gone; it was announced, and nothing is gone; some is gone.
    intact(&store).await;
    let announced = Retention { writer: chain.writer.clone(), seq: 1_201, hash: steps[2].anchor.hash, removed: 1_201 };
    store.event(Event::Retention(announced)).await.unwrap();
    intact(&store).await;
    let lines: Vec<String> = steps.iter().map(|step| sealer().seal(step.anchor.clone()).unwrap()).collect();
    assert_eq!(store.remove(None, &steps[0], &lines[0]).await.unwrap(), Some(500));
    assert_eq!(intact(&store).await.chains[0].removed.as_ref().unwrap().entries, 500);
    store.close().await.unwrap();
    // Another one goes on, and the first, which was only slow, does not undo it.
    let (store, slow) = (open(&path), open(&path));
    let again = store.aged(ALL).await.unwrap().remove(0);
    let rest = store.expiring(&again, ALL, &sealer()).await.unwrap();
    assert_eq!((rest.going(), rest.last()), (701, 1_201));
    let second = store.expire(&again, ALL, &sealer()).await.unwrap();
    assert_eq!(second, 701);
    assert_eq!(slow.remove(Some(&lines[0]), &steps[1], &lines[1]).await.unwrap(), None);
    assert_eq!(slow.remove(None, &steps[0], &lines[0]).await.unwrap(), None);
    let verdict = intact(&store).await;
    assert_eq!((verdict.chains[0].removed.as_ref().unwrap().entries, verdict.chains[0].entries), (1_201, 0));
    assert_eq!(count(&path, "marks"), 0);
}

/// The deletes of a step that lost its race take nothing that no anchor stands for.
#[tokio::test]
async fn nothing_goes_without_its_anchor() {
    let (_directory, path) = place();
    let store = open(&path);
    told(&store, "a").await;
    derived(&store).await;
    let chain = store.aged(ALL).await.unwrap().remove(0);
    let step = store.expiring(&chain, ALL, &sealer()).await.unwrap().steps().remove(0);
    let line = sealer().seal(step.anchor.clone()).unwrap();
    assert_eq!(store.remove(Some("of somebody else"), &step, &line).await.unwrap(), None);
    assert_eq!((left(&store, 1).await.len(), count(&path, "decisions")), (4, 1));
    intact(&store).await;
    // All or nothing, also where a statement in the midst fails.
    reader(&path).execute_batch("CREATE TRIGGER no BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
    let other = Step { first: 1, anchor: Anchor { seq: 4, ..step.anchor.clone() } };
    assert!(store.remove(None, &other, &line).await.is_err());
    assert_eq!((left(&store, 1).await.len(), count(&path, "anchors"), count(&path, "marks")), (4, 0, 2));
    reader(&path).execute_batch("DROP TRIGGER no").unwrap();
    assert_eq!(run(&store, ALL).await, 3);
    intact(&store).await;
}

/// What may still be done, or asked for, needs its entries: nothing of the chain goes from there on.
#[tokio::test]
async fn an_open_promise_keeps_what_it_stands_on() {
    let (_directory, path) = place();
    let store = open(&path);
    told(&store, "old").await;
    let decision = store.record(record("s")).await.unwrap();
    store.outcome(decision, outcome()).await.unwrap();
    let id = store.promise(promise("s"), Trail::default()).await.unwrap();
    store.event(over("s")).await.unwrap();
    told(&store, "young").await;
    derived(&store).await;
    let helper = open(&path);
    helper.progress(id, Progress::Failed { operation: 0, sqlstate: "55P03".into(), message: "m".into() }, "t").await.unwrap();
    told(&helper, "other").await;
    derived(&helper).await;
    assert_eq!(run(&store, ALL).await, 4 + 1);
    // Of the helper the step that failed is kept, too.
    assert_eq!((left(&store, 1).await[0], left(&store, 2).await[0]), (decision.seq, 2));
    assert_eq!(run(&store, ALL).await, 0);
    intact(&store).await;
    assert_eq!(store.story(decision).await.unwrap().unwrap().events.len(), 4);
    store.progress(id, Progress::Settled, "t").await.unwrap();
    derived(&store).await;
    assert!(run(&store, ALL).await > 7);
    assert_eq!(count(&path, "announced"), 0);
    intact(&store).await;
}

/// A decision goes when all that became of it is old.
#[tokio::test]
async fn what_something_young_follows_stays() {
    let (_directory, path) = place();
    let store = open(&path);
    let promised = store.record(record("p")).await.unwrap();
    store.outcome(promised, outcome()).await.unwrap();
    let promise = store.promise(promise("p"), Trail::default()).await.unwrap();
    store.event(over("p")).await.unwrap();
    let first = told(&store, "a").await;
    let second = store.record(record("b")).await.unwrap();
    store.outcome(second, outcome()).await.unwrap();
    store.event(over("b")).await.unwrap();
    let third = told(&store, "c").await;
    derived(&store).await;
    reader(&path).execute("UPDATE announced SET state = 'settled'", []).unwrap();
    let limit = unix_micros();
    let settled = |decision| Event::Settled(Settled { decision, fate: Fate::Committed, by: "pg_xact_status".into(), evidence: None });
    store.event(settled(third)).await.unwrap();
    derived(&store).await;
    let kept = async |needed: DecisionId| {
        let chain = store.aged(limit).await.unwrap().remove(0);
        let last = store.expiring(&chain, limit, &sealer()).await.unwrap().last();
        assert_eq!(last, needed.seq - 1);
    };
    kept(third).await;
    let ended = Transaction { session: "b".into(), transaction: 1, fate: Fate::Committed, duration_micros: 1 };
    store.event(Event::Transaction(ended)).await.unwrap();
    derived(&store).await;
    kept(second).await;
    store.event(attribution(first)).await.unwrap();
    derived(&store).await;
    kept(first).await;
    store.progress(promise, Progress::Told, "p").await.unwrap();
    derived(&store).await;
    kept(promised).await;
    assert_eq!(run(&store, limit).await, 1);
    intact(&store).await;
}

/// What is under way has no end yet, and needs its beginning; of the dead nobody will hear more.
#[tokio::test]
async fn what_is_under_way_stays_as_long_as_its_process_lives() {
    let (_directory, path) = place();
    let other = open(&path);
    let running = other.record(alone("running")).await.unwrap();
    other.alive().await.unwrap();
    derived(&other).await;
    let store = open(&path);
    let open_transaction = store.record(record("open")).await.unwrap();
    store.outcome(open_transaction, outcome()).await.unwrap();
    store.alive().await.unwrap();
    derived(&store).await;
    assert_eq!(run(&store, ALL).await, 1 + 1);
    assert_eq!((left(&store, 1).await[0], left(&store, 2).await[0]), (running.seq, open_transaction.seq));
    die(&path, 1);
    assert_eq!(run(&store, ALL).await, 1);
    assert_eq!(left(&store, 1).await.len(), 0);
    // It was not dead after all: its chain goes on behind the anchor.
    other.outcome(running, outcome()).await.unwrap();
    derived(&store).await;
    intact(&store).await;
    assert_eq!(left(&store, 1).await, [3]);
    other.alive().await.unwrap();
    assert_eq!(run(&store, ALL).await, 0, "its last entry");
    die(&path, 1);
    assert_eq!(run(&store, ALL).await, 1);
    assert_eq!((count(&path, "follows"), count(&path, "decisions")), (1, 1));
    intact(&store).await;
}

/// A chain that somebody has changed is left as it is: `verify` is to find it, not an anchor of ours in its place.
#[tokio::test]
async fn what_is_not_as_it_was_written_stays() {
    let (_directory, path) = place();
    let store = open(&path);
    told(&store, "a").await;
    told(&store, "b").await;
    derived(&store).await;
    reader(&path).execute("UPDATE entries SET body = replace(body, 'deployer', 'nobody') WHERE id = (1 << 40) + 2", []).unwrap();
    let chain = store.aged(ALL).await.unwrap().remove(0);
    let error = store.expire(&chain, ALL, &sealer()).await.unwrap_err();
    assert!(error.to_string().contains("chain 1") && error.to_string().contains("the hash of entry 2 is not that"), "{error}");
    assert_eq!((left(&store, 1).await.len(), count(&path, "anchors")), (7, 0));
    // Nor is one who cut off the beginning helped by a forged anchor.
    reader(&path).execute("UPDATE entries SET body = replace(body, 'nobody', 'deployer') WHERE id = (1 << 40) + 2", []).unwrap();
    let hash: Vec<u8> = reader(&path).query_row("SELECT hash FROM entries WHERE id = (1 << 40) + 3", [], |row| row.get(0)).unwrap();
    let mut step = store.expiring(&chain, ALL, &sealer()).await.unwrap().steps().remove(0);
    (step.anchor.seq, step.anchor.hash.0) = (3, hash.try_into().unwrap());
    let forged = Sealer::default().seal(step.anchor.clone()).unwrap();
    assert_eq!(store.remove(None, &step, &forged).await.unwrap(), Some(3));
    let chain = store.aged(ALL).await.unwrap().remove(0);
    let error = store.expire(&chain, ALL, &sealer()).await.unwrap_err();
    assert!(error.to_string().contains("its anchor is not believed: nobody has signed it"), "{error}");
    assert!(!verified(&store).await.is_intact());
    assert_eq!(text(&reader(&path), "SELECT body FROM anchors"), forged);
}

#[tokio::test]
async fn one_process_has_its_turn() {
    let (_directory, path) = place();
    let (one, two) = (open(&path), open(&path));
    assert!(one.begin_retention().await.unwrap());
    assert!(one.begin_retention().await.unwrap());
    assert!(!two.begin_retention().await.unwrap());
    one.end_retention().await.unwrap();
    assert!(two.begin_retention().await.unwrap());
    // Its process died.
    reader(&path).execute("UPDATE turns SET until = 1", []).unwrap();
    assert!(one.begin_retention().await.unwrap());
}

/// Who reads page by page sees one moment, whatever goes and comes meanwhile.
#[tokio::test]
async fn who_looks_at_all_of_it_sees_one_moment() {
    let (_directory, path) = place();
    let store = open(&path);
    told(&store, "a").await;
    derived(&store).await;
    let looking = open(&path);
    looking.pin().await.unwrap();
    told(&store, "b").await;
    derived(&store).await;
    run(&store, ALL).await;
    assert_eq!((left(&looking, 1).await, looking.anchors().await.unwrap().len()), (vec![1, 2, 3, 4], 0));
    assert_eq!((left(&store, 1).await, store.anchors().await.unwrap().len()), (vec![7, 8], 1));
    intact(&looking).await;
    looking.close().await.unwrap();
    // Not even a file in the place of this one is taken up in the midst of it.
    let looking = open(&path);
    looking.pin().await.unwrap();
    let copy = path.with_file_name("copy.db");
    reader(&path).execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert!(matches!(looking.anchors().await, Err(StoreError::Gone(_))));
}

/// Every table that loses rows has an index by which they are found.
#[test]
fn rows_are_found_by_an_index() {
    let (_directory, path) = place();
    drop(open(&path));
    let explained = |sql: &str| -> Vec<String> {
        let connection = reader(&path);
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let none = vec![0; statement.parameter_count()];
        let rows = statement.query_map(rusqlite::params_from_iter(none), |row| row.get(3)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for sql in REMOVALS.into_iter().chain([NEEDED]) {
        let plan = explained(sql);
        let scans: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN") && !step.contains("needed") && !step.contains("CONSTANT")).collect();
        assert!(!plan.is_empty() && scans.is_empty(), "{sql}: {plan:?}");
    }
}
