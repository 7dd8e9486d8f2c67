//! Statements about rows, and those that carry another one.

use pg_query::protobuf::{CopyStmt, DoStmt, ExplainStmt, FuncCall, PrepareStmt, SelectStmt};
use pg_query::{Node, NodeEnum};

use super::super::statement::{Argument, Copy, LoneCall, Opaque, Query, Statement};
use super::super::tokens;
use super::{ParseError, Source, block, create, of_tree, statement, tree};

/// A query of which nothing more need be known.
pub(super) fn plain() -> Statement {
    Statement::Query(Query::default())
}

/// DECLARE.
pub(super) fn declare() -> Statement {
    Statement::Query(Query { declares: true, ..Query::default() })
}

/// FETCH, MOVE.
pub(super) fn fetch() -> Statement {
    Statement::Query(Query { fetches: true, ..Query::default() })
}

/// SELECT, VALUES, TABLE; SELECT INTO makes a table.
pub(super) fn select(stmt: &SelectStmt) -> Statement {
    match into(stmt) {
        Some(clause) => Statement::CreateTable(create::from_into(clause, false, None)),
        None => Statement::Query(Query { lone_call: lone_call(stmt), ..Query::default() }),
    }
}

/// The INTO of a set operation stands in its first SELECT.
fn into(stmt: &SelectStmt) -> Option<&pg_query::protobuf::IntoClause> {
    let mut first = stmt;
    while let Some(left) = &first.larg {
        first = left;
    }
    first.into_clause.as_deref()
}

fn lone_call(stmt: &SelectStmt) -> Option<LoneCall> {
    let [target] = stmt.target_list.as_slice() else { return None };
    let NodeEnum::ResTarget(target) = tree::kind(target)? else { return None };
    let NodeEnum::FuncCall(call) = tree::inner(target.val.as_deref())? else { return None };
    if !(is_bare(stmt) && is_simple(call)) {
        return None;
    }
    let function = tree::function(&call.funcname);
    let column = if target.name.is_empty() { function.name.clone() } else { target.name.clone() };
    Some(LoneCall { arguments: call.args.iter().map(argument).collect(), column, function })
}

/// A value as far as it stands in the statement.
pub(super) fn argument(node: &Node) -> Argument {
    match tree::kind(node) {
        Some(NodeEnum::ParamRef(parameter)) => usize::try_from(parameter.number).map_or(Argument::Other, Argument::Parameter),
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().map_or(Argument::Other, argument),
        _ => tree::constant(node).map_or(Argument::Other, Argument::Constant),
    }
}

fn is_bare(stmt: &SelectStmt) -> bool {
    let clauses = [&stmt.from_clause, &stmt.distinct_clause, &stmt.group_clause, &stmt.window_clause, &stmt.sort_clause, &stmt.locking_clause];
    clauses.iter().all(|clause| clause.is_empty())
        && [&stmt.where_clause, &stmt.having_clause, &stmt.limit_offset, &stmt.limit_count].iter().all(|clause| clause.is_none())
        && stmt.with_clause.is_none()
}

fn is_simple(call: &FuncCall) -> bool {
    call.agg_order.is_empty() && call.agg_filter.is_none() && call.over.is_none() && !call.agg_star && !call.func_variadic
}

/// COPY in any direction.
pub(super) fn copy(stmt: &CopyStmt) -> Statement {
    Statement::Copy(match (stmt.is_program, stmt.filename.is_empty(), stmt.is_from) {
        (true, _, _) => Copy::Program,
        (false, false, _) => Copy::ServerFile,
        (false, true, true) => Copy::FromClient,
        (false, true, false) => Copy::ToClient,
    })
}

/// DO: its language and its body.
pub(super) fn anonymous_block(stmt: &DoStmt) -> Opaque {
    let text = |name: &str| {
        tree::options(&stmt.args)
            .find(|option| option.defname == name)
            .and_then(|option| option.arg.as_deref())
            .and_then(tree::string)
            .map(str::to_owned)
    };
    Opaque::Do { language: text("language").unwrap_or_else(|| "plpgsql".to_owned()), body: block::code(&text("as").unwrap_or_default()) }
}

/// EXPLAIN is what it explains; without ANALYZE it makes no table.
pub(super) fn explain(source: &Source<'_>, stmt: &ExplainStmt) -> Result<Statement, ParseError> {
    let node = required(stmt.query.as_deref())?;
    let inner = statement::of(source, node)?;
    Ok(match inner {
        Statement::CreateTable(table) if !tree::switched_on(&stmt.options, "analyze") => {
            table.execute.map_or_else(plain, |name| Statement::Execute { name })
        }
        Statement::Query(query) => Statement::Query(Query { write: None, ..query }),
        other => other,
    })
}

/// PREPARE: its name and what EXECUTE will run.
pub(super) fn prepare(source: &Source<'_>, stmt: &PrepareStmt) -> Result<Statement, ParseError> {
    let node = required(stmt.query.as_deref())?;
    let span = after_as(source)?;
    let parsed = of_tree(Source { text: source.text, span }, node)?;
    Ok(Statement::Prepare { name: stmt.name.clone(), inner: Box::new(parsed) })
}

/// What stands behind the first AS outside of parentheses.
fn after_as(source: &Source<'_>) -> Result<std::ops::Range<usize>, ParseError> {
    let unlocated = || ParseError::not_understood("PREPARE without its AS");
    let tokens = tokens::significant(source.text, &source.span).map_err(|_| unlocated())?;
    let at = tokens.iter().position(|token| token.depth == 0 && token.kind.is_keyword("AS")).ok_or_else(unlocated)?;
    let first = tokens.get(at + 1).ok_or_else(unlocated)?;
    Ok(first.span.start..source.span.end)
}

fn required(node: Option<&Node>) -> Result<&NodeEnum, ParseError> {
    tree::inner(node).ok_or_else(|| ParseError::not_understood("a statement without its inner statement"))
}
