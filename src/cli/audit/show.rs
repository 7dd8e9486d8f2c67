//! `pgairlock audit show`: one decision, as a reviewer reads it.

use std::fmt::Write as _;

use crate::audit::approval::{Approval, RecordedApproval, UseEnded, short};
use crate::audit::comparison::{compare, said};
use crate::audit::event::{Attribution, Committing, DeferredStep, Event, LockHeld, Settled, Transaction};
use crate::audit::line::{Whole, guess};
use crate::audit::listed::Story;
use crate::audit::record::{LockSeen, Outcome, Record, RecordedFact, RecordedFinding};
use crate::audit::unseen::Unseen;
use crate::cli::deferred::{one_line, utc_micros};

/// For programs.
pub(super) fn json(story: &Story) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Whole::of(story)).map(|text| text + "\n")
}

/// For people.
pub(super) fn text(story: &Story) -> String {
    let listed = &story.listed;
    let mut out = format!("decision {}: {}, {}\n", listed.id, listed.decision, listed.standing.words());
    for (_, at, event) in &story.events {
        match event {
            Event::Decision(record) => decision(record, *at, story, &mut out),
            Event::Outcome(ended) => outcome(&ended.outcome, *at, story, &mut out),
            Event::Attribution(attribution) => attributed(attribution, *at, &mut out),
            Event::Committing(committing) => announced(committing, *at, &mut out),
            Event::Deferred(step) => deferred(step, *at, &mut out),
            Event::Transaction(transaction) => ended(transaction, *at, &mut out),
            Event::Settled(settled) => settle(settled, *at, &mut out),
            Event::Approval(approval) => approved(approval, *at, &mut out),
            Event::ApprovalUseEnded(ended) => approval_used(ended, *at, &mut out),
            Event::ApprovalUse(_) | Event::Revocation(_) => {}
            Event::Started(_) | Event::Session(_) | Event::Retention(_) | Event::Unknown => {}
        }
    }
    if !story.events.iter().any(|(_, _, event)| matches!(event, Event::Attribution(_))) {
        let guess = guess(listed).map(|tool| format!("; tool: {tool} (guessed)")).unwrap_or_default();
        let _ = writeln!(out, "\nmigration: unknown (no tool has written a version for it){guess}");
    }
    out
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:12} {}", one_line(value));
}

fn indented(out: &mut String, sql: &str) {
    for line in sql.lines() {
        let _ = writeln!(out, "    {}", one_line(line));
    }
}

fn decision(record: &Record, at: i64, story: &Story, out: &mut String) {
    field(out, "at", &utc_micros(at));
    field(out, "role", &record.role);
    field(out, "database", &record.database);
    field(out, "client", &record.client);
    field(out, "tls", record.tls.as_deref().unwrap_or("no certificate"));
    field(out, "application", record.application_name.as_deref().unwrap_or("(not named)"));
    field(out, "listener", &record.listener);
    let shares = if record.in_transaction { ", shared with other statements" } else { "" };
    field(out, "session", &format!("{}, transaction {}{shares}", record.session, story.listed.transaction));
    *out += "\nsent:\n";
    indented(out, &record.sql);
    if !record.steps.is_empty() {
        *out += "ran instead:\n";
        record.steps.iter().for_each(|step| indented(out, &format!("{step};")));
    }
    if let Some(approval) = &record.approval {
        wanted(approval, out);
    }
    record.findings.iter().for_each(|found| finding(found, out));
    if !record.facts.is_empty() {
        let _ = writeln!(out, "\nknown of it then (server_version_num {}):", record.server_version);
        record.facts.iter().for_each(|known| fact(known, out));
    }
    if !record.former.is_empty() {
        *out += "\nwhat was before it:\n";
        for known in &record.former {
            let _ = writeln!(out, "  {}", one_line(&known.to_string()));
        }
    }
}

fn wanted(approval: &RecordedApproval, out: &mut String) {
    let rules = approval.rules.join(", ");
    let told = match approval.given.as_slice() {
        [] => format!("may be approved by {} ({rules}): pgairlock approve {}", people(approval.people), short(&approval.fingerprint)),
        given => {
            let who: Vec<String> = given.iter().map(|given| format!("{} (entry {}): {}", given.by, given.id, given.reason)).collect();
            format!("{rules} lifted by {}", who.join("; and by "))
        }
    };
    field(out, "approval", &told);
}

fn people(people: i64) -> String {
    if people == 1 { "a person".into() } else { format!("{people} persons") }
}

fn approved(approval: &Approval, at: i64, out: &mut String) {
    let known = if approval.known_by == "command" { "by their own word" } else { &approval.known_by };
    let _ = writeln!(out, "\n{} approved by {} (known by: {known}): {}", utc_micros(at), one_line(&approval.by), one_line(&approval.reason));
    field(out, "good for", &format!("{} uses, until {}", approval.uses, utc_micros(approval.expires_unix_micros)));
}

fn approval_used(ended: &UseEnded, at: i64, out: &mut String) {
    let what = if ended.consumed { "is used" } else { "was not used: it is there for the next run" };
    let _ = writeln!(out, "\n{} the approval {what}", utc_micros(at));
}

fn finding(finding: &RecordedFinding, out: &mut String) {
    let _ = writeln!(out, "\nrule {} ({}, {})", finding.rule, one_line(&finding.verdict), finding.certainty);
    field(out, "", &finding.message);
    if let Some(relation) = &finding.relation {
        field(out, "relation", relation);
    }
    let lock = finding.lock.as_deref().unwrap_or("none");
    field(out, "predicted", &format!("lock {lock}, work {}", finding.work));
    if let Some(estimate) = &finding.estimate {
        let own = if estimate.calibrated { "at this server's measured speed" } else { "at a usual server's speed" };
        field(out, "estimate", &format!("{} to {} as written, {own}", millis(estimate.millis), millis(estimate.at_most_millis)));
    }
}

fn millis(millis: u64) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { format!("{}.{} s", millis / 1_000, millis % 1_000 / 100) }
}

fn micros(micros: i64) -> String {
    let micros = micros.max(0);
    if micros < 10_000 { format!("{}.{:03} ms", micros / 1_000, micros % 1_000) } else { millis(micros.unsigned_abs() / 1_000) }
}

fn fact(fact: &RecordedFact, out: &mut String) {
    let bytes = fact.bytes.map_or("size unknown".to_owned(), |bytes| format!("{bytes} bytes"));
    let rows = fact.rows.map(|rows| format!(", {rows} rows by the statistics")).unwrap_or_default();
    let _ = writeln!(out, "  {} (oid {}, kind {}): {bytes}{rows}", one_line(&fact.relation), fact.oid, fact.kind);
}

fn outcome(outcome: &Outcome, at: i64, story: &Story, out: &mut String) {
    let what = match (&outcome.tag, &outcome.sqlstate) {
        (_, Some(sqlstate)) => format!("error {sqlstate}"),
        (Some(tag), None) => tag.clone(),
        (None, None) => "done".into(),
    };
    let _ = writeln!(out, "\n{} outcome: {}, {} after the decision", utc_micros(at), one_line(&what), micros(outcome.duration_micros));
    if let Some(ran) = outcome.ran_micros {
        field(
            out,
            "ran",
            &format!("{} of that: the statement, or its steps, without pauses between tries and what was asked in between", micros(ran)),
        );
    }
    let Some(record) = story.record() else { return };
    if let Some(said) = said(record).filter(|_| outcome.tag.is_some()) {
        field(out, "estimate", &compare(said, outcome.duration_micros, outcome.ran_micros).words());
    }
    for table in &outcome.rewritten {
        let how = if table.anew { "was written anew: it has another file than before" } else { "has the same file as before" };
        field(out, "measured", &format!("{} {how}; scans are not measured outside of transactions", table.relation));
    }
    locks_seen(outcome, record, out);
}

/// What was seen, and of what was only predicted that it was not.
fn locks_seen(outcome: &Outcome, record: &Record, out: &mut String) {
    for lock in &outcome.locks_seen {
        let LockSeen { relation, mode, first_micros, last_micros, looks } = lock;
        let from_to = format!("from {} to {} after the decision", micros(*first_micros), micros(*last_micros));
        field(out, "lock seen", &format!("{mode} on {relation}, in {looks} of {} looks, {from_to}", outcome.looks));
    }
    let unseen = Unseen::of(record, outcome);
    for (mode, relation) in &unseen.locks {
        field(out, "lock", &format!("{mode} on {relation}: predicted, not seen ({})", unseen.looked()));
    }
    if unseen.steps {
        field(out, "lock", "those of the steps: predicted, not seen (nobody looked meanwhile)");
    }
}

fn attributed(attribution: &Attribution, at: i64, out: &mut String) {
    let migration = &attribution.migration;
    let name = migration.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let direction = migration.direction.label();
    let unfinished = if attribution.unfinished { ", unfinished" } else { "" };
    let line = format!("{} {}{name}, direction {direction}{unfinished} (it wrote that to {})", migration.tool, migration.version, migration.table);
    let _ = writeln!(out, "\n{} migration: {}", utc_micros(at), one_line(&line));
}

fn announced(committing: &Committing, at: i64, out: &mut String) {
    let what =
        if committing.xid.is_empty() { "its steps begin".to_owned() } else { format!("its COMMIT is sent, as transaction {}", committing.xid) };
    let _ = writeln!(out, "\n{} {what}", utc_micros(at));
    match &committing.trail.locks {
        None => {}
        Some(locks) if locks.is_empty() => field(out, "locks held", "none of SHARE or stronger"),
        Some(locks) => {
            field(out, "locks held", &format!("by the whole transaction, {} after its first decision:", micros(committing.trail.open_micros)));
            locks.iter().for_each(|lock| held(lock, out));
        }
    }
    for operation in &committing.operations {
        field(out, "afterwards", &format!("{} ({})", operation.sql.join("; "), operation.rule));
    }
}

fn held(lock: &LockHeld, out: &mut String) {
    let mut words = format!("{} on {}", lock.mode, lock.relation);
    if lock.new {
        words += ", which is new";
    }
    match lock.rewritten {
        Some(true) => words += ", written anew",
        Some(false) => words += ", not written anew",
        None => {}
    }
    if let (Some(scans), Some(rows)) = (lock.scans, lock.rows_read) {
        let _ = write!(words, ", read from end to end {scans} times, {rows} rows read");
    }
    field(out, "", &words);
}

fn deferred(step: &DeferredStep, at: i64, out: &mut String) {
    let who = if step.session.is_empty() { "a person" } else { &step.session };
    let operation = step.operation.map(|operation| format!(" {operation}")).unwrap_or_default();
    let why = match (&step.sqlstate, &step.message) {
        (Some(sqlstate), Some(message)) => format!(": {message} ({sqlstate})"),
        (_, Some(message)) => format!(": {message}"),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "{} after COMMIT, promise {}: {}{operation}{} (by {})",
        utc_micros(at),
        step.promise,
        step.progress,
        one_line(&why),
        one_line(who)
    );
}

fn ended(transaction: &Transaction, at: i64, out: &mut String) {
    let held = micros(transaction.duration_micros);
    let _ = writeln!(
        out,
        "\n{} its transaction: {}, {held} after its first decision: no lock of it was held longer",
        utc_micros(at),
        transaction.fate.label()
    );
}

fn settle(settled: &Settled, at: i64, out: &mut String) {
    let _ = writeln!(out, "\n{} looked up later by {}: {}", utc_micros(at), settled.by, settled.fate.label());
    if let Some(evidence) = &settled.evidence {
        field(out, "", evidence);
    }
}
