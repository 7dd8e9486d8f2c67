//! A migration through the proxy comes to the same as without it.
//!
//! Schemas with rows and migrations of them are made up from a seed, and run on both sides in every shape in which tools send them. What
//! differs is made as small as it gets and printed as SQL; put into `tests/equality/cases` it is run first from then on.
//!
//! `PGAIRLOCK_EQUALITY_CASES` says how many (`make equality`), `PGAIRLOCK_EQUALITY_SEED` the first seed: each case has its own, one after the
//! other, so that one alone can be run again. `PGAIRLOCK_EQUALITY_ONLY` is a word of the names that are wanted, of kept cases too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "equality/case.rs"]
mod case;
#[path = "equality/generate/mod.rs"]
mod generate;
#[path = "equality/lane.rs"]
mod lane;
#[path = "equality/random.rs"]
mod random;
#[path = "equality/shape.rs"]
mod shape;
#[path = "equality/shrink.rs"]
mod shrink;
#[path = "equality/tally.rs"]
mod tally;
#[path = "equality/verdict.rs"]
mod verdict;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use case::Case;
use lane::Lane;
use shape::{SHAPES, Shape};
use support::{Cluster, clusters, root};
use tally::Tally;
use tokio::runtime::Runtime;
use verdict::{Known, judge};

/// Cases at a time, each with two databases.
const AT_ONCE: usize = 2;
/// After so many differences there is enough to look at.
const ENOUGH: usize = 10;

#[test]
fn a_migration_comes_to_the_same_as_without_the_proxy() {
    for cluster in clusters() {
        let cases = cases();
        let (count, begun) = (cases.len(), Instant::now());
        Runtime::new().unwrap().block_on(lane::roles(cluster));
        let (tally, different) = run(cluster, cases);
        eprintln!("PostgreSQL {}: {count} cases in {} s, {tally}", cluster.version, begun.elapsed().as_secs());
        assert!(different.is_empty(), "{} cases differ on {}:\n\n{}", different.len(), cluster.version, different.join("\n\n"));
        assert!(tally.says_something(), "too few statements are made safe: {tally}");
    }
}

/// Those that once differed, and new ones.
fn cases() -> Vec<Case> {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")));
    let (first, count) = (number("PGAIRLOCK_EQUALITY_SEED", 1), number("PGAIRLOCK_EQUALITY_CASES", 8));
    let mut cases = kept();
    cases.extend((first..first + count).map(generate::case));
    if let Ok(only) = std::env::var("PGAIRLOCK_EQUALITY_ONLY") {
        cases.retain(|case| case.name.contains(&only));
    }
    cases
}

fn kept() -> Vec<Case> {
    let directory = root().join("tests/equality/cases");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| Case::parse(&name(path), &std::fs::read_to_string(path).unwrap())).collect()
}

/// What was counted, and what differs.
fn run(cluster: &Cluster, cases: Vec<Case>) -> (Tally, Vec<String>) {
    let waiting = Mutex::new(VecDeque::from(cases));
    let (tally, different) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let next = || if different.lock().unwrap().len() < ENOUGH { waiting.lock().unwrap().pop_front() } else { None };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let runtime = Runtime::new().unwrap();
                let lane = runtime.block_on(Lane::on(cluster));
                while let Some(case) = next() {
                    let (counted, found) = every_shape(&runtime, &lane, &case);
                    *tally.lock().unwrap() += counted;
                    found.iter().for_each(|found| eprintln!("{found}\n"));
                    different.lock().unwrap().extend(found);
                }
            });
        }
    });
    (tally.into_inner().unwrap(), different.into_inner().unwrap())
}

/// A case in every shape, up to the first that differs.
fn every_shape(runtime: &Runtime, lane: &Lane, case: &Case) -> (Tally, Option<String>) {
    let (mut tally, mut known) = (Tally::default(), Known::new());
    for shape in SHAPES {
        let (counted, result) = judged(runtime, lane, case, shape, &mut known);
        tally += counted;
        if result.is_err() {
            let differs = async |case: &Case| differs(lane, case, shape).await;
            let least = runtime.block_on(shrink::shrink(case, differs));
            let (_, again) = judged(runtime, lane, &least, shape, &mut Known::new());
            let why = again.and(result).unwrap_err();
            return (tally, Some(format!("-- {shape:?}\n{least}{}", commented(&why))));
        }
    }
    (tally, None)
}

/// A panic in it is this case's failure, not that of all.
fn judged(runtime: &Runtime, lane: &Lane, case: &Case, shape: Shape, known: &mut Known) -> (Tally, Result<(), String>) {
    let judging = AssertUnwindSafe(|| runtime.block_on(judge(lane, case, shape, known)));
    catch_unwind(judging).unwrap_or_else(|_| (Tally::default(), Err("a panic, see above".to_owned())))
}

/// A schema that fails by itself is no case.
async fn differs(lane: &Lane, case: &Case, shape: Shape) -> bool {
    let (_, result) = judge(lane, case, shape, &mut Known::new()).await;
    result.is_err_and(|why| !why.starts_with("the schema itself fails"))
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("-- {line}\n")).collect()
}
