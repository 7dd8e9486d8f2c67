//! Which SQL stands behind a prepared statement or portal.
//!
//! The server's truth is followed exactly: an entry appears only with ParseComplete, BindComplete or the CommandComplete of PREPARE, since a
//! Parse that fails leaves the old statement in place. Frames of the same pipeline that are not answered yet are looked up in the reply queue;
//! those of an earlier batch may fail by themselves, so that what they mean is only known when they are answered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::questions::Prepared;
use crate::sql::statement::{Script, SettingChange, Statement};

use super::completion::{Completion, Ran};
use super::replies::{Expected, Kind, Replies};

/// Prepared statements and portals that the server holds for this session.
#[derive(Debug, Default)]
pub struct Registry {
    statements: HashMap<Vec<u8>, Arc<Script>>,
    portals: HashMap<Vec<u8>, Option<Arc<Script>>>,
    /// Portals that have given all their rows, and are still there.
    finished: HashSet<Vec<u8>>,
}

impl Registry {
    /// What a Bind of this statement would run, pipelined Parses included.
    #[must_use]
    pub fn statement(&self, name: &[u8], replies: &Replies) -> Known {
        for (entry, may_fail_alone) in latest_first(replies) {
            let said = match &entry.completion {
                Completion::Prepared { name: prepared, script } if prepared == name => Known::Script(Arc::clone(script)),
                Completion::Closed { kind: b'S', name: closed } if closed == name => Known::Nothing,
                Completion::Ran(Ran { script: Some(script), .. }) => match said_by_sql(script, name) {
                    Some(_) if entry.kind == Kind::Query => Known::NotYet,
                    Some(known) => known,
                    None => continue,
                },
                _ => continue,
            };
            return if may_fail_alone { Known::NotYet } else { said };
        }
        self.statements.get(name).cloned().map_or(Known::Nothing, Known::Script)
    }

    /// What an Execute of this portal would run, pipelined Binds included.
    #[must_use]
    pub fn portal(&self, name: &[u8], replies: &Replies) -> Known {
        for (entry, may_fail_alone) in latest_first(replies) {
            let said = match &entry.completion {
                Completion::Bound { portal, script } if portal == name => script.clone().map_or(Known::Nothing, Known::Script),
                Completion::Closed { kind: b'P', name: closed } if closed == name => Known::Nothing,
                _ => continue,
            };
            return if may_fail_alone { Known::NotYet } else { said };
        }
        self.portals.get(name).cloned().flatten().map_or(Known::Nothing, Known::Script)
    }

    /// An unanswered frame gives a prepared statement its meaning, or takes it.
    #[must_use]
    pub fn is_changing(replies: &Replies) -> bool {
        replies.latest_first().any(|entry| match &entry.completion {
            Completion::Prepared { name, .. } | Completion::Closed { kind: b'S', name } => !name.is_empty(),
            Completion::Ran(Ran { script: Some(script), .. }) => script.statements.iter().any(|parsed| names_statement(&parsed.statement)),
            Completion::Ran(_) | Completion::Bound { .. } | Completion::Closed { .. } | Completion::Nothing => false,
        })
    }

    /// ParseComplete.
    pub fn prepared(&mut self, name: Vec<u8>, script: Arc<Script>) {
        self.statements.insert(name, script);
    }

    /// BindComplete.
    pub fn bound(&mut self, portal: Vec<u8>, script: Option<Arc<Script>>) {
        self.finished.remove(&portal);
        self.portals.insert(portal, script);
    }

    /// CommandComplete of an Execute: the portal has given all its rows.
    pub fn finished(&mut self, portal: Vec<u8>) {
        self.finished.insert(portal);
    }

    /// The portals that are through, which the caller is going to close.
    pub fn take_finished_portals(&mut self) -> Vec<Vec<u8>> {
        let finished: Vec<Vec<u8>> = self.finished.drain().collect();
        finished.iter().for_each(|portal| drop(self.portals.remove(portal)));
        finished
    }

    /// CloseComplete.
    pub fn closed(&mut self, kind: u8, name: &[u8]) {
        match kind {
            b'S' => self.statements.remove(name).is_some(),
            _ => self.portals.remove(name).is_some() | self.finished.remove(name),
        };
    }

    /// A transaction ended: its portals are gone.
    pub fn transaction_ended(&mut self) {
        self.portals.clear();
        self.finished.clear();
    }

    /// A simple Query destroys the unnamed statement and portal.
    pub fn query_ran(&mut self) {
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
        self.finished.remove(&b""[..]);
    }

    /// CommandComplete of a statement that changes prepared statements by SQL.
    pub fn completed(&mut self, text: &Arc<str>, statement: &Statement) {
        match statement {
            Statement::Prepare { name, inner } => {
                let script = Script { text: Arc::clone(text), statements: vec![(**inner).clone()] };
                self.statements.insert(name.clone().into_bytes(), Arc::new(script));
            }
            Statement::Deallocate(Some(name)) => {
                self.statements.remove(name.as_bytes());
            }
            Statement::Deallocate(None) | Statement::Setting(SettingChange::DiscardAll) => self.statements.clear(),
            _ => {}
        }
    }
}

/// What is known of a name while frames of the same pipeline are not answered.
#[derive(Debug, Clone)]
pub enum Known {
    /// It runs this.
    Script(Arc<Script>),
    /// There is no such name that we know of.
    Nothing,
    /// That depends on whether a frame of an earlier batch fails, without taking this batch along.
    NotYet,
}

/// The unanswered frames, latest first, each with whether it belongs to an earlier batch: within one batch a failure skips what follows.
fn latest_first(replies: &Replies) -> impl Iterator<Item = (&Expected, bool)> {
    let mut earlier = false;
    replies.latest_first().map(move |entry| {
        let may_fail_alone = earlier;
        earlier |= matches!(entry.kind, Kind::Sync | Kind::Query);
        (entry, may_fail_alone)
    })
}

/// What the statements of a script make of a name, if anything.
fn said_by_sql(script: &Script, name: &[u8]) -> Option<Known> {
    script.statements.iter().rev().find_map(|parsed| match &parsed.statement {
        Statement::Prepare { name: prepared, inner } if prepared.as_bytes() == name => {
            Some(Known::Script(Arc::new(Script { text: Arc::clone(&script.text), statements: vec![(**inner).clone()] })))
        }
        Statement::Deallocate(Some(gone)) if gone.as_bytes() == name => Some(Known::Nothing),
        Statement::Deallocate(None) | Statement::Setting(SettingChange::DiscardAll) => Some(Known::Nothing),
        _ => None,
    })
}

fn names_statement(statement: &Statement) -> bool {
    matches!(statement, Statement::Prepare { .. } | Statement::Deallocate(_) | Statement::Setting(SettingChange::DiscardAll))
}

impl Prepared for Registry {
    fn script(&self, name: &str) -> Option<Arc<Script>> {
        self.statements.get(name.as_bytes()).cloned()
    }
}
