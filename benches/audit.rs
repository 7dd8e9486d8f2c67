//! `make audit-bench`: what a durable decision costs beside a bare fsync of as many bytes on the same disk, and how long it takes to find something among
//! a million records. Prints, and compares with what is promised; no test, since it measures time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "a benchmark may fail")]

#[path = "support/records.rs"]
mod records;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use pgairlock::audit::listed::Search;
use pgairlock::config::settings::StorePlace;
use pgairlock::store::{Place, Store};
use records::{AT_ONCE, ROLES, RULES, TABLES, Times, fill, record};

/// Writes that are timed, and fsyncs beside them in turn.
const WRITES: usize = 2_000;
/// So many of the one, then as many of the other.
const TURN: usize = 100;
/// Questions of each kind.
const QUESTIONS: usize = 200;
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
