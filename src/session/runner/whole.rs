//! A statement outside of any transaction: promised while its steps run, gone on with, taken back (`deferred::whole`).

use std::collections::VecDeque;

use crate::deferred::operation::{Course, Operation, Try};
use crate::deferred::promise::{Deferred, Pending};
use crate::deferred::seen::Seen;
use crate::policy::plan::SafeForm;

use super::{Aim, Item, Next, OnFailure, Phase, Runner, ServerError, Task};

impl Runner {
    /// The same for one that was cut off, if its promise is still open when the lock is had.
    #[must_use]
    pub fn again(lock: &str, deadline_ms: u64, pending: &Pending, form: &SafeForm) -> Self {
        let looks = form.then.iter().map(|operation| task(lock, operation, AGAIN, Aim::Complete));
        let items = [Item::Claim(lock.to_owned()), Item::Promise].into_iter().chain(looks).chain(whole(lock, form, AGAIN)).collect();
        Self { anew: anew(lock, form).collect(), ..Self::cut_off(OnFailure::Undo, deadline_ms, pending, items) }
    }

    /// Takes back what is there of a statement that was cut off, unless it is there as a whole ([`Self::is_complete`]).
    #[must_use]
    pub fn back(deadline_ms: u64, pending: &Pending) -> Self {
        let task = |deferred: &Deferred, aim| Item::Operation(Box::new(Task { aim, ..Task::promised(deferred, AGAIN) }));
        let operations = &pending.promise.operations;
        let looks = operations.iter().map(|deferred| task(deferred, Aim::Complete));
        let back = operations.iter().rev().map(|deferred| task(deferred, Aim::Back));
        let first = pending.first_part().and_then(|first| first.undo.clone()).map(Item::UndoFirst);
        Self::cut_off(OnFailure::Keep, deadline_ms, pending, looks.chain(back).chain(first).collect())
    }

    fn cut_off(on_failure: OnFailure, deadline_ms: u64, pending: &Pending, items: VecDeque<Item>) -> Self {
        let first = pending.first_part().cloned();
        Self { begun: first.is_some() && pending.done > 0, first, ..Self::of(on_failure, deadline_ms, items) }
    }

    /// A column that its operations need is still to be made.
    #[must_use]
    pub fn lacks_column(&self) -> bool {
        self.lacks_column
    }

    /// All of the statement was there, and nothing was taken back.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Everything is done or taken back, and only what the session itself needs is set back.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Release | Phase::Restore)
    }

    /// Everything was taken back that was done.
    #[must_use]
    pub fn left_nothing(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| failure.left_over.is_empty())
    }

    /// What the statement is for has happened: should it fail after that, only its own helpers are left.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.settled
    }

    /// It has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The settings under which the statement runs, as they are kept with a promise.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// The answer to [`Next::Promise`]: whether it is promised (or still is), or why it cannot be.
    pub fn promise_answered(&mut self, promised: Result<bool, ServerError>) -> Next {
        self.phase = Phase::Restore;
        match promised {
            Ok(true) => self.next_item(),
            // Whoever had promised it has come to an end with it.
            Ok(false) => {
                self.items = std::mem::take(&mut self.anew);
                self.begun = false;
                self.next_item()
            }
            Err(error) => self.stopped(error, PROMISING),
        }
    }

    /// What an earlier run has done is taken back as well, should a later step fail.
    pub(super) fn done_before(&mut self, operation: &Operation, seen: &Seen) {
        self.settled |= operation.steps().iter().any(|step| step.settles);
        if let (OnFailure::Undo, Course::Steps(back)) = (self.on_failure, operation.way_back(seen)) {
            self.undo.extend(back.into_iter().rev().map(|step| step.sql));
        }
    }
}

/// A statement from its beginning: a look at all of it, the promise, the steps.
pub(super) fn anew(lock: &str, form: &SafeForm) -> impl Iterator<Item = Item> {
    let look = |operation: &Operation| task(lock, operation, Try::First, Aim::Fresh);
    let looks: Vec<Item> = form.then.iter().map(look).collect();
    let promise = (!looks.is_empty()).then_some(Item::Promise);
    looks.into_iter().chain(promise).chain(whole(lock, form, Try::First))
}

/// The steps of a statement.
fn whole(lock: &str, form: &SafeForm, tried: Try) -> impl Iterator<Item = Item> {
    let first = form.now.clone().map(|step| [Item::First(Box::new(step)), Item::End]);
    let then: Vec<Item> = form.then.iter().map(|operation| task(lock, operation, tried, Aim::End)).collect();
    first.into_iter().flatten().chain(then)
}

pub(super) const PROMISING: &str = "promising the statement";

/// Of what may have been begun.
const AGAIN: Try = Try::Again { cleaned: false };

fn task(lock: &str, operation: &Operation, tried: Try, aim: Aim) -> Item {
    Item::Operation(Box::new(Task { operation: operation.clone(), lock: lock.to_owned(), tried, context: None, aim }))
}
