//! What a recorded statement does while it runs: how long it runs itself, and, outside of transactions, which strong locks the monitor sees it hold and
//! whether tables have another file behind it. Whatever came of it goes into its outcome, wherever that is written.
//!
//! Nothing waits for a look. What files there are is asked when the client has its answer and nothing else is under way; the client's next frames wait
//! for that one question, and an outcome whose question cannot be asked, or fails, goes without.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::audit::comparison::{self, Said};
use crate::audit::record::{DecisionId, LockSeen, Outcome, Record, RecordedFact, Rewritten};
use crate::sql::statement::{AlterAction, Parsed, Statement};

use super::completion::Decided;
use super::effects::{Effects, Observed, Watch};
use super::own::{Ending, OwnExchange};
use super::server::micros;
use super::sight::Sight;
use super::work::{Subject, Work};
use super::{Session, Status};

/// Between two looks: as often as at a client that waits.
const CADENCE: Duration = Duration::from_secs(1);
/// So many locks of one statement are kept.
const MOST_LOCKS: usize = 100;

/// Parameter: numbers of relations, a JSON array. The files that they have now, one row of JSON. It opens none of them, so it waits for no lock.
const FILES: &str = "SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('oid', c.oid::pg_catalog.int8, \
     'file', c.relfilenode::pg_catalog.int8)), '[]'::pg_catalog.json)::pg_catalog.text \
     FROM pg_catalog.json_array_elements_text($1::pg_catalog.json) AS w (oid), pg_catalog.pg_class AS c \
     WHERE c.oid OPERATOR(pg_catalog.=) w.oid::pg_catalog.oid";

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Measured {
    /// Not before its decision is on disk.
    decided: Option<Decided>,
    /// As [`Record::transaction`].
    transaction: i64,
    said: Option<Said>,
    /// It shares its transaction with nothing: what it holds is told at no COMMIT.
    outside: bool,
    /// Tables that it may write anew, with the files that they had.
    before: Vec<RecordedFact>,
    /// The statement that runs now, in its place or as it came.
    running: Option<Instant>,
    ran: Option<Duration>,
    last_look: Option<Instant>,
    /// One is on its way.
    looking: bool,
    looks: u32,
    locks: Vec<LockSeen>,
}

/// An outcome that waits for what files there are.
#[derive(Debug)]
pub(super) struct Unwritten {
    id: DecisionId,
    outcome: Outcome,
    before: Vec<RecordedFact>,
}

#[derive(Deserialize)]
struct File {
    oid: u32,
    file: u32,
}

impl Measured {
    fn of(record: &Record, subject: &Subject) -> Self {
        let may_rewrite = subject.script.statements.iter().any(may_write_anew);
        let has_file = |fact: &&RecordedFact| may_rewrite && fact.file.is_some_and(|file| file > 0);
        Self {
            decided: None,
            transaction: record.transaction,
            said: comparison::said(record),
            outside: !record.in_transaction,
            before: record.facts.iter().filter(has_file).cloned().collect(),
            running: None,
            ran: None,
            last_look: None,
            looking: false,
            looks: 0,
            locks: Vec::new(),
        }
    }

    fn saw(&mut self, sight: &Sight, now: Instant) {
        let Some(decided) = self.decided else { return };
        let at = micros(now, decided.at);
        self.looks += 1;
        for (relation, mode) in sight.locks() {
            if let Some(lock) = self.locks.iter_mut().find(|lock| lock.relation == relation && lock.mode == mode) {
                lock.last_micros = at;
                lock.looks += 1;
            } else if self.locks.len() < MOST_LOCKS {
                self.locks.push(LockSeen { relation, mode: mode.to_owned(), first_micros: at, last_micros: at, looks: 1 });
            }
        }
    }
}

/// Of what else is written anew (indexes) nobody is asked; what only reads, or changes the catalog, is no question.
fn may_write_anew(parsed: &Parsed) -> bool {
    match &parsed.statement {
        Statement::AlterTable(alter) => alter.commands.iter().any(|command| match &command.action {
            AlterAction::AddColumn(_)
            | AlterAction::AlterType(_)
            | AlterAction::Store(_)
            | AlterAction::SetExpression(_)
            | AlterAction::Unjudged(_) => true,
            AlterAction::AddConstraint(_)
            | AlterAction::ValidateConstraint(_)
            | AlterAction::DropConstraint { .. }
            | AlterAction::DropColumn { .. }
            | AlterAction::SetNotNull(_)
            | AlterAction::AttachPartition { .. }
            | AlterAction::DetachPartition(_)
            | AlterAction::Inherit(_)
            | AlterAction::DropNotNull(_)
            | AlterAction::DropDefault(_)
            | AlterAction::Brief(_) => false,
        }),
        Statement::Unjudged { what, .. } => what.starts_with("VACUUM") || what.starts_with("CLUSTER") || what.starts_with("REFRESH"),
        _ => false,
    }
}

impl Session {
    /// A decision is about to be recorded. What the one before still waits for is not asked any more.
    pub(super) fn prepare_to_measure(&mut self, record: &Record, subject: &Subject, out: &mut Effects) {
        self.write_without_files(out);
        self.measured = Some(Measured::of(record, subject));
    }

    /// It is on disk.
    pub(super) fn begin_to_measure(&mut self, decided: Decided) {
        if let Some(measured) = &mut self.measured {
            (measured.decided, measured.last_look) = (Some(decided), Some(decided.at));
        }
    }

    /// Of its record, whatever the server has said since.
    pub(super) fn recorded_transaction(&self) -> i64 {
        self.measured.as_ref().map_or_else(|| self.chronicle.number(), |measured| measured.transaction)
    }

    /// The statement itself, or a step in its place, is sent now.
    pub(super) fn step_begins(&mut self, now: Instant) {
        if let Some(measured) = &mut self.measured {
            measured.running = Some(now);
        }
    }

    /// It has ended. One that failed for want of a lock has done nothing.
    pub(super) fn step_ends(&mut self, succeeded: bool, now: Instant) {
        let Some(measured) = &mut self.measured else { return };
        if let Some(begun) = measured.running.take().filter(|_| succeeded) {
            *measured.ran.get_or_insert_default() += now.saturating_duration_since(begun);
        }
    }

    /// A recorded statement runs outside of transactions, and somebody may look at it.
    pub(super) fn is_measured(&self) -> bool {
        self.measured.as_ref().is_some_and(|measured| measured.outside && measured.decided.is_some()) && self.watched().is_some()
    }

    /// When the next look is due; not while one is on its way.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let measured = self.measured.as_ref().filter(|measured| !measured.looking && self.is_measured())?;
        Some(measured.last_look? + CADENCE)
    }

    /// Looks where nobody else is about to.
    pub(super) fn look_at_locks(&mut self, now: Instant, out: &mut Effects) {
        if out.watch.is_none() && self.next_look().is_some_and(|due| now >= due) {
            out.watch = self.watched().map(|pid| Watch { pid, beside: Vec::new() });
        }
    }

    /// A look has begun, whoever wanted it: the one before it is given up.
    pub(super) fn note_look(&mut self, now: Instant, out: &Effects) {
        if let (Some(measured), true) = (&mut self.measured, out.watch.is_some()) {
            (measured.looking, measured.last_look) = (true, Some(now));
        }
    }

    /// The monitor has looked; `None` where it could not.
    pub(super) fn saw_locks(&mut self, sight: Option<&Sight>, now: Instant) {
        let Some(measured) = &mut self.measured else { return };
        measured.looking = false;
        if let Some(sight) = sight.filter(|_| measured.outside) {
            measured.saw(sight, now);
        }
    }

    /// Puts what was measured into the outcome of its decision.
    pub(super) fn tell_measured(&mut self, out: &mut Effects) {
        let of = self.measured.as_ref().and_then(|measured| measured.decided).map(|decided| decided.id);
        let Some(place) = out.outcomes.iter().position(|(id, _)| Some(*id) == of) else { return };
        let (Some(measured), Some((id, outcome))) = (self.measured.take(), out.outcomes.get_mut(place)) else { return };
        outcome.ran_micros = measured.ran.map(|ran| i64::try_from(ran.as_micros()).unwrap_or(i64::MAX));
        (outcome.looks, outcome.locks_seen) = (measured.looks, measured.locks);
        if let (Some(said), true) = (measured.said, outcome.tag.is_some()) {
            let compared = comparison::compare(said, outcome.duration_micros, outcome.ran_micros);
            out.observed.push(Observed::Estimate { of: said.of, ratio: compared.ratio });
        }
        let asks = measured.outside && outcome.tag.is_some() && !measured.before.is_empty() && !self.closed;
        if asks {
            let id = *id;
            let (_, outcome) = out.outcomes.remove(place);
            self.unwritten = Some(Box::new(Unwritten { id, outcome, before: measured.before }));
        }
    }

    /// Its answer was lost, since the server skipped it: there is nothing to look at any more.
    pub(super) fn stop_measuring(&mut self) {
        let over = self.work.is_open() && self.split.is_none() && self.replies.is_empty() && self.own.is_none();
        if over && self.measured.as_ref().is_some_and(|measured| measured.decided.is_some()) {
            self.measured = None;
        }
    }

    /// Asks what files there are, where the client has its answer and nothing else is under way.
    pub(super) fn ask_for_files(&mut self, out: &mut Effects) {
        let Some(unwritten) = self.unwritten.as_ref().filter(|_| !self.closed) else { return };
        let quiet = self.work.is_open() && self.split.is_none() && self.own.is_none() && !self.batch.open && !self.copying_in;
        if !quiet || self.status != Status::Idle || !self.replies.is_empty() {
            return;
        }
        let oids: Vec<String> = unwritten.before.iter().map(|fact| fact.oid.to_string()).collect();
        self.run_own(FILES, &[serde_json::Value::from(oids).to_string()], Ending::Sync, out);
        self.work = Work::Measuring;
    }

    /// The server has said what files there are, or has not.
    pub(super) fn files_answered(&mut self, exchange: OwnExchange, out: &mut Effects) {
        let files = exchange.into_answered().ok().flatten().and_then(|text| serde_json::from_str::<Vec<File>>(&text).ok()).unwrap_or_default();
        if let Some(unwritten) = &mut self.unwritten {
            let now = |fact: &RecordedFact| files.iter().find(|file| file.oid == fact.oid).map(|file| file.file);
            let rewritten = |fact: &RecordedFact| Some(Rewritten { relation: fact.relation.clone(), anew: Some(now(fact)?) != fact.file });
            unwritten.outcome.rewritten = unwritten.before.iter().filter_map(rewritten).collect();
        }
        self.write_without_files(out);
    }

    /// What waits for an answer goes as it is.
    pub(super) fn write_without_files(&mut self, out: &mut Effects) {
        if let Some(unwritten) = self.unwritten.take() {
            out.outcomes.push((unwritten.id, unwritten.outcome));
        }
    }
}
