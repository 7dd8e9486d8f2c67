//! The sessions of this process as they are now, for the dashboard. Each has a place of its own behind a lock that is held for the length of a copy:
//! who looks at all of them holds up none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::admin::live::{LiveSession, Waiting};
use crate::audit::summary;
use crate::policy::settings::Mode;
use crate::session::Identity;
use crate::session::activity::{Activity, State, Waits};
use crate::sql::redact::without_values;

/// Beyond this a statement that has ended is not kept for who may look.
const KEPT: usize = 16 << 10;
/// So many bytes of a statement are shown.
const SHOWN: usize = 4 << 10;

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    next: Arc<AtomicU64>,
    places: Arc<Mutex<HashMap<u64, Arc<Place>>>>,
}

#[derive(Debug)]
struct Place {
    identity: Identity,
    upstream: String,
    pid: u32,
    since: i64,
    now: Mutex<Now>,
}

#[derive(Debug, Default, Clone)]
struct Now {
    activity: Activity,
    since: i64,
    /// The tool that has written a version here.
    tool: Option<String>,
}

/// One session's place, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    place: Arc<Place>,
    /// What was told last; compared without a lock.
    told: Activity,
    /// The statement before, when nothing runs.
    last: Option<Arc<str>>,
    live: Live,
}

impl Live {
    /// A session begins.
    pub(super) fn join(&self, identity: &Identity, upstream: &str, pid: u32) -> Seat {
        let since = unix_micros();
        let now = Mutex::new(Now { since, ..Now::default() });
        let place = Arc::new(Place { identity: identity.clone(), upstream: upstream.to_owned(), pid, since, now });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.places).insert(number, Arc::clone(&place));
        Seat { number, place, told: Activity::default(), last: None, live: self.clone() }
    }

    /// All, those that have been there longest first. Of their statements no values: most of them stand in no log.
    pub(super) fn all(&self) -> Vec<LiveSession> {
        let mut places: Vec<(u64, Arc<Place>)> = lock(&self.places).iter().map(|(number, place)| (*number, Arc::clone(place))).collect();
        places.sort_by_key(|(number, _)| *number);
        places.iter().map(|(_, place)| place.shown()).collect()
    }
}

impl Seat {
    /// What the session is at now.
    pub(super) fn note(&mut self, activity: Activity) {
        let activity = self.with_last_statement(activity);
        if activity.is(&self.told) {
            return;
        }
        let goes_on = activity.state == self.told.state && same(activity.statement.as_ref(), self.told.statement.as_ref());
        let mut now = lock(&self.place.now);
        if !goes_on {
            now.since = unix_micros();
        }
        now.activity = activity.clone();
        drop(now);
        self.told = activity;
    }

    /// The session has written a version in the way of this tool.
    pub(super) fn is_of(&self, tool: &str) {
        lock(&self.place.now).tool = Some(tool.to_owned());
    }

    /// A session that does nothing is known by what it did last.
    fn with_last_statement(&mut self, mut activity: Activity) -> Activity {
        if let Some(text) = activity.statement.as_ref().filter(|text| !self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, text))) {
            self.last = Some(Arc::clone(text)).filter(|text| text.len() <= KEPT);
        }
        let is_idle = matches!(activity.state, State::Idle | State::IdleInTransaction | State::FailedTransaction);
        if is_idle && activity.statement.is_none() {
            activity.statement.clone_from(&self.last);
        }
        activity
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.live.places).remove(&self.number);
    }
}

impl Place {
    fn shown(&self) -> LiveSession {
        let Now { activity, since, tool } = lock(&self.now).clone();
        let Identity { id, listener, client, principal, mode, .. } = &self.identity;
        let family = summary::family(principal.application_name.as_deref());
        LiveSession {
            session: id.clone(),
            listener: listener.clone(),
            upstream: self.upstream.clone(),
            client: client.clone(),
            role: principal.role.clone(),
            database: principal.database.clone(),
            application_name: principal.application_name.clone(),
            tool: tool.or_else(|| (family != "unknown").then(|| family.to_owned())),
            mode: match mode {
                Mode::Enforce => "enforce",
                Mode::Warn => "warn",
                Mode::Off => "off",
            },
            server_pid: self.pid,
            since_unix_micros: self.since,
            // Of bytes that are only relayed nothing is known.
            state: if *mode == Mode::Off { "not looked at" } else { activity.state.label() },
            state_since_unix_micros: since,
            is_idle: *mode != Mode::Off && activity.state == State::Idle,
            statement: activity.statement.map(|text| without_values(&text, SHOWN)),
            waits: activity.waits.map(waiting),
        }
    }
}

fn waiting(waits: Waits) -> Waiting {
    match waits {
        Waits::Lock { on, mode, tries, in_the_way } => {
            Waiting { what: "lock", on: Some(on), lock: Some(mode), tries: Some(tries), in_the_way, ..Waiting::default() }
        }
        Waits::AdvisoryLock => Waiting { what: "advisory-lock", ..Waiting::default() },
        Waits::Approval => Waiting { what: "approval", ..Waiting::default() },
        Waits::Store => Waiting { what: "store", ..Waiting::default() },
        Waits::Work(step) => Waiting {
            what: "work",
            step: step.sql.map(|sql| without_values(&sql, SHOWN)),
            done: Some(step.done),
            of: Some(step.of),
            seen: step.seen,
            percent: step.percent,
            in_the_way: step.in_the_way,
            ..Waiting::default()
        },
    }
}

fn same(one: Option<&Arc<str>>, another: Option<&Arc<str>>) -> bool {
    match (one, another) {
        (Some(one), Some(another)) => Arc::ptr_eq(one, another),
        (one, another) => one.is_none() && another.is_none(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::settings::Principal;
    use crate::policy::strong::Patience;
    use crate::session::gauging::Pace;

    fn identity(mode: Mode) -> Identity {
        Identity {
            tls: None,
            id: "s".into(),
            listener: "l".into(),
            client: "c".into(),
            principal: Principal { role: "r".into(), database: "d".into(), application_name: Some("Flyway 11".into()) },
            mode,
            backend_pid: None,
            monitored: false,
            lock_timeout_ms: 0,
            kept_lock_timeout_ms: 0,
            patience: Patience::USUAL,
            step_timeout_ms: 0,
            pace: Pace::Unasked,
        }
    }

    fn activity(state: State, statement: &str) -> Activity {
        Activity { state, statement: (!statement.is_empty()).then(|| Arc::from(statement)), waits: None }
    }

    #[test]
    fn a_session_is_seen_from_its_first_moment_to_its_last() {
        let live = Live::default();
        let mut seat = live.join(&identity(Mode::Enforce), "main", 7);
        let seen = |live: &Live| live.all().into_iter().map(|one| (one.state, one.statement)).collect::<Vec<_>>();
        assert_eq!(seen(&live), [("idle", None)]);
        seat.note(activity(State::Running, "CREATE ROLE a PASSWORD 'secret'"));
        assert_eq!(seen(&live), [("running", Some("CREATE ROLE a PASSWORD ?".into()))]);
        seat.note(activity(State::IdleInTransaction, ""));
        assert_eq!(seen(&live), [("idle in transaction", Some("CREATE ROLE a PASSWORD ?".into()))], "its last statement");
        let told = live.all().remove(0);
        assert_eq!((told.tool.as_deref(), told.mode, told.server_pid, told.is_idle), (Some("Flyway"), "enforce", 7, false));
        seat.is_of("sqitch");
        assert_eq!(live.all()[0].tool.as_deref(), Some("sqitch"));
        drop(seat);
        assert!(seen(&live).is_empty());
    }

    #[test]
    fn a_long_statement_is_not_kept_once_it_has_ended() {
        let live = Live::default();
        let mut seat = live.join(&identity(Mode::Enforce), "main", 7);
        seat.note(activity(State::Running, &format!("SELECT {}", "1 + ".repeat(KEPT))));
        assert!(live.all()[0].statement.is_some());
        seat.note(activity(State::Idle, ""));
        assert!(live.all()[0].statement.is_none());
    }

    #[test]
    fn since_when_is_told_anew_with_another_state_only() {
        let live = Live::default();
        let mut seat = live.join(&identity(Mode::Off), "main", 7);
        assert_eq!(live.all()[0].state, "not looked at");
        let text: Arc<str> = Arc::from("ALTER TABLE t ADD a int");
        let tries = |tries| Waits::Lock { on: "t".into(), mode: "AccessExclusive".into(), tries, in_the_way: None };
        let at = |number| Activity { state: State::Waiting, statement: Some(Arc::clone(&text)), waits: Some(tries(number)) };
        seat.note(at(1));
        let since = live.all()[0].state_since_unix_micros;
        seat.note(at(2));
        let told = live.all().remove(0);
        assert_eq!((told.state_since_unix_micros, told.waits.unwrap().tries), (since, Some(2)));
    }
}
