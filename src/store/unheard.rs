//! Statements outside of any transaction whose end nobody has heard, and who else had to do with the same.

use std::collections::BTreeSet;

use super::backend::{Backend, Dialect, Row, Value};
use super::error::StoreError;
use super::plan::{id, key};
use super::{entries, search};
use crate::audit::event::Event;
use crate::audit::record::DecisionId;
use crate::audit::settling::Unheard;
use crate::audit::words;
use crate::deferred::promise::Place;

/// So many are looked at in one session.
const MOST: i64 = 100;
/// So many others are looked at; with more it is not known.
const MOST_OTHERS: i64 = 1_000;
/// What was decided longer before has ended, one way or the other.
const BEFORE: i64 = 24 * 3_600 * 1_000_000;
/// What ended so long before has ended before, whatever the clocks of two replicas say.
const SKEW: i64 = 300 * 1_000_000;
/// So many entries that cannot be searched for yet are looked at at once.
const PAGE: u32 = 1_000;

/// Those of one cluster, database and role, oldest first. What is promised is told by what becomes of its promise.
pub(super) fn of(backend: &mut dyn Backend, place: &Place, role: &str) -> Result<Vec<Unheard>, StoreError> {
    let rows = backend.query(
        "SELECT d.id, e.body FROM decisions d JOIN entries e ON e.id = d.id
         WHERE d.mark = $1 AND d.database_name = $2 AND d.role = $3 AND d.tag IS NULL AND d.fate IS NULL
           AND (d.sqlstate IS NULL OR d.sqlstate IN ('08006', '57P01'))
           AND NOT EXISTS (SELECT 1 FROM announced a WHERE a.session = d.session AND a.transaction_number = d.transaction_number
                             AND a.state IN ('promised', 'committed'))
         ORDER BY d.id LIMIT $4",
        &[(&place.system).into(), (&place.database).into(), role.into(), MOST.into()],
    )?;
    let read = |row: &Row| {
        let decision = id(row.int(0));
        let Event::Decision(record) = search::event(decision, &row.text(1))? else { return Ok(None) };
        Ok(record.mark.map(|mark| Unheard { decision, mark }))
    };
    rows.iter().map(read).filter_map(Result::transpose).collect()
}

/// Those of which nothing else in the log, that may have had an effect, had to do with the same at the time or later. It is asked when the catalog has
/// been: whoever did something to it through a proxy had it in the log before.
pub(super) fn alone(backend: &mut dyn Backend, asked: &[Unheard]) -> Result<Vec<DecisionId>, StoreError> {
    let tail = tail(backend)?;
    let mut alone = Vec::new();
    for unheard in asked {
        let at_stake = unheard.mark.at_stake();
        let nameless = at_stake.iter().any(Vec::is_empty);
        let in_tail = tail.iter().any(|(other, said)| *other != unheard.decision && touches(&at_stake, said));
        if !nameless && !in_tail && !has_rival(backend, unheard, &at_stake)? {
            alone.push(unheard.decision);
        }
    }
    Ok(alone)
}

fn touches(at_stake: &[Vec<String>], said: &BTreeSet<String>) -> bool {
    at_stake.iter().any(|name| name.iter().all(|word| said.contains(word)))
}

/// Decisions that cannot be searched for yet, by their words.
fn tail(backend: &mut dyn Backend) -> Result<Vec<(DecisionId, BTreeSet<String>)>, StoreError> {
    let mut found = Vec::new();
    for (mut after, _) in entries::underived(backend)? {
        loop {
            let page = entries::page(backend, after, PAGE)?;
            let Some(last) = page.last() else { break };
            for entry in &page {
                let id = DecisionId { seq: entry.seq, ..after };
                if let Event::Decision(record) = search::event(id, &entry.body)?
                    && record.decision != REFUSED
                {
                    let mut said = words::of_text(&record.sql);
                    // It may do anything.
                    said.extend(record.findings.iter().any(|finding| finding.rule == UNSEEN).then(|| "do".to_owned()));
                    found.push((id, said));
                }
            }
            after.seq = last.seq;
        }
    }
    Ok(found)
}

/// What was refused was never sent.
const REFUSED: &str = "refuse";
/// The rule about code whose statements nobody saw.
const UNSEEN: &str = "opaque-code";

fn has_rival(backend: &mut dyn Backend, unheard: &Unheard, at_stake: &[Vec<String>]) -> Result<bool, StoreError> {
    let own = key(unheard.decision);
    let Some(at) = backend.query("SELECT at_unix_micros FROM decisions WHERE id = $1", &[own.into()])?.first().map(|row| row.int(0)) else {
        return Ok(true);
    };
    let (words, matches) = match backend.dialect() {
        Dialect::Sqlite => (expression(at_stake, "\"", " AND ", " OR "), "d.id IN (SELECT rowid FROM texts WHERE texts MATCH $3)"),
        Dialect::Postgres => (
            expression(at_stake, "'", " & ", " | "),
            "EXISTS (SELECT 1 FROM texts t WHERE t.id = d.id AND t.words @@ CAST(CAST($3 AS TEXT) AS tsquery))",
        ),
    };
    let sql = format!(
        "SELECT d.id, d.session, d.transaction_number, d.shared FROM decisions d
         WHERE d.at_unix_micros >= $1 AND d.id <> $2
           AND d.database_name = (SELECT o.database_name FROM decisions o WHERE o.id = $2)
           AND d.decision <> '{REFUSED}' AND coalesce(d.fate, '') <> 'rolled-back'
           AND (d.sqlstate IS NULL OR d.sqlstate IN ('08006', '57P01')) AND (d.rules LIKE '%{UNSEEN}%' OR {matches}) LIMIT $4"
    );
    let values: [Value; 4] = [(at - BEFORE).into(), own.into(), words.into(), MOST_OTHERS.into()];
    let others = backend.query(&sql, &values)?;
    if i64::try_from(others.len()).unwrap_or(i64::MAX) >= MOST_OTHERS {
        return Ok(true);
    }
    for other in &others {
        if !ended_before(backend, other, unheard.decision, at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn expression(at_stake: &[Vec<String>], quote: &str, and: &str, or: &str) -> String {
    let quoted = |name: &Vec<String>| name.iter().map(|word| format!("{quote}{word}{quote}")).collect::<Vec<_>>().join(and);
    at_stake.iter().map(|name| format!("({})", quoted(name))).collect::<Vec<_>>().join(or)
}

/// Its end is in the log, and came before that decision: before it in the same chain, or long enough before it in another.
fn ended_before(backend: &mut dyn Backend, other: &Row, decision: DecisionId, at: i64) -> Result<bool, StoreError> {
    let shared = other.int(3) != 0;
    let ends = if shared {
        backend.query(
            "SELECT e.id, e.at_unix_micros, e.body FROM transactions t JOIN entries e ON e.id = t.entry
             WHERE t.session = $1 AND t.transaction_number = $2",
            &[other.text(1).into(), other.int(2).into()],
        )?
    } else {
        backend
            .query("SELECT e.id, e.at_unix_micros, e.body FROM follows f JOIN entries e ON e.id = f.entry WHERE f.id = $1", &[other.int(0).into()])?
    };
    for end in &ends {
        let entry = id(end.int(0));
        let is_end = shared || matches!(search::event(entry, &end.text(2))?, Event::Outcome(ended) if ended.outcome.tag.is_some());
        let before = if entry.writer == decision.writer { entry.seq < decision.seq } else { end.int(1) < at - SKEW };
        if is_end && before {
            return Ok(true);
        }
    }
    Ok(false)
}
