//! Tools whose tables hold one version that is written over.

use super::guess::Guess;
use super::row::Row;
use super::{Kind, Tool, VersionWrite};

/// One row for each head; the column is of no other table.
pub(super) fn alembic(row: &Row<'_>) -> Option<VersionWrite> {
    if row.inserts() && row.has_only(&["version_num"]) {
        return Some(row.note(Tool::Alembic, Kind::Applied, row.text("version_num"), None));
    }
    if !row.asks(&["version_num"]) {
        return None;
    }
    if row.updates() && row.has_only(&["version_num"]) {
        let from = row.asked("version_num")?;
        return Some(row.note(Tool::Alembic, Kind::Set { from }, row.text("version_num"), None));
    }
    row.deletes().then(|| row.note(Tool::Alembic, Kind::TakenBack, row.asked("version_num"), None))
}

/// Its row is written before the file, with the version that will hold behind it, and again behind it.
pub(super) fn golang_migrate(row: &Row<'_>) -> Option<VersionWrite> {
    if !(row.inserts() && row.has_only(&["version", "dirty"])) {
        return None;
    }
    let kind = if row.truth("dirty")? { Kind::Dirty } else { Kind::Finished };
    Some(row.note(Tool::GolangMigrate, kind, row.number("version"), None))
}

/// `update schema_version set version = 3`, without a condition.
pub(super) fn tern(row: &Row<'_>) -> Option<VersionWrite> {
    let named = row.is("schema_version") || matches!(row.guess, Some(Guess { tool: Tool::Tern, .. }));
    (named && row.updates() && row.write.equal.is_empty() && row.has_only(&["version"]))
        .then(|| row.note(Tool::Tern, Kind::Numbered, row.number("version"), None))
}
