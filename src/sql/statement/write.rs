//! What a small write puts where: for those who read what a migration tool notes.

use super::super::name::RelationName;
use super::Argument;

/// An INSERT of one row, or an UPDATE or DELETE of one table, with few columns and no query in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What it does.
    pub verb: Verb,
    /// The table.
    pub table: RelationName,
    /// The name that the statement gives the table.
    pub alias: Option<String>,
    /// The columns that it writes, each with its value. Without names where an INSERT lists none: then there are none.
    pub columns: Vec<(String, Argument)>,
    /// What its condition asks of columns to be equal to; nothing else is in the condition.
    pub equal: Vec<(String, Argument)>,
}

/// What a [`Write`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}
