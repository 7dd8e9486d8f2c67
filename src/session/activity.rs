//! What a session is at, for whoever looks at all of them: taken after each event, so it copies nothing that it need not.

use std::sync::Arc;

use super::committing::Committing;
use super::in_the_way;
use super::resuming::Resuming;
use super::runner::Runner;
use super::ticks::Looks;
use super::trying::Trying;
use super::work::Work;
use super::{Session, Status};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// In one word.
    pub state: State,
    /// The SQL that it is about, as the client sent it, secrets and all.
    pub statement: Option<Arc<str>>,
    /// What it waits for, where that is known.
    pub waits: Option<Waits>,
}

/// What a session does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing: no transaction is open.
    #[default]
    Idle,
    /// Nothing: its transaction is open.
    IdleInTransaction,
    /// Nothing: its transaction has failed.
    FailedTransaction,
    /// Its statement runs on the server.
    Running,
    /// Its statement is being judged.
    Deciding,
    /// Its statement, or its COMMIT, waits for the store.
    Recording,
    /// Its statement waits for a lock.
    Waiting,
    /// Its statement waits for persons to let it through.
    AwaitingApproval,
    /// Its statement runs in safe steps.
    Rewriting,
    /// Its COMMIT is answered when the work behind it is done.
    CommitHeld,
    /// It finishes what an earlier session left.
    Resuming,
}

impl State {
    /// The word that stands in JSON and on pages.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::FailedTransaction => "idle in failed transaction",
            Self::Running => "running",
            Self::Deciding => "being judged",
            Self::Recording => "being recorded",
            Self::Waiting => "waiting for a lock",
            Self::AwaitingApproval => "waiting for approval",
            Self::Rewriting => "running in safe steps",
            Self::CommitHeld => "COMMIT held back",
            Self::Resuming => "finishing earlier work",
        }
    }
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// A strong lock, in short tries.
    Lock {
        /// The relations.
        on: String,
        /// Its mode.
        mode: String,
        /// Tries that have failed.
        tries: u32,
        /// Who is in the way, as far as that is known; values of queries are left out.
        in_the_way: Option<String>,
    },
    /// An advisory lock of its own wish, which another session holds.
    AdvisoryLock,
    /// The word of persons.
    Approval,
    /// The store.
    Store,
    /// Work in steps.
    Work(Box<Step>),
}

/// Work in steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The statement of ours that runs; none between two.
    pub sql: Option<String>,
    /// Operations that are done.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// What a monitor saw of the build last: its phase, how far it is, whom it waits for.
    pub seen: Option<String>,
    /// How much of that phase is done, in percent.
    pub percent: Option<u8>,
    /// Who had the lock that the last try did not get.
    pub in_the_way: Option<String>,
}

impl Activity {
    /// Whether it is the same as before; statements are compared by identity.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let same = match (&self.statement, &other.statement) {
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            (None, None) => true,
            _ => false,
        };
        same && self.state == other.state && self.waits == other.waits
    }
}

impl Session {
    /// What it is at.
    #[must_use]
    pub fn activity(&self) -> Activity {
        Activity { state: self.state(), statement: self.current_statement(), waits: self.awaited() }
    }

    fn state(&self) -> State {
        match &self.work {
            Work::Open | Work::AwaitCopy if self.is_quiet_now() => match self.status {
                Status::Idle => State::Idle,
                Status::InTransaction => State::IdleInTransaction,
                Status::Failed => State::FailedTransaction,
            },
            Work::Open | Work::AwaitCopy | Work::Caring(_) | Work::Splitting | Work::Enclosing(_) | Work::Deferring(_) | Work::Measuring => {
                State::Running
            }
            Work::Recording(..) => State::Recording,
            Work::Approving(_) if self.waits_for_persons() => State::AwaitingApproval,
            Work::Trying(trying) if !trying.is_in_the_queue() => State::Running,
            Work::Polling(_) | Work::Trying(_) => State::Waiting,
            Work::Running(_) => State::Rewriting,
            Work::Committing(committing) if committing.waits_for_store() => State::Recording,
            Work::Committing(committing) if committing.is_working() => State::CommitHeld,
            Work::Committing(_) | Work::TakingCommitBack(..) => State::Running,
            Work::Resuming(_) => State::Resuming,
            Work::Greeting
            | Work::Welcoming
            | Work::Learning(_)
            | Work::Unlearning(_)
            | Work::Asking(..)
            | Work::Capping(..)
            | Work::TakingBack(..)
            | Work::Gauging(..)
            | Work::Ungauging(..)
            | Work::Lifting(..)
            | Work::Probing(..)
            | Work::Unprobing(..)
            | Work::Gating(_)
            | Work::Approving(_)
            | Work::Settling(_)
            | Work::Closing
            | Work::Quieting => State::Deciding,
        }
    }

    /// Nothing is owed, and no string is on its way.
    fn is_quiet_now(&self) -> bool {
        self.replies.is_empty() && self.split.is_none() && !self.copying_in
    }

    fn current_statement(&self) -> Option<Arc<str>> {
        match &self.work {
            Work::Resuming(resuming) => Some(resuming.sql()),
            work => work.subject().map(|subject| &subject.script).or_else(|| self.replies.running()).map(|script| Arc::clone(&script.text)),
        }
    }

    fn awaited(&self) -> Option<Waits> {
        match &self.work {
            Work::Recording(..) => Some(Waits::Store),
            Work::Polling(_) => Some(Waits::AdvisoryLock),
            Work::Approving(_) if self.waits_for_persons() => Some(Waits::Approval),
            Work::Trying(trying) if trying.is_in_the_queue() => Some(lock(trying)),
            Work::Running(rewriting) => Some(step(Some(&rewriting.runner), rewriting.form.then.len(), &rewriting.ticks.looks)),
            Work::Committing(committing) if committing.waits_for_store() => Some(Waits::Store),
            Work::Committing(committing) if committing.is_working() => Some(held_back(committing)),
            Work::Resuming(resuming) => Some(resumes(resuming)),
            _ => None,
        }
    }
}

fn lock(trying: &Trying) -> Waits {
    Waits::Lock { on: in_the_way::on(trying.lock()), mode: trying.lock().mode.to_string(), tries: trying.tries(), in_the_way: trying.holders() }
}

fn held_back(committing: &Committing) -> Waits {
    step(committing.runner(), committing.operations(), &committing.ticks.looks)
}

/// Before it has work, it asks the store and the server what became of its transaction.
fn resumes(resuming: &Resuming) -> Waits {
    match resuming.runner() {
        None => Waits::Store,
        runner => step(runner, resuming.operations(), &resuming.ticks.looks),
    }
}

fn step(runner: Option<&Runner>, of: usize, looks: &Looks) -> Waits {
    let (seen, percent) = looks.seen();
    Waits::Work(Box::new(Step {
        sql: runner.and_then(Runner::in_hand).map(|(sql, _)| sql.to_owned()),
        done: runner.map_or(0, Runner::done),
        of,
        seen,
        percent,
        in_the_way: runner.and_then(Runner::who_is_in_the_way),
    }))
}
