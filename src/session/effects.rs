//! What goes in and what comes out of the state machine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::audit::approval::{Reserved, Use, UseEnded};
use crate::audit::attribution::{Decision, Noticed};
use crate::audit::comparison::Form;
use crate::audit::event::{Settled, Trail, Transaction};
use crate::audit::record::{DecisionId, Outcome, Record};
use crate::audit::settling::Unheard;
pub use crate::catalog::estimate::Speed;
use crate::deferred::promise::{Pending, Place, Progress, Promise, PromiseId};
use crate::policy::settings::PolicySettings;

use super::sight::Sight;

/// Something happened at the edge.
#[derive(Debug)]
pub enum Event {
    /// The session begins: the login is done, its ReadyForQuery is held back.
    Begin,
    /// Bytes were appended to the client's inbox.
    FromClient,
    /// Bytes were appended to the server's inbox.
    FromServer,
    /// The client closed its side.
    ClientGone,
    /// The server closed its side.
    ServerGone,
    /// The record asked for is durable; or it could not be made so: why.
    Recorded(Result<DecisionId, String>),
    /// The promise is durable; or it could not be made so: why.
    Promised(Result<PromiseId, String>),
    /// The note asked for is durable, or could not be made so.
    Noted,
    /// What the store has of earlier promises; or why it does not say.
    Pending(Result<Vec<Pending>, String>),
    /// Which statements have an end that nobody heard; or why the log does not say.
    Unheard(Result<Vec<Unheard>, String>),
    /// Of which of them the log has nothing else; or why it does not say.
    Alone(Result<Vec<DecisionId>, String>),
    /// The other sessions of the database have closed what a concurrent build would wait for.
    SiblingsQuiet,
    /// Another session asks this one to close what a concurrent build would wait for.
    BeQuiet,
    /// No other session of the database builds any more.
    Built,
    /// A cancel request for this session was passed on to the server.
    CancelRequested,
    /// The time that [`super::Session::next_tick`] named has come.
    Tick,
    /// What the monitor has seen of this session; `None` where it could not look.
    Seen(Option<Box<Sight>>),
    /// What the store says of persons' approvals; or why it does not.
    Approval(Result<ApprovalAnswer, String>),
    /// The settings that decide were replaced.
    Policy(Arc<PolicySettings>),
    /// The process is about to end: finish what runs, take nothing new.
    Drain,
    /// The process ends now.
    CutOff,
}

/// What the edge must do, in this order: records first, then writes, then the end.
#[derive(Debug, Default)]
pub struct Effects {
    /// Bytes for the client.
    pub to_client: VecDeque<Bytes>,
    /// Bytes for the server.
    pub to_server: VecDeque<Bytes>,
    /// Make this durable, then answer with [`Event::Recorded`].
    pub record: Option<Box<Record>>,
    /// How the statement of that record came.
    pub arrived: Option<Arrived>,
    /// What attribution needs of that record.
    pub deciding: Decision,
    /// Make this durable, then answer with [`Event::Promised`].
    pub promise: Option<Box<(Promise, Trail)>>,
    /// Make durable what became of a promise, then answer with [`Event::Noted`].
    pub note: Option<(PromiseId, Progress)>,
    /// Look up what is pending there for this role, then answer with [`Event::Pending`].
    pub pending: Option<Place>,
    /// Ask the store about persons' approvals, then answer with [`Event::Approval`].
    pub approval: Option<ApprovalQuestion>,
    /// What became of uses that were taken.
    pub uses: Vec<UseEnded>,
    /// Look up something else in the log, then answer with the event of that name.
    pub lookup: Option<Lookup>,
    /// Ask the other sessions of the database to be quiet, then answer with [`Event::SiblingsQuiet`].
    pub quiet_siblings: bool,
    /// What this session asked them for has come to its end: they may go on.
    pub built: bool,
    /// This session is as quiet as it can be: answer whoever asked.
    pub quiet: bool,
    /// Look at a session from outside, then answer with [`Event::Seen`]; soon, and in any case.
    pub watch: Option<Watch>,
    /// How fast the server is, as this session has found.
    pub gauged: Option<Speed>,
    /// What has become of promises, in order.
    pub progress: Vec<(PromiseId, Progress)>,
    /// Outcomes of decisions recorded earlier.
    pub outcomes: Vec<(DecisionId, Outcome)>,
    /// What was found out of decisions whose end nobody heard.
    pub settled: Vec<Settled>,
    /// What tells of migrations, in order; behind the outcomes.
    pub noticed: Vec<Noticed>,
    /// Transactions that have ended.
    pub transactions: Vec<Transaction>,
    /// For logs and metrics.
    pub observed: Vec<Observed>,
    /// End the session once everything above is written.
    pub close: Option<Close>,
    /// What the client was told about it, for the log.
    pub farewell: Option<String>,
}

/// What the store is asked about approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalQuestion {
    /// Take a use of the words of so many persons.
    Reserve(Use, usize),
    /// Whether so many have let the statement of this fingerprint through.
    Look(String, usize),
}

/// And what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalAnswer {
    /// A use, or that there is none.
    Reserved(Option<Reserved>),
    /// Whether they have.
    Looked(bool),
}

/// What the log is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Statements that this role ran there, and whose end nobody heard: [`Event::Unheard`].
    Unheard(Place),
    /// Those of which the log has nothing else that had to do with the same: [`Event::Alone`].
    Alone(Vec<Unheard>),
}

/// How a statement came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// When.
    pub since: Instant,
    /// What a comment of it says of the trace that it belongs to (sqlcommenter: `traceparent='…'`).
    pub traceparent: Option<String>,
}

/// What is looked at from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The process id of a session.
    pub pid: u32,
    /// Those of sessions that it waits for between two looks.
    pub beside: Vec<i64>,
}

/// Something that an operator counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A rewrite ran to its end.
    Rewrite {
        /// The rule that asked for it.
        rule: &'static str,
        /// From its first step to its last.
        took: Duration,
        /// It reached its end state.
        succeeded: bool,
    },
    /// A statement has ended of which a time was said.
    Estimate {
        /// What ran.
        of: Form,
        /// How many times as long as was likely.
        ratio: f64,
    },
    /// A statement was refused: the SQLSTATE that its client got.
    Refused(&'static str),
    /// A statement or step was tried that needs a strong lock; whether it got it.
    LockTry(bool),
    /// A statement whose first try missed its lock waits no longer.
    LockWait {
        /// How that ended.
        end: WaitEnd,
        /// From its arrival.
        took: Duration,
    },
    /// A step of a rewrite, or of work after a COMMIT, was answered.
    Step {
        /// What ran, with nothing in it that the record would not say.
        sql: String,
        /// It came behind a COMMIT.
        after_commit: bool,
        /// Until the server answered.
        took: Duration,
        /// Its error.
        sqlstate: Option<String>,
    },
}

/// How a wait for a lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// With the lock.
    Got,
    /// With the time for it.
    GaveUp,
    /// With another error, a cancel request among them.
    Failed,
}

impl WaitEnd {
    /// The label in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Got => "got",
            Self::GaveUp => "gave-up",
            Self::Failed => "failed",
        }
    }
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A lock that its statement, or a step for it, has missed already.
    Lock,
    /// An advisory lock.
    AdvisoryLock,
    /// The steps of a rewrite.
    Rewrite,
    /// What comes behind a COMMIT.
    AfterCommit,
    /// Persons who may let it through.
    Approval,
}

impl WaitsFor {
    /// The label in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::AdvisoryLock => "advisory-lock",
            Self::Rewrite => "rewrite",
            Self::AfterCommit => "after-commit",
            Self::Approval => "approval",
        }
    }
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The client said Terminate, or went away.
    Client,
    /// The server ended it.
    Server,
    /// A peer broke the protocol.
    Protocol,
    /// Policy: a setting that must hold does not.
    Policy,
    /// Drained: nothing was running.
    Drained,
    /// Something was still running at the end of the drain.
    CutOff,
}

impl Close {
    /// The label in logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Protocol => "protocol",
            Self::Policy => "policy",
            Self::Drained => "drained",
            Self::CutOff => "cut-off",
        }
    }
}

impl Effects {
    /// For the client, unless empty.
    pub fn client(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.to_client.push_back(bytes);
        }
    }

    /// For the server, unless empty.
    pub fn server(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.to_server.push_back(bytes);
        }
    }
}
