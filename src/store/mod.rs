//! Decisions on disk. Durable before the statement that they are about is forwarded.
//!
//! One thread owns the connection; callers wait for its answer and may stop waiting at any time (every future here is cancel safe).
//! So a disk that hangs holds up that thread, never a session.

mod error;
mod schema;
mod sqlite;

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use crate::audit::record::{DecisionId, Outcome, Record};
pub use error::StoreError;

/// Waiting requests. Beyond it callers wait in line, under their own deadline.
const QUEUE: usize = 1024;

/// A handle on the store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    requests: mpsc::Sender<Request>,
}

/// What the thread is asked to do, and where its answer goes.
#[derive(Debug)]
enum Request {
    Record(Box<Record>, Reply<DecisionId>),
    Outcome(DecisionId, Outcome, Reply<()>),
    Ready(Reply<()>),
    Close(Reply<()>),
}

impl Request {
    /// Nobody waits for it any more and nothing is lost without it.
    fn is_given_up(&self) -> bool {
        match self {
            Self::Record(_, reply) => reply.is_closed(),
            Self::Ready(reply) => reply.is_closed(),
            Self::Outcome(..) | Self::Close(_) => false,
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

impl Store {
    /// Opens the file, creating it (mode 0600) and its tables where needed.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, is damaged, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::start(sqlite::Database::open(path, sqlite::BUSY)?)
    }

    /// Runs the database on a thread of its own.
    fn start(database: sqlite::Database) -> Result<Self, StoreError> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        thread.spawn(move || sqlite::serve(database, inbox)).map_err(|error| StoreError::Open(format!("no thread for it: {error}")))?;
        Ok(Self { requests })
    }

    /// Writes a decision; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing is in the store.
    pub async fn record(&self, record: Record) -> Result<DecisionId, StoreError> {
        self.ask(|reply| Request::Record(Box::new(record), reply)).await
    }

    /// Writes how a decision ended; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn outcome(&self, id: DecisionId, outcome: Outcome) -> Result<(), StoreError> {
        self.ask(|reply| Request::Outcome(id, outcome, reply)).await
    }

    /// Proves by a durable write that a decision could be recorded now.
    ///
    /// # Errors
    /// When it could not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.ask(Request::Ready).await
    }

    /// Finishes what waits, then closes the file; later calls fail with `StoreError::Closed`.
    ///
    /// # Errors
    /// When it is closed already.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.ask(Request::Close).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

#[cfg(test)]
mod tests;
