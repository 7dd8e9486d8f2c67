//! Decisions read back.

use super::Page;
use super::backend::Backend;
use super::error::StoreError;
use super::plan::{id, key};
use crate::audit::event::Event;
use crate::audit::record::DecisionId;
use crate::audit::summary::{Decided, Found};

/// The next ones, by their numbers: those of a time are not sorted by it, since records of several processes may come a little out of order.
pub(super) fn page(backend: &mut dyn Backend, page: &Page) -> Result<Vec<(DecisionId, Decided)>, StoreError> {
    let rows = backend.query(
        "SELECT decisions.id, decisions.at_unix_micros, entries.body FROM decisions JOIN entries ON entries.id = decisions.id
         WHERE decisions.id > $1 AND decisions.at_unix_micros >= $2 ORDER BY decisions.id LIMIT $3",
        &[key(page.after).into(), page.since_unix_micros.into(), i64::from(page.most).into()],
    )?;
    rows.iter().map(|row| read(id(row.int(0)), row.int(1), &row.text(2))).collect()
}

fn read(id: DecisionId, at_unix_micros: i64, body: &str) -> Result<(DecisionId, Decided), StoreError> {
    let unreadable = |why: String| StoreError::Corrupt(format!("record {id} cannot be read: {why}"));
    match serde_json::from_str(body).map_err(|error| unreadable(error.to_string()))? {
        Event::Decision(record) => {
            let found =
                |finding: crate::audit::record::RecordedFinding| Found { rule: finding.rule, relation: finding.relation, verdict: finding.verdict };
            let decided = Decided {
                at_unix_micros,
                role: record.role,
                application_name: record.application_name,
                sql: record.sql,
                decision: record.decision,
                findings: record.findings.into_iter().map(found).collect(),
            };
            Ok((id, decided))
        }
        _ => Err(unreadable("it is no decision".into())),
    }
}
