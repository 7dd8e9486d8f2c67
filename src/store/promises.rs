//! Promises in the SQLite file.

use rusqlite::{Connection, Row, named_params};

use super::Wanted;
use super::error::StoreError;
use super::sqlite::{Written, json};
use crate::deferred::promise::{Failed, Pending, Place, Progress, Promise, PromiseId};

pub(super) fn insert(connection: &Connection, promise: &Promise, at_unix_micros: i64) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO promises (at_unix_micros, session, system, database, role, xid, life, operations, whole)
         VALUES (:at, :session, :system, :database, :role, :xid, :life, :operations, :whole)",
    )?;
    Ok(statement.insert(named_params! {
        ":at": at_unix_micros,
        ":session": promise.session,
        ":system": promise.place.system,
        ":database": promise.place.database,
        ":role": promise.role,
        ":xid": promise.xid,
        ":life": promise.life,
        ":operations": json(&promise.operations)?,
        ":whole": promise.whole.as_ref().map(json).transpose()?,
    })?)
}

/// In whatever order two of them arrive, the later state stays.
pub(super) fn update(connection: &Connection, PromiseId(id): PromiseId, progress: &Progress) -> Result<Written, StoreError> {
    let changed = match progress {
        Progress::Committed => connection.execute("UPDATE promises SET state = iif(state = 'promised', 'committed', state) WHERE id = ?1", [id]),
        Progress::Aborted => connection.execute("UPDATE promises SET state = iif(state = 'promised', 'aborted', state) WHERE id = ?1", [id]),
        Progress::Settled => connection.execute("UPDATE promises SET state = 'settled', sqlstate = NULL, message = NULL WHERE id = ?1", [id]),
        Progress::Dropped { reason, at_unix_micros } => connection.execute(
            "UPDATE promises SET state = 'settled', drop_reason = ?2, dropped_at_unix_micros = ?3
             WHERE id = ?1 AND state IN ('promised', 'committed')",
            (id, reason, at_unix_micros),
        ),
        Progress::Done(done) => {
            connection.execute("UPDATE promises SET done = max(done, ?2) WHERE id = ?1", (id, i64::try_from(*done).unwrap_or(i64::MAX)))
        }
        Progress::Told => connection.execute("UPDATE promises SET told = 1 WHERE id = ?1", [id]),
        // The one behind it may go on; the last one settles all.
        Progress::Needless(operation) => connection.execute(
            "UPDATE promises SET done = ?2 + 1, sqlstate = NULL, message = NULL,
               state = iif(?2 + 1 >= json_array_length(operations), 'settled', state)
             WHERE id = ?1 AND done = ?2",
            (id, i64::try_from(*operation).unwrap_or(i64::MAX)),
        ),
        Progress::Failed { operation, sqlstate, message } => connection.execute(
            "UPDATE promises SET done = max(done, ?2), sqlstate = ?3, message = ?4 WHERE id = ?1",
            (id, i64::try_from(*operation).unwrap_or(i64::MAX), sqlstate, message),
        ),
    }?;
    Ok(if changed == 1 { Ok(id) } else { Err(StoreError::NoSuchPromise(id)) })
}

pub(super) fn pending(connection: &Connection, wanted: &Wanted) -> Result<Vec<Pending>, StoreError> {
    let (system, database, role) = match wanted {
        Wanted::All => (None, None, None),
        Wanted::Of(place, role) => (Some(&place.system), Some(&place.database), Some(role)),
    };
    let mut statement = connection.prepare_cached(
        "SELECT id, at_unix_micros, session, system, database, role, xid, life, operations, whole, state, done, sqlstate, message, told FROM promises
         WHERE state IN ('promised', 'committed') AND (?1 IS NULL OR system = ?1 AND database = ?2 AND role = ?3) ORDER BY id",
    )?;
    let mut rows = statement.query((system, database, role))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Pending, StoreError> {
    let operations: String = row.get("operations")?;
    let whole: Option<String> = row.get("whole")?;
    let corrupt = |error| StoreError::Corrupt(format!("promise {}: {error}", row.get::<_, i64>("id").unwrap_or_default()));
    let operations = serde_json::from_str(&operations).map_err(corrupt)?;
    let whole = whole.map(|whole| serde_json::from_str(&whole)).transpose().map_err(corrupt)?;
    let sqlstate: Option<String> = row.get("sqlstate")?;
    let message: Option<String> = row.get("message")?;
    Ok(Pending {
        id: PromiseId(row.get("id")?),
        at_unix_micros: row.get("at_unix_micros")?,
        committed: row.get::<_, String>("state")? == "committed",
        told: row.get("told")?,
        done: usize::try_from(row.get::<_, i64>("done")?).unwrap_or_default(),
        error: sqlstate.map(|sqlstate| Failed { sqlstate, message: message.unwrap_or_default() }),
        promise: Promise {
            session: row.get("session")?,
            place: Place { system: row.get("system")?, database: row.get("database")? },
            role: row.get("role")?,
            xid: row.get("xid")?,
            life: row.get("life")?,
            operations,
            whole,
        },
    })
}
