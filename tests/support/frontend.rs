//! Messages of a client, and what the answers to them come to.

use super::raw::{Message, RawClient, first_column, frame, text};

pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', format!("{sql}\0").as_bytes()).to_vec()
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', format!("{name}\0{sql}\0\0\0").as_bytes()).to_vec()
}

/// Bind of a statement without parameters.
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes()).to_vec()
}

/// Bind of the unnamed statement with parameters in text.
pub fn bind_values(values: &[&str]) -> Vec<u8> {
    let mut body = b"\0\0\0\0".to_vec();
    body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 0]);
    frame(b'B', &body).to_vec()
}

pub fn describe(portal: &str) -> Vec<u8> {
    frame(b'D', format!("P{portal}\0").as_bytes()).to_vec()
}

pub fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', format!("{portal}\0\0\0\0\0").as_bytes()).to_vec()
}

/// Execute of so many rows at most.
pub fn execute_rows(portal: &str, rows: u32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(rows.to_be_bytes());
    frame(b'E', &body).to_vec()
}

pub fn flush() -> Vec<u8> {
    frame(b'H', b"").to_vec()
}

pub fn sync() -> Vec<u8> {
    frame(b'S', b"").to_vec()
}

/// Parse, Bind and Execute of one statement, unnamed.
pub fn statement(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("")].concat()
}

/// Everything that came up to one ReadyForQuery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The types of the messages, one letter each, without notices and changed parameters.
    pub shape: String,
    /// The tags of CommandComplete.
    pub tags: Vec<String>,
    /// The first column of the rows.
    pub rows: Vec<String>,
    /// SQLSTATE and message of errors.
    pub errors: Vec<(String, String)>,
    /// The texts of notices.
    pub notices: Vec<String>,
    /// The transaction's state at the end; 0 when the stream ended before.
    pub status: u8,
}

impl Reply {
    pub fn of(messages: &[Message]) -> Self {
        let bodies = |wanted: u8| messages.iter().filter(move |(tag, _)| *tag == wanted).map(|(_, body)| body);
        Self {
            shape: messages.iter().map(|(tag, _)| char::from(*tag)).filter(|tag| !"NSA".contains(*tag)).collect(),
            tags: bodies(b'C').map(|body| String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()).collect(),
            rows: first_column(messages),
            errors: bodies(b'E').map(|body| (text(body, b'C'), text(body, b'M'))).collect(),
            notices: bodies(b'N').map(|body| text(body, b'M')).collect(),
            status: messages.last().filter(|(tag, _)| *tag == b'Z').map_or(0, |(_, body)| body[0]),
        }
    }

    /// The SQLSTATE of its only error.
    pub fn sqlstate(&self) -> &str {
        match self.errors.as_slice() {
            [(sqlstate, _)] => sqlstate,
            _ => panic!("not one error: {self:?}"),
        }
    }

    /// Without the notices: what a program sees.
    pub fn quiet(self) -> Self {
        Self { notices: Vec::new(), ..self }
    }
}

impl RawClient {
    /// Sends this in one write, and takes one reply for each ReadyForQuery that it asks for.
    pub async fn exchange(&mut self, bytes: &[u8], replies: usize) -> Vec<Reply> {
        self.send(bytes).await;
        let mut taken = Vec::new();
        for _ in 0..replies {
            taken.push(Reply::of(&self.until(b'Z').await));
        }
        taken
    }

    /// A simple Query.
    pub async fn ask(&mut self, sql: &str) -> Reply {
        self.exchange(&query(sql), 1).await.remove(0)
    }

    /// One statement in a batch of its own.
    pub async fn ask_extended(&mut self, sql: &str) -> Reply {
        self.exchange(&[statement(sql), sync()].concat(), 1).await.remove(0)
    }
}
