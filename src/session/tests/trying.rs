//! A statement that waits for a strong lock, as the server would answer its tries.

use std::time::Duration;

use super::judged::{asked_first, own};
use super::*;
use crate::deferred::promise::Place;

const DDL: &str = "ALTER TABLE t ADD COLUMN c int";
/// What the catalog says: nothing that could be read.
const UNKNOWN: &str = "";
const SOMEBODY: &str = r#"{"holders": [{"transaction": "3/1", "pid": 7, "role": "app", "application": "report", "kind": null, "state": null,
    "open_for": 3600, "query": null}], "own": [], "relations": 1, "deadlock_timeout": "1s"}"#;
const OWN_ROWS: &str = r#"{"holders": [], "own": [{"schema": "public", "name": "u"}], "relations": 1, "deadlock_timeout": "1s"}"#;

fn text(left: &Left) -> String {
    String::from_utf8_lossy(&left.server).into_owned()
}

fn closed() -> Vec<u8> {
    frame(b'3', b"")
}

/// The statement of ours that fails, behind others that did not.
fn failed(before: usize, sqlstate: &str) -> Vec<u8> {
    [own("").repeat(before), [closed(), frame(b'1', b""), frame(b'2', b""), error(sqlstate)].concat()].concat()
}

/// In a block, up to what the first try sends.
fn trying_in_a_block(holders: &str) -> (Conversation, Left) {
    let mut talk = conversation();
    talk.session.place = Some(Place { system: "1".into(), database: "app".into() });
    talk.session.resumed = true;
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk.client(&messages::query(DDL));
    // lock_timeout, savepoint and the kind of plans, catalog, sizes, back and release.
    let asked = [asked_first(UNKNOWN), asked_first(UNKNOWN)].concat();
    let left = talk.server(&[own("2s"), own(""), own(""), asked, own(""), own(""), ready(b'T')].concat());
    assert!(text(&left).contains("SHOW statement_timeout") && text(&left).contains("SAVEPOINT _pgairlock"), "{}", text(&left));
    let left = talk.server(&[own("2s"), own("0"), own(""), own(holders), own(""), ready(b'T')].concat());
    (talk, left)
}

/// The try ends without its lock, and a look says who has it; then there is a pause.
fn without_lock(talk: &mut Conversation) -> Left {
    talk.now += Duration::from_millis(120);
    let left = talk.server(&[failed(2, "55P03"), ready(b'E')].concat());
    assert!(text(&left).contains("ROLLBACK TO SAVEPOINT _pgairlock"), "{}", text(&left));
    talk.server(&[closed(), own(""), own(SOMEBODY), own(""), ready(b'T')].concat())
}

#[test]
fn in_a_block_a_try_stands_behind_a_savepoint_and_nothing_runs_in_a_pause() {
    let (mut talk, left) = trying_in_a_block(SOMEBODY);
    assert!(String::from_utf8_lossy(&left.client).contains("in use by pid 7 (role app, application \"report\", transaction open for 60 min)"));
    for _ in 0..3 {
        let left = without_lock(&mut talk);
        assert_eq!(left.server, b"");
        let due = talk.session.next_tick().expect("a pause");
        assert!((375..=625).contains(&due.duration_since(talk.now).as_millis()));
        assert_eq!(talk.event(Event::Tick), Left::default(), "not yet");
        talk.now = due;
        let sent = text(&talk.event(Event::Tick));
        assert!(sent.contains("SET LOCAL lock_timeout = 100") && sent.contains(DDL) && sent.contains("SET LOCAL lock_timeout = 2000"), "{sent}");
    }
    let done = [own(""), own(""), own_completed("ALTER TABLE"), own(""), own(""), ready(b'T')].concat();
    let left = talk.server(&done);
    assert!(left.client.ends_with(&[complete("ALTER TABLE"), ready(b'T')].concat()), "{left:?}");
    assert!(talk.session.overlay.holds_locks(), "later statements of the transaction are not tried again");
}

fn own_completed(tag: &str) -> Vec<u8> {
    [closed(), frame(b'1', b""), frame(b'2', b""), complete(tag), closed(), closed()].concat()
}

#[test]
fn a_cancel_request_in_a_pause_is_the_statements() {
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    without_lock(&mut talk);
    assert_eq!(talk.event(Event::CancelRequested).tags().0, "Q", "a statement that must fail");
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!(left.client_error(), ("57014".into(), "canceling statement due to user request".into()));
    assert_eq!(talk.session.status, Status::Failed);
}

#[test]
fn at_the_deadline_the_error_says_who_is_in_the_way() {
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    talk.now += Duration::from_secs(60);
    assert_eq!(without_lock(&mut talk).tags().0, "Q");
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!(left.client_error(), ("55P03".into(), "canceling statement due to lock timeout".into()));
    assert!(String::from_utf8_lossy(&left.client).contains("In use by pid 7 (role app"));
}

#[test]
fn what_fails_sooner_fails_for_another_reason() {
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    let left = talk.server(&[failed(2, "55P03"), ready(b'E')].concat());
    assert_eq!((left.client_error().0, left.server.len()), ("55P03".into(), 0), "a NOWAIT somewhere in it");
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    talk.now += Duration::from_millis(120);
    let left = talk.server(&[failed(2, "42701"), ready(b'E')].concat());
    assert_eq!((left.client_error(), left.tags().1), (("42701".into(), "boom".into()), "EZ".into()));
}

#[test]
fn a_transaction_that_holds_locks_unseen_runs_it_once() {
    let (mut talk, left) = trying_in_a_block(OWN_ROWS);
    assert!(!text(&left).contains("SAVEPOINT") && text(&left).contains(DDL), "{}", text(&left));
    talk.now += Duration::from_secs(2);
    let left = talk.server(&[failed(0, "55P03"), ready(b'E')].concat());
    assert_eq!((left.client_error().0, left.server.len(), left.tags().1), ("55P03".into(), 0, "EZ".into()));
}

#[test]
fn a_look_that_fails_is_taken_back() {
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    talk.now += Duration::from_millis(120);
    talk.server(&[failed(2, "55P03"), ready(b'E')].concat());
    let left = talk.server(&[closed(), failed(1, "42501"), ready(b'E')].concat());
    assert!(text(&left).contains("ROLLBACK TO SAVEPOINT _pgairlock"));
    let left = talk.server(&[closed(), own(""), own(""), ready(b'T')].concat());
    assert_eq!((left.tags(), talk.session.next_tick().is_some()), ((String::new(), "N".into()), true));
}

#[test]
fn by_itself_a_try_is_a_transaction_of_its_own_and_the_server_sleeps_in_a_pause() {
    let mut talk = conversation();
    talk.client(&[parse("", DDL), bind("", ""), execute(""), sync()].concat());
    let left = talk.server(&[frame(b'1', b""), frame(b'2', b""), own("2s"), own(UNKNOWN), own(UNKNOWN)].concat());
    assert_eq!(left.tags().0, "S", "the client's implicit transaction, in which nothing has run, is closed");
    talk.server(&ready(b'I'));
    let left = talk.server(&[own("2s"), own("3s"), own(SOMEBODY), ready(b'I')].concat());
    assert!(text(&left).contains(r#"{"lock_timeout":"100","statement_timeout":"3000"}"#), "{}", text(&left));
    talk.now += Duration::from_millis(120);
    talk.server(&[failed(1, "55P03"), ready(b'I')].concat());
    let left = talk.server(&[own(SOMEBODY), ready(b'I')].concat());
    assert!(text(&left).contains("pg_sleep"));
    assert_eq!(talk.session.next_tick(), None);
    // A cancel request reaches the server itself.
    let left = talk.server(&[failed(0, "57014"), ready(b'I')].concat());
    assert_eq!((left.client_error().0, left.tags()), ("57014".into(), ("S".into(), "E".into())));
    assert_eq!(talk.server(&ready(b'I')).tags().1, "Z");
    assert!(talk.session.is_idle());
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_no_record_open() {
    let (mut talk, _) = trying_in_a_block(SOMEBODY);
    without_lock(&mut talk);
    talk.event(Event::ClientGone);
    assert_eq!(talk.out.close, Some(Close::Client));
    let ends: Vec<_> = talk.out.outcomes.iter().map(|(_, outcome)| outcome.sqlstate.as_deref()).collect();
    assert_eq!(ends, [Some("08006")]);
}
