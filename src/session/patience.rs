//! How long a statement waits for a strong lock: in short tries with pauses between them, until a deadline.
//!
//! Whoever waits for such a lock makes everybody wait who comes later; in the pauses they are let through (facts: postgres, "the lock queue"). Three
//! things make a try longer than that:
//!
//! * an autovacuum is all that stands in the way: it makes way for one that has waited for deadlock_timeout, and for nobody else;
//! * nobody has been in the way for long: then what is in the way are queries that take longer than a try, one after the other, and a longer try outlasts them;
//! * what is left until the deadline is too little for one more.
//!
//! Pure: it is told how long the wait has taken, and who was in the way.

use std::collections::HashMap;
use std::time::Duration;

use crate::policy::strong::Patience;

use super::holders::Holders;

/// A transaction that has been in the way for so long is not outlasted by a try.
const STANDS_MS: u64 = 2_000;
/// So long without such a one, and tries become longer. Above [`STANDS_MS`], so that it has shown by then.
const CALM_MS: u64 = 2_500;
/// What an autovacuum needs to make way, behind deadlock_timeout.
const MAKING_WAY_MS: u64 = 500;

/// The tries of one statement.
#[derive(Debug)]
pub(super) struct Tries {
    patience: Patience,
    timeout_ms: u64,
    count: u32,
    /// Of the session, so that two of them do not try in step.
    chance: u64,
    /// Since when each transaction has been seen in the way.
    seen: HashMap<String, u64>,
    /// Since when no transaction is known that has stood there for long.
    calm_since: u64,
    /// An autovacuum was waited for long enough; one that has not made way by then will not.
    waited_for_autovacuum: bool,
}

impl Tries {
    /// For all tries together, which may be less than the proxy's own. The seed is any text of the session.
    pub(super) fn new(patience: Patience, total_ms: u64, seed: &str) -> Self {
        let chance = seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self {
            patience: Patience { total_ms, ..patience },
            timeout_ms: patience.try_ms.min(patience.longest_ms).max(1),
            count: 0,
            chance,
            seen: HashMap::new(),
            calm_since: 0,
            waited_for_autovacuum: false,
        }
    }

    /// How many have failed.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// lock_timeout of the next try.
    pub(super) fn timeout_ms(&self, waited: Duration) -> u64 {
        let left = self.left(millis(waited));
        if left <= 2 * self.timeout_ms { left.max(1) } else { self.timeout_ms }
    }

    /// Who was in the way before the first try.
    pub(super) fn begin(&mut self, holders: Option<&Holders>) {
        self.note(holders, 0);
    }

    /// A try has failed: the pause before the next one; none when the time is over.
    pub(super) fn failed(&mut self, waited: Duration, holders: Option<&Holders>) -> Option<Duration> {
        let now = millis(waited);
        self.count += 1;
        let stands = self.note(holders, now);
        self.timeout_ms = self.next_timeout(holders, stands, now);
        let pause = self.by_chance(self.patience.pause_ms);
        let room = self.left(now).checked_sub(self.timeout_ms.min(self.patience.try_ms)).filter(|room| *room > 0)?;
        Some(Duration::from_millis(pause.min(room)))
    }

    fn next_timeout(&mut self, holders: Option<&Holders>, stands: bool, now: u64) -> u64 {
        let (shortest, longest) = (self.patience.try_ms, self.patience.longest_ms.max(1));
        let makes_way = holders.filter(|holders| holders.make_way() && !self.waited_for_autovacuum);
        if let Some(holders) = makes_way {
            self.waited_for_autovacuum = true;
            return holders.deadlock_timeout_ms().saturating_add(MAKING_WAY_MS).min(longest);
        }
        if stands {
            self.calm_since = now;
            return shortest.min(longest);
        }
        if now.saturating_sub(self.calm_since) < CALM_MS {
            return shortest.min(longest);
        }
        self.timeout_ms.max(shortest).saturating_mul(2).min(longest)
    }

    /// Whether somebody stands in the way whom a try does not outlast.
    fn note(&mut self, holders: Option<&Holders>, now: u64) -> bool {
        let Some(holders) = holders else { return false };
        let before = std::mem::take(&mut self.seen);
        let mut stands = false;
        for (transaction, open_for) in holders.transactions() {
            let since = before.get(transaction).copied().unwrap_or(now);
            let open_ms = open_for.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0).saturating_mul(1_000);
            stands |= now.saturating_sub(since).max(open_ms) >= STANDS_MS;
            self.seen.insert(transaction.to_owned(), since);
        }
        stands
    }

    fn left(&self, now: u64) -> u64 {
        self.patience.total_ms.saturating_sub(now)
    }

    /// A quarter more or less.
    fn by_chance(&mut self, middle: u64) -> u64 {
        // Knuth's linear congruential generator: nothing depends on its quality.
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let spread = middle / 2;
        middle - spread / 2 + (self.chance >> 33) % (spread + 1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Patience = Patience::USUAL;

    fn holders(transactions: &[&str], kind: &str, open_for: &str) -> Holders {
        let all: Vec<String> = transactions
            .iter()
            .map(|name| {
                format!(
                    r#"{{"transaction": "{name}", "pid": 1, "role": null, "application": null, "kind": "{kind}", "state": null, "open_for": {open_for}, "query": null}}"#
                )
            })
            .collect();
        Holders::read(&format!(r#"{{"holders": [{}], "own": [], "relations": 1, "deadlock_timeout": "1s"}}"#, all.join(","))).unwrap()
    }

    /// The timeouts of the tries of one wait, and how long it took; each try takes as long as it may.
    fn tries(patience: Patience, look: impl Fn(u32) -> Option<Holders>) -> (Vec<u64>, u64) {
        let mut tries = Tries::new(patience, patience.total_ms, "a session");
        tries.begin(look(0).as_ref());
        let (mut waited, mut timeouts) = (Duration::ZERO, Vec::new());
        loop {
            let timeout = tries.timeout_ms(waited);
            timeouts.push(timeout);
            waited += Duration::from_millis(timeout);
            match tries.failed(waited, look(tries.count()).as_ref()) {
                Some(pause) => waited += pause,
                None => return (timeouts, millis(waited)),
            }
        }
    }

    #[test]
    fn whoever_stands_there_for_long_is_waited_for_in_short_tries() {
        for open_for in ["null", "3600"] {
            let (timeouts, took) = tries(USUAL, |_| Some(holders(&["3/1"], "client backend", open_for)));
            let longer = timeouts.iter().filter(|timeout| **timeout != 100).count();
            assert!(longer <= 1 && timeouts.iter().all(|timeout| *timeout <= 200), "{open_for}: {timeouts:?}");
            assert!((59_900..=60_000).contains(&took) && (90..=110).contains(&timeouts.len()), "{open_for}: {took} ms, {timeouts:?}");
        }
    }

    #[test]
    fn queries_that_follow_each_other_are_outlasted() {
        let (timeouts, _) = tries(USUAL, |count| Some(holders(&[&format!("3/{count}")], "client backend", "0")));
        let longer = timeouts.iter().position(|timeout| *timeout > 100).unwrap();
        assert!((4..=7).contains(&longer), "{timeouts:?}");
        assert_eq!(timeouts[longer..longer + 5], [200, 400, 800, 1_600, 2_000]);
        // Without an answer it is the same.
        assert!(tries(USUAL, |_| None).0.contains(&2_000));
        // As soon as somebody stands there for long, they are short again.
        let (timeouts, _) = tries(USUAL, |count| Some(if count < 8 { holders(&[&count.to_string()], "", "0") } else { holders(&["9"], "", "9") }));
        assert_eq!((timeouts[8], timeouts[9], timeouts[10]), (800, 100, 100), "{timeouts:?}");
    }

    #[test]
    fn an_autovacuum_is_waited_for_once_until_it_makes_way() {
        let (timeouts, _) = tries(USUAL, |_| Some(holders(&["3/1"], "autovacuum worker", "null")));
        assert_eq!(timeouts[..4], [100, 1_500, 100, 100], "one against wraparound does not");
        let (timeouts, _) = tries(Patience { longest_ms: 200, ..USUAL }, |_| Some(holders(&["3/1"], "autovacuum worker", "null")));
        assert_eq!(timeouts[..2], [100, 200], "no try is longer than the session's lock_timeout");
    }

    #[test]
    fn the_deadline_is_kept_whatever_it_is() {
        for total_ms in [1, 50, 100, 150, 199, 200, 250, 300, 650, 1_000, 5_000] {
            let (timeouts, took) = tries(Patience { total_ms, ..USUAL }, |_| Some(holders(&["3/1"], "", "9")));
            assert!(took <= total_ms && took + 100 > total_ms, "{total_ms}: {took} by {timeouts:?}");
            assert!(timeouts.iter().all(|timeout| *timeout <= 200), "{total_ms}: {timeouts:?}");
        }
        assert_eq!(tries(Patience { total_ms: 150, ..USUAL }, |_| None).0, [150]);
        assert_eq!(tries(Patience { total_ms: 300, ..USUAL }, |_| None).0, [100, 100]);
    }

    #[test]
    fn sessions_do_not_try_in_step() {
        let pauses = |seed: &str| {
            let mut tries = Tries::new(USUAL, 60_000, seed);
            (0..20).map(|_| millis(tries.failed(Duration::ZERO, None).unwrap())).collect::<Vec<_>>()
        };
        let (one, other) = (pauses("one"), pauses("other"));
        assert!(one.iter().chain(&other).all(|pause| (375..=625).contains(pause)), "{one:?} {other:?}");
        assert_ne!(one, other);
    }
}
