//! What the monitor sees of a statement, and what became of those that nobody heard.

use std::time::Duration;

use super::judged::own;
use super::*;
use crate::audit::event::Fate;
use crate::audit::settling::{Mark, Unheard};
use crate::deferred::promise::Place;
use crate::session::sight::Sight;
use crate::sql::trace::{Kind, Trace};

const FACTS: &str = r#"{"relations": null, "types": null, "functions": null, "creation_schema": "public", "paths": null, "next_xid": "700"}"#;
const SQL: &str = "CREATE TABLE fresh (a int)";

fn sight(locks: &str) -> Event {
    let answer = format!(r#"{{"progress": null, "blockers": [], "locks": [{locks}]}}"#);
    Event::Seen(Some(Box::new(Sight::read(&answer).unwrap())))
}

fn lock(mode: &str) -> String {
    format!(r#"{{"schema": "public", "name": "t", "mode": "{mode}Lock"}}"#)
}

/// The statement has been sent to the server.
fn running(monitored: bool) -> Conversation {
    let mut talk = conversation();
    talk.session.identity.monitored = monitored;
    talk.client(&messages::query(SQL));
    let sent = talk.server(&[own("2s"), own(FACTS), own("[]"), ready(b'I')].concat());
    assert!(String::from_utf8_lossy(&sent.server).contains(SQL), "{sent:?}");
    talk
}

impl Conversation {
    /// The time that it asked for has come.
    fn look(&mut self) -> bool {
        let Some(due) = self.session.next_tick() else { return false };
        self.now = due;
        self.event(Event::Tick);
        self.out.watch.take().is_some()
    }

    fn outcome(&mut self) -> crate::audit::record::Outcome {
        self.server(&[frame(b'C', b"CREATE TABLE\0"), ready(b'I')].concat());
        self.out.outcomes.pop().expect("an outcome").1
    }
}

#[test]
fn locks_are_noted_with_the_first_and_the_last_look_that_showed_them() {
    let mut talk = running(true);
    let begun = talk.now;
    for (locks, later) in [(lock("Share"), 0), (format!("{},{}", lock("Share"), lock("AccessExclusive")), 500), (String::new(), 0)] {
        assert!(talk.look());
        assert_eq!(talk.session.next_tick(), None, "one at a time");
        talk.now += Duration::from_millis(later);
        talk.event(sight(&locks));
    }
    assert!(talk.now >= begun + Duration::from_secs(3));
    let outcome = talk.outcome();
    let seen: Vec<_> = outcome.locks_seen.iter().map(|lock| (lock.mode.as_str(), lock.first_micros, lock.last_micros, lock.looks)).collect();
    assert_eq!(seen, [("Share", 1_000_000, 2_500_000, 2), ("AccessExclusive", 2_500_000, 2_500_000, 1)]);
    assert_eq!((outcome.looks, outcome.locks_seen[0].relation.as_str()), (3, "public.t"));
    assert!(!talk.session.waits() && talk.session.next_tick().is_none(), "nobody looks any more");
}

#[test]
fn a_look_that_failed_is_none_and_without_a_monitor_nobody_looks() {
    let mut talk = running(true);
    assert!(talk.look());
    talk.event(Event::Seen(None));
    let outcome = talk.outcome();
    assert_eq!((outcome.looks, outcome.locks_seen), (0, vec![]));
    let mut talk = running(false);
    assert!(!talk.session.waits() && !talk.look());
    assert_eq!(talk.outcome().looks, 0);
}

fn unheard(backend: u32, relation: &str) -> Unheard {
    let trace = Trace { kind: Kind::Relation, schema: "public".into(), relation: relation.into(), oid: None, part: None, there: true };
    let mark = Mark { system: "7".into(), backend, backend_started: "1.5".into(), next_xid: "700".into(), traces: vec![trace] };
    Unheard { decision: DecisionId { writer: 1, seq: backend.into() }, mark }
}

/// A client's BEGIN waits for what is found of earlier statements.
fn looking_back(found: Vec<Unheard>) -> (Conversation, String) {
    let mut talk = conversation();
    talk.session.place = Some(Place { system: "7".into(), database: "app".into() });
    talk.session.resumed = true;
    talk.session.client_buffer().extend_from_slice(&messages::query("BEGIN"));
    talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
    assert_eq!(talk.out.lookup.take(), Some(Lookup::Unheard(Place { system: "7".into(), database: "app".into() })));
    let asked = talk.event(Event::Unheard(Ok(found))).server;
    (talk, String::from_utf8_lossy(&asked).into_owned())
}

#[test]
fn the_living_are_asked_for_first_then_the_catalog_then_the_log() {
    let (mut talk, asked) = looking_back(vec![unheard(5, "a"), unheard(6, "b"), unheard(7, "c"), unheard(8, "d")]);
    assert!(asked.contains("pg_stat_activity") && !asked.contains("pg_class"), "{asked}");
    let asked = talk.server(&[own("[6]"), ready(b'I')].concat()).server;
    let asked = String::from_utf8_lossy(&asked);
    assert!(asked.contains("pg_snapshot_xmax") && asked.contains(r#""relation":"a""#) && !asked.contains(r#""relation":"b""#), "{asked}");
    let sight = |n, found| format!(r#"{{"n": {n}, "found": {found}, "partly": false, "new": true, "place": true}}"#);
    let answer = format!("[{}, {}, {}]", sight(0, true), sight(1, false), sight(2, true));
    assert!(talk.server(&[own(&answer), ready(b'I')].concat()).server.is_empty(), "the client waits");
    let Some(Lookup::Alone(compared)) = talk.out.lookup.take() else { panic!("the log is not asked") };
    assert_eq!(compared.len(), 3);
    let alone = vec![unheard(5, "a").decision, unheard(7, "c").decision];
    let sent = talk.event(Event::Alone(Ok(alone))).server;
    assert!(String::from_utf8_lossy(&sent).contains("BEGIN"));
    let settled: Vec<_> = talk.out.settled.iter().map(|settled| (settled.decision.seq, settled.fate)).collect();
    assert_eq!(settled, [(5, Fate::Committed), (7, Fate::RolledBack), (8, Fate::Unknown)]);
}

#[test]
fn where_somebody_does_not_answer_nothing_is_settled() {
    let error = frame(b'E', b"SERROR\0VERROR\0C57014\0Mcanceled\0\0");
    let goes_on = |left: Left| String::from_utf8_lossy(&left.server).contains("BEGIN");
    let (mut talk, _) = looking_back(vec![unheard(5, "a")]);
    assert!(goes_on(talk.server(&[error.clone(), ready(b'I')].concat())) && talk.out.settled.is_empty());
    let (mut talk, _) = looking_back(vec![unheard(5, "a")]);
    assert!(goes_on(talk.server(&[own("[5]"), ready(b'I')].concat())) && talk.out.settled.is_empty(), "it lives");
    let (mut talk, _) = looking_back(vec![unheard(5, "a")]);
    talk.server(&[own("[]"), ready(b'I')].concat());
    talk.server(&[own("[]"), ready(b'I')].concat());
    assert!(goes_on(talk.event(Event::Alone(Err("away".into())))) && talk.out.settled.is_empty());
    let (_, asked) = looking_back(Vec::new());
    assert!(asked.contains("BEGIN"));
}
