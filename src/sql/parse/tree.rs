//! Small readings of PostgreSQL's tree that several statements share.

use pg_query::protobuf::{AConst, DefElem, DropBehavior, RangeVar, TypeName as Type, a_const::Val};
use pg_query::{Node, NodeEnum};

use super::super::name::RelationName;
use super::super::statement::{FunctionCall, TypeName};

/// What a node is.
pub(super) fn kind(node: &Node) -> Option<&NodeEnum> {
    node.node.as_ref()
}

/// What an optional boxed node is.
pub(super) fn inner(node: Option<&Node>) -> Option<&NodeEnum> {
    node.and_then(kind)
}

/// The text of a String node.
pub(super) fn string(node: &Node) -> Option<&str> {
    match kind(node)? {
        NodeEnum::String(text) => Some(&text.sval),
        _ => None,
    }
}

/// The texts of a list of String nodes.
pub(super) fn strings(nodes: &[Node]) -> Vec<String> {
    nodes.iter().filter_map(string).map(str::to_owned).collect()
}

/// A relation as written; the database part, which can only name the current one, is left out.
pub(super) fn relation(var: &RangeVar) -> RelationName {
    RelationName { schema: filled(&var.schemaname), name: var.relname.clone() }
}

/// A relation that the grammar guarantees.
pub(super) fn required(var: Option<&RangeVar>) -> RelationName {
    var.map_or_else(|| RelationName::unqualified(""), relation)
}

/// The relations of a list of RangeVar nodes.
pub(super) fn relations(nodes: &[Node]) -> Vec<RelationName> {
    nodes
        .iter()
        .filter_map(|node| match kind(node)? {
            NodeEnum::RangeVar(var) => Some(relation(var)),
            NodeEnum::VacuumRelation(target) => target.relation.as_ref().map(relation),
            _ => None,
        })
        .collect()
}

/// A qualified name given as a list of strings.
pub(super) fn qualified(mut parts: Vec<String>) -> Option<RelationName> {
    let name = parts.pop()?;
    Some(RelationName { schema: parts.pop(), name })
}

/// A function's name given as a list of strings.
pub(super) fn function(name: &[Node]) -> FunctionCall {
    let mut parts = strings(name);
    let last = parts.pop().unwrap_or_default();
    FunctionCall { schema: parts.pop(), name: last }
}

/// An empty string of the tree is an absent word of the text.
pub(super) fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// CASCADE.
pub(super) fn cascades(behavior: i32) -> bool {
    DropBehavior::try_from(behavior) == Ok(DropBehavior::DropCascade)
}

/// A type as the grammar names it.
pub(super) fn type_name(name: Option<&Type>) -> TypeName {
    let Some(name) = name else { return TypeName { names: Vec::new(), modifiers: Vec::new(), array: false } };
    TypeName { names: strings(&name.names), modifiers: name.typmods.iter().filter_map(integer).collect(), array: !name.array_bounds.is_empty() }
}

/// A type that is only named.
pub(super) fn bare_type(names: &[Node]) -> TypeName {
    TypeName { names: strings(names), modifiers: Vec::new(), array: false }
}

fn integer(node: &Node) -> Option<i32> {
    match kind(node)? {
        NodeEnum::AConst(AConst { val: Some(Val::Ival(number)), .. }) => Some(number.ival),
        _ => None,
    }
}

/// A constant as text, also through a cast; `None` for NULL and for what is no constant.
pub(super) fn constant(node: &Node) -> Option<String> {
    match kind(node)? {
        NodeEnum::AConst(constant) => value(constant),
        NodeEnum::TypeCast(cast) => cast.arg.as_deref().and_then(constant),
        _ => None,
    }
}

fn value(constant: &AConst) -> Option<String> {
    match constant.val.as_ref()? {
        Val::Ival(number) => Some(number.ival.to_string()),
        Val::Fval(number) => Some(number.fval.clone()),
        Val::Boolval(truth) => Some(truth.boolval.to_string()),
        Val::Sval(text) => Some(text.sval.clone()),
        Val::Bsval(bits) => Some(bits.bsval.clone()),
    }
}

/// The options of a list of DefElem nodes.
pub(super) fn options(nodes: &[Node]) -> impl DoubleEndedIterator<Item = &DefElem> {
    nodes.iter().filter_map(|node| match kind(node)? {
        NodeEnum::DefElem(option) => Some(&**option),
        _ => None,
    })
}

/// Whether a boolean option such as ANALYZE, FULL or CONCURRENTLY is on; the last one given counts.
pub(super) fn switched_on(nodes: &[Node], name: &str) -> bool {
    options(nodes).rfind(|option| option.defname == name).is_some_and(|option| match inner(option.arg.as_deref()) {
        None => true,
        Some(NodeEnum::Integer(number)) => number.ival != 0,
        Some(NodeEnum::Boolean(truth)) => truth.boolval,
        Some(NodeEnum::String(text)) => !matches!(text.sval.to_ascii_lowercase().as_str(), "off" | "false"),
        // An argument of another kind is an error of the server's; until it says so, the option is taken as on.
        Some(_) => true,
    })
}
