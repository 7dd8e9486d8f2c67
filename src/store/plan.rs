//! What is to be written, from what has happened. Pure: changes in, writes out.

use std::collections::BTreeSet;

use super::backend::{Dialect, Value, Write};
use super::error::StoreError;
use super::promises;
use crate::audit::chain::{Chain, Entry};
use crate::audit::event::{Attribution, Committing, DeferredStep, Ended, Event, Fate, Operation, Settled, Started, Trail, Transaction};
use crate::audit::record::{DecisionId, Record};
use crate::audit::words;
use crate::deferred::promise::{Progress, Promise, PromiseId};

/// Something that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// An entry, and what follows from it for who searches.
    Event(Event),
    /// A promise, its entry, and what its transaction has done.
    Promise(Box<Promise>, Trail),
    /// What has become of one, by this session.
    Progress(PromiseId, Progress, String),
    /// A proof that writing works.
    Ready,
    /// The writer lives.
    Alive,
}

impl Change {
    /// It is written later where the store is away now: what it tells of has happened, and cannot be refused any more.
    pub(super) fn must_be_kept(&self) -> bool {
        match self {
            Self::Event(Event::Decision(_)) | Self::Promise(..) | Self::Ready | Self::Alive => false,
            Self::Event(_) | Self::Progress(..) => true,
        }
    }
}

/// A change and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) change: Change,
    pub(super) at_unix_micros: i64,
}

/// Everything of a group.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    /// For each change: the number of its entry, where it has one, and which write must have changed a row.
    pub(super) parts: Vec<Part>,
    /// The last entry of the chain behind it.
    pub(super) last: Option<(DecisionId, Entry)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) entry: Option<DecisionId>,
    pub(super) must_change: Option<usize>,
}

/// The number of an entry as the store's key: of chains there may be 2²³, of entries in one 2⁴⁰.
pub(super) fn key(id: DecisionId) -> i64 {
    (id.writer << SEQ_BITS) | id.seq
}

/// The other way.
pub(super) fn id(key: i64) -> DecisionId {
    DecisionId { writer: key >> SEQ_BITS, seq: key & ((1 << SEQ_BITS) - 1) }
}

const SEQ_BITS: u32 = 40;
/// So much of the SQL is in a list.
const HEAD: usize = 200;

pub(super) struct Planner<'a> {
    chain: &'a mut Chain,
    dialect: Dialect,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(chain: &'a mut Chain, dialect: Dialect) -> Self {
        Self { chain, dialect, plan: Plan::default() }
    }

    /// The first entry of the chain, and what each change comes to.
    pub(super) fn plan(mut self, started: Option<Started>, now: i64, changes: &[Dated]) -> Result<Plan, StoreError> {
        if let Some(started) = started {
            self.append(&Event::Started(started), now)?;
        }
        for Dated { change, at_unix_micros } in changes {
            let part = self.one(change, *at_unix_micros)?;
            self.plan.parts.push(part);
        }
        Ok(self.plan)
    }

    fn one(&mut self, change: &Change, at: i64) -> Result<Part, StoreError> {
        let writer = self.chain.head().number;
        match change {
            Change::Event(event) => self.event(event, at),
            Change::Promise(promise, trail) => {
                let entry = self.append(&Event::Committing(committing(promise, trail)), at)?;
                self.plan.writes.push(promises::insert(promise, key(entry), at)?);
                Ok(Part { entry: Some(entry), must_change: None })
            }
            Change::Progress(id, progress, session) => {
                let entry = self.append(&Event::Deferred(deferred_step(*id, progress, session)), at)?;
                let must_change = Some(self.plan.writes.len());
                self.plan.writes.push(promises::update(*id, progress));
                self.fate_of_promise(*id, progress);
                self.push(
                    "INSERT INTO follows (id, entry) SELECT entry, CAST($1 AS BIGINT) FROM announced WHERE id = $2",
                    [key(entry).into(), id.0.into()],
                );
                Ok(Part { entry: Some(entry), must_change })
            }
            Change::Ready => self.write("UPDATE health SET checks = checks + 1", []),
            Change::Alive => self.write("UPDATE writers SET seen_at = $1 WHERE number = $2", [at.into(), writer.into()]),
        }
    }

    fn event(&mut self, event: &Event, at: i64) -> Result<Part, StoreError> {
        let entry = self.append(event, at)?;
        let mut part = Part { entry: Some(entry), must_change: None };
        match event {
            Event::Decision(record) => self.decision(record, entry, at),
            Event::Outcome(ended) => {
                part.must_change = Some(self.plan.writes.len());
                self.outcome(ended);
                self.follows(ended.decision, entry);
            }
            Event::Transaction(transaction) => self.transaction(transaction, entry),
            Event::Attribution(attribution) => self.attribution(attribution, entry, at),
            Event::Session(ended) => {
                self.push(
                    "INSERT INTO sessions (session, entry) VALUES ($1, $2) ON CONFLICT (session) DO NOTHING",
                    [(&ended.session).into(), key(entry).into()],
                );
            }
            Event::Settled(Settled { decision, fate, .. }) => {
                self.push("UPDATE decisions SET fate = $1 WHERE id = $2", [fate.label().into(), key(*decision).into()]);
                self.follows(*decision, entry);
            }
            Event::Started(_) | Event::Committing(_) | Event::Deferred(_) | Event::Retention(_) | Event::Unknown => {}
        }
        Ok(part)
    }

    /// Puts an entry behind the last one.
    fn append(&mut self, event: &Event, at: i64) -> Result<DecisionId, StoreError> {
        let body = json(event)?;
        let entry = self.chain.link(at, body);
        let id = DecisionId { writer: self.chain.head().number, seq: entry.seq };
        let values = [key(id).into(), at.into(), entry.body.as_str().into(), Value::Bytes(entry.hash.0.to_vec())];
        self.push("INSERT INTO entries (id, at_unix_micros, body, hash) VALUES ($1, $2, $3, $4)", values);
        self.plan.last = Some((id, entry));
        Ok(id)
    }

    fn decision(&mut self, record: &Record, entry: DecisionId, at: i64) {
        let id = key(entry);
        let rules: BTreeSet<&str> = record.findings.iter().map(|finding| finding.rule.as_str()).collect();
        let relations: BTreeSet<&str> = record.findings.iter().filter_map(|finding| finding.relation.as_deref()).collect();
        let joined = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        self.push(
            "INSERT INTO decisions (id, at_unix_micros, session, transaction_number, shared, client, role, database_name, application_name, head, decision,
                                    rules, relations)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            [
                id.into(),
                at.into(),
                (&record.session).into(),
                record.transaction.into(),
                (i64::from(record.in_transaction) + i64::from(record.in_transaction && record.commit_is_announced)).into(),
                (&record.client).into(),
                (&record.role).into(),
                (&record.database).into(),
                record.application_name.clone().into(),
                record.sql.chars().take(HEAD).collect::<String>().into(),
                (&record.decision).into(),
                joined(&rules).into(),
                joined(&relations).into(),
            ],
        );
        let marks = rules.iter().map(|rule| words::of_rule(rule)).chain(relations.iter().map(|relation| words::of_relation(relation)));
        for mark in marks.collect::<BTreeSet<_>>() {
            self.push("INSERT INTO marks (mark, at_unix_micros, id) VALUES ($1, $2, $3)", [mark.into(), at.into(), id.into()]);
        }
        let text: Value = words::of_text(&record.sql).into_iter().collect::<Vec<_>>().join(" ").into();
        self.push(
            match self.dialect {
                Dialect::Sqlite => "INSERT INTO texts (rowid, sql) VALUES ($1, $2)",
                Dialect::Postgres => "INSERT INTO texts (id, words) VALUES ($1, array_to_tsvector(string_to_array($2, ' ')))",
            },
            [id.into(), text],
        );
    }

    fn outcome(&mut self, Ended { decision, outcome }: &Ended) {
        self.push(
            "UPDATE decisions SET tag = $1, sqlstate = $2, duration_micros = $3 WHERE id = $4",
            [outcome.tag.clone().into(), outcome.sqlstate.clone().into(), outcome.duration_micros.into(), key(*decision).into()],
        );
    }

    fn transaction(&mut self, transaction: &Transaction, entry: DecisionId) {
        let Transaction { session, transaction: number, fate, .. } = transaction;
        self.push(
            "INSERT INTO transactions (session, transaction_number, entry) VALUES ($1, $2, $3) ON CONFLICT (session, transaction_number) DO NOTHING",
            [session.into(), (*number).into(), key(entry).into()],
        );
        self.push(
            "UPDATE decisions SET fate = $1 WHERE session = $2 AND transaction_number = $3",
            [fate.label().into(), session.into(), (*number).into()],
        );
    }

    /// What becomes of a promise tells what became of its transaction, where nobody had heard it.
    fn fate_of_promise(&mut self, PromiseId(id): PromiseId, progress: &Progress) {
        let fate = match progress {
            Progress::Committed | Progress::Settled => Fate::Committed,
            Progress::Aborted => Fate::RolledBack,
            Progress::Unknown => Fate::Unknown,
            Progress::Done(_) | Progress::Told | Progress::Needless(_) | Progress::Failed { .. } | Progress::Dropped { .. } => return,
        };
        self.push(
            "UPDATE decisions SET fate = $1 WHERE fate IS NULL AND (session, transaction_number) =
               (SELECT session, transaction_number FROM announced WHERE id = $2 AND whole IS NULL)",
            [fate.label().into(), id.into()],
        );
    }

    fn attribution(&mut self, attribution: &Attribution, entry: DecisionId, at: i64) {
        let migration = &attribution.migration;
        self.push(
            "INSERT INTO migrations (entry, at_unix_micros, database_name, tool, version_table, version, name, direction)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                key(entry).into(),
                at.into(),
                (&attribution.database).into(),
                (&migration.tool).into(),
                (&migration.table).into(),
                (&migration.version).into(),
                migration.name.clone().into(),
                migration.direction.label().into(),
            ],
        );
        // In one order everywhere: two writers that attribute each other's must not wait for each other.
        for decision in attribution.decisions.iter().map(|decision| key(*decision)).collect::<BTreeSet<_>>() {
            self.push(
                "UPDATE decisions SET tool = $1, version = $2, name = $3, direction = $4 WHERE id = $5",
                [
                    (&migration.tool).into(),
                    (&migration.version).into(),
                    migration.name.clone().into(),
                    migration.direction.label().into(),
                    decision.into(),
                ],
            );
            self.push("INSERT INTO follows (id, entry) VALUES ($1, $2)", [decision.into(), key(entry).into()]);
        }
    }

    /// Who looks at the one finds the other.
    fn follows(&mut self, decision: DecisionId, entry: DecisionId) {
        self.push("INSERT INTO follows (id, entry) VALUES ($1, $2)", [key(decision).into(), key(entry).into()]);
    }

    fn push(&mut self, sql: &'static str, values: impl Into<Vec<Value>>) {
        self.plan.writes.push(Write::new(sql, values));
    }

    fn write(&mut self, sql: &'static str, values: impl Into<Vec<Value>>) -> Result<Part, StoreError> {
        self.push(sql, values);
        Ok(Part::default())
    }
}

fn committing(promise: &Promise, trail: &Trail) -> Committing {
    let operations = promise.operations.iter().map(|deferred| Operation {
        table: deferred.table.to_string(),
        rule: deferred.rule.clone(),
        sql: deferred.operation.steps().into_iter().map(|step| step.sql).collect(),
    });
    Committing {
        session: promise.session.clone(),
        transaction: promise.transaction,
        role: promise.role.clone(),
        system: promise.place.system.clone(),
        database: promise.place.database.clone(),
        xid: promise.xid.clone(),
        trail: trail.clone(),
        operations: operations.collect(),
    }
}

fn deferred_step(PromiseId(promise): PromiseId, progress: &Progress, session: &str) -> DeferredStep {
    let step = |progress: &str| DeferredStep {
        session: session.to_owned(),
        promise,
        progress: progress.to_owned(),
        operation: None,
        sqlstate: None,
        message: None,
    };
    let operation = |number: &usize| i64::try_from(*number).ok();
    match progress {
        Progress::Committed => step("committed"),
        Progress::Aborted => step("aborted"),
        Progress::Done(done) => DeferredStep { operation: operation(done), ..step("done") },
        Progress::Told => step("told"),
        Progress::Needless(number) => DeferredStep { operation: operation(number), ..step("needless") },
        Progress::Failed { operation: number, sqlstate, message } => {
            DeferredStep { operation: operation(number), sqlstate: Some(sqlstate.clone()), message: Some(message.clone()), ..step("failed") }
        }
        Progress::Settled => step("settled"),
        Progress::Unknown => step("unknown"),
        Progress::Dropped { reason, .. } => DeferredStep { message: Some(reason.clone()), ..step("dropped") },
    }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Io(format!("a record cannot be written as JSON: {error}")))
}
