//! A client that waits for a rewrite, behind a COMMIT, or behind what earlier ones left: when it hears that its wait goes on, and what.
//!
//! Without a monitor it hears so when the time has come. With one the session is looked at from outside each second, and the client hears what was
//! seen: when the time has come, and when the phase of the build has changed since the look before. Nothing waits for a look: its answer is an event.

use std::time::Instant;

use super::effects::{Effects, Watch};
use super::runner::Runner;
use super::sight::Sight;
use super::ticks::Ticks;
use super::work::Work;
use super::{Session, refusals};

impl Session {
    /// A client waits, or its session works on for nobody.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.ticks().is_some() || matches!(self.work, Work::Trying(_)) || self.is_measured()
    }

    /// When a client that waits is to hear that its wait goes on, or to be looked for, or something is to be tried again.
    #[must_use]
    pub fn next_tick(&self) -> Option<Instant> {
        let due = match (&self.work, self.ticks()) {
            (Work::Polling(polling), _) => polling.next(),
            (Work::Trying(trying), _) => trying.next(),
            (Work::Approving(approving), _) => approving.next(),
            // It looks for itself.
            (_, Some(ticks)) => return if self.watched().is_some() { ticks.looks.next() } else { Some(ticks.next()) },
            (_, None) => None,
        };
        due.into_iter().chain(self.next_look()).min()
    }

    pub(super) fn tick(&mut self, now: Instant, out: &mut Effects) {
        self.pause_over(now, out);
        self.wait_for_approval(now, out);
        let (watched, step) = (self.watched(), self.waits_for());
        let beside = self.runner().map(Runner::in_the_way).unwrap_or_default();
        let Some(ticks) = self.ticks_mut() else { return self.look_at_locks(now, out) };
        let told = ticks.due(now);
        match (step, watched) {
            (Some(_), Some(pid)) => {
                ticks.looks.begin(told.is_some(), now);
                out.watch = Some(Watch { pid, beside });
            }
            (Some(step), None) => {
                if let Some(waited) = told {
                    self.say_notice(&refusals::still_running(self.since_commit(), waited, &step, None), out);
                }
            }
            (None, _) => ticks.looks.skip(now),
        }
    }

    /// The monitor has looked; `None` where it could not.
    pub(super) fn seen(&mut self, sight: Option<&Sight>, now: Instant, out: &mut Effects) {
        self.saw_locks(sight, now);
        self.seen_in_the_way(sight, now, out);
        let step = self.waits_for();
        let Some(ticks) = self.ticks_mut() else { return };
        let told = ticks.looks.ended(sight.and_then(Sight::phase));
        let (words, percent) = sight.map(|sight| (sight.to_string(), sight.percent())).unwrap_or_default();
        ticks.looks.keep(words.trim_start_matches("; ").to_owned(), percent);
        let waited = ticks.waited(now);
        if let Some(step) = step.filter(|_| told) {
            self.say_notice(&refusals::still_running(self.since_commit(), waited, &step, sight), out);
        }
    }

    /// The process id to look at.
    pub(super) fn watched(&self) -> Option<u32> {
        self.identity.backend_pid.filter(|_| self.identity.monitored && !self.client_gone)
    }

    fn ticks(&self) -> Option<&Ticks> {
        match &self.work {
            Work::Committing(committing) if committing.is_working() => Some(&committing.ticks),
            Work::Resuming(resuming) => Some(&resuming.ticks),
            Work::Running(rewriting) => Some(&rewriting.ticks),
            _ => None,
        }
    }

    fn ticks_mut(&mut self) -> Option<&mut Ticks> {
        match &mut self.work {
            Work::Committing(committing) if committing.is_working() => Some(&mut committing.ticks),
            Work::Resuming(resuming) => Some(&mut resuming.ticks),
            Work::Running(rewriting) => Some(&mut rewriting.ticks),
            _ => None,
        }
    }

    /// What the client waits for comes after a COMMIT.
    fn since_commit(&self) -> bool {
        !matches!(self.work, Work::Running(_))
    }

    /// The step that runs. A monitor knows more of who is in its way.
    fn waits_for(&self) -> Option<String> {
        let runner = self.runner()?;
        if self.watched().is_some() { runner.in_hand().map(|(step, _)| step.to_owned()) } else { runner.in_hand_and_in_the_way() }
    }

    pub(super) fn runner(&self) -> Option<&Runner> {
        match &self.work {
            Work::Committing(committing) => committing.runner(),
            Work::Resuming(resuming) => resuming.runner(),
            Work::Running(rewriting) => Some(&rewriting.runner),
            _ => None,
        }
    }
}
