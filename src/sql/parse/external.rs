//! Settings that outlive the session, and functions, which may carry some.

use pg_query::protobuf::{CreateFunctionStmt, VariableSetKind, VariableSetStmt};
use pg_query::{Node, NodeEnum};

use super::super::statement::{External, Statement};
use super::{setting, statement, tree};

/// ALTER SYSTEM, ALTER ROLE … SET and ALTER DATABASE … SET.
pub(super) fn persistent(what: &'static str, stmt: Option<&VariableSetStmt>) -> Statement {
    let Some(stmt) = stmt else { return statement::unjudged(what) };
    let kind = VariableSetKind::try_from(stmt.kind);
    let name = (kind != Ok(VariableSetKind::VarResetAll)).then(|| setting::parameter(stmt));
    let value = (kind == Ok(VariableSetKind::VarSetValue)).then(|| setting::value(stmt));
    Statement::External(External::PersistentSetting { what, name, value })
}

/// CREATE FUNCTION and CREATE PROCEDURE. One in C loads a library.
pub(super) fn create_function(stmt: &CreateFunctionStmt) -> Statement {
    let in_c = tree::options(&stmt.options)
        .filter(|option| option.defname == "language")
        .any(|option| matches!(tree::inner(option.arg.as_deref()), Some(NodeEnum::String(name)) if name.sval.eq_ignore_ascii_case("c")));
    if in_c {
        return Statement::External(External::Load);
    }
    function_settings(if stmt.is_procedure { "CREATE PROCEDURE" } else { "CREATE FUNCTION" }, &stmt.options)
}

/// The settings that a function carries. `search_path`, which a careful author sets, gives way to any other: a rule looks at one only.
pub(super) fn function_settings(what: &'static str, options: &[Node]) -> Statement {
    let settings: Vec<_> = tree::options(options)
        .filter(|option| option.defname == "set")
        .filter_map(|option| match tree::inner(option.arg.as_deref())? {
            NodeEnum::VariableSetStmt(stmt) => Some(stmt),
            _ => None,
        })
        .collect();
    let telling: Vec<_> = settings.iter().copied().filter(|stmt| setting::parameter(stmt) != "search_path").collect();
    match (telling.as_slice(), settings.as_slice()) {
        ([], []) => Statement::Brief(what),
        ([], [only, ..]) | ([only], _) => persistent(what, Some(only)),
        _ => statement::unjudged("a function that sets several parameters"),
    }
}
