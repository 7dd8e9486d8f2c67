//! Decisions found again: by what they are about, and with all that belongs to one.

use super::backend::{Backend, Dialect, Row, Value};
use super::error::StoreError;
use super::plan::{id, key};
use crate::audit::event::{Event, Fate};
use crate::audit::listed::{Listed, Search, Standing, Story};
use crate::audit::record::DecisionId;
use crate::audit::refusals::Alike;
use crate::audit::words;

/// A writer that has said nothing for so long is taken for dead; it says that it lives some six times in that.
pub(super) const SILENT: i64 = 60_000_000;

const COLUMNS: &str =
    "d.id, d.at_unix_micros, d.session, d.transaction_number, d.client, d.role, d.database_name, d.application_name, d.head, d.decision,
    d.rules, d.relations, d.tag, d.sqlstate, d.duration_micros, d.fate, d.tool, d.version, d.name, d.direction,
    CASE WHEN EXISTS (SELECT 1 FROM sessions s WHERE s.session = d.session)
           OR NOT EXISTS (SELECT 1 FROM writers w WHERE w.number = d.id >> 40 AND w.seen_at > $1) THEN 1 ELSE 0 END, d.shared,
    CASE WHEN d.shared = 2 AND NOT EXISTS (SELECT 1 FROM announced a WHERE a.session = d.session AND a.transaction_number = d.transaction_number)
         THEN 1 ELSE 0 END, d.unfinished, d.tool_guess, d.ran_micros";

/// A question that grows.
struct Query {
    from: String,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn parameter(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn equals(&mut self, column: &str, value: Option<&String>) {
        if let Some(value) = value {
            let parameter = self.parameter(value);
            self.conditions.push(format!("{column} = {parameter}"));
        }
    }
}

/// The newest that fit, newest first. With words of the SQL in an SQLite file those of the newest chain come first.
pub(super) fn search(backend: &mut dyn Backend, search: &Search, now: i64) -> Result<Vec<Listed>, StoreError> {
    let mut query = Query { from: "decisions d".into(), conditions: Vec::new(), values: vec![Value::Int(now - SILENT)] };
    let marks = search.rule.iter().map(|rule| words::of_rule(rule)).chain(search.table.iter().map(|table| words::of_relation(table)));
    let mut order = "d.at_unix_micros DESC, d.id DESC".to_owned();
    for (number, mark) in marks.enumerate() {
        let parameter = query.parameter(mark);
        query.from += &format!(" JOIN marks m{number} ON m{number}.id = d.id AND m{number}.mark = {parameter}");
        if number == 0 {
            order = "m0.at_unix_micros DESC, m0.id DESC".into();
        }
    }
    let wanted: Vec<String> = search.words.iter().flat_map(|text| words::of_text(text)).collect();
    if !wanted.is_empty() {
        with_words(&mut query, &wanted, backend, &mut order)?;
    }
    for (column, value) in [
        ("d.role", &search.role),
        ("d.database_name", &search.database),
        ("d.decision", &search.decision),
        ("d.session", &search.session),
        ("d.tool", &search.tool),
        ("d.version", &search.version),
    ] {
        query.equals(column, value.as_ref());
    }
    if search.open {
        query.conditions.push("d.tag IS NULL AND d.sqlstate IS NULL AND d.fate IS NULL".into());
    }
    for (limit, operator) in [(search.since_unix_micros, ">="), (search.until_unix_micros, "<")] {
        if let Some(limit) = limit {
            let parameter = query.parameter(limit);
            query.conditions.push(format!("d.at_unix_micros {operator} {parameter}"));
        }
    }
    let by_words = !wanted.is_empty() && backend.dialect() == Dialect::Sqlite;
    if let Some((_, before)) = search.before.filter(|_| by_words) {
        // In the order in which they come.
        let before = query.parameter(key(before));
        query.conditions.push(format!("d.id < {before}"));
    }
    if let Some((at, before)) = search.before.filter(|_| !by_words) {
        let (at, before) = (query.parameter(at), query.parameter(key(before)));
        query.conditions.push(format!("(d.at_unix_micros, d.id) < ({at}, {before})"));
    }
    let most = query.parameter(i64::from(search.most));
    let filter = if query.conditions.is_empty() { String::new() } else { format!("WHERE {}", query.conditions.join(" AND ")) };
    let sql = format!("SELECT {COLUMNS} FROM {} {filter} ORDER BY {order} LIMIT {most}", query.from);
    Ok(backend.query(&sql, &query.values)?.iter().map(listed).collect())
}

fn with_words(query: &mut Query, wanted: &[String], backend: &mut dyn Backend, order: &mut String) -> Result<(), StoreError> {
    match backend.dialect() {
        Dialect::Sqlite => {
            let parameter = query.parameter(wanted.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" AND "));
            query.from = query.from.replacen("decisions d", "texts JOIN decisions d ON d.id = texts.rowid", 1);
            query.conditions.push(format!("texts MATCH {parameter}"));
            *order = "texts.rowid DESC".into();
        }
        Dialect::Postgres => {
            let wanted = wanted.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" & ");
            if let Some(ids) = few(backend, &wanted)? {
                let parameter = query.parameter(ids);
                query.conditions.push(format!("d.id = ANY (CAST(string_to_array(CAST({parameter} AS TEXT), ',') AS BIGINT[]))"));
            } else {
                let parameter = query.parameter(wanted);
                query.from += " JOIN texts t ON t.id = d.id";
                query.conditions.push(format!("t.words @@ CAST(CAST({parameter} AS TEXT) AS tsquery)"));
            }
        }
    }
    Ok(())
}

/// The decisions with these words, if they are few. PostgreSQL takes a word that it has no statistics of for a frequent one, and goes through all
/// decisions from the newest on to find it: measured among a million, 2.3 s instead of some milliseconds.
fn few(backend: &mut dyn Backend, wanted: &str) -> Result<Option<String>, StoreError> {
    const FEW: usize = 5_000;
    let most = i64::try_from(FEW).unwrap_or(i64::MAX).saturating_add(1);
    let sql = "SELECT id FROM texts WHERE words @@ CAST(CAST($1 AS TEXT) AS tsquery) LIMIT $2";
    let rows = backend.query(sql, &[wanted.into(), most.into()])?;
    Ok((rows.len() <= FEW).then(|| rows.iter().map(|row| row.int(0).to_string()).collect::<Vec<_>>().join(",")))
}

/// Those behind that one in time, oldest first, with their bodies.
pub(super) fn after(backend: &mut dyn Backend, (at, after): (i64, DecisionId), most: u32, now: i64) -> Result<Vec<(Listed, Event)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, e.body FROM decisions d JOIN entries e ON e.id = d.id WHERE (d.at_unix_micros, d.id) > ($2, $3)
         ORDER BY d.at_unix_micros, d.id LIMIT $4"
    );
    let rows = backend.query(&sql, &[(now - SILENT).into(), at.into(), key(after).into(), i64::from(most).into()])?;
    rows.iter().map(|row| Ok((listed(row), event(id(row.int(0)), &row.text(26))?))).collect()
}

/// Everything about one decision; none where there is none of that number.
pub(super) fn story(backend: &mut dyn Backend, decision: DecisionId, now: i64) -> Result<Option<Story>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM decisions d WHERE d.id = $2");
    let Some(listed) = backend.query(&sql, &[(now - SILENT).into(), key(decision).into()])?.first().map(listed) else { return Ok(None) };
    // Its own entry first, then what follows from it, its transaction's COMMIT, what followed from that, and the transaction's end.
    let rows = backend.query(
        "WITH parts AS (
           SELECT CAST($1 AS BIGINT) AS id, 0 AS place
           UNION SELECT entry, 1 FROM follows WHERE id = $1
           UNION SELECT entry, 2 FROM announced WHERE session = $2 AND transaction_number = $3
           UNION SELECT f.entry, 3 FROM announced a JOIN follows f ON f.id = a.entry WHERE a.session = $2 AND a.transaction_number = $3
           UNION SELECT entry, 4 FROM transactions WHERE session = $2 AND transaction_number = $3)
         SELECT e.id, e.at_unix_micros, e.body FROM parts JOIN entries e ON e.id = parts.id ORDER BY parts.place, e.at_unix_micros, e.id",
        &[key(decision).into(), (&listed.session).into(), listed.transaction.into()],
    )?;
    let events = rows.iter().map(|row| Ok((id(row.int(0)), row.int(1), event(id(row.int(0)), &row.text(2))?))).collect::<Result<_, StoreError>>()?;
    Ok(Some(Story { listed, events }))
}

/// What a migration did: its decisions, oldest first, with their bodies.
pub(super) fn of_migration(backend: &mut dyn Backend, version: &str, most: u32, now: i64) -> Result<Vec<(Listed, Event)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, e.body FROM decisions d JOIN entries e ON e.id = d.id WHERE d.version = $2 OR d.name = $2
         ORDER BY d.at_unix_micros, d.id LIMIT $3"
    );
    let rows = backend.query(&sql, &[(now - SILENT).into(), version.into(), i64::from(most).into()])?;
    rows.iter().map(|row| Ok((listed(row), event(id(row.int(0)), &row.text(26))?))).collect()
}

/// These decisions with their bodies, in no order.
pub(super) fn by_number(backend: &mut dyn Backend, ids: &[DecisionId], now: i64) -> Result<Vec<(Listed, Event)>, StoreError> {
    let mut query = Query { from: String::new(), conditions: Vec::new(), values: vec![Value::Int(now - SILENT)] };
    let numbers: Vec<String> = ids.iter().map(|id| query.parameter(key(*id))).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS}, e.body FROM decisions d JOIN entries e ON e.id = d.id WHERE d.id IN ({})", numbers.join(", "));
    let rows = backend.query(&sql, &query.values)?;
    rows.iter().map(|row| Ok((listed(row), event(id(row.int(0)), &row.text(26))?))).collect()
}

/// What followed from these decisions by themselves: outcomes, and what was found out later.
pub(super) fn followed(backend: &mut dyn Backend, ids: &[DecisionId]) -> Result<Vec<(DecisionId, i64, Event)>, StoreError> {
    let values: Vec<Value> = ids.iter().map(|id| key(*id).into()).collect();
    let numbers: Vec<String> = (1..=values.len()).map(|number| format!("${number}")).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT e.id, e.at_unix_micros, e.body FROM follows f JOIN entries e ON e.id = f.entry WHERE f.id IN ({})", numbers.join(", "));
    backend.query(&sql, &values)?.iter().map(|row| Ok((id(row.int(0)), row.int(1), event(id(row.int(0)), &row.text(2))?))).collect()
}

/// SQLite would take the index of decisions by their kind, and read each row.
pub(super) fn alike(dialect: Dialect) -> String {
    let by = if dialect == Dialect::Sqlite { "INDEXED BY decisions_refused" } else { "" };
    format!(
        "SELECT role, application_name, decision, acting, count(*), max(at_unix_micros) FROM decisions {by}
         WHERE decision IN ('refuse', 'would-refuse') AND at_unix_micros >= $1 GROUP BY role, application_name, decision, acting"
    )
}

/// Refused statements that are alike, counted; at most so many kinds of them, and whether there were more. Both kinds of refusals stand in an index of
/// their own that has all that is read here.
pub(super) fn refusals(backend: &mut dyn Backend, since: i64, most: u32) -> Result<(Vec<Alike>, bool), StoreError> {
    let sql = format!("{} LIMIT $2", alike(backend.dialect()));
    let rows = backend.query(&sql, &[since.into(), i64::from(most).into()])?;
    let alike = |row: &Row| Alike {
        role: row.text(0),
        application_name: row.maybe_text(1),
        only_warned: row.text(2) == "would-refuse",
        rules: row.text(3),
        count: u64::try_from(row.int(4)).unwrap_or_default(),
        last: row.int(5),
    };
    Ok((rows.iter().map(alike).collect(), rows.len() >= usize::try_from(most).unwrap_or(usize::MAX)))
}

pub(super) fn event(id: DecisionId, body: &str) -> Result<Event, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Corrupt(format!("entry {id} cannot be read: {error}")))
}

fn listed(row: &Row) -> Listed {
    let is_over = row.int(20) != 0;
    // What was refused was never sent.
    let never = row.int(22) != 0 || matches!(row.text(9).as_str(), "refuse" | "await");
    let fate = row.maybe_text(15).or_else(|| (is_over && never).then(|| Fate::RolledBack.label().to_owned()));
    let standing = Standing::of(row.maybe_text(12), row.maybe_text(13), fate.as_deref(), row.int(21) != 0, is_over);
    Listed {
        id: id(row.int(0)),
        at_unix_micros: row.int(1),
        session: row.text(2),
        transaction: row.int(3),
        client: row.text(4),
        role: row.text(5),
        database: row.text(6),
        application_name: row.maybe_text(7),
        head: row.text(8),
        decision: row.text(9),
        rules: row.text(10),
        relations: row.text(11),
        standing,
        ran_micros: row.maybe_int(25),
        duration_micros: row.maybe_text(12).or(row.maybe_text(13)).map(|_| row.int(14)),
        tool: row.maybe_text(16),
        version: row.maybe_text(17),
        name: row.maybe_text(18),
        direction: row.maybe_text(19),
        unfinished: row.int(23) != 0,
        tool_guess: row.maybe_text(24),
    }
}
