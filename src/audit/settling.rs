//! What is known of a statement outside of any transaction for the case that nobody hears its end, and what is said when somebody looked.

use serde::{Deserialize, Serialize};

use super::event::{Fate, Settled};
use super::record::DecisionId;
use super::words;
use crate::sql::trace::Trace;

/// Kept with a decision: by what it can be told later what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The cluster: `pg_control_system()`.
    pub system: String,
    /// The process of the server that runs it.
    pub backend: u32,
    /// When that began, in seconds since 1970, as the server says it: numbers of processes come again.
    pub backend_started: String,
    /// The number of the first transaction that had not ended when the facts were asked for: `pg_snapshot_xmax`.
    pub next_xid: String,
    /// What it leaves in the catalog.
    pub traces: Vec<Trace>,
}

/// A decision whose end nobody has heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    /// It.
    pub decision: DecisionId,
    /// By what it can be told.
    pub mark: Mark,
}

/// In statements that say one of these somebody else may have done or undone the same without naming it. `u` begins a name in another spelling.
const SWEEPING: [&str; 7] = ["cascade", "owned", "schema", "do", "call", "execute", "u"];

impl Mark {
    /// The words of each name that is at stake. Somebody else's statement has all words of one of these, or one that sweeps.
    #[must_use]
    pub fn at_stake(&self) -> Vec<Vec<String>> {
        let names = self.traces.iter().map(|trace| words::of_text(trace.own_name()).into_iter().collect());
        names.chain(SWEEPING.iter().map(|word| vec![(*word).to_owned()])).collect()
    }

    fn told(&self) -> String {
        self.traces.iter().map(Trace::words).collect::<Vec<_>>().join(", ")
    }
}

impl Unheard {
    /// The catalog shows it, or shows that there is nothing of it; `alone` where nothing else in the log had to do with the same names.
    #[must_use]
    pub fn settled(&self, done: Option<bool>, alone: bool) -> Settled {
        let told = self.mark.told();
        let (fate, evidence) = match (done, alone) {
            (None, _) => (Fate::Unknown, format!("the catalog shows neither that it took effect nor that it did not: {told}")),
            (Some(_), false) => (Fate::Unknown, format!("other statements in the log had to do with the same at that time, or may have had: {told}")),
            (Some(true), true) => {
                (Fate::Committed, format!("seen in the catalog afterwards as it leaves it, and not so when it was decided upon: {told}"))
            }
            (Some(false), true) => {
                (Fate::RolledBack, format!("seen in the catalog afterwards as before it, when its server process was gone: {told}"))
            }
        };
        Settled { decision: self.decision, fate, by: "catalog".to_owned(), evidence: Some(evidence) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::trace::Kind;

    fn unheard() -> Unheard {
        let trace = |part: Option<&str>| Trace {
            kind: if part.is_some() { Kind::Column } else { Kind::Relation },
            schema: "public".into(),
            relation: "T x".into(),
            oid: None,
            part: part.map(str::to_owned),
            there: true,
        };
        let mark =
            Mark { system: "1".into(), backend: 7, backend_started: "1.5".into(), next_xid: "8".into(), traces: vec![trace(None), trace(Some("c"))] };
        Unheard { decision: DecisionId { writer: 1, seq: 2 }, mark }
    }

    #[test]
    fn who_may_have_done_the_same_is_known_by_words() {
        let at_stake = unheard().mark.at_stake();
        assert_eq!(at_stake[..2], [vec!["t".to_owned(), "x".into()], vec!["c".into()]]);
        assert!(at_stake.contains(&vec!["cascade".to_owned()]));
    }

    #[test]
    fn nothing_is_claimed_where_others_had_to_do_with_it() {
        let said = |done, alone| unheard().settled(done, alone).fate;
        assert_eq!([said(Some(true), true), said(Some(false), true)], [Fate::Committed, Fate::RolledBack]);
        assert_eq!([said(Some(true), false), said(Some(false), false), said(None, true)], [Fate::Unknown; 3]);
        let evidence = unheard().settled(Some(true), true).evidence.unwrap();
        assert!(
            evidence.ends_with(": public.\"T x\", column c of public.\"T x\"") && evidence.contains("seen in the catalog afterwards"),
            "{evidence}"
        );
    }
}
