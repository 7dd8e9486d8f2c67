//! When a client that waits is told that its wait goes on: each second for ten seconds, then every five.

use std::time::{Duration, Instant};

/// The signs of life of one wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    since: Instant,
    last: Instant,
}

impl Ticks {
    /// A wait that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, last: now }
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
        Some(now.saturating_duration_since(self.since))
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
}
