//! Sequences of statements, as a server would answer them.

use super::cleaning::MOST_LOOKS;
use super::sql::SLEEP;
use super::*;
use crate::catalog::locks::LockMode;
use crate::deferred::drop_table::{Doomed, DropForeignKey, DropTable};
use crate::deferred::operation::{AttachKey, CreateIndex, SetNotNull};
use crate::deferred::promise::{Pending, Place, Promise, PromiseId};
use crate::deferred::whole::{FirstPart, Whole};
use crate::policy::strong::{Patience, StrongLock};
use crate::sql::name::RelationName;

const NAMES: &[(&str, &str)] = &[
    (SAVE, "save"),
    (LIFT, "off"),
    (BACK, "back"),
    (ALL_BACK, "all back"),
    (APPLY, "apply"),
    (ACQUIRE, "acquire"),
    (RELEASE, "release"),
    (STATE, "inspect"),
    (REBUILT, "rebuilt"),
    (NAP, "nap"),
    (SLEEP, "pause"),
    (super::super::holders::QUESTION, "who"),
    (seen::QUESTION, "look"),
    (CONTEXT, "context"),
];

/// Somebody has been in the way for an hour.
const SOMEBODY: &str = r#"{"holders": [{"transaction": "3/1", "pid": 7, "role": "app", "application": null, "kind": null, "state": null, "open_for": 3600,
    "query": null}], "own": [], "relations": 1, "deadlock_timeout": "1s"}"#;

/// What the server says: to each statement its answers in turn, then `true`.
#[derive(Default)]
struct Server {
    answers: Vec<(&'static str, Answered)>,
    /// What the store says.
    promises: Option<Result<bool, ServerError>>,
    /// A cancel request passes when this statement has been answered.
    cancelled_behind: Option<&'static str>,
}

impl Server {
    fn with(mut self, statement: &'static str, answer: Answered) -> Self {
        self.answers.push((statement, answer));
        self
    }

    fn fails(self, statement: &'static str, sqlstate: &str) -> Self {
        self.with(statement, Err(ServerError { sqlstate: sqlstate.into(), message: "m".into(), ..ServerError::default() }))
    }

    fn says(self, statement: &'static str, answer: &str) -> Self {
        self.with(statement, Ok(Some(answer.into())))
    }

    fn answer(&mut self, name: &str) -> Answered {
        let default = match name {
            "look" => r#"{"table":1}"#,
            "who" => SOMEBODY,
            _ => "true",
        };
        match self.answers.iter().position(|(statement, _)| *statement == name) {
            Some(at) => self.answers.remove(at).1,
            None => Ok(Some(default.into())),
        }
    }

    fn run(mut self, runner: &mut Runner) -> (String, Result<(), Failure>) {
        let mut ran = Vec::new();
        let mut next = runner.start();
        loop {
            match next {
                Next::Run(sql, _) => {
                    let name = NAMES.iter().find(|(known, _)| *known == sql).map_or(&*sql, |(_, name)| name).to_owned();
                    if self.cancelled_behind == Some(&*name) {
                        runner.cancel_requested();
                    }
                    next = runner.answered(self.answer(&name));
                    ran.push(name);
                }
                Next::Quiet => next = runner.answered(Ok(None)),
                Next::Note(error) => {
                    ran.push(format!("note {}", error.sqlstate));
                    next = runner.answered(Ok(None));
                }
                Next::Promise => {
                    ran.push("promise".to_owned());
                    next = runner.promise_answered(self.promises.take().unwrap_or(Ok(true)));
                }
                Next::Finished(result) => return (ran.join(" · "), result),
            }
        }
    }
}

fn table() -> RelationName {
    RelationName::qualified("public", "t")
}

fn build(name: &str) -> Operation {
    Operation::CreateIndex(CreateIndex {
        table: table(),
        index: Some(table().sibling(name)),
        unique: false,
        key: None,
        whole: true,
        nulls_not_distinct: false,
        sql: format!("build {name}"),
    })
}

fn attach(name: &str) -> Operation {
    Operation::AttachKey(AttachKey { table: table(), only: false, constraint: name.into(), columns: Vec::new(), sql: format!("attach {name}") })
}

fn now(then: Vec<Operation>) -> Runner {
    Runner::new("public.t", 1000, &SafeForm { now: Some(Step::short("now").undo("undo now")), then, tag: "ALTER TABLE" })
}

fn later(operations: Vec<Operation>, tried: Try) -> Runner {
    let task = |operation| Task { operation, lock: "public.t".into(), tried, context: None, aim: Aim::End };
    Runner::promised(1000, operations.into_iter().map(task).collect())
}

#[test]
fn limits_are_off_for_long_steps_only_and_the_lock_is_held_for_all_of_a_table() {
    let mut runner = now(vec![build("i"), attach("i")]);
    let (ran, result) = Server::default().run(&mut runner);
    assert_eq!(
        ran,
        "save · acquire · look · look · context · promise · back · now · look · off · build i · look · back · attach i · release · all back"
    );
    assert_eq!((result, runner.done()), (Ok(()), 3));
}

#[test]
fn a_failed_step_is_cleaned_up_and_those_before_it_are_taken_back_in_reverse() {
    let drop = "DROP INDEX CONCURRENTLY IF EXISTS public.";
    let server = Server::default().fails("build j", "23505").says("inspect", "abandoned");
    let (ran, result) = server.run(&mut now(vec![build("i"), build("j"), attach("never")]));
    assert_eq!(
        ran,
        format!(
            "save · acquire · look · look · look · context · promise · back · now · look · off · build i · look · build j · inspect · {drop}j · {drop}i · back · undo now · release · all back"
        )
    );
    let failure = result.unwrap_err();
    assert_eq!((&*failure.step, &*failure.error.sqlstate, failure.left_over.len()), ("build j", "23505", 0));
}

#[test]
fn after_a_commit_what_is_done_stays() {
    let server = Server::default().fails("attach i", "42P16");
    let mut runner = later(vec![build("i"), attach("i"), build("never")], Try::Again { cleaned: false });
    let (ran, result) = server.run(&mut runner);
    assert_eq!(ran, "save · acquire · look · off · build i · look · back · attach i · release · all back");
    assert_eq!((result.unwrap_err().step, runner.done()), ("attach i".to_owned(), 1));
}

#[test]
fn a_lock_that_is_not_had_is_tried_for_again() {
    let server = Server::default().fails("attach i", "55P03").fails("attach i", "55P03");
    let no_lock = "attach i · who · pause · ";
    assert_eq!(
        server.run(&mut now(vec![attach("i")])).0,
        format!("save · acquire · look · context · promise · back · now · look · {no_lock}{no_lock}attach i · release · all back")
    );
    let mut runner = now(Vec::new()).patient(Patience::USUAL, "seed", Some(lock()));
    let ran = Server::default().fails("now", "55P03").run(&mut runner).0;
    assert!(ran.contains("back · now · who · pause · now · release"), "{ran}");
}

/// The request meets no statement that it could cancel, or one of ours that is about nothing but who is there.
#[test]
fn a_cancel_between_two_tries_ends_the_waiting() {
    for (behind, expected) in [("now", "now · who · release"), ("who", "now · who · release"), ("pause", "now · who · pause · release")] {
        let mut runner = now(Vec::new()).patient(Patience::USUAL, "seed", Some(lock()));
        let server = Server { cancelled_behind: Some(behind), ..Server::default() }.fails("now", "55P03");
        let (ran, result) = server.run(&mut runner);
        let told = result.unwrap_err().error;
        assert_eq!((&*told.sqlstate, &*told.message), ("57014", "canceling statement due to user request"), "{ran}");
        assert!(ran.contains(expected) && ran.ends_with("release · all back") && !ran.contains("undo now"), "{behind}: {ran}");
    }
    // Elsewhere the server hears it.
    let server = Server { cancelled_behind: Some("acquire"), ..Server::default() };
    assert!(server.run(&mut now(Vec::new())).1.is_ok());
}

fn lock() -> StrongLock {
    StrongLock { relations: vec![table()], mode: LockMode::AccessExclusive, neighbours: false, may_ask: true, brief: true }
}

/// The tries of a statement, and how it failed, where the lock never comes free.
fn tries(statement: &'static str, patience: Patience, saved: &'static str) -> (usize, Failure) {
    let never = (0..1_000).fold(Server::default().says("save", saved), |server, _| server.fails(statement, "55P03"));
    let (ran, result) = never.run(&mut now(vec![attach("i")]).patient(patience, "seed", Some(lock())));
    (ran.matches(&format!("{statement} · ")).count(), result.unwrap_err())
}

#[test]
fn a_lock_that_never_comes_free_is_given_up_at_the_deadline() {
    let (count, failure) = tries("now", Patience::USUAL, "{}");
    assert!((90..=110).contains(&count), "{count}");
    assert_eq!(failure.error.sqlstate, "55P03");
    assert!(failure.error.detail.as_ref().is_some_and(|detail| detail.starts_with("pgairlock tried for 60 s to lock public.t, 1")), "{failure:?}");
    let (count, failure) = tries("attach i", Patience::USUAL, "{}");
    assert!((300..=550).contains(&count), "what comes behind a long step has more: {count}");
    assert_eq!((&*failure.error.sqlstate, failure.left_over), ("55P03", Vec::new()));
    assert_eq!(tries("now", Patience { total_ms: 0, ..Patience::USUAL }, "{}").0, 1);
    assert_eq!(tries("now", Patience::USUAL, r#"{"lock_timeout": "300ms"}"#).0, 2, "the client's own is stricter");
}

#[test]
fn a_try_has_a_short_lock_timeout_and_otherwise_the_limits_of_the_session() {
    let mut runner = now(Vec::new());
    let _ = runner.start();
    let saved = r#"{"lock_timeout":null,"statement_timeout":"7s"}"#;
    let _ = runner.answered(Ok(Some(saved.into())));
    let Next::Run(sql, parameters) = runner.answered(Ok(Some("true".into()))) else { panic!() };
    assert_eq!((&*sql, &*parameters[0]), (BACK, r#"{"lock_timeout":"100","statement_timeout":"7s"}"#));
}

/// `prove` is the CHECK of a partition, `join` the statement that makes it one.
fn joining() -> Vec<Operation> {
    use crate::deferred::joining::{Join, Proof};
    let (constraint, expression, violated) = ("c".to_owned(), "true".to_owned(), String::new());
    let proof = Proof { table: table(), partition: table(), constraint, expression, violated, tables: 1 };
    let join = Join { table: table(), of: table(), partition: table(), creates: false, columns: Vec::new(), tables: 1, sql: "join".into() };
    vec![Operation::Join(join), Operation::DropProof(proof)]
}

/// A statement_timeout that bounds a try would end the pause as well.
#[test]
fn a_pause_is_not_bounded_as_a_try_is() {
    let server = Server::default().fails("join", "55P03");
    let ran = server.run(&mut Runner::new("public.t", 1000, &form(joining()))).0;
    assert!(ran.contains("back · join · who · back · pause · back · join · "), "{ran}");
}

#[test]
fn what_has_joined_is_not_taken_back() {
    let forget = "ALTER TABLE public.t DROP CONSTRAINT c";
    let check = r#"{"table":1,"constraint":{"validated":true}}"#;
    for (failing, undone) in [(forget, 0), ("join", 1)] {
        let server = (0..4).fold(Server::default(), |server, _| server.says("look", check)).fails(failing, "42501");
        let form = SafeForm { now: Some(Step::short("now").undo("undo now")), ..form(joining()) };
        let (ran, result) = server.run(&mut Runner::new("public.t", 1000, &form));
        assert_eq!(result.unwrap_err().step, failing);
        assert_eq!(ran.matches("undo now").count(), undone, "{ran}");
    }
}

#[test]
fn what_is_in_hand_can_be_told_at_any_time() {
    let mut runner = now(vec![build("i")]);
    let mut told = vec![runner.in_hand().map(|(sql, back)| format!("{sql}: {}", back.join(", "))).unwrap_or_default()];
    for answer in ["save", "true", r#"{"table":1}"#, "context", "promise", "limits", "now"] {
        if answer == "promise" {
            runner.promise_answered(Ok(true))
        } else {
            runner.answered(Ok(Some(answer.into())))
        };
        told.push(runner.in_hand().map(|(sql, back)| format!("{}: {}", &sql[..3], back.join(", "))).unwrap_or_default());
    }
    assert_eq!(told, ["", "", "", "", "", "now: ", "now: undo now", "SEL: undo now"]);
    for answer in ["{}", "limits", "quiet"] {
        runner.answered(Ok(Some(answer.into())));
    }
    let drop = "DROP INDEX CONCURRENTLY IF EXISTS public.i";
    assert_eq!(runner.in_hand(), Some(("build i", vec![drop.to_owned(), "undo now".to_owned()])));
    runner.answered(Err(ServerError::default()));
    runner.answered(Ok(Some("abandoned".into())));
    assert_eq!(runner.in_hand(), Some((drop, vec![drop.to_owned(), "undo now".to_owned()])));
}

const THERE: &str = r#"{"table":1,"index":{"on_table":true,"valid":true}}"#;
const GOT_STUCK: &str = r#"{"table":1,"index":{"on_table":true,"abandoned":true}}"#;

fn form(then: Vec<Operation>) -> SafeForm {
    SafeForm { now: None, then, tag: "ALTER TABLE" }
}

/// A statement of these operations that was cut off; with a first part, or without.
fn cut_off(done: usize, first: bool, operations: Vec<Operation>) -> Pending {
    let deferred = |operation| Deferred { operation, table: table(), rule: "r".into(), context: "{}".into() };
    let first = first.then(|| FirstPart { sql: "now".into(), undo: Some("undo now".into()), makes_columns: false });
    Pending {
        id: PromiseId(1),
        promise: Promise {
            transaction: 1,
            session: "s".into(),
            place: Place::default(),
            role: "r".into(),
            xid: String::new(),
            life: String::new(),
            operations: operations.into_iter().map(deferred).collect(),
            whole: Some(Whole { sql: "sql".into(), first }),
        },
        at_unix_micros: 0,
        committed: false,
        done,
        error: None,
        told: false,
    }
}

#[test]
fn what_has_a_name_that_is_taken_is_not_promised() {
    let (ran, _) = Server::default().says("look", THERE).run(&mut Runner::new("public.t", 1000, &form(vec![build("i")])));
    assert!(!ran.contains("promise"), "{ran}");
}

#[test]
fn what_cannot_be_promised_is_not_begun() {
    let error = ServerError { sqlstate: "PA005".into(), ..ServerError::default() };
    let (ran, result) = Server { promises: Some(Err(error)), ..Server::default() }.run(&mut now(vec![build("i")]));
    assert_eq!((&*ran, &*result.unwrap_err().error.sqlstate), ("save · acquire · look · context · promise · release · all back", "PA005"));
}

#[test]
fn a_statement_that_comes_again_goes_on_where_it_stopped_unless_it_has_come_to_its_end_meanwhile() {
    let both = || vec![build("i"), attach("i")];
    let again = || Runner::again("public.t", 1000, &cut_off(0, false, both()), &form(both()));
    let there = || Server::default().says("look", THERE).says("look", THERE).says("look", THERE);
    let (ran, result) = there().run(&mut again());
    assert_eq!((&*ran, result), ("save · acquire · context · promise · look · look · look · look · back · attach i · release · all back", Ok(())));
    let (ran, result) =
        Server { promises: Some(Ok(false)), ..Server::default() }.says("look", THERE).says("look", r#"{"table":1}"#).run(&mut again());
    assert!(ran.starts_with("save · acquire · context · promise · look · look · look · off · build i"), "as the first of its kind: {ran} {result:?}");
    let (ran, result) = there().fails("attach i", "23502").run(&mut again());
    assert!(result.is_err() && ran.contains("attach i · off · DROP INDEX CONCURRENTLY IF EXISTS public.i"), "{ran}");
}

#[test]
fn a_statement_that_was_cut_off_is_taken_back_from_its_end_unless_all_of_it_is_there() {
    let mut all = Runner::back(1000, &cut_off(0, false, vec![build("i"), build("j")]));
    let (ran, result) = Server::default().says("look", THERE).says("look", THERE).run(&mut all);
    assert_eq!((&*ran, result, all.is_complete()), ("save · apply · acquire · look · look · look · look · release · all back", Ok(()), true));
    for (done, end) in [(0, "off"), (1, "undo now")] {
        let mut stuck = Runner::back(1000, &cut_off(done, true, vec![build("i"), build("j")]));
        let looks = [THERE, GOT_STUCK, GOT_STUCK, THERE];
        let (ran, result) = looks.into_iter().fold(Server::default(), |server, look| server.says("look", look)).run(&mut stuck);
        assert!(ran.contains("IF EXISTS public.j · look · DROP INDEX CONCURRENTLY IF EXISTS public.i"), "{ran}");
        assert_eq!((ran.contains(end), result, stuck.is_complete()), (true, Ok(()), false), "{ran}");
        assert_eq!(ran.contains("undo now"), done > 0, "only what is known to be done is taken back");
    }
}

#[test]
fn what_cannot_be_cleaned_up_is_told() {
    let server = Server::default().fails("attach i", "23505").fails("undo now", "55P03");
    let mut runner = now(vec![attach("i")]);
    assert_eq!(server.run(&mut runner).1.unwrap_err().left_over, ["undo now"]);
    assert!(runner.has_failed() && !runner.left_nothing(), "it stays to be done");
}

#[test]
fn one_session_a_table_at_a_time() {
    let server = Server::default().says("acquire", "false").says("acquire", "false");
    let mut runner = later(vec![attach("i")], Try::First);
    let (ran, result) = server.run(&mut runner);
    assert_eq!(ran, "save · acquire · nap · acquire · nap · acquire · look · back · attach i · release · all back");
    assert_eq!((result, runner.waits()), (Ok(()), true));
}

#[test]
fn another_table_is_another_lock_and_other_settings_are_set_before_it() {
    let task = |lock: &str, context: Option<&str>| Task {
        operation: attach(lock),
        lock: lock.into(),
        tried: Try::First,
        aim: Aim::End,
        context: context.map(Into::into),
    };
    let mut runner = Runner::promised(1000, vec![task("a", None), task("b", None), task("b", Some("{}"))]);
    assert_eq!(
        Server::default().run(&mut runner).0,
        "save · acquire · look · back · attach a · release · acquire · look · attach b · release · apply · acquire · look · attach b · release · all back"
    );
}

#[test]
fn a_cancel_while_waiting_changes_nothing() {
    let server = Server::default().says("acquire", "false").fails("nap", "57014");
    let (ran, result) = server.run(&mut later(vec![attach("i")], Try::First));
    assert_eq!((&*ran, result.unwrap_err().error.sqlstate), ("save · acquire · nap · all back", "57014".to_owned()));
}

#[test]
fn a_cancel_of_the_last_statements_leaves_no_lock_and_no_limit() {
    let server = Server::default().fails("release", "57014").fails("all back", "57014");
    let (ran, result) = server.run(&mut later(vec![attach("i")], Try::First));
    assert_eq!((&*ran, result), ("save · acquire · look · back · attach i · release · release · all back · all back", Ok(())));
}

#[test]
fn what_another_session_locks_is_looked_at_again_and_told_in_the_end() {
    let server = Server::default().fails("build i", "40P01").says("inspect", "busy").says("inspect", "abandoned");
    let drop = "DROP INDEX CONCURRENTLY IF EXISTS public.i";
    let (ran, result) = server.run(&mut later(vec![build("i")], Try::First));
    assert_eq!(ran, format!("save · acquire · look · off · build i · inspect · nap · inspect · {drop} · release · all back"));
    assert_eq!(result.unwrap_err().left_over.len(), 0);
    let busy = (0..MOST_LOOKS).fold(Server::default().fails("build i", "40P01"), |server, _| server.says("inspect", "busy"));
    assert_eq!(busy.run(&mut later(vec![build("i")], Try::First)).1.unwrap_err().left_over, [drop]);
}

#[test]
fn what_already_stood_under_the_name_is_left_alone() {
    let (ran, _) = Server::default().fails("build i", "42P07").run(&mut later(vec![build("i")], Try::First));
    assert_eq!(ran, "save · acquire · look · off · build i · release · all back");
}

#[test]
fn an_index_that_was_half_dropped_is_told() {
    let drop = Operation::DropIndex(crate::deferred::operation::DropIndex { table: table(), index: table().sibling("i"), sql: "drop i".into() });
    let server = Server::default().fails("drop i", "57014").says("inspect", "abandoned");
    assert_eq!(server.run(&mut later(vec![drop.clone()], Try::First)).1.unwrap_err().left_over, ["REINDEX INDEX CONCURRENTLY public.i"]);
    let server = Server::default().fails("drop i", "57014").says("inspect", "valid");
    assert_eq!(server.run(&mut later(vec![drop], Try::First)).1.unwrap_err().left_over.len(), 0);
}

#[test]
fn a_key_that_was_dropped_for_its_table_comes_back_as_it_was() {
    let p = table().sibling("p");
    let key = DropForeignKey {
        table: table(),
        oid: 1,
        constraint: "f".into(),
        joined: p,
        joined_oid: 2,
        definition: "FOREIGN KEY (a) REFERENCES public.p(id)".into(),
        validated: true,
    };
    let tables = DropTable { tables: vec![Doomed { name: table(), oid: 1 }], if_exists: false, cascade: false, takes: Vec::new() };
    let form = SafeForm { now: None, then: vec![Operation::DropForeignKey(key), Operation::DropTable(tables)], tag: "DROP TABLE" };
    let there = r#"{"table":1,"constraint":{"validated":true},"others":[2]}"#;
    let server = || Server::default().says("look", there).says("look", there).says("look", there);
    let drop = "ALTER TABLE public.t DROP CONSTRAINT f";
    let (add, validate) =
        ("ALTER TABLE public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.p(id) NOT VALID", "ALTER TABLE public.t VALIDATE CONSTRAINT f");
    let begun = format!("save · acquire · look · look · context · promise · look · back · {drop} · look · DROP TABLE public.t");
    let (ran, result) = server().run(&mut Runner::new("public.t", 1000, &form));
    assert_eq!((ran, result), (format!("{begun} · release · all back"), Ok(())));
    let (ran, result) = server().fails("DROP TABLE public.t", "2BP01").run(&mut Runner::new("public.t", 1000, &form));
    assert_eq!(ran, format!("{begun} · back · {add} · off · {validate} · release · all back"));
    assert_eq!(result.unwrap_err().left_over.len(), 0);
    let (ran, _) = server().fails(drop, "57014").run(&mut Runner::new("public.t", 1000, &form));
    assert!(ran.ends_with(&format!("look · back · {drop} · release · all back")), "what was not dropped is not added: {ran}");
    // An earlier run had dropped it: this one still can take it back.
    let (gone, left) = (r#"{"table":1,"others":[2]}"#, r#"{"table":1,"others":[1]}"#);
    let server =
        [gone, left, gone, left].iter().fold(Server::default().fails("DROP TABLE public.t", "2BP01"), |server, look| server.says("look", look));
    let (ran, _) = server.run(&mut Runner::again("public.t", 1000, &cut_off(1, false, form.then.clone()), &form));
    assert!(ran.ends_with(&format!("DROP TABLE public.t · back · {add} · off · {validate} · release · all back")), "{ran}");
}

#[test]
fn what_a_rebuild_left_is_dropped() {
    let reindex = Operation::Reindex(crate::deferred::operation::Reindex { table: Some(table()), index: None, sql: "rebuild".into() });
    let server = Server::default().fails("rebuild", "57014").says("rebuilt", r#"["a_ccnew","b_ccnew1"]"#);
    assert_eq!(
        server.run(&mut later(vec![reindex], Try::First)).0,
        "save · acquire · look · off · rebuild · rebuilt · DROP INDEX CONCURRENTLY a_ccnew · DROP INDEX CONCURRENTLY b_ccnew1 · release · all back"
    );
}

#[test]
fn an_error_reads_as_the_original_and_the_helper_goes() {
    let set = SetNotNull { table: table(), only: false, column: "c".into(), helper: "h".into(), in_place: true, was_not_null: false };
    let server = Server::default()
        .says("look", r#"{"table":1,"constraint":{"validated":false}}"#)
        .fails("ALTER TABLE public.t VALIDATE CONSTRAINT h", "23514");
    let (ran, result) = server.run(&mut later(vec![Operation::SetNotNull(set)], Try::First));
    assert!(
        ran.ends_with("VALIDATE CONSTRAINT h · note 23502 · back · ALTER TABLE public.t DROP CONSTRAINT IF EXISTS h · release · all back"),
        "{ran}"
    );
    let error = result.unwrap_err().error;
    assert_eq!((&*error.sqlstate, &*error.message), ("23502", "column \"c\" of relation \"t\" contains null values"));
}
