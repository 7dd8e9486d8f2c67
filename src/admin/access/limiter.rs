//! How often somebody may be wrong about a token.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// In this time.
const WINDOW: Duration = Duration::from_secs(60);
/// From one address so often.
const MOST: u32 = 10;
/// When so many addresses were wrong within the time, those that come new wait, too.
const ADDRESSES: usize = 10_000;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    since: Option<Instant>,
    by_address: HashMap<IpAddr, u32>,
}

impl Limiter {
    /// For how long this address has to wait, if it has to.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failures.begun(now);
        let too_many = match failures.by_address.get(&place(address)) {
            Some(count) => *count >= MOST,
            None => failures.by_address.len() >= ADDRESSES,
        };
        too_many.then(|| (since + WINDOW).saturating_duration_since(now).max(Duration::from_secs(1)))
    }

    /// A wrong token came from there.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.begun(now);
        if failures.by_address.len() < ADDRESSES || failures.by_address.contains_key(&place(address)) {
            *failures.by_address.entry(place(address)).or_default() += 1;
        }
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

/// Who has one address of IPv6 has a whole network of them.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !0 << 64).into(),
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
    fn memory_is_bounded_and_a_network_is_one_address() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        for number in 0..MOST {
            limiter.failed(IpAddr::from(Ipv6Addr::from_bits(1 << 100 | u128::from(number))), start);
        }
        let network = |number: u128| limiter.wait(IpAddr::from(Ipv6Addr::from_bits(1 << 100 | number)), start);
        assert_eq!((network(99), network(1 << 64)), (Some(WINDOW), None));
        for number in 0..20_000_u32 {
            limiter.failed(IpAddr::from(number.to_be_bytes()), start);
        }
        assert_eq!(limiter.0.lock().unwrap().by_address.len(), ADDRESSES);
        assert!(limiter.wait("192.0.2.1".parse().unwrap(), start).is_some(), "one that comes new");
        assert_eq!(limiter.wait("0.0.0.7".parse().unwrap(), start), None, "one that was wrong once");
    }
}
