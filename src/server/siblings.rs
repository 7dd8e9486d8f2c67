//! The sessions of this process: one can ask the others of its database to stand out of its way, and hears of cancel requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::wire::startup::CancelRequest;

/// A sibling that does not answer is busy: it is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a session is asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// To close what a concurrent build would wait for; it answers by dropping or sending.
    BeQuiet(oneshot::Sender<()>),
    /// Nothing: no other one builds any more.
    GoOn,
    /// To end what it waits for by itself: the server has been asked to cancel what runs there.
    Cancel,
}

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
    /// What cancels its statements.
    key: Option<CancelRequest>,
    /// It builds: the others keep quiet.
    builds: bool,
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
    pub(super) fn join(&self, upstream: &str, database: &str, key: Option<CancelRequest>) -> (Membership, mpsc::UnboundedReceiver<Ask>) {
        let (asks, asked) = mpsc::unbounded_channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let family = (upstream.to_owned(), database.to_owned());
        let mut members = self.lock();
        if members.values().any(|member| member.builds && member.family == family) {
            // Nobody waits for the answer.
            let _ = asks.send(Ask::BeQuiet(oneshot::channel().0));
        }
        members.insert(number, Member { family: family.clone(), key, builds: false, asks });
        drop(members);
        (Membership { number, family, siblings: self.clone() }, asked)
    }

    /// A cancel request has passed: whose key it has hears of it. Another replica's sessions do not.
    pub(super) fn cancel(&self, request: &CancelRequest) {
        for member in self.lock().values().filter(|member| member.key.as_ref() == Some(request)) {
            // One that ended has nothing to cancel.
            let _ = member.asks.send(Ask::Cancel);
        }
    }

    /// Held for the length of a look-up, never over an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// What the others were asked to be quiet for is over.
    pub(super) fn built(&self) {
        let mut members = self.siblings.lock();
        if let Some(own) = members.get_mut(&self.number) {
            own.builds = false;
        }
        tell_the_family(&members, self);
    }

    /// Asks the others, and returns when all have answered or their time is over. Cancel safe.
    pub(super) fn quiet(&self) -> impl Future<Output = ()> + Send + use<> {
        let asked = |member: &Member| {
            let (ask, answer) = oneshot::channel();
            member.asks.send(Ask::BeQuiet(ask)).ok().map(|()| answer)
        };
        let mut members = self.siblings.lock();
        if let Some(own) = members.get_mut(&self.number) {
            own.builds = true;
        }
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
        let mut members = self.siblings.lock();
        if members.remove(&self.number).is_some_and(|member| member.builds) {
            tell_the_family(&members, self);
        }
    }
}

/// They may go on, unless another one builds.
fn tell_the_family(members: &HashMap<u64, Member>, membership: &Membership) {
    let family = || members.values().filter(|member| member.family == membership.family);
    if !family().any(|member| member.builds) {
        // One that ended waits for nothing.
        family().for_each(|member| drop(member.asks.send(Ask::GoOn)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_others_of_the_same_database_are_asked() {
        let siblings = Siblings::default();
        let (own, mut own_asks) = siblings.join("main", "app", None);
        let (_same, mut same_asks) = siblings.join("main", "app", None);
        let (_other, mut other_asks) = siblings.join("main", "shop", None);
        let (gone, _) = siblings.join("main", "app", None);
        drop(gone);
        let quiet = own.quiet();
        let Ok(Ask::BeQuiet(answer)) = same_asks.try_recv() else { panic!("not asked") };
        answer.send(()).unwrap();
        quiet.await;
        assert!(own_asks.try_recv().is_err() && other_asks.try_recv().is_err());
    }

    #[test]
    fn who_was_asked_to_be_quiet_hears_when_the_last_build_is_over() {
        let siblings = Siblings::default();
        let (one, _one_asks) = siblings.join("main", "app", None);
        let (other, _other_asks) = siblings.join("main", "app", None);
        let (_waiting, mut asks) = siblings.join("main", "app", None);
        drop((one.quiet(), other.quiet()));
        let (_late, mut late_asks) = siblings.join("main", "app", None);
        assert!(matches!(late_asks.try_recv(), Ok(Ask::BeQuiet(_))), "it builds already");
        assert!(matches!((asks.try_recv(), asks.try_recv()), (Ok(Ask::BeQuiet(_)), Ok(Ask::BeQuiet(_)))));
        one.built();
        assert!(asks.try_recv().is_err(), "the other one still builds");
        drop(other);
        assert!(matches!((asks.try_recv(), late_asks.try_recv()), (Ok(Ask::GoOn), Ok(Ask::GoOn))));
    }

    #[test]
    fn a_cancel_request_is_heard_by_the_session_of_its_key_only() {
        let siblings = Siblings::default();
        let (_one, mut one) = siblings.join("main", "app", Some(CancelRequest::of(b"\0\0\0\x01\0\0\0\x01")));
        let (_other, mut other) = siblings.join("main", "app", Some(CancelRequest::of(b"\0\0\0\x01\0\0\0\x02")));
        let (_keyless, mut keyless) = siblings.join("main", "app", None);
        siblings.cancel(&CancelRequest::of(b"\0\0\0\x01\0\0\0\x02"));
        assert!(matches!(other.try_recv(), Ok(Ask::Cancel)));
        assert!(one.try_recv().is_err() && keyless.try_recv().is_err());
    }
}
