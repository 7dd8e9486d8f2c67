//! SET and its relatives.

use pg_query::protobuf::{VariableSetKind, VariableSetStmt};

use super::super::name::Identifier;
use super::super::statement::SettingChange;
use super::tree;

/// Parameters whose elements PostgreSQL quotes when it joins them (`GUC_LIST_QUOTE`).
const LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What SET or RESET changes.
pub(super) fn change(stmt: &VariableSetStmt) -> SettingChange {
    use VariableSetKind as Kind;
    let name = parameter(stmt);
    match Kind::try_from(stmt.kind) {
        Ok(Kind::VarSetValue) => SettingChange::Set { value: value(stmt), name, local: stmt.is_local },
        Ok(Kind::VarSetDefault | Kind::VarReset) => SettingChange::Reset { name, local: stmt.is_local },
        Ok(Kind::VarResetAll) => SettingChange::ResetAll,
        Ok(Kind::VarSetMulti) => SettingChange::Transaction,
        Ok(Kind::VarSetCurrent | Kind::Undefined) | Err(_) => SettingChange::Other,
    }
}

/// The parameter's name; the server does not tell upper from lower case in it.
pub(super) fn parameter(stmt: &VariableSetStmt) -> String {
    stmt.name.to_lowercase()
}

/// The value as the server would flatten it.
pub(super) fn value(stmt: &VariableSetStmt) -> String {
    let quoted = LISTS.contains(&parameter(stmt).as_str());
    let element = |text: String| if quoted { Identifier(&text).to_string() } else { text };
    let parts: Vec<_> = stmt.args.iter().filter_map(tree::constant).map(element).collect();
    parts.join(", ")
}
