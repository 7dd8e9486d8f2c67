//! How long work on a table takes, and what room it needs, from what the catalog says of the table.
//!
//! The time of a row was measured on one machine with everything in memory (docs/estimates.md says how, and how far off it comes out elsewhere); what
//! the server itself needs for two small tasks scales it. All of it is integers: nanoseconds, bytes, rows.

use std::time::Duration;

use super::facts::{ColumnFacts, RelationFacts};

/// Reading a row and looking at it (CHECK, NOT NULL), in nanoseconds. These and the following: docs/estimates.md, the reference machine, PostgreSQL 15.
const SCAN_ROW: u64 = 40;
/// Reading from the operating system's cache, in nanoseconds for a GiB (what fits into shared_buffers takes a quarter).
const SCAN_GIB: u64 = 270_000_000;
/// Finding the row that a foreign key refers to, besides the scan.
const FOREIGN_KEY_ROW: u64 = 350;
/// Sorting a row into a B-tree, besides the scan: by a number in no order.
const NUMBER_ROW: u64 = 600;
/// By the number that is the primary key: mostly rows come in its order.
const ORDERED_ROW: u64 = 230;
/// By a uuid.
const UUID_ROW: u64 = 620;
/// By a text of 32 bytes, or by what is not known better.
const TEXT_ROW: u64 = 760;
/// For each further column of the key.
const FURTHER_COLUMN_ROW: u64 = 60;
/// Writing a row anew, besides the scan and the indexes.
const REWRITE_ROW: u64 = 540;
/// The same for a GiB of the table, WAL included.
const REWRITE_GIB: u64 = 2_500_000_000;
/// A concurrent build against a plain one, in percent: 140 to 175 measured, and what it waits for is not in it.
const CONCURRENTLY: u64 = 160;
/// Tables that such a formula had not seen took 0.9 to 1.6 times as long, and 2.9 times just after a bulk load.
const UPPER_BOUND: u64 = 3;

/// Up to so many rows (2^20) a sort takes the time above for each; beyond, as much longer as its logarithm is.
const SORTED_LOG: u64 = 20;

/// The header of a row in its page, and the pointer to it.
const ROW_HEADER: u64 = 28;
/// The same in an index.
const ENTRY_HEADER: u64 = 12;
/// PostgreSQL's own guess at a value of unknown width (`get_typavgwidth`).
const UNKNOWN_WIDTH: u64 = 32;
/// What is indexed is mostly shorter than what stands beside it.
const MOST_KEY_WIDTH: u64 = 64;
/// Longer values are kept out of line.
const MOST_WIDTH: u64 = 2_000;
const GIB: u64 = 1 << 30;

/// What a server needs for two small tasks: [`QUESTION`] asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// For counting computed rows, in microseconds.
    pub counting: u64,
    /// For sorting computed numbers, in microseconds.
    pub sorting: u64,
}

/// Where the times above were measured.
pub const REFERENCE: Speed = Speed { counting: 620, sorting: 1_750 };

/// No server is taken for more than so many times slower than the reference, or a tenth of it: then something else was measured.
const MOST_TIMES: u64 = 20;

/// Counts, and sorts, ten thousand computed numbers eight times, in some 20 ms: answered by the least that each took, in microseconds. The least, since a
/// machine that is busy with something else interrupts some of them.
pub const QUESTION: &str = include_str!("sql/speed.sql");

impl Speed {
    /// From the answer to [`QUESTION`].
    #[must_use]
    pub fn read(answer: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Measured {
            counting: u64,
            sorting: u64,
        }
        let measured: Measured = serde_json::from_str(answer).ok()?;
        (measured.counting > 0 && measured.sorting > 0).then_some(Self { counting: measured.counting, sorting: measured.sorting })
    }
}

/// What is done with a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Each is looked at.
    Scan,
    /// For each another is looked up.
    ForeignKey,
    /// Each goes into these indexes.
    Build(Vec<Key>),
    /// Each is written anew, and goes into these indexes.
    Rewrite(Vec<Key>),
}

/// The key of a B-tree, as far as its time and room depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Nanoseconds that an entry is sorted.
    nanos: u64,
    /// Bytes of an entry.
    entry: u64,
}

/// How much there is to be worked on, partitions and children included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Rows.
    pub rows: u64,
    /// Bytes of the rows.
    pub heap: u64,
    /// With what is kept out of line.
    pub bytes: u64,
}

/// How long something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Most likely.
    pub likely: Duration,
    /// With what made the formula wrong where it was tried; waits for locks and for old transactions come on top.
    pub at_most: Duration,
}

/// What work on a table will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The statement as it is written.
    pub takes: Span,
    /// What runs in its place, where that is known.
    pub safe: Option<Span>,
    /// Rows that it goes through.
    pub rows: u64,
    /// Bytes that it needs beside what there is already; the files that a sort may spill to come on top, for as long as it runs.
    pub disk_bytes: u64,
    /// Bytes of WAL that it writes.
    pub wal_bytes: u64,
    /// The server's own speed was measured; otherwise that of the reference is assumed.
    pub calibrated: bool,
}

/// How a safe form does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the statement, under a weaker lock.
    Same,
    /// An index CONCURRENTLY.
    Concurrently,
}

/// What a job on so many rows takes, and what its safe form does.
#[must_use]
pub fn estimate(job: &Job, extent: Extent, safe: Option<Form>, speed: Option<Speed>) -> Estimate {
    let measured = speed.unwrap_or(REFERENCE);
    let (rows, keys) = (extent.rows, job.keys());
    let reading = rows.saturating_mul(job.row()).saturating_add(of_gib(extent.heap, SCAN_GIB)).saturating_add(match job {
        Job::Rewrite(_) => of_gib(extent.bytes, REWRITE_GIB),
        Job::Scan | Job::ForeignKey | Job::Build(_) => 0,
    });
    let sorting = keys.iter().map(|key| sorting(rows, key.nanos)).fold(0, u64::saturating_add);
    // Each index but the first reads the table once more.
    let again = u64::try_from(keys.len()).unwrap_or(u64::MAX).saturating_sub(u64::from(matches!(job, Job::Build(_))));
    let again = again.saturating_mul(rows.saturating_mul(SCAN_ROW).saturating_add(of_gib(extent.heap, SCAN_GIB)));
    let nanos = scaled(reading.saturating_add(again), measured.counting, REFERENCE.counting).saturating_add(scaled(
        sorting,
        measured.sorting,
        REFERENCE.sorting,
    ));
    let indexes = keys.iter().map(|key| key.bytes(rows)).fold(0, u64::saturating_add);
    let disk_bytes = if matches!(job, Job::Rewrite(_)) { extent.bytes.saturating_add(indexes) } else { indexes };
    Estimate {
        takes: Span::of(nanos),
        safe: safe.map(|form| Span::of(if form == Form::Concurrently { nanos.saturating_mul(CONCURRENTLY) / 100 } else { nanos })),
        rows,
        disk_bytes,
        // All that is written anew is logged.
        wal_bytes: disk_bytes,
        calibrated: speed.is_some(),
    }
}

impl Job {
    fn keys(&self) -> &[Key] {
        match self {
            Self::Scan | Self::ForeignKey => &[],
            Self::Build(keys) | Self::Rewrite(keys) => keys,
        }
    }

    /// Nanoseconds for a row, indexes aside.
    fn row(&self) -> u64 {
        match self {
            Self::Scan | Self::Build(_) => SCAN_ROW,
            Self::ForeignKey => SCAN_ROW + FOREIGN_KEY_ROW,
            Self::Rewrite(_) => SCAN_ROW + REWRITE_ROW,
        }
    }
}

impl Span {
    fn of(nanos: u64) -> Self {
        Self { likely: Duration::from_nanos(nanos), at_most: Duration::from_nanos(nanos.saturating_mul(UPPER_BOUND)) }
    }
}

fn of_gib(bytes: u64, nanos: u64) -> u64 {
    narrow(u128::from(bytes) * u128::from(nanos) / u128::from(GIB))
}

/// `n log n` where there is more than the times were measured with.
fn sorting(rows: u64, nanos: u64) -> u64 {
    let log = u64::from(rows.max(1).ilog2()).max(SORTED_LOG);
    narrow(u128::from(rows) * u128::from(nanos) * u128::from(log) / u128::from(SORTED_LOG))
}

fn scaled(nanos: u64, measured: u64, reference: u64) -> u64 {
    let measured = measured.clamp(reference / 10, reference.saturating_mul(MOST_TIMES));
    narrow(u128::from(nanos) * u128::from(measured) / u128::from(reference))
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Extent {
    /// Of a table; of an index that of its table. None where its size is not known, or nothing says how many rows that is.
    #[must_use]
    pub fn of(facts: &RelationFacts) -> Option<Self> {
        let (volume, bytes) = (facts.volume?, facts.bytes?);
        if volume.uncounted > 0 && facts.index.is_some() {
            return None;
        }
        // Never analyzed: as long as its columns are, PostgreSQL's planner would say.
        let guessed = volume.uncounted / width_by_types(&facts.columns).max(1);
        Some(Self { rows: volume.rows.saturating_add(guessed), heap: volume.heap, bytes })
    }
}

fn width_by_types(columns: &[ColumnFacts]) -> u64 {
    columns.iter().map(|column| fixed_width(column).unwrap_or_else(|| unknown_width(column))).sum::<u64>() + ROW_HEADER
}

fn fixed_width(column: &ColumnFacts) -> Option<u64> {
    u64::try_from(column.length).ok()
}

/// As `get_typavgwidth`: what may be no longer than so much is taken for that long.
fn unknown_width(column: &ColumnFacts) -> u64 {
    const BPCHAR: u32 = 1042;
    const VARCHAR: u32 = 1043;
    let limit = u64::try_from(column.base_modifier.saturating_sub(4)).ok().filter(|_| [BPCHAR, VARCHAR].contains(&column.base_oid));
    match limit {
        Some(limit) if column.base_oid == BPCHAR || limit <= UNKNOWN_WIDTH => limit.min(MOST_WIDTH),
        _ => UNKNOWN_WIDTH,
    }
}

impl Key {
    /// Of what is not known: an expression.
    pub const UNKNOWN: Self = Self { nanos: TEXT_ROW, entry: ENTRY_HEADER + UNKNOWN_WIDTH };

    /// Of these columns, those of INCLUDE at the end, of a table of that extent. None where the table has one of them not.
    #[must_use]
    pub fn of<'a>(facts: &RelationFacts, extent: Extent, columns: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        let columns = columns.into_iter().map(|name| facts.column(name)).collect::<Option<Vec<_>>>()?;
        let width = columns.iter().map(|column| fixed_width(column).unwrap_or_else(|| varying_width(facts, extent, column))).sum::<u64>();
        let key = Self::new(columns.iter().map(|column| column.base_oid), width);
        Some(if is_in_order(facts, &columns) { Self { nanos: ORDERED_ROW, ..key } } else { key })
    }

    /// Of one column that is still to come, of this type.
    #[must_use]
    pub fn of_type(base_oid: u32) -> Self {
        Self::new([base_oid], UNKNOWN_WIDTH)
    }

    fn new(types: impl IntoIterator<Item = u32>, width: u64) -> Self {
        let rows: Vec<u64> = types.into_iter().map(sorted_row).collect();
        let further = u64::try_from(rows.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let nanos = rows.into_iter().max().unwrap_or(TEXT_ROW).saturating_add(further.saturating_mul(FURTHER_COLUMN_ROW));
        Self { nanos, entry: ENTRY_HEADER + width.next_multiple_of(8) }
    }

    /// Pages are filled to nine tenths.
    fn bytes(self, rows: u64) -> u64 {
        narrow(u128::from(rows) * u128::from(self.entry) * 10 / 9)
    }
}

/// What a row takes beside its fixed columns, in equal parts.
fn varying_width(facts: &RelationFacts, extent: Extent, column: &ColumnFacts) -> u64 {
    let counted = facts.index.is_none() && facts.volume.is_some_and(|volume| volume.uncounted == 0) && extent.rows > 0;
    if !counted {
        return unknown_width(column);
    }
    let fixed: u64 = facts.columns.iter().filter_map(fixed_width).sum();
    let varying = facts.columns.iter().filter(|column| fixed_width(column).is_none()).count();
    let left = (extent.heap / extent.rows).saturating_sub(ROW_HEADER + fixed);
    let part = left / u64::try_from(varying.max(1)).unwrap_or(u64::MAX);
    let limit = u64::try_from(column.base_modifier).ok().filter(|modifier| *modifier > 4);
    part.clamp(1, limit.unwrap_or(MOST_KEY_WIDTH).min(MOST_KEY_WIDTH))
}

/// It is the primary key, and a number.
fn is_in_order(facts: &RelationFacts, columns: &[&ColumnFacts]) -> bool {
    let [column] = columns else { return false };
    let is_key = facts.constraints.iter().any(|key| key.kind == 'p' && key.columns == [&*column.name]);
    is_key && NUMBERS.contains(&column.base_oid)
}

/// bool, "char", int8, int2, int4, oid, float4, float8, date, timestamp, timestamptz: compared in one instruction.
const NUMBERS: &[u32] = &[16, 18, 20, 21, 23, 26, 700, 701, 1082, 1114, 1184];

fn sorted_row(base_oid: u32) -> u64 {
    const UUID: u32 = 2950;
    match base_oid {
        UUID => UUID_ROW,
        number if NUMBERS.contains(&number) => NUMBER_ROW,
        _ => TEXT_ROW,
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
