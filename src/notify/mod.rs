//! What is told of to others: which happenings are worth a message, and the letters of that message. Values in, values out; `webhook` sends them.
//!
//! ```text
//!   entries of the log ──runs──▶ migration_started, migration_finished ─┐
//!                      ──bursts─▶ refused                               ├─▶ Notification ──▶ json or slack ──▶ signature
//!                      ─────────▶ approval_wanted, after_commit_failed ─┘
//! ```
//!
//! The log is where it comes from, so that nothing is told that is not on disk, and nothing of a statement that the log does not show.

pub mod backoff;
mod bursts;
pub mod event;
mod json;
mod run;
mod runs;
pub mod signature;
mod slack;
pub mod teller;

use event::Notification;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For programs: fields that stay, with a version.
    Json,
    /// For people: an incoming webhook as Slack takes it, and those who do as Slack does.
    Slack,
}

/// The body of a request: JSON in either format.
#[must_use]
pub fn body(notification: &Notification, format: Format) -> String {
    match format {
        Format::Json => json::body(notification),
        Format::Slack => slack::body(notification),
    }
}
