//! Functions that a definition ties to something else: what is defined runs them later without naming them.

use pg_query::protobuf::{CreateFunctionStmt, DefElem, DefineStmt, ObjectType, ObjectWithArgs, RenameStmt};
use pg_query::{Node, NodeEnum};

use super::super::name::Identifier;
use super::super::statement::{Definition, FunctionCall};
use super::tree;

/// Options of CREATE OPERATOR, AGGREGATE, TYPE and the text search objects that name a function.
const OPTIONS: &[&str] = &[
    "analyze",
    "canonical",
    "combinefunc",
    "deserialfunc",
    "end",
    "finalfunc",
    "function",
    "gettoken",
    "headline",
    "init",
    "input",
    "join",
    "lexize",
    "lextypes",
    "mfinalfunc",
    "minvfunc",
    "msfunc",
    "output",
    "procedure",
    "receive",
    "restrict",
    "send",
    "serialfunc",
    "sfunc",
    "sfunc1",
    "start",
    "subscript",
    "subtype_diff",
    "typmod_in",
    "typmod_out",
];

/// The functions of triggers, operators, casts, aggregates, types, operator classes, conversions, transforms and languages.
pub(super) fn functions(node: &NodeEnum) -> Vec<FunctionCall> {
    let named = |names: &[&[Node]]| names.iter().filter(|name| !name.is_empty()).map(|name| tree::function(name)).collect();
    match node {
        NodeEnum::CreateTrigStmt(stmt) => named(&[&stmt.funcname]),
        NodeEnum::CreateEventTrigStmt(stmt) => named(&[&stmt.funcname]),
        NodeEnum::CreateConversionStmt(stmt) => named(&[&stmt.func_name]),
        NodeEnum::CreatePlangStmt(stmt) => named(&[&stmt.plhandler, &stmt.plinline, &stmt.plvalidator]),
        NodeEnum::CreateAmStmt(stmt) => named(&[&stmt.handler_name]),
        NodeEnum::CreateCastStmt(stmt) => stmt.func.iter().filter_map(with_arguments).collect(),
        NodeEnum::CreateTransformStmt(stmt) => stmt.fromsql.iter().chain(&stmt.tosql).filter_map(with_arguments).collect(),
        NodeEnum::DefineStmt(stmt) => of_options(&stmt.definition),
        NodeEnum::CreateRangeStmt(stmt) => of_options(&stmt.params),
        NodeEnum::AlterOperatorStmt(stmt) => of_options(&stmt.options),
        NodeEnum::AlterTypeStmt(stmt) => of_options(&stmt.options),
        NodeEnum::CreateOpClassStmt(stmt) => of_items(&stmt.items),
        NodeEnum::AlterOpFamilyStmt(stmt) => of_items(&stmt.items),
        _ => Vec::new(),
    }
}

fn with_arguments(object: &ObjectWithArgs) -> Option<FunctionCall> {
    (!object.objname.is_empty()).then(|| tree::function(&object.objname))
}

fn of_options(options: &[Node]) -> Vec<FunctionCall> {
    tree::options(options).filter(|option| OPTIONS.contains(&option.defname.to_ascii_lowercase().as_str())).filter_map(of_option).collect()
}

fn of_option(option: &DefElem) -> Option<FunctionCall> {
    match tree::inner(option.arg.as_deref())? {
        NodeEnum::TypeName(name) => Some(tree::function(&name.names)),
        NodeEnum::List(name) => Some(tree::function(&name.items)),
        NodeEnum::String(name) => Some(FunctionCall { schema: None, name: name.sval.clone() }),
        _ => None,
    }
}

/// Operators of the list are not told from functions: one name too many is asked.
fn of_items(items: &[Node]) -> Vec<FunctionCall> {
    let name = |node: &Node| match tree::kind(node)? {
        NodeEnum::CreateOpClassItem(item) => item.name.as_ref().and_then(with_arguments),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// The function that a statement creates or replaces.
pub(super) fn definition(node: &NodeEnum) -> Option<Definition> {
    match node {
        NodeEnum::CreateFunctionStmt(stmt) => Some(function(stmt)),
        NodeEnum::DefineStmt(stmt) => aggregate(stmt),
        NodeEnum::RenameStmt(stmt) => renamed(stmt),
        _ => None,
    }
}

fn function(stmt: &CreateFunctionStmt) -> Definition {
    let option =
        |name: &str| tree::options(&stmt.options).find(|option| option.defname == name).and_then(|option| tree::inner(option.arg.as_deref()));
    let language = match option("language") {
        Some(NodeEnum::String(name)) => name.sval.to_ascii_lowercase(),
        _ => "sql".to_owned(),
    };
    let body = match option("as") {
        Some(NodeEnum::List(parts)) => tree::strings(&parts.items).into_iter().next().unwrap_or_default(),
        // BEGIN ATOMIC: what it calls stands in the statement's own tree.
        _ => String::new(),
    };
    Definition { name: tree::function(&stmt.funcname).name, language, body }
}

/// The new name does what the old one did.
fn renamed(stmt: &RenameStmt) -> Option<Definition> {
    use ObjectType as Kind;
    let kinds = [Kind::ObjectFunction, Kind::ObjectProcedure, Kind::ObjectRoutine, Kind::ObjectAggregate];
    let NodeEnum::ObjectWithArgs(old) = tree::inner(stmt.object.as_deref())? else { return None };
    let body = Identifier(&tree::function(&old.objname).name).to_string();
    kinds.contains(&ObjectType::try_from(stmt.rename_type).ok()?).then(|| Definition { name: stmt.newname.clone(), language: "sql".to_owned(), body })
}

/// It does nothing but what its functions do.
fn aggregate(stmt: &DefineStmt) -> Option<Definition> {
    (ObjectType::try_from(stmt.kind) == Ok(ObjectType::ObjectAggregate)).then(|| Definition {
        name: tree::function(&stmt.defnames).name,
        language: "sql".to_owned(),
        body: String::new(),
    })
}
