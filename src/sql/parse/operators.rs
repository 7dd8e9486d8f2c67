//! Operators of an expression that PostgreSQL itself does not have: users define them on functions of their own.

use pg_query::NodeEnum;
use serde_json::Value;

use super::walk::push_once;

/// The symbols of `pg_operator` in 13 to 18; no operator of theirs is volatile.
const BUILTIN: &[&str] = &[
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&", "&<", "&<|", "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=",
    "+", "-", "->", "->>", "-|-", "/", "<", "<->", "<<", "<<=", "<<|", "<=", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?", "?#", "?&",
    "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^", "^@", "|", "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=",
    "~>=~", "~>~", "~~", "~~*",
];

/// Operators of another symbol, or of another schema than `pg_catalog`, each once.
pub(super) fn foreign(tree: &NodeEnum) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(tree) = serde_json::to_value(tree) {
        collect(&tree, &mut found);
    }
    found
}

/// BETWEEN and its like stand in the tree by their keywords.
fn is_builtin(symbol: &str) -> bool {
    BUILTIN.contains(&symbol) || symbol.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn collect(tree: &Value, found: &mut Vec<String>) {
    match tree {
        Value::Object(fields) => {
            if let Some(name) = fields.get("AExpr").and_then(|expression| expression.get("name")) {
                let parts = name.as_array().into_iter().flatten().filter_map(|part| part.pointer("/node/String/sval")?.as_str());
                let parts: Vec<&str> = parts.collect();
                let builtin = matches!(*parts, [symbol] | ["pg_catalog", symbol] if is_builtin(symbol));
                if !builtin {
                    push_once(found, parts.join("."));
                }
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
