//! How fast each server is, as its sessions have found: kept for the life of the process, and measured anew each day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::session::effects::Speed;
use crate::session::gauging::Pace;

/// A server may have moved to another machine, or may have been measured in a busy moment.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// By `host:port`.
#[derive(Debug, Clone, Default)]
pub(super) struct Speeds(Arc<Mutex<HashMap<String, (Speed, Instant)>>>);

impl Speeds {
    /// What a session on this server begins with.
    pub(super) fn of(&self, address: &str, now: Instant) -> Pace {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(address).copied();
        known.filter(|(_, since)| now.duration_since(*since) < FRESH).map_or(Pace::Unknown, |(speed, _)| Pace::Measured(speed))
    }

    /// A session has measured it.
    pub(super) fn note(&self, address: &str, speed: Speed, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned(), (speed, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_measured_once_a_day() {
        let (speeds, now) = (Speeds::default(), Instant::now());
        let speed = Speed { counting: 1, sorting: 2 };
        assert_eq!(speeds.of("a:1", now), Pace::Unknown);
        speeds.clone().note("a:1", speed, now);
        assert_eq!(speeds.of("a:1", now + Duration::from_secs(80_000)), Pace::Measured(speed));
        assert_eq!(speeds.of("b:1", now), Pace::Unknown);
        assert_eq!(speeds.of("a:1", now + FRESH), Pace::Unknown);
    }
}
