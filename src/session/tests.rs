//! Conversations: both peers are byte strings, and no server is needed.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::effects::{Close, Effects, Event, Lookup};
use super::gauging::Pace;
use super::registry::Known;
use super::{Identity, Session, Status};
use crate::audit::record::{DecisionId, Record};
use crate::policy::settings::{Mode, PolicySettings, Principal};
use crate::policy::strong::Patience;
use crate::wire::{errors, messages};

mod gauging;
mod judged;
mod measured;
mod recording;
mod trying;
mod versions;
mod waiting;

/// A session between two peers that a test plays.
struct Conversation {
    session: Session,
    out: Effects,
    now: Instant,
    /// What the store was given, in order.
    records: Vec<Record>,
}

fn conversation() -> Conversation {
    conversation_under(PolicySettings::default())
}

fn conversation_under(settings: PolicySettings) -> Conversation {
    let identity = Identity {
        tls: None,
        id: "session".into(),
        listener: "test".into(),
        client: "127.0.0.1:1".into(),
        principal: Principal { role: "deployer".into(), database: "app".into(), application_name: None },
        mode: Mode::Enforce,
        backend_pid: Some(1),
        monitored: false,
        lock_timeout_ms: 2000,
        kept_lock_timeout_ms: 2000,
        patience: Patience::USUAL,
        step_timeout_ms: 3_600_000,
        pace: Pace::Unasked,
    };
    let parameters = [("server_version".to_owned(), "15.18".to_owned()), ("TimeZone".to_owned(), "UTC".to_owned())];
    let session = Session::new(identity, Arc::new(settings), &parameters, BytesMut::new(), BytesMut::new());
    Conversation { session, out: Effects::default(), now: Instant::now(), records: Vec::new() }
}

/// What left a session: to the server, to the client.
#[derive(Debug, PartialEq, Eq, Default)]
struct Left {
    server: Vec<u8>,
    client: Vec<u8>,
}

impl Left {
    fn tags(&self) -> (String, String) {
        let text = |bytes: &[u8]| String::from_utf8(crate::wire::frames::tags(bytes)).unwrap();
        (text(&self.server), text(&self.client))
    }

    fn client_error(&self) -> (String, String) {
        let at = crate::wire::frames::tags(&self.client).iter().position(|tag| *tag == b'E').expect("an error for the client");
        let mut inbox = crate::wire::frames::Inbox::new(BytesMut::from(&*self.client));
        let frame = (0..=at).map(|_| inbox.take_frame().unwrap()).last().unwrap();
        let field = |code| String::from_utf8(errors::field(&frame[5..], code).unwrap_or_default().to_vec()).unwrap();
        (field(b'C'), field(b'M'))
    }
}

impl Conversation {
    fn client(&mut self, bytes: &[u8]) -> Left {
        self.session.client_buffer().extend_from_slice(bytes);
        self.event(Event::FromClient)
    }

    fn server(&mut self, bytes: &[u8]) -> Left {
        self.session.server_buffer().extend_from_slice(bytes);
        self.event(Event::FromServer)
    }

    /// Handles an event; a store that always works answers at once.
    fn event(&mut self, event: Event) -> Left {
        self.session.handle(event, self.now, &mut self.out);
        while let Some(record) = self.out.record.take() {
            self.records.push(*record);
            let id = DecisionId { writer: 1, seq: i64::try_from(self.records.len()).unwrap() };
            self.session.handle(Event::Recorded(Ok(id)), self.now, &mut self.out);
        }
        // Nothing is left to be found out.
        while self.out.lookup.take_if(|lookup| matches!(lookup, Lookup::Unheard(_))).is_some() {
            self.session.handle(Event::Unheard(Ok(Vec::new())), self.now, &mut self.out);
        }
        // The other sessions of the database have nothing to close.
        while std::mem::take(&mut self.out.quiet_siblings) {
            self.session.handle(Event::SiblingsQuiet, self.now, &mut self.out);
        }
        self.left()
    }

    fn left(&mut self) -> Left {
        Left { server: self.out.to_server.drain(..).flatten().collect(), client: self.out.to_client.drain(..).flatten().collect() }
    }
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

fn ready(status: u8) -> Vec<u8> {
    frame(b'Z', &[status])
}

fn complete(tag: &str) -> Vec<u8> {
    messages::command_complete(tag).to_vec()
}

fn error(sqlstate: &str) -> Vec<u8> {
    frame(b'E', format!("SERROR\0VERROR\0C{sqlstate}\0Mboom\0\0").as_bytes())
}

#[test]
fn rows_pass_byte_for_byte() {
    let mut talk = conversation();
    let query = messages::query("SELECT a FROM t");
    assert_eq!(talk.client(&query).server, &query[..]);
    let answer = [frame(b'T', b"\0\0"), frame(b'D', b"\0\0"), complete("SELECT 1"), ready(b'I')].concat();
    assert_eq!(talk.server(&answer).client, answer);
    assert!(talk.session.is_idle());
}

#[test]
fn a_reply_cut_anywhere_arrives_whole() {
    let answer = [frame(b'T', b"\0\0"), frame(b'D', b"\0\x01\0\0\0\x01a"), complete("SELECT 1"), ready(b'I')].concat();
    for cut in 0..answer.len() {
        let mut talk = conversation();
        talk.client(&messages::query("SELECT a FROM t"));
        let mut client = talk.server(&answer[..cut]).client;
        client.extend(talk.server(&answer[cut..]).client);
        assert_eq!(client, answer, "cut at {cut}");
    }
}

#[test]
fn a_pipeline_passes_in_one_write() {
    let mut talk = conversation();
    let batch = [parse("", "SELECT 1"), bind("", ""), frame(b'D', b"P\0"), execute(""), sync()].concat();
    assert_eq!(talk.client(&batch).server, batch);
    assert_eq!(talk.out.to_server.len(), 0);
    let answer = [frame(b'1', b""), frame(b'2', b""), frame(b'T', b"\0\0"), frame(b'D', b"\0\0"), complete("SELECT 1"), ready(b'I')].concat();
    assert_eq!(talk.server(&answer).client, answer);
}

#[test]
fn after_an_error_the_batch_is_dropped_up_to_sync() {
    let mut talk = conversation();
    talk.client(&[parse("", "SELECT 1/0"), bind("", ""), execute("")].concat());
    assert_eq!(talk.server(&[frame(b'1', b""), frame(b'2', b""), error("22012")].concat()).tags().1, "12E");
    let left = talk.client(&[parse("", "SELECT 2"), bind("", ""), execute(""), sync()].concat());
    assert_eq!(left.tags().0, "S", "what the server would skip is not sent at all");
    assert_eq!(talk.server(&ready(b'I')).tags().1, "Z");
    assert!(talk.session.is_idle());
}

#[test]
fn function_call_is_refused_and_the_session_lives() {
    let mut talk = conversation();
    let left = talk.client(&frame(b'F', b"\0\0\x08\x1e\0\0\0\0\0\0"));
    assert_eq!(left.tags(), (String::new(), "EZ".into()));
    assert_eq!(left.client_error().0, "0A000");
    assert!(talk.session.is_idle());
}

#[test]
fn a_refusal_in_a_transaction_fails_it_on_the_server() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    let left = talk.client(&frame(b'F', b"\0\0\x08\x1e\0\0\0\0\0\0"));
    assert_eq!(left.tags(), ("Q".into(), String::new()), "a statement that must fail goes in its place");
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!(left.tags().1, "EZ");
    assert_eq!(left.client_error().0, "0A000", "and its error is replaced by ours");
    assert_eq!(talk.session.status, Status::Failed);
}

#[test]
fn an_unknown_portal_is_not_executed() {
    let mut talk = conversation();
    let left = talk.client(&[execute("hidden"), sync()].concat());
    assert_eq!(left.tags().0, "PS");
    assert!(!left.server.windows(6).any(|window| window == b"hidden"));
    let left = talk.server(&[error("42601"), ready(b'I')].concat());
    assert_eq!(left.client_error().0, "PA002");
    assert!(talk.session.is_idle());
}

#[test]
fn a_parse_that_fails_leaves_the_old_statement() {
    let mut talk = conversation();
    talk.client(&[parse("s", "SELECT 1"), sync()].concat());
    talk.server(&[frame(b'1', b""), ready(b'I')].concat());
    talk.client(&[parse("s", "SELECT 2"), sync()].concat());
    talk.server(&[error("42P05"), ready(b'I')].concat());
    let Known::Script(script) = talk.session.registry.statement(b"s", &talk.session.replies) else { panic!("must be known") };
    assert_eq!(&*script.text, "SELECT 1");
}

#[test]
fn a_bind_waits_for_a_parse_that_may_fail_without_it() {
    let mut talk = conversation();
    talk.client(&[parse("s", "SELECT 1"), sync()].concat());
    talk.server(&[frame(b'1', b""), ready(b'I')].concat());
    let left = talk.client(&[parse("s", "SELECT 2"), sync(), bind("", "s"), execute(""), sync()].concat());
    assert_eq!(left.tags().0, "PS", "Bind would be taken for the second statement");
    let left = talk.server(&[error("42P05"), ready(b'I')].concat());
    assert_eq!(left.tags().0, "BES");
    let left = talk.client(&[frame(b'C', b"Ss\0"), parse("s", "SELECT 2"), bind("", "s"), execute(""), sync()].concat());
    assert_eq!(left.tags().0, "CPBES", "within one batch a failure takes everything along");
}

#[test]
fn text_that_hinges_on_a_setting_waits_for_what_may_change_it() {
    let mut talk = conversation();
    assert_eq!(talk.client(&[messages::query("SELECT a FROM t"), messages::query("SELECT '\\'")].concat()).tags().0, "Q");
    let left = talk.server(&[complete("SELECT 1"), frame(b'S', b"standard_conforming_strings\0off\0"), ready(b'I')].concat());
    assert_eq!((left.tags().0, left.client_error().0), (String::new(), "PA006".into()));
}

#[test]
fn sync_sent_together_with_copy_is_not_sent_on() {
    let mut talk = conversation();
    let left = talk.client(&[parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), sync()].concat());
    assert_eq!(left.tags().0, "PBE", "Sync waits until the server has said what it will be taken for");
    let left = talk.server(&[frame(b'1', b""), frame(b'2', b""), frame(b'G', b"\0\0\0")].concat());
    assert_eq!(left.tags(), (String::new(), "12G".into()));
    let left = talk.client(&[frame(b'd', b"1\n"), frame(b'c', b""), sync()].concat());
    assert_eq!(left.tags().0, "dcS");
    talk.server(&[complete("COPY 1"), ready(b'I')].concat());
    assert!(talk.session.is_idle());
}

#[test]
fn a_second_copy_of_the_same_string_is_waited_for() {
    let mut talk = conversation();
    talk.client(&messages::query("COPY t FROM STDIN; COPY u FROM STDIN"));
    talk.server(&frame(b'G', b"\0\0\0"));
    let left = talk.client(&[frame(b'd', b"1\n"), frame(b'c', b""), frame(b'd', b"2\n"), frame(b'c', b"")].concat());
    assert_eq!(left.tags().0, "dc");
    let left = talk.server(&[complete("COPY 1"), frame(b'G', b"\0\0\0")].concat());
    assert_eq!(left.tags().0, "dc");
    talk.server(&[complete("COPY 1"), ready(b'I')].concat());
    assert!(talk.session.is_idle());
}

#[test]
fn a_query_in_the_midst_of_copy_ends_the_session() {
    let mut talk = conversation();
    talk.client(&messages::query("COPY t FROM STDIN"));
    talk.server(&frame(b'G', b"\0\0\0"));
    assert_eq!(talk.client(&messages::query("DROP TABLE t")).client_error().0, "08P01");
}

#[test]
fn a_string_over_the_limit_is_refused_before_it_has_arrived() {
    let mut talk = conversation();
    let left = talk.client(b"Q\x20\0\0\0SELECT");
    assert_eq!(left.tags(), (String::new(), "EZ".into()));
    assert_eq!(left.client_error().0, "PA002");
    assert!(talk.out.close.is_none());
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut talk = conversation();
    let left = talk.client(&frame(b'Q', b"SELECT E'\x81\x5c'; DROP TABLE t -- '\0"));
    assert_eq!(left.tags(), (String::new(), "EZ".into()));
    assert_eq!(left.client_error().0, "22021");
}

#[test]
fn an_encoding_that_hides_statements_ends_the_session() {
    let mut talk = conversation();
    let left = talk.server(&frame(b'S', b"client_encoding\0GBK\0"));
    assert_eq!(left.client_error().0, "PA006");
    assert_eq!(talk.out.close, Some(Close::Policy));
}

#[test]
fn a_server_that_breaks_the_protocol_ends_the_session() {
    let mut talk = conversation();
    assert_eq!(talk.server(&ready(b'I')).client_error().0, "08P01");
    assert_eq!(talk.out.close, Some(Close::Protocol));
}

#[test]
fn the_servers_own_farewell_is_not_repeated() {
    let mut talk = conversation();
    talk.server(&frame(b'E', b"SFATAL\0VFATAL\0C57P01\0Mbye\0\0"));
    assert_eq!(talk.event(Event::ServerGone), Left::default());
    assert_eq!(talk.out.close, Some(Close::Server));
}

#[test]
fn a_server_that_vanishes_is_told() {
    let mut talk = conversation();
    assert_eq!(talk.event(Event::ServerGone).client_error().0, "08006");
}

#[test]
fn drain_ends_an_idle_session_at_once_and_a_busy_one_when_it_is_done() {
    let mut talk = conversation();
    talk.client(&messages::query("SELECT 1"));
    assert_eq!(talk.event(Event::Drain), Left::default());
    let left = talk.server(&[complete("SELECT 1"), ready(b'I')].concat());
    assert_eq!(left.tags().1, "CZE");
    assert_eq!(left.client_error().0, "57P01");
    assert_eq!(talk.out.close, Some(Close::Drained));
}

#[test]
fn the_session_says_what_version_numbers_mean() {
    for (text, number) in [("15.18", 150_018), ("18beta1", 180_000), ("13.23 (Debian 13.23-1)", 130_023), ("", 0)] {
        assert_eq!(super::version_number(text), number, "{text}");
    }
}
