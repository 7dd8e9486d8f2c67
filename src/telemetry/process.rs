//! Events of the whole process.

use std::net::SocketAddr;
use std::time::Duration;

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use super::{Event, names};

/// A socket is open.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// The listener's name, or `admin`.
    pub listener: &'a str,
    /// Where; the real port when 0 was asked for.
    pub address: SocketAddr,
}

impl Event for Listening<'_> {
    fn emit(self) {
        let Self { listener, address } = self;
        info!(event = "listening", listener, %address, "listening");
    }
}

/// The process begins, with settings that are right.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// `[limits] sessions`.
    pub sessions: usize,
}

impl Event for Started {
    fn emit(self) {
        gauge!(names::BUILD_INFO, "version" => names::VERSION).set(1);
        gauge!(names::START_TIME).set(super::now_seconds());
        gauge!(names::SESSIONS_LIMIT).set(u32::try_from(self.sessions).unwrap_or(u32::MAX));
        config_taken();
        info!(event = "started", version = names::VERSION, "pgairlock starts");
    }
}

fn config_taken() {
    gauge!(names::CONFIG_OK).set(1);
    gauge!(names::CONFIG_TIME).set(super::now_seconds());
    // Each setting that waits for a restart is told anew with each reload.
    gauge!(names::RESTART_NEEDED).set(0);
}

/// New settings are in use.
#[derive(Debug, Clone, Copy)]
pub struct ConfigReloaded;

impl Event for ConfigReloaded {
    fn emit(self) {
        config_taken();
        counter!(names::CONFIG_RELOADS_TOTAL, "result" => "ok").increment(1);
        info!(event = "config_reloaded", "config reloaded");
    }
}

/// A reload changed something that stays as it was at the start.
#[derive(Debug, Clone, Copy)]
pub struct RestartNeeded<'a> {
    /// What.
    pub setting: &'a str,
}

impl Event for RestartNeeded<'_> {
    fn emit(self) {
        gauge!(names::RESTART_NEEDED).increment(1);
        warn!(event = "restart_needed", setting = self.setting, "a changed setting takes effect after a restart only");
    }
}

/// New settings are wrong; the old ones stay.
#[derive(Clone, Copy)]
pub struct ConfigRejected<'a> {
    /// Everything that is wrong.
    pub error: &'a dyn std::fmt::Display,
}

impl Event for ConfigRejected<'_> {
    fn emit(self) {
        counter!(names::CONFIG_RELOADS_TOTAL, "result" => "rejected").increment(1);
        gauge!(names::CONFIG_OK).set(0);
        error!(event = "config_rejected", error = %self.error, "config rejected, the old one stays");
    }
}

/// No new sessions; waiting for the open ones.
#[derive(Debug, Clone, Copy)]
pub struct Draining {
    /// Open sessions.
    pub sessions: usize,
    /// How long they have.
    pub deadline: Duration,
}

impl Event for Draining {
    fn emit(self) {
        info!(event = "draining", sessions = self.sessions, deadline_seconds = self.deadline.as_secs_f64(), "draining");
    }
}

/// The process may not open as many files as its sessions need.
#[derive(Debug, Clone, Copy)]
pub struct TooFewFiles {
    /// `[limits] sessions`.
    pub sessions: usize,
    /// What they need.
    pub needed: usize,
    /// The limit of the process.
    pub allowed: usize,
}

impl Event for TooFewFiles {
    fn emit(self) {
        let Self { sessions, needed, allowed } = self;
        warn!(event = "too_few_files", sessions, needed, allowed, "raise the limit of open files (ulimit -n) or lower [limits] sessions");
    }
}

/// A bug ended a task. Its words are not told: those of a slice quote the text, which may hold a password.
#[derive(Debug, Clone, Copy)]
pub struct Panicked<'a> {
    /// File and line.
    pub place: &'a str,
}

impl Event for Panicked<'_> {
    fn emit(self) {
        counter!(names::PANICS_TOTAL).increment(1);
        error!(event = "panic", place = self.place, "a bug in pgairlock ended one of its tasks; please report the place");
    }
}

/// The end.
#[derive(Debug, Clone, Copy)]
pub struct Stopped {
    /// Sessions that were cut off at the deadline.
    pub cut_off: usize,
}

impl Event for Stopped {
    fn emit(self) {
        info!(event = "stopped", cut_off = self.cut_off, "stopped");
    }
}
