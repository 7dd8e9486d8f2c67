//! Running operations: outside a transaction, one step after the other, from whatever there is of them already.
//!
//! ```text
//!   Save ─▶ (Context ─▶) Acquire ─▶ Look ─▶ Step ⟲ ─▶ … ─▶ Release ─▶ Restore ─▶ Finished(Ok)
//!                        ⟲ Nap      ⟲ Nap    │ error   (no lock: WhoIsThere ─▶ Pause ─▶ Step)
//!                                            ▼
//!                                    Inspect ─▶ Clean ⟲ ─▶ Release ─▶ Restore ─▶ Finished(Err)
//! ```
//!
//! Before each operation the server is asked what there is of it, so that nothing is done twice and nothing of others is touched.
//!
//! A statement outside of any transaction is promised, too (`deferred::whole`): all its operations are looked at first.
//!
//! One at a time on a table: two concurrent builds on one table wait for each other until one dies of a deadlock (facts: postgres, "two
//! pods"). So an operation takes an advisory lock, polled, since a session that waits for a lock holds a snapshot that the other build waits for.
//!
//! Pure: it says which statement to run next and is told how that went.

mod cleaning;
pub(super) mod sql;
mod waiting;
mod whole;

use std::collections::VecDeque;
use std::time::Duration;

use crate::deferred::operation::{Course, Operation, Try};
use crate::deferred::promise::Deferred;
use crate::deferred::seen::{self, Seen};
use crate::deferred::step::{Debris, ErrorMapping, Step, Wait};
use crate::deferred::whole::FirstPart;
use crate::policy::plan::SafeForm;

use cleaning::{Clean, left_by_rebuild, to_clean};
use sql::{ACQUIRE, ALL_BACK, APPLY, BACK, CONTEXT, LIFT, NAP, REBUILT, RELEASE, SAVE, STATE};
use waiting::Waiting;

/// The result of one statement: its single value, or the body of its ErrorResponse.
pub type Answered = Result<Option<String>, ServerError>;

/// What is kept of an error of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// SQLSTATE.
    pub sqlstate: String,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// 1-based character position in the statement.
    pub position: Option<usize>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Run this statement (with these text parameters) by itself.
    Run(String, Vec<String>),
    /// Ask the other sessions of the database to close what a concurrent build would wait for; any answer will do.
    Quiet,
    /// Promise the whole statement, or find out whether the promise that is gone on with is still open; see [`Runner::promise_answered`].
    Promise,
    /// Make durable that this has failed, before what it left is taken away: by what is there then nobody could tell. Any answer will do.
    Note(ServerError),
    /// All done.
    Finished(Result<(), Failure>),
}

/// Operations that did not reach their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error as the original statement would have said it.
    pub error: ServerError,
    /// The step that failed.
    pub step: String,
    /// What is left for a person to run: clean-up statements that failed too.
    pub left_over: Vec<String>,
}

/// An operation and what it runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What is done.
    pub operation: Operation,
    /// What its advisory lock goes by: the table, as the server resolves it.
    pub lock: String,
    /// Whether it may have been begun before.
    pub tried: Try,
    /// Settings that it needs, as a JSON object of names and values; none when those of the session are the ones.
    pub context: Option<String>,
    /// What it is run for.
    pub aim: Aim,
}

/// What an operation is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// To bring it to its end.
    End,
    /// To know whether one of its names is taken.
    Fresh,
    /// To know whether it is at its end.
    Complete,
    /// To take it back.
    Back,
}

impl Task {
    /// What was promised for after a COMMIT.
    #[must_use]
    pub fn promised(deferred: &Deferred, tried: Try) -> Self {
        let (operation, lock, context) = (deferred.operation.clone(), deferred.table.to_string(), Some(deferred.context.clone()));
        Self { operation, lock, tried, context, aim: Aim::End }
    }
}

/// What a statement of a runner is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It brings the work forward.
    Step,
    /// It takes away what a failed step left.
    CleanUp,
}

/// What becomes of what was done when a later step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    /// It is taken back: the statement has failed as a whole.
    Undo,
    /// It stays: the transaction that it belongs to has committed.
    Keep,
}

/// See the module.
#[derive(Debug)]
pub struct Runner {
    /// For one step that waits, in milliseconds.
    deadline_ms: u64,
    on_failure: OnFailure,
    items: VecDeque<Item>,
    phase: Phase,
    /// The name of the advisory lock that is held.
    locked: Option<String>,
    /// Another session had the lock, or was at the same index.
    waits: bool,
    /// Does not wait for another session.
    once: bool,
    /// Does nothing, and stops at the first operation that has something to do.
    looks: bool,
    /// No operation that was looked at has a name that is taken.
    fresh: bool,
    /// One of them lacks a column.
    lacks_column: bool,
    /// The first part of a statement that was cut off, and whether it has run.
    first: Option<FirstPart>,
    begun: bool,
    /// All operations that were looked at are at their end.
    complete: bool,
    /// What it begins with, should the promise that it goes on with be closed by now.
    anew: VecDeque<Item>,
    /// The operation whose steps run.
    current: Option<Operation>,
    /// Operations that have reached their end.
    done: usize,
    /// Undo of finished steps, latest last.
    undo: Vec<String>,
    /// What the statement is for has happened, and is not taken back any more.
    settled: bool,
    /// The session's own settings, as JSON text.
    saved: Option<String>,
    /// What the statement runs under, as JSON text.
    settings: String,
    /// The settings that are in force instead.
    context: Option<String>,
    limits: Limits,
    waiting: Waiting,
    /// Tries of the step, or of the statement of ours, that runs.
    tries: u32,
    failure: Option<Failure>,
}

/// What is still to do.
#[derive(Debug)]
enum Item {
    /// The advisory lock of this name.
    Claim(String),
    /// The whole is promised from here on.
    Promise,
    /// The first part, unless it has run before.
    First(Box<Step>),
    /// What takes the first part back, where it has run.
    UndoFirst(String),
    Step(Box<Step>),
    Operation(Box<Task>),
    /// The steps of the operation before it are done.
    End,
}

#[derive(Debug)]
enum Phase {
    /// What the statement runs under is kept with its promise.
    Settings,
    Promise,
    Save,
    Context(Box<Task>),
    Acquire(Goal),
    /// Another session is at it: then it is tried again.
    Nap(Goal),
    Look(Box<Task>),
    /// What an earlier rebuild has left, before these steps.
    Sweep(Vec<Step>),
    Limits(Box<Todo>),
    /// The other sessions are asked to stand out of the way of this build.
    Quiet(Box<Step>),
    Step(Box<Step>),
    /// A step did not get its lock: who has it?
    WhoIsThere(Box<Step>, ServerError),
    /// It is tried again after this.
    Pause(Box<Step>),
    /// The store is told of a failure.
    Noting(Option<Debris>, VecDeque<Clean>),
    /// What a failed step has left.
    Inspect(Debris, VecDeque<Clean>),
    /// Another session has the lock of its table.
    Doze(Debris, VecDeque<Clean>),
    Clean(Clean, VecDeque<Clean>),
    /// The lock of the task's table is held; that of another is given back first.
    Change(Box<Task>),
    Release,
    Restore,
}

/// The limits that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limits {
    /// The session's.
    Own,
    /// None but the deadline for a step.
    Off,
    /// The session's, but for a short lock_timeout and, where many locks are bounded together, a statement_timeout; in milliseconds.
    Try(u64, Option<u64>),
}

/// What an advisory lock is for.
#[derive(Debug)]
enum Goal {
    /// All that follows.
    Claim(String),
    /// An operation.
    Task(Box<Task>),
}

impl Goal {
    fn lock(&self) -> &str {
        match self {
            Self::Claim(lock) => lock,
            Self::Task(task) => &task.lock,
        }
    }
}

/// What runs once the limits are as it needs them.
#[derive(Debug)]
enum Todo {
    Step(Step),
    /// A pause before this step is tried again.
    Pause(Step, Duration),
    Clean(Clean, VecDeque<Clean>),
}

/// Tries of a statement of ours that fails only when a cancel request hits it.
const MOST_REPEATS: u32 = 3;

impl Failure {
    /// Another session is at it, and this one did not wait.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.error.sqlstate == BUSY
    }
}

impl Runner {
    /// The safe form of a statement, run in its place: it ends as a whole or leaves what was there before.
    #[must_use]
    pub fn new(lock: &str, deadline_ms: u64, form: &SafeForm) -> Self {
        let items = [Item::Claim(lock.to_owned())].into_iter().chain(whole::anew(lock, form)).collect();
        Self::of(OnFailure::Undo, deadline_ms, items)
    }

    /// Work that was promised for after a COMMIT.
    #[must_use]
    pub fn promised(deadline_ms: u64, tasks: Vec<Task>) -> Self {
        Self::of(OnFailure::Keep, deadline_ms, tasks.into_iter().map(|task| Item::Operation(Box::new(task))).collect())
    }

    fn of(on_failure: OnFailure, deadline_ms: u64, items: VecDeque<Item>) -> Self {
        Self {
            deadline_ms,
            on_failure,
            items,
            phase: Phase::Save,
            locked: None,
            waits: false,
            once: false,
            looks: false,
            fresh: true,
            lacks_column: false,
            first: None,
            begun: false,
            complete: true,
            anew: VecDeque::new(),
            current: None,
            done: 0,
            undo: Vec::new(),
            settled: false,
            saved: None,
            settings: String::new(),
            context: None,
            limits: Limits::Own,
            waiting: Waiting::default(),
            tries: 0,
            failure: None,
        }
    }

    /// The same, but what another session is at is left to it: then it fails, and says so.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Only finds out how many operations have nothing to do any more.
    #[must_use]
    pub fn looking(self) -> Self {
        Self { looks: true, ..self.once() }
    }

    /// The first statement.
    #[must_use]
    pub fn start(&self) -> Next {
        Next::Run(SAVE.to_owned(), Vec::new())
    }

    /// Another session is at the same table; this one waits for it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// What of its work runs; nothing while it asks, waits for others or sets something.
    #[must_use]
    pub fn doing(&self) -> Option<Doing> {
        match &self.phase {
            Phase::Step(_) => Some(Doing::Step),
            Phase::Clean(..) => Some(Doing::CleanUp),
            _ => None,
        }
    }

    /// How many operations have reached their end, from the first on.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// The statement that ran last ended like this.
    pub fn answered(&mut self, answer: Answered) -> Next {
        match std::mem::replace(&mut self.phase, Phase::Restore) {
            Phase::Settings => match answer {
                Ok(settings) => {
                    self.settings = settings.unwrap_or_default();
                    self.phase = Phase::Promise;
                    Next::Promise
                }
                Err(error) => self.stopped(error, whole::PROMISING),
            },
            // Nothing of ours runs while the store is asked.
            Phase::Promise => {
                self.phase = Phase::Promise;
                Next::Promise
            }
            Phase::Save => match answer {
                Ok(saved) => {
                    self.saved = saved;
                    self.next_item()
                }
                Err(error) => Next::Finished(Err(Failure { error, step: SAVE.to_owned(), left_over: Vec::new() })),
            },
            Phase::Context(task) => match answer {
                Ok(_) => self.acquire(Goal::Task(task)),
                Err(error) => self.stopped(error, "setting what the operation needs"),
            },
            Phase::Acquire(goal) => match answer {
                Ok(Some(acquired)) if acquired == "true" => {
                    self.locked = Some(goal.lock().to_owned());
                    self.acquired(goal)
                }
                Ok(_) => self.nap(goal),
                Err(error) => self.stopped(error, WAITING),
            },
            Phase::Nap(goal) => match answer {
                Ok(_) if self.locked.as_deref() == Some(goal.lock()) => self.acquired(goal),
                Ok(_) => self.acquire(goal),
                Err(error) => self.stopped(error, WAITING),
            },
            Phase::Look(task) => self.looked(task, answer),
            Phase::Sweep(steps) => match answer {
                Ok(names) => {
                    let drops = left_by_rebuild(names.as_deref()).into_iter().map(Step::long);
                    self.begin_steps(drops.chain(steps).collect())
                }
                Err(error) => self.stopped(error, "looking for what an earlier rebuild left"),
            },
            Phase::Limits(todo) => self.limits_set(*todo, answer),
            Phase::Quiet(step) => self.send_step(*step),
            Phase::Step(step) => self.step_ended(*step, answer),
            Phase::WhoIsThere(step, error) => self.who_is_there(step, error, answer),
            Phase::Pause(step) => self.paused(step, answer),
            Phase::Noting(debris, rest) => self.clean_up(debris, rest),
            Phase::Inspect(debris, rest) => self.inspected(debris, rest, answer),
            Phase::Doze(debris, rest) => self.inspect(debris, rest),
            Phase::Clean(clean, rest) => self.cleaned(clean, rest, answer.is_ok()),
            Phase::Change(task) => {
                self.locked = None;
                self.begin(task)
            }
            Phase::Release => match answer {
                Err(_) if self.repeats() => self.release(),
                _ => self.restore(),
            },
            Phase::Restore => match answer {
                Err(_) if self.repeats() => self.restore(),
                // It stays known: what could not be taken back keeps the promise open.
                _ => Next::Finished(self.failure.clone().map_or(Ok(()), Err)),
            },
        }
    }

    /// The statement that runs, and those that would take back what it and the steps before it have done, in order.
    #[must_use]
    pub fn in_hand(&self) -> Option<(&str, Vec<String>)> {
        match &self.phase {
            Phase::Quiet(step) => Some((&step.sql, self.way_back(None))),
            Phase::Step(step) | Phase::WhoIsThere(step, _) | Phase::Pause(step) => {
                let own = step.debris.as_ref().and_then(Debris::remedy).or_else(|| step.undo.clone());
                Some((&step.sql, self.way_back(own.into_iter().chain(step.undo_then.clone()))))
            }
            Phase::Limits(todo) => match &**todo {
                Todo::Step(step) | Todo::Pause(step, _) => Some((&step.sql, self.way_back(None))),
                Todo::Clean(clean, rest) => Some((&clean.sql, to_clean(Some(clean), rest))),
            },
            Phase::Clean(clean, rest) => Some((&clean.sql, to_clean(Some(clean), rest))),
            Phase::Inspect(debris, rest) | Phase::Doze(debris, rest) => {
                Some((STATE, debris.remedy().into_iter().chain(to_clean(None, rest)).collect()))
            }
            Phase::Look(_) | Phase::Nap(_) | Phase::Change(_) if !self.undo.is_empty() => Some((seen::QUESTION, self.way_back(None))),
            Phase::Save
            | Phase::Settings
            | Phase::Promise
            | Phase::Context(_)
            | Phase::Acquire(_)
            | Phase::Nap(_)
            | Phase::Look(_)
            | Phase::Sweep(_)
            | Phase::Noting(..)
            | Phase::Change(_)
            | Phase::Release
            | Phase::Restore => None,
        }
    }

    fn way_back(&self, first: impl IntoIterator<Item = String>) -> Vec<String> {
        first.into_iter().chain(self.undo.iter().rev().cloned()).collect()
    }

    fn next_item(&mut self) -> Next {
        match self.items.pop_front() {
            Some(Item::Claim(lock)) => self.acquire(Goal::Claim(lock)),
            // Where a name is taken the server refuses the statement, and what is there is not to be taken back.
            Some(Item::Promise) if !self.fresh => self.next_item(),
            Some(Item::Promise) => {
                self.phase = Phase::Settings;
                Next::Run(CONTEXT.to_owned(), Vec::new())
            }
            Some(Item::First(step)) if self.begun => {
                self.undo.extend(step.undo);
                self.next_item()
            }
            Some(Item::First(step) | Item::Step(step)) => self.next_step(*step),
            Some(Item::UndoFirst(_)) if self.complete || !self.begun => self.next_item(),
            Some(Item::UndoFirst(sql)) => self.next_step(Step::short(sql)),
            Some(Item::Operation(task)) => self.begin(task),
            Some(Item::End) => {
                self.current = None;
                self.done += 1;
                self.next_item()
            }
            None => self.release(),
        }
    }

    /// Settings first, then the lock of the table, then a look.
    fn begin(&mut self, task: Box<Task>) -> Next {
        match &self.locked {
            Some(locked) if *locked == task.lock && self.context == task.context => self.look(task),
            Some(locked) => {
                let locked = locked.clone();
                self.phase = Phase::Change(task);
                Next::Run(RELEASE.to_owned(), vec![locked])
            }
            None if self.context == task.context => self.acquire(Goal::Task(task)),
            None => {
                self.context.clone_from(&task.context);
                // The limits are not part of a context.
                self.phase = Phase::Context(task);
                match self.context.clone() {
                    Some(context) => Next::Run(APPLY.to_owned(), vec![context]),
                    None => {
                        self.limits = Limits::Own;
                        Next::Run(ALL_BACK.to_owned(), vec![self.saved.clone().unwrap_or_default()])
                    }
                }
            }
        }
    }

    fn acquire(&mut self, goal: Goal) -> Next {
        let lock = goal.lock().to_owned();
        self.phase = Phase::Acquire(goal);
        Next::Run(ACQUIRE.to_owned(), vec![lock])
    }

    fn acquired(&mut self, goal: Goal) -> Next {
        match goal {
            Goal::Claim(_) => self.next_item(),
            Goal::Task(task) => self.look(task),
        }
    }

    fn nap(&mut self, goal: Goal) -> Next {
        if self.once {
            let error =
                ServerError { sqlstate: BUSY.to_owned(), message: "another session is at the same table".to_owned(), ..ServerError::default() };
            return self.stopped(error, WAITING);
        }
        self.waits = true;
        self.phase = Phase::Nap(goal);
        Next::Run(NAP.to_owned(), Vec::new())
    }

    fn look(&mut self, task: Box<Task>) -> Next {
        let parameters = task.operation.inquiry();
        self.phase = Phase::Look(task);
        Next::Run(seen::QUESTION.to_owned(), parameters)
    }

    fn looked(&mut self, task: Box<Task>, answer: Answered) -> Next {
        let seen = match answer {
            Ok(Some(text)) => Seen::read(&text).unwrap_or_default(),
            Ok(None) => Seen::default(),
            Err(error) => return self.stopped(error, "looking at what there is"),
        };
        let course = match task.aim {
            Aim::Fresh => {
                self.fresh &= task.operation.is_fresh(&seen);
                self.lacks_column |= seen.lacks_column;
                return self.next_item();
            }
            Aim::Complete => {
                self.complete &= task.operation.is_complete(&seen);
                self.begun |= self.first.as_ref().is_some_and(|first| first.shows_in(&task.operation, &seen));
                return self.next_item();
            }
            Aim::Back if self.complete && task.operation.rebuilds().is_none() => return self.next_item(),
            Aim::Back => task.operation.way_back(&seen),
            Aim::End => task.operation.course(&seen, task.tried),
        };
        match course {
            Course::Steps(steps) if self.looks && !steps.is_empty() => {
                self.items.clear();
                self.release()
            }
            Course::Steps(steps) => {
                if steps.is_empty() {
                    self.done_before(&task.operation, &seen);
                }
                let swept = task.operation.rebuilds().filter(|_| task.tried != Try::First);
                self.current = Some(task.operation);
                match swept {
                    Some(table) => {
                        self.phase = Phase::Sweep(steps);
                        Next::Run(REBUILT.to_owned(), vec![table])
                    }
                    None => self.begin_steps(steps),
                }
            }
            Course::Wait => self.nap(Goal::Task(task)),
            Course::Gone => {
                self.done += 1;
                self.next_item()
            }
        }
    }

    fn begin_steps(&mut self, steps: Vec<Step>) -> Next {
        self.items.push_front(Item::End);
        steps.into_iter().rev().for_each(|step| self.items.push_front(Item::Step(Box::new(step))));
        self.next_item()
    }

    /// A cancel, or a timeout of the client's own, where nothing of the operation has begun.
    fn stopped(&mut self, error: ServerError, while_doing: &str) -> Next {
        self.failure = Some(Failure { error, step: while_doing.to_owned(), left_over: Vec::new() });
        let undo = self.undone();
        self.next_clean(undo)
    }

    fn release(&mut self) -> Next {
        match self.locked.clone() {
            Some(locked) => {
                self.phase = Phase::Release;
                Next::Run(RELEASE.to_owned(), vec![locked])
            }
            None => self.restore(),
        }
    }

    fn restore(&mut self) -> Next {
        self.phase = Phase::Restore;
        Next::Run(ALL_BACK.to_owned(), vec![self.saved.clone().unwrap_or_default()])
    }

    /// A statement that only a cancel request can fail is run again.
    fn repeats(&mut self) -> bool {
        self.tries += 1;
        self.tries <= MOST_REPEATS
    }

    fn next_step(&mut self, step: Step) -> Next {
        self.tries = 0;
        self.begin_waiting(&step);
        self.try_step(step)
    }

    fn try_step(&mut self, step: Step) -> Next {
        let limits = self.limits_of(&step);
        if limits == self.limits { self.run_step(step) } else { self.set_limits(limits, Todo::Step(step)) }
    }

    fn set_limits(&mut self, limits: Limits, todo: Todo) -> Next {
        self.limits = limits;
        match limits {
            Limits::Try(lock_ms, whole_ms) => return self.set_try(lock_ms, whole_ms, todo),
            Limits::Off | Limits::Own => self.phase = Phase::Limits(Box::new(todo)),
        }
        if limits == Limits::Off {
            Next::Run(LIFT.to_owned(), vec![self.deadline_ms.to_string()])
        } else {
            Next::Run(BACK.to_owned(), vec![self.saved.clone().unwrap_or_default()])
        }
    }

    fn limits_set(&mut self, todo: Todo, answer: Answered) -> Next {
        match (todo, answer) {
            (Todo::Step(step), Ok(_)) => self.run_step(step),
            (Todo::Pause(step, pause), Ok(_)) => self.sleep(Box::new(step), pause),
            (Todo::Step(step) | Todo::Pause(step, _), Err(error)) => self.failed(&step, error),
            (Todo::Clean(clean, rest), _) => self.run_clean(clean, rest),
        }
    }

    /// What waits for the snapshots of others asks them first: a build, and a long statement of the user's own, which may be one.
    fn run_step(&mut self, step: Step) -> Next {
        if step.wait == Wait::Long && (step.debris.is_some() || self.current.is_none()) {
            self.phase = Phase::Quiet(Box::new(step));
            return Next::Quiet;
        }
        self.send_step(step)
    }

    fn send_step(&mut self, step: Step) -> Next {
        let sql = step.sql.clone();
        self.phase = Phase::Step(Box::new(step));
        Next::Run(sql, Vec::new())
    }

    fn step_ended(&mut self, step: Step, answer: Answered) -> Next {
        match answer {
            Ok(_) => {
                if step.settles {
                    self.settled = true;
                    self.undo.clear();
                }
                self.undo.extend(step.undo_then.into_iter().chain(step.undo));
                self.next_item()
            }
            Err(error) if self.waits_again(&step, &error) => self.ask_who_is_there(Box::new(step), error),
            Err(error) => self.failed(&step, error),
        }
    }
}

/// object_in_use, as nobody else says it here: see [`Failure::is_busy`].
const BUSY: &str = "55006";
const WAITING: &str = "waiting for another session that changes the same table";
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

fn as_original(error: ServerError, mapping: Option<&ErrorMapping>) -> ServerError {
    match mapping {
        Some(mapping) if mapping.from == error.sqlstate => {
            ServerError { sqlstate: mapping.to.to_owned(), message: mapping.message.clone(), ..ServerError::default() }
        }
        _ => error,
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
