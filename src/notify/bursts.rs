//! Refusals that come in great numbers: the first is told at once, the others by their number when a window is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::event::{Event, Notification, Refused};

/// A window.
const WINDOW: Duration = Duration::from_secs(60);
/// So many bursts are followed at once; then the one that ends first is told early.
const MOST: usize = 1000;

/// What refusals of one burst have in common: rules, role, database.
type Key = (Vec<String>, String, String);

/// All that go on.
#[derive(Debug, Default)]
pub(super) struct Bursts(BTreeMap<Key, Burst>);

#[derive(Debug)]
struct Burst {
    until: Instant,
    more: u64,
    /// The last of them.
    last: Option<(i64, Refused)>,
}

impl Bursts {
    /// A refusal; what is to be told now.
    pub(super) fn add(&mut self, at_unix_micros: i64, refused: Refused, now: Instant) -> Vec<Notification> {
        let key = (refused.rules.clone(), refused.who.role.clone(), refused.who.database.clone());
        if let Some(burst) = self.0.get_mut(&key).filter(|burst| burst.until > now) {
            burst.more += 1;
            burst.last = Some((at_unix_micros, refused));
            return Vec::new();
        }
        let mut told = self.due(now);
        // A burst that has just been told of goes on with a window of its own.
        if let Some(burst) = self.0.get_mut(&key) {
            (burst.more, burst.last) = (1, Some((at_unix_micros, refused)));
            return told;
        }
        told.extend(self.make_room());
        self.0.insert(key, Burst { until: now + WINDOW, more: 0, last: None });
        told.push(Notification { id: format!("{}:refused", refused.decision), at_unix_micros, event: Event::Refused(refused) });
        told
    }

    /// Those whose window is over: told, and a window begins anew; or forgotten, where nothing came.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Notification> {
        let mut told = Vec::new();
        self.0.retain(|_, burst| {
            if burst.until > now {
                return true;
            }
            burst.until = now + WINDOW;
            let summary = burst.summary();
            let goes_on = summary.is_some();
            told.extend(summary);
            goes_on
        });
        told
    }

    /// When the next window is over.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|burst| burst.until).min()
    }

    /// All of them now.
    pub(super) fn end(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.0).into_values().filter_map(|mut burst| burst.summary()).collect()
    }

    fn make_room(&mut self) -> Option<Notification> {
        if self.0.len() < MOST {
            return None;
        }
        let first = self.0.iter().min_by_key(|(_, burst)| burst.until).map(|(key, _)| key.clone())?;
        self.0.remove(&first)?.summary()
    }
}

impl Burst {
    fn summary(&mut self) -> Option<Notification> {
        let (at_unix_micros, last) = self.last.take()?;
        let refused = Refused { repeated: std::mem::take(&mut self.more), within_seconds: WINDOW.as_secs(), ..last };
        Some(Notification { id: format!("{}:refused:repeated", refused.decision), at_unix_micros, event: Event::Refused(refused) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::event::Who;

    fn refused(decision: u32, role: &str) -> Refused {
        Refused {
            decision: decision.to_string(),
            rules: vec!["drop-column".into()],
            table: None,
            message: String::new(),
            who: Who { role: role.into(), ..Who::default() },
            sql: String::new(),
            way_through: String::new(),
            repeated: 0,
            within_seconds: 0,
        }
    }

    /// Identity and number of what is told.
    fn told(notifications: &[Notification]) -> Vec<(&str, u64)> {
        let number = |notification: &Notification| if let Event::Refused(refused) = &notification.event { refused.repeated } else { u64::MAX };
        notifications.iter().map(|notification| (notification.id.as_str(), number(notification))).collect()
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_by_their_number() {
        let (mut bursts, begin) = (Bursts::default(), Instant::now());
        assert_eq!(told(&bursts.add(0, refused(1, "a"), begin)), [("1:refused", 0)]);
        for number in 2..=42 {
            assert!(bursts.add(0, refused(number, "a"), begin).is_empty());
        }
        assert_eq!(told(&bursts.add(0, refused(43, "b"), begin)), [("43:refused", 0)], "another role");
        assert_eq!(bursts.next(), Some(begin + WINDOW));
        assert!(bursts.due(begin + WINDOW / 2).is_empty());
        assert_eq!(told(&bursts.due(begin + WINDOW)), [("42:refused:repeated", 41)], "the other role has said nothing more");
        // It goes on: one message a window.
        assert!(bursts.add(0, refused(50, "a"), begin + WINDOW).is_empty());
        assert_eq!(told(&bursts.due(begin + WINDOW * 2)), [("50:refused:repeated", 1)]);
        assert!(bursts.due(begin + WINDOW * 3).is_empty());
        assert_eq!(bursts.next(), None, "and is forgotten");
        assert_eq!(told(&bursts.add(0, refused(51, "a"), begin + WINDOW * 3)), [("51:refused", 0)]);
    }

    #[test]
    fn one_that_comes_when_a_window_is_over_and_was_not_told_yet_belongs_to_the_next() {
        let (mut bursts, begin) = (Bursts::default(), Instant::now());
        bursts.add(0, refused(1, "a"), begin);
        bursts.add(0, refused(2, "a"), begin);
        assert_eq!(told(&bursts.add(0, refused(3, "a"), begin + WINDOW)), [("2:refused:repeated", 1)]);
        assert_eq!(told(&bursts.end()), [("3:refused:repeated", 1)]);
        assert!(bursts.end().is_empty());
    }

    #[test]
    fn a_thousand_bursts_are_followed_and_none_is_lost() {
        let (mut bursts, begin) = (Bursts::default(), Instant::now());
        for number in 0..1001 {
            let now = begin + Duration::from_millis(number.into());
            bursts.add(0, refused(number, &number.to_string()), now);
            let told = told(&bursts.add(0, refused(2000 + number, &number.to_string()), now)).len();
            assert_eq!((told, bursts.0.len()), (0, MOST.min(number as usize + 1)));
        }
        assert_eq!(bursts.end().len(), MOST);
    }
}
