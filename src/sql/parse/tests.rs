mod alter;
mod hostile;
mod kinds;
mod written;

use super::*;
use crate::sql::name::RelationName;
use crate::sql::statement::*;

const LIMIT: usize = 1 << 20;

fn one(text: &str) -> Parsed {
    let script = script(text, LIMIT).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(script.statements.len(), 1, "{text}");
    script.statements.into_iter().next().unwrap()
}

fn statement(text: &str) -> Statement {
    one(text).statement
}

/// `schema.name` or `name`.
fn relation(name: &str) -> RelationName {
    match name.split_once('.') {
        Some((schema, name)) => RelationName::qualified(schema, name),
        None => RelationName::unqualified(name),
    }
}

fn relations(names: &[&str]) -> Vec<RelationName> {
    names.iter().map(|name| relation(name)).collect()
}

fn call(name: &str) -> FunctionCall {
    let RelationName { schema, name } = relation(name);
    FunctionCall { schema, name }
}
