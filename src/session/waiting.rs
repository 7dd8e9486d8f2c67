//! A client that waits behind a COMMIT, or behind what earlier ones left: when it hears that its wait goes on, and what.
//!
//! Without a monitor it hears so when the time has come. With one the session is looked at from outside each second, and the client hears what was
//! seen: when the time has come, and when the phase of the build has changed since the look before. Nothing waits for a look: its answer is an event.

use std::time::Instant;

use super::effects::Effects;
use super::sight::Sight;
use super::ticks::Ticks;
use super::work::Work;
use super::{Session, refusals};

impl Session {
    /// A client waits, or its session works on for nobody.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.ticks().is_some()
    }

    /// When a client that waits is to hear that its wait goes on, or to be looked for, or something is to be tried again.
    #[must_use]
    pub fn next_tick(&self) -> Option<Instant> {
        if let Work::Polling(polling) = &self.work {
            return polling.next();
        }
        let ticks = self.ticks()?;
        if self.watched().is_some() { ticks.looks.next() } else { Some(ticks.next()) }
    }

    pub(super) fn tick(&mut self, now: Instant, out: &mut Effects) {
        self.pause_over(now, out);
        let (watched, step) = (self.watched(), self.waits_for());
        let Some(ticks) = self.ticks_mut() else { return };
        let told = ticks.due(now);
        match (step, watched) {
            (Some(_), Some(pid)) => {
                ticks.looks.begin(told.is_some(), now);
                out.watch = Some(pid);
            }
            (Some(step), None) => {
                if let Some(waited) = told {
                    self.say_notice(&refusals::still_running(waited, &step, None), out);
                }
            }
            (None, _) => ticks.looks.skip(now),
        }
    }

    /// The monitor has looked; `None` where it could not.
    pub(super) fn seen(&mut self, sight: Option<&Sight>, now: Instant, out: &mut Effects) {
        let step = self.waits_for();
        let Some(ticks) = self.ticks_mut() else { return };
        let told = ticks.looks.ended(sight.and_then(Sight::phase));
        let waited = ticks.waited(now);
        if let Some(step) = step.filter(|_| told) {
            self.say_notice(&refusals::still_running(waited, &step, sight), out);
        }
    }

    /// The process id to look at.
    fn watched(&self) -> Option<u32> {
        self.identity.backend_pid.filter(|_| self.identity.monitored && !self.client_gone)
    }

    fn ticks(&self) -> Option<&Ticks> {
        match &self.work {
            Work::Committing(committing) if committing.is_working() => Some(&committing.ticks),
            Work::Resuming(resuming) => Some(&resuming.ticks),
            _ => None,
        }
    }

    fn ticks_mut(&mut self) -> Option<&mut Ticks> {
        match &mut self.work {
            Work::Committing(committing) if committing.is_working() => Some(&mut committing.ticks),
            Work::Resuming(resuming) => Some(&mut resuming.ticks),
            _ => None,
        }
    }

    /// The step that runs.
    fn waits_for(&self) -> Option<String> {
        match &self.work {
            Work::Committing(committing) => committing.in_hand(),
            Work::Resuming(resuming) => resuming.in_hand(),
            _ => None,
        }
    }
}
