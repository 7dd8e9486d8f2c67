//! The store of a fleet: a PostgreSQL database that several replicas write to at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;

use pgairlock::audit::approval::{Approval, RecordedApproval, Use, UseEnded};
use pgairlock::audit::chain::{Digest, Entry};
use pgairlock::audit::event::{Attribution, Direction, Event, Migration, Trail};
use pgairlock::audit::listed::Search;
use pgairlock::audit::record::{DecisionId, Outcome, Record};
use pgairlock::audit::retention::Sealer;
use pgairlock::audit::verify::{Verifier, Writer};
use pgairlock::config::settings::{FleetPlace, StorePlace};
use pgairlock::deferred::operation::{Operation, Reindex};
use pgairlock::deferred::promise::{Deferred, Place as At, Progress, Promise};
use pgairlock::sql::name::RelationName;
use pgairlock::store::{OpenPromises, Place, Store, StoreError, Wanted};
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
        former: vec![],
        tool_guess: None,
        server_version: 150_000,
        approval: None,
        tls: None,
        mark: None,
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

        let table = RelationName::qualified("public", "t");
        let rebuilt = Operation::Reindex(Reindex { table: Some(table.clone()), index: None, sql: "REINDEX TABLE CONCURRENTLY t".into() });
        let deferred = Deferred { operation: rebuilt, table, rule: "reindex-blocking".into(), context: "{}".into() };
        let id = stores[0].promise(Promise { operations: vec![deferred], ..promise("p") }, Trail::default()).await.unwrap();
        // Without an operation it is an announcement, for which nobody waits.
        stores[0].promise(promise("announced"), Trail::default()).await.unwrap();
        let pending = stores[1].pending(wanted()).await.unwrap();
        assert_eq!((pending.len(), pending[0].id), (2, id));
        let open = stores[2].open_promises().await.unwrap();
        assert_eq!((open.waiting.count, open.waiting.oldest_unix_micros, open.failed.count), (1, pending[0].at_unix_micros, 0));
        let failed = Progress::Failed { operation: 0, sqlstate: "23505".into(), message: "twice".into() };
        stores[1].progress(id, failed, "q").await.unwrap();
        let open = stores[2].open_promises().await.unwrap();
        assert_eq!((open.waiting.count, open.failed.count, open.failed.oldest_unix_micros), (0, 1, pending[0].at_unix_micros));
        stores[1].progress(id, Progress::Settled, "q").await.unwrap();
        assert_eq!(stores[2].pending(wanted()).await.unwrap().len(), 1);
        assert_eq!(stores[2].open_promises().await.unwrap(), OpenPromises::default());
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
    until("what has happened is owed", async || store.owed() == 1).await;
    own.restart();
    late.await.unwrap().unwrap();
    let after = store.record(record("after")).await.unwrap();
    until("nothing is owed", async || (store.owed(), store.queued()) == (0, 0)).await;
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

fn approved(fingerprint: &str, by: &str, uses: i64) -> Approval {
    Approval { fingerprint: fingerprint.into(), by: by.into(), known_by: "command".into(), reason: "r".into(), expires_unix_micros: i64::MAX, uses }
}

fn using(fingerprint: &str, session: &str) -> Use {
    Use { fingerprint: fingerprint.into(), approvals: Vec::new(), session: session.into(), transaction: 1, commit_is_announced: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_hears_approved_each_use_is_taken_once_among_all() {
    for cluster in clusters() {
        let (_database, place) = place(cluster).await;
        let stores = [open(&place).await.unwrap(), open(&place).await.unwrap(), open(&place).await.unwrap()];
        let fingerprint = "ab".repeat(32);
        assert_eq!(stores[0].reserve(using(&fingerprint, "s"), 1).await.unwrap(), None);
        stores[0].approve(approved(&fingerprint, "ann", 5)).await.unwrap();
        let tries = (0..30).map(|number| {
            let (store, fingerprint) = (stores[number % 3].clone(), fingerprint.clone());
            tokio::spawn(async move { store.reserve(using(&fingerprint, &format!("s{number}")), 1).await.unwrap() })
        });
        let mut taken = Vec::new();
        for tried in tries {
            taken.extend(tried.await.unwrap());
        }
        assert_eq!(taken.len(), 5, "{taken:?}");
        assert!(taken.iter().all(|reserved| reserved.given[0].by == "ann"));
        // Used at one, given back at another.
        stores[1].event(Event::ApprovalUseEnded(UseEnded { of: taken[0].id, consumed: true })).await.unwrap();
        stores[2].event(Event::ApprovalUseEnded(UseEnded { of: taken[1].id, consumed: false })).await.unwrap();
        stores[2].event(Event::ApprovalUseEnded(UseEnded { of: taken[1].id, consumed: false })).await.unwrap();
        assert!(stores[0].reserve(using(&fingerprint, "again"), 1).await.unwrap().is_some());
        assert_eq!(stores[1].reserve(using(&fingerprint, "more"), 1).await.unwrap(), None);
        // A second person at another replica.
        stores[2].approve(approved(&fingerprint, "ann", 1)).await.unwrap();
        assert_eq!(stores[0].reserve(using(&fingerprint, "two"), 2).await.unwrap(), None);
        stores[1].approve(approved(&fingerprint, "bob", 1)).await.unwrap();
        assert!(stores[0].is_approved(fingerprint.clone(), 2).await.unwrap());
        let two = stores[0].reserve(using(&fingerprint, "two"), 2).await.unwrap().unwrap();
        assert_eq!(two.given.iter().map(|given| given.by.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["ann", "bob"]));
        for store in stores {
            store.close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_heard_is_used_or_given_back_with_what_is_found_out() {
    for cluster in clusters() {
        let (_database, place) = place(cluster).await;
        let store = open(&place).await.unwrap();
        for (number, (progress, is_free)) in
            [(Progress::Settled, false), (Progress::Aborted, true), (Progress::Unknown, false)].into_iter().enumerate()
        {
            let fingerprint = format!("{number}").repeat(64);
            let session = format!("lost{number}");
            store.approve(approved(&fingerprint, "ann", 1)).await.unwrap();
            store.reserve(using(&fingerprint, &session), 1).await.unwrap().unwrap();
            let promise = store.promise(promise(&session), Trail::default()).await.unwrap();
            assert!(!store.is_approved(fingerprint.clone(), 1).await.unwrap());
            store.progress(promise, progress, "next").await.unwrap();
            assert_eq!(store.is_approved(fingerprint, 1).await.unwrap(), is_free, "{number}");
        }
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_listed_once_with_what_was_said() {
    for cluster in clusters() {
        let (_database, place) = place(cluster).await;
        let store = open(&place).await.unwrap();
        let fingerprint = "c4".repeat(32);
        let approval =
            RecordedApproval { fingerprint: fingerprint.clone(), rules: vec!["drop-table".into()], people: 1, given: Vec::new(), used: None };
        for session in ["one", "two"] {
            store.record(Record { approval: Some(approval.clone()), decision: "refuse".into(), ..record(session) }).await.unwrap();
        }
        while store.underived().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        store.approve(approved(&fingerprint, "ann", 1)).await.unwrap();
        for found in [store.requests(None, 10).await.unwrap(), store.request(fingerprint[..12].to_owned()).await.unwrap()] {
            let [request] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((request.times, request.rules.as_str(), request.words.len(), request.is_approved(1)), (2, "drop-table", 1, true));
        }
        assert_eq!(store.request("ffff".into()).await.unwrap(), []);
        store.close().await.unwrap();
    }
}

/// That one derives nothing while it has something to do, and writes its decision's row after it was told of.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_says_of_anothers_statement_is_found_though_that_one_is_busy() {
    for cluster in clusters() {
        let (_database, place) = place(cluster).await;
        let (busy, other) = (open(&place).await.unwrap(), open(&place).await.unwrap());
        other.alive().await.unwrap();
        let decision = busy.record(record("s")).await.unwrap();
        let at_work = tokio::spawn({
            let busy = busy.clone();
            async move {
                loop {
                    busy.ready().await.unwrap();
                }
            }
        });
        let migration = Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: "ae10".into(),
            name: None,
            direction: Direction::Up,
            from: None,
            to: None,
        };
        let attribution = Attribution {
            session: "s".into(),
            database: "app".into(),
            role: "deployer".into(),
            migration,
            decisions: vec![decision],
            unfinished: false,
        };
        other.event(Event::Attribution(attribution)).await.unwrap();
        until("it is found by its tool", async || {
            let search = Search { tool: Some("alembic".into()), most: 9, ..Search::default() };
            other.search(search).await.unwrap().iter().any(|found| found.id == decision)
        })
        .await;
        at_work.abort();
        busy.close().await.unwrap();
        other.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_whether_they_are_rare_or_in_thousands_of_statements() {
    let (_database, place) = place(clusters()[0]).await;
    let store = open(&place).await.unwrap();
    let recorded = (0..5_100).map(|number| {
        let (store, sql) = (store.clone(), format!("ALTER TABLE orders ADD COLUMN column_{number} int"));
        tokio::spawn(async move { store.record(Record { sql, ..record("s") }).await.unwrap() })
    });
    for task in recorded.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    while store.underived().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let found = async |words: &str, most| {
        let found = store.search(Search { words: Some(words.into()), role: Some("deployer".into()), most, ..Search::default() }).await.unwrap();
        found.into_iter().map(|listed| listed.head).collect::<Vec<_>>()
    };
    assert_eq!(found("column_77 alter", 9).await, ["ALTER TABLE orders ADD COLUMN column_77 int"]);
    assert_eq!(found("alter column_5099 nothing", 9).await, [""; 0]);
    let newest = found("alter orders", 3).await;
    assert!(newest.len() == 3 && newest.iter().all(|head| head.starts_with("ALTER TABLE orders")), "{newest:?}");
    store.close().await.unwrap();
}

/// Each goes by itself, as if nobody took turns: what the one has taken the other neither takes nor undoes.
async fn retain(store: &Store) -> u64 {
    let (mut removed, sealer) = (0, Sealer::default());
    loop {
        let Ok(aged) = store.aged(i64::MAX).await else { continue };
        let mut left = false;
        for chain in aged.iter().filter(|chain| chain.number == 1) {
            match store.expire(chain, i64::MAX, &sealer).await {
                Ok(0) => {}
                Ok(gone) => (removed, left) = (removed + gone, true),
                Err(_) => left = true,
            }
        }
        if !left && store.aged(i64::MAX).await.is_ok_and(|aged| aged.iter().all(|chain| chain.number != 1)) {
            return removed;
        }
    }
}

async fn intact(store: &Store) {
    let mut verifier = Verifier::new(&[], &[]);
    store.pin().await.unwrap();
    store.anchors().await.unwrap().iter().for_each(|line| verifier.anchor(line));
    for (number, writer) in store.writers().await.unwrap() {
        verifier.begin(Writer { writer, number });
        let entries = store.entries(DecisionId { writer: number, seq: 0 }, 100_000).await.unwrap();
        let page: Vec<_> = entries.into_iter().map(|entry| (entry.clone(), verifier.entry(&entry))).collect();
        store.differences(number, page).await.unwrap().into_iter().for_each(|(seq, what)| verifier.differs(seq, what));
    }
    let verdict = verifier.finish();
    assert_eq!(verdict.findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_take_away_at_once_goes_once() {
    for cluster in clusters() {
        for broken in [false, true] {
            let (database, place) = place(cluster).await;
            let direct = cluster.connect(&database).await;
            let dead = open(&place).await.unwrap();
            let told: Vec<_> = (0..1_500)
                .map(|number| {
                    let store = dead.clone();
                    tokio::spawn(async move {
                        let id = store.record(record(&format!("s{number}"))).await.unwrap();
                        store.outcome(id, Outcome { tag: Some("CREATE TABLE".into()), ..Outcome::default() }).await.unwrap();
                    })
                })
                .collect();
            for told in told {
                told.await.unwrap();
            }
            dead.close().await.unwrap();
            direct.batch_execute("UPDATE pgairlock.writers SET seen_at = 0").await.unwrap();
            let stores = [open(&place).await.unwrap(), open(&place).await.unwrap()];
            let retaining: Vec<_> = stores.iter().cloned().map(|store| tokio::spawn(async move { retain(&store).await })).collect();
            let entries = "SELECT count(*)::text FROM pgairlock.entries WHERE id < 2::bigint << 40";
            let mut left = 3_001;
            while !retaining.iter().all(tokio::task::JoinHandle::is_finished) {
                let now: i64 = direct.value(entries).await.parse().unwrap();
                if broken && now < left {
                    left = now;
                    let end = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
                               WHERE application_name = 'pgairlock store' AND datname = current_database()";
                    direct.value(end).await;
                }
                if !broken {
                    intact(&open(&place).await.unwrap()).await;
                }
            }
            let mut removed = 0;
            for retaining in retaining {
                removed += retaining.await.unwrap();
            }
            assert!(broken || removed == 3_001, "{removed}");
            assert_eq!((direct.value(entries).await, direct.value("SELECT count(*)::text FROM pgairlock.decisions").await), ("0".into(), "0".into()));
            assert_eq!(direct.value("SELECT string_agg(seq::text, ' ') FROM pgairlock.anchors").await, "3001");
            intact(&open(&place).await.unwrap()).await;
        }
    }
}

/// Who reads at one moment is told where that is lost, and not shown another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_is_lost_is_not_another_one() {
    for cluster in clusters() {
        let (database, place) = place(cluster).await;
        let (store, looking) = (open(&place).await.unwrap(), open(&place).await.unwrap());
        let id = store.record(record("a")).await.unwrap();
        looking.pin().await.unwrap();
        store.record(record("b")).await.unwrap();
        let behind = DecisionId { seq: 0, ..id };
        assert_eq!((looking.entries(behind, 9).await.unwrap().len(), store.entries(behind, 9).await.unwrap().len()), (2, 3));
        let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                   WHERE application_name = 'pgairlock store' AND datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()";
        let direct = cluster.connect(&database).await;
        assert_eq!(direct.column(end).await, ["true"]);
        for _ in 0..2 {
            assert!(matches!(looking.entries(behind, 9).await, Err(StoreError::Lost(_))));
        }
    }
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
