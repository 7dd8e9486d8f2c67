//! What the store needs of a database. Both back ends speak the same SQL: one text serves SQLite and PostgreSQL.

use super::error::StoreError;

/// A value, as both know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// A number; 0 and 1 for what is false or true.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement that changes something. Its parameters are `$1`, `$2` …, and first appear in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Write {
    pub(crate) fn new(sql: &'static str, values: impl Into<Vec<Value>>) -> Self {
        Self { sql, values: values.into() }
    }
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    /// The number of this column; what is none is 0.
    pub(crate) fn int(&self, column: usize) -> i64 {
        match self.0.get(column) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    /// The text of this column; what is none is empty.
    pub(crate) fn text(&self, column: usize) -> String {
        self.maybe_text(column).unwrap_or_default()
    }

    /// The text of this column, where it is not NULL.
    pub(crate) fn maybe_text(&self, column: usize) -> Option<String> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// The number of this column, where it is not NULL.
    pub(crate) fn maybe_int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The bytes of this column; what is none is empty.
    pub(crate) fn bytes(&self, column: usize) -> &[u8] {
        match self.0.get(column) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// One connection to a store.
pub(crate) trait Backend: Send {
    fn dialect(&self) -> Dialect;

    /// All of it or nothing, and on disk when it returns; how many rows each has changed.
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError>;

    /// The same of what can be made again: it waits for no disk, and a crash may take it along.
    fn commit_lazily(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError>;

    /// Rows, in one statement.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// All questions from now on see this moment, until it is closed: what others write meanwhile is not seen.
    fn pin(&mut self) -> Result<(), StoreError>;

    /// Ends it, with all that is to be done then.
    fn close(&mut self) -> Result<(), StoreError>;

    /// Waits for another process that writes no longer than a probe may. Where nobody waits it does nothing.
    fn hurry(&mut self, _probing: bool) {}
}
