//! Sessions by tokio-postgres that keep what the server (or the proxy) says on the side.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, SimpleQueryMessage};

/// A client, and the notices that it got.
pub struct Session {
    client: Client,
    notices: Arc<Mutex<Vec<DbError>>>,
}

/// Connects to 127.0.0.1 with the other words of a connection string.
pub async fn connect_to(port: u16, parameters: &str) -> Result<Session, Error> {
    let (client, mut connection) = tokio_postgres::connect(&format!("host=127.0.0.1 port={port} connect_timeout=20 {parameters}"), NoTls).await?;
    let notices = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&notices);
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                kept.lock().unwrap().push(notice);
            }
        }
    });
    Ok(Session { client, notices })
}

/// How a statement without parameters is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One Query message.
    Simple,
    /// Parse, Describe and Sync; then Bind, Execute and Sync.
    Extended,
}

pub const PROTOCOLS: [Protocol; 2] = [Protocol::Simple, Protocol::Extended];

impl Session {
    /// One statement.
    pub async fn run(&self, protocol: Protocol, sql: &str) -> Result<(), DbError> {
        let result = match protocol {
            Protocol::Simple => self.client.batch_execute(sql).await,
            Protocol::Extended => self.client.execute(sql, &[]).await.map(drop),
        };
        result.map_err(|error| db_error(&error))
    }

    /// The SQLSTATE and message of the error that a statement gives.
    pub async fn refusal(&self, protocol: Protocol, sql: &str) -> (String, String) {
        match self.run(protocol, sql).await {
            Ok(()) => panic!("no error by {protocol:?}: {sql}"),
            Err(error) => (error.code().code().to_owned(), error.message().to_owned()),
        }
    }

    /// The texts of the notices since the last call.
    pub fn notice_texts(&self) -> Vec<String> {
        self.notices().iter().map(|notice| notice.message().to_owned()).collect()
    }

    /// The first column of the first row, as text, by a simple Query. Empty when there is none.
    pub async fn value(&self, sql: &str) -> String {
        self.column(sql).await.into_iter().next().unwrap_or_default()
    }

    /// The first column, as text, by a simple Query.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.iter().filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
        rows.map(|row| row.get(0).unwrap_or_default().to_owned()).collect()
    }

    /// The error that a simple Query gives.
    pub async fn error(&self, sql: &str) -> DbError {
        match self.client.simple_query(sql).await {
            Ok(_) => panic!("no error: {sql}"),
            Err(error) => db_error(&error),
        }
    }

    /// The notices since the last call. They come before the reply of the statement that made them.
    pub fn notices(&self) -> Vec<DbError> {
        std::mem::take(&mut *self.notices.lock().unwrap())
    }
}

/// The server's side of an error.
pub fn db_error(error: &Error) -> DbError {
    error.as_db_error().unwrap_or_else(|| panic!("not an error of the server: {error:?}")).clone()
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
