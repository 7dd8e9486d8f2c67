//! A string of several statements, run one by one: each is decided by itself, and the client hears what it would have heard of the string.
//!
//! Natively the statements of a string share one implicit transaction. So a transaction is begun before the first and ended behind the last; where
//! the string itself has BEGIN, COMMIT or SAVEPOINT, the client is told what the server would have said of them there (facts: protocol, 3).
//!
//! ```text
//!   Between ─▶ (BEGIN of ours) ─▶ a statement ─▶ Between … ─▶ (COMMIT of ours, or ROLLBACK) ─▶ ReadyForQuery
//! ```

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::policy::split::can_be_split;
use crate::sql::directive::span_with_directives;
use crate::sql::parse;
use crate::sql::statement::{Parsed, Script, Statement, TransactionControl};
use crate::wire::{errors, messages};

use super::committing::{Commits, commits};
use super::effects::Effects;
use super::enclosing::{Block, commit_script, no_transaction, tag_of_begin};
use super::own::Ending;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session, Status};

/// A string on its way.
#[derive(Debug)]
pub(super) struct Split {
    script: Arc<Script>,
    /// The statement that comes next.
    next: usize,
    /// The transaction that is open is ours: the client knows of none.
    implicit: bool,
    /// Characters before the statement that runs.
    offset: usize,
    /// The client has heard an error: nothing more runs.
    failed: bool,
    /// CommandComplete of the last statement, which the server says behind the COMMIT of the string.
    held: Option<Bytes>,
    at: At,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between two statements.
    Between,
    /// BEGIN, COMMIT or ROLLBACK of ours.
    Own,
    /// A statement runs, or is being decided.
    Part,
    /// The COMMIT behind the last statement.
    Last,
}

impl Session {
    /// Takes the string apart; its frame has been taken out.
    pub(super) fn split_up(&mut self, subject: &Subject) {
        self.work = Work::Open;
        let script = Arc::clone(&subject.script);
        self.split = Some(Split { script, next: 0, implicit: false, offset: 0, failed: false, held: None, at: At::Between });
    }

    /// The string commits what waits, among other statements.
    pub(super) fn splits_for_commit(&self, script: &Script) -> bool {
        self.commits_what_waits(script).is_some_and(|how| matches!(how, Commits::Otherwise)) && can_be_split(script)
    }

    /// Goes on with the string as far as nothing has to be waited for.
    pub(super) fn go_on_with_split(&mut self, now: Instant, out: &mut Effects) -> Progress {
        while !self.closed && self.work.is_open() && self.replies.is_empty() && self.own.is_none() {
            let Some(split) = &self.split else { break };
            match (split.at, split.failed) {
                (At::Part, _) => break,
                (At::Between | At::Own, false) => self.next_part(now, out)?,
                // The failed transaction is the string's own: it goes with it.
                (At::Between, true) if split.implicit && self.status != Status::Idle => self.run_for_split("ROLLBACK", out),
                (At::Between | At::Own, true) | (At::Last, _) => self.end_split(out),
            }
        }
        Ok(())
    }

    /// A ReadyForQuery that ends a part is not the client's.
    pub(super) fn part_is_answered(&mut self) -> bool {
        let Some(split) = &mut self.split else { return false };
        split.at = if split.at == At::Last { At::Last } else { At::Between };
        true
    }

    /// The client hears an error: nothing more of the string runs.
    pub(super) fn split_fails(&mut self) {
        if let Some(split) = &mut self.split {
            split.failed = true;
        }
    }

    /// An ErrorResponse of the server about a part, with its place in the client's string.
    pub(super) fn as_of_the_string(&mut self, frame: Bytes) -> Bytes {
        self.split_fails();
        let offset = self.split.as_ref().map_or(0, |split| split.offset);
        if offset > 0 { errors::moved(&frame, offset) } else { frame }
    }

    /// Says CommandComplete, or keeps it for the end of the string.
    pub(super) fn say_complete(&mut self, frame: Bytes, out: &mut Effects) {
        match &mut self.split {
            Some(split) if split.implicit && split.at == At::Part && split.next == split.script.statements.len() => split.held = Some(frame),
            _ => self.say(frame, out),
        }
    }

    fn next_part(&mut self, now: Instant, out: &mut Effects) -> Progress {
        let Some(split) = &mut self.split else { return Ok(()) };
        let script = Arc::clone(&split.script);
        let Some(parsed) = script.statements.get(split.next) else {
            return self.last_commit(now, out);
        };
        let begins = parsed.statement == Statement::Transaction(TransactionControl::Begin);
        if self.status == Status::Idle && !begins {
            split.implicit = true;
            self.run_for_split("BEGIN", out);
            return Ok(());
        }
        split.next += 1;
        let start = span_with_directives(&script, split.next - 1).start;
        split.offset = script.text.get(..start).map_or(0, |before| before.chars().count());
        let implicit = split.implicit;
        match &parsed.statement {
            Statement::Transaction(control) if implicit && !matches!(control, TransactionControl::TwoPhase) => {
                self.control_without_block(&script, parsed, control, now, out)
            }
            _ => self.part(&script, parsed, now, out),
        }
    }

    /// What the server says of BEGIN, COMMIT and their like where there is no block but that of the string.
    fn control_without_block(&mut self, script: &Script, parsed: &Parsed, control: &TransactionControl, now: Instant, out: &mut Effects) -> Progress {
        use TransactionControl as Control;
        let name = match control {
            Control::Begin => {
                self.say(messages::command_complete(tag_of_begin(script, parsed)), out);
                if let Some(split) = &mut self.split {
                    split.implicit = false;
                }
                return Ok(());
            }
            Control::Commit { .. } | Control::Rollback { .. } => {
                self.say_notice(&no_transaction(), out);
                return self.part(script, parsed, now, out);
            }
            Control::Savepoint(_) => "SAVEPOINT",
            Control::Release(_) => "RELEASE SAVEPOINT",
            Control::RollbackTo(_) => "ROLLBACK TO SAVEPOINT",
            Control::TwoPhase => return self.part(script, parsed, now, out),
        };
        self.say_error("25P01", &format!("{name} can only be used in transaction blocks"), None, None, out);
        Ok(())
    }

    /// One statement, as if it had come alone.
    fn part(&mut self, script: &Script, parsed: &Parsed, now: Instant, out: &mut Effects) -> Progress {
        let index = script.statements.iter().position(|one| one.span == parsed.span).unwrap_or_default();
        // What its directives ask for is asked for it alone, too.
        let text = script.text.get(span_with_directives(script, index)).unwrap_or_default();
        // It was read as a part of the string; by itself it reads the same.
        let alone = match parse::script(text, self.settings.statement_bytes) {
            Ok(alone) => Arc::new(alone),
            Err(_) => {
                self.say_error("PA002", &format!("pgairlock [not-understood]: this statement cannot be read by itself: {text}"), None, None, out);
                return Ok(());
            }
        };
        if let Some(split) = &mut self.split {
            split.at = At::Part;
        }
        let frame = messages::query(text);
        let subject = Subject { script: alone, frame: Some(frame), shape: Shape::Query, in_transaction: true, since: now };
        if let Some(how) = self.commits_what_waits(&subject.script) {
            self.commit_subject(subject, &how, out);
            return Ok(());
        }
        if let Some(outcome) = self.plain(&subject.script) {
            if self.is_recorded(&subject.script, &outcome) {
                return self.decided(subject, outcome, out);
            }
            self.send(messages::query(text), out);
            self.expect_query(&subject.script, outcome);
            return Ok(());
        }
        self.judge(subject, out)
    }

    /// The end of the string ends its implicit transaction.
    fn last_commit(&mut self, now: Instant, out: &mut Effects) -> Progress {
        let Some(split) = &mut self.split else { return Ok(()) };
        if !split.implicit || self.status != Status::InTransaction {
            self.end_split(out);
            return Ok(());
        }
        split.at = At::Last;
        let script = commit_script();
        match commits(&script).filter(|_| self.commits_what_waits(&script).is_some()) {
            Some(how) => {
                let subject = Subject { script, frame: Some(messages::query("COMMIT")), shape: Shape::Query, in_transaction: true, since: now };
                self.commit_subject(subject, &how, out);
            }
            None => {
                self.run_own("COMMIT", &[], Ending::Sync, out);
                self.work = Work::Splitting;
            }
        }
        Ok(())
    }

    fn run_for_split(&mut self, sql: &str, out: &mut Effects) {
        if let Some(split) = &mut self.split {
            split.at = At::Own;
        }
        self.run_own(sql, &[], Ending::Sync, out);
        self.work = Work::Splitting;
    }

    /// BEGIN, COMMIT or ROLLBACK of ours has been answered. What fails at COMMIT is the client's error.
    pub(super) fn split_own_finished(&mut self, error: Option<&Bytes>, out: &mut Effects) {
        if let Some(body) = error {
            let error = super::own::server_error(body);
            self.say_error(&error.sqlstate, &error.message, error.detail.as_deref(), error.hint.as_deref(), out);
        }
        if let Some(split) = &mut self.split
            && split.at == At::Own
        {
            split.at = At::Between;
        }
    }

    fn end_split(&mut self, out: &mut Effects) {
        self.grant = None;
        let held = self.split.take().filter(|split| !split.failed).and_then(|split| split.held);
        if let Some(frame) = held {
            self.say(frame, out);
        }
        self.say_ready(out);
    }

    /// What the COMMIT behind the last statement answers, nobody has asked for.
    pub(super) fn commit_is_unasked(&self) -> bool {
        self.block == Block::Ending || self.split.as_ref().is_some_and(|split| split.at == At::Last)
    }
}
