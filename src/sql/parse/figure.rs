//! The name that PostgreSQL gives to the column of an expression (`FigureColname`): part of an index's own name.

use pg_query::protobuf::{AExprKind, JsonExprOp, MinMaxOp, SubLinkType, XmlExprOp};
use pg_query::{Node, NodeEnum};

use super::tree;

/// How sure a name is: a weak one gives way to that of an enclosing cast or CASE.
#[derive(Clone, Copy, PartialEq)]
enum Strength {
    Weak,
    Strong,
}

type Figured = Option<(String, Strength)>;

/// The name of an expression's column; `None` where PostgreSQL writes `expr`.
pub(super) fn column_name(node: &Node) -> Option<String> {
    figure(node).map(|(name, _)| name)
}

fn figure(node: &Node) -> Figured {
    let node = tree::kind(node)?;
    match node {
        NodeEnum::ColumnRef(column) => column.fields.iter().rev().find_map(tree::string).and_then(strong),
        NodeEnum::FuncCall(call) => call.funcname.last().and_then(tree::string).and_then(strong),
        NodeEnum::AIndirection(indirection) => match indirection.indirection.iter().rev().find_map(tree::string) {
            Some(field) => strong(field),
            None => indirection.arg.as_deref().and_then(figure),
        },
        NodeEnum::CollateClause(clause) => clause.arg.as_deref().and_then(figure),
        NodeEnum::TypeCast(cast) => {
            let of_type = cast.type_name.as_ref().and_then(|name| name.names.last()).and_then(tree::string);
            over_weak(cast.arg.as_deref().and_then(figure), of_type)
        }
        NodeEnum::CaseExpr(case) => over_weak(case.defresult.as_deref().and_then(figure), Some("case")),
        other => fixed(other).and_then(strong),
    }
}

fn strong(name: &str) -> Figured {
    Some((name.to_owned(), Strength::Strong))
}

fn over_weak(inner: Figured, name: Option<&str>) -> Figured {
    match (inner, name) {
        (Some((inner, Strength::Strong)), _) => Some((inner, Strength::Strong)),
        (_, Some(name)) => Some((name.to_owned(), Strength::Weak)),
        (weak, None) => weak,
    }
}

/// Expressions that are named after their keyword.
fn fixed(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::AExpr(expression) if AExprKind::try_from(expression.kind) == Ok(AExprKind::AexprNullif) => "nullif",
        NodeEnum::GroupingFunc(_) => "grouping",
        NodeEnum::MergeSupportFunc(_) => "merge_action",
        NodeEnum::SubLink(link) => match SubLinkType::try_from(link.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => "exists",
            Ok(SubLinkType::ArraySublink) => "array",
            _ => return None,
        },
        NodeEnum::AArrayExpr(_) => "array",
        NodeEnum::RowExpr(_) => "row",
        NodeEnum::CoalesceExpr(_) => "coalesce",
        NodeEnum::MinMaxExpr(expression) if MinMaxOp::try_from(expression.op) == Ok(MinMaxOp::IsGreatest) => "greatest",
        NodeEnum::MinMaxExpr(_) => "least",
        other => return xml(other).or_else(|| json(other)),
    })
}

fn xml(node: &NodeEnum) -> Option<&'static str> {
    match node {
        NodeEnum::XmlSerialize(_) => Some("xmlserialize"),
        NodeEnum::XmlExpr(expression) => Some(match XmlExprOp::try_from(expression.op).ok()? {
            XmlExprOp::IsXmlconcat => "xmlconcat",
            XmlExprOp::IsXmlelement => "xmlelement",
            XmlExprOp::IsXmlforest => "xmlforest",
            XmlExprOp::IsXmlparse => "xmlparse",
            XmlExprOp::IsXmlpi => "xmlpi",
            XmlExprOp::IsXmlroot => "xmlroot",
            XmlExprOp::IsXmlserialize => "xmlserialize",
            XmlExprOp::IsDocument | XmlExprOp::Undefined => return None,
        }),
        _ => None,
    }
}

fn json(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::JsonParseExpr(_) => "json",
        NodeEnum::JsonScalarExpr(_) => "json_scalar",
        NodeEnum::JsonSerializeExpr(_) => "json_serialize",
        NodeEnum::JsonObjectConstructor(_) => "json_object",
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => "json_array",
        NodeEnum::JsonObjectAgg(_) => "json_objectagg",
        NodeEnum::JsonArrayAgg(_) => "json_arrayagg",
        NodeEnum::JsonFuncExpr(expression) => match JsonExprOp::try_from(expression.op) {
            Ok(JsonExprOp::JsonExistsOp) => "json_exists",
            Ok(JsonExprOp::JsonQueryOp) => "json_query",
            Ok(JsonExprOp::JsonValueOp) => "json_value",
            _ => return None,
        },
        _ => return None,
    })
}
