//! The tables, by version. A migration is never changed once released; a new one is added. Each only adds, so that older proxies go on beside newer
//! ones: the golden rule holds for our own tables too.

use super::backend::Dialect;

/// Written in PostgreSQL's types; see [`for_dialect`].
pub(super) struct Migration {
    /// For both.
    pub(super) both: &'static str,
    /// For one of them alone.
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
    /// The oldest version of the schema that a process may know to use a store with this one in it.
    pub(super) compatible: i64,
}

/// Migration n makes version `FIRST` + n.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    both: "
CREATE TABLE writers (
    number BIGINT PRIMARY KEY,
    writer TEXT NOT NULL UNIQUE,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    -- Up to this entry what follows from them is in the tables below.
    derived BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    id BIGINT PRIMARY KEY,
    at_unix_micros BIGINT NOT NULL,
    body TEXT NOT NULL,
    hash BYTEA NOT NULL
);
CREATE TABLE anchors (
    writer TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE decisions (
    id BIGINT PRIMARY KEY,
    at_unix_micros BIGINT NOT NULL,
    session TEXT NOT NULL,
    transaction_number BIGINT NOT NULL,
    -- 1: with others in its transaction; 2: the COMMIT of which is announced.
    shared BIGINT NOT NULL,
    client TEXT NOT NULL,
    role TEXT NOT NULL,
    database_name TEXT NOT NULL,
    application_name TEXT,
    head TEXT NOT NULL,
    decision TEXT NOT NULL,
    rules TEXT NOT NULL,
    relations TEXT NOT NULL,
    -- The rules that are the reason for the decision.
    acting TEXT NOT NULL,
    tag TEXT,
    sqlstate TEXT,
    duration_micros BIGINT,
    ran_micros BIGINT,
    fate TEXT,
    tool TEXT,
    version TEXT,
    name TEXT,
    direction TEXT,
    -- 1: the tool has not said that the migration is done.
    unfinished BIGINT,
    tool_guess TEXT,
    -- The cluster in whose catalog it can be seen what became of it.
    mark TEXT
);
CREATE INDEX decisions_at ON decisions (at_unix_micros, id);
CREATE INDEX decisions_session ON decisions (session, transaction_number);
CREATE INDEX decisions_role ON decisions (role, at_unix_micros);
CREATE INDEX decisions_database ON decisions (database_name, at_unix_micros);
CREATE INDEX decisions_decision ON decisions (decision, at_unix_micros);
CREATE INDEX decisions_refused ON decisions (at_unix_micros, role, application_name, decision, acting) WHERE decision IN ('refuse', 'would-refuse');
CREATE INDEX decisions_version ON decisions (version, tool) WHERE version IS NOT NULL;
CREATE INDEX decisions_open ON decisions (id) WHERE tag IS NULL AND sqlstate IS NULL AND fate IS NULL;
CREATE INDEX decisions_unheard ON decisions (mark, database_name, role) WHERE mark IS NOT NULL AND tag IS NULL AND fate IS NULL;
CREATE TABLE marks (
    mark TEXT NOT NULL,
    at_unix_micros BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (mark, at_unix_micros, id)
);
-- As the indexes on entry below: by them a row goes with its entry.
CREATE INDEX marks_id ON marks (id);
CREATE TABLE follows (
    id BIGINT NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (id, entry)
);
CREATE INDEX follows_entry ON follows (entry);
CREATE TABLE transactions (
    session TEXT NOT NULL,
    transaction_number BIGINT NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (session, transaction_number)
);
CREATE INDEX transactions_entry ON transactions (entry);
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    entry BIGINT NOT NULL
);
CREATE INDEX sessions_entry ON sessions (entry);
CREATE TABLE migrations (
    entry BIGINT PRIMARY KEY,
    at_unix_micros BIGINT NOT NULL,
    database_name TEXT NOT NULL,
    tool TEXT NOT NULL,
    version_table TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT,
    direction TEXT NOT NULL
);
CREATE INDEX migrations_version ON migrations (version, tool);
CREATE INDEX migrations_at ON migrations (at_unix_micros, entry);
CREATE INDEX migrations_of ON migrations (database_name, version_table, at_unix_micros);
CREATE TABLE wants (
    id BIGINT PRIMARY KEY,
    at_unix_micros BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    people BIGINT NOT NULL,
    rules TEXT NOT NULL
);
CREATE INDEX wants_at ON wants (at_unix_micros, id);
CREATE INDEX wants_fingerprint ON wants (fingerprint, at_unix_micros, id);
CREATE TABLE words (
    id BIGINT PRIMARY KEY,
    at_unix_micros BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    known_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    revoked_by BIGINT
);
CREATE INDEX words_fingerprint ON words (fingerprint, id);
-- One row for each time that a word may be used.
CREATE TABLE uses (
    word BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'free' CHECK (state IN ('free', 'reserved', 'consumed')),
    entry BIGINT,
    session TEXT,
    transaction_number BIGINT,
    -- 1: the COMMIT of its transaction is announced.
    announced BIGINT,
    PRIMARY KEY (word, slot)
);
CREATE INDEX uses_entry ON uses (entry) WHERE entry IS NOT NULL;
CREATE INDEX uses_reserved ON uses (session, transaction_number) WHERE state = 'reserved';
-- What one process of several does for all: until then it is that one's.
CREATE TABLE turns (
    what TEXT PRIMARY KEY,
    writer TEXT NOT NULL,
    until BIGINT NOT NULL
);
CREATE TABLE health (
    id BIGINT PRIMARY KEY,
    checks BIGINT NOT NULL
);
INSERT INTO health VALUES (1, 0);
",
    sqlite: "
CREATE TABLE announced (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL,
    at_unix_micros INTEGER NOT NULL,
    session TEXT NOT NULL,
    transaction_number INTEGER NOT NULL,
    system TEXT NOT NULL,
    database TEXT NOT NULL,
    role TEXT NOT NULL,
    xid TEXT NOT NULL,
    life TEXT NOT NULL,
    operations TEXT NOT NULL CHECK (json_valid(operations)),
    whole TEXT CHECK (whole IS NULL OR json_valid(whole)),
    operations_count INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'promised' CHECK (state IN ('promised', 'committed', 'aborted', 'settled')),
    done INTEGER NOT NULL DEFAULT 0,
    sqlstate TEXT,
    message TEXT,
    told INTEGER NOT NULL DEFAULT 0,
    drop_reason TEXT,
    dropped_at_unix_micros INTEGER
) STRICT;
CREATE INDEX announced_session ON announced (session, transaction_number);
CREATE INDEX announced_entry ON announced (entry);
CREATE INDEX announced_open ON announced (system, database, role) WHERE state IN ('promised', 'committed');
CREATE VIEW promises AS SELECT * FROM announced WHERE operations_count > 0 OR whole IS NOT NULL;
CREATE VIEW records AS
    SELECT decisions.id, (decisions.id >> 40) || '-' || (decisions.id & 1099511627775) AS number, decisions.at_unix_micros, session, client, role,
           database_name AS database, application_name, body ->> 'sql' AS sql, body ->> 'in_transaction' AS in_transaction, decision, rules, relations, body -> 'findings' AS findings,
           body -> 'steps' AS steps, tag AS outcome_tag, sqlstate AS outcome_sqlstate, duration_micros AS outcome_duration_micros, fate, tool, version, name, direction, unfinished, tool_guess
    FROM decisions JOIN entries ON entries.id = decisions.id;
CREATE VIRTUAL TABLE texts USING fts5 (sql, content = '', contentless_delete = 1, detail = none, tokenize = \"unicode61 tokenchars '_'\");
",
    postgres: "
CREATE TABLE announced (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    entry BIGINT NOT NULL,
    at_unix_micros BIGINT NOT NULL,
    session TEXT NOT NULL,
    transaction_number BIGINT NOT NULL,
    system TEXT NOT NULL,
    database TEXT NOT NULL,
    role TEXT NOT NULL,
    xid TEXT NOT NULL,
    life TEXT NOT NULL,
    operations TEXT NOT NULL,
    whole TEXT,
    operations_count BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'promised' CHECK (state IN ('promised', 'committed', 'aborted', 'settled')),
    done BIGINT NOT NULL DEFAULT 0,
    sqlstate TEXT,
    message TEXT,
    told BIGINT NOT NULL DEFAULT 0,
    drop_reason TEXT,
    dropped_at_unix_micros BIGINT
);
CREATE INDEX announced_session ON announced (session, transaction_number);
CREATE INDEX announced_entry ON announced (entry);
CREATE INDEX announced_open ON announced (system, database, role) WHERE state IN ('promised', 'committed');
CREATE VIEW promises AS SELECT * FROM announced WHERE operations_count > 0 OR whole IS NOT NULL;
CREATE VIEW records AS
    SELECT decisions.id, (decisions.id >> 40) || '-' || (decisions.id & 1099511627775) AS number, decisions.at_unix_micros, session, client, role,
           database_name AS database, application_name, body::jsonb ->> 'sql' AS sql, body::jsonb -> 'in_transaction' AS in_transaction, decision, rules, relations, body::jsonb -> 'findings' AS findings,
           body::jsonb -> 'steps' AS steps, tag AS outcome_tag, sqlstate AS outcome_sqlstate, duration_micros AS outcome_duration_micros, fate, tool, version, name, direction, unfinished, tool_guess
    FROM decisions JOIN entries ON entries.id = decisions.id;
CREATE TABLE texts (
    id BIGINT PRIMARY KEY,
    words tsvector NOT NULL
);
CREATE INDEX texts_words ON texts USING gin (words);
",
    compatible: FIRST,
}];

/// Stores of before the first release had numbers below.
pub(super) const FIRST: i64 = 10;

/// The newest version that this process knows.
pub(super) fn known() -> i64 {
    FIRST + i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX) - 1
}

/// What brings a store of version `found` (0: an empty one) to the newest, in order, each with its version.
pub(super) fn missing(found: i64, dialect: Dialect) -> Vec<String> {
    let done = if found == 0 { 0 } else { usize::try_from(found - FIRST + 1).unwrap_or_default() };
    let texts = |migration: &Migration| match dialect {
        Dialect::Sqlite => [for_sqlite(migration.both), migration.sqlite.to_owned()],
        Dialect::Postgres => [migration.both.to_owned(), migration.postgres.to_owned()],
    };
    let mut missing: Vec<String> = MIGRATIONS.iter().skip(done).flat_map(texts).collect();
    if let Some(last) = MIGRATIONS.last()
        && !missing.is_empty()
    {
        if found == 0 {
            missing.insert(0, "CREATE TABLE store (version BIGINT NOT NULL, compatible BIGINT NOT NULL); INSERT INTO store VALUES (0, 0)".into());
        }
        missing.push(format!("UPDATE store SET version = {}, compatible = {}", known(), last.compatible));
    }
    missing
}

/// Its own names of the types, which STRICT tables check.
fn for_sqlite(text: &str) -> String {
    text.replace("BIGINT", "INTEGER").replace("BYTEA", "BLOB").replace("\n);", "\n) STRICT;")
}
