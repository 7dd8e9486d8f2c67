//! What is to be written, from what has happened. Pure: changes in, writes out.

use super::backend::{Dialect, Value, Write};
use super::derive::{derive, refers_abroad};
use super::error::StoreError;
use super::{approvals, promises};
use crate::audit::chain::{Chain, Entry};
use crate::audit::event::{Committing, DeferredStep, Event, Operation, Started, Trail};
use crate::audit::record::DecisionId;
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
            Self::Event(Event::Decision(_) | Event::Retention(_) | Event::Approval(_) | Event::Revocation(_) | Event::ApprovalUse(_)) => false,
            Self::Promise(..) | Self::Ready | Self::Alive => false,
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
    /// What must be on disk before anybody is answered.
    pub(super) writes: Vec<Write>,
    /// What follows from the entries, for who searches: it can be made again from them.
    pub(super) derived: Vec<Write>,
    /// Of that something is about what may stand in another chain.
    pub(super) refers_abroad: bool,
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
            Change::Event(event) => {
                let entry = self.append(event, at)?;
                self.plan.writes.extend(approvals::writes(event, entry, at));
                Ok(Part { entry: Some(entry), must_change: None })
            }
            Change::Promise(promise, trail) => {
                let entry = self.append(&Event::Committing(committing(promise, trail)), at)?;
                self.plan.writes.push(promises::insert(promise, key(entry), at)?);
                Ok(Part { entry: Some(entry), must_change: None })
            }
            Change::Progress(id, progress, session) => {
                let entry = self.append(&Event::Deferred(deferred_step(*id, progress, session)), at)?;
                let must_change = Some(self.plan.writes.len());
                self.plan.writes.push(promises::update(*id, progress));
                self.plan.writes.extend(approvals::settled(*id, progress));
                Ok(Part { entry: Some(entry), must_change })
            }
            Change::Ready => self.write("UPDATE health SET checks = checks + 1", []),
            Change::Alive => self.write("UPDATE writers SET seen_at = $1 WHERE number = $2", [at.into(), writer.into()]),
        }
    }

    /// Puts an entry behind the last one.
    fn append(&mut self, event: &Event, at: i64) -> Result<DecisionId, StoreError> {
        let body = json(event)?;
        let entry = self.chain.link(at, body);
        let id = DecisionId { writer: self.chain.head().number, seq: entry.seq };
        let values = [key(id).into(), at.into(), entry.body.as_str().into(), Value::Bytes(entry.hash.0.to_vec())];
        self.push("INSERT INTO entries (id, at_unix_micros, body, hash) VALUES ($1, $2, $3, $4)", values);
        self.plan.derived.extend(derive(event, id, at, self.dialect));
        self.plan.refers_abroad |= refers_abroad(event, id.writer);
        self.plan.last = Some((id, entry));
        Ok(id)
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
