//! Sessions of one tool that stand in each other's way.
//!
//! A SELECT by the extended protocol leaves its portal open, and the portal pins a snapshot that a concurrent build waits for (facts: tools, 1):
//! Flyway's main connection idles in just this state while the other one migrates, and would be waited for until a timeout. So before a build
//! begins the other sessions of the database are asked to close the portals that have given all their rows: nobody can miss those.
//!
//! While it runs they close such portals by themselves. And a second runner that asks for its lock in a transaction, again and again (Flyway's
//! default), would meet the moment sooner or later at which the build looks who is there, and be waited for until it gives up: so a transaction
//! that has done nothing else gets its answer when the build is over.

use std::time::Instant;

use crate::policy::advisory;
use crate::sql::statement::{Script, Statement};
use crate::wire::messages;

use super::completion::{Completion, Ran};
use super::effects::Effects;
use super::own::{Ending, OwnExchange};
use super::replies::{Kind, Owner};
use super::work::Work;
use super::{Progress, Session, Status};

/// Of one batch; more than any tool has.
const MOST_PORTALS: usize = 64;

impl Session {
    /// Asks the siblings; the answer is [`super::effects::Event::SiblingsQuiet`].
    pub(super) fn quiet_siblings(&mut self, out: &mut Effects) {
        self.own = Some(OwnExchange::nothing());
        self.builds = true;
        out.quiet_siblings = true;
    }

    /// They have done what they could.
    pub(super) fn siblings_are_quiet(&mut self, now: Instant, out: &mut Effects) -> Progress {
        self.own_finished(now, out)
    }

    /// What this session built is there, or not to be: the siblings may go on.
    pub(super) fn note_end_of_build(&mut self, out: &mut Effects) {
        let works = matches!(self.work, Work::Running(_) | Work::Committing(_) | Work::Resuming(_));
        if self.builds && !works {
            self.builds = false;
            out.built = true;
        }
    }

    /// Another session builds: what is idle in a transaction closes the portals that are through; whatever else runs will end by itself.
    pub(super) fn be_quiet(&mut self, out: &mut Effects) {
        self.sibling_builds = true;
        if !self.close_finished_portals(out) {
            out.quiet = true;
        }
    }

    /// While another session builds, portals that pin a snapshot are not left open.
    pub(super) fn stay_quiet(&mut self, out: &mut Effects) {
        if self.sibling_builds && !self.closed {
            self.close_finished_portals(out);
        }
    }

    /// The client wants all rows of this portal.
    pub(super) fn note_run_to_its_end(&mut self, portal: &[u8]) {
        let known = self.run_to_their_end.iter().any(|name| name == portal);
        if self.sibling_builds && !known && self.run_to_their_end.len() < MOST_PORTALS {
            self.run_to_their_end.push(portal.to_vec());
        }
    }

    /// The same for what the batch has run to its end: before the answer, so that no look of the build falls between.
    pub(super) fn close_before_sync(&mut self, out: &mut Effects) {
        let portals = std::mem::take(&mut self.run_to_their_end);
        if !self.sibling_builds || !self.in_block() {
            return;
        }
        for name in portals {
            self.send(messages::close_portal(&name), out);
            self.replies.expect(Kind::Close, Owner::Own, Completion::Closed { kind: b'P', name });
        }
    }

    fn close_finished_portals(&mut self, out: &mut Effects) -> bool {
        let idle = self.work.is_open() && self.replies.is_empty() && !self.batch.open && self.own.is_none();
        let portals = if idle && self.status == Status::InTransaction { self.registry.take_finished_portals() } else { Vec::new() };
        if portals.is_empty() {
            return false;
        }
        self.own = Some(OwnExchange::nothing());
        for portal in portals {
            self.send(messages::close_portal(&portal), out);
            self.replies.expect(Kind::Close, Owner::Own, Completion::Nothing);
        }
        self.own_end(Ending::Sync, out);
        self.work = Work::Quieting;
        true
    }

    /// The portals are closed.
    pub(super) fn is_quiet(&mut self, out: &mut Effects) -> Progress {
        out.quiet = true;
        Ok(())
    }

    /// The call of an advisory lock is answered when the other session's build is over. Not in a transaction that may have a lock which the build
    /// waits for, and not with a cancel request on its way.
    pub(super) fn is_held_back(&self, script: &Script) -> bool {
        let is_call = matches!(script.statements.as_slice(), [parsed] if advisory::is_call(&parsed.statement));
        let touched = self.touched || self.overlay.holds_locks() || !self.overlay.deferred().is_empty() || self.owes_what_touches();
        self.sibling_builds && is_call && self.in_block() && !touched
    }

    fn owes_what_touches(&self) -> bool {
        let may_touch = |ran: &Ran| ran.script.as_ref().is_none_or(|script| script.statements.iter().any(|parsed| touches(&parsed.statement)));
        self.replies.latest_first().any(|entry| if let Completion::Ran(ran) = &entry.completion { may_touch(ran) } else { false })
    }
}

/// A transaction may have locks on relations behind it.
pub(super) fn touches(statement: &Statement) -> bool {
    !(matches!(statement, Statement::Transaction(_) | Statement::Setting(_) | Statement::Brief("SHOW")) || advisory::is_call(statement))
}
