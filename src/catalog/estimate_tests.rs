use std::time::Duration;

use super::super::facts::{RelationFacts, Volume};
use super::super::testing::{column, table};
use super::{Extent, Form, Job, Key, REFERENCE, Speed, estimate};

/// A million rows of 108 bytes.
const MILLION: Extent = Extent { rows: 1_000_000, heap: 108_000_000, bytes: 108_000_000 };

fn likely(job: &Job, extent: Extent, speed: Option<Speed>) -> u128 {
    estimate(job, extent, None, speed).takes.likely.as_millis()
}

fn analyzed(rows: u64, heap: u64) -> RelationFacts {
    RelationFacts { volume: Some(Volume { heap, rows, uncounted: 0 }), ..table("public", "t", heap) }
}

fn key(facts: &RelationFacts, columns: &[&str]) -> Key {
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    Key::of(facts, Extent::of(facts).unwrap(), &columns).unwrap()
}

#[test]
fn the_formula_is_the_measured_one() {
    // 40 ns a row and 270 ms a GiB, and so on.
    assert_eq!(likely(&Job::Scan, MILLION, None), 67);
    assert_eq!(likely(&Job::ForeignKey, MILLION, None), 417);
    let facts = analyzed(1_000_000, 108_000_000);
    assert_eq!(likely(&Job::Build(vec![key(&facts, &["a"])]), MILLION, None), 667);
    assert_eq!(likely(&Job::Build(vec![key(&facts, &["id"])]), MILLION, None), 297, "in the order of the rows");
    assert_eq!(likely(&Job::Build(vec![key(&facts, &["b"])]), MILLION, None), 827);
    assert_eq!(likely(&Job::Rewrite(vec![key(&facts, &["id"])]), MILLION, None), 1_155);
}

#[test]
fn three_times_as_long_is_the_most_and_concurrently_takes_longer() {
    let build = estimate(&Job::Build(vec![Key::UNKNOWN]), MILLION, Some(Form::Concurrently), None);
    assert_eq!(build.takes.at_most, build.takes.likely * 3);
    assert_eq!(build.safe.unwrap().likely.as_millis(), build.takes.likely.as_millis() * 160 / 100);
    let scan = estimate(&Job::Scan, MILLION, Some(Form::Same), None);
    assert_eq!(scan.safe, Some(scan.takes));
}

#[test]
fn a_slower_server_takes_longer_and_nonsense_is_bounded() {
    let twice = Speed { counting: REFERENCE.counting * 2, sorting: REFERENCE.sorting * 2 };
    assert_eq!(likely(&Job::Scan, MILLION, Some(twice)), 2 * likely(&Job::Scan, MILLION, None));
    assert!(estimate(&Job::Scan, MILLION, None, Some(twice)).calibrated && !estimate(&Job::Scan, MILLION, None, None).calibrated);
    let stopped = Speed { counting: u64::MAX, sorting: u64::MAX };
    assert!(likely(&Job::Scan, MILLION, Some(stopped)) <= 20 * 68);
    let sorting = Speed { counting: REFERENCE.counting, sorting: REFERENCE.sorting * 3 };
    assert_eq!(likely(&Job::Scan, MILLION, Some(sorting)), likely(&Job::Scan, MILLION, None), "nothing is sorted");
}

#[test]
fn what_is_absurdly_large_saturates() {
    let most = Extent { rows: u64::MAX, heap: u64::MAX, bytes: u64::MAX };
    let told = estimate(&Job::Rewrite(vec![Key::UNKNOWN; 3]), most, Some(Form::Concurrently), None);
    assert!(told.takes.at_most >= told.takes.likely && told.disk_bytes == u64::MAX && told.takes.likely > Duration::from_secs(1 << 30));
    assert_eq!(likely(&Job::Build(Vec::new()), Extent { rows: 0, heap: 0, bytes: 0 }, None), 0);
}

#[test]
fn more_rows_than_were_measured_sort_longer_each() {
    let of = |rows: u64| likely(&Job::Build(vec![Key::UNKNOWN]), Extent { rows, heap: 0, bytes: 0 }, None);
    assert!(of(1 << 26) > 75 * of(1 << 20) && of(1 << 26) < 90 * of(1 << 20), "{} {}", of(1 << 26), of(1 << 20));
}

#[test]
fn an_index_has_its_entries_on_pages_filled_to_nine_tenths() {
    let facts = analyzed(1_000_000, 108_000_000);
    let disk = |columns: &[&str]| estimate(&Job::Build(vec![key(&facts, columns)]), MILLION, None, None).disk_bytes;
    assert_eq!(disk(&["id"]), 1_000_000 * 20 * 10 / 9, "PostgreSQL: 22.5 bytes a row");
    assert_eq!(disk(&["a"]), disk(&["id"]), "aligned to 8");
    assert_eq!(disk(&["id", "ts"]), 1_000_000 * 28 * 10 / 9);
    // 108 less header, id, a, ts: 60, of which varchar(50) can fill 54.
    assert_eq!(disk(&["b"]), 1_000_000 * (12 + 56) * 10 / 9);
    let rewrite = estimate(&Job::Rewrite(vec![key(&facts, &["id"])]), MILLION, None, None);
    assert_eq!((rewrite.disk_bytes, rewrite.wal_bytes), (108_000_000 + disk(&["id"]), rewrite.disk_bytes));
}

#[test]
fn rows_come_from_statistics_or_from_the_types() {
    assert_eq!(Extent::of(&analyzed(1_000_000, 108_000_000)).unwrap().rows, 1_000_000);
    let never = |heap| RelationFacts { volume: Some(Volume { heap, rows: 0, uncounted: heap }), ..table("public", "t", heap) };
    // id 8, a 4, b varchar(50) 32, ts 8, header 28.
    assert_eq!(Extent::of(&never(80_000_000)).unwrap().rows, 1_000_000);
    let half = RelationFacts { volume: Some(Volume { heap: 160_000_000, rows: 500_000, uncounted: 80_000_000 }), ..never(0) };
    assert_eq!(Extent::of(&half).unwrap().rows, 1_500_000);
    assert_eq!(Extent::of(&table("public", "t", 1)), None, "nothing is known");
    let index = RelationFacts { index: Some(Default::default()), ..never(80_000_000) };
    assert_eq!(Extent::of(&index), None, "the columns of an index say nothing of its table's rows");
}

#[test]
fn a_column_that_is_not_there_has_no_key() {
    let facts = analyzed(1, 8_192);
    assert_eq!(Key::of(&facts, Extent::of(&facts).unwrap(), &["gone".to_owned()]), None);
    assert!(facts.columns.contains(&column("a", 23, -1, "integer")));
}

#[test]
fn what_a_server_measured_is_read() {
    assert_eq!(Speed::read(r#"{"counting" : 900, "sorting" : 16000}"#), Some(Speed { counting: 900, sorting: 16_000 }));
    for nonsense in ["", "null", "{}", r#"{"counting":0,"sorting":1}"#, r#"{"counting":-1,"sorting":1}"#] {
        assert_eq!(Speed::read(nonsense), None, "{nonsense}");
    }
}
