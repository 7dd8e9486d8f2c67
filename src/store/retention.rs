//! Takes away what is old: page by page, each in one short transaction together with the anchor that stands for it, so that a crash leaves nothing that
//! is neither there nor stood for. Whatever another process does meanwhile, an anchor only moves forward, and nothing goes that it does not stand for.

use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;

use super::backend::{Backend, Dialect, Row, Value, Write};
use super::error::StoreError;
use super::plan::{id, key};
use super::search::SILENT;
use super::writer::Request;
use super::{Store, entries, unix_micros};
use crate::audit::anchor::Anchor;
use crate::audit::chain::Entry;
use crate::audit::event::{Event, Retention};
use crate::audit::record::DecisionId;
use crate::audit::retention::{Expiring, Sealer, Step, Unsound};
use crate::audit::signed::Unwritable;

/// So many entries go in one transaction: what a decision that comes meanwhile waits for.
const PAGE: u32 = 500;
/// So many pages of a chain are looked at before they go; what is behind them goes in the next turn.
const PAGES: usize = 1_000;
/// Between two pages the store is left to others for so many times as long as a page took: another process that waits for an SQLite file gets it.
const REST: u32 = 4;
/// And never for less.
const LEAST: Duration = Duration::from_millis(20);
/// A turn that is not renewed for so long, in microseconds, is another's: its process has died.
const TURN: i64 = 60_000_000;

/// A chain whose first entry is old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged {
    /// Its name.
    pub writer: String,
    /// Its short number.
    pub number: i64,
    anchor: Option<String>,
    /// Its last entry, if its process may still live: the next one stands on it, and checkpoints name it.
    head: Option<i64>,
    /// What comes behind is not in the rows yet that would go with it.
    derived: i64,
}

/// Why entries stay that are old.
#[derive(Debug, Error)]
pub enum RetentionError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of this chain nothing goes.
    #[error("chain {number} (writer {writer}) is left as it is: {why}; see what `pgairlock audit verify` says of it")]
    Unsound {
        /// Its name.
        writer: String,
        /// Its short number.
        number: i64,
        /// Why.
        why: Unsound,
    },
    /// The anchor.
    #[error(transparent)]
    Line(#[from] Unwritable),
}

impl Store {
    /// Whether it is for this process now to take away what is old; of several, one does it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn begin_retention(&self) -> Result<bool, StoreError> {
        let now = unix_micros();
        let take = Write::new(
            "INSERT INTO turns (what, writer, until) VALUES ('retention', $1, $2)
             ON CONFLICT (what) DO UPDATE SET writer = excluded.writer, until = excluded.until WHERE turns.writer = excluded.writer OR turns.until < $3",
            [self.name().into(), (now + TURN).into(), now.into()],
        );
        Ok(self.write_apart(vec![take]).await? == [1])
    }

    /// The next may have its turn.
    ///
    /// # Errors
    /// When the store cannot be written; then the turn ends by itself.
    pub async fn end_retention(&self) -> Result<(), StoreError> {
        self.write_apart(vec![self.turn(0)]).await.map(drop)
    }

    /// The chains that begin with an entry of before this time.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn aged(&self, before_unix_micros: i64) -> Result<Vec<Aged>, StoreError> {
        let (name, now) = (self.name().to_owned(), unix_micros());
        self.read(move |backend| aged(backend, &name, before_unix_micros, now)).await
    }

    /// Takes away what is older in this chain, and may go; tells how many entries went. First the log says so.
    ///
    /// # Errors
    /// When nothing of it may go, or the store failed: what is gone by then has its anchor.
    pub async fn expire(&self, chain: &Aged, before_unix_micros: i64, sealer: &Sealer) -> Result<u64, RetentionError> {
        let expiring = self.expiring(chain, before_unix_micros, sealer).await?;
        let announced = Retention { writer: chain.writer.clone(), seq: expiring.last(), hash: expiring.hash(), removed: expiring.going() };
        if announced.removed == 0 {
            return Ok(0);
        }
        self.event(Event::Retention(announced)).await?;
        let (mut earlier, mut removed) = (chain.anchor.clone(), 0);
        for step in expiring.steps() {
            let begun = Instant::now();
            let line = sealer.seal(step.anchor.clone())?;
            match self.remove(earlier.as_deref(), &step, &line).await? {
                Some(gone) => removed += gone,
                // Another process was faster; what is left is for the next turn.
                None => break,
            }
            earlier = Some(line);
            tokio::time::sleep((begun.elapsed() * REST).max(LEAST)).await;
        }
        Ok(removed)
    }

    /// What of a chain may go, in steps. Page by page, so that others are answered in between.
    pub(super) async fn expiring(&self, chain: &Aged, before_unix_micros: i64, sealer: &Sealer) -> Result<Expiring, RetentionError> {
        let unsound = |why| RetentionError::Unsound { writer: chain.writer.clone(), number: chain.number, why };
        let begun = Expiring::begin((&chain.writer, chain.number), chain.anchor.as_deref(), sealer, before_unix_micros, unix_micros());
        let mut expiring = begun.map_err(unsound)?;
        let keep = chain.head.unwrap_or(i64::MAX).min(chain.derived.saturating_add(1));
        for _ in 0..PAGES {
            let after = DecisionId { writer: chain.number, seq: expiring.last() };
            let (page, needed) = self.read(move |backend| page(backend, after, before_unix_micros)).await?;
            if !expiring.page(&page, keep.min(needed)).map_err(unsound)? {
                break;
            }
        }
        Ok(expiring)
    }

    /// One step: how many entries went; none where the anchor is not the one that it was.
    pub(super) async fn remove(&self, earlier: Option<&str>, step: &Step, line: &str) -> Result<Option<u64>, StoreError> {
        let dialect = self.read(|backend| Ok(backend.dialect())).await?;
        let mut writes = vec![moved(earlier, &step.anchor, line)];
        writes.extend(removals(step, dialect));
        writes.push(self.turn(unix_micros() + TURN));
        let changed = self.write_apart(writes).await?;
        let gone = changed.iter().rev().nth(1).copied().unwrap_or_default();
        Ok((changed.first() == Some(&1)).then_some(gone))
    }

    fn turn(&self, until: i64) -> Write {
        Write::new("UPDATE turns SET until = $1 WHERE what = 'retention' AND writer = $2", [until.into(), self.name().into()])
    }

    async fn write_apart(&self, writes: Vec<Write>) -> Result<Vec<u64>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Apart(writes, reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// A process that was neither seen of late nor since the limit is dead: its chain may go as a whole. It could come back all the same, and go on behind
/// the anchor.
fn aged(backend: &mut dyn Backend, name: &str, before: i64, now: i64) -> Result<Vec<Aged>, StoreError> {
    let rows = backend.query(
        "SELECT w.number, w.writer, w.derived, w.seen_at, a.body,
                (SELECT e.at_unix_micros FROM entries e WHERE e.id > (w.number << 40) AND e.id < ((w.number + 1) << 40) ORDER BY e.id LIMIT 1),
                (SELECT e.id FROM entries e WHERE e.id > (w.number << 40) AND e.id < ((w.number + 1) << 40) ORDER BY e.id DESC LIMIT 1)
         FROM writers w LEFT JOIN anchors a ON a.writer = w.writer ORDER BY w.number",
        &[],
    )?;
    let old = rows.iter().filter(|row| matches!(row.0.get(5), Some(Value::Int(first)) if *first < before));
    let chain = |row: &Row| {
        let (writer, seen_at) = (row.text(1), row.int(3));
        let lives = writer == name || seen_at >= before.min(now - SILENT);
        Aged { number: row.int(0), writer, anchor: row.maybe_text(4), head: lives.then(|| id(row.int(6)).seq), derived: row.int(2) }
    };
    Ok(old.map(chain).collect())
}

/// The next entries of a chain, and the first of them that something needs.
fn page(backend: &mut dyn Backend, after: DecisionId, before: i64) -> Result<(Vec<Entry>, i64), StoreError> {
    let page = entries::page(backend, after, PAGE)?;
    let Some(last) = page.last() else { return Ok((page, i64::MAX)) };
    let last = DecisionId { seq: last.seq, ..after };
    let rows = backend.query(NEEDED, &[(key(after) + 1).into(), key(last).into(), before.into(), (unix_micros() - SILENT).into()])?;
    let needed = match rows.first().map(|row| &row.0[..]) {
        Some([Value::Int(needed)]) => id(*needed).seq,
        _ => i64::MAX,
    };
    Ok((page, needed))
}

/// In this order: what an open promise stands on, or an announced COMMIT of which nobody knows what became of it; what something young follows, directly or
/// by its transaction; what is under way; what persons have let through until later.
const NEEDED: &str = "
    SELECT min(id) FROM (
      SELECT a.entry AS id FROM announced a WHERE a.entry BETWEEN $1 AND $2 AND a.state IN ('promised', 'committed')
      UNION ALL
      SELECT f.entry FROM follows f JOIN announced a ON a.entry = f.id WHERE f.entry BETWEEN $1 AND $2 AND a.state IN ('promised', 'committed')
      UNION ALL
      SELECT d.id FROM decisions d JOIN announced a ON a.session = d.session AND a.transaction_number = d.transaction_number
      WHERE d.id BETWEEN $1 AND $2
        AND (a.state IN ('promised', 'committed') OR EXISTS (SELECT 1 FROM entries e WHERE e.id = a.entry AND e.at_unix_micros >= $3)
             OR EXISTS (SELECT 1 FROM follows f JOIN entries e ON e.id = f.entry WHERE f.id = a.entry AND e.at_unix_micros >= $3))
      UNION ALL
      SELECT f.id FROM follows f JOIN entries e ON e.id = f.entry WHERE f.id BETWEEN $1 AND $2 AND e.at_unix_micros >= $3
      UNION ALL
      SELECT d.id FROM decisions d JOIN transactions t ON t.session = d.session AND t.transaction_number = d.transaction_number
      JOIN entries e ON e.id = t.entry WHERE d.id BETWEEN $1 AND $2 AND e.at_unix_micros >= $3
      UNION ALL
      SELECT d.id FROM decisions d
      WHERE d.id BETWEEN $1 AND $2 AND d.fate IS NULL AND (d.shared > 0 OR (d.tag IS NULL AND d.sqlstate IS NULL))
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session = d.session)
        AND EXISTS (SELECT 1 FROM writers w WHERE w.number = (d.id >> 40) AND w.seen_at > $4)
      UNION ALL
      SELECT p.id FROM words p WHERE p.id BETWEEN $1 AND $2 AND p.expires_at >= $3
    ) needed";

/// Puts the anchor in the place of the one that was read; changes nothing where that is another by now.
fn moved(earlier: Option<&str>, anchor: &Anchor, line: &str) -> Write {
    match earlier {
        None => Write::new(
            "INSERT INTO anchors (writer, number, seq, body) VALUES ($1, $2, $3, $4) ON CONFLICT (writer) DO NOTHING",
            [anchor.writer.as_str().into(), anchor.number.into(), anchor.seq.into(), line.into()],
        ),
        Some(earlier) => Write::new(
            "UPDATE anchors SET seq = $1, body = $2 WHERE writer = $3 AND body = $4",
            [anchor.seq.into(), line.into(), anchor.writer.as_str().into(), earlier.into()],
        ),
    }
}

/// Of rows with entries from $1 to $2, as far as the anchor stands for them.
macro_rules! removal {
    ($table:literal, $column:literal, $more:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $column,
            " BETWEEN $1 AND $2 ",
            $more,
            "AND EXISTS (SELECT 1 FROM anchors WHERE anchors.writer = $3 AND anchors.seq >= $4)"
        )
    };
}

/// What follows from the entries goes with them, and they themselves at last.
const REMOVALS: [&str; 12] = [
    removal!("marks", "id", ""),
    removal!("follows", "id", ""),
    removal!("follows", "entry", ""),
    removal!("transactions", "entry", ""),
    removal!("sessions", "entry", ""),
    removal!("migrations", "entry", ""),
    removal!("announced", "entry", "AND state NOT IN ('promised', 'committed') "),
    removal!("wants", "id", ""),
    removal!("words", "id", ""),
    removal!("uses", "word", ""),
    removal!("decisions", "id", ""),
    removal!("entries", "id", ""),
];

fn removals(step: &Step, dialect: Dialect) -> impl Iterator<Item = Write> {
    let texts = match dialect {
        Dialect::Sqlite => removal!("texts", "rowid", ""),
        Dialect::Postgres => removal!("texts", "id", ""),
    };
    let at = |seq| key(DecisionId { writer: step.anchor.number, seq });
    let values = [at(step.first).into(), at(step.anchor.seq).into(), step.anchor.writer.as_str().into(), step.anchor.seq.into()];
    [texts].into_iter().chain(REMOVALS).map(move |sql| Write::new(sql, values.clone()))
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
