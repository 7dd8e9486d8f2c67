//! Which places are tried.

use std::collections::BTreeMap;
use std::fmt;

use super::scenario::{Scenario, Victim};

/// A place: its name, and the how-manieth time it is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) count: usize,
    /// Not there, but while the server works on the statement that is sent there.
    pub(super) within: bool,
}

impl Place {
    /// As the environment says it.
    pub(super) fn variable(&self) -> String {
        format!("{}:{}", self.name, self.count)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.within { self.name.replace("send", "within") } else { self.name.clone() };
        write!(f, "{name}:{}", self.count)
    }
}

/// Every place of a run.
fn every(names: &[String]) -> Vec<Place> {
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for name in names {
        let count = passed.entry(name).or_default();
        *count += 1;
        places.push(Place { name: name.clone(), count: *count, within: false });
    }
    places
}

/// The last place of each name; and before it, where `both`, the first.
fn kinds(places: &[Place], both: bool) -> Vec<Place> {
    let is_last = |at: usize, place: &Place| !places[at + 1..].iter().any(|later| later.name == place.name);
    places.iter().enumerate().filter(|(at, place)| is_last(*at, place) || both && place.count == 1).map(|(_, place)| place.clone()).collect()
}

/// While a step is worked on: in a transaction only behind its COMMIT, since it has locks of its own before.
fn within(scenario: Scenario, places: &[Place]) -> Vec<Place> {
    let begun = if matches!(scenario, Scenario::Transaction | Scenario::Extended | Scenario::Batch) {
        places.iter().position(|place| place.name == "reply COMMIT").unwrap()
    } else {
        0
    };
    let steps = places[begun..].iter().filter(|place| place.name.starts_with("send ") && STEPS.iter().any(|step| place.name.contains(step)));
    steps.map(|place| Place { within: true, ..place.clone() }).collect()
}

/// Steps that wait for the locks of others.
const STEPS: &[&str] = &["INDEX CONCURRENTLY", "ALTER TABLE"];

/// Round the one moment at which nothing may be lost, and in the work behind it.
const SHORT: &[&str] = &["after promise", "sent COMMIT", "reply COMMIT", "reply pg_xact_status"];

/// Where the whole server dies.
const DECISIVE: &[&str] = &["after record", "before promise", "after promise", "send COMMIT", "sent COMMIT", "reply COMMIT"];

/// Who dies where.
pub(super) fn chosen(scenario: Scenario, names: &[String], long: bool) -> Vec<(Victim, Place)> {
    let every = every(names);
    let (kinds, within) = (kinds(&every, false), within(scenario, &every));
    let these = |victim: Victim, places: &[Place]| places.iter().map(|place| (victim, place.clone())).collect::<Vec<_>>();
    let only = |wanted: &dyn Fn(&str) -> bool| kinds.iter().filter(|place| wanted(&place.name)).cloned().collect::<Vec<_>>();
    if !long {
        let short = only(&|name| SHORT.contains(&name));
        let building = &within[..1];
        return [these(Victim::Proxy, &short), these(Victim::Backend, &short), these(Victim::Backend, building), these(Victim::Orphan, building)]
            .concat();
    }
    let decisive = only(&|name| DECISIVE.contains(&name) || name.starts_with("sent ") && STEPS.iter().any(|step| name.contains(step)));
    [
        these(Victim::Proxy, &self::kinds(&every, true)),
        these(Victim::Proxy, &within),
        these(Victim::Orphan, &within),
        these(Victim::Client, &kinds),
        these(Victim::Client, &within),
        these(Victim::Backend, &kinds),
        these(Victim::Backend, &within),
        these(Victim::Server, &decisive),
        these(Victim::Server, &within),
        these(
            Victim::Number,
            &only(&|name| matches!(scenario, Scenario::Transaction | Scenario::Extended | Scenario::Batch) && name == "send COMMIT"),
        ),
    ]
    .concat()
}
