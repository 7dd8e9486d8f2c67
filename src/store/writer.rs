//! The thread that writes: takes what waits, writes it in one transaction, answers after the commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use super::backend::{Backend, Write};
use super::error::StoreError;
use super::plan::{self, Change, Dated, Plan, Planner};
use super::{derive, entries, promises};
use crate::audit::approval::UseEnded;
use crate::audit::chain::Chain;
use crate::audit::event::{Ended, Event, Started};
use crate::audit::record::{DecisionId, Outcome};

/// Requests that share one commit, at most.
const GROUP: usize = 256;
/// What has happened and could not be written: kept until the store is back, so much of it at most.
const OWED: usize = 65_536;
/// So much that follows from entries waits for a moment of rest, at most: no decision waits behind it before.
const DERIVED: usize = 2_000;
/// After a write that failed, what is owed is tried again this much later.
const AGAIN: Duration = Duration::from_millis(500);
/// Nobody asks for so long: a moment of rest.
const REST: Duration = Duration::from_millis(5);
/// And where there is none: so long after the first of it.
const LATEST: Duration = Duration::from_millis(250);

/// Where the answer goes: the number of the entry or of the promise.
pub(super) type Reply = oneshot::Sender<Result<i64, StoreError>>;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    Write(Box<Dated>, Reply),
    /// In a transaction of their own, which nobody's decision waits for, and which need not be on disk; how many rows each has changed.
    Apart(Vec<Write>, oneshot::Sender<Result<Vec<u64>, StoreError>>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

type Waiting = (Dated, Reply);

/// One process' end of its chain.
pub(super) struct Writer {
    backend: Box<dyn Backend>,
    /// A UUID, new with each start.
    name: String,
    /// Hears how far the chain is on disk.
    told: watch::Sender<i64>,
    chain: Option<Chain>,
    /// It has happened, and is written when the store takes it.
    owed: VecDeque<Waiting>,
    /// Hears how much that is.
    counted: Arc<AtomicUsize>,
    doubt: Option<Doubt>,
    /// What is owed need not wait: the store is back.
    is_back: bool,
    /// What follows from entries that are written.
    derived: Vec<Write>,
    /// The last of those entries.
    derived_to: Option<DecisionId>,
    /// Up to that one it was done before.
    derived_from: i64,
    /// Something could not be derived, or not before others' entries are: it is made again from the entries.
    is_behind: bool,
    /// Since when something has happened that may want to be derived.
    underived_since: Option<Instant>,
    /// For waiting with an end.
    clock: Runtime,
}

/// What the thread turns to.
enum Next {
    /// Somebody asks for something.
    Asked(Request),
    /// What is owed is tried again.
    Again,
    /// Nobody has asked for a while: what follows from entries is written.
    Rest,
}

/// A commit of which nobody knows whether it was one.
struct Doubt {
    /// The chain as it is if it was.
    chain: Chain,
    plan: Plan,
    group: Vec<Waiting>,
}

impl Writer {
    pub(super) fn new(backend: Box<dyn Backend>, name: String, told: watch::Sender<i64>, counted: Arc<AtomicUsize>, clock: Runtime) -> Self {
        Self {
            backend,
            name,
            told,
            chain: None,
            owed: VecDeque::new(),
            counted,
            doubt: None,
            is_back: false,
            derived: Vec::new(),
            derived_to: None,
            derived_from: 0,
            is_behind: false,
            underived_since: None,
            clock,
        }
    }

    pub(super) fn serve(mut self, mut inbox: mpsc::Receiver<Request>) {
        while let Some(first) = self.next(&mut inbox) {
            if matches!(first, Next::Rest) {
                self.derive();
                continue;
            }
            let mut group: Vec<Waiting> = self.owed.drain(..self.owed.len().min(GROUP)).collect();
            let (mut close, mut apart) = (None, None);
            let mut next = if let Next::Asked(request) = first { Some(request) } else { None };
            while let Some(request) = next {
                match request {
                    Request::Write(dated, reply) => group.push((*dated, reply)),
                    Request::Apart(writes, reply) => apart = Some((writes, reply)),
                    Request::Close(reply) => close = Some(reply),
                }
                next = if group.len() < GROUP && close.is_none() && apart.is_none() { inbox.try_recv().ok() } else { None };
            }
            self.run(group);
            let doubtful = self.doubt.as_ref().map_or(0, |doubt| doubt.group.iter().filter(|(dated, _)| dated.change.must_be_kept()).count());
            self.counted.store(self.owed.len() + doubtful, Ordering::Relaxed);
            let since = *self.underived_since.get_or_insert_with(Instant::now);
            if self.derived.len() > DERIVED || since.elapsed() > LATEST {
                self.derive();
            }
            if let Some((writes, reply)) = apart.filter(|(_, reply)| !reply.is_closed()) {
                // Decisions wait behind it: it does not wait long for another process.
                self.backend.hurry(true);
                let _ = reply.send(self.backend.commit_lazily(&writes));
            }
            if let Some(close) = close {
                return self.finish(inbox, close);
            }
        }
        self.derive();
    }

    /// What there is to do; none when nobody is left.
    fn next(&mut self, inbox: &mut mpsc::Receiver<Request>) -> Option<Next> {
        let owes = !self.owed.is_empty() || self.doubt.is_some();
        if owes && std::mem::take(&mut self.is_back) {
            return Some(inbox.try_recv().map_or(Next::Again, Next::Asked));
        }
        let (wait, otherwise) = match (owes, self.underived_since.is_some()) {
            (true, _) => (AGAIN, Next::Again),
            (false, true) => (REST, Next::Rest),
            (false, false) => return inbox.blocking_recv().map(Next::Asked),
        };
        match self.clock.block_on(async { tokio::time::timeout(wait, inbox.recv()).await }) {
            Ok(asked) => asked.map(Next::Asked),
            Err(_) => Some(otherwise),
        }
    }

    /// Writes what was asked for before the close, then closes the store.
    fn finish(mut self, mut inbox: mpsc::Receiver<Request>, close: oneshot::Sender<Result<(), StoreError>>) {
        inbox.close();
        let mut rest: Vec<Waiting> = self.owed.drain(..).collect();
        while let Some(request) = inbox.blocking_recv() {
            if let Request::Write(dated, reply) = request {
                rest.push((*dated, reply));
            }
        }
        self.run(rest);
        // What that has left: statements whose sessions had given up.
        let rest = self.owed.drain(..).collect();
        self.run(rest);
        self.derive();
        let _ = close.send(self.backend.close());
    }

    /// Writes what follows from the entries. What fails is made again from them.
    fn derive(&mut self) {
        self.underived_since = None;
        let mut writes = std::mem::take(&mut self.derived);
        if let Some(last) = self.derived_to.take()
            && !self.is_behind
        {
            writes.push(derive::derived_to(last, self.derived_from));
            match self.backend.commit_lazily(&writes) {
                Ok(changed) if changed.last() == Some(&1) => self.derived_from = last.seq,
                _ => self.is_behind = true,
            }
        }
        if self.is_behind && derive::catch_up(self.backend.as_mut()).is_ok() {
            self.is_behind = false;
            self.derived_from = self.chain.as_ref().map_or(0, |chain| chain.head().seq);
        }
    }

    fn run(&mut self, group: Vec<Waiting>) {
        // Nobody waits for it any more, and nothing is lost without it.
        let group: Vec<Waiting> = group.into_iter().filter(|(dated, reply)| dated.change.must_be_kept() || !reply.is_closed()).collect();
        if let Err(error) = self.resolve_doubt() {
            return self.failed(group, &error);
        }
        if group.is_empty() {
            return;
        }
        // Chains of processes that died.
        self.is_behind |= group.iter().any(|(dated, _)| dated.change == Change::Alive);
        let probing = group.iter().all(|(dated, _)| matches!(dated.change, Change::Ready | Change::Alive));
        self.backend.hurry(probing);
        match self.write(&group) {
            Ok((plan, changed)) => self.written(group, plan, &changed),
            Err(error) if self.doubt.is_some() => {
                if let Some(doubt) = &mut self.doubt {
                    doubt.group = group;
                }
                if let Err(still) = self.resolve_doubt() {
                    self.answer_doubtful(if matches!(still, StoreError::Unreachable(_)) { &still } else { &error });
                }
            }
            Err(error) => self.failed(group, &error),
        }
    }

    /// All or nothing: one commit, and so one wait for the disk, for the whole group.
    fn write(&mut self, group: &[Waiting]) -> Result<(Plan, Vec<u64>), StoreError> {
        let changes: Vec<Dated> = group.iter().map(|(dated, _)| dated.clone()).collect();
        let now = now();
        let needs_chain = changes.iter().any(|dated| !matches!(dated.change, Change::Ready | Change::Alive));
        let mut started = None;
        let mut chain = match &self.chain {
            Some(chain) => chain.clone(),
            None if needs_chain => {
                let chain = self.register(now)?;
                let head = chain.head();
                let heads = entries::heads(self.backend.as_mut())?.into_iter().filter(|other| other.number != head.number).collect();
                let version = env!("CARGO_PKG_VERSION").to_owned();
                started = Some(Started { writer: head.writer.clone(), number: head.number, version, heads });
                chain
            }
            // Of no number: it only proves that writing works.
            None => Chain::new(self.name.clone(), 0),
        };
        let plan = Planner::new(&mut chain, self.backend.dialect()).plan(started, now, &changes)?;
        match self.backend.commit(&plan.writes) {
            Ok(changed) => {
                self.chain = needs_chain.then_some(chain).or(self.chain.take());
                Ok((plan, changed))
            }
            Err(error) => {
                if matches!(error, StoreError::Lost(_)) && plan.last.is_some() {
                    self.doubt = Some(Doubt { chain, plan, group: Vec::new() });
                }
                Err(error)
            }
        }
    }

    /// Takes the next free number for this chain; another process may take it first.
    fn register(&mut self, now: i64) -> Result<Chain, StoreError> {
        const FIND: &str = "SELECT number FROM writers WHERE writer = $1";
        let name = self.name.clone();
        for _ in 0..GROUP {
            if let Some(row) = self.backend.query(FIND, &[(&name).into()])?.first() {
                return Ok(Chain::new(name, row.int(0)));
            }
            self.backend.commit(&[Write::new(
                "INSERT INTO writers (number, writer, started_at, seen_at)
                 SELECT coalesce(max(number), 0) + 1, $1, CAST($2 AS BIGINT), CAST($2 AS BIGINT) FROM writers WHERE 1 = 1 ON CONFLICT DO NOTHING",
                [name.as_str().into(), now.into()],
            )])?;
        }
        Err(StoreError::Busy)
    }

    fn written(&mut self, group: Vec<Waiting>, mut plan: Plan, changed: &[u64]) {
        self.derived.append(&mut plan.derived);
        self.is_behind |= plan.refers_abroad;
        if let Some((id, _)) = &plan.last {
            self.told.send_replace(id.seq);
        }
        self.derived_to = plan.last.as_ref().map(|(id, _)| *id).or(self.derived_to);
        for ((dated, reply), part) in group.into_iter().zip(&plan.parts) {
            let nothing = part.must_change.is_some_and(|write| changed.get(write).is_some_and(|rows| *rows == 0));
            let result = match (&dated.change, part.entry) {
                (Change::Progress(id, ..), _) if nothing => Err(StoreError::NoSuchPromise(id.0)),
                (Change::Promise(..), Some(entry)) => promises::number(self.backend.as_mut(), plan::key(entry)),
                (_, entry) => Ok(entry.map_or(0, plan::key)),
            };
            let gave_up = reply.send(result).is_err();
            match (&dated.change, part.entry) {
                (Change::Event(Event::Decision(_)), Some(entry)) if gave_up => self.owe_not_run(entry),
                (Change::Event(Event::ApprovalUse(_)), Some(entry)) if gave_up => self.owe_back(entry),
                _ => {}
            }
        }
    }

    /// Whoever waited for it has failed the statement in the meantime: that is its outcome.
    fn owe_not_run(&mut self, decision: DecisionId) {
        let outcome = Outcome { tag: None, sqlstate: Some("PA005".into()), ..Outcome::default() };
        let dated = Dated { change: Change::Event(Event::Outcome(Ended { decision, outcome })), at_unix_micros: now() };
        self.owed.push_back((dated, oneshot::channel().0));
    }

    /// The statement that it was taken for has failed for want of an answer.
    fn owe_back(&mut self, of: DecisionId) {
        let change = Change::Event(Event::ApprovalUseEnded(UseEnded { of, consumed: false }));
        self.owed.push_back((Dated { change, at_unix_micros: now() }, oneshot::channel().0));
    }

    /// What may be refused is refused; what has happened waits for the store.
    fn failed(&mut self, group: Vec<Waiting>, error: &StoreError) {
        let mut kept = VecDeque::new();
        for (dated, reply) in group {
            if error.is_passing() && dated.change.must_be_kept() && self.owed.len() + kept.len() < OWED {
                kept.push_back((dated, reply));
            } else {
                let _ = reply.send(Err(error.clone()));
            }
        }
        kept.append(&mut self.owed);
        self.owed = kept;
    }

    /// Those who wait for their decision are told that it failed; if it turns out to be written, its outcome says that.
    fn answer_doubtful(&mut self, error: &StoreError) {
        let Some(doubt) = &mut self.doubt else { return };
        for (dated, reply) in &mut doubt.group {
            if !dated.change.must_be_kept() {
                let nobody = oneshot::channel().0;
                let _ = std::mem::replace(reply, nobody).send(Err(error.clone()));
            }
        }
    }

    /// The last entry of the doubtful commit is there, or it is not.
    fn resolve_doubt(&mut self) -> Result<(), StoreError> {
        let Some(Some((id, entry))) = self.doubt.as_ref().map(|doubt| doubt.plan.last.clone()) else { return Ok(()) };
        let rows = self.backend.query("SELECT hash FROM entries WHERE id = $1", &[plan::key(id).into()])?;
        let found = rows.first().map(|row| row.bytes(0).to_vec());
        let Some(doubt) = self.doubt.take() else { return Ok(()) };
        match found {
            Some(hash) if hash == entry.hash.0 => {
                let changed = vec![1; doubt.plan.writes.len()];
                self.chain = Some(doubt.chain);
                self.written(doubt.group, doubt.plan, &changed);
            }
            _ => {
                self.is_back = true;
                for waiting in doubt.group.into_iter().rev() {
                    self.owed.push_front(waiting);
                }
            }
        }
        Ok(())
    }
}

/// Unix time in microseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}
