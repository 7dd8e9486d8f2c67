//! Advisory locks: a call that waits for one is tried again and again in its place.
//!
//! A session that waits in `pg_advisory_lock` runs a statement, and so has a snapshot. A concurrent build of the lock's holder waits for that
//! snapshot, the session for the holder: a deadlock (facts: tools, 8; postgres, "two pods"). Tools that migrate from several machines at once do
//! just this. `pg_try_advisory_lock` has an answer at once, and between two tries there is no snapshot.

use crate::sql::functions::{self, Special};
use crate::sql::statement::{Argument, LoneCall, Parsed, Statement};

/// A call that waits for an advisory lock, and does nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryLock {
    /// The function that tries and does not wait.
    tries: &'static str,
    keys: Vec<Key>,
    /// The name of the call's column.
    pub column: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Known(i64),
    /// `$1` is 1.
    Parameter(usize),
}

impl AdvisoryLock {
    /// The statement that tries: `true` or `false`, as text. `None` when a parameter is not among those given, or is no number.
    #[must_use]
    pub fn try_once(&self, parameters: &[Option<i64>]) -> Option<String> {
        let value = |key: &Key| match key {
            Key::Known(number) => Some(*number),
            Key::Parameter(number) => *parameters.get(number.checked_sub(1)?)?,
        };
        let values: Vec<i64> = self.keys.iter().map(value).collect::<Option<_>>()?;
        let arguments = match values.as_slice() {
            [key] => format!("'{key}'::pg_catalog.int8"),
            [first, second] => format!("'{}'::pg_catalog.int4, '{}'::pg_catalog.int4", i32::try_from(*first).ok()?, i32::try_from(*second).ok()?),
            _ => return None,
        };
        Some(format!("SELECT pg_catalog.{}({arguments})::pg_catalog.text", self.tries))
    }
}

/// The statement as such a call, when it is nothing else, and its keys are constants or parameters.
#[must_use]
pub fn lock(parsed: &Parsed) -> Option<AdvisoryLock> {
    let call = lone_call(parsed)?;
    let tries = match call.function.name.as_str() {
        "pg_advisory_lock" => "pg_try_advisory_lock",
        "pg_advisory_lock_shared" => "pg_try_advisory_lock_shared",
        "pg_advisory_xact_lock" => "pg_try_advisory_xact_lock",
        "pg_advisory_xact_lock_shared" => "pg_try_advisory_xact_lock_shared",
        _ => return None,
    };
    let keys = call.arguments.iter().map(key).collect::<Option<_>>()?;
    Some(AdvisoryLock { tries, keys, column: call.column.clone() })
}

/// Whether the statement asks for an advisory lock, waiting or not, and does nothing else.
#[must_use]
pub fn is_call(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    query.lone_call.as_ref().is_some_and(|call| {
        let name = call.function.name.as_str();
        let tries = name.starts_with("pg_try_advisory_") && call.function.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        tries || functions::special(&call.function) == Some(Special::AdvisoryLock)
    })
}

/// Whether the statement waits for an advisory lock and does nothing else, whatever its keys are.
pub(super) fn is_lock(parsed: &Parsed) -> bool {
    lone_call(parsed).is_some()
}

fn lone_call(parsed: &Parsed) -> Option<&LoneCall> {
    let Statement::Query(query) = &parsed.statement else { return None };
    query.lone_call.as_ref().filter(|call| functions::special(&call.function) == Some(Special::AdvisoryLock))
}

fn key(argument: &Argument) -> Option<Key> {
    match argument {
        Argument::Constant(text) => text.parse().ok().map(Key::Known),
        Argument::Parameter(number) => Some(Key::Parameter(*number)),
        Argument::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    fn tried(sql: &str, parameters: &[Option<i64>]) -> Option<String> {
        lock(&script(sql, 1 << 20).unwrap().statements[0])?.try_once(parameters)
    }

    #[test]
    fn what_waits_is_tried_with_the_same_keys() {
        for (sql, parameters, expected) in [
            ("SELECT pg_advisory_lock(7)", &[][..], "SELECT pg_catalog.pg_try_advisory_lock('7'::pg_catalog.int8)::pg_catalog.text"),
            (
                "select pg_catalog.pg_advisory_xact_lock_shared(1, -2) AS x",
                &[],
                "SELECT pg_catalog.pg_try_advisory_xact_lock_shared('1'::pg_catalog.int4, '-2'::pg_catalog.int4)::pg_catalog.text",
            ),
            (
                "SELECT pg_advisory_lock($1::bigint)",
                &[Some(i64::MIN)],
                "SELECT pg_catalog.pg_try_advisory_lock('-9223372036854775808'::pg_catalog.int8)::pg_catalog.text",
            ),
        ] {
            assert_eq!(tried(sql, parameters).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_tried() {
        for (sql, parameters) in [
            ("SELECT pg_advisory_lock(hashtext('a'))", &[][..]),
            ("SELECT pg_advisory_lock(1.5)", &[]),
            ("SELECT pg_advisory_lock($1)", &[]),
            ("SELECT pg_advisory_lock($1)", &[None]),
            ("SELECT pg_advisory_lock(1, 3000000000)", &[]),
            ("SELECT pg_advisory_lock(1, 2, 3)", &[]),
            ("SELECT pg_advisory_lock(1), pg_advisory_lock(2)", &[]),
            ("SELECT pg_advisory_lock(1) FROM t", &[]),
            ("SELECT pg_advisory_unlock(1)", &[]),
            ("SELECT app.pg_advisory_lock(1)", &[]),
        ] {
            assert_eq!(tried(sql, parameters), None, "{sql}");
        }
    }
}
