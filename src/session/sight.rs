//! What a monitor sees of a session from outside: how far its build is, and whom it waits for. The question, its answer, and the words for it.

use std::fmt::{self, Display};

use serde::Deserialize;

use crate::sql::name::RelationName;
use crate::sql::redact::without_values;

/// The one parameter is the process id of the session, the answer is JSON text. It runs under the search path of the monitor's role, so that its
/// names and operators are qualified like those of the other questions.
pub const QUESTION: &str = include_str!("sight.sql");

/// More of them are counted, not named.
const MOST_NAMED: usize = 3;
/// Of a query, in characters.
const QUERY_HEAD: usize = 60;

/// The answer to [`QUESTION`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Sight {
    progress: Option<Measures>,
    blockers: Vec<Blocker>,
    #[serde(default)]
    locks: Vec<Lock>,
}

/// A strong lock that the watched session holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Lock {
    schema: String,
    name: String,
    mode: String,
}

/// `pg_stat_progress_create_index`; all of it is null where the role may not see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Measures {
    phase: Option<String>,
    lockers_total: Option<i64>,
    lockers_done: Option<i64>,
    blocks_total: Option<i64>,
    blocks_done: Option<i64>,
    tuples_total: Option<i64>,
    tuples_done: Option<i64>,
}

/// A session that the watched one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Blocker {
    /// 0 is a prepared transaction.
    pid: i64,
    role: Option<String>,
    application: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    open_for: Option<i64>,
    query: Option<String>,
}

impl Sight {
    /// Reads the answer. Of a query no value is kept.
    ///
    /// # Errors
    /// When it is not what the question asks for.
    pub fn read(answer: &str) -> Result<Self, serde_json::Error> {
        let mut sight: Self = serde_json::from_str(answer)?;
        sight.blockers.iter_mut().for_each(Blocker::forget_values);
        Ok(sight)
    }

    /// What was seen of the session of that process id.
    pub(super) fn blocker(&self, pid: i64) -> Option<&Blocker> {
        self.blockers.iter().find(|blocker| blocker.pid == pid)
    }

    /// The strong locks that the session holds: relation and mode, as the manual's table has it.
    pub(super) fn locks(&self) -> impl Iterator<Item = (String, &str)> {
        let named = |lock: &Lock| RelationName::qualified(&*lock.schema, &*lock.name).to_string();
        self.locks.iter().map(move |lock| (named(lock), lock.mode.strip_suffix("Lock").unwrap_or(&lock.mode)))
    }

    /// How much of that is done, in percent.
    pub(super) fn percent(&self) -> Option<u8> {
        self.progress.as_ref().and_then(Measures::percent).and_then(|percent| u8::try_from(percent).ok())
    }

    /// What a concurrent build is at.
    #[must_use]
    pub(super) fn phase(&self) -> Option<&str> {
        self.progress.as_ref()?.phase.as_deref()
    }
}

impl Measures {
    /// How much of its phase is done. Each phase has its own measure, some have none; those of other phases may still stand there.
    fn percent(&self) -> Option<i64> {
        let phase = self.phase.as_deref()?;
        let scanned = self.blocks_total.is_some_and(|total| total > 0);
        let (done, total) = match phase {
            _ if phase.starts_with("waiting for ") => (self.lockers_done?, self.lockers_total?),
            _ if phase.contains("sorting") => return None,
            _ if scanned => (self.blocks_done?, self.blocks_total?),
            _ => (self.tuples_done?, self.tuples_total?),
        };
        (total > 0).then(|| (done.saturating_mul(100) / total).clamp(0, 100))
    }
}

/// What follows the words that a step is running; nothing where nothing was seen.
impl Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = self.phase() {
            write!(f, "; {phase}")?;
        }
        if let Some(percent) = self.progress.as_ref().and_then(Measures::percent) {
            write!(f, ", {percent} %")?;
        }
        if self.blockers.is_empty() {
            return Ok(());
        }
        write!(f, "; waits for {}", Named(&self.blockers.iter().collect::<Vec<_>>()))
    }
}

/// The first of them by name, the others by number.
pub(super) struct Named<'a>(pub(super) &'a [&'a Blocker]);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, blocker) in self.0.iter().take(MOST_NAMED).enumerate() {
            write!(f, "{}{blocker}", if index == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Blocker {
    /// Somebody may see more of it than its name.
    pub(super) fn is_seen(&self) -> bool {
        self.state.is_some() || self.query.is_some()
    }

    pub(super) fn pid(&self) -> i64 {
        self.pid
    }

    /// Its transaction, in seconds.
    pub(super) fn open_for(&self) -> Option<i64> {
        self.open_for
    }

    pub(super) fn is_autovacuum(&self) -> bool {
        self.kind.as_deref() == Some("autovacuum worker")
    }

    pub(super) fn forget_values(&mut self) {
        self.query = self.query.take().map(|query| without_values(&query, QUERY_HEAD));
    }
}

impl Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let doing = match (known(&self.state), known(&self.query)) {
            (Some(state), Some(query)) if state != "active" => Some(format!("{state} after: {query}")),
            (_, Some(query)) => Some(format!("running: {query}")),
            (state, None) => state,
        };
        let about = [
            known(&self.role).map(|role| format!("role {role}")),
            known(&self.application).map(|name| format!("application \"{name}\"")),
            known(&self.kind).filter(|kind| kind != "client backend"),
            self.open_for.map(|seconds| format!("transaction open for {}", age(seconds))),
            doing,
        ];
        let about: Vec<String> = about.into_iter().flatten().collect();
        write!(f, "pid {}", self.pid)?;
        if about.is_empty() { Ok(()) } else { write!(f, " ({})", about.join(", ")) }
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(answer: &str) -> String {
        Sight::read(answer).unwrap().to_string()
    }

    fn progress(phase: &str, measures: &str) -> String {
        words(&format!(r#"{{"progress": {{"pid": 1, "phase": "{phase}", {measures}}}, "blockers": []}}"#))
    }

    #[test]
    fn each_phase_has_its_own_measure() {
        let lockers = r#""lockers_total": 4, "lockers_done": 1, "blocks_total": 10, "blocks_done": 10"#;
        assert_eq!(progress("waiting for old snapshots", lockers), "; waiting for old snapshots, 25 %");
        let blocks = r#""blocks_total": 1000, "blocks_done": 429, "tuples_total": 0, "tuples_done": 77, "lockers_total": 1, "lockers_done": 1"#;
        assert_eq!(progress("building index: scanning table", blocks), "; building index: scanning table, 42 %");
        let tuples = r#""blocks_total": 0, "blocks_done": 0, "tuples_total": 8, "tuples_done": 8"#;
        assert_eq!(progress("building index: loading tuples in tree", tuples), "; building index: loading tuples in tree, 100 %");
        assert_eq!(progress("building index: sorting live tuples", tuples), "; building index: sorting live tuples");
        assert_eq!(progress("initializing", r#""blocks_total": 0, "tuples_total": 0, "tuples_done": 0"#), "; initializing");
        assert_eq!(progress("building index", r#""blocks_total": 3, "blocks_done": 9"#), "; building index, 100 %");
    }

    #[test]
    fn who_is_waited_for_is_named_without_the_values_of_its_query() {
        let answer = r#"{"progress": null, "blockers": [
            {"pid": 7, "role": "app", "application": "nightly report", "kind": "client backend", "state": "idle in transaction", "open_for": 75,
             "query": "UPDATE t SET name = 'secret'\n WHERE id = 5"},
            {"pid": 8, "role": "app", "application": "", "kind": "client backend", "state": "active", "open_for": 7199, "query": "SELECT 1"}]}"#;
        assert_eq!(
            words(answer),
            "; waits for pid 7 (role app, application \"nightly report\", transaction open for 75 s, \
             idle in transaction after: UPDATE t SET name = ? WHERE id = ?), \
             pid 8 (role app, transaction open for 119 min, running: SELECT ?)"
        );
        assert!(!format!("{:?}", Sight::read(answer).unwrap()).contains("secret"));
    }

    #[test]
    fn a_query_is_shown_by_its_head() {
        let query = "SELECT a, ".repeat(30);
        let told = words(&format!(
            r#"{{"progress": null, "blockers": [{{"pid": 7, "role": null, "application": null, "kind": null, "state": null, "open_for": null, "query": "{query}"}}]}}"#
        ));
        let head = told.strip_prefix("; waits for pid 7 (running: ").and_then(|rest| rest.strip_suffix(')')).unwrap();
        assert_eq!((head.chars().count(), head.ends_with('…')), (QUERY_HEAD, true));
    }

    #[test]
    fn what_may_not_be_seen_is_left_out() {
        let blocker = |pid: i64| {
            format!(r#"{{"pid": {pid}, "role": "app", "application": null, "kind": null, "state": null, "open_for": null, "query": null}}"#)
        };
        let blockers: Vec<String> = [0, 1, 2, 3, 4].map(blocker).into();
        let answer = format!(r#"{{"progress": {{"phase": null, "blocks_total": null}}, "blockers": [{}]}}"#, blockers.join(","));
        assert_eq!(words(&answer), "; waits for a prepared transaction (see pg_prepared_xacts), pid 1 (role app), pid 2 (role app) and 2 more");
        assert_eq!(words(r#"{"progress": null, "blockers": []}"#), "");
        assert!(Sight::read("{}").is_err());
    }

    #[test]
    fn ages_are_told_in_round_units() {
        assert_eq!([-1, 119, 120, 7_199, 7_200, 259_200].map(age), ["0 s", "119 s", "2 min", "119 min", "2 h", "72 h"]);
    }

    /// As in the other questions: the search path of the role decides about every other name.
    #[test]
    fn the_question_qualifies_what_it_calls() {
        for (at, _) in QUESTION.match_indices('(') {
            let before = QUESTION[..at].trim_end_matches('"');
            let name: String = before.chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"')).collect();
            let name: String = name.chars().rev().collect();
            assert!(
                name.is_empty() || name.starts_with("pg_catalog.") || ["OPERATOR", "COALESCE", "l", "k", "watched"].contains(&&*name),
                "{name} is not qualified"
            );
        }
        let outside = QUESTION.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n").replace("OPERATOR(pg_catalog.", "");
        for operator in [" = ", " <> ", " - ", " < ", " > ", " IN ", "NULLIF", "BETWEEN", " USING "] {
            assert!(!outside.contains(operator), "{operator} is looked up by its name");
        }
    }
}
