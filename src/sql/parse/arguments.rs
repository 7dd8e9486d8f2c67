//! The arguments of `set_config`, wherever the call stands.

use serde::Serialize;
use serde_json::Value;

use super::super::statement::SetByCall;

/// What a call with these arguments sets.
pub(super) fn of_set_config<T: Serialize + ?Sized>(arguments: &T) -> SetByCall {
    let arguments = serde_json::to_value(arguments).unwrap_or_default();
    let text = |at: usize| arguments.get(at).and_then(text);
    SetByCall { name: text(0).map(|name| name.to_lowercase()), value: text(1), later: false }
}

/// A constant that is a text as it is written.
fn text(argument: &Value) -> Option<String> {
    let node = argument.get("node")?;
    match node.get("TypeCast") {
        Some(cast) if is_text(cast.get("type_name")?) => text(cast.get("arg")?),
        Some(_) => None,
        None => Some(node.pointer("/AConst/val/Sval/sval")?.as_str()?.to_owned()),
    }
}

/// Any other type, also `varchar(3)`, may change the value.
fn is_text(name: &Value) -> bool {
    let last = name.get("names").and_then(Value::as_array).and_then(|names| names.last()?.pointer("/node/String/sval")?.as_str());
    matches!(last, Some("text" | "varchar")) && name.get("typmods").and_then(Value::as_array).is_some_and(Vec::is_empty)
}
