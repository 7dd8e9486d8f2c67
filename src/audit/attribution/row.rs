//! A small write with its values, as the recognition of each tool asks for them.

use crate::sql::statement::{Argument, Verb, Write};

use super::guess::Guess;
use super::value::{Class, Given, Value};
use super::{Kind, Tool, UNREAD, VersionWrite};

/// A write whose statement has run.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What it writes.
    pub write: &'a Write,
    /// Its parameters.
    pub given: &'a [Given],
    /// The statement as the client wrote it.
    pub text: &'a str,
    /// Which tool the session is of, it seems.
    pub guess: Option<Guess>,
}

impl Row<'_> {
    pub(super) fn inserts(&self) -> bool {
        self.write.verb == Verb::Insert
    }

    pub(super) fn updates(&self) -> bool {
        self.write.verb == Verb::Update
    }

    pub(super) fn deletes(&self) -> bool {
        self.write.verb == Verb::Delete
    }

    /// The name of the table, without its schema.
    pub(super) fn is(&self, table: &str) -> bool {
        self.write.table.name == table
    }

    /// It writes these columns, and perhaps others.
    pub(super) fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| find(&self.write.columns, column).is_some())
    }

    /// It writes these columns and no others.
    pub(super) fn has_only(&self, columns: &[&str]) -> bool {
        self.write.columns.len() == columns.len() && self.has(columns)
    }

    /// Its condition asks for these columns, and perhaps for others.
    pub(super) fn asks(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| find(&self.write.equal, column).is_some())
    }

    /// What it writes into a column.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.known(find(&self.write.columns, column), Class::Text)
    }

    /// The same for a column of numbers.
    pub(super) fn number(&self, column: &str) -> Option<String> {
        self.known(find(&self.write.columns, column), Class::Number)
    }

    /// The same for a bool; `None` where it cannot be told.
    pub(super) fn truth(&self, column: &str) -> Option<bool> {
        match self.value(find(&self.write.columns, column)?, Class::Truth) {
            Value::Known(text) => match text.to_ascii_lowercase().as_str() {
                "t" | "true" | "1" | "on" | "yes" | "y" => Some(true),
                "f" | "false" | "0" | "off" | "no" | "n" => Some(false),
                _ => None,
            },
            Value::Null | Value::Unknown => None,
        }
    }

    /// What a column is asked to be.
    pub(super) fn asked(&self, column: &str) -> Option<String> {
        self.known(find(&self.write.equal, column), Class::Text)
    }

    /// The same for a column of numbers.
    pub(super) fn asked_number(&self, column: &str) -> Option<String> {
        self.known(find(&self.write.equal, column), Class::Number)
    }

    /// `None` for NULL, and where there is no such column; [`UNREAD`] where there is and it cannot be read.
    fn known(&self, argument: Option<&Argument>, class: Class) -> Option<String> {
        match self.value(argument?, class) {
            Value::Known(text) => Some(text),
            Value::Unknown => Some(UNREAD.to_owned()),
            Value::Null => None,
        }
    }

    fn value(&self, argument: &Argument, class: Class) -> Value {
        match argument {
            Argument::Constant(text) => Value::Known(text.clone()),
            Argument::Parameter(number) => number.checked_sub(1).and_then(|at| self.given.get(at)).map_or(Value::Unknown, |given| given.read(class)),
            Argument::Other => Value::Unknown,
        }
    }

    /// What it comes to.
    pub(super) fn note(&self, tool: Tool, kind: Kind, version: Option<String>, name: Option<String>) -> VersionWrite {
        let version = version.unwrap_or_else(|| UNREAD.to_owned());
        VersionWrite { tool, table: self.write.table.to_string(), version, name, kind }
    }
}

fn find<'a>(among: &'a [(String, Argument)], column: &str) -> Option<&'a Argument> {
    among.iter().find(|(name, _)| name == column).map(|(_, value)| value)
}
