//! `make audit-bench`: what a durable decision costs beside a bare fsync of as many bytes on the same disk, and how long it takes to find something among
//! a million records. Prints, and compares with what is promised; no test, since it measures time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "a benchmark may fail")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use pgairlock::audit::event::{Attribution, Direction, Event, Migration};
use pgairlock::audit::listed::Search;
use pgairlock::audit::record::{DecisionId, Outcome, Record, RecordedFact, RecordedFinding};
use pgairlock::config::settings::StorePlace;
use pgairlock::store::{Place, Store};

/// Writes that are timed, and fsyncs beside them in turn.
const WRITES: usize = 2_000;
/// So many of the one, then as many of the other.
const TURN: usize = 100;
/// Questions of each kind.
const QUESTIONS: usize = 200;
/// Writes on their way at once while the store is filled.
const AT_ONCE: usize = 2_000;
/// A durable write over a bare fsync, at most.
const MOST: f64 = 1.5;

#[tokio::main]
async fn main() {
    // cargo bench passes its own flags.
    let records: usize = std::env::var("RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let directory = tempfile::Builder::new().prefix("audit-bench").tempdir_in(std::env::var("CARGO_TARGET_DIR").unwrap_or("target".into())).unwrap();
    let place = match std::env::var("PGAIRLOCK_STORE") {
        Ok(url) => StorePlace::read(Path::new(&url)).unwrap(),
        Err(_) => StorePlace::File(directory.path().join("store.db")),
    };
    let is_file = matches!(place, StorePlace::File(_));
    let place = Place::read(&place).unwrap();
    let store = Store::open(&place).unwrap();
    println!("{}", if is_file { "SQLite file" } else { "PostgreSQL" });

    let ratio = durable(&store, directory.path()).await;
    fill(&store, records).await;
    let again = durable(&store, directory.path()).await;
    find(&store).await;
    if is_file {
        let worst = ratio.max(again);
        assert!(worst <= MOST, "a durable decision takes {worst:.2} times a bare fsync, more than {MOST}");
    }
}

/// By turns, so that a busy disk is as busy for both; some of each at a time, since the journal of a file system makes who comes first after the other pay
/// for both. The ratio of the medians.
async fn durable(store: &Store, directory: &Path) -> f64 {
    let bytes = vec![b'x'; serde_json::to_vec(&record(0)).unwrap().len()];
    let mut file = OpenOptions::new().create(true).append(true).open(directory.join("bare")).unwrap();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for turn in 0..WRITES / TURN {
        for _ in 0..TURN {
            bare.push(timed(|| append(&mut file, &bytes)));
        }
        for number in turn * TURN..(turn + 1) * TURN {
            let begun = Instant::now();
            store.record(record(number)).await.unwrap();
            ours.push(begun.elapsed());
        }
    }
    let (bare, ours) = (Times::of(bare), Times::of(ours));
    let ratio = ours.median.as_secs_f64() / bare.median.as_secs_f64();
    println!("  a durable decision {ours}; a bare fsync of {} bytes {bare}; ratio of the medians {ratio:.2}", bytes.len());
    ratio
}

fn append(file: &mut File, bytes: &[u8]) {
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// As sessions at once would: each decision, its outcome, and for most of them a migration.
async fn fill(store: &Store, records: usize) {
    let begun = Instant::now();
    let mut done = 0;
    while done < records {
        let many = AT_ONCE.min(records - done);
        let tasks: Vec<_> = (done..done + many).map(|number| tokio::spawn(one(store.clone(), number))).collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap());
        }
        for (number, decisions) in ids.chunks(10).enumerate().filter(|(number, _)| number % 10 != 0) {
            store.event(Event::Attribution(attribution(done + number, decisions))).await.unwrap();
        }
        done += many;
    }
    let took = begun.elapsed();
    println!("  {records} records with their outcomes written in {:.0} s", took.as_secs_f64());
}

async fn one(store: Store, number: usize) -> DecisionId {
    let id = store.record(record(number)).await.unwrap();
    let outcome = Outcome { tag: Some("ALTER TABLE".into()), duration_micros: 1_500, ..Outcome::default() };
    store.outcome(id, outcome).await.unwrap();
    id
}

async fn find(store: &Store) {
    type Question = fn(usize) -> Search;
    let questions: [(&str, Question); 9] = [
        ("newest", |_| Search::default()),
        ("by rule", |n| Search { rule: Some(RULES[n % RULES.len()].into()), ..Search::default() }),
        ("by table", |n| Search { table: Some(format!("public.table_{}", n * 37 % TABLES)), ..Search::default() }),
        ("by role", |n| Search { role: Some(format!("team_{}", n % ROLES)), ..Search::default() }),
        ("by decision and role", |n| Search { decision: Some("refuse".into()), role: Some(format!("team_{}", n % ROLES)), ..Search::default() }),
        ("by migration", |n| Search { version: Some(format!("2026{:06}", n % 50 * AT_ONCE + ((n % 200) | 1))), ..Search::default() }),
        ("a rare word", |n| Search { words: Some(format!("column_{}", n * 4_999)), ..Search::default() }),
        ("a common word", |_| Search { words: Some("alter".into()), ..Search::default() }),
        ("two words and a table", |n| Search {
            words: Some("add column".into()),
            table: Some(format!("public.table_{}", n * 37 % TABLES)),
            ..Search::default()
        }),
    ];
    for (name, question) in questions {
        let mut times = Vec::new();
        let mut found = 0;
        for number in 0..QUESTIONS {
            let search = Search { most: 50, ..question(number) };
            let begun = Instant::now();
            found += store.search(search).await.unwrap().len();
            times.push(begun.elapsed());
        }
        println!("  {name:22} {} ({} found each)", Times::of(times), found / QUESTIONS);
    }
    let newest = store.search(Search { most: u32::try_from(QUESTIONS).unwrap(), ..Search::default() }).await.unwrap();
    let mut times = Vec::new();
    for listed in &newest {
        let begun = Instant::now();
        store.story(listed.id).await.unwrap().unwrap();
        times.push(begun.elapsed());
    }
    println!("  {:22} {}", "show", Times::of(times));
}

const RULES: [&str; 8] =
    ["create-index-blocking", "drop-column", "rename-column", "add-foreign-key", "set-not-null", "change-type", "drop-table", "unbatched-write"];
const TABLES: usize = 5_000;
const ROLES: usize = 40;

fn record(number: usize) -> Record {
    let table = format!("public.table_{}", number % TABLES);
    Record {
        session: format!("01985c2e-0000-7000-8000-{:012x}", number / 10),
        transaction: 1,
        listener: "migrations".into(),
        client: "10.0.0.7:50123".into(),
        role: format!("team_{}", number % ROLES),
        database: format!("app_{}", number % 7),
        application_name: Some("alembic".into()),
        sql: format!(
            "ALTER TABLE {table} ADD COLUMN column_{number} bigint NOT NULL DEFAULT 0, ADD CONSTRAINT check_{number} CHECK (column_{number} > 0)"
        ),
        decision: ["pass", "rewrite", "defer", "refuse"][number % 4].into(),
        findings: vec![RecordedFinding {
            rule: RULES[number % RULES.len()].into(),
            relation: Some(table.clone()),
            verdict: "enforced".into(),
            certainty: "proven".into(),
            lock: Some("AccessExclusive".into()),
            work: "scan".into(),
            bytes: Some(54_000_000),
            estimate: None,
            message: format!("reads all of {table} while nobody may write to it"),
        }],
        steps: vec![format!("ALTER TABLE {table} ADD CONSTRAINT check_{number} CHECK (column_{number} > 0) NOT VALID")],
        in_transaction: true,
        commit_is_announced: true,
        facts: vec![RecordedFact { relation: table, oid: 16_400, kind: 'r', bytes: Some(54_000_000), rows: Some(1_000_000), file: Some(16_400) }],
        former: vec![],
        tool_guess: None,
        server_version: 150_000,
        approval: None,
        tls: None,
        mark: None,
    }
}

fn attribution(number: usize, decisions: &[DecisionId]) -> Attribution {
    Attribution {
        session: "s".into(),
        database: "app_1".into(),
        role: "team_1".into(),
        migration: Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: format!("2026{number:06}"),
            name: Some("add a column".into()),
            direction: Direction::Up,
            from: None,
            to: None,
        },
        decisions: decisions.to_vec(),
        unfinished: false,
    }
}

struct Times {
    median: Duration,
    p95: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        Self { median: at(50), p95: at(95) }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(f, "median {:.3} ms, p95 {:.3} ms", millis(self.median), millis(self.p95))
    }
}
