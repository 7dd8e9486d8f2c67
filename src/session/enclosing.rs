//! A batch of the extended protocol without BEGIN, of which a statement cannot run as it stands: its implicit transaction is made a block of ours, in
//! which the statement is decided as in any other, and which the client's Sync ends.
//!
//! ```text
//!   (BEGIN of ours) ─▶ decided again … Sync, or COMMIT and its like ─▶ (Sync of ours) ─▶ (COMMIT of ours, or ROLLBACK) ─▶ answered
//! ```
//!
//! BEGIN takes what the batch has executed already into the block (facts: protocol, 3). Of the block the client knows nothing: what it says of
//! transactions itself is answered as the server answers it where there is none.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::policy::plan::{Notice, Refusal};
use crate::policy::split::is_plain_begin;
use crate::sql::parse;
use crate::sql::statement::{Parsed, Script, TransactionControl};
use crate::wire::messages;

use super::batch::Batch;
use super::effects::Effects;
use super::own::{Ending, OwnExchange, server_error};
use super::refusals;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session, Status};

/// Whose block the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// The client's, if there is any.
    Client,
    /// Ours.
    Ours,
    /// Ours, and its COMMIT is not one that the client has asked for.
    Ending,
}

/// What is being done about a block of ours.
#[derive(Debug)]
pub(super) enum Enclosing {
    /// It is begun, for this statement.
    Begin(Box<Subject>),
    /// Everything before its end is being answered.
    Settling(By),
    /// It is being ended.
    Ending(Told),
}

/// What takes the block from us.
#[derive(Debug)]
pub(super) enum By {
    /// The client's Sync, which came then.
    Sync(Instant),
    /// BEGIN: it is the client's from here on. With its tag.
    Begin(&'static str),
    /// COMMIT.
    Commit(Box<Subject>),
    /// ROLLBACK.
    Rollback,
}

/// What the client hears of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// ReadyForQuery.
    Ready,
    /// CommandComplete with this tag.
    Tag(&'static str),
}

impl Enclosing {
    /// The client has asked for the end of its transaction, and need not wait for it.
    pub(super) fn is_asked_for(&self) -> bool {
        matches!(self, Self::Settling(By::Sync(_) | By::Commit(_)) | Self::Ending(_))
    }
}

impl Session {
    /// Makes the transaction of the batch a block of ours, and decides there.
    pub(super) fn enclose(&mut self, subject: Subject, out: &mut Effects) {
        self.run_own("BEGIN", &[], Ending::Sync, out);
        self.work = Work::Enclosing(Enclosing::Begin(Box::new(subject)));
    }

    /// The client's Sync ends the block. The frame is taken out: a Sync of ours stands in its place, since the client is not to hear of the block.
    pub(super) fn end_own_block(&mut self, now: Instant, out: &mut Effects) {
        self.discard(out);
        self.batch = Batch::default();
        self.settle_own_block(By::Sync(now), out);
    }

    fn settle_own_block(&mut self, by: By, out: &mut Effects) {
        self.leave_batch(out);
        self.work = Work::Enclosing(Enclosing::Settling(by));
    }

    /// An Execute of BEGIN, COMMIT or their like in a block of ours.
    pub(super) fn control_own_block(&mut self, script: Arc<Script>, control: &TransactionControl, now: Instant, out: &mut Effects) {
        use TransactionControl as Control;
        let frame = self.take_next(out);
        let subject = |script| Subject { script, frame: Some(frame), shape: Shape::Execute, in_transaction: true, since: now };
        let tag = script.statements.first().filter(|parsed| is_plain_begin(&script, parsed)).map(|parsed| tag_of_begin(&script, parsed));
        let by = match control {
            Control::Commit { chain: false } => By::Commit(Box::new(subject(script))),
            Control::Rollback { chain: false } => By::Rollback,
            Control::Begin => match tag {
                Some(tag) => By::Begin(tag),
                None => return self.refuse(&subject(script), &refusals::begin_in_batch(), None, out),
            },
            Control::TwoPhase => return self.refuse(&subject(script), &refusals::commit_among_others(), None, out),
            Control::Commit { chain: true } => return self.wants_a_block("COMMIT AND CHAIN", &subject(script), out),
            Control::Rollback { chain: true } => return self.wants_a_block("ROLLBACK AND CHAIN", &subject(script), out),
            Control::Savepoint(_) => return self.wants_a_block("SAVEPOINT", &subject(script), out),
            Control::Release(_) => return self.wants_a_block("RELEASE SAVEPOINT", &subject(script), out),
            Control::RollbackTo(_) => return self.wants_a_block("ROLLBACK TO SAVEPOINT", &subject(script), out),
        };
        self.settle_own_block(by, out);
    }

    /// In the server's words.
    fn wants_a_block(&mut self, name: &str, subject: &Subject, out: &mut Effects) {
        let message = format!("{name} can only be used in transaction blocks");
        self.refuse(subject, &Refusal { sqlstate: "25P01", message, detail: None, hint: None, position: None }, None, out);
    }

    /// All replies to our statements are there.
    pub(super) fn enclosing(&mut self, enclosing: Enclosing, exchange: OwnExchange, out: &mut Effects) -> Progress {
        match enclosing {
            Enclosing::Begin(subject) => self.begun(*subject, exchange.error.as_ref(), out),
            Enclosing::Settling(by) => {
                self.settled(by, out);
                Ok(())
            }
            Enclosing::Ending(told) => {
                self.own_block_ended(told, exchange.error.as_ref(), out);
                Ok(())
            }
        }
    }

    fn begun(&mut self, subject: Subject, error: Option<&Bytes>, out: &mut Effects) -> Progress {
        if let Some(error) = error {
            self.question_failed_in_batch(&server_error(error), out);
            return Ok(());
        }
        self.block = Block::Ours;
        // What the batch said of transactions before is over.
        self.batch = Batch { open: true, executed: true, ..Batch::default() };
        self.judge(subject, out)
    }

    /// The state of the transaction is known now.
    fn settled(&mut self, by: By, out: &mut Effects) {
        // The client's Sync ends the skipping, although the server has not seen it.
        self.skipping &= !matches!(by, By::Sync(_));
        match (self.status, by) {
            (Status::InTransaction, By::Begin(tag)) => {
                self.block = Block::Client;
                self.batch = Batch { open: true, executed: true, ..Batch::default() };
                self.say(messages::command_complete(tag), out);
            }
            (Status::InTransaction, By::Sync(since)) => {
                self.block = Block::Ending;
                self.commit_own_block(unasked_commit(since), Told::Ready, out);
            }
            (Status::InTransaction, By::Commit(subject)) => {
                self.say_notice(&no_transaction(), out);
                self.block = Block::Client;
                self.commit_own_block(*subject, Told::Tag("COMMIT"), out);
            }
            (Status::InTransaction, By::Rollback) => {
                self.say_notice(&no_transaction(), out);
                self.end_by("ROLLBACK", Told::Tag("ROLLBACK"), out);
            }
            (Status::Failed, By::Sync(_)) => self.end_by("ROLLBACK", Told::Ready, out),
            (Status::Idle, By::Sync(_)) => {
                self.block = Block::Client;
                self.say_ready(out);
            }
            // What stood before it has failed, and it is skipped.
            (Status::Failed | Status::Idle, By::Begin(_) | By::Commit(_) | By::Rollback) => {}
        }
    }

    fn commit_own_block(&mut self, commit: Subject, told: Told, out: &mut Effects) {
        match self.commits_what_waits(&commit.script) {
            Some(how) => {
                self.commit_subject(commit, &how, out);
                self.block = Block::Client;
            }
            None => self.end_by("COMMIT", told, out),
        }
    }

    fn end_by(&mut self, sql: &str, told: Told, out: &mut Effects) {
        self.run_own(sql, &[], Ending::Sync, out);
        self.work = Work::Enclosing(Enclosing::Ending(told));
    }

    fn own_block_ended(&mut self, told: Told, error: Option<&Bytes>, out: &mut Effects) {
        self.block = Block::Client;
        if let Some(error) = error {
            let error = server_error(error);
            self.say_error(&error.sqlstate, &error.message, error.detail.as_deref(), error.hint.as_deref(), out);
        }
        match told {
            Told::Ready => self.say_ready(out),
            Told::Tag(tag) => {
                self.batch = Batch { open: true, ..Batch::default() };
                self.skipping = error.is_some();
                if error.is_none() {
                    self.say(messages::command_complete(tag), out);
                }
            }
        }
    }
}

/// What the server says of COMMIT and ROLLBACK where no block is open.
pub(super) fn no_transaction() -> Notice {
    Notice { severity: "WARNING", sqlstate: "25P01", message: "there is no transaction in progress".to_owned(), detail: None }
}

/// START TRANSACTION has a tag of its own.
pub(super) fn tag_of_begin(script: &Script, parsed: &Parsed) -> &'static str {
    let starts = |text: &str| text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("start"));
    if script.text.get(parsed.span.clone()).is_some_and(starts) { "START TRANSACTION" } else { "BEGIN" }
}

/// A COMMIT that nobody has sent.
pub(super) fn commit_script() -> Arc<Script> {
    Arc::new(parse::script("COMMIT", usize::MAX).unwrap_or_else(|_| Script { text: Arc::from("COMMIT"), statements: Vec::new() }))
}

/// It is answered as a Query is: with ReadyForQuery.
fn unasked_commit(since: Instant) -> Subject {
    Subject { script: commit_script(), frame: Some(messages::query("COMMIT")), shape: Shape::Query, in_transaction: true, since }
}
