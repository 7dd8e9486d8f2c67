//! The tables, by version. A migration is never changed once released; a new one is added.

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// Marks the file as ours: "PGAL".
const APPLICATION_ID: i64 = 0x5047_414c;

/// Migration n makes version n + 1.
const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_unix_micros INTEGER NOT NULL,
        session TEXT NOT NULL,
        listener TEXT NOT NULL,
        client TEXT NOT NULL,
        role TEXT NOT NULL,
        database TEXT NOT NULL,
        application_name TEXT,
        sql TEXT NOT NULL,
        decision TEXT NOT NULL,
        findings TEXT NOT NULL CHECK (json_valid(findings)),
        steps TEXT NOT NULL CHECK (json_valid(steps)),
        in_transaction INTEGER NOT NULL CHECK (in_transaction IN (0, 1)),
        outcome_tag TEXT,
        outcome_sqlstate TEXT,
        outcome_duration_micros INTEGER
    ) STRICT;
    CREATE INDEX decisions_at ON decisions (at_unix_micros);
    CREATE INDEX decisions_session ON decisions (session, id);
    -- One row, rewritten to prove that writing works.
    CREATE TABLE health (id INTEGER PRIMARY KEY CHECK (id = 1), checks INTEGER NOT NULL) STRICT;
    INSERT INTO health VALUES (1, 0);
",
    "
    -- What transactions were promised for after their COMMIT.
    CREATE TABLE promises (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_unix_micros INTEGER NOT NULL,
        session TEXT NOT NULL,
        system TEXT NOT NULL,
        database TEXT NOT NULL,
        role TEXT NOT NULL,
        -- pg_current_xact_id(): whether it committed can be asked of that server.
        xid TEXT NOT NULL,
        -- Numbers that had not reached the server's disk are given out again after a crash, with which its life ends.
        life TEXT NOT NULL,
        operations TEXT NOT NULL CHECK (json_valid(operations)),
        state TEXT NOT NULL DEFAULT 'promised' CHECK (state IN ('promised', 'committed', 'aborted', 'settled')),
        -- How many of the operations are done.
        done INTEGER NOT NULL DEFAULT 0,
        -- Why the first one that is not done has failed.
        sqlstate TEXT,
        message TEXT,
        -- A client has heard of that as an error.
        told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1))
    ) STRICT;
    CREATE INDEX promises_open ON promises (system, database, role) WHERE state IN ('promised', 'committed');
",
    "
    -- Why a person settled it without its being done, and when; an error that it had stays beside it.
    ALTER TABLE promises ADD COLUMN drop_reason TEXT;
    ALTER TABLE promises ADD COLUMN dropped_at_unix_micros INTEGER;
",
    "
    -- A statement outside of any transaction: it has no number, and is taken back where it was cut off.
    ALTER TABLE promises ADD COLUMN whole TEXT CHECK (whole IS NULL OR json_valid(whole));
",
];

/// Brings the file to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Who has nothing to change waits for nobody that writes.
    if version(connection)? == known {
        return Ok(());
    }
    // Immediate: two processes that start together must not both create the tables.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let Some(missing) = usize::try_from(found).ok().and_then(|done| MIGRATIONS.get(done..)) else {
        return Err(StoreError::Newer { found, known });
    };
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// 0 for an empty file; refuses a database of somebody else.
fn version(connection: &Connection) -> Result<i64, StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (tables, number("application_id")?) {
        (0, _) => Ok(0),
        (_, APPLICATION_ID) => Ok(number("user_version")?),
        (_, _) => Err(StoreError::Foreign("an SQLite database with tables of another program".into())),
    }
}
