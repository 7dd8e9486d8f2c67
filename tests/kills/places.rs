//! Which places are tried.

use std::collections::BTreeMap;

use super::scenario::Victim;

/// A place: its name, and the how-manieth time it is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) count: usize,
}

impl Place {
    /// As the environment says it.
    pub(super) fn variable(&self) -> String {
        format!("{}:{}", self.name, self.count)
    }
}

/// Every place of a run.
fn every(names: &[String]) -> Vec<Place> {
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for name in names {
        let count = passed.entry(name).or_default();
        *count += 1;
        places.push(Place { name: name.clone(), count: *count });
    }
    places
}

/// The last place of each name.
fn kinds(places: &[Place]) -> Vec<Place> {
    let is_last = |(at, place): &(usize, &Place)| !places[at + 1..].iter().any(|later| later.name == place.name);
    places.iter().enumerate().filter(is_last).map(|(_, place)| place.clone()).collect()
}

/// Round the one moment at which nothing may be lost.
const SHORT: &[&str] = &["after promise", "sent COMMIT", "reply COMMIT", "sent CREATE INDEX CONCURRENTLY ON", "reply pg_xact_status"];

/// Where the whole server dies.
const DECISIVE: &[&str] = &["after record", "before promise", "after promise", "send COMMIT", "sent COMMIT", "reply COMMIT"];

/// Who dies where.
pub(super) fn chosen(names: &[String], long: bool) -> Vec<(Victim, Place)> {
    let every = every(names);
    let kinds = kinds(&every);
    let these = |victim: Victim, places: Vec<Place>| places.into_iter().map(move |place| (victim, place));
    let only = |wanted: &dyn Fn(&str) -> bool| kinds.iter().filter(|place| wanted(&place.name)).cloned().collect::<Vec<_>>();
    if !long {
        let short = only(&|name| SHORT.contains(&name));
        return these(Victim::Proxy, short.clone()).chain(these(Victim::Backend, short)).collect();
    }
    let decisive = only(&|name| DECISIVE.contains(&name) || name.starts_with("sent ") && !name.contains("json"));
    these(Victim::Proxy, every.clone())
        .chain(these(Victim::Client, kinds.clone()))
        .chain(these(Victim::Backend, kinds.clone()))
        .chain(these(Victim::Server, decisive))
        .collect()
}
