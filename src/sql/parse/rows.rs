//! INSERT, UPDATE, DELETE and MERGE: which rows they write, as far as the text says.

use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, DeleteStmt, InsertStmt, RangeVar, SelectStmt, SubLink, SubLinkType, UpdateStmt};
use pg_query::{Node, NodeEnum};

use super::super::statement::{Query, Reach, Statement};
use super::{tree, written};

/// INSERT.
pub(super) fn insert(stmt: &InsertStmt) -> Statement {
    let queried = matches!(tree::inner(stmt.select_stmt.as_deref()), Some(NodeEnum::SelectStmt(select)) if brings_rows(select));
    let reach = if queried { Reach::Queried } else { Reach::Given };
    let write = written::inserted(stmt).map(Box::new);
    Statement::Query(Query { on_conflict: stmt.on_conflict_clause.is_some(), write, ..of(stmt.relation.as_ref(), reach) })
}

/// UPDATE.
pub(super) fn update(stmt: &UpdateStmt) -> Statement {
    let change = change(stmt.relation.as_ref(), stmt.where_clause.as_deref(), !stmt.from_clause.is_empty());
    Statement::Query(Query { write: written::updated(stmt).map(Box::new), ..change })
}

/// DELETE.
pub(super) fn delete(stmt: &DeleteStmt) -> Statement {
    let change = change(stmt.relation.as_ref(), stmt.where_clause.as_deref(), !stmt.using_clause.is_empty());
    Statement::Query(Query { write: written::deleted(stmt).map(Box::new), ..change })
}

/// `joined` where other tables say which rows, too.
fn change(relation: Option<&RangeVar>, condition: Option<&Node>, joined: bool) -> Query {
    let pins = condition.map(pinned);
    let reach = match (pins, joined) {
        (None, false) => Reach::All,
        (Some(Pins::OneRow), _) => Reach::Given,
        (Some(Pins::Columns(columns)), false) => Reach::Pinned(columns),
        (_, true) => Reach::Queried,
    };
    of(relation, reach)
}

/// MERGE.
pub(super) fn merge(relation: Option<&RangeVar>) -> Statement {
    Statement::Query(of(relation, Reach::Queried))
}

fn of(relation: Option<&RangeVar>, reach: Reach) -> Query {
    Query { written: relation.map(tree::relation), reach, ..Query::default() }
}

/// It reads what stands elsewhere.
fn brings_rows(select: &SelectStmt) -> bool {
    !select.from_clause.is_empty() || select.larg.is_some()
}

/// What a condition says of columns.
enum Pins {
    /// WHERE CURRENT OF.
    OneRow,
    /// The columns that it pins.
    Columns(Vec<String>),
}

fn pinned(condition: &Node) -> Pins {
    if matches!(tree::kind(condition), Some(NodeEnum::CurrentOfExpr(_))) {
        return Pins::OneRow;
    }
    let parts = conjuncts(condition);
    let bounded = |below: bool| parts.iter().filter_map(move |part| side(part, below)).collect::<Vec<_>>();
    let above = bounded(false);
    let mut columns: Vec<String> = parts.iter().filter_map(|part| chosen(part)).collect();
    columns.extend(bounded(true).into_iter().filter(|column| above.contains(column)));
    columns.sort();
    columns.dedup();
    Pins::Columns(columns)
}

/// What is joined by AND.
fn conjuncts(condition: &Node) -> Vec<&NodeEnum> {
    match tree::kind(condition) {
        Some(NodeEnum::BoolExpr(both)) if BoolExprType::try_from(both.boolop) == Ok(BoolExprType::AndExpr) => {
            both.args.iter().flat_map(conjuncts).collect()
        }
        Some(other) => vec![other],
        None => Vec::new(),
    }
}

/// The column that has one of some values.
fn chosen(part: &NodeEnum) -> Option<String> {
    match part {
        NodeEnum::AExpr(comparison) => compared(comparison),
        NodeEnum::SubLink(subquery) => limited(subquery),
        _ => None,
    }
}

fn compared(comparison: &AExpr) -> Option<String> {
    let (left, right) = (comparison.lexpr.as_deref()?, comparison.rexpr.as_deref()?);
    match AExprKind::try_from(comparison.kind) {
        Ok(AExprKind::AexprOp) if operator(comparison) == Some("=") => {
            column(left).filter(|_| is_value(right)).or_else(|| column(right).filter(|_| is_value(left)))
        }
        Ok(AExprKind::AexprIn) if operator(comparison) == Some("=") => column(left).filter(|_| items(right).all(is_value)),
        Ok(AExprKind::AexprOpAny) if operator(comparison) == Some("=") => column(left).filter(|_| is_value(right)),
        Ok(AExprKind::AexprBetween) => column(left).filter(|_| items(right).all(is_value)),
        _ => None,
    }
}

/// `column IN (SELECT … LIMIT 5000)`.
fn limited(subquery: &SubLink) -> Option<String> {
    let any = SubLinkType::try_from(subquery.sub_link_type) == Ok(SubLinkType::AnySublink);
    let Some(NodeEnum::SelectStmt(select)) = tree::inner(subquery.subselect.as_deref()) else { return None };
    let bounded = select.limit_count.as_deref().is_some_and(|limit| tree::constant(limit).is_some() || is_parameter(limit));
    subquery.testexpr.as_deref().and_then(column).filter(|_| any && bounded && subquery.oper_name.is_empty())
}

/// The column that is compared with a value which it stays below, or above.
fn side(part: &NodeEnum, below: bool) -> Option<String> {
    let NodeEnum::AExpr(comparison) = part else { return None };
    if AExprKind::try_from(comparison.kind) != Ok(AExprKind::AexprOp) {
        return None;
    }
    let (left, right) = (comparison.lexpr.as_deref()?, comparison.rexpr.as_deref()?);
    let operator = operator(comparison)?;
    let (less, more) = (["<", "<="].contains(&operator), [">", ">="].contains(&operator));
    let (straight, turned) = if below { (less, more) } else { (more, less) };
    column(left).filter(|_| straight && is_value(right)).or_else(|| column(right).filter(|_| turned && is_value(left)))
}

fn operator(comparison: &AExpr) -> Option<&str> {
    comparison.name.last().and_then(tree::string)
}

fn items(list: &Node) -> impl Iterator<Item = &Node> {
    let items = match tree::kind(list) {
        Some(NodeEnum::List(list)) => list.items.as_slice(),
        _ => &[],
    };
    items.iter()
}

fn column(node: &Node) -> Option<String> {
    match tree::kind(node)? {
        NodeEnum::ColumnRef(found) => tree::strings(&found.fields).pop(),
        _ => None,
    }
}

/// A constant or a parameter, also through a cast.
fn is_value(node: &Node) -> bool {
    tree::constant(node).is_some() || is_parameter(node)
}

fn is_parameter(node: &Node) -> bool {
    match tree::kind(node) {
        Some(NodeEnum::ParamRef(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_parameter),
        _ => false,
    }
}
