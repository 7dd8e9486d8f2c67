//! How often somebody may be wrong about a token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// In this time.
const WINDOW: Duration = Duration::from_secs(60);
/// From one address so often, and from all together.
const MOST: u32 = 10;
const MOST_OF_ALL: u32 = 300;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    since: Option<Instant>,
    of_all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Limiter {
    /// For how long this address has to wait, if it has to.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failures.begun(now);
        let too_many = failures.of_all >= MOST_OF_ALL || failures.by_address.get(&address).is_some_and(|count| *count >= MOST);
        too_many.then(|| (since + WINDOW).saturating_duration_since(now).max(Duration::from_secs(1)))
    }

    /// A wrong token came from there.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.begun(now);
        failures.of_all = failures.of_all.saturating_add(1);
        // No more entries than failures, and of those there are few.
        *failures.by_address.entry(address).or_default() += 1;
    }
}

impl Failures {
    /// When the minute began; a new one where the last is over.
    fn begun(&mut self, now: Instant) -> Instant {
        match self.since.filter(|since| now.saturating_duration_since(*since) < WINDOW) {
            Some(since) => since,
            None => {
                *self = Self { since: Some(now), ..Self::default() };
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits_and_nobody_else() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        for _ in 0..MOST {
            assert_eq!(limiter.wait(one, start), None);
            limiter.failed(one, start);
        }
        assert_eq!((limiter.wait(one, start), limiter.wait(other, start)), (Some(WINDOW), None));
        assert_eq!(limiter.wait(one, start + WINDOW), None);
    }

    #[test]
    fn all_together_are_bounded_too() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        for number in 0..MOST_OF_ALL {
            limiter.failed(IpAddr::from(number.to_be_bytes()), start);
        }
        assert!(limiter.wait("192.0.2.1".parse().unwrap(), start).is_some());
    }
}
