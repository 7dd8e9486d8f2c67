//! A session that ends in the midst of something: the records get their outcome, and the client hears what may be left.

use std::time::Instant;

use crate::audit::record::Outcome as Recorded;

use super::completion::{Completion, Decided};
use super::effects::{Close, Effects};
use super::replies::Expected;
use super::server::micros;
use super::work::Work;
use super::{Fatal, Session, own};

impl Session {
    /// The server's own FATAL has told the client why; otherwise we do.
    pub(super) fn server_gone(&mut self, now: Instant, out: &mut Effects) -> Fatal {
        let told = self.own.take().and_then(|own| own.error).map(|body| own::server_error(&body).message);
        let why = told.unwrap_or_else(|| "the database server closed the connection unexpectedly".to_owned());
        let rest = self.left_behind(Close::Server, now, out).unwrap_or_else(|| "what was not answered may or may not have been done".to_owned());
        Fatal { close: Close::Server, sqlstate: CONNECTION_LOST, message: format!("pgairlock: {why}; {rest}") }
    }

    /// The time for draining is over.
    pub(super) fn cut_off(&mut self, now: Instant, out: &mut Effects) -> Fatal {
        let rest = self.left_behind(Close::CutOff, now, out).unwrap_or_else(|| "an open transaction is rolled back".to_owned());
        let message = format!("terminating connection: pgairlock is shutting down and the time for draining is over; {rest}");
        Fatal { close: Close::CutOff, sqlstate: SHUT_DOWN, message }
    }

    /// The server may go on with what the client did not wait for; how that ends, nobody hears.
    pub(super) fn client_left(&mut self, now: Instant, out: &mut Effects) {
        self.left_behind(Close::Client, now, out);
    }

    /// Closes the records of what was not answered; what a rewrite may leave, in words.
    fn left_behind(&mut self, close: Close, now: Instant, out: &mut Effects) -> Option<String> {
        let sqlstate = if close == Close::CutOff { SHUT_DOWN } else { CONNECTION_LOST };
        let rewriting = if let Work::Running(rewriting) = &self.work { Some(rewriting) } else { None };
        let waiting = self.replies.latest_first().filter_map(decision).chain(rewriting.and_then(|rewriting| rewriting.decided));
        let tried = match &self.work {
            Work::Trying(trying) => trying.decided(),
            Work::Polling(polling) => polling.decided(),
            Work::Approving(approving) => approving.decided(),
            _ => None,
        };
        for decided in waiting.chain(tried) {
            let duration_micros = micros(now, decided.at);
            out.outcomes.push((decided.id, Recorded { tag: None, sqlstate: Some(sqlstate.to_owned()), duration_micros, ..Default::default() }));
        }
        if let Some(promised) = promised(&self.work) {
            return Some(promised);
        }
        let (step, way_back) = rewriting?.runner.in_hand()?;
        let step = format!("it was running: {step}; the server may still finish that");
        if rewriting.is_some_and(|rewriting| rewriting.is_promised()) {
            return Some(format!("{step}. The next session of this role takes back what is done of the statement, or goes on when it comes again"));
        }
        if way_back.is_empty() {
            return Some(step);
        }
        Some(format!("{step}. The steps behind it do not run. To be as before, run by hand once it has ended: {};", way_back.join("; ")))
    }
}

/// What waits for a COMMIT is on disk: nothing has to be done by hand.
fn promised(work: &Work) -> Option<String> {
    let later = "the next session of this role finishes it";
    match work {
        Work::Committing(committing) if committing.is_working() => {
            let step = committing.in_hand().map_or_else(String::new, |step| format!(" (it was running: {step})"));
            Some(format!("the transaction is committed; what waited for that stays to be done{step}, and {later}"))
        }
        Work::Committing(committing) if !committing.may_be_abandoned() => {
            Some(format!("whether the transaction was committed is not known here; if it was, what waited for that stays to be done, and {later}"))
        }
        Work::Resuming(_) => Some(format!("what an earlier migration left stays to be done, and {later}")),
        _ => None,
    }
}

/// admin_shutdown, as the server says it.
const SHUT_DOWN: &str = "57P01";
/// connection_failure.
const CONNECTION_LOST: &str = "08006";

fn decision(expected: &Expected) -> Option<Decided> {
    match &expected.completion {
        Completion::Ran(ran) => ran.decision,
        Completion::Nothing | Completion::Prepared { .. } | Completion::Bound { .. } | Completion::Closed { .. } => None,
    }
}
