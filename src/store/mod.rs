//! Decisions on disk. Durable before the statement that they are about is forwarded.
//!
//! One thread owns the connection; callers wait for its answer and may stop waiting at any time (every future here is cancel safe).
//! So a disk that hangs holds up that thread, never a session.

mod decisions;
mod error;
mod promises;
mod schema;
mod sqlite;

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use crate::audit::record::{DecisionId, Outcome, Record};
use crate::audit::summary::Decided;
use crate::deferred::promise::{Pending, Place, Progress, Promise, PromiseId};
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
    Record(Box<Record>, i64, Reply<DecisionId>),
    Outcome(DecisionId, Outcome, Reply<()>),
    Promise(Box<Promise>, i64, Reply<PromiseId>),
    Progress(PromiseId, Progress, Reply<()>),
    Pending(Wanted, Reply<Vec<Pending>>),
    Decisions(Page, Reply<Vec<(DecisionId, Decided)>>),
    Ready(Reply<()>),
    Close(Reply<()>),
}

impl Request {
    /// Nobody waits for it any more and nothing is lost without it.
    fn is_given_up(&self) -> bool {
        match self {
            Self::Record(_, _, reply) => reply.is_closed(),
            Self::Promise(_, _, reply) => reply.is_closed(),
            Self::Pending(_, reply) => reply.is_closed(),
            Self::Decisions(_, reply) => reply.is_closed(),
            Self::Ready(reply) => reply.is_closed(),
            Self::Outcome(..) | Self::Progress(..) | Self::Close(_) => false,
        }
    }
}

/// Which promises are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// Those of one cluster and database, made by one role.
    Of(Place, String),
}

/// Some decisions of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Those behind this one.
    pub after: DecisionId,
    /// Those that came at this time or later, in microseconds since 1970.
    pub since_unix_micros: i64,
    /// So many at most.
    pub most: u32,
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

    /// Opens a store that is there already: for whoever only looks at what another process keeps.
    ///
    /// # Errors
    /// Also when there is no such file.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        match std::fs::metadata(path) {
            Ok(_) => Self::open(path),
            Err(error) => Err(StoreError::Open(format!("{}: {error}", path.display()))),
        }
    }

    /// Runs the database on a thread of its own.
    fn start(database: sqlite::Database) -> Result<Self, StoreError> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        thread.spawn(move || sqlite::serve(database, inbox)).map_err(|error| StoreError::Open(format!("no thread for it: {error}")))?;
        Ok(Self { requests })
    }

    /// Writes a decision that was taken at this time (microseconds since 1970); returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing is in the store.
    pub async fn record(&self, record: Record, at_unix_micros: i64) -> Result<DecisionId, StoreError> {
        self.ask(|reply| Request::Record(Box::new(record), at_unix_micros, reply)).await
    }

    /// Writes how a decision ended; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn outcome(&self, id: DecisionId, outcome: Outcome) -> Result<(), StoreError> {
        self.ask(|reply| Request::Outcome(id, outcome, reply)).await
    }

    /// Writes down what a transaction was promised, at this time (microseconds since 1970); returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing is in the store.
    pub async fn promise(&self, promise: Promise, at_unix_micros: i64) -> Result<PromiseId, StoreError> {
        self.ask(|reply| Request::Promise(Box::new(promise), at_unix_micros, reply)).await
    }

    /// Writes down what has become of a promise; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn progress(&self, id: PromiseId, progress: Progress) -> Result<(), StoreError> {
        self.ask(|reply| Request::Progress(id, progress, reply)).await
    }

    /// The promises that are not settled, oldest first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn pending(&self, wanted: Wanted) -> Result<Vec<Pending>, StoreError> {
        self.ask(|reply| Request::Pending(wanted, reply)).await
    }

    /// Decisions in the order in which they were taken, a page of them; an empty one is behind the last.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn decisions(&self, page: Page) -> Result<Vec<(DecisionId, Decided)>, StoreError> {
        self.ask(|reply| Request::Decisions(page, reply)).await
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
