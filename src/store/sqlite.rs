//! The SQLite file.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement, ToSql, TransactionBehavior, params_from_iter};

use super::backend::{Backend, Dialect, Row, Value, Write};
use super::error::StoreError;
use super::schema;

/// How long to wait for another process that writes; shorter than the default deadline of a write, so that the reason is told.
pub(super) const BUSY: Duration = Duration::from_secs(3);
/// How long a probe waits for another process that writes: shorter than its own deadline, and nobody waits long behind it.
const BUSY_PROBE: Duration = Duration::from_millis(500);
/// Marks the file as ours: "PGAL".
const APPLICATION_ID: i64 = 0x5047_414c;
/// Statements that are kept ready.
const PREPARED: usize = 64;

/// A store and the file that it was opened from.
pub(super) struct Database {
    path: PathBuf,
    busy: Duration,
    probing: bool,
    /// All questions see one moment: another file is not taken up.
    pinned: bool,
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
        Ok(Self { path: path.to_owned(), busy, probing: false, pinned: false, open: Some(Open::new(path, busy)?) })
    }

    /// The connection, if it still is what the path leads to. SQLite itself would go on writing to a file that nobody can open any more.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.open.as_ref().is_none_or(|open| files(&self.path) != Some(open.files)) {
            if self.pinned {
                return Err(gone(&self.path));
            }
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

impl Backend for Database {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn commit_lazily(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError> {
        // NORMAL: what is written is in order with all that comes later, but nobody waits for the disk.
        self.connection()?.pragma_update(None, "synchronous", "NORMAL")?;
        let written = self.commit(writes);
        self.connection()?.pragma_update(None, "synchronous", "FULL")?;
        written
    }

    fn commit(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError> {
        let busy = if self.probing { self.busy.min(BUSY_PROBE) } else { self.busy };
        let connection = self.connection()?;
        connection.busy_timeout(busy)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = writes.iter().map(|write| execute(&transaction, write)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(changed)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values.iter().map(Parameter)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Row((0..columns).map(|column| row.get_ref(column).map(read)).collect::<Result<_, _>>()?));
        }
        Ok(found)
    }

    fn pin(&mut self) -> Result<(), StoreError> {
        // The moment is that of the first question.
        self.connection()?.execute_batch("BEGIN; SELECT count(*) FROM store")?;
        self.pinned = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.open.take().map_or(Ok(()), |open| open.connection.close().map_err(|(_, error)| error.into()))
    }

    fn hurry(&mut self, probing: bool) {
        self.probing = probing;
    }
}

fn execute(connection: &Connection, write: &Write) -> Result<u64, StoreError> {
    let mut statement: rusqlite::CachedStatement<'_> = connection.prepare_cached(write.sql)?;
    let changed = Statement::execute(&mut statement, params_from_iter(write.values.iter().map(Parameter)))?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

impl Open {
    fn new(path: &Path, busy: Duration) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::from(error).at(path))?;
        prepare(&mut connection, busy).map_err(|error| error.at(path))?;
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
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on disk when it returns; WAL's usual NORMAL may lose the last ones at a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(connection)
}

/// Brings the file to the newest version.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    // Who has nothing to change waits for nobody that writes.
    if schema::missing(version(connection)?, Dialect::Sqlite).is_empty() {
        return Ok(());
    }
    // Immediate: two processes that start together must not both create the tables.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for text in schema::missing(version(&transaction)?, Dialect::Sqlite) {
        transaction.execute_batch(&text)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

/// 0 for an empty file; refuses a database of somebody else, and one that only a newer version may use.
fn version(connection: &Connection) -> Result<i64, StoreError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    match (tables, id) {
        (0, _) => Ok(0),
        (_, APPLICATION_ID) => {
            let is_old: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'store'", [], |row| row.get(0))?;
            if is_old {
                return Err(StoreError::Older);
            }
            let (found, compatible) = connection.query_row("SELECT version, compatible FROM store", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            super::compatible(found, compatible)
        }
        (_, _) => Err(StoreError::Foreign("an SQLite database with tables of another program".into())),
    }
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
