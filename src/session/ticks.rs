//! When a client that waits is told that its wait goes on: each second for ten seconds, then every five. And when it is looked what it waits for.

use std::time::{Duration, Instant};

/// The signs of life of one wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticks {
    since: Instant,
    last: Instant,
    pub(super) looks: Looks,
}

/// The looks from outside at one wait: each second, the next one not before the answer of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks {
    /// When the last one began.
    last: Instant,
    /// One is on its way; whether the client hears of it in any case.
    on_its_way: Option<bool>,
    /// What the step was at when it was seen last.
    phase: Option<String>,
    /// All that was seen then, in words, and how much of the phase was done.
    seen: (Option<String>, Option<u8>),
}

impl Ticks {
    /// A wait that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, last: now, looks: Looks { last: now, on_its_way: None, phase: None, seen: (None, None) } }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Instant {
        let every = if self.last.saturating_duration_since(self.since) < Duration::from_secs(10) { 1 } else { 5 };
        self.last + Duration::from_secs(every)
    }

    /// How long it has taken, where one is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Duration> {
        if now < self.next() {
            return None;
        }
        self.last = now;
        Some(self.waited(now))
    }

    /// How long it has taken.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Looks {
    /// When the next one begins; not while one is on its way.
    pub(super) fn next(&self) -> Option<Instant> {
        self.on_its_way.is_none().then(|| self.last + Duration::from_secs(1))
    }

    /// One begins; `told` where the client is to hear of it whatever is seen.
    pub(super) fn begin(&mut self, told: bool, now: Instant) {
        self.on_its_way = Some(told || self.on_its_way.unwrap_or(false));
        self.last = now;
    }

    /// There is nothing to look at.
    pub(super) fn skip(&mut self, now: Instant) {
        self.last = now;
    }

    /// Keeps what was seen, for others who look at the session.
    pub(super) fn keep(&mut self, words: String, percent: Option<u8>) {
        self.seen = ((!words.is_empty()).then_some(words), percent);
    }

    pub(super) fn seen(&self) -> (Option<String>, Option<u8>) {
        self.seen.clone()
    }

    /// What was seen. Whether the client is to hear of it.
    pub(super) fn ended(&mut self, phase: Option<&str>) -> bool {
        let Some(told) = self.on_its_way.take() else { return false };
        let changed = phase.is_some() && phase != self.phase.as_deref();
        if changed {
            self.phase = phase.map(str::to_owned);
        }
        told || changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn often_at_first_and_then_seldom() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start);
        let mut told = Vec::new();
        for half_seconds in 0..50 {
            told.extend(ticks.due(start + Duration::from_millis(500 * half_seconds)).map(|waited| waited.as_secs()));
        }
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20]);
    }

    #[test]
    fn a_look_each_second_is_told_with_the_ticks_or_for_a_new_phase() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start);
        let mut told = Vec::new();
        // Timers are late, and answers take their time.
        let mut now = start;
        while let Some(next) = ticks.looks.next().filter(|next| *next < start + Duration::from_secs(25)) {
            now = next + Duration::from_millis(3);
            let due = ticks.due(now).is_some();
            ticks.looks.begin(due, now);
            assert_eq!(ticks.looks.next(), None, "one at a time");
            let phase = if now < start + Duration::from_secs(12) { "building" } else { "waiting" };
            let heard = ticks.looks.ended(Some(phase));
            told.extend(heard.then(|| ticks.waited(now).as_secs()));
        }
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20]);
        assert!(now >= start + Duration::from_secs(24));
        assert!(!ticks.looks.ended(Some("another")), "nobody asked for it");
    }

    #[test]
    fn a_phase_that_is_not_seen_is_no_change() {
        let start = Instant::now();
        let mut looks = Ticks::new(start).looks;
        let mut look = |phase| {
            looks.begin(false, start);
            looks.ended(phase)
        };
        assert_eq!([look(None), look(Some("a")), look(None), look(Some("a")), look(Some("b"))], [false, true, false, false, true]);
    }
}
