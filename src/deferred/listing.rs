//! Promises as programs read them. Scripts of others depend on the fields.

use serde::Serialize;

use super::promise::Pending;

/// All of them.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    version: u32,
    promises: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: i64,
    at: String,
    system: &'a str,
    database: &'a str,
    role: &'a str,
    session: &'a str,
    xid: &'a str,
    state: &'static str,
    /// Nobody has to do anything for it to be tried again.
    runs_by_itself: bool,
    done: usize,
    operations: Vec<ShownOperation<'a>>,
    to_do: Vec<String>,
    error: Option<ShownError<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownOperation<'a> {
    table: String,
    rule: &'a str,
}

#[derive(Debug, Serialize)]
struct ShownError<'a> {
    sqlstate: &'a str,
    message: &'a str,
}

impl<'a> Listing<'a> {
    /// With times as this tells them, of microseconds since 1970.
    #[must_use]
    pub fn of(pending: &'a [Pending], time: fn(i64) -> String) -> Self {
        Self { version: 1, promises: pending.iter().map(|pending| Shown::of(pending, time)).collect() }
    }
}

impl<'a> Shown<'a> {
    fn of(pending: &'a Pending, time: fn(i64) -> String) -> Self {
        let promise = &pending.promise;
        Self {
            id: pending.id.0,
            at: time(pending.at_unix_micros),
            system: &promise.place.system,
            database: &promise.place.database,
            role: &promise.role,
            session: &promise.session,
            xid: &promise.xid,
            state: state(pending),
            runs_by_itself: pending.may_be_retried(),
            done: pending.done,
            operations: promise.operations.iter().map(|one| ShownOperation { table: one.table.to_string(), rule: &one.rule }).collect(),
            to_do: to_do(pending),
            error: pending.error.as_ref().map(|error| ShownError { sqlstate: &error.sqlstate, message: &error.message }),
        }
    }
}

/// In one word.
#[must_use]
pub fn state(pending: &Pending) -> &'static str {
    match (&pending.error, pending.committed) {
        (Some(_), _) if !pending.may_be_retried() => "failed",
        (Some(_), _) => "interrupted",
        (None, true) => "committed",
        (None, false) => "promised",
    }
}

/// What is left to do. A statement outside of any transaction runs, or was cut off: then it is taken back, and its tool runs it again.
#[must_use]
pub fn to_do(pending: &Pending) -> Vec<String> {
    match &pending.promise.whole {
        Some(whole) => vec![format!("(it runs, or was cut off and is taken back) {}", whole.sql.trim_end().trim_end_matches(';'))],
        None => pending.to_do().into_iter().map(|(_, sql)| sql).collect(),
    }
}
