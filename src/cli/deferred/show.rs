//! What the commands print.

use std::collections::BTreeMap;

use serde::Serialize;

pub(in crate::cli) use crate::audit::time::{utc, utc_micros};
use crate::deferred::promise::Pending;
use crate::sql::name::Literal;

/// In one word.
fn state(pending: &Pending) -> &'static str {
    match (&pending.error, pending.committed) {
        (Some(_), _) if !pending.may_be_retried() => "failed",
        (Some(_), _) => "interrupted",
        (None, true) => "committed",
        (None, false) => "promised",
    }
}

/// `promise 3` or `promises 3, 4`.
pub(super) fn numbers(numbers: &[i64]) -> String {
    let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{} {list}", if numbers.len() == 1 { "promise" } else { "promises" })
}

/// One line for each promise; more SQL and its error in lines of their own beneath the first.
pub(super) fn table(pending: &[Pending]) -> String {
    let mut rows = vec![["ID", "WHEN", "DATABASE", "ROLE", "STATE", "TO DO"].map(str::to_owned)];
    for pending in pending {
        let promise = &pending.promise;
        let error = pending.error.as_ref().map(|error| format!("error {}: {}", error.sqlstate, error.message));
        let mut lines = to_do(pending).into_iter().map(|sql| format!("{sql};")).chain(error).map(|line| one_line(&line));
        let first = lines.next().unwrap_or_default();
        let when = utc(pending.at_unix_micros);
        rows.push([pending.id.0.to_string(), when, one_line(&promise.place.database), one_line(&promise.role), state(pending).to_owned(), first]);
        rows.extend(lines.map(|line| [String::new(), String::new(), String::new(), String::new(), String::new(), line]));
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// What is left to do. A statement outside of any transaction runs, or was cut off: then it is taken back, and its tool runs it again.
fn to_do(pending: &Pending) -> Vec<String> {
    match &pending.promise.whole {
        Some(whole) => vec![format!("(it runs, or was cut off and is taken back) {}", whole.sql.trim_end().trim_end_matches(';'))],
        None => pending.to_do().into_iter().map(|(_, sql)| sql).collect(),
    }
}

/// Names and SQL are others' words: what moves a terminal's cursor is not for a table.
pub(in crate::cli) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>();
    let plain = if text.contains(['\n', '\r', '\t']) { words.join(" ") } else { text.to_owned() };
    plain.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    promises: Vec<Shown<'a>>,
}

#[derive(Serialize)]
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

#[derive(Serialize)]
struct ShownOperation<'a> {
    table: String,
    rule: &'a str,
}

#[derive(Serialize)]
struct ShownError<'a> {
    sqlstate: &'a str,
    message: &'a str,
}

/// The same for programs.
pub(super) fn json(pending: &[Pending]) -> Result<String, serde_json::Error> {
    let promises = pending.iter().map(|pending| {
        let promise = &pending.promise;
        Shown {
            id: pending.id.0,
            at: utc(pending.at_unix_micros),
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
    });
    serde_json::to_string_pretty(&Listing { version: 1, promises: promises.collect() }).map(|text| text + "\n")
}

/// What a dropped promise leaves to a person. The names in it mean what they did under the settings of the migration.
pub(super) fn left_undone(pending: &Pending) -> String {
    let id = pending.id.0;
    if let Some(whole) = &pending.promise.whole {
        return left_half_done(pending, &whole.sql);
    }
    let mut text = format!("promise {id} is dropped. It is not done, and nothing will do it any more:\n\n");
    let mut context = "";
    for (deferred, sql) in pending.to_do() {
        if deferred.context != context {
            context = &deferred.context;
            text += &settings(context);
        }
        text += &format!("{sql};\n");
    }
    text += &format!(
        "\nRun that by hand, statement by statement, outside a transaction, as the role \"{}\" in the database \"{}\"",
        pending.promise.role, pending.promise.place.database
    );
    if !pending.committed {
        text += ", if the transaction that it belongs to was committed";
    }
    text + ".\n"
}

/// The same of a statement that was cut off.
fn left_half_done(pending: &Pending, sql: &str) -> String {
    let made =
        pending.promise.operations.iter().filter_map(|deferred| deferred.operation.name().map(|name| format!("  {name} on {}\n", deferred.table)));
    format!(
        "promise {} is dropped. What this statement had done when it was cut off stays as it is, and nothing takes it back any more:\n\n{sql}\n\nLook \
         for what it may have left, an INVALID index or a NOT VALID constraint, in the database \"{}\":\n{}",
        pending.id.0,
        pending.promise.place.database,
        made.collect::<String>()
    )
}

/// The settings without which names would mean something else, or what is made would be another's.
fn settings(context: &str) -> String {
    let context: BTreeMap<String, String> = serde_json::from_str(context).unwrap_or_default();
    let matters = |name: &str, value: &str| match name {
        "search_path" => true,
        "role" => value != "none",
        "default_tablespace" => !value.is_empty(),
        _ => false,
    };
    let set = context.into_iter().filter(|(name, value)| matters(name, value));
    set.map(|(name, value)| format!("SELECT pg_catalog.set_config('{name}', {}, false);\n", Literal(&value))).collect()
}
