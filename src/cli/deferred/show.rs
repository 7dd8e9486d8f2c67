//! What the commands print.

use std::collections::BTreeMap;

pub(in crate::cli) use crate::audit::time::{utc, utc_micros};
use crate::deferred::listing::{self, state, to_do};
use crate::deferred::promise::Pending;
use crate::sql::name::Literal;

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

/// Names and SQL are others' words: what moves a terminal's cursor is not for a table.
pub(in crate::cli) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>();
    let plain = if text.contains(['\n', '\r', '\t']) { words.join(" ") } else { text.to_owned() };
    plain.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The same for programs.
pub(super) fn json(pending: &[Pending]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&listing::Listing::of(pending, utc)).map(|text| text + "\n")
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
