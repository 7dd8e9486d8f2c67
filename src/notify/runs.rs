//! Which decisions are one run: those of sessions from one address with one role in one database, as long as one follows the other. Several tools use
//! several connections, at once or one after the other, and what people want to hear of is the deploy.
//!
//! ```text
//!                    decision that changes something            a version written, nothing open: 10 s of silence
//!   (nothing) ─────────────────────────────────────▶ (run) ──── no version, nothing open: 60 s ────────────────▶ (nothing)
//!              told: migration_started                          all its sessions have ended: 2 s                 told: migration_finished
//! ```

use std::collections::HashMap;
use std::time::Instant;

use super::event::{Event, Notification, Started};
use super::run::{Run, who};
use crate::audit::attribution::Group;
use crate::audit::attribution::recognise::is_housekeeping;
use crate::audit::event::{Attribution, Committing, DeferredStep, Ended, Event as Logged, Transaction};
use crate::audit::record::{DecisionId, Record};
use crate::sql::parse;

/// So many runs at once are followed; a further one is told of when it is over for one of these.
const MOST: usize = 1000;
/// A statement by which a tool keeps house is far shorter.
const HOUSEKEEPING: usize = 64 << 10;

/// All that go on.
#[derive(Debug, Default)]
pub(super) struct Runs(HashMap<Group, Run>);

impl Runs {
    /// An entry of the log.
    pub(super) fn read(&mut self, id: DecisionId, at: i64, entry: &Logged, now: Instant) -> Vec<Notification> {
        // What was over before this came is not gone on with.
        let mut told = self.due(now);
        match entry {
            Logged::Decision(record) => told.extend(self.decided(id, at, record, now)),
            Logged::Outcome(Ended { decision, outcome }) => self.of(at, now, |run| run.knows(*decision), |run| run.ended(*decision, outcome)),
            Logged::Transaction(ended @ Transaction { session, .. }) => self.of(at, now, |run| run.has(session), |run| run.transaction(ended)),
            Logged::Committing(committing @ Committing { session, .. }) => self.of(at, now, |run| run.has(session), |run| run.committing(committing)),
            Logged::Deferred(step @ DeferredStep { session, .. }) => self.of(at, now, |run| run.has(session), |run| run.deferred(step)),
            Logged::Attribution(attribution @ Attribution { session, decisions, .. }) => {
                let concerns = |run: &Run| run.has(session) || decisions.iter().any(|decision| run.knows(*decision));
                self.of(at, now, concerns, |run| run.attributed(attribution));
            }
            Logged::Session(ended) => self.of(at, now, |run| run.has(&ended.session), |run| run.left(&ended.session)),
            Logged::Approval(_) | Logged::Revocation(_) | Logged::ApprovalUse(_) | Logged::ApprovalUseEnded(_) => {}
            Logged::Started(_) | Logged::Settled(_) | Logged::Retention(_) | Logged::Unknown => {}
        }
        told
    }

    /// Those that are over.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Notification> {
        self.0.extract_if(|_, run| run.over() <= now).map(|(_, run)| finished(run)).collect()
    }

    /// When the next one is over, if nothing more is heard.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(Run::over).min()
    }

    /// All of them now.
    pub(super) fn end(&mut self) -> Vec<Notification> {
        self.0.drain().map(|(_, run)| finished(run)).collect()
    }

    fn of(&mut self, at: i64, now: Instant, is_it: impl Fn(&Run) -> bool, then: impl FnOnce(&mut Run)) {
        if let Some(run) = self.0.values_mut().find(|run| is_it(run)) {
            run.hear(at, now);
            then(run);
        }
    }

    fn decided(&mut self, id: DecisionId, at: i64, record: &Record, now: Instant) -> Option<Notification> {
        let group = Group::new(&record.client, &record.role, &record.database, &record.listener);
        let goes_on = self.0.contains_key(&group);
        let is_refused = matches!(record.decision.as_str(), "refuse" | "await");
        let begins = !goes_on && !is_refused && self.0.len() < MOST && !keeps_house(record);
        if begins {
            self.0.insert(group.clone(), Run::new(id, record, record.tool_guess.clone(), at, now));
        }
        if goes_on && keeps_house(record) {
            return None;
        }
        let run = self.0.get_mut(&group)?;
        run.hear(at, now);
        run.decided(id, record);
        begins.then(|| {
            let started = Started { run: id.to_string(), tool: record.tool_guess.clone(), who: who(record), sql: record.sql.clone() };
            Notification { id: format!("{id}:migration_started"), at_unix_micros: at, event: Event::MigrationStarted(started) }
        })
    }
}

/// It is about the tool's own tables: a deploy with nothing to do begins with it, too.
fn keeps_house(record: &Record) -> bool {
    record.sql.len() <= HOUSEKEEPING && parse::script(&record.sql, HOUSEKEEPING).is_ok_and(|script| is_housekeeping(&script))
}

fn finished(run: Run) -> Notification {
    let id = format!("{}:migration_finished", run.id());
    let (at_unix_micros, finished) = run.finish();
    Notification { id, at_unix_micros, event: Event::MigrationFinished(finished) }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
pub(super) mod tests;
