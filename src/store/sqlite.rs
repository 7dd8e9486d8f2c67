//! The SQLite file and the thread that owns it.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, named_params};
use tokio::sync::mpsc;

use super::error::StoreError;
use super::{DecisionId, Reply, Request, decisions, promises, schema};
use crate::audit::record::{Outcome, Record};
use crate::deferred::promise::PromiseId;

/// How long to wait for another process that writes; shorter than the default deadline of a write, so that the reason is told.
pub(super) const BUSY: Duration = Duration::from_secs(3);
/// How long a probe waits for another process that writes: shorter than its own deadline, and nobody waits long behind it.
const BUSY_PROBE: Duration = Duration::from_millis(500);
/// Requests that share one commit, at most.
const GROUP: usize = 256;

/// A store and the file that it was opened from.
pub(super) struct Database {
    path: PathBuf,
    busy: Duration,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    files: Files,
}

/// Device and inode of the file and of its log.
type Files = [(u64, u64); 2];

impl Database {
    /// Opens or creates the file and brings it to the newest schema.
    pub(super) fn open(path: &Path, busy: Duration) -> Result<Self, StoreError> {
        create_private(path)?;
        Ok(Self { path: path.to_owned(), busy, open: Some(Open::new(path, busy)?) })
    }

    /// The connection, if it still is what the path leads to. SQLite itself would go on writing to a file that nobody can open any more.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.open.as_ref().is_none_or(|open| files(&self.path) != Some(open.files)) {
            self.reopen()?;
        }
        self.open.as_mut().map(|open| &mut open.connection).ok_or_else(|| gone(&self.path))
    }

    /// Takes up the store that was put in the place of the one that was open. Never makes one: it would hide that the old one is lost.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if !std::fs::metadata(&self.path).is_ok_and(|file| file.len() > 0) {
            return Err(gone(&self.path));
        }
        // First: two connections must not share a file whose log they see differently.
        self.open = None;
        self.open = Some(Open::new(&self.path, self.busy)?);
        Ok(())
    }
}

impl Open {
    fn new(path: &Path, busy: Duration) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|error| at(path, error.into()))?;
        prepare(&mut connection, busy).map_err(|error| at(path, error))?;
        let files = files(path).ok_or_else(|| gone(path))?;
        Ok(Self { connection, files })
    }
}

fn gone(path: &Path) -> StoreError {
    StoreError::Gone(path.display().to_string())
}

/// What the path leads to now; the log is there as long as somebody has the store open.
fn files(path: &Path) -> Option<Files> {
    let identity = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Some([identity(path)?, identity(Path::new(&log))?])
}

/// SQLite gives -wal and -shm the mode of the file itself: SQL of others may stand in them.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(StoreError::Open(format!("{}: {error}", path.display()))),
        _ => Ok(()),
    }
}

fn prepare(connection: &mut Connection, busy: Duration) -> Result<(), StoreError> {
    connection.busy_timeout(busy)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on disk when it returns; WAL's usual NORMAL may lose the last ones at a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(connection)
}

/// Names the file in an error of opening.
fn at(path: &Path, error: StoreError) -> StoreError {
    let path = path.display();
    match error {
        StoreError::Open(text) => StoreError::Open(format!("{path}: {text}")),
        StoreError::Foreign(text) => StoreError::Foreign(format!("{path}: {text}")),
        StoreError::Corrupt(text) => StoreError::Corrupt(format!("{path}: {text}")),
        StoreError::ReadOnly(text) => StoreError::ReadOnly(format!("{path}: {text}")),
        StoreError::Io(text) => StoreError::Io(format!("{path}: {text}")),
        StoreError::Full(text) => StoreError::Full(format!("{path}: {text}")),
        error @ (StoreError::Newer { .. }
        | StoreError::Busy
        | StoreError::Gone(_)
        | StoreError::NoSuchDecision(_)
        | StoreError::NoSuchPromise(_)
        | StoreError::Closed) => error,
    }
}

/// The thread: takes what waits, writes it in one transaction, answers after the commit.
pub(super) fn serve(mut database: Database, mut inbox: mpsc::Receiver<Request>) {
    while let Some(first) = inbox.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = inbox.try_recv()
        {
            group.push(next);
        }
        group.retain(|request| !request.is_given_up());
        if let Some(close) = database.run(group) {
            return finish(database, inbox, close);
        }
    }
}

/// Writes what was asked for before the close, then closes the file.
fn finish(mut database: Database, mut inbox: mpsc::Receiver<Request>, close: Reply<()>) {
    inbox.close();
    while let Some(request) = inbox.blocking_recv() {
        database.run(vec![request]);
    }
    let open = database.open.take();
    answer(close, open.map_or(Ok(()), |open| open.connection.close().map_err(|(_, error)| error.into())));
}

/// What one request came to: the row's id where it made one.
pub(super) type Written = Result<i64, StoreError>;

impl Database {
    /// Runs a group; returns the reply channel of a close, if one was asked for.
    fn run(&mut self, group: Vec<Request>) -> Option<Reply<()>> {
        let written = self.write(&group);
        let mut close = None;
        for (index, request) in group.into_iter().enumerate() {
            let result = match &written {
                Ok(each) => each.get(index).cloned().unwrap_or(Err(StoreError::Closed)),
                Err(error) => Err(error.clone()),
            };
            match request {
                Request::Record(_, _, reply) => answer(reply, result.map(|seq| DecisionId { writer: 1, seq })),
                Request::Promise(_, _, reply) => answer(reply, result.map(PromiseId)),
                Request::Outcome(_, _, reply) | Request::Progress(_, _, reply) | Request::Ready(reply) => answer(reply, result.map(drop)),
                Request::Pending(wanted, reply) => answer(reply, result.and_then(|_| promises::pending(self.connection()?, &wanted))),
                Request::Decisions(page, reply) => answer(reply, result.and_then(|_| decisions::page(self.connection()?, &page))),
                Request::Close(reply) => close = Some(reply),
            }
        }
        close
    }

    /// All or nothing: one commit, and so one wait for the disk, for the whole group.
    fn write(&mut self, group: &[Request]) -> Result<Vec<Written>, StoreError> {
        if group.iter().all(|request| matches!(request, Request::Pending(..) | Request::Decisions(..))) {
            // Who only reads needs no write lock: another process that writes does not stand in its way.
            return Ok(group.iter().map(|_| Ok(0)).collect());
        }
        let probing = group.iter().all(|request| matches!(request, Request::Ready(_)));
        let busy = if probing { self.busy.min(BUSY_PROBE) } else { self.busy };
        let connection = self.connection()?;
        connection.busy_timeout(busy)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = group.iter().map(|request| write_one(&transaction, request)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(written)
    }
}

/// The outer error fails the group, the inner one this request alone.
fn write_one(connection: &Connection, request: &Request) -> Result<Written, StoreError> {
    match request {
        // Whoever gave up waiting has failed the statement: there is no decision to record any more.
        Request::Record(_, _, reply) if reply.is_closed() => Ok(Err(StoreError::Closed)),
        Request::Record(record, at, _) => insert(connection, record, *at).map(Ok),
        Request::Outcome(id, outcome, _) => update(connection, *id, outcome),
        Request::Promise(_, _, reply) if reply.is_closed() => Ok(Err(StoreError::Closed)),
        Request::Promise(promise, at, _) => promises::insert(connection, promise, *at).map(Ok),
        Request::Progress(id, progress, _) => promises::update(connection, *id, progress),
        // Read when the group is on disk: what it writes is seen.
        Request::Pending(..) | Request::Decisions(..) => Ok(Ok(0)),
        Request::Ready(_) => Ok(Ok(i64::try_from(connection.execute("UPDATE health SET checks = checks + 1", [])?).unwrap_or_default())),
        Request::Close(_) => Ok(Ok(0)),
    }
}

fn insert(connection: &Connection, record: &Record, at_unix_micros: i64) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO decisions (at_unix_micros, session, listener, client, role, database, application_name, sql, decision, findings, steps,
                                in_transaction)
         VALUES (:at, :session, :listener, :client, :role, :database, :application_name, :sql, :decision, :findings, :steps, :in_transaction)",
    )?;
    Ok(statement.insert(named_params! {
        ":at": at_unix_micros,
        ":session": record.session,
        ":listener": record.listener,
        ":client": record.client,
        ":role": record.role,
        ":database": record.database,
        ":application_name": record.application_name,
        ":sql": record.sql,
        ":decision": record.decision,
        ":findings": json(&record.findings)?,
        ":steps": json(&record.steps)?,
        ":in_transaction": record.in_transaction,
    })?)
}

fn update(connection: &Connection, DecisionId { seq: id, .. }: DecisionId, outcome: &Outcome) -> Result<Written, StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE decisions SET outcome_tag = :tag, outcome_sqlstate = :sqlstate, outcome_duration_micros = :duration WHERE id = :id",
    )?;
    let changed = statement.execute(named_params! {
        ":id": id,
        ":tag": outcome.tag,
        ":sqlstate": outcome.sqlstate,
        ":duration": outcome.duration_micros,
    })?;
    Ok(if changed == 1 { Ok(id) } else { Err(StoreError::NoSuchDecision(id)) })
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Io(format!("a record cannot be written as JSON: {error}")))
}

/// Nobody may be waiting any more; that is their business.
fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    drop(reply.send(result));
}

#[cfg(test)]
impl Database {
    /// A number that this connection's settings hold.
    pub(super) fn pragma(&self, name: &str) -> i64 {
        self.open.as_ref().unwrap().connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
    }

    /// The disk is full beyond this many pages.
    pub(super) fn limit_pages(&self, pages: i64) {
        self.open.as_ref().unwrap().connection.pragma_update(None, "max_page_count", pages).unwrap();
    }
}
