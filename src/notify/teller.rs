//! From the entries of the log to what is told.

use std::time::Instant;

use super::bursts::Bursts;
use super::event::{AfterCommitFailed, Event, Notification, Refused, Who};
use super::run::who;
use super::runs::Runs;
use crate::audit::event::{DeferredStep, Event as Logged};
use crate::audit::record::{DecisionId, Record, RecordedFinding};
use crate::deferred::promise::Pending;

/// What one process tells.
#[derive(Debug, Default)]
pub struct Teller {
    runs: Runs,
    bursts: Bursts,
}

/// What the log does not say itself.
#[derive(Debug, Default)]
pub struct Beside {
    /// The tool that the session of the entry is of, as far as it has shown itself.
    pub tool: Option<String>,
    /// The promise that the entry is about, where it is not settled.
    pub pending: Option<Pending>,
}

/// The promise that failed, where an entry says so.
#[must_use]
pub fn failed_promise(entry: &Logged) -> Option<i64> {
    match entry {
        Logged::Deferred(step) if step.progress == "failed" => Some(step.promise),
        _ => None,
    }
}

impl Teller {
    /// The next entry of the log, and what is to be told because of it.
    pub fn read(&mut self, id: DecisionId, at_unix_micros: i64, entry: &Logged, beside: Beside, now: Instant) -> Vec<Notification> {
        let mut told = self.runs.read(id, at_unix_micros, entry, beside.tool, now);
        match entry {
            Logged::Decision(record) if record.decision == "refuse" => {
                told.extend(self.bursts.add(at_unix_micros, refused(id, record), now));
            }
            Logged::Deferred(step) if step.progress == "failed" => {
                let event = Event::AfterCommitFailed(after_commit_failed(step, beside.pending.as_ref()));
                told.push(Notification { id: format!("{id}:after_commit_failed"), at_unix_micros, event });
            }
            _ => {}
        }
        told
    }

    /// What time alone brings about.
    pub fn due(&mut self, now: Instant) -> Vec<Notification> {
        let mut told = self.runs.due(now);
        told.extend(self.bursts.due(now));
        told
    }

    /// When [`Self::due`] has something to say at the earliest.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.runs.next().into_iter().chain(self.bursts.next()).min()
    }

    /// Everything that is not told yet: the process ends.
    pub fn end(&mut self) -> Vec<Notification> {
        let mut told = self.bursts.end();
        told.extend(self.runs.end());
        told
    }
}

fn refused(id: DecisionId, record: &Record) -> Refused {
    let enforced: Vec<&RecordedFinding> = record.findings.iter().filter(|finding| finding.verdict == "enforced").collect();
    let mut rules: Vec<String> = Vec::new();
    for finding in &enforced {
        if !rules.contains(&finding.rule) {
            rules.push(finding.rule.clone());
        }
    }
    let table = enforced.iter().find_map(|finding| finding.relation.clone());
    let message = enforced.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ");
    let way_through = way_through(id, &rules, table.as_deref());
    Refused {
        decision: id.to_string(),
        rules,
        table,
        message: if message.is_empty() { "it could not be judged; the client was told why".into() } else { message },
        who: who(record),
        sql: record.sql.clone(),
        way_through,
        repeated: 0,
        within_seconds: 0,
    }
}

/// The tool's own output has the statement to write instead; here is who it may concern to let it through.
fn way_through(id: DecisionId, rules: &[String], table: Option<&str>) -> String {
    let details = format!("details: pgairlock audit show {id}");
    let Some(first) = rules.first() else { return details };
    let list = rules.iter().map(|rule| format!("\"{rule}\"")).collect::<Vec<_>>().join(", ");
    let table = table.map(|table| format!("table = \"{}\", ", table.replace('"', ""))).unwrap_or_default();
    format!(
        "what to write instead: pgairlock explain {first}; to let it through, in pgairlock's configuration: [[exempt]] with {table}rules = [{list}], \
         reason = \"…\"; {details}"
    )
}

fn after_commit_failed(step: &DeferredStep, pending: Option<&Pending>) -> AfterCommitFailed {
    let rest: Vec<String> = pending.map(|pending| pending.to_do().into_iter().map(|(_, sql)| sql).collect()).unwrap_or_default();
    let first = pending.and_then(|pending| pending.rest().first());
    let promise = pending.map(|pending| &pending.promise);
    let retried = pending.is_some_and(Pending::may_be_retried);
    let number = step.promise;
    let begins = if retried {
        "The migration is committed; do not run it again. The next session of this role in this database tries the rest once more; or do it now"
    } else {
        "The migration is committed; do not run it again. Mend what the error names, then do the rest"
    };
    AfterCommitFailed {
        promise: number,
        rule: first.map(|deferred| deferred.rule.clone()),
        table: first.map(|deferred| deferred.table.to_string()),
        operation: rest,
        sqlstate: step.sqlstate.clone().unwrap_or_default(),
        error: step.message.clone().unwrap_or_default(),
        who: Who {
            database: promise.map(|promise| promise.place.database.clone()).unwrap_or_default(),
            role: promise.map(|promise| promise.role.clone()).unwrap_or_default(),
            application_name: None,
            client: None,
            session: Some(step.session.clone()).filter(|session| !session.is_empty()),
        },
        what_to_do: format!("{begins}: pgairlock deferred run {number} --database-url …; or give it up: pgairlock deferred drop {number} --reason …"),
    }
}

#[cfg(test)]
#[path = "teller_tests.rs"]
mod tests;
