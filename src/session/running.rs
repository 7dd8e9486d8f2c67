//! Rewrites on the client's session, and where the replies to our own statements go.

use std::time::Instant;

use crate::audit::record::Outcome as Recorded;
use crate::policy::compose;
use crate::policy::decide::{LockTimeoutCare, Outcome};
use crate::policy::plan::{Notice, SafeForm, Verdict};
use crate::wire::errors::{self, Report};
use crate::wire::messages;

use super::batch::Batch;
use super::completion::{Decided, Ran};
use super::effects::{Effects, Observed};
use super::own::{Ending, server_error};
use super::runner::{Doing, Failure, Next, Runner, ServerError};
use super::server::micros;
use super::ticks::Ticks;
use super::wholes::promising;
use super::work::{Care, Rewriting, Shape, Subject, Work};
use super::{Fatal, Progress, Session};

impl Session {
    /// Begins a rewrite. In a batch the implicit transaction, in which nothing has run, is closed first.
    pub(super) fn rewrite(&mut self, subject: Subject, outcome: &Outcome, form: SafeForm, decided: Option<Decided>, out: &mut Effects) {
        let leaving_batch = subject.shape != Shape::Query;
        let finding = outcome.decision.findings.iter().find(|judged| judged.verdict == Verdict::Enforced).map(|judged| &judged.finding);
        let rule = finding.map_or("", |finding| finding.rule.0);
        let table = finding.and_then(|finding| finding.relation.clone());
        let lock = match &outcome.lock_timeout {
            // Without a table it stands in nobody's way, and waits for nobody.
            LockTimeoutCare::RunByItself(by_itself) => by_itself.table.as_ref().map_or_else(|| self.identity.id.clone(), ToString::to_string),
            _ => table.as_ref().map_or_else(String::new, ToString::to_string),
        };
        let cut_off = self.cut_off.take();
        let promised = cut_off.as_ref().and_then(|pending| pending.promise.operations.first());
        let rule = promised.and_then(|deferred| compose::rule_named(&deferred.rule)).unwrap_or(rule);
        let (table, lock) = promised.map_or((table, lock), |deferred| (Some(deferred.table.clone()), deferred.table.to_string()));
        let deadline = self.identity.step_timeout_ms;
        let runner = match &cut_off {
            Some(pending) => Runner::again(&lock, deadline, pending, &form),
            None => Runner::new(&lock, deadline, &form),
        };
        let runner = runner.patient(self.identity.patience, &self.identity.id, outcome.lock_timeout.strong());
        let since = subject.since;
        let rewriting = Box::new(Rewriting {
            runner,
            subject,
            form,
            table,
            rule,
            decided,
            leaving_batch,
            told_to_wait: false,
            whole: promising(cut_off),
            ticks: Ticks::new(since),
        });
        if leaving_batch {
            self.batch = Batch::default();
            self.leave_batch(out);
            self.work = Work::Running(rewriting);
        } else {
            let next = rewriting.runner.start();
            self.run_next(rewriting, next, since, out);
        }
    }

    pub(super) fn run_next(&mut self, mut rewriting: Box<Rewriting>, next: Next, now: Instant, out: &mut Effects) {
        rewriting.note_progress(out);
        match next {
            Next::Quiet => self.quiet_siblings(out),
            // Only what was promised for after a COMMIT is noted so.
            Next::Note(_) => {
                let next = rewriting.runner.answered(Ok(None));
                return self.run_next(rewriting, next, now, out);
            }
            Next::Promise => return self.promise_whole(rewriting, now, out),
            Next::Run(sql, parameters) => {
                if rewriting.runner.doing() == Some(Doing::Step) {
                    self.step_begins(now);
                }
                self.run_own(&sql, &parameters, Ending::Sync, out);
            }
            Next::Finished(result) => return self.rewritten(&rewriting, result, now, out),
        }
        self.work = Work::Running(rewriting);
    }

    /// All replies to our statements are there.
    pub(super) fn own_finished(&mut self, now: Instant, out: &mut Effects) -> Progress {
        let Some(exchange) = self.own.take() else { return Ok(()) };
        if exchange.overtaken || exchange.error.is_some() {
            self.questions.forget();
        }
        if exchange.overtaken {
            self.work = Work::Open;
            return Ok(());
        }
        if let (Some(error), Ending::Flush) = (&exchange.error, exchange.ending) {
            self.work = Work::Open;
            self.question_failed_in_batch(&server_error(error), out);
            return Ok(());
        }
        self.observe_step(&exchange, now, out);
        match std::mem::replace(&mut self.work, Work::Open) {
            Work::Greeting => self.greeted(exchange, out),
            Work::Welcoming => {
                self.say_ready(out);
                Ok(())
            }
            Work::Learning(subject) => self.learned(*subject, exchange, out),
            Work::Unlearning(subject) => self.unlearned(*subject, out),
            Work::Asking(subject, inquiry) => self.asked(*subject, inquiry, exchange, out),
            Work::Capping(subject, inquiry, answers) if exchange.error.is_none() => self.decide_with(*subject, &inquiry, &answers, out),
            Work::Capping(..) => Err(Fatal::protocol("lock_timeout could not be brought back under its cap")),
            Work::TakingBack(subject, inquiry, exceeds_cap) => self.decide_under_cap(*subject, inquiry, Vec::new(), exceeds_cap, out),
            Work::Gating(subject) => self.gated_before(*subject, &exchange, out),
            Work::TakingCommitBack(subject, refusal, decided) => {
                self.commit_taken_back(&subject, &refusal, decided, out);
                Ok(())
            }
            Work::Probing(subject, facts, probe) => self.probed(*subject, *facts, probe, &exchange, out),
            Work::Unprobing(subject, facts) => self.decide(*subject, *facts, out),
            Work::Gauging(subject, facts) => self.gauged(*subject, *facts, &exchange, out),
            Work::Ungauging(subject, facts) => self.decide(*subject, *facts, out),
            Work::Lifting(subject, outcome, decided) => {
                self.lifting(*subject, *outcome, decided, exchange, out);
                Ok(())
            }
            // Lifting lock_timeout has been answered; the statement itself still runs, and is cared for when it has ended.
            Work::Caring(care) if care != Care::Sent => {
                self.work = Work::Caring(care);
                Ok(())
            }
            Work::Quieting => self.is_quiet(out),
            Work::Closing => Ok(()),
            Work::Approving(approving) => self.locks_are_known(approving, &exchange, out),
            Work::Settling(settling) => {
                self.settling(settling, exchange, out);
                Ok(())
            }
            Work::Measuring => {
                self.files_answered(exchange, out);
                Ok(())
            }
            Work::Splitting => {
                self.split_own_finished(exchange.error.as_ref(), out);
                Ok(())
            }
            Work::Enclosing(enclosing) => self.enclosing(enclosing, exchange, out),
            Work::Polling(polling) => self.polling(polling, exchange, now, out),
            Work::Trying(trying) => self.trying_on(trying, exchange, now, out),
            Work::Deferring(deferring) => self.deferring(deferring, exchange, now, out),
            Work::Committing(committing) => self.committing(committing, exchange, now, out),
            Work::Resuming(resuming) => self.resuming(resuming, exchange, now, out),
            Work::Running(mut rewriting) => {
                self.step_ends(exchange.error.is_none(), now);
                let next = if std::mem::take(&mut rewriting.leaving_batch) {
                    rewriting.runner.start()
                } else {
                    rewriting.runner.answered(exchange.into_answered())
                };
                if rewriting.runner.waits() && !std::mem::replace(&mut rewriting.told_to_wait, true) {
                    self.say_notice(&another_rewrite(), out);
                }
                self.run_next(rewriting, next, now, out);
                Ok(())
            }
            other => {
                if !matches!(other, Work::Caring(_)) {
                    self.work = other;
                }
                Ok(())
            }
        }
    }

    fn rewritten(&mut self, rewriting: &Rewriting, result: Result<(), Failure>, now: Instant, out: &mut Effects) {
        let took = now.saturating_duration_since(rewriting.subject.since);
        let result = match result {
            // It cannot be told as an error: it has happened.
            Err(failure) if rewriting.runner.has_settled() => {
                self.say_notice(&not_dropped(&failure), out);
                Ok(())
            }
            result => result,
        };
        // Without a rule it is the client's own statement, only run by us.
        if !rewriting.rule.is_empty() {
            out.observed.push(Observed::Rewrite { rule: rewriting.rule, took, succeeded: result.is_ok() });
        }
        if let Some(decided) = rewriting.decided {
            let sqlstate = result.as_ref().err().map(|failure| failure.error.sqlstate.clone());
            let tag = result.is_ok().then(|| rewriting.form.tag.to_owned());
            out.outcomes.push((decided.id, Recorded { tag, sqlstate, duration_micros: micros(now, decided.at), ..Recorded::default() }));
        }
        let failed = result.is_err();
        match result {
            Ok(()) => self.say(messages::command_complete(rewriting.form.tag), out),
            // Its own error, to the position.
            Err(failure) if rewriting.rule.is_empty() && failure.left_over.is_empty() => self.say_server_error(&failure.error, out),
            Err(failure) => self.say_failure(&failure, out),
        }
        match rewriting.subject.shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => {
                self.batch = Batch { open: true, executed: true, ..Batch::default() };
                self.skipping = failed;
            }
        }
    }

    /// The server's error about the client's own statement.
    fn say_server_error(&mut self, error: &ServerError, out: &mut Effects) {
        let report = Report {
            detail: error.detail.as_deref(),
            hint: error.hint.as_deref(),
            position: error.position,
            ..Report::new("ERROR", &error.sqlstate, &error.message)
        };
        self.say(errors::error(&report), out);
    }

    /// The error as the original statement would have said it, and what stands in its way to being as before.
    fn say_failure(&mut self, failure: &Failure, out: &mut Effects) {
        let step = format!("pgairlock was running: {}", failure.step);
        let detail = failure.error.detail.as_ref().map_or(step.clone(), |detail| format!("{detail}\n{step}"));
        let hint = match &*failure.left_over {
            [] => failure.error.hint.clone(),
            left => Some(format!("Not everything could be taken back; run by hand: {};", left.join("; "))),
        };
        self.say_error(&failure.error.sqlstate, &failure.error.message, Some(&detail), hint.as_deref(), out);
    }
}

fn not_dropped(failure: &Failure) -> Notice {
    let left = match &*failure.left_over {
        [] => "nothing is left of it now".to_owned(),
        left => format!("the next session of this role does it, or you: {};", left.join("; ")),
    };
    let ServerError { message, sqlstate, .. } = &failure.error;
    let message = format!("pgairlock: the statement is done, but what it needed could not be dropped at first ({message}, {sqlstate}): {left}");
    Notice { severity: "WARNING", sqlstate: "01000", message, detail: None }
}

fn another_rewrite() -> Notice {
    Notice {
        severity: "NOTICE",
        sqlstate: "00000",
        message: "pgairlock: another session is changing the same table in safe steps; this one waits for it".to_owned(),
        detail: None,
    }
}

impl Ran {
    /// A refusal that the server never saw.
    pub(super) fn refused(self, sqlstate: &str, since: Instant, out: &mut Effects) {
        if let Some(decided) = self.decision {
            let duration_micros = micros(decided.at, since);
            out.outcomes.push((decided.id, Recorded { tag: None, sqlstate: Some(sqlstate.to_owned()), duration_micros, ..Default::default() }));
        }
    }
}
