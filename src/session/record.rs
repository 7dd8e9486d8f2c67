//! What the audit log says about a decision.

use std::time::Duration;

use crate::audit::record::{Record, RecordedEstimate, RecordedFinding};
use crate::audit::settling::Mark;
use crate::catalog::estimate::Estimate;
use crate::catalog::former::Formerly;
use crate::policy::decide::Outcome;
use crate::policy::plan::{Certainty, Judged, Plan, Verdict};
use crate::sql::former::{Aspect, Known, Was};
use crate::sql::name::Literal;
use crate::sql::redact::{Literals, redact, redact_words};
use crate::sql::rewrite;
use crate::sql::trace::Trace;

use super::Session;
use super::work::Subject;

impl Session {
    /// The record of a decision; its time is stamped where there is a clock.
    pub(super) fn record(&mut self, subject: &Subject, outcome: &Outcome) -> Record {
        let (facts, former) = self.chronicle.take_facts();
        let traces = self.chronicle.take_traces();
        let principal = &self.identity.principal;
        let (text, literals) = (&subject.script.text, self.settings.literals);
        Record {
            session: self.identity.id.clone(),
            transaction: self.chronicle.number(),
            listener: self.identity.listener.clone(),
            client: self.identity.client.clone(),
            role: principal.role.clone(),
            database: principal.database.clone(),
            application_name: principal.application_name.clone(),
            sql: redact(text, literals),
            decision: label(outcome).to_owned(),
            findings: outcome.decision.findings.iter().map(|judged| finding(judged, text, literals)).collect(),
            steps: steps(&outcome.decision.plan, text, literals),
            in_transaction: subject.in_transaction,
            commit_is_announced: self.announces_commits(),
            facts,
            former: former.into_iter().map(|formerly| known(formerly, literals)).collect(),
            server_version: self.parameters.server_version,
            approval: self.recorded_approval(outcome),
            tls: self.identity.tls.clone(),
            tool_guess: self.versions.guessed().map(|guess| guess.tool.name().to_owned()),
            mark: traces.filter(|_| !subject.in_transaction && runs(outcome)).and_then(|traces| self.mark(traces)),
        }
    }

    /// By what it can be told what became of it; nothing where it is not known who runs it, and where.
    fn mark(&self, (next_xid, traces): (String, Vec<Trace>)) -> Option<Mark> {
        let (place, process) = (self.place.as_ref()?, self.process.as_ref()?);
        let (backend, backend_started) = (process.pid, process.started.clone());
        Some(Mark { system: place.system.clone(), backend, backend_started, next_xid, traces })
    }
}

/// The statement, or what is to have its effect, is sent; and by itself.
fn runs(outcome: &Outcome) -> bool {
    matches!(outcome.decision.plan, Plan::Pass | Plan::Edit(_) | Plan::Rewrite(_))
}

/// A value that is not to be written down is not half written down: the way back could not use it.
fn known(formerly: Formerly, literals: Literals) -> Known {
    let Formerly { statement, wanted, was } = formerly;
    let was = match (was, wanted.aspect) {
        (Was::Text(text), Aspect::Comment) => open(Literal(&text).to_string(), literals),
        (Was::Text(text), Aspect::Default | Aspect::Object) => open(text, literals),
        (was, _) => was,
    };
    Known { statement, aspect: wanted.aspect, part: wanted.part, was }
}

fn open(text: String, literals: Literals) -> Was {
    if redact(&text, literals) == text { Was::Text(text) } else { Was::Withheld }
}

fn label(outcome: &Outcome) -> &'static str {
    match (&outcome.decision.plan, &outcome.would) {
        (Plan::Refuse(_) | Plan::TakeBack(_), _) => "refuse",
        (Plan::Await(_), _) => "await",
        (Plan::Gate, _) => "gate",
        (Plan::Rewrite(_) | Plan::Edit(_) | Plan::Split | Plan::Enclose, _) => "rewrite",
        (Plan::Defer(_), _) => "defer",
        (Plan::Settle { .. }, _) => "settle",
        (Plan::Pass, Some(Plan::Defer(_))) => "would-defer",
        (Plan::Pass, Some(Plan::Rewrite(_) | Plan::Edit(_) | Plan::Split | Plan::Enclose)) => "would-rewrite",
        (Plan::Pass, Some(Plan::Gate)) => "would-gate",
        (Plan::Pass, Some(Plan::Await(_) | Plan::Refuse(_) | Plan::TakeBack(_))) => "would-refuse",
        (Plan::Pass, Some(Plan::Pass | Plan::Settle { .. }) | None) => "pass",
    }
}

fn steps(plan: &Plan, text: &str, literals: Literals) -> Vec<String> {
    match plan {
        Plan::Rewrite(form) | Plan::Defer(form) => form.steps().iter().map(|step| redact(&step.sql, literals)).collect(),
        Plan::Edit(edits) => vec![redact(&rewrite::apply(text, edits), literals)],
        Plan::Pass | Plan::Split | Plan::Enclose | Plan::Settle { .. } | Plan::Gate | Plan::Await(_) | Plan::TakeBack(_) | Plan::Refuse(_) => {
            Vec::new()
        }
    }
}

fn finding(judged: &Judged, text: &str, literals: Literals) -> RecordedFinding {
    let finding = &judged.finding;
    RecordedFinding {
        rule: finding.rule.0.to_owned(),
        relation: finding.relation.as_ref().map(ToString::to_string),
        verdict: match &judged.verdict {
            Verdict::Enforced => "enforced".to_owned(),
            Verdict::Warned => "warned".to_owned(),
            Verdict::Off => "off".to_owned(),
            Verdict::Exempted(reason) => format!("exempted: {reason}"),
            Verdict::Allowed(reason) => format!("allowed: {reason}"),
            Verdict::Approved(told) => format!("approved: {told}"),
        },
        certainty: match finding.certainty {
            Certainty::Proven => "proven",
            Certainty::Assumed => "assumed",
        }
        .to_owned(),
        lock: finding.lock.map(|lock| lock.to_string()),
        work: finding.work.to_string(),
        bytes: finding.bytes,
        estimate: finding.estimate.as_ref().map(estimate),
        message: redact_words(&finding.consequence, text, literals),
    }
}

fn estimate(estimate: &Estimate) -> RecordedEstimate {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    RecordedEstimate {
        millis: millis(estimate.takes.likely),
        at_most_millis: millis(estimate.takes.at_most),
        safe_millis: estimate.safe.map(|safe| millis(safe.likely)),
        safe_at_most_millis: estimate.safe.map(|safe| millis(safe.at_most)),
        rows: estimate.rows,
        disk_bytes: estimate.disk_bytes,
        calibrated: estimate.calibrated,
    }
}
