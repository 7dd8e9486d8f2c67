//! Sessions as they are now: data that the server hands over, so that this room need not know what a session is made of.

use serde::Serialize;

use crate::audit::time::{utc, utc_micros};

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Its id, as the log has it.
    pub session: String,
    /// The listener's name.
    pub listener: String,
    /// The upstream's name.
    pub upstream: String,
    /// The client's address.
    pub client: String,
    /// The role that logged in.
    pub role: String,
    /// The database.
    pub database: String,
    /// `application_name`.
    pub application_name: Option<String>,
    /// The tool: by the version that it has written, else as far as that name tells.
    pub tool: Option<String>,
    /// `enforce`, `warn`, `off`.
    pub mode: &'static str,
    /// The server's process.
    pub server_pid: u32,
    /// When it logged in, in microseconds since 1970.
    pub since_unix_micros: i64,
    /// What it does, in a few words.
    pub state: &'static str,
    /// Since when.
    pub state_since_unix_micros: i64,
    /// Nothing, and no transaction is open.
    pub is_idle: bool,
    /// What runs, or ran last; redacted as the log has it.
    pub statement: Option<String>,
    /// What it waits for.
    pub waits: Option<Waiting>,
}

/// What a session waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// `lock`, `advisory-lock`, `approval`, `store`, `work`.
    #[serde(rename = "for")]
    pub what: &'static str,
    /// The relations of a lock.
    pub on: Option<String>,
    /// Its mode.
    pub lock: Option<String>,
    /// Tries that have failed.
    pub tries: Option<u32>,
    /// Who is in the way, as far as that is known.
    pub in_the_way: Option<String>,
    /// The statement of work that runs.
    pub step: Option<String>,
    /// Operations that are done.
    pub done: Option<usize>,
    /// Of so many.
    pub of: Option<usize>,
    /// What the monitor saw of a build last.
    pub seen: Option<String>,
    /// How much of its phase is done.
    pub percent: Option<u8>,
}

/// All of them, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Listing<'a> {
    version: u32,
    at: String,
    sessions: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a str,
    since: String,
    client: &'a str,
    role: &'a str,
    database: &'a str,
    application_name: Option<&'a str>,
    tool: Option<&'a str>,
    listener: &'a str,
    upstream: &'a str,
    mode: &'a str,
    server_pid: u32,
    state: &'a str,
    state_since: String,
    sql: Option<&'a str>,
    waits: Option<&'a Waiting>,
}

impl<'a> Listing<'a> {
    pub(super) fn of(sessions: &'a [LiveSession], now: i64) -> Self {
        Self { version: 1, at: utc(now), sessions: sessions.iter().map(Shown::of).collect() }
    }
}

impl<'a> Shown<'a> {
    fn of(session: &'a LiveSession) -> Self {
        Self {
            id: &session.session,
            since: utc_micros(session.since_unix_micros),
            client: &session.client,
            role: &session.role,
            database: &session.database,
            application_name: session.application_name.as_deref(),
            tool: session.tool.as_deref(),
            listener: &session.listener,
            upstream: &session.upstream,
            mode: session.mode,
            server_pid: session.server_pid,
            state: session.state,
            state_since: utc_micros(session.state_since_unix_micros),
            sql: session.statement.as_deref(),
            waits: session.waits.as_ref(),
        }
    }
}
