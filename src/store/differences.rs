//! In what the rows that are listed and searched differ from the entries that they follow from.

use std::collections::BTreeMap;

use super::backend::{Backend, Row, Value, Write};
use super::derive::derive;
use super::error::StoreError;
use super::plan::{id, key};
use crate::audit::chain::Entry;
use crate::audit::event::{Ended, Event};
use crate::audit::record::{DecisionId, Outcome};

/// The columns that a decision's own entry fills, in the order of the parameters of its INSERT.
const OF_DECISION: &str =
    "id, at_unix_micros, session, transaction_number, shared, client, role, database_name, application_name, head, decision, rules,
    relations, acting, tool_guess, mark";

/// No process is so many entries behind with what follows from them, whatever stands there of how far it is.
const UNDERIVED: i64 = 4_096;

/// By entry: what is wrong with the rows of each.
pub(super) fn of(backend: &mut dyn Backend, number: i64, page: &[(Entry, Option<Event>)]) -> Result<Vec<(i64, String)>, StoreError> {
    let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else { return Ok(Vec::new()) };
    // Before the rows: what is derived meanwhile is there all the more.
    let derived = derived(backend, number)?;
    let at = |seq| key(DecisionId { writer: number, seq });
    let between = [at(first.seq).into(), at(last.seq).into()];
    let rows = backend.query(&format!("SELECT {OF_DECISION} FROM decisions WHERE id BETWEEN $1 AND $2"), &between)?;
    let listed: BTreeMap<i64, Row> = rows.into_iter().map(|row| (id(row.int(0)).seq, row)).collect();
    let mut differences = Vec::new();
    for (entry, event) in page {
        let is_derived = entry.seq <= derived;
        let what = match event {
            Some(Event::Decision(_)) if !is_derived && !listed.contains_key(&entry.seq) => None,
            Some(event @ Event::Decision(_)) => {
                decision(backend, listed.get(&entry.seq), event, DecisionId { writer: number, seq: entry.seq }, entry)
            }
            Some(Event::Outcome(ended)) => outcome(backend, ended, is_derived)?,
            _ if listed.contains_key(&entry.seq) => Some("is listed as a decision, and is none".into()),
            _ => None,
        };
        differences.extend(what.map(|what| (entry.seq, what)));
    }
    Ok(differences)
}

/// What follows from entries is written a moment after them, so of the last ones of a process that writes it may not be there yet: of those behind this
/// one. Whoever opens a store that can be written has made up for the processes that are dead.
fn derived(backend: &mut dyn Backend, number: i64) -> Result<i64, StoreError> {
    let (first, beyond) = (key(DecisionId { writer: number, seq: 0 }), key(DecisionId { writer: number + 1, seq: 0 }));
    let ends = backend.query("SELECT max(id) FROM entries WHERE id > $1 AND id < $2", &[first.into(), beyond.into()])?;
    let rows = backend.query("SELECT derived FROM writers WHERE number = $1", &[number.into()])?;
    let said = rows.first().map_or(i64::MAX, |row| row.int(0));
    Ok(said.max(ends.first().map_or(0, |row| id(row.int(0)).seq) - UNDERIVED))
}

fn decision(backend: &dyn Backend, row: Option<&Row>, event: &Event, id: DecisionId, entry: &Entry) -> Option<String> {
    let Some(row) = row else { return Some("is not listed".into()) };
    let writes: Vec<Write> = derive(event, id, entry.at_unix_micros, backend.dialect());
    let own = writes.iter().find(|write| write.sql.starts_with("INSERT INTO decisions"))?;
    let names = OF_DECISION.split(',').map(str::trim);
    let wrong: Vec<&str> = names.zip(own.values.iter().zip(&row.0)).filter(|(_, (said, listed))| said != listed).map(|(name, _)| name).collect();
    (!wrong.is_empty()).then(|| format!("is listed with another {}", wrong.join(", ")))
}

fn outcome(backend: &mut dyn Backend, ended: &Ended, is_derived: bool) -> Result<Option<String>, StoreError> {
    let rows = backend.query("SELECT tag, sqlstate, duration_micros, ran_micros FROM decisions WHERE id = $1", &[key(ended.decision).into()])?;
    let Outcome { tag, sqlstate, duration_micros, ran_micros, .. } = &ended.outcome;
    let said: [Value; 4] = [tag.clone().into(), sqlstate.clone().into(), (*duration_micros).into(), (*ran_micros).into()];
    let none_yet = |row: &Row| !is_derived && row.maybe_text(0).is_none() && row.maybe_text(1).is_none();
    let differs = rows.first().is_some_and(|row| row.0 != said && !none_yet(row));
    Ok(differs.then(|| format!("decision {} is listed with another outcome", ended.decision)))
}
