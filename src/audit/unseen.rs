//! Which locks were predicted of what ran, and seen by nobody.

use super::record::{Outcome, Record};

/// What rules said of locks, beside what those who looked saw. Of a statement in a transaction nothing: there `pg_locks` was read before the COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen<'a> {
    /// Mode and relation, as predicted.
    pub locks: Vec<(&'a str, &'a str)>,
    /// Nobody looked while the steps in place of the statement ran, whose locks no rule names.
    pub steps: bool,
    /// How often somebody looked.
    pub looks: u32,
}

impl<'a> Unseen<'a> {
    /// Of a statement that has ended.
    #[must_use]
    pub fn of(record: &'a Record, outcome: &Outcome) -> Self {
        let looks = outcome.looks;
        let ran = !record.in_transaction && record.decision != "refuse" && record.decision != "settle";
        if !ran {
            return Self { locks: Vec::new(), steps: false, looks };
        }
        let is_rewritten = record.decision == "rewrite";
        // What was enforced did not run as it was written.
        let told = record.findings.iter().filter(|finding| !is_rewritten || finding.verdict != "enforced");
        let predicted = told.filter_map(|finding| Some((finding.lock.as_deref()?, finding.relation.as_deref()?)));
        let was_seen = |(mode, relation): &(&str, &str)| outcome.locks_seen.iter().any(|lock| lock.mode == *mode && lock.relation == *relation);
        Self { locks: predicted.filter(|lock| !was_seen(lock)).collect(), steps: is_rewritten && looks == 0, looks }
    }

    /// How one looked for them.
    #[must_use]
    pub fn looked(&self) -> String {
        match self.looks {
            0 => "nobody looked meanwhile".to_owned(),
            looks => format!("{looks} looks, of which none showed it"),
        }
    }
}
