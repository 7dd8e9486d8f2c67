//! What is known not to hold yet: told as such, never passed over. Told by what is wrong, since a race decides at which places it is.

use super::row::Told;
use super::scenario::Scenario;

/// Something that is known to go wrong.
pub(super) struct Known {
    pub(super) why: &'static str,
    is: fn(&Told) -> bool,
}

pub(super) const KNOWN: &[Known] = &[Known {
    why: "the next ADD UNIQUE does not take over the finished index of one that was cut off (42P07)",
    is: |told| told.row.scenario == Scenario::Autocommit && told.wrong[0].contains("ADD CONSTRAINT t_k UNIQUE (a): 42P07"),
}];

/// Why this row is known to fail, if it does.
pub(super) fn reason(told: &Told) -> Option<&'static str> {
    KNOWN.iter().find(|known| !told.wrong.is_empty() && (known.is)(told)).map(|known| known.why)
}
