//! Migrations as the log knows them: when each was applied, by which statements, and what became of those.

use std::collections::BTreeSet;

use super::backend::Backend;
use super::error::StoreError;
use super::plan::{id, key};
use super::search;
use crate::audit::event::{Attribution, Event};
use crate::audit::listed::{Applied, Left, Listed, Migrated};
use crate::audit::record::DecisionId;

/// Of one migration so many statements are looked at.
const MOST: usize = 1_000;
/// So many are asked for at once.
const AT_ONCE: usize = 100;

/// The newest, newest first; older than that one, which came at that time.
pub(super) fn page(backend: &mut dyn Backend, before: Option<(i64, DecisionId)>, most: u32, now: i64) -> Result<Vec<Applied>, StoreError> {
    let (at, entry) = before.map_or((i64::MAX, i64::MAX), |(at, id)| (at, key(id)));
    let rows = backend.query(
        "SELECT m.entry, m.at_unix_micros, e.body FROM migrations m JOIN entries e ON e.id = m.entry
         WHERE (m.at_unix_micros, m.entry) < ($1, $2) ORDER BY m.at_unix_micros DESC, m.entry DESC LIMIT $3",
        &[at.into(), entry.into(), i64::from(most).into()],
    )?;
    let mut found = Vec::new();
    for row in rows {
        let attribution = attribution(id(row.int(0)), &row.text(2))?;
        let decisions = decisions(backend, &attribution.decisions, now)?;
        let left = left(backend, &transactions(&decisions))?;
        found.push(Applied::of(id(row.int(0)), row.int(1), attribution, left, decisions.iter().map(|(listed, _)| listed)));
    }
    Ok(found)
}

/// One of them with all its statements, and what is known of their transactions; none where the entry is of another kind, or is nobody's.
pub(super) fn one(backend: &mut dyn Backend, entry: DecisionId, now: i64) -> Result<Option<Migrated>, StoreError> {
    let rows = backend
        .query("SELECT m.at_unix_micros, e.body FROM migrations m JOIN entries e ON e.id = m.entry WHERE m.entry = $1", &[key(entry).into()])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let attribution = attribution(entry, &row.text(1))?;
    let decisions = decisions(backend, &attribution.decisions, now)?;
    let transactions = transactions(&decisions);
    let left = left(backend, &transactions)?;
    let applied = Applied::of(entry, row.int(0), attribution, left, decisions.iter().map(|(listed, _)| listed));
    let mut events = Vec::new();
    for (session, transaction) in transactions {
        let rows = backend.query(
            "WITH parts AS (
               SELECT entry AS id FROM announced WHERE session = $1 AND transaction_number = $2
               UNION SELECT f.entry FROM announced a JOIN follows f ON f.id = a.entry WHERE a.session = $1 AND a.transaction_number = $2
               UNION SELECT entry FROM transactions WHERE session = $1 AND transaction_number = $2)
             SELECT e.id, e.at_unix_micros, e.body FROM parts JOIN entries e ON e.id = parts.id ORDER BY e.at_unix_micros, e.id",
            &[session.into(), transaction.into()],
        )?;
        for row in rows {
            events.push((id(row.int(0)), row.int(1), search::event(id(row.int(0)), &row.text(2))?));
        }
    }
    let ids: Vec<DecisionId> = decisions.iter().map(|(listed, _)| listed.id).collect();
    for some in ids.chunks(AT_ONCE) {
        events.extend(search::followed(backend, some)?);
    }
    events.sort_by_key(|(id, at, _)| (*at, *id));
    events.dedup_by_key(|(id, ..)| *id);
    Ok(Some(Migrated { applied, decisions, events }))
}

fn transactions(decisions: &[(Listed, Event)]) -> BTreeSet<(String, i64)> {
    decisions.iter().map(|(listed, _)| (listed.session.clone(), listed.transaction)).collect()
}

/// What is left of the work behind these transactions.
fn left(backend: &mut dyn Backend, transactions: &BTreeSet<(String, i64)>) -> Result<Left, StoreError> {
    let mut left = Left::Nothing;
    for (session, transaction) in transactions {
        let rows = backend.query(
            "SELECT count(sqlstate) FROM promises WHERE session = $1 AND transaction_number = $2 AND state IN ('promised', 'committed') HAVING count(*) > 0",
            &[session.into(), (*transaction).into()],
        )?;
        let of_it = rows.first().map_or(Left::Nothing, |row| if row.int(0) > 0 { Left::Failed } else { Left::Open });
        left = left.max(of_it);
    }
    Ok(left)
}

fn attribution(id: DecisionId, body: &str) -> Result<Attribution, StoreError> {
    match search::event(id, body)? {
        Event::Attribution(attribution) => Ok(attribution),
        _ => Err(StoreError::Corrupt(format!("entry {id} is listed as a migration, and is none"))),
    }
}

/// In the order in which they were taken.
fn decisions(backend: &mut dyn Backend, ids: &[DecisionId], now: i64) -> Result<Vec<(Listed, Event)>, StoreError> {
    let mut found = Vec::new();
    let ids: Vec<DecisionId> = ids.iter().copied().take(MOST).collect();
    for some in ids.chunks(AT_ONCE) {
        found.extend(search::by_number(backend, some, now)?);
    }
    found.sort_by_key(|(listed, _)| (listed.at_unix_micros, listed.id));
    Ok(found)
}
