//! What an operator sees of a session beside its statements: what its client waits for, the steps that ran, the locks that were missed.

use std::time::Instant;

use crate::sql::redact::redact;

use super::Session;
use super::effects::{Effects, Observed, WaitsFor};
use super::own::{OwnExchange, server_error};
use super::runner::{LOCK_NOT_AVAILABLE, Runner};
use super::work::Work;

impl Session {
    /// What the client waits for that takes its time; nothing while an answer is on its way.
    #[must_use]
    pub fn waits_for_what(&self) -> Option<WaitsFor> {
        if self.runner().is_some_and(Runner::has_missed_lock) {
            return Some(WaitsFor::Lock);
        }
        match &self.work {
            Work::Trying(trying) => trying.has_missed().then_some(WaitsFor::Lock),
            Work::Polling(_) => Some(WaitsFor::AdvisoryLock),
            Work::Running(_) => Some(WaitsFor::Rewrite),
            Work::Approving(_) if self.waits_for_persons() => Some(WaitsFor::Approval),
            Work::Committing(_) | Work::Resuming(_) if self.works_after_commit() => Some(WaitsFor::AfterCommit),
            _ => None,
        }
    }

    /// Work that waited for a COMMIT is being done.
    #[must_use]
    pub fn works_after_commit(&self) -> bool {
        match &self.work {
            Work::Committing(committing) => committing.is_working(),
            Work::Resuming(resuming) => resuming.runner().is_some(),
            _ => false,
        }
    }

    /// A statement of ours was answered: perhaps it was a step.
    pub(super) fn observe_step(&self, exchange: &OwnExchange, now: Instant, out: &mut Effects) {
        let Some(runner) = self.runner().filter(|runner| runner.doing().is_some()) else { return };
        let Some((sql, _)) = runner.in_hand() else { return };
        let sqlstate = exchange.error.as_deref().map(|error| server_error(error).sqlstate);
        if runner.is_trying() && sqlstate.as_deref().is_none_or(|sqlstate| sqlstate == LOCK_NOT_AVAILABLE) {
            out.observed.push(Observed::LockTry(sqlstate.is_none()));
        }
        let took = now.saturating_duration_since(exchange.begun.unwrap_or(now));
        out.observed.push(Observed::Step { sql: redact(sql, self.settings.literals), after_commit: self.works_after_commit(), took, sqlstate });
    }
}

/// What a comment says of the trace that a statement belongs to. Who writes the text decides what it says, so it decides nothing.
pub(super) fn traceparent(sql: &str) -> Option<&str> {
    const KEY: &str = "traceparent='";
    let (before, rest) = sql.split_once(KEY)?;
    let in_comment = before.rfind("/*") > before.rfind("*/") || before.rfind("--") > before.rfind('\n');
    rest.split_once('\'').map(|(value, _)| value).filter(|value| in_comment && value.len() == 55)
}

#[cfg(test)]
mod tests {
    use super::traceparent;

    #[test]
    fn a_comment_may_name_a_trace() {
        let id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for sql in [
            format!("/*traceparent='{id}'*/ SELECT 1"),
            format!("SELECT 1 /*a='b',traceparent='{id}',z='1'*/"),
            format!("-- traceparent='{id}'\nSELECT 1"),
        ] {
            assert_eq!(traceparent(&sql), Some(id), "{sql}");
        }
        for sql in [
            format!("SELECT $$traceparent='{id}'$$"),
            format!("/*a*/ SELECT $$traceparent='{id}'$$"),
            "/*traceparent='short'*/".to_owned(),
            "SELECT 1".to_owned(),
        ] {
            assert_eq!(traceparent(&sql), None, "{sql}");
        }
    }
}
