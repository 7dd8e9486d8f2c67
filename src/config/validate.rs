//! From config as written to config as used.

mod admin;
mod collector;
mod listener;
mod policy;
mod upstream;
mod webhook;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::file::{self, DurationText, File, Maybe, Written};
use super::overrides::Overrides;
use super::problem::Problems;
use super::settings::{AuditSettings, FleetPlace, MonitorSettings, Settings, StorePlace, Timeouts};
use crate::policy::settings::{Literals, PolicySettings, Recorded};
pub(super) use upstream::host;

/// What a file is checked against.
pub(super) struct Context<'a> {
    /// Flags and environment.
    pub(super) overrides: &'a Overrides,
    /// The rule ids that exist.
    pub(super) rules: &'a [&'a str],
    /// Where relative paths start.
    pub(super) directory: &'a Path,
}

/// Checks everything; `None` only together with a problem.
pub(super) fn settings(written: File, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<Settings> {
    let mut listeners = listener::all(sections(written.listener, "listener", problems), context, problems);
    context.overrides.listeners(&mut listeners, problems);
    let mut upstreams = upstream::all(sections(written.upstream, "upstream", problems), context, problems);
    context.overrides.upstreams(&mut upstreams, problems);
    let limits = policy::limits(table(written.limits, "limits", problems), problems);
    let by_rule = policy::ByRule {
        severities: table(written.rules, "rules", problems).unwrap_or_default(),
        thresholds: table(written.thresholds, "thresholds", problems).unwrap_or_default(),
    };
    let after_commit = after_commit(table(written.after_commit, "after_commit", problems), problems);
    let exceptions = policy::Exceptions {
        exemptions: sections(written.exempt, "exempt", problems),
        directives: sections(written.directive, "directive", problems),
        approvals: sections(written.approval, "approval", problems),
        protected: sections(written.protect, "protect", problems),
    };
    let mut written_store = table(written.store, "store", problems).unwrap_or_default();
    let literals = literals(written_store.literals.take(), problems);
    let recorded = recorded(written_store.record.take(), problems);
    let policy = policy::settings(&limits, after_commit, by_rule, exceptions, context, problems);
    let policy = PolicySettings { literals, recorded, ..policy };
    let timeouts = timeouts(table(written.timeouts, "timeouts", problems), problems);
    let (store, audit) = store(written_store, context, problems);
    let (admin, dashboard) = admin::admin(table(written.admin, "admin", problems), context, problems);
    let policy = PolicySettings { dashboard: dashboard.url.clone(), ..policy };
    let collector = collector::read(table(written.telemetry, "telemetry", problems), problems);
    let monitor = monitor(written.monitor, context, problems);
    let webhooks = webhook::all(sections(written.webhook, "webhook", problems), context, problems);
    listener::check_addresses(&listeners, admin, problems);
    Some(Settings {
        listeners,
        upstreams,
        timeouts,
        policy,
        store,
        audit,
        admin,
        dashboard,
        collector,
        monitor,
        max_sessions: limits.sessions,
        webhooks,
    })
}

fn timeouts(written: Option<file::Timeouts>, problems: &mut Problems<'_>) -> Timeouts {
    let (written, default) = (written.unwrap_or_default(), Timeouts::default());
    Timeouts {
        lock: server_timeout(written.lock, "[timeouts] lock", "0 would let a migration wait for a lock for ever", problems).unwrap_or(default.lock),
        lock_try: server_timeout(written.lock_try, "[timeouts] lock_try", "0 would let a try wait for ever", problems).unwrap_or(default.lock_try),
        lock_pause: positive(written.lock_pause, "[timeouts] lock_pause", problems).unwrap_or(default.lock_pause),
        lock_total: optional(written.lock_total, "[timeouts] lock_total", problems).map_or(default.lock_total, |(total, _)| total.0),
        connect: positive(written.connect, "[timeouts] connect", problems).unwrap_or(default.connect),
        login: positive(written.login, "[timeouts] login", problems).unwrap_or(default.login),
        drain: optional(written.drain, "[timeouts] drain", problems).map_or(default.drain, |(drain, _)| drain.0),
        store: positive(written.store, "[timeouts] store", problems).unwrap_or(default.store),
        step: server_timeout(written.step, "[timeouts] step", "0 would let a step wait for ever", problems).unwrap_or(default.step),
    }
}

fn after_commit(written: Option<file::AfterCommit>, problems: &mut Problems<'_>) -> policy::AfterCommit {
    let written = written.unwrap_or_default();
    policy::AfterCommit {
        defer: optional(written.defer, "[after_commit] defer", problems).map(|(defer, _)| defer),
        hold: server_timeout(written.hold, "[after_commit] hold", "0 would let a COMMIT wait for ever", problems),
        search: server_timeout(written.search, "[after_commit] search", "0 would let the search go on for ever", problems),
    }
}

/// PostgreSQL keeps its timeouts in an int of milliseconds, and 0 would switch them off.
fn server_timeout(written: Maybe<DurationText>, key: &str, zero: &str, problems: &mut Problems<'_>) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);
    let (DurationText(timeout), span) = optional(written, key, problems)?;
    if timeout.is_zero() {
        problems.at(&span, format!("{key}: {zero}; give a time, such as \"2s\""));
    }
    if timeout > LONGEST {
        problems.at(&span, format!("{key}: longer than PostgreSQL allows for a timeout (24 d)"));
    }
    Some(timeout)
}

fn positive(written: Maybe<DurationText>, key: &str, problems: &mut Problems<'_>) -> Option<Duration> {
    let (DurationText(duration), span) = optional(written, key, problems)?;
    if duration.is_zero() {
        problems.at(&span, format!("{key}: 0 would fail every time; give a time, such as \"5s\""));
    }
    Some(duration)
}

fn literals(written: Maybe<file::Literals>, problems: &mut Problems<'_>) -> Literals {
    match optional(written, "[store] literals", problems) {
        Some((file::Literals::Redact, _)) => Literals::Redact,
        Some((file::Literals::Keep, _)) | None => Literals::Keep,
    }
}

fn recorded(written: Maybe<file::Record>, problems: &mut Problems<'_>) -> Recorded {
    match optional(written, "[store] record", problems) {
        Some((file::Record::All, _)) => Recorded::All,
        Some((file::Record::Ddl, _)) | None => Recorded::Ddl,
    }
}

fn store(mut written: file::Store, context: &Context<'_>, problems: &mut Problems<'_>) -> (StorePlace, AuditSettings) {
    let audit = audit(&mut written, context, problems);
    (place(written, context, problems), audit)
}

/// The one without the other would hold nothing.
fn audit(written: &mut file::Store, context: &Context<'_>, problems: &mut Problems<'_>) -> AuditSettings {
    let key = optional(written.signing_key.take(), "[store] signing_key", problems);
    let checkpoints = optional(written.checkpoints.take(), "[store] checkpoints", problems);
    let retention = retention(written.retention.take(), problems);
    match (&key, &checkpoints) {
        (Some((_, span)), None) => problems.at(span, "[store] signing_key: it signs checkpoints; say with checkpoints = \"FILE\" where they go"),
        (None, Some((_, span))) => {
            problems
                .at(span, "[store] checkpoints: they are signed; make a key with `pgairlock audit key create FILE`, and name it with signing_key");
        }
        _ => {}
    }
    let within = |path: Option<(PathBuf, Range<usize>)>| path.map(|(path, _)| context.directory.join(path));
    AuditSettings { signing_key: within(key), checkpoints: within(checkpoints), retention }
}

fn retention(written: Maybe<DurationText>, problems: &mut Problems<'_>) -> Option<Duration> {
    let (DurationText(retention), span) = optional(written, "[store] retention", problems)?;
    if retention.is_zero() {
        problems.at(&span, "[store] retention: 0 would keep nothing; give a time, such as \"400d\", or leave the key out to keep everything");
    }
    Some(retention)
}

fn place(written: file::Store, context: &Context<'_>, problems: &mut Problems<'_>) -> StorePlace {
    let default = || StorePlace::File(context.directory.join(Settings::DEFAULT_STORE));
    let in_file = store_in_file(written, context, problems);
    match &context.overrides.store {
        Some(text) => StorePlace::read(text).unwrap_or_else(|message| {
            problems.outside(format!("--store (PGAIRLOCK_STORE): {message}"));
            default()
        }),
        None => in_file.unwrap_or_else(default),
    }
}

fn store_in_file(written: file::Store, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<StorePlace> {
    let password_file = optional(written.password_file, "[store] password_file", problems).map(|(path, _)| context.directory.join(path));
    let path = optional(written.path, "[store] path", problems);
    match (path, optional(written.url, "[store] url", problems)) {
        (Some(_), Some((_, span))) => {
            problems.at(&span, "[store] url: path is set too; a store is a file or a database, take one of them out");
            None
        }
        (Some((path, span)), None) => match StorePlace::read(&path) {
            Ok(place @ StorePlace::File(_)) => Some(place.within(context.directory)),
            Ok(StorePlace::Fleet(_)) => {
                problems.at(&span, "[store] path: is a URL; write url = \"postgres://…\"");
                None
            }
            Err(message) => {
                problems.at(&span, format!("[store] path: {message}"));
                None
            }
        },
        (None, Some((url, span))) => match StorePlace::read(Path::new(&url)) {
            Ok(StorePlace::Fleet(place)) => Some(StorePlace::Fleet(FleetPlace { password_file, ..place })),
            Ok(StorePlace::File(_)) | Err(_) => {
                problems.at(&span, "[store] url: is no URL of PostgreSQL; write postgres://role@host:port/database");
                None
            }
        },
        (None, None) => None,
    }
}

fn monitor(written: Maybe<file::Monitor>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<MonitorSettings> {
    let (monitor, at) = optional(written, "[monitor]", problems)?;
    let user = text(monitor.user, "[monitor]", "user", &at, problems);
    let password_file = optional(monitor.password_file, "[monitor] password_file", problems);
    if let Some((_, span)) = password_file.as_ref().filter(|(path, _)| path.as_os_str().is_empty()) {
        problems.at(span, "[monitor] password_file: is empty; give the path of a file, or leave the key out");
    }
    Some(MonitorSettings { user: user?.0, password_file: password_file.map(|(path, _)| context.directory.join(path)) })
}

/// The elements of `[[name]]`, each with its place.
fn sections<T>(written: Maybe<Vec<Spanned<T>>>, name: &str, problems: &mut Problems<'_>) -> Vec<(T, Range<usize>)> {
    let elements = written.and_then(|written| take(written, &format!("[[{name}]]"), problems)).unwrap_or_default();
    elements.into_iter().map(|element| (element.span(), element.into_inner())).map(|(span, value)| (value, span)).collect()
}

/// The table `[name]`.
fn table<T>(written: Maybe<T>, name: &str, problems: &mut Problems<'_>) -> Option<T> {
    take(written?, &format!("[{name}]"), problems)
}

/// The value, if it is of the right type.
fn take<T>(written: Written<T>, key: &str, problems: &mut Problems<'_>) -> Option<T> {
    written.value.map_err(|message| problems.at(&written.span, format!("{key}: {message}"))).ok()
}

/// The value and its place, if it is there and of the right type.
fn optional<T>(written: Maybe<T>, key: &str, problems: &mut Problems<'_>) -> Option<(T, Range<usize>)> {
    let written = written?;
    let span = written.span.clone();
    take(written, key, problems).map(|value| (value, span))
}

/// As `optional`, for a key that must be there.
fn required<T>(written: Maybe<T>, section: &str, key: &str, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<(T, Range<usize>)> {
    if written.is_none() {
        problems.at(at, format!("{section} needs \"{key}\""));
    }
    optional(written, &format!("{section} {key}"), problems)
}

/// A required text that is more than blanks.
fn text(written: Maybe<String>, section: &str, key: &str, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<(String, Range<usize>)> {
    let (value, span) = required(written, section, key, at, problems)?;
    if value.trim().is_empty() {
        problems.at(&span, format!("{section} {key}: is empty"));
    }
    Some((value, span))
}
