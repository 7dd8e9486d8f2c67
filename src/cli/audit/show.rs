//! `pgairlock audit show`: one decision, as a reviewer reads it.

use std::fmt::Write as _;

use crate::audit::event::{Attribution, Committing, DeferredStep, Event, LockHeld, Settled, Transaction};
use crate::audit::line::Whole;
use crate::audit::listed::Story;
use crate::audit::record::{Outcome, Record, RecordedFact, RecordedFinding};
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
            Event::Outcome(ended) => outcome(&ended.outcome, *at, &mut out),
            Event::Attribution(attribution) => attributed(attribution, *at, &mut out),
            Event::Committing(committing) => announced(committing, *at, &mut out),
            Event::Deferred(step) => deferred(step, *at, &mut out),
            Event::Transaction(transaction) => ended(transaction, *at, &mut out),
            Event::Settled(settled) => settle(settled, *at, &mut out),
            Event::Started(_) | Event::Session(_) | Event::Retention(_) | Event::Unknown => {}
        }
    }
    if !story.events.iter().any(|(_, _, event)| matches!(event, Event::Attribution(_))) {
        out += "\nmigration: unknown (no tool has written a version for it)\n";
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
    record.findings.iter().for_each(|found| finding(found, out));
    if !record.facts.is_empty() {
        let _ = writeln!(out, "\nknown of it then (server_version_num {}):", record.server_version);
        record.facts.iter().for_each(|known| fact(known, out));
    }
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

fn outcome(outcome: &Outcome, at: i64, out: &mut String) {
    let what = match (&outcome.tag, &outcome.sqlstate) {
        (_, Some(sqlstate)) => format!("error {sqlstate}"),
        (Some(tag), None) => tag.clone(),
        (None, None) => "done".into(),
    };
    let _ = writeln!(out, "\n{} outcome: {}, {} after the decision", utc_micros(at), one_line(&what), micros(outcome.duration_micros));
    if !outcome.locks_seen.is_empty() {
        field(out, "locks seen", &outcome.locks_seen.join(", "));
    }
}

fn attributed(attribution: &Attribution, at: i64, out: &mut String) {
    let migration = &attribution.migration;
    let name = migration.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let direction = migration.direction.label();
    let line = format!("{} {}{name}, direction {direction} (it wrote that to {})", migration.tool, migration.version, migration.table);
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
}
