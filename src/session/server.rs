//! What the server says: forwarded in runs, hidden where it answers us, noted where it changes what we know.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::audit::attribution::Given;
use crate::audit::record::Outcome;
use crate::catalog::overlay::Effect;
use crate::sql::statement::Script;
use crate::wire::{errors, views};

use super::completion::{Completion, Ran};
use super::effects::{Close, Effects};
use super::replies::{Arrival, Expected, Kind, Owner};
use super::runner::Doing;
use super::siblings;
use super::work::Work;
use super::{Fatal, Progress, Session, Status};

/// What the log says of a portal that has more rows, for which it is asked by another Execute.
const SUSPENDED: &str = "PortalSuspended";
/// Largest body that is held whole to be looked into; PostgreSQL's errors and tags stay far below.
const MAX_LOOKED_INTO: usize = 16 << 20;

impl Session {
    pub(super) fn read_server(&mut self, now: Instant, out: &mut Effects) -> Progress {
        while !self.closed {
            let Some(frame) = self.server.peek()? else { break };
            let (tag, complete, length) = (frame.tag, frame.is_complete(), frame.length);
            let rows = matches!(tag, b'D' | b'd');
            if rows && !self.replies.head_is_own() && !self.replies.is_empty() {
                self.server.approve();
                continue;
            }
            if !complete {
                if length > MAX_LOOKED_INTO {
                    return Err(Fatal::protocol(format!("the server sent a message of type {tag:#04x} with {length} bytes")));
                }
                break;
            }
            self.server_frame(tag, now, out)?;
        }
        out.client(self.server.take_run());
        Ok(())
    }

    fn server_frame(&mut self, tag: u8, now: Instant, out: &mut Effects) -> Progress {
        match tag {
            b'N' if self.cleans_up() => {
                out.client(self.server.take_run());
                self.server.discard();
            }
            b'N' | b'A' => self.server.approve(),
            b'S' => self.parameter_status(out)?,
            b'R' | b'K' | b'v' | b'W' => {
                return Err(Fatal::protocol(format!("the server sent a message of type {tag:#04x} outside the login")));
            }
            _ => self.reply(tag, now, out)?,
        }
        Ok(())
    }

    /// What steps of ours set for themselves and set back is nobody's business: a driver may take another DateStyle for the end of the session.
    fn works_for_itself(&self) -> bool {
        match &self.work {
            Work::Running(_) | Work::Resuming(_) => true,
            Work::Committing(committing) => committing.is_working(),
            _ => false,
        }
    }

    /// What takes back a statement that failed is ours alone: that there is nothing to drop is not about the client's statement.
    fn cleans_up(&self) -> bool {
        matches!(&self.work, Work::Running(rewriting) if rewriting.runner.doing() == Some(Doing::CleanUp))
    }

    fn parameter_status(&mut self, out: &mut Effects) -> Progress {
        if let Some((name, value)) = self.server.peek()?.and_then(|frame| views::parameter_status(frame.body)) {
            let (name, value) = (name.to_owned(), value.to_owned());
            self.parameters.note(&name, &value);
        }
        if self.works_for_itself() {
            out.client(self.server.take_run());
            self.server.discard();
        } else {
            self.server.approve();
        }
        self.check_parameters()
    }

    /// Statements are read by PostgreSQL's grammar as it stands with these settings; with others a string could hide a statement.
    pub(super) fn check_parameters(&self) -> Progress {
        match &self.parameters.unsafe_setting {
            None => Ok(()),
            Some(setting) => Err(Fatal {
                close: Close::Policy,
                sqlstate: "PA006",
                message: format!(
                    "pgairlock [protected-setting]: {setting} on this session, and then SQL cannot be read safely; \
                     connect with client_encoding=UTF8 and standard_conforming_strings=on"
                ),
            }),
        }
    }

    fn reply(&mut self, tag: u8, now: Instant, out: &mut Effects) -> Progress {
        match self.replies.arrive(tag) {
            Arrival::Within => self.within(tag, now, out),
            Arrival::Completes(entry) => {
                let body = self.deliver(&entry.owner, out);
                self.completes(entry, tag, &body, now, out)
            }
            Arrival::Fails { failed, skipped } => self.fails(failed, &skipped, now, out),
            Arrival::Unasked => {
                self.deliver(&Owner::Client, out);
                Ok(())
            }
            Arrival::Violation => Err(Fatal::protocol(format!("the server sent a message of type {tag:#04x} that nothing asked for"))),
        }
    }

    /// Forwards or hides the next frame; its body for a look.
    fn deliver(&mut self, owner: &Owner, out: &mut Effects) -> Bytes {
        out.client(self.server.take_run());
        let frame = self.server.take_frame().unwrap_or_default();
        let body = frame.slice(frame.len().min(crate::wire::frames::HEADER)..);
        match owner {
            Owner::Own => {}
            Owner::Client | Owner::Refused(_) if frame.first() == Some(&b'Z') && self.part_is_answered() => {}
            Owner::Client if frame.first() == Some(&b'E') && self.split.is_some() => {
                self.server_said_goodbye |= is_fatal(&body);
                out.client(self.as_of_the_string(frame));
            }
            Owner::Client if frame.first() == Some(&b'C') && self.split.is_some() => self.say_complete(frame, out),
            Owner::Client => {
                self.server_said_goodbye |= frame.first() == Some(&b'E') && is_fatal(&body);
                out.client(frame);
            }
            Owner::Refused(replacement) if frame.first() == Some(&b'E') => {
                self.split_fails();
                out.client(replacement.clone());
            }
            Owner::Refused(_) => out.client(frame),
        }
        body
    }

    fn within(&mut self, tag: u8, now: Instant, out: &mut Effects) -> Progress {
        let Some(entry) = self.replies.head() else { return Ok(()) };
        let (owner, kind) = (entry.owner.clone(), entry.kind);
        if owner == Owner::Client && matches!(tag, b'T' | b't' | b'c' | b'H') {
            self.server.approve();
            return Ok(());
        }
        let body = self.deliver(&owner, out);
        if tag == b'E' {
            self.allowance.failed();
            self.chronicle.failed();
            self.versions.failed();
        }
        match (tag, &owner) {
            (b'D', Owner::Own) => {
                if let (Some(own), Some(value)) = (&mut self.own, views::first_column(&body)) {
                    own.row(value);
                }
            }
            (b'E', Owner::Own) => {
                if let Some(own) = &mut self.own {
                    own.error = Some(body);
                }
            }
            (b'E', _) => self.note_error(told(&owner, &body)),
            (b'C' | b'I', _) if kind == Kind::Query => self.command_completed(&body, now),
            (b'G', _) => self.copy_in_begins(),
            _ => {}
        }
        Ok(())
    }

    fn note_error(&mut self, body: &[u8]) {
        if let Some(Expected { completion: Completion::Ran(ran), .. }) = self.replies.head_mut() {
            ran.fail(body);
        }
    }

    fn command_completed(&mut self, body: &[u8], now: Instant) {
        let Some(Expected { completion: Completion::Ran(ran), .. }) = self.replies.head_mut() else { return };
        let (completed, given) = (ran.complete(body), std::mem::take(&mut ran.given));
        self.statement_completed(completed, &given, body, now);
    }

    fn statement_completed(&mut self, (effect, statement): (Effect, Option<(Arc<Script>, usize)>), given: &[Given], body: &[u8], now: Instant) {
        self.overlay.apply(&effect);
        let tag = views::command_tag(body);
        let found = statement.as_ref().and_then(|(script, index)| Some((script, script.statements.get(*index)?)));
        if let Some(tag) = tag {
            self.chronicle.completed(tag, found.map(|(_, parsed)| &parsed.statement), now);
        }
        if let Some((script, index)) = &statement {
            self.versions.completed(&effect, script, *index, given, tag.unwrap_or_default());
        }
        let Some((script, parsed)) = found else { return };
        self.touched |= siblings::touches(&parsed.statement);
        self.allowance.completed(parsed);
        self.questions.note(&parsed.statement);
        self.registry.completed(&script.text, &parsed.statement);
    }

    fn completes(&mut self, entry: Expected, tag: u8, body: &Bytes, now: Instant, out: &mut Effects) -> Progress {
        if entry.owner == Owner::Own {
            if let Completion::Closed { kind, name } = &entry.completion {
                self.registry.closed(*kind, name);
            }
            if entry.kind == Kind::Execute
                && let Some(own) = &mut self.own
            {
                own.completed(views::command_tag(body));
                self.versions.own_completed(views::command_tag(body));
                self.chronicle.own_completed(views::command_tag(body), now);
            }
            if tag == b'Z' {
                self.ready(body, now);
            }
            return if self.replies.owes_own() { Ok(()) } else { self.own_finished(now, out) };
        }
        self.settle(entry.completion, tag, body, now, out);
        match (entry.kind, tag) {
            (Kind::Query, _) => {
                self.registry.query_ran();
                self.ready(body, now);
                self.query_ended(out);
                Ok(())
            }
            (Kind::Sync, _) => {
                self.ready(body, now);
                Ok(())
            }
            (Kind::Execute, _) if self.work.is_await_copy() => {
                self.work = Work::Open;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, completion: Completion, tag: u8, body: &Bytes, now: Instant, out: &mut Effects) {
        match completion {
            Completion::Nothing => {}
            Completion::Prepared { name, script } => self.registry.prepared(name, script),
            Completion::Bound { portal, script } => self.registry.bound(portal, script),
            Completion::Closed { kind, name } => self.registry.closed(kind, &name),
            Completion::Ran(mut ran) => {
                if tag != b'Z' {
                    let (completed, given) = (ran.complete(body), std::mem::take(&mut ran.given));
                    self.statement_completed(completed, &given, body, now);
                }
                if tag == b's' {
                    ran.tags.push(SUSPENDED.to_owned());
                }
                if tag == b'C'
                    && let Some(portal) = ran.portal.take()
                {
                    self.registry.finished(portal);
                }
                ran.report(now, out);
            }
        }
    }

    fn fails(&mut self, mut failed: Expected, skipped: &[Expected], now: Instant, out: &mut Effects) -> Progress {
        let body = self.deliver(&failed.owner, out);
        self.allowance.failed();
        self.chronicle.failed();
        self.versions.failed();
        if failed.owner == Owner::Own {
            if let Some(own) = &mut self.own {
                own.error = Some(body);
            }
        } else {
            if let Completion::Ran(ran) = &mut failed.completion {
                ran.fail(told(&failed.owner, &body));
                ran.report(now, out);
            }
            self.skipping = !self.replies.owes_client_sync();
            self.copying_in = false;
            if self.work.is_await_copy() {
                self.work = Work::Open;
            }
            if skipped.iter().any(|entry| entry.owner == Owner::Own)
                && let Some(own) = &mut self.own
            {
                own.overtaken = true;
            }
        }
        if self.own.is_some() && !self.replies.owes_own() { self.own_finished(now, out) } else { Ok(()) }
    }

    fn ready(&mut self, body: &[u8], now: Instant) {
        self.status = match body.first() {
            Some(b'T') => Status::InTransaction,
            Some(b'E') => Status::Failed,
            _ => Status::Idle,
        };
        self.versions.ready(self.status);
        if self.status != Status::Idle {
            self.chronicle.in_block();
        } else {
            self.touched = false;
            self.overlay.apply(&Effect::Ended);
            self.allowance.ended();
            self.chronicle.idle(now);
            self.registry.transaction_ended();
        }
    }
}

impl Ran {
    /// A statement completed: what it changes, and which of which script it is.
    fn complete(&mut self, body: &[u8]) -> (Effect, Option<(Arc<Script>, usize)>) {
        if let Some(tag) = views::command_tag(body) {
            self.tags.push(tag.to_owned());
        }
        let statement = self.script.as_ref().map(|script| (Arc::clone(script), self.completed));
        self.completed += 1;
        (self.effects.pop_front().unwrap_or(Effect::Nothing), statement)
    }

    fn fail(&mut self, body: &[u8]) {
        self.sqlstate = errors::field(body, b'C').map(|value| String::from_utf8_lossy(value).into_owned());
    }

    /// The outcome of a recorded decision.
    pub(super) fn report(self: &mut Ran, now: Instant, out: &mut Effects) {
        let Some(decided) = self.decision.take() else { return };
        let tag = if self.sqlstate.is_none() { Some(self.tags.join("; ")) } else { None };
        out.outcomes
            .push((decided.id, Outcome { tag, sqlstate: self.sqlstate.take(), duration_micros: micros(now, decided.at), ..Outcome::default() }));
    }
}

/// The body of the error that the client hears.
fn told<'a>(owner: &'a Owner, body: &'a [u8]) -> &'a [u8] {
    match owner {
        Owner::Refused(replacement) => replacement.get(crate::wire::frames::HEADER..).unwrap_or_default(),
        Owner::Client | Owner::Own => body,
    }
}

fn is_fatal(body: &[u8]) -> bool {
    matches!(errors::field(body, b'V'), Some(b"FATAL" | b"PANIC"))
}

/// Microseconds from `then` to `now`.
pub(super) fn micros(now: Instant, then: Instant) -> i64 {
    i64::try_from(now.saturating_duration_since(then).as_micros()).unwrap_or(i64::MAX)
}
