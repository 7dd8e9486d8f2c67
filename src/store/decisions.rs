//! Decisions read back from the SQLite file.

use rusqlite::{Connection, Row};

use super::Page;
use super::error::StoreError;
use crate::audit::record::DecisionId;
use crate::audit::summary::Decided;

/// The next ones, by their numbers: those of a time are not sorted by it, since records of several processes may come a little out of order.
pub(super) fn page(connection: &Connection, page: &Page) -> Result<Vec<(DecisionId, Decided)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, at_unix_micros, role, application_name, sql, decision, findings FROM decisions
         WHERE id > ?1 AND at_unix_micros >= ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query((page.after.seq, page.since_unix_micros, page.most))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<(DecisionId, Decided), StoreError> {
    let id = row.get(0)?;
    let findings: String = row.get(6)?;
    let decided = Decided {
        at_unix_micros: row.get(1)?,
        role: row.get(2)?,
        application_name: row.get(3)?,
        sql: row.get(4)?,
        decision: row.get(5)?,
        findings: serde_json::from_str(&findings)
            .map_err(|error| StoreError::Io(format!("the findings of decision {id} cannot be read: {error}")))?,
    };
    Ok((DecisionId { writer: 1, seq: id }, decided))
}
