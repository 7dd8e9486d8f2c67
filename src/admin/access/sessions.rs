//! Browsers that have logged in: known by a random number in a cookie, which is kept here by its hash only, and forgotten with the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

use super::tokens::{hex, random_bytes, unhex};

/// A browser has to log in again after this.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// And after it has said nothing for so long.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// More at once are not kept: the one that has said nothing for longest goes.
const MOST: usize = 1_000;

/// Who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) name: String,
    /// The hash of his token: it may be taken out of the file.
    pub(super) token: [u8; 32],
}

#[derive(Debug)]
struct Open {
    guest: Guest,
    since: Instant,
    last: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Open>>);

impl Sessions {
    /// Somebody has logged in; what his cookie is to say.
    pub(super) fn begin(&self, guest: Guest, now: Instant) -> Result<String, String> {
        let id = random_bytes()?;
        let mut open = self.open();
        open.retain(|_, session| !session.is_over(now));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.last).map(|(id, _)| *id)
        {
            open.remove(&oldest);
        }
        open.insert(kept(&id), Open { guest, since: now, last: now });
        Ok(hex(&id))
    }

    /// Whose cookie it is.
    pub(super) fn find(&self, cookie: &str, now: Instant) -> Option<Guest> {
        let id = kept(&unhex(cookie)?);
        let mut open = self.open();
        let session = open.get_mut(&id)?;
        if session.is_over(now) {
            open.remove(&id);
            return None;
        }
        session.last = now;
        Some(session.guest.clone())
    }

    /// He logs out.
    pub(super) fn end(&self, cookie: &str) {
        if let Some(id) = unhex(cookie) {
            self.open().remove(&kept(&id));
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= LONGEST || now.saturating_duration_since(self.last) >= IDLE
    }
}

fn kept(id: &[u8; 32]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, id).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str) -> Guest {
        Guest { name: name.into(), token: [7; 32] }
    }

    #[test]
    fn a_browser_is_known_until_it_logs_out_or_its_time_is_over() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let alice = sessions.begin(guest("alice"), start).unwrap();
        let bob = sessions.begin(guest("bob"), start).unwrap();
        assert_eq!(sessions.find(&alice, start), Some(guest("alice")));
        assert_eq!((sessions.find("", start), sessions.find(&"0".repeat(64), start)), (None, None));
        sessions.end(&bob);
        assert_eq!(sessions.find(&bob, start), None);
        let mut now = start;
        while now + IDLE / 2 < start + LONGEST {
            now += IDLE / 2;
            assert!(sessions.find(&alice, now).is_some(), "it is used");
        }
        assert_eq!(sessions.find(&alice, start + LONGEST), None);
        let carol = sessions.begin(guest("carol"), start).unwrap();
        assert_eq!(sessions.find(&carol, start + IDLE), None, "nobody used it");
    }

    #[test]
    fn of_too_many_the_one_that_is_used_least_goes() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.begin(guest("first"), start).unwrap();
        let second = sessions.begin(guest("second"), start + Duration::from_secs(1)).unwrap();
        for number in 2..=MOST {
            sessions.begin(guest("other"), start + Duration::from_secs(number as u64)).unwrap();
        }
        assert_eq!(sessions.find(&first, start), None);
        assert!(sessions.find(&second, start).is_some());
    }
}
