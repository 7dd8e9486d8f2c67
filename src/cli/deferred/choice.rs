//! Which promises are to be run here, and which cannot be.

use crate::deferred::promise::{Pending, Place, PromiseId};

/// Where and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) place: Place,
    /// The role that logged in.
    pub(super) role: String,
}

/// What is to be done about the promises that were asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) run: Vec<Pending>,
    /// Why the others are not run, each with what to do.
    pub(super) refused: Vec<String>,
}

/// The promises of these numbers, in the order of the store; all when there are none.
pub(super) fn by_number(pending: Vec<Pending>, numbers: &[i64]) -> Result<Vec<Pending>, String> {
    let unknown: Vec<String> =
        numbers.iter().filter(|number| !pending.iter().any(|pending| pending.id == PromiseId(**number))).map(ToString::to_string).collect();
    if unknown.is_empty() {
        return Ok(pending.into_iter().filter(|pending| numbers.is_empty() || numbers.contains(&pending.id.0)).collect());
    }
    let (promise, is) = if unknown.len() == 1 { ("promise", "is") } else { ("promises", "are") };
    Err(format!("{promise} {}: {is} not pending in this store (done, dropped, or never there); see: pgairlock deferred list", unknown.join(", ")))
}

/// Splits them into those of this cluster, database and role, and the others.
pub(super) fn here(pending: Vec<Pending>, here: &Here) -> Choice {
    let mut choice = Choice::default();
    for pending in pending {
        match foreign(&pending, here) {
            None => choice.run.push(pending),
            Some(why) => choice.refused.push(why),
        }
    }
    choice
}

fn foreign(pending: &Pending, here: &Here) -> Option<String> {
    let (id, theirs) = (pending.id.0, &pending.promise);
    if theirs.place.system != here.place.system {
        return Some(format!(
            "promise {id} belongs to another cluster (system identifier {}; this server has {}): give that cluster's URL; where it is gone for good, \
             see: pgairlock deferred drop {id}",
            theirs.place.system, here.place.system
        ));
    }
    if theirs.place.database != here.place.database {
        return Some(format!(
            "promise {id} belongs to the database \"{}\", and this is \"{}\": give that database's URL",
            theirs.place.database, here.place.database
        ));
    }
    (theirs.role != here.role).then(|| {
        format!(
            "promise {id} was made by the role \"{}\", and this is \"{}\": give that role's URL; another one's rights, and its ownership of what is \
             made, would not be those of the migration",
            theirs.role, here.role
        )
    })
}

/// How things stand for somebody who waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is pending.
    Over,
    /// These wait for a person.
    Stuck(Vec<i64>),
    /// These may be run by themselves, and are not done.
    Going(Vec<i64>),
}

/// A promise that waits for a person is told at once, whatever else goes on.
pub(super) fn standing(pending: &[Pending]) -> Standing {
    let (going, stuck): (Vec<&Pending>, Vec<&Pending>) = pending.iter().partition(|pending| pending.may_be_retried());
    let numbers = |pending: Vec<&Pending>| pending.into_iter().map(|pending| pending.id.0).collect();
    match (&*going, &*stuck) {
        ([], []) => Standing::Over,
        (_, []) => Standing::Going(numbers(going)),
        (_, _) => Standing::Stuck(numbers(stuck)),
    }
}
