//! The one queue of replies that the server still owes.
//!
//! Every frame that the server will answer has an entry, in the order in which it was sent: the client's frames, whose replies are forwarded
//! (or replaced), and our own, whose replies are hidden. After an error in the extended protocol the server skips everything up to the next Sync;
//! so does the queue, driven by the ErrorResponse itself.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::completion::Completion;
use crate::catalog::overlay::Effect;
use crate::catalog::questions::Rows;
use crate::sql::statement::Script;

/// What kind of frame an entry answers; it decides which reply ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ends with ParseComplete.
    Parse,
    /// Ends with BindComplete.
    Bind,
    /// Ends with RowDescription or NoData.
    Describe,
    /// Ends with CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// Ends with CloseComplete.
    Close,
    /// Ends with ReadyForQuery.
    Sync,
    /// Ends with ReadyForQuery, after any number of results. FunctionCall too.
    Query,
}

/// Whose frame it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The client's: replies are forwarded.
    Client,
    /// Sent in place of the client's, to fail: its error is replaced by this one.
    Refused(Bytes),
    /// Ours: replies are hidden.
    Own,
}

/// One frame that the server still has to answer.
#[derive(Debug)]
pub struct Expected {
    /// Its kind.
    pub kind: Kind,
    /// Whose it is.
    pub owner: Owner,
    /// What follows when it is answered.
    pub completion: Completion,
}

/// What a reply means for the queue.
#[derive(Debug)]
pub enum Arrival {
    /// Part of the answer to the entry at the head, which stays.
    Within,
    /// The last part: the entry has left the queue.
    Completes(Expected),
    /// An error that fails the entry and everything up to the next Sync, all of which have left the queue.
    Fails {
        /// The entry that failed.
        failed: Expected,
        /// The entries that the server skips.
        skipped: Vec<Expected>,
    },
    /// An ErrorResponse while nothing is owed: the server ends the session.
    Unasked,
    /// No server says this here.
    Violation,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Replies {
    queue: VecDeque<Expected>,
}

impl Replies {
    /// A frame was sent that will be answered.
    pub fn expect(&mut self, kind: Kind, owner: Owner, completion: Completion) {
        self.queue.push_back(Expected { kind, owner, completion });
    }

    /// Nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Which rows matter once what is under way has been done.
    #[must_use]
    pub fn rows_that_will_matter(&self) -> Rows {
        let effects = self.queue.iter().flat_map(|entry| match &entry.completion {
            Completion::Ran(ran) => ran.effects.iter().collect(),
            _ => Vec::new(),
        });
        effects.map(Effect::rows_that_matter).max().unwrap_or_default()
    }

    /// Code that nobody sees is under way.
    #[must_use]
    pub fn run_ungated(&self) -> bool {
        self.queue.iter().any(|entry| matches!(&entry.completion, Completion::Ran(ran) if ran.effects.iter().any(Effect::is_ungated)))
    }

    /// The entry that the next reply belongs to.
    #[must_use]
    pub fn head(&self) -> Option<&Expected> {
        self.queue.front()
    }

    /// The same, to note what has come of it.
    pub fn head_mut(&mut self) -> Option<&mut Expected> {
        self.queue.front_mut()
    }

    /// What runs now: of the statements under way the first.
    #[must_use]
    pub fn running(&self) -> Option<&Arc<Script>> {
        self.queue.iter().find_map(|entry| if let Completion::Ran(ran) = &entry.completion { ran.script.as_ref() } else { None })
    }

    /// The next reply is one of ours.
    #[must_use]
    pub fn head_is_own(&self) -> bool {
        matches!(self.head(), Some(Expected { owner: Owner::Own, .. }))
    }

    /// One of ours is still owed.
    #[must_use]
    pub fn owes_own(&self) -> bool {
        self.queue.iter().any(|entry| entry.owner == Owner::Own)
    }

    /// A ReadyForQuery is still owed: what the transaction's state will be is not known yet.
    #[must_use]
    pub fn owes_ready(&self) -> bool {
        self.queue.iter().any(|entry| matches!(entry.kind, Kind::Sync | Kind::Query))
    }

    /// The client's own Sync is among what is owed.
    #[must_use]
    pub fn owes_client_sync(&self) -> bool {
        self.queue.iter().any(|entry| entry.kind == Kind::Sync && entry.owner != Owner::Own)
    }

    /// The entries in the order in which they were sent, latest first.
    pub fn latest_first(&self) -> impl Iterator<Item = &Expected> {
        self.queue.iter().rev()
    }

    /// A reply of this type arrived (not one of the asynchronous ones).
    pub fn arrive(&mut self, tag: u8) -> Arrival {
        let Some(kind) = self.head().map(|entry| entry.kind) else {
            return if tag == b'E' { Arrival::Unasked } else { Arrival::Violation };
        };
        match (kind, tag) {
            (Kind::Parse, b'1')
            | (Kind::Bind, b'2')
            | (Kind::Close, b'3')
            | (Kind::Describe, b'T' | b'n')
            | (Kind::Execute, b'C' | b'I' | b's')
            | (Kind::Sync | Kind::Query, b'Z') => self.queue.pop_front().map_or(Arrival::Violation, Arrival::Completes),
            (Kind::Describe, b't')
            | (Kind::Execute, b'D' | b'd' | b'c' | b'G' | b'H')
            | (Kind::Query, b'T' | b'D' | b'C' | b'V' | b'I' | b'd' | b'c' | b'G' | b'H' | b'E')
            | (Kind::Sync, b'E') => Arrival::Within,
            (_, b'E') => self.fail(),
            _ => Arrival::Violation,
        }
    }

    fn fail(&mut self) -> Arrival {
        let Some(failed) = self.queue.pop_front() else { return Arrival::Unasked };
        let until = self.queue.iter().position(|entry| matches!(entry.kind, Kind::Sync)).unwrap_or(self.queue.len());
        Arrival::Fails { failed, skipped: self.queue.drain(..until).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(kinds: &[(Kind, Owner)]) -> Replies {
        let mut replies = Replies::default();
        for (kind, owner) in kinds {
            replies.expect(*kind, owner.clone(), Completion::Nothing);
        }
        replies
    }

    #[test]
    fn a_pipeline_is_answered_in_order() {
        let mut replies =
            queue(&[(Kind::Parse, Owner::Client), (Kind::Bind, Owner::Client), (Kind::Execute, Owner::Client), (Kind::Sync, Owner::Client)]);
        assert!(matches!(replies.arrive(b'1'), Arrival::Completes(_)));
        assert!(matches!(replies.arrive(b'2'), Arrival::Completes(_)));
        assert!(matches!(replies.arrive(b'D'), Arrival::Within));
        assert!(matches!(replies.arrive(b'C'), Arrival::Completes(_)));
        assert!(matches!(replies.arrive(b'Z'), Arrival::Completes(_)));
        assert!(replies.is_empty());
    }

    #[test]
    fn an_error_skips_to_the_next_sync_and_no_further() {
        let mut replies = queue(&[
            (Kind::Parse, Owner::Client),
            (Kind::Bind, Owner::Client),
            (Kind::Sync, Owner::Client),
            (Kind::Parse, Owner::Client),
            (Kind::Sync, Owner::Client),
        ]);
        let Arrival::Fails { failed, skipped } = replies.arrive(b'E') else { panic!("must fail") };
        assert_eq!((failed.kind, skipped.len()), (Kind::Parse, 1));
        assert!(matches!(replies.arrive(b'Z'), Arrival::Completes(_)));
        assert_eq!(replies.head().unwrap().kind, Kind::Parse);
    }

    #[test]
    fn an_error_without_a_sync_behind_it_empties_the_queue() {
        let mut replies = queue(&[(Kind::Parse, Owner::Client), (Kind::Parse, Owner::Own), (Kind::Close, Owner::Own)]);
        assert!(matches!(replies.arrive(b'E'), Arrival::Fails { skipped, .. } if skipped.len() == 2));
        assert!(replies.is_empty());
    }

    #[test]
    fn a_query_ends_only_with_ready() {
        let mut replies = queue(&[(Kind::Query, Owner::Client)]);
        for tag in *b"TDCE" {
            assert!(matches!(replies.arrive(tag), Arrival::Within));
        }
        assert!(matches!(replies.arrive(b'Z'), Arrival::Completes(_)));
    }

    #[test]
    fn a_deferred_constraint_fails_at_sync() {
        let mut replies = queue(&[(Kind::Sync, Owner::Client)]);
        assert!(matches!(replies.arrive(b'E'), Arrival::Within));
        assert!(matches!(replies.arrive(b'Z'), Arrival::Completes(_)));
    }

    #[test]
    fn what_nobody_asked_for_is_a_violation_but_for_an_error() {
        let mut replies = Replies::default();
        assert!(matches!(replies.arrive(b'Z'), Arrival::Violation));
        assert!(matches!(replies.arrive(b'E'), Arrival::Unasked));
        assert!(matches!(queue(&[(Kind::Bind, Owner::Client)]).arrive(b'1'), Arrival::Violation));
    }
}
