//! What a transaction has taken and done by the time of its COMMIT, as the server tells of its own session.

use std::collections::HashMap;

use serde::Deserialize;

use crate::sql::name::RelationName;

/// An expression of type json. It opens no relation that is not locked already, so it waits for nothing.
pub const EXPRESSION: &str = include_str!("sql/footprint.sql");

/// A lock in SHARE mode or stronger, and what was done under it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Footprint {
    oid: u32,
    mode: String,
    schema: Option<String>,
    name: Option<String>,
    /// `pg_class.relfilenode`.
    file: Option<u32>,
    /// How often the transaction has read it from end to end (`pg_stat_get_xact_numscans`).
    pub scans: Option<i64>,
    /// How many rows the transaction has read there (`pg_stat_get_xact_tuples_returned`).
    pub rows_read: Option<i64>,
}

impl Footprint {
    /// The relation; none where it is dropped.
    #[must_use]
    pub fn relation(&self) -> Option<RelationName> {
        Some(RelationName { schema: self.schema.clone(), name: self.name.clone()? })
    }

    /// The relation, or its number.
    #[must_use]
    pub fn called(&self) -> String {
        self.relation().map_or_else(|| format!("oid {} (dropped)", self.oid), |name| name.to_string())
    }

    /// The mode without its last four letters, as the manual's table has it.
    #[must_use]
    pub fn mode(&self) -> &str {
        self.mode.strip_suffix("Lock").unwrap_or(&self.mode)
    }

    /// It has another file than before; not known where nobody looked then.
    #[must_use]
    pub fn is_rewritten(&self, files_before: &HashMap<u32, u32>) -> Option<bool> {
        let (now, before) = (self.file?, files_before.get(&self.oid)?);
        Some(now != *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_a_rewrite() {
        let text = r#"{"oid": 7, "mode": "AccessExclusiveLock", "schema": "public", "name": "t", "file": 9, "scans": 1, "rows_read": 5}"#;
        let footprint: Footprint = serde_json::from_str(text).unwrap();
        assert_eq!((footprint.called().as_str(), footprint.mode()), ("public.t", "AccessExclusive"));
        let rewritten = |before: &[(u32, u32)]| footprint.is_rewritten(&before.iter().copied().collect());
        assert_eq!((rewritten(&[(7, 7)]), rewritten(&[(7, 9)]), rewritten(&[])), (Some(true), Some(false), None));
        let gone = r#"{"oid": 7, "mode": "AccessExclusiveLock", "schema": null, "name": null, "file": null, "scans": 0, "rows_read": 0}"#;
        assert_eq!(serde_json::from_str::<Footprint>(gone).unwrap().called(), "oid 7 (dropped)");
    }
}
