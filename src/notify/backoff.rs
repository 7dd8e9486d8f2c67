//! When a delivery that failed is tried again, and when no more.

use std::time::Duration;

/// The longest pause that we choose ourselves.
const LONGEST: Duration = Duration::from_secs(300);
/// An event that is older is news to nobody.
pub const GIVE_UP: Duration = Duration::from_secs(3600);

/// What an answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It may be taken later.
    Again,
    /// It will never be.
    Refused,
}

/// What an HTTP status says.
#[must_use]
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        408 | 429 | 500..=599 => Verdict::Again,
        _ => Verdict::Refused,
    }
}

/// The pause behind the attempt of this number, from 1: a second, twice as long each time, up to five minutes, and a quarter more or less, as `chance`
/// says, so that many who failed together do not come back together. What the receiver asked for counts where it is longer.
#[must_use]
pub fn pause(attempts: u32, chance: u8, asked: Option<Duration>) -> Duration {
    let doubled = Duration::from_secs(1).saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let spread = doubled.min(LONGEST).saturating_mul(75 * 255 + 50 * u32::from(chance)) / (100 * 255);
    asked.map_or(spread, |asked| asked.max(spread))
}

/// The value of `Retry-After` in seconds; a date is not read.
#[must_use]
pub fn retry_after(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes_and_are_spread() {
        let middle: Vec<u64> = (1..=12).map(|attempts| (pause(attempts, 127, None) + Duration::from_millis(500)).as_secs()).collect();
        assert_eq!(middle, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!((pause(3, 0, None), pause(3, 255, None)), (Duration::from_secs(3), Duration::from_secs(5)));
        assert_eq!(pause(u32::MAX, 255, None), Duration::from_secs(375));
    }

    #[test]
    fn who_asks_for_more_time_gets_it_and_never_less_than_others() {
        assert_eq!(pause(1, 0, retry_after("30")), Duration::from_secs(30));
        assert_eq!(pause(9, 0, retry_after("0")), Duration::from_secs(192));
        assert_eq!((retry_after(" 7 "), retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), retry_after("-1")), (Some(Duration::from_secs(7)), None, None));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [
            (200, Verdict::Taken),
            (204, Verdict::Taken),
            (301, Verdict::Refused),
            (400, Verdict::Refused),
            (404, Verdict::Refused),
            (408, Verdict::Again),
            (410, Verdict::Refused),
            (429, Verdict::Again),
            (500, Verdict::Again),
            (503, Verdict::Again),
        ] {
            assert_eq!(verdict(status), expected, "{status}");
        }
    }
}
