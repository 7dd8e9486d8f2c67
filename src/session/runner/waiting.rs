//! Short steps wait for their lock as every other statement does: in short tries with pauses, until a deadline (`session::patience`).
//!
//! A runner has no clock: a try that fails took as long as it may, and a pause as long as it should.

use std::time::Duration;

use crate::deferred::step::{Step, Wait};
use crate::policy::strong::{Patience, StrongLock};

use super::super::holders::{self, Holders};
use super::super::in_the_way;
use super::super::patience::Tries;
use super::sql::{BACK, SLEEP};
use super::{Answered, LOCK_NOT_AVAILABLE, Limits, Next, Phase, Runner, ServerError, Todo};

/// What comes behind a long step has so many times the patience: with its failure all of that was for nothing.
const BEHIND_LONG_STEPS: u64 = 5;
/// Where a statement is not tried again, a step that comes behind long ones is all the same.
const AT_LEAST_MS: u64 = 60_000;

/// How the short steps of a runner wait.
#[derive(Debug)]
pub(super) struct Waiting {
    patience: Patience,
    seed: String,
    /// What is asked to know who is in the way of the first step.
    lock: Option<StrongLock>,
    /// The tries of the step that runs.
    tries: Option<Tries>,
    waited: Duration,
    timeout_ms: u64,
    holders: Option<Holders>,
    /// A cancel request has passed since the step began: it may have met no statement.
    cancelled: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        let (seed, waited) = (String::new(), Duration::ZERO);
        Self { patience: Patience::default(), seed, lock: None, tries: None, waited, timeout_ms: 0, holders: None, cancelled: false }
    }
}

impl ServerError {
    /// A statement_timeout, and no cancel request, which has the same SQLSTATE. In a server that speaks another language than English a request counts
    /// as one.
    fn is_timeout(&self) -> bool {
        self.sqlstate == "57014" && !self.message.contains("user request")
    }
}

impl Runner {
    /// How it waits, and for what the first step does; the seed is any text of the session.
    #[must_use]
    pub fn patient(mut self, patience: Patience, seed: &str, lock: Option<StrongLock>) -> Self {
        self.waiting = Waiting { patience, seed: seed.to_owned(), lock, ..Waiting::default() };
        self
    }

    /// A cancel request for the session has passed. A statement that it meets fails; between two tries there may be none.
    pub fn cancel_requested(&mut self) {
        self.waiting.cancelled = true;
    }

    /// The step that runs, and who was in its way at the last try.
    #[must_use]
    pub fn in_hand_and_in_the_way(&self) -> Option<String> {
        let (step, _) = self.in_hand()?;
        let holders = self.waiting.holders.as_ref().filter(|holders| !holders.is_empty());
        Some(holders.map_or_else(|| step.to_owned(), |holders| format!("{step}; waits for {holders}")))
    }

    /// Who was in the way of the step at its last try.
    #[must_use]
    pub fn who_is_in_the_way(&self) -> Option<String> {
        self.waiting.holders.as_ref().filter(|holders| !holders.is_empty()).map(ToString::to_string)
    }

    /// Their process ids.
    #[must_use]
    pub fn in_the_way(&self) -> Vec<i64> {
        self.waiting.holders.as_ref().map(Holders::pids).unwrap_or_default()
    }

    /// What runs has lock_timeout for one try of several.
    #[must_use]
    pub fn is_trying(&self) -> bool {
        self.waiting.tries.is_some()
    }

    /// The step in hand has missed its lock, and is tried again.
    #[must_use]
    pub fn has_missed_lock(&self) -> bool {
        self.in_hand().is_some() && self.waiting.tries.as_ref().is_some_and(|tries| tries.count() > 0)
    }

    /// A step begins.
    pub(super) fn begin_waiting(&mut self, step: &Step) {
        let total_ms = self.total_ms();
        let waits = step.wait != Wait::Long && total_ms > 0;
        let longest_ms = self.own_lock_timeout().map_or(self.waiting.patience.longest_ms, |own| own.min(self.waiting.patience.longest_ms));
        let patience = Patience { longest_ms, ..self.waiting.patience };
        self.waiting.tries = waits.then(|| Tries::new(patience, total_ms, &self.waiting.seed));
        self.waiting.waited = Duration::ZERO;
        self.waiting.holders = None;
        self.waiting.cancelled = false;
    }

    /// What the limits have to be for the next try of a step.
    pub(super) fn limits_of(&mut self, step: &Step) -> Limits {
        match (&self.waiting.tries, step.wait) {
            (_, Wait::Long) => Limits::Off,
            (None, Wait::Short | Wait::Bounded(_)) => Limits::Own,
            (Some(tries), Wait::Short) => {
                self.waiting.timeout_ms = tries.timeout_ms(self.waiting.waited);
                Limits::Try(self.waiting.timeout_ms, None)
            }
            (Some(tries), Wait::Bounded(work_ms)) => {
                self.waiting.timeout_ms = tries.timeout_ms(self.waiting.waited);
                Limits::Try(self.waiting.timeout_ms, Some(self.waiting.timeout_ms.saturating_add(work_ms)))
            }
        }
    }

    /// The client's own lock_timeout, where it is stricter than the proxy's, is for the statement itself; not for what hours of work depend on.
    fn total_ms(&self) -> u64 {
        let total_ms = self.waiting.patience.total_ms;
        match self.own_lock_timeout() {
            _ if self.current.is_some() => total_ms.max(AT_LEAST_MS).saturating_mul(BEHIND_LONG_STEPS),
            Some(own) if total_ms > 0 && own < self.waiting.patience.longest_ms => own,
            _ => total_ms,
        }
    }

    /// As the session had it before; none where it never set it.
    fn own_lock_timeout(&self) -> Option<u64> {
        let saved: serde_json::Value = serde_json::from_str(self.saved.as_deref()?).ok()?;
        let text = saved.get("lock_timeout")?.as_str()?;
        crate::wire::startup_settings::milliseconds(text.as_bytes()).filter(|ms| *ms > 0)
    }

    /// What the session had, but for these.
    pub(super) fn set_try(&mut self, lock_ms: u64, whole_ms: Option<u64>, todo: Todo) -> Next {
        let saved = self.saved.as_deref().and_then(|saved| serde_json::from_str::<serde_json::Value>(saved).ok());
        let mut limits = saved.filter(serde_json::Value::is_object).unwrap_or_else(|| serde_json::json!({}));
        if let Some(limits) = limits.as_object_mut() {
            limits.insert("lock_timeout".to_owned(), lock_ms.to_string().into());
            limits.extend(whole_ms.map(|ms| ("statement_timeout".to_owned(), ms.to_string().into())));
        }
        self.phase = Phase::Limits(Box::new(todo));
        Next::Run(BACK.to_owned(), vec![limits.to_string()])
    }

    /// The step did not get its lock, or not all of its locks in time: who is there is asked, as far as it is known where.
    pub(super) fn waits_again(&self, step: &Step, error: &ServerError) -> bool {
        let bounded = matches!(step.wait, Wait::Bounded(_));
        self.waiting.tries.is_some() && (error.sqlstate == LOCK_NOT_AVAILABLE || bounded && error.is_timeout())
    }

    pub(super) fn ask_who_is_there(&mut self, step: Box<Step>, error: ServerError) -> Next {
        self.waiting.waited += Duration::from_millis(self.waiting.timeout_ms);
        let parameters = match (&self.waiting.lock, &self.current, &self.locked) {
            (Some(lock), None, _) => Some(holders::parameters(lock)),
            (_, Some(_), Some(table)) => Some(holders::parameters_of_table(table)),
            _ => None,
        };
        match parameters {
            Some(parameters) => {
                self.phase = Phase::WhoIsThere(step, error);
                Next::Run(holders::QUESTION.to_owned(), parameters)
            }
            None => self.pause(step, error),
        }
    }

    pub(super) fn who_is_there(&mut self, step: Box<Step>, error: ServerError, answer: Answered) -> Next {
        self.waiting.holders = answer.ok().flatten().and_then(|text| Holders::read(&text));
        self.pause(step, error)
    }

    /// The pause is over.
    pub(super) fn paused(&mut self, step: Box<Step>, answer: Answered) -> Next {
        match answer {
            Ok(_) if self.waiting.cancelled => self.failed(&step, cancelled()),
            Ok(_) => self.try_step(*step),
            Err(error) => self.failed(&step, error),
        }
    }

    fn pause(&mut self, step: Box<Step>, error: ServerError) -> Next {
        if self.waiting.cancelled {
            return self.failed(&step, cancelled());
        }
        let waiting = &mut self.waiting;
        let pause = waiting.tries.as_mut().and_then(|tries| tries.failed(waiting.waited, waiting.holders.as_ref()));
        match pause {
            Some(pause) => {
                self.waiting.waited += pause;
                // What bounds a try would end the pause as well.
                match self.limits {
                    Limits::Try(_, Some(_)) => self.set_limits(Limits::Own, Todo::Pause(*step, pause)),
                    Limits::Try(_, None) | Limits::Own | Limits::Off => self.sleep(step, pause),
                }
            }
            None => {
                let error = self.given_up(error);
                self.failed(&step, error)
            }
        }
    }

    pub(super) fn sleep(&mut self, step: Box<Step>, pause: Duration) -> Next {
        self.phase = Phase::Pause(step);
        Next::Run(SLEEP.to_owned(), vec![pause.as_secs_f64().to_string()])
    }

    fn given_up(&self, error: ServerError) -> ServerError {
        let on = match (&self.waiting.lock, &self.current) {
            (Some(lock), None) => in_the_way::on(lock),
            _ => self.locked.clone().unwrap_or_default(),
        };
        let tries = self.waiting.tries.as_ref().map_or(0, Tries::count);
        let detail = in_the_way::given_up(&on, self.waiting.waited, tries, self.waiting.holders.as_ref());
        ServerError { detail: Some(detail), ..error }
    }
}

/// As the server says it.
fn cancelled() -> ServerError {
    ServerError { sqlstate: "57014".to_owned(), message: "canceling statement due to user request".to_owned(), ..ServerError::default() }
}
