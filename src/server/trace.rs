//! The trace of one session: what becomes a span, and below which other.
//!
//! ```text
//!   session ─┬─ statement ─┬─ lock wait
//!            │             └─ step …
//!            └─ after commit ─┬─ step …
//!                             └─ lock wait
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::audit::record::{DecisionId, Outcome, Record};
use crate::session::Identity;
use crate::session::effects::{Arrived, WaitsFor};
use crate::telemetry::span::{Context, Side, Span};

use super::traces::Traces;

/// Statements whose outcome is still to come; those of a string have theirs together.
const OPEN: usize = 1024;

/// See the module.
pub(super) struct Trace {
    traces: Traces,
    root: Context,
    session: Option<Span>,
    /// Being recorded.
    judged: Option<(Context, Span)>,
    statements: BTreeMap<DecisionId, (Context, Span)>,
    after_commit: Option<(Context, Span)>,
    waiting: Option<(WaitsFor, Span)>,
}

/// What every span of a query says, after OpenTelemetry's semantic conventions.
fn of_database(span: Span, identity: &Identity) -> Span {
    span.text("db.system.name", "postgresql").text("db.namespace", &*identity.principal.database)
}

fn ago(took: Duration) -> SystemTime {
    SystemTime::now().checked_sub(took).unwrap_or_else(SystemTime::now)
}

impl Trace {
    /// A session begins, if anybody wants to see it.
    pub(super) fn begin(traces: Traces, identity: &Identity) -> Option<Self> {
        if !traces.are_wanted() {
            return None;
        }
        let name = identity.principal.application_name.as_deref();
        let parent = name.and_then(Context::named_in);
        let root = parent.map_or_else(|| Context::of_session(&identity.id), Context::child);
        let session = of_database(Span::begin("session", Side::Server, root, parent, SystemTime::now()), identity)
            .text("pgairlock.session", &*identity.id)
            .text("pgairlock.listener", &*identity.listener)
            .text("client.address", &*identity.client)
            .text("pgairlock.role", &*identity.principal.role)
            .text("pgairlock.application_name", name);
        let (statements, session) = (BTreeMap::new(), Some(session));
        Some(Self { traces, root, session, judged: None, statements, after_commit: None, waiting: None })
    }

    /// A decision is on its way to the store.
    pub(super) fn recording(&mut self, record: &Record, arrived: &Arrived, identity: &Identity) {
        let parent = arrived.traceparent.as_deref().and_then(Context::named_in).unwrap_or(self.root);
        let context = parent.child();
        let span = Span::begin("statement", Side::Internal, context, Some(parent), ago(arrived.since.elapsed()));
        let span = of_database(span, identity)
            .text("db.query.text", &*record.sql)
            .text("pgairlock.session", &*identity.id)
            .text("pgairlock.decision", &*record.decision)
            .texts("pgairlock.rules", record.findings.iter().map(|finding| &*finding.rule))
            .truth("pgairlock.in_transaction", record.in_transaction);
        self.judged = Some((context, span));
    }

    /// It is there, or cannot be.
    pub(super) fn recorded(&mut self, id: Option<DecisionId>) {
        let Some((context, span)) = self.judged.take() else { return };
        match id {
            Some(id) if self.statements.len() < OPEN => {
                let span = span.text("pgairlock.id", &*id.to_string());
                self.statements.insert(id, (context, span));
            }
            Some(id) => self.traces.send(span.text("pgairlock.id", &*id.to_string()).end()),
            None => self.traces.send(span.sqlstate(Some("PA005")).end()),
        }
    }

    /// A statement has ended.
    pub(super) fn ended(&mut self, id: DecisionId, outcome: &Outcome) {
        if let Some((_, span)) = self.statements.remove(&id) {
            self.traces.send(span.sqlstate(outcome.sqlstate.as_deref()).end());
        }
    }

    /// A step was answered.
    pub(super) fn step(&mut self, sql: &str, took: Duration, sqlstate: Option<&str>, identity: &Identity) {
        let parent = self.working();
        let span = of_database(Span::begin("step", Side::Client, parent.child(), Some(parent), ago(took)), identity);
        self.traces.send(span.text("db.query.text", sql).sqlstate(sqlstate).end());
    }

    /// What the session is at now.
    pub(super) fn look(&mut self, waits_for: Option<WaitsFor>, after_commit: bool) {
        let lock = waits_for.filter(|waits_for| matches!(waits_for, WaitsFor::Lock | WaitsFor::AdvisoryLock));
        if self.waiting.as_ref().map(|(what, _)| *what) != lock {
            if let Some((_, span)) = self.waiting.take() {
                self.traces.send(span.end());
            }
            let parent = self.working();
            let begin = |name| Span::begin(name, Side::Internal, parent.child(), Some(parent), SystemTime::now());
            self.waiting = lock.map(|what| (what, begin(if what == WaitsFor::Lock { "lock wait" } else { "advisory lock wait" })));
        }
        match (after_commit, self.after_commit.is_some()) {
            (true, false) => {
                let context = self.root.child();
                let span = Span::begin("after commit", Side::Internal, context, Some(self.root), SystemTime::now());
                self.after_commit = Some((context, span));
            }
            (false, true) => {
                if let Some((_, span)) = self.after_commit.take() {
                    self.traces.send(span.end());
                }
            }
            _ => {}
        }
    }

    /// What is being done belongs to this.
    fn working(&self) -> Context {
        let statement = || self.statements.last_key_value().map(|(_, (context, _))| *context);
        self.after_commit.as_ref().map(|(context, _)| *context).or_else(statement).unwrap_or(self.root)
    }
}

/// The session ends, and with it whatever has not ended by itself.
impl Drop for Trace {
    fn drop(&mut self) {
        self.look(None, false);
        let statements = std::mem::take(&mut self.statements).into_values().chain(self.judged.take());
        for (_, span) in statements {
            self.traces.send(span.sqlstate(Some("08006")).end());
        }
        self.traces.send(self.session.take().and_then(Span::end));
    }
}
