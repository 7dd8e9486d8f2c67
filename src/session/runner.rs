//! Running a rewrite: steps in order outside a transaction, and on failure the way back to what was there before.
//!
//! ```text
//!   Save ─▶ Acquire ─▶ Step ⟲ ─▶ Release ─▶ Restore ─▶ Finished(Ok)
//!            ⟲ Nap        │ error
//!                         ▼
//!                      Inspect ─▶ Cleanup ⟲ ─▶ Release ─▶ Restore ─▶ Finished(Err)
//! ```
//!
//! One rewrite a table at a time: two concurrent builds on one table wait for each other until one dies of a deadlock (facts: postgres, "two
//! pods"). So a rewrite takes an advisory lock, polled, since a session that waits for a lock holds a snapshot that the other build waits for.
//!
//! Pure: it says which statement to run next and is told how that went.

use std::collections::VecDeque;

use crate::policy::plan::{ErrorMapping, Step, Wait};

/// The result of one statement: its single value, or the body of its ErrorResponse.
pub type Answered = Result<Option<String>, ServerError>;

/// What is kept of an error of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// SQLSTATE.
    pub sqlstate: String,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Run this statement (with these text parameters) by itself.
    Run(String, Vec<String>),
    /// All done.
    Finished(Result<(), Failure>),
}

/// A rewrite that did not reach its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error as the original statement would have said it.
    pub error: ServerError,
    /// The step that failed.
    pub step: String,
    /// Clean-up statements that failed too: what is left for a person.
    pub left_over: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Runner {
    /// The table's name: what the advisory lock goes by.
    table: String,
    /// For one step that waits, in milliseconds.
    deadline_ms: u64,
    /// Another session has the lock.
    waits: bool,
    steps: VecDeque<Step>,
    /// Undo of finished steps, latest first.
    undo: Vec<String>,
    phase: Phase,
    /// The limits of the client's session, as JSON text.
    saved: Option<String>,
    limits_off: bool,
    failure: Option<Failure>,
}

#[derive(Debug)]
enum Phase {
    Save,
    Acquire,
    Nap,
    Limits(Box<Todo>),
    Step(Box<Step>),
    /// Whether the debris (this SQL) is ours to remove.
    Inspect(String, VecDeque<(String, Wait)>),
    Cleanup(String, VecDeque<(String, Wait)>),
    Release,
    Restore,
}

/// What runs once the limits are as it needs them.
#[derive(Debug)]
enum Todo {
    Step(Step),
    Cleanup(String, VecDeque<(String, Wait)>),
}

/// Reads the three limits as JSON; the third exists from 17 on.
const SAVE: &str = "SELECT pg_catalog.json_build_object('lock_timeout', pg_catalog.current_setting('lock_timeout'), 'statement_timeout', \
     pg_catalog.current_setting('statement_timeout'), 'transaction_timeout', pg_catalog.current_setting('transaction_timeout', true))::pg_catalog.text";

/// The first key is ours; `hashtext` of a name may collide, which costs a wait and nothing else.
const ACQUIRE: &str = "SELECT pg_catalog.pg_try_advisory_lock(1885813100, pg_catalog.hashtext($1))::pg_catalog.text";
const RELEASE: &str = "SELECT pg_catalog.pg_advisory_unlock(1885813100, pg_catalog.hashtext($1))::pg_catalog.text";
/// Between two tries the session holds no snapshot for longer than this.
const NAP: &str = "SELECT pg_catalog.pg_sleep(0.2)::pg_catalog.text";

/// INVALID, and no other session holds the lock of a concurrent build on its table: only then is it what our own failed build has left.
const ABANDONED: &str = "SELECT (NOT x.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l, pg_catalog.pg_database d \
     WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.granted \
       AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
       AND d.oid OPERATOR(pg_catalog.=) l.database AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))::pg_catalog.text \
     FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid";

/// Lifts the limits that exist: a concurrent build that one of them ends leaves an INVALID index. In their place the deadline for a step, as
/// statement_timeout: what it ends is cleaned up.
const LIFT: &str = "SELECT pg_catalog.set_config(s.name, CASE WHEN s.name OPERATOR(pg_catalog.=) 'statement_timeout' THEN $1 ELSE '0' END, false) \
     FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout', 'transaction_timeout'])";

/// Sets them back to what [`SAVE`] read.
const BACK: &str =
    "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::pg_catalog.json) s WHERE s.value IS NOT NULL";

impl Runner {
    /// Steps that are all still to do.
    #[must_use]
    pub fn new(table: String, deadline_ms: u64, steps: Vec<Step>) -> Self {
        Self {
            table,
            deadline_ms,
            waits: false,
            steps: steps.into(),
            undo: Vec::new(),
            phase: Phase::Save,
            saved: None,
            limits_off: false,
            failure: None,
        }
    }

    /// The first statement.
    #[must_use]
    pub fn start(&self) -> Next {
        Next::Run(SAVE.to_owned(), Vec::new())
    }

    /// The statement that ran last ended like this.
    pub fn answered(&mut self, answer: Answered) -> Next {
        match std::mem::replace(&mut self.phase, Phase::Restore) {
            Phase::Save => match answer {
                Ok(saved) => {
                    self.saved = saved;
                    self.acquire()
                }
                Err(error) => Next::Finished(Err(Failure { error, step: SAVE.to_owned(), left_over: Vec::new() })),
            },
            Phase::Acquire => match answer {
                Ok(Some(acquired)) if acquired == "true" => self.next_step(),
                Ok(_) => self.nap(),
                Err(error) => self.stopped_waiting(error),
            },
            Phase::Nap => match answer {
                Ok(_) => self.acquire(),
                Err(error) => self.stopped_waiting(error),
            },
            Phase::Inspect(debris, mut cleanup) => {
                if answer == Ok(Some("true".to_owned())) {
                    cleanup.push_front((debris, Wait::Long));
                }
                self.next_cleanup(cleanup)
            }
            Phase::Release => self.restore(),
            Phase::Limits(todo) => self.limits_set(*todo, answer),
            Phase::Step(step) => self.step_ended(*step, answer),
            Phase::Cleanup(sql, rest) => self.cleanup_ended(sql, rest, answer.is_ok()),
            Phase::Restore => Next::Finished(self.failure.take().map_or(Ok(()), Err)),
        }
    }

    /// The statement that runs, and those that would take back what it and the steps before it have done, in order.
    #[must_use]
    pub fn in_hand(&self) -> Option<(&str, Vec<&str>)> {
        match &self.phase {
            Phase::Step(step) => Some((&step.sql, self.way_back(step.debris.as_deref().or(step.undo.as_deref())))),
            Phase::Cleanup(sql, rest) => Some((sql, clean_up(sql, rest))),
            Phase::Limits(todo) => match &**todo {
                Todo::Step(step) => Some((&step.sql, self.way_back(None))),
                Todo::Cleanup(sql, rest) => Some((sql, clean_up(sql, rest))),
            },
            Phase::Inspect(debris, rest) => Some((debris, rest.iter().map(|(sql, _)| &**sql).collect())),
            Phase::Save | Phase::Acquire | Phase::Nap | Phase::Release | Phase::Restore => None,
        }
    }

    fn way_back<'a>(&'a self, first: Option<&'a str>) -> Vec<&'a str> {
        first.into_iter().chain(self.undo.iter().rev().map(|sql| &**sql)).collect()
    }

    /// Another session runs a rewrite of the same table; this one waits for it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    fn acquire(&mut self) -> Next {
        self.phase = Phase::Acquire;
        Next::Run(ACQUIRE.to_owned(), vec![self.table.clone()])
    }

    fn nap(&mut self) -> Next {
        self.waits = true;
        self.phase = Phase::Nap;
        Next::Run(NAP.to_owned(), Vec::new())
    }

    /// A cancel, or a timeout of the client's own.
    fn stopped_waiting(&mut self, error: ServerError) -> Next {
        self.failure = Some(Failure { error, step: "waiting for another rewrite of the same table".to_owned(), left_over: Vec::new() });
        self.restore()
    }

    fn release(&mut self) -> Next {
        self.phase = Phase::Release;
        Next::Run(RELEASE.to_owned(), vec![self.table.clone()])
    }

    fn limits_set(&mut self, todo: Todo, answer: Answered) -> Next {
        match (todo, answer) {
            (Todo::Step(step), Ok(_)) => self.run_step(step),
            (Todo::Step(step), Err(error)) => self.failed(&step, error),
            (Todo::Cleanup(sql, rest), _) => self.run_cleanup(sql, rest),
        }
    }

    fn next_step(&mut self) -> Next {
        let Some(step) = self.steps.pop_front() else { return self.release() };
        let off = step.wait == Wait::Long;
        if off == self.limits_off { self.run_step(step) } else { self.set_limits(off, Todo::Step(step)) }
    }

    fn set_limits(&mut self, off: bool, todo: Todo) -> Next {
        self.limits_off = off;
        self.phase = Phase::Limits(Box::new(todo));
        if off {
            Next::Run(LIFT.to_owned(), vec![self.deadline_ms.to_string()])
        } else {
            Next::Run(BACK.to_owned(), vec![self.saved.clone().unwrap_or_default()])
        }
    }

    fn run_step(&mut self, step: Step) -> Next {
        let sql = step.sql.clone();
        self.phase = Phase::Step(Box::new(step));
        Next::Run(sql, Vec::new())
    }

    fn step_ended(&mut self, step: Step, answer: Answered) -> Next {
        match answer {
            Ok(_) => {
                self.undo.extend(step.undo);
                self.next_step()
            }
            Err(error) => self.failed(&step, error),
        }
    }

    fn failed(&mut self, step: &Step, error: ServerError) -> Next {
        let sqlstate = error.sqlstate.clone();
        let error = as_original(error, step.errors.as_ref());
        self.failure = Some(Failure { error, step: step.sql.clone(), left_over: Vec::new() });
        let undo: VecDeque<_> = self.undo.drain(..).rev().map(|sql| (sql, Wait::Short)).collect();
        // duplicate_table: the name belongs to somebody else, so nothing of that name is ours to remove.
        match (step.debris.clone(), step.debris_index().filter(|_| sqlstate != "42P07")) {
            (Some(debris), Some(index)) => {
                self.phase = Phase::Inspect(debris, undo);
                Next::Run(ABANDONED.to_owned(), vec![index.to_owned()])
            }
            _ => self.next_cleanup(undo),
        }
    }

    fn next_cleanup(&mut self, mut cleanup: VecDeque<(String, Wait)>) -> Next {
        let Some((sql, wait)) = cleanup.pop_front() else { return self.release() };
        let off = wait == Wait::Long;
        if off == self.limits_off { self.run_cleanup(sql, cleanup) } else { self.set_limits(off, Todo::Cleanup(sql, cleanup)) }
    }

    fn run_cleanup(&mut self, sql: String, rest: VecDeque<(String, Wait)>) -> Next {
        self.phase = Phase::Cleanup(sql.clone(), rest);
        Next::Run(sql, Vec::new())
    }

    fn cleanup_ended(&mut self, sql: String, rest: VecDeque<(String, Wait)>, succeeded: bool) -> Next {
        if let (false, Some(failure)) = (succeeded, &mut self.failure) {
            failure.left_over.push(sql);
        }
        self.next_cleanup(rest)
    }

    fn restore(&mut self) -> Next {
        self.phase = Phase::Restore;
        Next::Run(BACK.to_owned(), vec![self.saved.clone().unwrap_or_default()])
    }
}

fn clean_up<'a>(sql: &'a str, rest: &'a VecDeque<(String, Wait)>) -> Vec<&'a str> {
    std::iter::once(sql).chain(rest.iter().map(|(sql, _)| &**sql)).collect()
}

fn as_original(error: ServerError, mapping: Option<&ErrorMapping>) -> ServerError {
    match mapping {
        Some(mapping) if mapping.from == error.sqlstate => {
            ServerError { sqlstate: mapping.to.to_owned(), message: mapping.message.clone(), detail: None, hint: None }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(runner: &mut Runner, fails: &[&str]) -> (Vec<String>, Result<(), Failure>) {
        run_failing_with("23514", runner, fails)
    }

    fn run_failing_with(sqlstate: &str, runner: &mut Runner, fails: &[&str]) -> (Vec<String>, Result<(), Failure>) {
        run_waiting(sqlstate, runner, fails, Vec::new())
    }

    /// The lock is had when these tries, last first, are through.
    fn run_waiting(sqlstate: &str, runner: &mut Runner, fails: &[&str], mut tries: Vec<&str>) -> (Vec<String>, Result<(), Failure>) {
        let mut ran = Vec::new();
        let mut next = runner.start();
        loop {
            match next {
                Next::Run(sql, _) => {
                    let name = [
                        (SAVE, "save"),
                        (LIFT, "off"),
                        (BACK, "back"),
                        (ACQUIRE, "acquire"),
                        (RELEASE, "release"),
                        (ABANDONED, "inspect"),
                        (NAP, "nap"),
                    ]
                    .iter()
                    .find(|(known, _)| *known == sql)
                    .map_or(&*sql, |(_, name)| name);
                    ran.push(name.to_owned());
                    let failure = ServerError { sqlstate: sqlstate.into(), message: "m".into(), ..ServerError::default() };
                    let answer = if sql == ACQUIRE { tries.pop().unwrap_or("true") } else { "true" };
                    next = runner.answered(if fails.contains(&&*sql) || fails.contains(&&*ran[ran.len() - 1]) {
                        Err(failure)
                    } else {
                        Ok(Some(answer.into()))
                    });
                }
                Next::Finished(result) => return (ran, result),
            }
        }
    }

    #[test]
    fn limits_are_off_for_long_steps_only() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::short("a"), Step::long("b"), Step::long("c"), Step::short("d")]);
        let (ran, result) = run(&mut runner, &[]);
        assert_eq!(ran, ["save", "acquire", "a", "off", "b", "c", "back", "d", "release", "back"]);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn a_failed_step_is_cleaned_up_in_reverse() {
        let mut runner = Runner::new(
            "public.t".into(),
            1000,
            vec![
                Step::short("a").undo("undo a"),
                Step::short("b").undo("undo b"),
                Step::long("c").debris("DROP INDEX CONCURRENTLY IF EXISTS c").undo("undo c"),
                Step::short("never"),
            ],
        );
        let (ran, result) = run(&mut runner, &["c"]);
        assert_eq!(
            ran,
            [
                "save",
                "acquire",
                "a",
                "b",
                "off",
                "c",
                "inspect",
                "DROP INDEX CONCURRENTLY IF EXISTS c",
                "back",
                "undo b",
                "undo a",
                "release",
                "back"
            ]
        );
        assert_eq!(result.unwrap_err().step, "c");
    }

    #[test]
    fn what_is_in_hand_can_be_told_at_any_time() {
        let mut runner = Runner::new(
            "public.t".into(),
            1000,
            vec![Step::short("a").undo("undo a"), Step::long("b").debris("DROP INDEX CONCURRENTLY IF EXISTS b"), Step::short("c")],
        );
        let mut told = Vec::new();
        for answer in ["save", "true", "a", "limits"] {
            told.push(runner.in_hand().map(|(sql, back)| format!("{sql}: {}", back.join(", "))).unwrap_or_default());
            runner.answered(Ok(Some(answer.into())));
        }
        assert_eq!(told, ["", "", "a: undo a", "b: undo a"]);
        assert_eq!(runner.in_hand(), Some(("b", vec!["DROP INDEX CONCURRENTLY IF EXISTS b", "undo a"])));
        runner.answered(Err(ServerError::default()));
        assert_eq!(runner.in_hand(), Some(("DROP INDEX CONCURRENTLY IF EXISTS b", vec!["undo a"])));
    }

    #[test]
    fn what_cannot_be_cleaned_up_is_told() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::short("a").undo("undo a"), Step::short("b")]);
        assert_eq!(run(&mut runner, &["b", "undo a"]).1.unwrap_err().left_over, ["undo a"]);
    }

    #[test]
    fn one_rewrite_a_table_at_a_time() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::short("a")]);
        let (ran, result) = run_waiting("", &mut runner, &[], vec!["false", "false"]);
        assert_eq!(ran, ["save", "acquire", "nap", "acquire", "nap", "acquire", "a", "release", "back"]);
        assert_eq!((result, runner.waits()), (Ok(()), true));
    }

    #[test]
    fn a_cancel_while_waiting_changes_nothing() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::short("a")]);
        let (ran, result) = run_waiting("57014", &mut runner, &["nap"], vec!["false"]);
        assert_eq!(
            (ran, result.unwrap_err().error.sqlstate),
            (vec!["save".to_owned(), "acquire".into(), "nap".into(), "back".into()], "57014".into())
        );
    }

    #[test]
    fn what_another_session_builds_is_no_debris() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::long("a").debris("DROP INDEX CONCURRENTLY IF EXISTS a")]);
        assert_eq!(run_failing_with("40P01", &mut runner, &["a", "inspect"]).0, ["save", "acquire", "off", "a", "inspect", "release", "back"]);
    }

    #[test]
    fn what_already_stood_under_the_name_is_left_alone() {
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::long("a").debris("DROP INDEX CONCURRENTLY IF EXISTS a")]);
        assert_eq!(run_failing_with("42P07", &mut runner, &["a"]).0, ["save", "acquire", "off", "a", "release", "back"]);
    }

    #[test]
    fn an_error_reads_as_the_original() {
        let mapping = ErrorMapping { from: "23514", to: "23502", message: "column \"c\" of relation \"t\" contains null values".into() };
        let mut runner = Runner::new("public.t".into(), 1000, vec![Step::long("a").errors(mapping)]);
        let failure = run(&mut runner, &["a"]).1.unwrap_err();
        assert_eq!((&*failure.error.sqlstate, &*failure.error.message), ("23502", "column \"c\" of relation \"t\" contains null values"));
    }
}
