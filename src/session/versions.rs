//! What the audit log needs to tell migrations: version writes with their values, once the server says that they are done, and how transactions end.
//!
//! Nothing of this decides anything. Only statements that may write a version have their parameters kept, from Bind to Execute.

use std::sync::Arc;

use crate::audit::attribution::guess::{self, Guess};
use crate::audit::attribution::recognise::{self, Row};
use crate::audit::attribution::{Decision, Given, Kind, Noticed};
use crate::catalog::overlay::Effect;
use crate::policy::decide::Outcome;
use crate::policy::plan::Plan;
use crate::sql::statement::{Parsed, Script, Statement, TransactionControl};
use crate::wire::views;

use super::effects::Effects;
use super::work::{Shape, Subject};
use super::{Session, Status};

/// A row of a table of versions is far below this.
pub(super) const MAX_BIND_OF_VERSION: usize = 64 << 10;
/// So many statements and portals that may write a version are kept; then the oldest are let go, and their values are not known.
const MOST_KEPT: usize = 64;
/// A tool shows itself before so many strings.
const MOST_LOOKED_AT: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The types of parameters as Parse says them, by statement.
    types: Vec<Kept<Vec<u32>>>,
    /// The parameters, by portal.
    bound: Vec<Kept<Vec<Given>>>,
    guess: Option<Guess>,
    looked_at: usize,
    noticed: Vec<Noticed>,
    /// A decision was taken in the transaction, or a version written.
    busy: bool,
    /// A block is open.
    in_block: bool,
    /// Something has failed since the last ReadyForQuery.
    failed: bool,
}

/// Something about a statement or portal of a name, as long as the name stands for that script.
#[derive(Debug)]
struct Kept<T> {
    name: Vec<u8>,
    script: Arc<Script>,
    what: T,
}

/// The one statement of the script may write a version.
pub(super) fn may_write_version(script: &Script) -> bool {
    matches!(script.statements.as_slice(), [parsed] if matches!(&parsed.statement, Statement::Query(query)
        if query.write.as_deref().is_some_and(recognise::may_be_version)))
}

impl Versions {
    /// A string came that was not seen before: it may tell whose session this is.
    pub(super) fn look_at(&mut self, script: &Script) {
        if self.looked_at >= MOST_LOOKED_AT || self.guess.is_some_and(|guess| guess.certain) {
            return;
        }
        self.looked_at += 1;
        if let Some(found) = guess::of_script(script) {
            self.guess = Some(self.guess.map_or(found, |before| before.better(found)));
        }
    }

    /// Whose session this seems to be.
    pub(super) fn guessed(&self) -> Option<Guess> {
        self.guess
    }

    /// Parse, with the types that it names.
    pub(super) fn parsed(&mut self, name: &[u8], script: &Arc<Script>, types: &[u8]) {
        if may_write_version(script) {
            keep(&mut self.types, name, script, views::parameter_types(types).unwrap_or_default());
        }
    }

    /// Bind of a statement that may write a version; the body may be cut where it is too long.
    pub(super) fn bind(&mut self, portal: &[u8], statement: &[u8], script: &Arc<Script>, body: Option<&[u8]>) {
        let types = found(&self.types, statement, script).cloned().unwrap_or_default();
        let given = body.and_then(views::bind_values).map(|values| values.into_iter().enumerate().map(|(at, value)| given(value, types.get(at))));
        let given = given.map(Iterator::collect).unwrap_or_default();
        keep(&mut self.bound, portal, script, given);
    }

    /// What an Execute of this portal runs with.
    pub(super) fn given(&self, portal: &[u8], script: &Arc<Script>) -> Vec<Given> {
        found(&self.bound, portal, script).cloned().unwrap_or_default()
    }

    /// CommandComplete of a statement of the client's.
    pub(super) fn completed(&mut self, effect: &Effect, script: &Script, index: usize, given: &[Given], tag: &str) {
        let Some(parsed) = script.statements.get(index) else { return };
        self.note_created(effect);
        match &parsed.statement {
            Statement::Query(query) => {
                if let Some(write) = query.write.as_deref().filter(|write| tag_says_a_row(tag) && recognise::may_be_version(write)) {
                    let text = script.text.get(parsed.span.clone()).unwrap_or_default();
                    let written = recognise::recognise(&Row { write, given, text, guess: self.guess });
                    self.wrote(written.map(Noticed::Wrote));
                }
            }
            Statement::Transaction(control) => self.controlled(control, tag),
            Statement::Unjudged { .. } => self.wrote(emptied(parsed)),
            _ => {}
        }
    }

    /// A statement of the client's that was run by us: outside of a block its transaction has ended already.
    pub(super) fn tried(&mut self, script: &Script, effects: &[Effect], tag: &str, status: Status) {
        effects.iter().for_each(|effect| self.completed(effect, script, 0, &[], tag));
        if status == Status::Idle {
            self.ready(status);
        }
    }

    fn wrote(&mut self, written: Option<Noticed>) {
        self.busy |= written.is_some();
        self.noticed.extend(written);
    }

    fn note_created(&mut self, effect: &Effect) {
        match effect {
            Effect::Created(name) if recognise::is_own(name) => self.noticed.push(Noticed::Created(name.to_string())),
            Effect::All(effects) => effects.iter().for_each(|effect| self.note_created(effect)),
            _ => {}
        }
    }

    fn controlled(&mut self, control: &TransactionControl, tag: &str) {
        match control {
            TransactionControl::Begin => self.in_block = true,
            TransactionControl::Commit { chain } => self.end(tag == "COMMIT", *chain),
            TransactionControl::Rollback { chain } => self.end(false, *chain),
            // What becomes of it is not seen here.
            TransactionControl::TwoPhase => self.end(false, false),
            TransactionControl::Savepoint(name) if self.busy => self.noticed.push(Noticed::Savepoint(name.clone())),
            TransactionControl::RollbackTo(name) if self.busy => self.noticed.push(Noticed::RolledBackTo(name.clone())),
            TransactionControl::Savepoint(_) | TransactionControl::Release(_) | TransactionControl::RollbackTo(_) => {}
        }
    }

    /// CommandComplete of a statement of ours.
    pub(super) fn own_completed(&mut self, tag: Option<&str>) {
        match tag {
            Some("BEGIN") => self.in_block = true,
            Some("COMMIT") => self.end(true, false),
            // ROLLBACK may be one to a savepoint; ReadyForQuery tells.
            _ => {}
        }
    }

    /// An ErrorResponse.
    pub(super) fn failed(&mut self) {
        self.failed = true;
    }

    /// ReadyForQuery.
    pub(super) fn ready(&mut self, status: Status) {
        match status {
            Status::Idle => {
                // A block of which no COMMIT was seen was rolled back.
                self.end(!self.in_block && !self.failed, false);
                self.failed = false;
                self.bound.clear();
            }
            Status::InTransaction => (self.in_block, self.failed) = (true, false),
            Status::Failed => self.in_block = true,
        }
    }

    fn end(&mut self, committed: bool, chain: bool) {
        self.in_block = chain;
        if std::mem::take(&mut self.busy) {
            self.noticed.push(Noticed::Ended { committed });
        }
    }
}

impl Session {
    /// A decision is about to be recorded.
    pub(super) fn note_decision(&mut self, subject: &Subject, outcome: &Outcome, out: &mut Effects) {
        // What is only recorded because everything is belongs to no migration: a session without any would have no end of it.
        if !outcome.record {
            out.deciding = Decision { refused: false, housekeeping: true };
            return;
        }
        self.versions.busy = true;
        out.deciding = Decision {
            refused: matches!(outcome.decision.plan, Plan::Await(_) | Plan::Refuse(_) | Plan::TakeBack(_)),
            housekeeping: recognise::is_housekeeping(&subject.script),
        };
    }

    /// What the statement of an Execute runs with, where it may write a version.
    pub(super) fn given_to(&self, subject: &Subject) -> Vec<Given> {
        let execute = subject.frame.as_ref().filter(|_| subject.shape == Shape::Execute && may_write_version(&subject.script));
        let portal = execute.and_then(|frame| views::execute(frame.get(crate::wire::frames::HEADER..)?));
        portal.map(|portal| self.versions.given(portal, &subject.script)).unwrap_or_default()
    }

    /// Hands out what was noticed.
    pub(super) fn tell_noticed(&mut self, out: &mut Effects) {
        out.noticed.append(&mut self.versions.noticed);
    }
}

/// Only of a table of versions it means anything, which its reader knows.
fn emptied(parsed: &Parsed) -> Option<Noticed> {
    recognise::emptied(parsed).filter(|write| write.kind == Kind::Emptied).map(Noticed::Wrote)
}

/// An UPDATE or DELETE that found no row has changed no version.
fn tag_says_a_row(tag: &str) -> bool {
    tag.rsplit(' ').next() != Some("0")
}

fn given(value: Option<(u16, &[u8])>, oid: Option<&u32>) -> Given {
    match value {
        None => Given::Null,
        Some((0, text)) => std::str::from_utf8(text).map_or(Given::Unread, |text| Given::Text(text.to_owned())),
        Some((1, bytes)) => Given::Binary { oid: oid.copied().unwrap_or(0), bytes: bytes.to_vec() },
        Some(_) => Given::Unread,
    }
}

fn keep<T>(all: &mut Vec<Kept<T>>, name: &[u8], script: &Arc<Script>, what: T) {
    all.retain(|kept| kept.name != name);
    if all.len() >= MOST_KEPT {
        all.remove(0);
    }
    all.push(Kept { name: name.to_vec(), script: Arc::clone(script), what });
}

fn found<'a, T>(all: &'a [Kept<T>], name: &[u8], script: &Arc<Script>) -> Option<&'a T> {
    all.iter().find(|kept| kept.name == name && Arc::ptr_eq(&kept.script, script)).map(|kept| &kept.what)
}
