//! From the entries of the log to what is told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::bursts::Bursts;
use super::event::{AfterCommitFailed, ApprovalWanted, Event, Notification, Refused, Who};
use super::run::who;
use super::runs::Runs;
use crate::audit::approval::{RecordedApproval, short};
use crate::audit::event::{DeferredStep, Event as Logged};
use crate::audit::record::{DecisionId, Record, RecordedFinding};
use crate::deferred::promise::Pending;

/// What one process tells.
#[derive(Debug, Default)]
pub struct Teller {
    runs: Runs,
    bursts: Bursts,
    /// When it was told last that somebody wants an approval, by its fingerprint.
    wanted: HashMap<String, Instant>,
    /// Where the dashboard is, if anywhere.
    dashboard: Option<String>,
}

/// A migration that is run again and again wants the same approval each time.
const WANTED_AGAIN: Duration = Duration::from_secs(600);
/// So many approvals that are wanted are remembered; of more, each is told.
const WANTED: usize = 1_000;

/// What the log does not say itself.
#[derive(Debug, Default)]
pub struct Beside {
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
    /// Of nothing yet; what it tells leads to the dashboard there.
    #[must_use]
    pub fn of(dashboard: Option<String>) -> Self {
        Self { dashboard, ..Self::default() }
    }

    /// From now on it leads there.
    pub fn lead_to(&mut self, dashboard: Option<String>) {
        self.dashboard = dashboard;
    }

    /// The next entry of the log, and what is to be told because of it.
    pub fn read(&mut self, id: DecisionId, at_unix_micros: i64, entry: &Logged, beside: Beside, now: Instant) -> Vec<Notification> {
        let mut told = self.runs.read(id, at_unix_micros, entry, now);
        if let Logged::Decision(record) = entry
            && let Some(approval) = record.approval.as_ref().filter(|approval| approval.used.is_none())
            && self.is_news(&approval.fingerprint, now)
        {
            let event = Event::ApprovalWanted(approval_wanted(record, approval, self.dashboard.as_deref()));
            told.push(Notification { id: format!("{id}:approval_wanted"), at_unix_micros, event });
        }
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

    /// That this approval is wanted was not told a while ago.
    fn is_news(&mut self, fingerprint: &str, now: Instant) -> bool {
        self.wanted.retain(|_, told| now.saturating_duration_since(*told) < WANTED_AGAIN);
        if self.wanted.contains_key(fingerprint) {
            return false;
        }
        if self.wanted.len() < WANTED {
            self.wanted.insert(fingerprint.to_owned(), now);
        }
        true
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

fn approval_wanted(record: &Record, approval: &RecordedApproval, dashboard: Option<&str>) -> ApprovalWanted {
    let lifted = |finding: &&RecordedFinding| finding.verdict == "enforced" && approval.rules.contains(&finding.rule);
    let findings: Vec<&RecordedFinding> = record.findings.iter().filter(lifted).collect();
    let shown = short(&approval.fingerprint).to_owned();
    let page = dashboard.map(|url| format!("{url}/approvals/{shown}"));
    let persons = if approval.people > 1 { format!(" ({} persons)", approval.people) } else { String::new() };
    ApprovalWanted {
        rules: approval.rules.clone(),
        table: findings.iter().find_map(|finding| finding.relation.clone()),
        message: findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; "),
        who: who(record),
        sql: record.sql.clone(),
        approve: format!("{}pgairlock approve {shown} --reason …{persons}", page.as_ref().map(|page| format!("{page} or ")).unwrap_or_default()),
        page,
        waits: record.decision == "await",
        request: shown,
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
