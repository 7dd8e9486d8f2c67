//! The store of a fleet: a PostgreSQL database that several replicas write to at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;

use pgairlock::audit::chain::{Digest, Entry};
use pgairlock::audit::event::{Attribution, Direction, Event, Migration, Trail};
use pgairlock::audit::record::{DecisionId, Outcome, Record};
use pgairlock::config::settings::{FleetPlace, StorePlace};
use pgairlock::deferred::promise::{Place as At, Progress, Promise};
use pgairlock::store::{Place, Store, StoreError, Wanted};
use support::cluster::Cluster;
use support::{clusters, until};

async fn place(cluster: &Cluster) -> (String, Place) {
    let database = cluster.database().await;
    let url = format!("postgres://postgres:postgres@127.0.0.1:{}/{database}?sslmode=disable", cluster.port);
    (database, Place::read(&StorePlace::Fleet(FleetPlace { url, password_file: None })).unwrap())
}

/// As `serve` does it: beside the sessions, not on their threads.
async fn open(place: &Place) -> Result<Store, StoreError> {
    let place = place.clone();
    tokio::task::spawn_blocking(move || Store::open(&place)).await.unwrap()
}

fn record(session: &str) -> Record {
    Record {
        session: session.into(),
        transaction: 1,
        listener: "l".into(),
        client: "127.0.0.1:5".into(),
        role: "deployer".into(),
        database: "app".into(),
        application_name: None,
        sql: "CREATE TABLE \"Übung\" (a int)".into(),
        decision: "pass".into(),
        findings: Vec::new(),
        steps: Vec::new(),
        in_transaction: false,
        commit_is_announced: false,
        facts: Vec::new(),
        server_version: 150_000,
        tls: None,
    }
}

fn promise(session: &str) -> Promise {
    let place = At { system: "1".into(), database: "app".into() };
    Promise {
        transaction: 1,
        session: session.into(),
        place,
        role: "deployer".into(),
        xid: "7".into(),
        life: "1".into(),
        operations: Vec::new(),
        whole: None,
    }
}

fn wanted() -> Wanted {
    Wanted::Of(promise("p").place, "deployer".into())
}

async fn events(store: &Store) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, writer) in store.writers().await.unwrap() {
        let mut previous = Digest::NONE;
        for entry in store.entries(DecisionId { writer: number, seq: 0 }, 10_000).await.unwrap() {
            assert_eq!(Entry::digest(previous, &writer, entry.seq, entry.at_unix_micros, &entry.body), entry.hash);
            previous = entry.hash;
            events.push(serde_json::from_str(&entry.body).unwrap());
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_log_and_their_promises() {
    for cluster in clusters() {
        let (database, place) = place(cluster).await;
        // All at once: one of them makes the tables.
        let (one, two, three) = tokio::join!(open(&place), open(&place), open(&place));
        let stores = [one.unwrap(), two.unwrap(), three.unwrap()];
        let tasks: Vec<_> = (0..300)
            .map(|number| {
                let store = stores[number % 3].clone();
                tokio::spawn(async move {
                    let id = store.record(record(&format!("s{number}"))).await.unwrap();
                    store.outcome(id, Outcome { tag: Some("CREATE TABLE".into()), ..Outcome::default() }).await.unwrap();
                    id
                })
            })
            .collect();
        let mut ids = BTreeSet::new();
        for task in tasks {
            ids.insert(task.await.unwrap());
        }
        assert_eq!(ids.len(), 300);
        let events = events(&stores[0]).await;
        let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
        assert_eq!(count(|event| matches!(event, Event::Decision(_))), 300);
        assert_eq!(count(|event| matches!(event, Event::Outcome(_))), 300);
        assert_eq!(count(|event| matches!(event, Event::Started(_))), 3);
        let direct = cluster.connect(&database).await;
        let rows = "SELECT count(*)::text FROM pgairlock.records WHERE outcome_tag = 'CREATE TABLE' AND sql LIKE 'CREATE TABLE \"Übung\"%'";
        assert_eq!(direct.value(rows).await, "300");

        let id = stores[0].promise(promise("p"), Trail::default()).await.unwrap();
        let pending = stores[1].pending(wanted()).await.unwrap();
        assert_eq!((pending.len(), pending[0].id), (1, id));
        stores[1].progress(id, Progress::Settled, "q").await.unwrap();
        assert_eq!(stores[2].pending(wanted()).await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_takes_nothing_along() {
    let own = Cluster::start(&support::cluster::versions()[0]).unwrap();
    let (_, place) = place(&own).await;
    let store = open(&place).await.unwrap();
    let id = store.record(record("before")).await.unwrap();
    own.stop();
    assert!(matches!(store.record(record("lost")).await, Err(StoreError::Lost(_) | StoreError::Unreachable(_))));
    let late = {
        let store = store.clone();
        tokio::spawn(async move { store.outcome(id, Outcome { tag: Some("LATE".into()), ..Outcome::default() }).await })
    };
    assert!(matches!(store.record(record("lost too")).await, Err(StoreError::Lost(_) | StoreError::Unreachable(_))));
    own.restart();
    late.await.unwrap().unwrap();
    let after = store.record(record("after")).await.unwrap();
    assert_eq!((id.writer, after.seq > id.seq), (after.writer, true));
    let sessions: Vec<String> =
        events(&store).await.into_iter().filter_map(|event| if let Event::Decision(record) = event { Some(record.session) } else { None }).collect();
    assert_eq!(sessions, ["before", "after"]);
}

/// Sessions are ended under a load: no record is lost, none is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_neither_lose_nor_double() {
    let cluster = clusters()[0];
    let (database, place) = place(cluster).await;
    let store = open(&place).await.unwrap();
    let direct = cluster.connect(&database).await;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut answered = BTreeSet::new();
            for number in 0..400 {
                if store.record(record(&format!("s{number}"))).await.is_ok() {
                    answered.insert(format!("s{number}"));
                }
            }
            answered
        })
    };
    let (mut broken_at, mut broken) = (0, 0);
    while !writing.is_finished() {
        let written: usize = direct.value("SELECT count(*)::text FROM pgairlock.entries").await.parse().unwrap();
        if written >= broken_at + 10 {
            broken_at = written;
            let end = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
                       WHERE application_name = 'pgairlock store' AND datname = current_database()";
            broken += direct.value(end).await.parse::<usize>().unwrap();
        }
    }
    let answered = writing.await.unwrap();
    // The last connection may just have been ended.
    while store.ready().await.is_err() {}
    let mut seen: Vec<String> =
        events(&store).await.into_iter().filter_map(|event| if let Event::Decision(record) = event { Some(record.session) } else { None }).collect();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "none is there twice");
    assert!(answered.iter().all(|session| seen.contains(session)), "what was answered is there");
    assert!(broken > 5 && !answered.is_empty(), "{broken} sessions were ended, {} records were answered", answered.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dashboard_asks_is_answered_as_from_a_file() {
    for cluster in clusters() {
        let (_, place) = place(cluster).await;
        let store = open(&place).await.unwrap();
        let id = store.record(Record { decision: "refuse".into(), ..record("s") }).await.unwrap();
        let migration = Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: "ae10".into(),
            name: None,
            direction: Direction::Up,
            from: None,
            to: None,
        };
        let (database, role) = ("app".into(), "deployer".into());
        let attribution = Attribution { session: "s".into(), database, role, migration, decisions: vec![id], unfinished: false };
        let entry = store.event(Event::Attribution(attribution)).await.unwrap();
        store.promise(promise("s"), Trail::default()).await.unwrap();
        until("all of it can be searched", async || store.underived().await.unwrap() == 0).await;
        let found = store.migrations(None, 10).await.unwrap();
        assert_eq!((found.len(), found[0].id, found[0].decisions["refuse"]), (1, entry, 1));
        assert!(store.migrations(Some((found[0].at_unix_micros, entry)), 10).await.unwrap().is_empty());
        let migrated = store.migration(entry).await.unwrap().unwrap();
        assert_eq!((migrated.decisions[0].0.id, migrated.applied.attribution.migration.version.as_str()), (id, "ae10"));
        assert!(migrated.events.iter().any(|(_, _, event)| matches!(event, Event::Committing(_))), "{:?}", migrated.events);
        assert_eq!(store.migration(id).await.unwrap(), None);
        let (alike, more) = store.apart().unwrap().refusals(0, 10).await.unwrap();
        assert_eq!((alike.len(), alike[0].count, alike[0].role.as_str(), more), (1, 1, "deployer", false));
        store.close().await.unwrap();
    }
}
