//! The chains as they stand in the store.

use super::backend::{Backend, Row};
use super::error::StoreError;
use super::plan::{id, key};
use super::search;
use crate::audit::chain::{Digest, Entry, Head};
use crate::audit::event::{Attribution, Event};
use crate::audit::record::DecisionId;

/// So many migrations of before its start a process remembers.
const REMEMBERED: i64 = 10_000;

/// The last entry of every chain that has one.
pub(super) fn heads(backend: &mut dyn Backend) -> Result<Vec<Head>, StoreError> {
    let mut heads = Vec::new();
    for (number, writer) in writers(backend)? {
        let (first, beyond) = (key(DecisionId { writer: number, seq: 0 }), key(DecisionId { writer: number + 1, seq: 0 }));
        let last =
            backend.query("SELECT id, hash FROM entries WHERE id > $1 AND id < $2 ORDER BY id DESC LIMIT 1", &[first.into(), beyond.into()])?;
        if let Some(row) = last.first() {
            heads.push(Head { writer, number, seq: id(row.int(0)).seq, hash: digest(row.bytes(1))? });
        }
    }
    Ok(heads)
}

/// Numbers and names of all chains, in the order in which they began.
pub(super) fn writers(backend: &mut dyn Backend) -> Result<Vec<(i64, String)>, StoreError> {
    let rows = backend.query("SELECT number, writer FROM writers ORDER BY number", &[])?;
    Ok(rows.iter().map(|row| (row.int(0), row.text(1))).collect())
}

/// What stands for entries that retention took, a line each.
pub(super) fn anchors(backend: &mut dyn Backend) -> Result<Vec<String>, StoreError> {
    Ok(backend.query("SELECT body FROM anchors ORDER BY number", &[])?.iter().map(|row| row.text(0)).collect())
}

/// Chains whose last entries have nothing derived: behind which, and up to which, of one moment. Their process has died, or has not come to it. The next
/// entry may be missing, where the store was replaced by a copy of a moment before.
pub(super) fn underived(backend: &mut dyn Backend) -> Result<Vec<(DecisionId, i64)>, StoreError> {
    let rows = backend.query(
        "SELECT number, derived, last FROM
           (SELECT w.number, w.derived, (SELECT max(e.id) FROM entries e WHERE e.id > (w.number << 40) + w.derived AND e.id < (w.number + 1) << 40) AS last
            FROM writers w) chains
         WHERE last IS NOT NULL",
        &[],
    )?;
    Ok(rows.iter().map(|row| (DecisionId { writer: row.int(0), seq: row.int(1) }, id(row.int(2)).seq)).collect())
}

/// The numbers of chains that have entries, whether or not a row says whose they are.
pub(super) fn numbers(backend: &mut dyn Backend) -> Result<Vec<i64>, StoreError> {
    let (mut numbers, mut after) = (Vec::new(), 0);
    loop {
        let rows = backend.query("SELECT min(id) FROM entries WHERE id > $1", &[after.into()])?;
        let Some(first) = rows.first().map(|row| row.int(0)).filter(|first| *first > 0) else { return Ok(numbers) };
        let number = id(first).writer;
        numbers.push(number);
        after = key(DecisionId { writer: number + 1, seq: 0 });
    }
}

/// What earlier processes found out of migrations of tables that keep one version, oldest first.
pub(super) fn attributions(backend: &mut dyn Backend) -> Result<Vec<Attribution>, StoreError> {
    let rows = backend.query(
        "SELECT e.id, e.body FROM (SELECT entry FROM migrations ORDER BY at_unix_micros DESC, entry DESC LIMIT $1) m JOIN entries e ON e.id = m.entry
         ORDER BY e.at_unix_micros, e.id",
        &[REMEMBERED.into()],
    )?;
    let events = rows.iter().map(|row| search::event(id(row.int(0)), &row.text(1)));
    events
        .filter_map(|event| match event {
            Ok(Event::Attribution(attribution)) => Some(Ok(attribution)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// The next entries of one chain.
pub(super) fn page(backend: &mut dyn Backend, after: DecisionId, most: u32) -> Result<Vec<Entry>, StoreError> {
    let beyond = key(DecisionId { writer: after.writer + 1, seq: 0 });
    let rows = backend.query(
        "SELECT id, at_unix_micros, body, hash FROM entries WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
        &[key(after).into(), beyond.into(), i64::from(most).into()],
    )?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry { seq: id(row.int(0)).seq, at_unix_micros: row.int(1), body: row.text(2), hash: digest(row.bytes(3))? })
}

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map(Digest).map_err(|_| StoreError::Corrupt("a hash of the log has not its 32 bytes".into()))
}
