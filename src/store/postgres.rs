//! A schema in a PostgreSQL database: the store of a fleet.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error, Statement};

use super::backend::{Backend, Dialect, Row, Value, Write};
use super::error::StoreError;
use super::schema;
use crate::upstream::client::{Client, DatabaseUrl};

/// What a connection has, and then its login.
const CONNECT: Duration = Duration::from_secs(2);
/// What one commit or question has; a session waits no longer for its own.
const ANSWER: Duration = Duration::from_secs(10);
/// What the server sees as application_name.
const APPLICATION_NAME: &str = "pgairlock store";
/// Two processes that start together must not both create the tables; "pgairlock" as a number of its own.
const MIGRATION_LOCK: i64 = 0x7067_6169_726c_6f63;
/// Statements that are kept prepared; beyond, all are let go.
const PREPARED: usize = 256;

/// The database and the runtime of the thread that asks it.
pub(super) struct Fleet {
    url: DatabaseUrl,
    runtime: Runtime,
    session: Option<Session>,
    /// All questions see one moment, which goes with the session.
    pinned: bool,
}

struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Fleet {
    /// Logs in and brings the schema to the newest version.
    pub(super) fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Open(format!("no runtime for it: {error}")))?;
        let url = url.clone().named(APPLICATION_NAME);
        let session = runtime.block_on(Session::begin(&url))?;
        Ok(Self { url, runtime, session: Some(session), pinned: false })
    }

    /// Runs it on the session, which is made anew where it is lost.
    fn with<T>(&mut self, ask: impl AsyncFnOnce(&mut Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let Self { url, runtime, session, pinned } = self;
        let result = runtime.block_on(async {
            // A connection that was lost since is noticed here, before anything is sent on it.
            tokio::task::yield_now().await;
            if session.as_ref().is_none_or(|session| session.client.raw().is_closed()) {
                if *pinned {
                    return Err(StoreError::Lost("while it was read; begin again".into()));
                }
                *session = Some(Session::begin(url).await?);
            }
            let Some(session) = session else { return Err(StoreError::Closed) };
            timeout(ANSWER, ask(session)).await.unwrap_or_else(|_| Err(StoreError::Lost(format!("no answer within {ANSWER:?}"))))
        });
        if matches!(result, Err(StoreError::Lost(_))) {
            self.session = None;
        }
        result
    }
}

impl Backend for Fleet {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn commit(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError> {
        self.with(async |session| session.commit("BEGIN", writes).await)
    }

    fn commit_lazily(&mut self, writes: &[Write]) -> Result<Vec<u64>, StoreError> {
        self.with(async |session| session.commit("BEGIN; SET LOCAL synchronous_commit = off", writes).await)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut ask = || self.with(async |session| session.query(sql, values).await);
        // A connection that was lost while nobody used it is no reason to fail.
        match ask() {
            Err(StoreError::Lost(_)) => ask(),
            answered => answered,
        }
    }

    fn pin(&mut self) -> Result<(), StoreError> {
        self.with(async |session| session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1 FROM store").await)?;
        self.pinned = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.session = None;
        Ok(())
    }
}

impl Session {
    async fn begin(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let client = Client::connect(url, CONNECT).await.map_err(|error| StoreError::Unreachable(error.to_string()))?;
        let mut session = Self { client, prepared: HashMap::new() };
        session.set_up().await?;
        Ok(session)
    }

    /// A commit is on the server's disk when it is answered, whatever the default there is; no write waits long for another process.
    async fn set_up(&mut self) -> Result<(), StoreError> {
        const SETTINGS: &str = "
            SELECT pg_catalog.set_config('synchronous_commit', 'on', false) WHERE pg_catalog.current_setting('synchronous_commit') = 'off';
            SET search_path = pgairlock; SET lock_timeout = '2s'; SET statement_timeout = '20s'; SET idle_in_transaction_session_timeout = '30s';
            SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off";
        self.run(SETTINGS).await?;
        if !schema::missing(self.version().await?, Dialect::Postgres).is_empty() {
            self.migrate().await?;
        }
        Ok(())
    }

    async fn migrate(&mut self) -> Result<(), StoreError> {
        self.run(&format!("BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({MIGRATION_LOCK}); CREATE SCHEMA IF NOT EXISTS pgairlock")).await?;
        for text in schema::missing(self.version().await?, Dialect::Postgres) {
            self.run(&text).await?;
        }
        self.run("COMMIT").await
    }

    /// 0 where there is none.
    async fn version(&mut self) -> Result<i64, StoreError> {
        let raw = self.client.raw();
        let exists = raw.query_one("SELECT pg_catalog.to_regclass('pgairlock.store') IS NOT NULL", &[]).await.map_err(|error| self.failed(&error))?;
        if !exists.get::<_, bool>(0) {
            return Ok(0);
        }
        let row = raw.query_one("SELECT version, compatible FROM pgairlock.store", &[]).await.map_err(|error| self.failed(&error))?;
        super::compatible(row.get(0), row.get(1))
    }

    async fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.client.raw().batch_execute(sql).await.map_err(|error| self.failed(&error))
    }

    /// BEGIN, all writes and COMMIT are sent at once: one round trip, however many they are.
    async fn commit(&mut self, begin: &str, writes: &[Write]) -> Result<Vec<u64>, StoreError> {
        let mut statements = Vec::with_capacity(writes.len());
        for write in writes {
            statements.push(self.prepare(write.sql).await?);
        }
        let raw = self.client.raw();
        let run = statements.iter().zip(writes).map(|(statement, write)| async move {
            let parameters: Vec<&(dyn ToSql + Sync)> = write.values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            raw.execute(statement, &parameters).await
        });
        let work = async {
            let (begun, changed) = tokio::join!(raw.batch_execute(begin), try_join_all(run));
            begun?;
            changed
        };
        match work.await {
            Ok(changed) => {
                // Only when all have succeeded: after an error COMMIT would be a ROLLBACK that says nothing.
                raw.batch_execute("COMMIT").await.map_err(|error| self.failed(&error))?;
                Ok(changed)
            }
            Err(error) => {
                let failed = self.failed(&error);
                if !matches!(failed, StoreError::Lost(_)) {
                    self.run("ROLLBACK").await?;
                }
                Err(failed)
            }
        }
    }

    async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.client.raw().query(&statement, &parameters).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(read).collect()
    }

    async fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        if self.prepared.len() >= PREPARED {
            self.prepared.clear();
        }
        let statement = self.client.raw().prepare(sql).await.map_err(|error| self.failed(&error))?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn failed(&self, error: &Error) -> StoreError {
        let Some(server) = error.as_db_error() else { return StoreError::Lost(error.to_string()) };
        let text = format!("{} ({})", server.message(), server.code().code());
        match server.code().code() {
            // Of another try of the same entries, whose fate was not known.
            "23505" => StoreError::Lost(text),
            // The server is shutting down, or has lost its disk.
            code if code.starts_with("57P") || code.starts_with("08") => StoreError::Lost(text),
            "55P03" | "57014" | "40P01" | "40001" => StoreError::Busy,
            code if code.starts_with("53") => StoreError::Full(text),
            "25006" | "42501" => StoreError::ReadOnly(text),
            code if code.starts_with("XX") => StoreError::Corrupt(text),
            _ => StoreError::Io(text),
        }
    }
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let value = |column| row.try_get::<_, Option<Value>>(column).map(|value| value.unwrap_or(Value::Null));
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Row).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT4 => Ok(Self::Int(i64::from(i32::from_sql(ty, raw)?))),
            Type::INT8 => Ok(Self::Int(i64::from_sql(ty, raw)?)),
            Type::BYTEA => Ok(Self::Bytes(Vec::from_sql(ty, raw)?)),
            _ => Ok(Self::Text(String::from_sql(ty, raw)?)),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT4 | Type::INT8 | Type::TEXT | Type::BYTEA)
    }
}
