//! The sessions of one database in this process, so that one can ask the others to stand out of its way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A sibling that does not answer is busy: it is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request to a session; it answers by dropping or sending.
pub(super) type Ask = oneshot::Sender<()>;

/// Everybody's list.
#[derive(Debug, Clone, Default)]
pub(super) struct Siblings {
    next: Arc<AtomicU64>,
    members: Arc<Mutex<HashMap<u64, Member>>>,
}

#[derive(Debug)]
struct Member {
    /// Upstream and database.
    family: (String, String),
    asks: mpsc::UnboundedSender<Ask>,
}

/// One session's place on the list, until it is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    number: u64,
    family: (String, String),
    siblings: Siblings,
}

impl Siblings {
    /// Joins the sessions of a database; what is asked of it arrives in the receiver.
    pub(super) fn join(&self, upstream: &str, database: &str) -> (Membership, mpsc::UnboundedReceiver<Ask>) {
        let (asks, asked) = mpsc::unbounded_channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let family = (upstream.to_owned(), database.to_owned());
        self.lock().insert(number, Member { family: family.clone(), asks });
        (Membership { number, family, siblings: self.clone() }, asked)
    }

    /// Held for the length of a look-up, never over an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Asks the others, and returns when all have answered or their time is over. Cancel safe.
    pub(super) fn quiet(&self) -> impl Future<Output = ()> + Send + use<> {
        let asked = |member: &Member| {
            let (ask, answer) = oneshot::channel();
            member.asks.send(ask).ok().map(|()| answer)
        };
        let members = self.siblings.lock();
        let others = members.iter().filter(|(number, member)| **number != self.number && member.family == self.family);
        let answers: Vec<_> = others.filter_map(|(_, member)| asked(member)).collect();
        async move {
            let all = async {
                for answer in answers {
                    // One that ended is quiet, too.
                    let _ = answer.await;
                }
            };
            let _ = timeout(PATIENCE, all).await;
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.siblings.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_others_of_the_same_database_are_asked() {
        let siblings = Siblings::default();
        let (own, mut own_asks) = siblings.join("main", "app");
        let (_same, mut same_asks) = siblings.join("main", "app");
        let (_other, mut other_asks) = siblings.join("main", "shop");
        let (gone, _) = siblings.join("main", "app");
        drop(gone);
        let quiet = own.quiet();
        same_asks.try_recv().unwrap().send(()).unwrap();
        quiet.await;
        assert!(own_asks.try_recv().is_err() && other_asks.try_recv().is_err());
    }
}
