//! Small writes of one table, column by column.

use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, DeleteStmt, InsertStmt, RangeVar, UpdateStmt};
use pg_query::{Node, NodeEnum};

use super::super::statement::{Argument, Verb, Write};
use super::{query, tree};

/// Tables of versions are narrow; what is wider is not looked into.
const MOST_COLUMNS: usize = 32;

/// An INSERT of one row of values.
pub(super) fn inserted(stmt: &InsertStmt) -> Option<Write> {
    let NodeEnum::SelectStmt(select) = tree::inner(stmt.select_stmt.as_deref())? else { return None };
    let values: &[Node] = match (&*select.values_lists, &*select.target_list) {
        ([row], _) => match tree::kind(row)? {
            NodeEnum::List(row) => &row.items,
            _ => return None,
        },
        _ => return None,
    };
    let names = &stmt.cols;
    if names.len() > MOST_COLUMNS || names.len() != values.len() {
        return None;
    }
    let columns = names.iter().zip(values).filter_map(|(name, value)| Some((target(name)?.0, query::argument(value)))).collect();
    of(Verb::Insert, stmt.relation.as_ref(), columns, Vec::new())
}

/// An UPDATE of one table.
pub(super) fn updated(stmt: &UpdateStmt) -> Option<Write> {
    if !stmt.from_clause.is_empty() || stmt.target_list.len() > MOST_COLUMNS {
        return None;
    }
    let columns = stmt.target_list.iter().map(target).collect::<Option<_>>()?;
    of(Verb::Update, stmt.relation.as_ref(), columns, condition(stmt.where_clause.as_deref())?)
}

/// A DELETE of one table.
pub(super) fn deleted(stmt: &DeleteStmt) -> Option<Write> {
    if !stmt.using_clause.is_empty() {
        return None;
    }
    of(Verb::Delete, stmt.relation.as_ref(), Vec::new(), condition(stmt.where_clause.as_deref())?)
}

fn of(verb: Verb, relation: Option<&RangeVar>, columns: Vec<(String, Argument)>, equal: Vec<(String, Argument)>) -> Option<Write> {
    let var = relation?;
    let alias = var.alias.as_ref().map(|alias| alias.aliasname.clone());
    Some(Write { verb, table: tree::relation(var), alias, columns, equal })
}

/// A column and what is put there.
fn target(node: &Node) -> Option<(String, Argument)> {
    let NodeEnum::ResTarget(target) = tree::kind(node)? else { return None };
    Some((target.name.clone(), target.val.as_deref().map_or(Argument::Other, query::argument)))
}

/// Equalities that are joined by AND; `None` where anything else is asked.
fn condition(node: Option<&Node>) -> Option<Vec<(String, Argument)>> {
    let Some(node) = node else { return Some(Vec::new()) };
    match tree::kind(node)? {
        NodeEnum::BoolExpr(both) if BoolExprType::try_from(both.boolop) == Ok(BoolExprType::AndExpr) && both.args.len() <= MOST_COLUMNS => {
            let parts = both.args.iter().map(|part| condition(Some(part))).collect::<Option<Vec<_>>>()?;
            Some(parts.into_iter().flatten().collect())
        }
        NodeEnum::AExpr(comparison) => Some(vec![equality(comparison)?]),
        _ => None,
    }
}

fn equality(comparison: &AExpr) -> Option<(String, Argument)> {
    let one_of = match AExprKind::try_from(comparison.kind) {
        Ok(AExprKind::AexprOp) => false,
        Ok(AExprKind::AexprIn) => true,
        _ => return None,
    };
    if comparison.name.last().and_then(tree::string) != Some("=") {
        return None;
    }
    let right = comparison.rexpr.as_deref()?;
    let value = match tree::kind(right)? {
        NodeEnum::List(list) if one_of => match &*list.items {
            [only] => query::argument(only),
            _ => return None,
        },
        _ => query::argument(right),
    };
    let NodeEnum::ColumnRef(column) = tree::inner(comparison.lexpr.as_deref())? else { return None };
    Some((tree::strings(&column.fields).pop()?, value))
}
