//! The way to write very many rows: some thousand at a time.

use crate::sql::name::Identifier;

use super::target::Target;

/// The column by which batches of a table are told apart: its key, where that has one column.
pub(super) fn by(target: &Target<'_>) -> String {
    let key = target.facts.and_then(|facts| facts.constraints.iter().find(|key| key.kind == 'p')).map_or(&[][..], |key| &key.columns);
    if let [column] = key { Identifier(column).to_string() } else { "ctid".to_owned() }
}

/// The statement that writes one batch.
pub(super) fn update(target: &Target<'_>) -> String {
    let (name, column) = (&target.name, by(target));
    format!("UPDATE {name} SET … WHERE {column} IN (SELECT {column} FROM {name} WHERE … IS DISTINCT FROM … LIMIT 5000);")
}

/// The statement that deletes one batch.
pub(super) fn delete(target: &Target<'_>) -> String {
    let (name, column) = (&target.name, by(target));
    format!("DELETE FROM {name} WHERE {column} IN (SELECT {column} FROM {name} LIMIT 5000);")
}
