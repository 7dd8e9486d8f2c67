//! What a session is busy with; while it is, the client's next frames wait.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::catalog::facts::Facts;
use crate::catalog::probe::Probe;
use crate::catalog::questions::{Answer, Inquiry};
use crate::policy::decide::Outcome;
use crate::policy::plan::{Refusal, SafeForm};
use crate::sql::name::RelationName;
use crate::sql::statement::Script;

use super::approving::Approving;
use super::committing::Committing;
use super::completion::Decided;
use super::deferring::Deferring;
use super::enclosing::Enclosing;
use super::polling::Polling;
use super::resuming::Resuming;
use super::runner::Runner;
use super::settling::Settling;
use super::ticks::Ticks;
use super::trying::Trying;
use super::wholes::Promising;

/// See the module; one variant at a time, each with only its own data.
#[derive(Debug)]
pub(super) enum Work {
    /// Nothing: frames flow.
    Open,
    /// The questions after the login.
    Greeting,
    /// The role's stricter lock_timeout is being set; then the client hears ReadyForQuery.
    Welcoming,
    /// COPY FROM STDIN was sent: the server says whether it wants data.
    AwaitCopy,
    /// The names of functions that a text may call unseen, since the last string may have made some.
    Learning(Box<Subject>),
    /// That question failed inside a block: back to the savepoint before it.
    Unlearning(Box<Subject>),
    /// Facts for a statement.
    Asking(Box<Subject>, Inquiry),
    /// lock_timeout stood above the cap: it is brought down before anything is decided. With the answers.
    Capping(Box<Subject>, Inquiry, Vec<Answer>),
    /// A question failed inside a block: back to the savepoint before it. With whether lock_timeout stood above the cap.
    TakingBack(Box<Subject>, Inquiry, bool),
    /// How fast the server is, before it is told what a statement takes. With the facts.
    Gauging(Box<Subject>, Box<Facts>),
    /// That question failed inside a block: back to the savepoint before it.
    Ungauging(Box<Subject>, Box<Facts>),
    /// A refusal that persons may lift, or have.
    Approving(Box<Approving>),
    /// A decision is being made durable.
    Recording(Box<Subject>, Box<Outcome>),
    /// lock_timeout is being lifted for the statement.
    Lifting(Box<Subject>, Box<Outcome>, Option<Decided>),
    /// The statement runs, and lock_timeout is set again behind it.
    Caring(Care),
    /// A call that waits for an advisory lock.
    Polling(Box<Polling>),
    /// A statement that waits for a strong lock.
    Trying(Box<Trying>),
    /// A rewrite.
    Running(Box<Rewriting>),
    /// A statement of which a part waits for COMMIT.
    Deferring(Box<Deferring>),
    /// A COMMIT that something waits for.
    Committing(Box<Committing>),
    /// BEGIN, COMMIT or ROLLBACK around the statements of one string.
    Splitting,
    /// The transaction of a batch without BEGIN becomes a block of ours, or that ends.
    Enclosing(Enclosing),
    /// A command is being tried on an empty copy of its table.
    Probing(Box<Subject>, Box<Facts>, Probe),
    /// That has failed: what was begun for it is rolled back.
    Unprobing(Box<Subject>, Box<Facts>),
    /// What code that nobody saw has locked, before this statement is judged.
    Gating(Box<Subject>),
    /// A COMMIT that is not sent: the transaction is rolled back.
    TakingCommitBack(Box<Subject>, Box<Refusal>, Option<Decided>),
    /// The questions of a block are being closed.
    Closing,
    /// What became of statements whose end nobody heard.
    Settling(Settling),
    /// What files the tables of a statement have behind it.
    Measuring,
    /// Portals are being closed that another session's build would wait for.
    Quieting,
    /// What earlier transactions were promised.
    Resuming(Box<Resuming>),
}

/// The statement that the session is busy with.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it is.
    pub(super) script: Arc<Script>,
    /// The client's frame, taken out; `None` while it stands at the front of the inbox, perhaps not all of it there.
    pub(super) frame: Option<Bytes>,
    /// How it came.
    pub(super) shape: Shape,
    /// It shares a transaction with others.
    pub(super) in_transaction: bool,
    /// When it came.
    pub(super) since: Instant,
}

/// How a statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Simple protocol.
    Query,
    /// Extended protocol.
    Execute,
    /// Extended protocol: a Parse whose text is not understood.
    Parse,
}

/// What is set after a statement, unless its transaction failed and took it along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Care {
    /// lock_timeout back to what the client had.
    Restore(String),
    /// lock_timeout not above the cap.
    Reapply,
    /// It has been sent.
    Sent,
}

/// A rewrite on its way.
#[derive(Debug)]
pub(super) struct Rewriting {
    pub(super) runner: Runner,
    pub(super) subject: Subject,
    pub(super) form: SafeForm,
    /// As the server resolved it.
    pub(super) table: Option<RelationName>,
    pub(super) rule: &'static str,
    pub(super) decided: Option<Decided>,
    /// The client's implicit transaction is closed first.
    pub(super) leaving_batch: bool,
    /// The client knows that another rewrite is waited for.
    pub(super) told_to_wait: bool,
    pub(super) whole: Promising,
    pub(super) ticks: Ticks,
}

impl Work {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// The client's statement that it is about.
    pub(super) fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Learning(subject)
            | Self::Unlearning(subject)
            | Self::Asking(subject, _)
            | Self::Capping(subject, ..)
            | Self::TakingBack(subject, ..)
            | Self::Gauging(subject, _)
            | Self::Ungauging(subject, _)
            | Self::Recording(subject, _)
            | Self::Lifting(subject, ..)
            | Self::Probing(subject, ..)
            | Self::Unprobing(subject, _)
            | Self::Gating(subject)
            | Self::TakingCommitBack(subject, ..) => Some(subject),
            Self::Approving(approving) => Some(approving.subject()),
            Self::Polling(polling) => Some(polling.subject()),
            Self::Trying(trying) => Some(trying.subject()),
            Self::Running(rewriting) => Some(&rewriting.subject),
            Self::Deferring(deferring) => Some(deferring.subject()),
            Self::Committing(committing) => Some(committing.subject()),
            Self::Open
            | Self::Greeting
            | Self::Welcoming
            | Self::AwaitCopy
            | Self::Caring(_)
            | Self::Splitting
            | Self::Enclosing(_)
            | Self::Closing
            | Self::Settling(_)
            | Self::Measuring
            | Self::Quieting
            | Self::Resuming(_) => None,
        }
    }

    /// Steps that wait for a lock are told: the request may have met none of them.
    pub(super) fn cancel_requested(&mut self) {
        match self {
            Self::Running(rewriting) => rewriting.runner.cancel_requested(),
            Self::Committing(committing) => committing.cancel_requested(),
            _ => {}
        }
    }

    /// A client that went away takes this along; a rewrite goes on to its end.
    pub(super) fn may_be_abandoned(&self) -> bool {
        match self {
            Self::Running(_) | Self::Recording(..) | Self::Resuming(_) | Self::TakingCommitBack(..) => false,
            Self::Committing(committing) => committing.may_be_abandoned(),
            Self::Approving(approving) => approving.may_be_abandoned(),
            Self::Enclosing(enclosing) => !enclosing.is_asked_for(),
            _ => true,
        }
    }
}
