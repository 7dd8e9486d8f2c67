//! Promises: the SQL for them, and how they are read. A COMMIT in the log is announced in the same table, also where nothing is left for after it; who
//! looks for promises does not see those.

use super::backend::{Backend, Row, Value, Write};
use super::error::StoreError;
use super::plan::json;
use super::{Group, OpenPromises, Wanted};
use crate::deferred::promise::{Failed, Pending, Place, Progress, Promise, PromiseId};

pub(super) fn insert(promise: &Promise, entry: i64, at_unix_micros: i64) -> Result<Write, StoreError> {
    Ok(Write::new(
        "INSERT INTO announced (entry, at_unix_micros, session, transaction_number, system, database, role, xid, life, operations, whole, operations_count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        [
            entry.into(),
            at_unix_micros.into(),
            (&promise.session).into(),
            promise.transaction.into(),
            (&promise.place.system).into(),
            (&promise.place.database).into(),
            (&promise.role).into(),
            (&promise.xid).into(),
            (&promise.life).into(),
            json(&promise.operations)?.into(),
            promise.whole.as_ref().map(json).transpose()?.into(),
            i64::try_from(promise.operations.len()).unwrap_or(i64::MAX).into(),
        ],
    ))
}

/// The number of the promise that was made with this entry.
pub(super) fn number(backend: &mut dyn Backend, entry: i64) -> Result<i64, StoreError> {
    let rows = backend.query("SELECT id FROM announced WHERE entry = $1", &[entry.into()])?;
    rows.first().map(|row| row.int(0)).ok_or_else(|| StoreError::Corrupt(format!("promise of entry {} is gone", super::plan::id(entry))))
}

/// In whatever order two of them arrive, the later state stays.
pub(super) fn update(PromiseId(id): PromiseId, progress: &Progress) -> Write {
    let place = |number: &usize| Value::from(i64::try_from(*number).unwrap_or(i64::MAX));
    let id = Value::from(id);
    match progress {
        Progress::Committed => {
            Write::new("UPDATE announced SET state = CASE WHEN state = 'promised' THEN 'committed' ELSE state END WHERE id = $1", [id])
        }
        Progress::Aborted => {
            Write::new("UPDATE announced SET state = CASE WHEN state = 'promised' THEN 'aborted' ELSE state END WHERE id = $1", [id])
        }
        Progress::Settled => Write::new("UPDATE announced SET state = 'settled', sqlstate = NULL, message = NULL WHERE id = $1", [id]),
        Progress::Unknown => Write::new("UPDATE announced SET state = 'settled' WHERE id = $1", [id]),
        Progress::Dropped { reason, at_unix_micros } => Write::new(
            "UPDATE announced SET state = 'settled', drop_reason = $1, dropped_at_unix_micros = $2
             WHERE id = $3 AND state IN ('promised', 'committed')",
            [reason.into(), (*at_unix_micros).into(), id],
        ),
        Progress::Done(done) => Write::new("UPDATE announced SET done = CASE WHEN done < $1 THEN $1 ELSE done END WHERE id = $2", [place(done), id]),
        Progress::Told => Write::new("UPDATE announced SET told = 1 WHERE id = $1", [id]),
        // The one behind it may go on; the last one settles all.
        Progress::Needless(operation) => Write::new(
            "UPDATE announced SET done = CAST($1 AS BIGINT) + 1, sqlstate = NULL, message = NULL,
               state = CASE WHEN CAST($1 AS BIGINT) + 1 >= operations_count THEN 'settled' ELSE state END
             WHERE id = $2 AND done = $1",
            [place(operation), id],
        ),
        Progress::Failed { operation, sqlstate, message } => Write::new(
            "UPDATE announced SET done = CASE WHEN done < $1 THEN $1 ELSE done END, sqlstate = $2, message = $3 WHERE id = $4",
            [place(operation), sqlstate.into(), message.into(), id],
        ),
    }
}

pub(super) fn pending(backend: &mut dyn Backend, wanted: &Wanted) -> Result<Vec<Pending>, StoreError> {
    const COLUMNS: &str = "SELECT id, at_unix_micros, session, system, database, role, xid, life, operations, whole, state, done, sqlstate, message, told, transaction_number";
    const OPEN: &str = "WHERE state IN ('promised', 'committed')";
    let rows = match wanted {
        Wanted::All => backend.query(&format!("{COLUMNS} FROM promises {OPEN} ORDER BY id"), &[])?,
        Wanted::Of(place, role) => backend.query(
            &format!("{COLUMNS} FROM announced {OPEN} AND system = $1 AND database = $2 AND role = $3 ORDER BY id"),
            &[(&place.system).into(), (&place.database).into(), role.into()],
        )?,
    };
    rows.iter().map(read).collect()
}

/// What is open, and since when.
pub(super) fn count(backend: &mut dyn Backend) -> Result<OpenPromises, StoreError> {
    const COUNT: &str = "SELECT CASE WHEN sqlstate IS NULL THEN 0 ELSE 1 END AS failed, count(*), min(at_unix_micros)
         FROM promises WHERE state IN ('promised', 'committed') GROUP BY 1";
    let mut open = OpenPromises::default();
    for row in backend.query(COUNT, &[])? {
        let group = Group { count: row.int(1), oldest_unix_micros: row.int(2) };
        if row.int(0) == 0 { open.waiting = group } else { open.failed = group }
    }
    Ok(open)
}

fn read(row: &Row) -> Result<Pending, StoreError> {
    let corrupt = |error| StoreError::Corrupt(format!("promise {}: {error}", row.int(0)));
    Ok(Pending {
        id: PromiseId(row.int(0)),
        at_unix_micros: row.int(1),
        promise: Promise {
            session: row.text(2),
            transaction: row.int(15),
            place: Place { system: row.text(3), database: row.text(4) },
            role: row.text(5),
            xid: row.text(6),
            life: row.text(7),
            operations: serde_json::from_str(&row.text(8)).map_err(corrupt)?,
            whole: row.maybe_text(9).map(|whole| serde_json::from_str(&whole)).transpose().map_err(corrupt)?,
        },
        committed: row.text(10) == "committed",
        done: usize::try_from(row.int(11)).unwrap_or_default(),
        error: row.maybe_text(12).map(|sqlstate| Failed { sqlstate, message: row.text(13) }),
        told: row.int(14) != 0,
    })
}
