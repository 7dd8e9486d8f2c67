//! Statements outside of any transaction whose end nobody heard: before its first statement that may change the schema, or its first BEGIN, a session
//! of the same role looks what became of them (`catalog::aftermath`).
//!
//! ```text
//!   Listing ─▶ Living ─▶ Looking ─▶ Comparing ─▶ the client's statement
//! ```
//!
//! `Living`: what the server still runs is left alone. It is asked before the catalog, and by itself: with one snapshot for both, a process could end in
//! between, and its work would not be seen. `Comparing`: the log is asked last, since what has changed the catalog stands there before it does.

use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::record::DecisionId;
use crate::audit::settling::Unheard;
use crate::catalog::aftermath::{self, Verdict};
use crate::policy::settings::Mode;
use crate::sql::statement::Script;

use super::effects::{Effects, Lookup};
use super::own::{Ending, OwnExchange};
use super::resuming::may_change_schema;
use super::work::Work;
use super::{Session, Status};

/// Parameter: processes, a JSON array of {pid, started}. One row of JSON: those that are there. Of a process whose beginning may not be seen it is not
/// known that it is another.
const LIVING: &str = "SELECT COALESCE(pg_catalog.json_agg(a.pid), '[]'::pg_catalog.json)::pg_catalog.text \
     FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS w (pid pg_catalog.int4, started pg_catalog.text), pg_catalog.pg_stat_activity AS a \
     WHERE a.pid OPERATOR(pg_catalog.=) w.pid \
       AND COALESCE(pg_catalog.date_part('epoch', a.backend_start)::pg_catalog.text OPERATOR(pg_catalog.=) w.started, true)";

/// See the module.
#[derive(Debug)]
pub(super) enum Settling {
    Listing,
    Living(Vec<Unheard>),
    Looking(Vec<Unheard>),
    Comparing(Vec<(Unheard, Verdict)>),
}

/// The server's process of this session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// In seconds since 1970.
    pub(super) started: String,
}

impl Session {
    /// The log is to be asked before this string: nothing is under way on the session that what it finds could disturb.
    pub(super) fn looks_back_before(&self, script: &Script) -> bool {
        let asks = !self.looked_back && !self.standby && self.identity.mode != Mode::Off && self.place.is_some();
        asks && self.status == Status::Idle && self.replies.is_empty() && !self.batch.open && may_change_schema(script)
    }

    /// Asks the log; the client's frame stays where it is.
    pub(super) fn look_back(&mut self, out: &mut Effects) {
        self.looked_back = true;
        out.lookup = self.place.clone().map(Lookup::Unheard);
        self.work = Work::Settling(Settling::Listing);
    }

    /// The log has answered; nothing where it could not.
    pub(super) fn unheard_found(&mut self, found: Vec<Unheard>, out: &mut Effects) {
        if !matches!(self.work, Work::Settling(Settling::Listing)) {
            return;
        }
        self.work = Work::Open;
        if found.is_empty() {
            return;
        }
        let processes = found.iter().map(|unheard| json!({"pid": unheard.mark.backend, "started": unheard.mark.backend_started}));
        self.run_own(LIVING, &[Value::from(processes.collect::<Vec<_>>()).to_string()], Ending::Sync, out);
        self.work = Work::Settling(Settling::Living(found));
    }

    /// All replies to our statement are there. One that failed settles nothing.
    pub(super) fn settling(&mut self, settling: Settling, exchange: OwnExchange, out: &mut Effects) {
        let Ok(Some(answer)) = exchange.into_answered() else { return };
        match settling {
            Settling::Living(found) => self.look_at_the_catalog(found, &answer, out),
            Settling::Looking(found) => self.compare_with_the_log(found, &answer, out),
            // Nothing of ours runs while the log is asked.
            settling @ (Settling::Listing | Settling::Comparing(_)) => self.work = Work::Settling(settling),
        }
    }

    fn look_at_the_catalog(&mut self, mut found: Vec<Unheard>, answer: &str, out: &mut Effects) {
        let Ok(living) = serde_json::from_str::<Vec<u32>>(answer) else { return };
        found.retain(|unheard| !living.contains(&unheard.mark.backend));
        if found.is_empty() {
            return;
        }
        let traces = found.iter().flat_map(|unheard| unheard.mark.traces.iter().map(|trace| (trace, unheard.mark.next_xid.as_str())));
        self.run_own(aftermath::QUESTION, &[aftermath::parameter(traces)], Ending::Sync, out);
        self.work = Work::Settling(Settling::Looking(found));
    }

    fn compare_with_the_log(&mut self, found: Vec<Unheard>, answer: &str, out: &mut Effects) {
        let Ok(verdicts) = aftermath::verdicts(found.iter().map(|unheard| unheard.mark.traces.as_slice()), answer) else { return };
        out.lookup = Some(Lookup::Alone(found.clone()));
        self.work = Work::Settling(Settling::Comparing(found.into_iter().zip(verdicts).collect()));
    }

    /// The log has said of which of them it has nothing else; nothing where it could not say.
    pub(super) fn alone_found(&mut self, alone: Option<&[DecisionId]>, _now: Instant, out: &mut Effects) {
        let found = match std::mem::replace(&mut self.work, Work::Open) {
            Work::Settling(Settling::Comparing(found)) => found,
            other => {
                self.work = other;
                return;
            }
        };
        let Some(alone) = alone else { return };
        let done = |verdict| match verdict {
            Verdict::Done => Some(true),
            Verdict::Undone => Some(false),
            Verdict::Unclear => None,
        };
        out.settled.extend(found.iter().map(|(unheard, verdict)| unheard.settled(done(*verdict), alone.contains(&unheard.decision))));
    }
}
