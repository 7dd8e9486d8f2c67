//! Statements and locks of a migration over time, as a drawing.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts;
use crate::audit::event::{DeferredStep, Event};
use crate::audit::listed::{Listed, Migrated, Standing};
use crate::audit::record::{LockSeen, Record, RecordedFinding};

/// Something that lasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// What it is called.
    pub(super) name: String,
    /// In microseconds since 1970.
    pub(super) from: i64,
    pub(super) to: i64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ran,
    Failed,
    /// `pg_locks` had it.
    Held,
    /// Seen from outside while the statement ran.
    Seen,
    /// The rule says so; nobody has looked.
    Said,
    /// Work behind a COMMIT.
    After,
}

impl Span {
    pub(super) fn is_lock(&self) -> bool {
        !matches!(self.kind, Kind::Ran | Kind::Failed | Kind::After)
    }

    pub(super) fn known_from(&self) -> &'static str {
        match self.kind {
            Kind::Held => "pg_locks, before the COMMIT",
            Kind::Seen => "pg_locks, while it ran",
            Kind::Said => "the rule; it was not measured",
            Kind::Ran | Kind::Failed | Kind::After => "the log",
        }
    }

    fn look(&self) -> &'static str {
        match self.kind {
            Kind::Ran => "ran",
            Kind::Failed => "failed",
            Kind::Held | Kind::Seen => "held",
            Kind::Said => "said",
            Kind::After => "after",
        }
    }
}

/// Statements in order, each with the locks that came with it.
pub(super) fn spans(migrated: &Migrated) -> Vec<Span> {
    let transactions = transactions(migrated);
    let mut spans = Vec::new();
    for (place, (listed, event)) in migrated.decisions.iter().enumerate() {
        let Event::Decision(record) = event else { continue };
        let (from, to) = (listed.at_unix_micros, end_of(listed));
        let kind = if matches!(listed.standing, Standing::Failed { .. }) { Kind::Failed } else { Kind::Ran };
        spans.push(Span { name: format!("{}. {}", place + 1, head(&listed.head)), from, to, kind });
        let transaction = transactions.get(&(listed.session.as_str(), listed.transaction)).filter(|_| record.in_transaction);
        match transaction {
            Some(transaction) => spans.extend(transaction.taken_by(record, from)),
            None => spans.extend(alone(migrated, listed, record, (from, to))),
        }
    }
    spans.extend(after_commit(migrated));
    spans
}

/// The operations that were left for after a COMMIT, each from the end of the one before. Promises have their numbers in the order of their COMMITs.
fn after_commit(migrated: &Migrated) -> Vec<Span> {
    let promised = migrated.events.iter().filter_map(|(_, at, event)| match event {
        Event::Committing(committing) if !committing.xid.is_empty() && !committing.operations.is_empty() => Some((*at, committing)),
        _ => None,
    });
    let mut numbers: Vec<i64> =
        steps(migrated).filter(|(_, step)| step.progress == "done" || step.progress == "failed").map(|(_, step)| step.promise).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut spans = Vec::new();
    for ((mut from, committing), number) in promised.zip(numbers) {
        let ended = steps(migrated).filter(|(_, step)| step.promise == number && matches!(step.progress.as_str(), "done" | "failed"));
        for (to, step) in ended {
            // One that is done is counted; one that has failed is named, from 0.
            let place =
                step.operation.map(|number| if step.progress == "done" { number - 1 } else { number }).and_then(|place| usize::try_from(place).ok());
            let Some(operation) = place.and_then(|place| committing.operations.get(place)) else { continue };
            let name = format!("after COMMIT: {}", head(&operation.sql.join("; ")));
            spans.push(Span { name, from, to: to.max(from), kind: if step.progress == "done" { Kind::After } else { Kind::Failed } });
            from = to;
        }
    }
    spans
}

fn steps(migrated: &Migrated) -> impl Iterator<Item = (i64, &DeferredStep)> {
    migrated.events.iter().filter_map(|(_, at, event)| if let Event::Deferred(step) = event { Some((*at, step)) } else { None })
}

/// What is known of a transaction.
struct Transaction<'a> {
    /// Its locks, each with the first statement that is about its relation, or the first of all.
    locks: BTreeMap<String, (i64, &'a str)>,
    measured: bool,
    end: i64,
}

impl Transaction<'_> {
    fn taken_by(&self, record: &Record, at: i64) -> Vec<Span> {
        let until = |from: i64| self.end.max(from);
        if self.measured {
            let taken = self.locks.iter().filter(|(_, (from, _))| *from == at);
            return taken
                .map(|(relation, (from, mode))| Span { name: format!("{mode} on {relation}"), from: *from, to: until(*from), kind: Kind::Held })
                .collect();
        }
        said(record, (at, until(at)))
    }
}

fn transactions(migrated: &Migrated) -> BTreeMap<(&str, i64), Transaction<'_>> {
    let mut known: BTreeMap<(&str, i64), Transaction<'_>> = BTreeMap::new();
    let of = |session: &str, number: i64| -> Vec<(&Listed, &Event)> {
        let own = migrated.decisions.iter().filter(|(listed, _)| listed.session == session && listed.transaction == number);
        own.map(|(listed, event)| (listed, event)).collect()
    };
    for (listed, _) in &migrated.decisions {
        let key = (listed.session.as_str(), listed.transaction);
        let transaction = known.entry(key).or_insert_with(|| Transaction { locks: BTreeMap::new(), measured: false, end: i64::MIN });
        transaction.end = transaction.end.max(end_of(listed));
    }
    for (_, at, event) in &migrated.events {
        match event {
            Event::Committing(committing) if !committing.xid.is_empty() => {
                let Some(transaction) = known.get_mut(&(committing.session.as_str(), committing.transaction)) else { continue };
                transaction.end = transaction.end.max(*at);
                let own = of(&committing.session, committing.transaction);
                let first = own.iter().map(|(listed, _)| listed.at_unix_micros).min().unwrap_or(*at);
                for lock in committing.trail.locks.iter().flatten() {
                    let about = |event: &Event| matches!(event, Event::Decision(record) if names(record, &lock.relation));
                    let taken = own.iter().filter(|(_, event)| about(event)).map(|(listed, _)| listed.at_unix_micros).min();
                    transaction.locks.insert(lock.relation.clone(), (taken.unwrap_or(first), lock.mode.as_str()));
                }
                transaction.measured |= committing.trail.locks.is_some();
            }
            Event::Transaction(ended) => {
                if let Some(transaction) = known.get_mut(&(ended.session.as_str(), ended.transaction)) {
                    transaction.end = transaction.end.max(*at);
                }
            }
            _ => {}
        }
    }
    known
}

/// A statement by itself: what was seen of it, else what its rules say, for as long as it ran.
fn alone(migrated: &Migrated, listed: &Listed, record: &Record, (from, to): (i64, i64)) -> Vec<Span> {
    let outcome = migrated.events.iter().find_map(|(_, _, event)| match event {
        Event::Outcome(ended) if ended.decision == listed.id => Some(&ended.outcome),
        _ => None,
    });
    match outcome.map(|outcome| &outcome.locks_seen).filter(|seen| !seen.is_empty()) {
        Some(seen) => seen.iter().map(|lock| seen_of(lock, from)).collect(),
        None if record.decision == "pass" => said(record, (from, to)),
        // Its safe form took another one.
        None => Vec::new(),
    }
}

/// From the look that first showed it to the last one.
fn seen_of(lock: &LockSeen, decided: i64) -> Span {
    let at = |micros: i64| decided.saturating_add(micros);
    Span { name: format!("{} on {}", lock.mode, lock.relation), from: at(lock.first_micros), to: at(lock.last_micros), kind: Kind::Seen }
}

fn said(record: &Record, (from, to): (i64, i64)) -> Vec<Span> {
    if !record.steps.is_empty() || record.decision == "refuse" {
        return Vec::new();
    }
    let lock = |finding: &RecordedFinding| {
        let (mode, relation) = (finding.lock.as_ref()?, finding.relation.as_ref()?);
        Some(Span { name: format!("{mode} on {relation}"), from, to, kind: Kind::Said })
    };
    record.findings.iter().filter_map(lock).collect()
}

fn names(record: &Record, relation: &str) -> bool {
    let found = record.findings.iter().any(|finding| finding.relation.as_deref() == Some(relation));
    let known = record.facts.iter().any(|fact| fact.relation == relation);
    let last = relation.rsplit('.').next().unwrap_or(relation).trim_matches('"');
    found || known || record.sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == last)
}

fn end_of(listed: &Listed) -> i64 {
    listed.at_unix_micros.saturating_add(listed.duration_micros.unwrap_or_default())
}

fn head(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 46 { line } else { line.chars().take(45).chain(['…']).collect() }
}

/// The width of names, and of all.
const NAMES: i64 = 370;
const WIDTH: i64 = 1_000;
const ROW: i64 = 22;
/// More rows are in the table only.
const MOST: usize = 120;

/// All of them on one line of time.
pub(super) fn drawing(spans: &[Span]) -> Markup {
    let begin = spans.iter().map(|span| span.from).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.to).max().unwrap_or_default().max(begin + 1);
    let whole = end - begin;
    let at = |time: i64| NAMES + i64::try_from(i128::from(time - begin) * i128::from(WIDTH - NAMES - 10) / i128::from(whole)).unwrap_or_default();
    let rows = i64::try_from(spans.len().min(MOST)).unwrap_or_default();
    let height = (rows + 1) * ROW + 8;
    html! {
        div.drawing tabindex="0" role="region" aria-label="Drawing of statements and locks" {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-labelledby="drawing-title" {
                title id="drawing-title" { "When each statement ran, and until when its locks were held; the table below says the same of the locks" }
                @for (place, span) in spans.iter().take(MOST).enumerate() {
                    @let y = i64::try_from(place).unwrap_or_default() * ROW + 4;
                    text x="4" y=(y + 14) class=(if span.is_lock() { "soft" } else { "" }) { (head(&span.name)) }
                    rect x=(at(span.from)) y=(y + 3) width=((at(span.to) - at(span.from)).max(3)) height="13" class=(span.look()) {
                        title { (span.name) ": " (parts::duration(span.to - span.from)) }
                    }
                }
                line.axis x1=(NAMES) y1=(rows * ROW + 6) x2=(WIDTH - 10) y2=(rows * ROW + 6) {}
                text.soft x=(NAMES) y=(rows * ROW + 21) { "0" }
                text.soft x=(WIDTH - 10) y=(rows * ROW + 21) text-anchor="end" { (parts::duration(whole)) }
            }
        }
        p.small.soft { "Blue: what ran. Orange: locks that were really held, from the statement that took them to the end of its transaction. Green: work behind the COMMIT. Dashed: a lock that the rule names and nobody has measured." }
        @if spans.len() > MOST { p.soft { "The first " (MOST) " rows are drawn." } }
    }
}
