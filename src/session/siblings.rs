//! Sessions of one tool that stand in each other's way.
//!
//! A SELECT by the extended protocol leaves its portal open, and the portal pins a snapshot that a concurrent build waits for (facts: tools, 1):
//! Flyway's main connection idles in just this state while the other one migrates, and would be waited for until a timeout. So before a build
//! begins the other sessions of the database are asked to close the portals that have given all their rows: nobody can miss those.

use std::time::Instant;

use crate::wire::messages;

use super::completion::Completion;
use super::effects::Effects;
use super::own::{Ending, OwnExchange};
use super::replies::{Kind, Owner};
use super::work::Work;
use super::{Progress, Session, Status};

impl Session {
    /// Asks the siblings; the answer is [`super::effects::Event::SiblingsQuiet`].
    pub(super) fn quiet_siblings(&mut self, out: &mut Effects) {
        self.own = Some(OwnExchange::nothing());
        out.quiet_siblings = true;
    }

    /// They have done what they could.
    pub(super) fn siblings_are_quiet(&mut self, now: Instant, out: &mut Effects) -> Progress {
        self.own_finished(now, out)
    }

    /// Another session asks: what is idle in a transaction closes the portals that are through; whatever else runs will end by itself.
    pub(super) fn be_quiet(&mut self, out: &mut Effects) {
        let idle = self.work.is_open() && self.replies.is_empty() && !self.batch.open && self.own.is_none();
        let portals = if idle && self.status == Status::InTransaction { self.registry.take_finished_portals() } else { Vec::new() };
        if portals.is_empty() {
            out.quiet = true;
            return;
        }
        self.own = Some(OwnExchange::nothing());
        for portal in portals {
            self.send(messages::close_portal(&portal), out);
            self.replies.expect(Kind::Close, Owner::Own, Completion::Nothing);
        }
        self.own_end(Ending::Sync, out);
        self.work = Work::Quieting;
    }

    /// The portals are closed.
    pub(super) fn is_quiet(&mut self, out: &mut Effects) -> Progress {
        out.quiet = true;
        Ok(())
    }
}
