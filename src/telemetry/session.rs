//! Events of sessions.

use std::time::Duration;

use metrics::{counter, gauge};
use tracing::{info, warn};

use super::{Event, names};

/// A login was completed.
#[derive(Debug, Clone, Copy)]
pub struct SessionOpened<'a> {
    /// Its id.
    pub session: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// The client's address.
    pub client: &'a str,
    /// The role.
    pub role: &'a str,
    /// The database.
    pub database: &'a str,
    /// application_name of the start-up packet.
    pub application_name: Option<&'a str>,
    /// The subject of the client's certificate.
    pub tls: Option<&'a str>,
    /// The upstream's name.
    pub upstream: &'a str,
}

impl Event for SessionOpened<'_> {
    fn emit(self) {
        let Self { session, listener, client, role, database, application_name, tls, upstream } = self;
        gauge!(names::SESSIONS, "listener" => listener.to_owned()).increment(1);
        counter!(names::SESSIONS_TOTAL, "listener" => listener.to_owned()).increment(1);
        info!(event = "session_opened", session, listener, client, role, database, application_name, tls, upstream, "session opened");
    }
}

/// A session that was opened ended.
#[derive(Debug, Clone, Copy)]
pub struct SessionClosed<'a> {
    /// Its id.
    pub session: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// Who ended it or why.
    pub reason: &'a str,
    /// What the client was told, when we ended it.
    pub message: Option<&'a str>,
    /// Since it was opened.
    pub duration: Duration,
}

impl Event for SessionClosed<'_> {
    fn emit(self) {
        let Self { session, listener, reason, message, duration } = self;
        gauge!(names::SESSIONS, "listener" => listener.to_owned()).decrement(1);
        counter!(names::SESSIONS_ENDED_TOTAL, "reason" => reason.to_owned()).increment(1);
        info!(event = "session_closed", session, listener, reason, error = message, seconds = duration.as_secs_f64(), "session closed");
    }
}

/// A connection that did not become a session.
#[derive(Debug, Clone, Copy)]
pub struct LoginFailed<'a> {
    /// The listener's name.
    pub listener: &'a str,
    /// The client's address.
    pub client: &'a str,
    /// A word for the metric.
    pub kind: &'static str,
    /// What happened.
    pub message: &'a str,
}

impl Event for LoginFailed<'_> {
    fn emit(self) {
        let Self { listener, client, kind, message } = self;
        counter!(names::LOGIN_FAILURES_TOTAL, "kind" => kind).increment(1);
        warn!(event = "login_failed", listener, client, kind, error = message, "login failed");
    }
}

/// The server could not be reached, or the connection to it broke.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamError<'a> {
    /// The session that it happened to.
    pub session: &'a str,
    /// The upstream's name.
    pub upstream: &'a str,
    /// A word for the metric.
    pub kind: &'static str,
    /// What happened.
    pub message: &'a str,
}

impl Event for UpstreamError<'_> {
    fn emit(self) {
        let Self { session, upstream, kind, message } = self;
        counter!(names::UPSTREAM_ERRORS_TOTAL, "upstream" => upstream.to_owned(), "kind" => kind).increment(1);
        warn!(event = "upstream_error", session, upstream, kind, error = message, "upstream error");
    }
}
