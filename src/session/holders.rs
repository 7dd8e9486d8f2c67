//! Who holds a lock that a statement waits for: the question, its answer, the words.

use std::fmt::{self, Display};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalog::locks::LockMode;
use crate::policy::strong::StrongLock;
use crate::sql::name::RelationName;
use crate::wire::startup_settings::milliseconds;

use super::sight::{Blocker, Named, Sight};

/// It runs under the client's search path: names and operators are qualified like those of the other questions.
pub(super) const QUESTION: &str = include_str!("holders.sql");

/// Of those who hold it no more are kept.
const MOST_KEPT: usize = 100;

/// The answer to [`QUESTION`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Holders {
    holders: Vec<Holder>,
    /// What this transaction holds a lock on that others wait for.
    own: Vec<RelationName>,
    /// How many relations are locked, as far as that is known.
    pub(super) relations: u64,
    deadlock_timeout: String,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Holder {
    /// Its virtual transaction, which every role sees.
    transaction: String,
    #[serde(flatten)]
    blocker: Blocker,
}

/// The parameters of [`QUESTION`] for a statement's lock.
pub(super) fn parameters(lock: &StrongLock) -> Vec<String> {
    let names: Vec<String> = lock.relations.iter().map(ToString::to_string).collect();
    vec![Value::from(names).to_string(), Value::from(lock.mode.opponents()).to_string(), lock.neighbours.to_string()]
}

/// The same for a step on this table, whose lock is taken for the strongest.
pub(super) fn parameters_of_table(table: &str) -> Vec<String> {
    vec![json!([table]).to_string(), Value::from(LockMode::AccessExclusive.opponents()).to_string(), true.to_string()]
}

impl Holders {
    /// Reads the answer. Of a query no value is kept.
    pub(super) fn read(answer: &str) -> Option<Self> {
        let mut holders: Self = serde_json::from_str(answer).ok()?;
        holders.holders.truncate(MOST_KEPT);
        holders.holders.iter_mut().for_each(|holder| holder.blocker.forget_values());
        Some(holders)
    }

    /// Who, by transaction, and for how many seconds that has been open, where the role may know.
    pub(super) fn transactions(&self) -> impl Iterator<Item = (&str, Option<i64>)> {
        self.holders.iter().map(|holder| (holder.transaction.as_str(), holder.blocker.open_for()))
    }

    pub(super) fn pids(&self) -> Vec<i64> {
        self.holders.iter().map(|holder| holder.blocker.pid()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// Somebody holds it, and whoever does is an autovacuum, which makes way for one that waits long enough.
    pub(super) fn make_way(&self) -> bool {
        !self.is_empty() && self.holders.iter().all(|holder| holder.blocker.is_autovacuum())
    }

    /// How long an autovacuum has to be waited for until it makes way.
    pub(super) fn deadlock_timeout_ms(&self) -> u64 {
        milliseconds(self.deadlock_timeout.as_bytes()).unwrap_or(1_000)
    }

    /// This transaction holds something that others wait for, and that was there before it.
    pub(super) fn holds_of_others(&self, is_new: impl Fn(&RelationName) -> bool) -> bool {
        self.own.iter().any(|relation| !is_new(relation))
    }

    /// Those whose transaction has been open for so long.
    pub(super) fn open_for(&self, seconds: i64) -> Option<Self> {
        let long = |holder: &&Holder| holder.blocker.open_for().is_some_and(|open| open >= seconds);
        let holders: Vec<Holder> = self.holders.iter().filter(long).cloned().collect();
        (!holders.is_empty()).then(|| Self { holders, ..self.clone() })
    }

    /// What a monitor has seen of them, which may be more.
    pub(super) fn learn(&mut self, sight: &Sight) {
        for holder in &mut self.holders {
            if let Some(seen) = sight.blocker(holder.blocker.pid()).filter(|seen| seen.is_seen()) {
                holder.blocker = seen.clone();
            }
        }
    }
}

impl Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blockers: Vec<&Blocker> = self.holders.iter().map(|holder| &holder.blocker).collect();
        Named(&blockers).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: i64, more: &str) -> String {
        format!(
            r#"{{"transaction": "3/{pid}", "pid": {pid}, "role": "app", "application": "", "kind": null, "state": null, "open_for": null, "query": null{more}}}"#
        )
    }

    fn read(holders: &[String]) -> Holders {
        let holders = holders.join(",");
        Holders::read(&format!(
            r#"{{"holders": [{holders}], "own": [{{"schema": "public", "name": "new"}}], "relations": 1, "deadlock_timeout": "2s"}}"#
        ))
        .unwrap()
    }

    #[test]
    fn they_are_named_without_the_values_of_their_queries() {
        let mut holders = read(&[holder(7, "").replace(r#""query": null"#, r#""query": "UPDATE t SET a = 'secret'""#), holder(8, "")]);
        assert_eq!(holders.to_string(), "pid 7 (role app, running: UPDATE t SET a = ?), pid 8 (role app)");
        assert_eq!(holders.pids(), [7, 8]);
        let seen = r#"{"progress": null, "blockers": [{"pid": 8, "role": "app", "application": "report", "kind": null, "state": "idle in transaction",
            "open_for": 9, "query": "SELECT 1"}]}"#;
        holders.learn(&Sight::read(seen).unwrap());
        assert!(
            holders.to_string().ends_with("pid 8 (role app, application \"report\", transaction open for 9 s, idle in transaction after: SELECT ?)"),
            "{holders}"
        );
        assert_eq!(holders.open_for(9).unwrap().pids(), [8]);
        assert_eq!(holders.open_for(10), None);
    }

    #[test]
    fn only_an_autovacuum_makes_way() {
        let autovacuum = holder(7, "").replace(r#""kind": null"#, r#""kind": "autovacuum worker""#);
        assert!(read(std::slice::from_ref(&autovacuum)).make_way());
        assert!(!read(&[autovacuum, holder(8, "")]).make_way());
        assert!(!read(&[]).make_way());
        assert_eq!(read(&[]).deadlock_timeout_ms(), 2_000);
    }

    #[test]
    fn what_this_transaction_made_is_nobody_elses() {
        let holders = read(&[]);
        assert!(!holders.holds_of_others(|relation| relation.name == "new"));
        assert!(holders.holds_of_others(|_| false));
    }

    /// As in the other questions: the search path of the client decides about every other name.
    #[test]
    fn the_question_qualifies_what_it_calls() {
        let text: String = QUESTION.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
        for (at, _) in text.match_indices('(') {
            let before = text[..at].trim_end_matches('"');
            let name: String = before.chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"')).collect();
            let name: String = name.chars().rev().collect();
            assert!(
                name.is_empty() || name.starts_with("pg_catalog.") || ["OPERATOR", "COALESCE", "ARRAY", "n", "m"].contains(&&*name),
                "{name} is not qualified"
            );
        }
        let outside = text.replace("OPERATOR(pg_catalog.", "");
        for operator in [" = ", " <> ", " - ", " < ", " > ", ">=", " IN ", "NULLIF", "BETWEEN", " USING ", " LIKE "] {
            assert!(!outside.replace(">=)", "").contains(operator), "{operator} is looked up by its name");
        }
    }
}
