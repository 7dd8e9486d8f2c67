//! What the client says: forwarded in runs, up to the first frame that needs a decision.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::catalog::facts::Facts;
use crate::catalog::shadows;
use crate::policy::advisory;
use crate::policy::decide::{LockTimeoutCare, Outcome, Situation, decide, not_understood};
use crate::policy::plan::Plan;
use crate::sql::parse::{self, ParseError};
use crate::sql::statement::{Copy, Script, Statement, TransactionControl};
use crate::wire::views;

use super::completion::{Completion, Ran};
use super::effects::{Close, Effects};
use super::enclosing::Block;
use super::refusals;
use super::registry::{Known, Registry};
use super::replies::{Kind, Owner};
use super::work::{Shape, Subject, Work};
use super::{Fatal, Progress, Session, Status, versions};

/// Whether the next frame can be looked at now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// On to the next frame.
    Next,
    /// The frame stays where it is until something else has happened.
    Wait,
}

/// A Bind's names stand at its front; a longer front than this is no Bind.
const MAX_BIND_NAMES: usize = 64 << 10;
/// A Bind of the keys of an advisory lock is far below this.
const MAX_BIND_OF_KEYS: usize = 4 << 10;

impl Session {
    pub(super) fn read_client(&mut self, now: Instant, out: &mut Effects) -> Progress {
        loop {
            self.go_on_with_split(now, out)?;
            if !self.work.is_open() || self.split.is_some() || self.closed || self.draining_now() {
                break;
            }
            let Some(frame) = self.client.peek()? else { break };
            let (tag, complete, length) = (frame.tag, frame.is_complete(), frame.length);
            if self.client_frame(tag, complete, length, now, out)? == Flow::Wait {
                break;
            }
        }
        out.server(self.client.take_run());
        Ok(())
    }

    /// While draining, a session between two transactions takes nothing new.
    fn draining_now(&self) -> bool {
        self.draining && self.is_idle()
    }

    fn client_frame(&mut self, tag: u8, complete: bool, length: usize, now: Instant, out: &mut Effects) -> Progress<Flow> {
        if self.copying_in {
            if !self.copy_in_frame(tag)? {
                self.discard(out);
            }
            return Ok(Flow::Next);
        }
        if self.skipping && !matches!(tag, b'S' | b'X') {
            self.discard(out);
            return Ok(Flow::Next);
        }
        if matches!(tag, b'Q' | b'P') && length > self.settings.statement_bytes.saturating_add(1024) {
            return self.too_long(tag, length, now, out);
        }
        if !complete && !matches!(tag, b'B' | b'd' | b'c' | b'f') {
            return if length > self.settings.statement_bytes.saturating_add(1024) {
                Err(Fatal::protocol(format!("message of type {tag:#04x} with {length} bytes")))
            } else {
                Ok(Flow::Wait)
            };
        }
        match tag {
            b'Q' => self.query(now, out),
            b'P' => self.parse(now, out),
            b'B' => self.bind(complete),
            b'D' => self.forward(Kind::Describe, Completion::Nothing),
            b'C' => self.close_frame(),
            b'E' => self.execute(now, out),
            b'S' => Ok(self.sync(now, out)),
            b'F' => self.function_call(now, out),
            b'H' | b'd' | b'c' | b'f' => {
                self.client.approve();
                Ok(Flow::Next)
            }
            b'X' => {
                self.client.approve();
                out.server(self.client.take_run());
                self.client_left(now, out);
                self.close(Close::Client, out);
                Ok(Flow::Next)
            }
            _ => Err(Fatal::protocol(format!("message of type {tag:#04x} is not one of the protocol's"))),
        }
    }

    pub(super) fn discard(&mut self, out: &mut Effects) {
        out.server(self.client.take_run());
        self.client.discard();
    }

    /// Forwards the next frame of a batch as it came.
    fn forward(&mut self, kind: Kind, completion: Completion) -> Progress<Flow> {
        self.client.approve();
        self.batch.open = true;
        self.replies.expect(kind, Owner::Client, completion);
        Ok(Flow::Next)
    }

    fn sync(&mut self, now: Instant, out: &mut Effects) -> Flow {
        if self.block == Block::Ours {
            self.end_own_block(now, out);
            return Flow::Next;
        }
        self.close_before_sync(out);
        self.client.approve();
        self.skipping = false;
        self.batch = super::Batch::default();
        self.replies.expect(Kind::Sync, Owner::Client, Completion::Nothing);
        Flow::Next
    }

    fn query(&mut self, now: Instant, out: &mut Effects) -> Progress<Flow> {
        if self.block == Block::Ours {
            return Err(query_in_batch());
        }
        let script = match self.next_script(views::query)? {
            Ok(script) => script,
            Err(outcome) => return self.take_up_unread(outcome, Shape::Query, now, out),
        };
        if self.hinges_on_settings(&script) {
            return Ok(Flow::Wait);
        }
        if self.resumes_before(&script) {
            self.resume(&script, now, out);
            return Ok(Flow::Wait);
        }
        if self.looks_back_before(&script) {
            self.look_back(out);
            return Ok(Flow::Wait);
        }
        if self.is_held_back(&script) {
            return Ok(Flow::Wait);
        }
        let splits = self.splits_for_commit(&script);
        if let Some(how) = self.commits_what_waits(&script).filter(|_| !splits) {
            return if self.is_settled()? { self.commit(script, Shape::Query, &how, now, out) } else { Ok(Flow::Wait) };
        }
        if let Some(outcome) = self.plain(&script).filter(|_| !splits) {
            if self.is_recorded(&script, &outcome) {
                let in_transaction = self.status == Status::InTransaction;
                return if self.is_settled()? { self.write_down(script, Shape::Query, in_transaction, outcome, now, out) } else { Ok(Flow::Wait) };
            }
            self.client.approve();
            self.expect_query(&script, outcome);
            return Ok(Flow::Next);
        }
        if !self.is_settled()? {
            return Ok(Flow::Wait);
        }
        let in_transaction = self.status == Status::InTransaction;
        self.take_up(script, Shape::Query, in_transaction, now, out)?;
        Ok(Flow::Next)
    }

    /// Nothing is owed, so that the transaction's state is known. Behind frames without a Sync that would never come to be.
    fn is_settled(&self) -> Progress<bool> {
        if self.batch.open {
            return Err(query_in_batch());
        }
        Ok(self.replies.is_empty())
    }

    /// A Query that nothing of ours stands in the way of.
    pub(super) fn expect_query(&mut self, script: &Arc<Script>, outcome: Outcome) {
        let ran = Ran { effects: outcome.effects.into(), script: Some(Arc::clone(script)), ..Ran::default() };
        self.replies.expect(Kind::Query, Owner::Client, Completion::Ran(ran));
        if copies_in(script) {
            self.work = Work::AwaitCopy;
        }
    }

    fn parse(&mut self, now: Instant, out: &mut Effects) -> Progress<Flow> {
        let script = match self.next_script(|body| views::parse(body).map(|(_, text, _)| text))? {
            Ok(script) => script,
            Err(outcome) => return self.take_up_unread(outcome, Shape::Parse, now, out),
        };
        if self.hinges_on_settings(&script) {
            return Ok(Flow::Wait);
        }
        if self.resumes_before(&script) {
            self.resume(&script, now, out);
            return Ok(Flow::Wait);
        }
        if self.looks_back_before(&script) {
            self.look_back(out);
            return Ok(Flow::Wait);
        }
        // To be analyzed it needs a snapshot, too.
        if self.is_held_back(&script) {
            return Ok(Flow::Wait);
        }
        let Some((name, _, types)) = self.client.peek()?.and_then(|frame| views::parse(frame.body)) else {
            return Err(Fatal::protocol("malformed Parse"));
        };
        self.versions.parsed(name, &script, types);
        let name = name.to_vec();
        self.forward(Kind::Parse, Completion::Prepared { name, script })
    }

    fn bind(&mut self, complete: bool) -> Progress<Flow> {
        let Some(frame) = self.client.peek()? else { return Ok(Flow::Wait) };
        let Some((portal, statement)) = views::bind(frame.body) else {
            return if complete || frame.body.len() > MAX_BIND_NAMES { Err(Fatal::protocol("malformed Bind")) } else { Ok(Flow::Wait) };
        };
        let (portal, statement, length) = (portal.to_vec(), statement.to_vec(), frame.length);
        let script = match self.registry.statement(&statement, &self.replies) {
            Known::Script(script) => Some(script),
            Known::Nothing => None,
            Known::NotYet => return Ok(Flow::Wait),
        };
        if script.as_deref().is_some_and(|script| self.is_held_back(script)) {
            return Ok(Flow::Wait);
        }
        if script.as_deref().is_some_and(waits_for_advisory_lock) && length < MAX_BIND_OF_KEYS {
            let Some(frame) = self.client.peek()?.filter(|_| complete) else { return Ok(Flow::Wait) };
            self.bound_keys = views::bind_integers(frame.body).map(|keys| (portal.clone(), keys));
        }
        if let Some(script) = script.as_ref().filter(|script| versions::may_write_version(script)) {
            let short = length < versions::MAX_BIND_OF_VERSION;
            let Some(frame) = self.client.peek()?.filter(|_| complete || !short) else { return Ok(Flow::Wait) };
            self.versions.bind(&portal, &statement, script, short.then_some(frame.body));
        }
        self.forward(Kind::Bind, Completion::Bound { portal, script })
    }

    fn close_frame(&mut self) -> Progress<Flow> {
        let Some((kind, name)) = self.client.peek()?.and_then(|frame| views::target(frame.body)) else {
            return Err(Fatal::protocol("malformed Close"));
        };
        let completion = Completion::Closed { kind, name: name.to_vec() };
        self.forward(Kind::Close, completion)
    }

    fn execute(&mut self, now: Instant, out: &mut Effects) -> Progress<Flow> {
        let Some((portal, rows)) = self.client.peek()?.and_then(|frame| views::execute_in_full(frame.body)) else {
            return Err(Fatal::protocol("malformed Execute"));
        };
        let (portal, rows) = (portal.to_vec(), rows);
        let script = match self.registry.portal(&portal, &self.replies) {
            Known::Script(script) if executes_by_name(&script) && Registry::is_changing(&self.replies) => {
                return self.take_up_unread(refusals::changing_statement(self.identity.mode), Shape::Execute, now, out);
            }
            Known::Script(script) => script,
            Known::Nothing => return self.take_up_unread(refusals::unknown_portal(&portal, self.identity.mode), Shape::Execute, now, out),
            Known::NotYet => return Ok(Flow::Wait),
        };
        if let (Block::Ours, Some(control)) = (self.block, control(&script)) {
            let control = control.clone();
            self.control_own_block(script, &control, now, out);
            return Ok(Flow::Next);
        }
        if let Some(how) = self.commits_what_waits(&script) {
            return if self.replies.owes_ready() { Ok(Flow::Wait) } else { self.commit(script, Shape::Execute, &how, now, out) };
        }
        let plain = self.plain(&script);
        if let Some(outcome) = plain.as_ref().filter(|outcome| self.is_recorded(&script, outcome)) {
            let (outcome, shares) = (outcome.clone(), self.shares_transaction()?);
            return shares.map_or(Ok(Flow::Wait), |shares| self.write_down(script, Shape::Execute, shares, outcome, now, out));
        }
        if let Some(outcome) = plain {
            self.note_execute(&portal, rows, &script);
            let given = self.versions.given(&portal, &script);
            let ran = Ran { effects: outcome.effects.into(), script: Some(Arc::clone(&script)), portal: Some(portal), given, ..Ran::default() };
            if copies_in(&script) {
                self.work = Work::AwaitCopy;
            }
            return self.forward(Kind::Execute, Completion::Ran(ran));
        }
        let Some(in_transaction) = self.shares_transaction()? else { return Ok(Flow::Wait) };
        self.take_up(script, Shape::Execute, in_transaction, now, out)?;
        Ok(Flow::Next)
    }

    /// What an Execute of rows, or of BEGIN and its like, means for what comes behind it.
    pub(super) fn note_execute(&mut self, portal: &[u8], rows: u32, script: &Script) {
        if rows == 0 {
            self.note_run_to_its_end(portal);
        }
        self.batch.executed = true;
        if let Some(control) = control(script) {
            self.batch.controls |= *control == TransactionControl::Begin || ends_transaction(control);
            self.batch.begun = *control == TransactionControl::Begin || self.batch.begun && !ends_transaction(control);
        }
    }

    /// Whether the Execute at the front shares its transaction with other statements; `None` while that is not known.
    fn shares_transaction(&mut self) -> Progress<Option<bool>> {
        if self.replies.owes_ready() {
            return Ok(None);
        }
        if self.status != Status::Idle || self.batch.executed {
            return Ok(Some(true));
        }
        Ok(self.sync_follows()?.map(|alone| !alone))
    }

    /// Whether the batch ends behind this Execute, but for Close; `None` when that has not arrived.
    fn sync_follows(&mut self) -> Progress<Option<bool>> {
        for skip in 1.. {
            match self.client.peek_behind(skip)? {
                None => return Ok(None),
                Some(frame) if frame.tag == b'S' => return Ok(Some(true)),
                Some(frame) if frame.tag == b'C' && frame.is_complete() => {}
                Some(_) => return Ok(Some(false)),
            }
        }
        Ok(None)
    }

    /// Takes the next frame out as the session's subject.
    fn take_up(&mut self, script: Arc<Script>, shape: Shape, in_transaction: bool, now: Instant, out: &mut Effects) -> Progress {
        let frame = self.take_next(out);
        self.judge(Subject { script, frame: Some(frame), shape, in_transaction, since: now }, out)
    }

    /// The same for what needs no decision, but a record.
    fn write_down(
        &mut self,
        script: Arc<Script>,
        shape: Shape,
        in_transaction: bool,
        outcome: Outcome,
        now: Instant,
        out: &mut Effects,
    ) -> Progress<Flow> {
        let frame = self.take_next(out);
        self.decided(Subject { script, frame: Some(frame), shape, in_transaction, since: now }, outcome, out)?;
        Ok(Flow::Next)
    }

    /// Takes the next frame out, behind everything approved.
    pub(super) fn take_next(&mut self, out: &mut Effects) -> Bytes {
        out.server(self.client.take_run());
        self.client.take_frame().unwrap_or_default()
    }

    /// With a backslash in it, where a string ends depends on standard_conforming_strings and on the encoding. Whatever still runs may change
    /// them by ways that no rule sees (a trigger, a view); the server says so before it is ready again, and then the session ends.
    fn hinges_on_settings(&self, script: &Script) -> bool {
        script.text.contains('\\') && self.replies.owes_ready()
    }

    /// The script of the next frame, parsed once.
    fn next_script(&mut self, text_of: impl Fn(&[u8]) -> Option<&[u8]>) -> Progress<Result<Arc<Script>, Outcome>> {
        let number = self.client.number();
        if let Some((_, parsed)) = self.parsed.as_ref().filter(|(of, _)| *of == number) {
            return Ok(parsed.clone());
        }
        let limit = self.settings.statement_bytes;
        let Some(text) = self.client.peek()?.and_then(|frame| text_of(frame.body)) else {
            return Err(Fatal::protocol("malformed Query or Parse"));
        };
        let parsed = match std::str::from_utf8(text) {
            Ok(text) => parse::script(text, limit).map(Arc::new).map_err(|error| not_understood(&error, &self.situation(false, false))),
            Err(_) => Err(refusals::not_utf8(self.identity.mode)),
        };
        if let Ok(script) = &parsed {
            self.versions.look_at(script);
        }
        self.parsed = Some((number, parsed.clone()));
        Ok(parsed)
    }

    fn function_call(&mut self, now: Instant, out: &mut Effects) -> Progress<Flow> {
        self.take_up_unread(refusals::function_call(self.identity.mode), Shape::Query, now, out)
    }

    fn too_long(&mut self, tag: u8, length: usize, now: Instant, out: &mut Effects) -> Progress<Flow> {
        let error = ParseError::TooLong { bytes: length, limit: self.settings.statement_bytes };
        let outcome = not_understood(&error, &self.situation(tag == b'P', false));
        self.take_up_unread(outcome, if tag == b'Q' { Shape::Query } else { Shape::Parse }, now, out)
    }

    /// Takes up the next frame, whose statement is not known; it stays in the inbox until the decision is on disk.
    fn take_up_unread(&mut self, outcome: Outcome, shape: Shape, now: Instant, out: &mut Effects) -> Progress<Flow> {
        if self.replies.owes_ready() || shape == Shape::Query && !self.is_settled()? {
            return Ok(Flow::Wait);
        }
        let body = self.client.peek()?.map(|frame| frame.body).unwrap_or_default();
        let text = if shape == Shape::Parse { views::parse(body).map(|(_, text, _)| text) } else { views::query(body) };
        let text = text.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
        let script = Arc::new(Script { text: Arc::from(text), statements: Vec::new() });
        let in_transaction = self.status != Status::Idle || self.batch.executed;
        self.decided(Subject { script, frame: None, shape, in_transaction, since: now }, outcome, out)?;
        Ok(Flow::Next)
    }

    /// The outcome where there is nothing to ask, to record for what it is, or to change: whatever the transaction's state, the frame is forwarded.
    pub(super) fn plain(&self, script: &Script) -> Option<Outcome> {
        let only_rows = script.statements.iter().all(|parsed| match &parsed.statement {
            Statement::Query(_) | Statement::Transaction(_) => true,
            Statement::Copy(copy) => matches!(copy, Copy::FromClient | Copy::ToClient),
            _ => false,
        });
        let unknown = self.shadows_stale && shadows::matter_to(script);
        if !only_rows || unknown || !self.inquiry(script, &self.shadows).is_empty() {
            return None;
        }
        let outcome = decide(script, &Facts::default(), &self.situation(false, self.status == Status::InTransaction));
        let passes = outcome.decision.plan == Plan::Pass && !outcome.record && outcome.lock_timeout == LockTimeoutCare::None;
        passes.then_some(outcome)
    }

    /// Inside an explicit block, of which nothing under way can be the end.
    pub(super) fn in_block(&self) -> bool {
        self.batch.begun || self.status == Status::InTransaction && !self.batch.controls
    }

    /// The transaction has failed, and nothing that is under way can have ended it.
    pub(super) fn has_failed(&self) -> bool {
        self.status == Status::Failed && self.replies.is_empty() && !self.batch.executed
    }

    pub(super) fn situation(&self, extended: bool, in_transaction: bool) -> Situation<'_> {
        Situation {
            principal: &self.identity.principal,
            settings: &self.settings,
            mode: self.identity.mode,
            in_transaction,
            in_block: self.place.is_some() && self.in_block(),
            promises: self.place.is_some(),
            failed_transaction: self.has_failed(),
            overlay: &self.overlay,
            pending: &self.pending,
            lock_timeout_cap_ms: self.lock_timeout_cap_ms,
            prepared: &self.registry,
            extended,
            allowance: &self.allowance,
            system: self.place.as_ref().map(|place| place.system.as_str()),
            granted: self.grant.as_ref().map(|grant| &grant.granted),
        }
    }
}

fn query_in_batch() -> Fatal {
    Fatal::protocol("a Query or FunctionCall inside an extended-protocol batch; send Sync first")
}

/// BEGIN, COMMIT and their like: what the last ReadyForQuery said of the transaction does not hold behind them.
fn control(script: &Script) -> Option<&TransactionControl> {
    script.statements.iter().find_map(|parsed| if let Statement::Transaction(control) = &parsed.statement { Some(control) } else { None })
}

fn ends_transaction(control: &TransactionControl) -> bool {
    matches!(control, TransactionControl::Commit { chain: false } | TransactionControl::Rollback { chain: false } | TransactionControl::TwoPhase)
}

fn waits_for_advisory_lock(script: &Script) -> bool {
    matches!(script.statements.as_slice(), [parsed] if advisory::lock(parsed).is_some())
}

/// EXECUTE, in any form.
fn executes_by_name(script: &Script) -> bool {
    script.statements.iter().any(|parsed| match &parsed.statement {
        Statement::Execute { .. } => true,
        Statement::CreateTable(create) => create.execute.is_some(),
        _ => false,
    })
}

pub(super) fn copies_in(script: &Script) -> bool {
    script.statements.iter().any(|parsed| parsed.statement == Statement::Copy(Copy::FromClient))
}
