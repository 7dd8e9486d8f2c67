//! Which migrations are under way, over all sessions of the process: the pure tracker behind a lock that is never held for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::audit::attribution::{Decision, Group, Noticed, Tracker};
use crate::audit::event::Attribution;
use crate::audit::record::DecisionId;

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Migrations(Arc<Mutex<Tracker>>);

/// One session among them; it leaves when this is dropped, also by a panic.
#[derive(Debug)]
pub(super) struct Follower {
    migrations: Migrations,
    session: String,
}

impl Migrations {
    /// What earlier processes found out.
    pub(super) fn remember(&self, earlier: &[Attribution]) {
        let mut tracker = self.tracker();
        earlier.iter().for_each(|attribution| tracker.remember(attribution));
    }

    /// A session begins.
    pub(super) fn follow(&self, session: &str, group: Group) -> Follower {
        self.tracker().began(session, group);
        Follower { migrations: self.clone(), session: session.to_owned() }
    }

    /// The tool of a session, as far as it has shown itself.
    pub(super) fn tool_of(&self, session: &str) -> Option<String> {
        self.tracker().guess(session).map(|guess| guess.tool.name().to_owned())
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// A decision was recorded.
    pub(super) fn decided(&self, id: DecisionId, decision: Decision) {
        self.migrations.tracker().decided(&self.session, id, decision);
    }

    /// Its statement came to nothing.
    pub(super) fn failed(&self, id: DecisionId) {
        self.migrations.tracker().failed(&self.session, id);
    }

    /// What the session has seen, and what that tells of migrations.
    pub(super) fn noticed(&self, noticed: Vec<Noticed>) -> Vec<Attribution> {
        if noticed.is_empty() {
            return Vec::new();
        }
        let mut tracker = self.migrations.tracker();
        noticed.into_iter().flat_map(|noticed| tracker.noticed(&self.session, noticed)).collect()
    }

    /// The session ends.
    pub(super) fn leave(&self) -> Vec<Attribution> {
        self.migrations.tracker().left(&self.session)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Nothing where it has left already.
        drop(self.leave());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::attribution::{Kind, Tool, VersionWrite};

    #[test]
    fn sessions_that_are_cut_off_leave_nothing_behind() {
        let (migrations, group) = (Migrations::default(), Group::new("c:1", "r", "d", "u"));
        let id = DecisionId { writer: 1, seq: 1 };
        let write = VersionWrite { tool: Tool::Flyway, table: "t".into(), version: "1".into(), name: None, kind: Kind::Applied };
        migrations.follow("a", group.clone()).decided(id, Decision::default());
        let follower = migrations.follow("b", group);
        let told = follower.noticed(vec![Noticed::Wrote(write), Noticed::Ended { committed: true }]);
        assert_eq!((told.len(), told[0].decisions.len()), (1, 0));
        assert!(follower.leave().is_empty());
    }
}
