//! A client that waits for work after a COMMIT, with and without somebody who looks at its session.

use std::time::Duration;

use super::judged::own;
use super::*;
use crate::deferred::operation::{CreateIndex, Operation};
use crate::deferred::promise::{Deferred, Pending, Place, Promise, PromiseId};
use crate::session::sight::Sight;
use crate::sql::name::RelationName;

const STEP: &str = "CREATE INDEX CONCURRENTLY i ON t (a)";

fn pending() -> Pending {
    let table = RelationName::qualified("public", "t");
    let build = CreateIndex {
        table: table.clone(),
        index: Some(RelationName::qualified("public", "i")),
        unique: false,
        key: None,
        whole: true,
        nulls_not_distinct: false,
        sql: STEP.into(),
    };
    let deferred = Deferred { operation: Operation::CreateIndex(build), table, rule: "create-index-blocking".into(), context: "{}".into() };
    let (place, life) = (Place::default(), String::new());
    let promise = Promise {
        transaction: 1,
        session: "earlier".into(),
        place,
        role: "deployer".into(),
        xid: "1".into(),
        life,
        operations: vec![deferred],
        whole: None,
    };
    Pending { id: PromiseId(1), promise, at_unix_micros: 0, committed: true, done: 0, error: None, told: false }
}

/// A client whose BEGIN waits for what an earlier migration left: the build has been sent.
fn waiting(monitored: bool) -> Conversation {
    let mut talk = conversation();
    talk.session.identity.monitored = monitored;
    talk.session.place = Some(Place::default());
    talk.client(&messages::query("BEGIN"));
    assert!(talk.out.pending.take().is_some());
    let mut asked = talk.event(Event::Pending(Ok(vec![pending()]))).server;
    for _ in 0..20 {
        let sent = String::from_utf8_lossy(&asked).into_owned();
        if sent.contains(STEP) {
            return talk;
        }
        let answer = if sent.contains("lacks_column") { r#"{"table": 5}"# } else { "true" };
        asked = talk.server(&[own(answer), ready(b'I')].concat()).server;
    }
    panic!("the build does not begin");
}

impl Conversation {
    /// The time that it asked for has come; the client hears this.
    fn tick(&mut self) -> String {
        self.now = self.session.next_tick().expect("a time to be woken at");
        String::from_utf8_lossy(&self.event(Event::Tick).client).into_owned()
    }

    fn seen(&mut self, phase: &str) -> String {
        let answer = format!(r#"{{"progress": {{"phase": "{phase}", "blocks_total": 4, "blocks_done": 1}}, "blockers": []}}"#);
        let seen = Event::Seen(Some(Box::new(Sight::read(&answer).unwrap())));
        String::from_utf8_lossy(&self.event(seen).client).into_owned()
    }
}

#[test]
fn without_a_monitor_nobody_looks() {
    let mut talk = waiting(false);
    assert!(talk.session.waits());
    for seconds in 1..=10 {
        let told = talk.tick();
        assert!(told.contains(&format!("running for {seconds} s: {STEP}\0")), "{told}");
        assert_eq!(talk.out.watch, None);
    }
}

#[test]
fn with_a_monitor_the_client_hears_what_was_seen() {
    let mut talk = waiting(true);
    let told = talk.tick();
    assert_eq!((&*told, talk.out.watch.take().map(|watch| watch.pid)), ("", Some(1)), "the answer is not waited for");
    assert_eq!(talk.session.next_tick(), None, "one look at a time");
    talk.now += Duration::from_millis(1500);
    let told = talk.seen("building");
    assert!(told.contains(&format!("running for 2 s: {STEP}; building, 25 %\0")), "{told}");
    assert!(talk.session.next_tick().is_some_and(|next| next < talk.now), "the next look is late already");
}

#[test]
fn between_the_notices_only_a_new_phase_is_told() {
    let mut talk = waiting(true);
    for _ in 1..=10 {
        talk.tick();
        assert_ne!(talk.seen("building"), "");
    }
    for (phase, is_told) in [("building", false), ("sorting", true), ("sorting", false)] {
        assert_eq!(talk.tick(), "");
        assert_eq!(talk.out.watch.take().map(|watch| watch.pid), Some(1));
        let told = talk.seen(phase);
        assert_eq!(!told.is_empty(), is_told, "{told}");
        assert!(told.is_empty() || told.contains("running for 12 s") && told.contains("; sorting"), "{told}");
    }
    talk.tick();
    assert_eq!(talk.seen("sorting"), "");
    talk.tick();
    assert!(talk.seen("sorting").contains("running for 15 s"));
}

#[test]
fn where_nothing_could_be_seen_the_plain_words_are_said() {
    let mut talk = waiting(true);
    talk.tick();
    let told = String::from_utf8_lossy(&talk.event(Event::Seen(None)).client).into_owned();
    assert!(told.contains(&format!("running for 1 s: {STEP}\0")), "{told}");
}

#[test]
fn a_session_behind_a_pooler_or_without_a_client_is_not_looked_at() {
    let mut talk = waiting(true);
    talk.session.identity.backend_pid = None;
    assert!(talk.tick().contains("running for 1 s"));
    talk.session.identity.backend_pid = Some(1);
    talk.event(Event::ClientGone);
    talk.tick();
    assert_eq!(talk.out.watch, None);
}

#[test]
fn an_answer_that_comes_after_the_wait_is_dropped() {
    let mut talk = waiting(true);
    talk.tick();
    while talk.session.waits() {
        talk.server(&[own("true"), ready(b'I')].concat());
    }
    assert_eq!(talk.session.next_tick(), None);
    assert_eq!(talk.seen("building"), "");
}
