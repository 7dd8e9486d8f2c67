//! Every statement is recorded: what the log has, and that nothing else changes.

use super::judged::own;
use super::*;
use crate::audit::event::Fate;
use crate::policy::settings::Recorded;

fn recording() -> Conversation {
    conversation_under(PolicySettings { recorded: Recorded::All, ..PolicySettings::default() })
}

impl Conversation {
    /// Of each record its SQL, `*` where it shares its transaction, and the number of that.
    fn recorded(&self) -> Vec<String> {
        let line = |record: &Record| format!("{}{} {}", record.sql, if record.in_transaction { "*" } else { "" }, record.transaction);
        self.records.iter().map(line).collect()
    }

    /// Of each outcome the number of its record, and what it says.
    fn outcomes(&mut self) -> Vec<String> {
        let line = |(id, outcome): (DecisionId, crate::audit::record::Outcome)| {
            format!("{} {}", id.seq, outcome.sqlstate.or(outcome.tag).unwrap_or_default())
        };
        self.out.outcomes.drain(..).map(line).collect()
    }

    fn fates(&mut self) -> Vec<(i64, Fate)> {
        self.out.transactions.drain(..).map(|ended| (ended.transaction, ended.fate)).collect()
    }

    /// A Query that is answered like this.
    fn query(&mut self, sql: &str, answer: &[Vec<u8>]) -> Left {
        let sent = self.client(&messages::query(sql));
        assert_eq!(sent.server, messages::query(sql), "byte for byte");
        self.server(&answer.concat())
    }
}

/// Parse, Bind and Execute of the unnamed statement.
fn statement(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("")].concat()
}

fn executed(tag: &str) -> Vec<u8> {
    [frame(b'1', b""), frame(b'2', b""), complete(tag)].concat()
}

#[test]
fn a_statement_goes_on_when_its_record_is_on_disk() {
    for sql in ["SELECT a FROM t", "INSERT INTO t VALUES (1)", "COPY t TO STDOUT", "SET work_mem = '1MB'", "SELECT 1; SELECT 2"] {
        let mut talk = recording();
        talk.session.client_buffer().extend_from_slice(&messages::query(sql));
        talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
        assert_eq!(talk.left(), Left::default(), "{sql}");
        let record = talk.out.record.take().expect(sql);
        assert_eq!((record.sql.as_str(), record.decision.as_str(), record.findings.len()), (sql, "pass", 0));
        let left = talk.event(Event::Recorded(Ok(DecisionId { writer: 1, seq: 7 })));
        assert_eq!(left.server, messages::query(sql), "byte for byte");
        talk.server(&[complete("DONE"), ready(b'I')].concat());
        assert_eq!(talk.outcomes(), ["7 DONE"], "{sql}");
        assert!(talk.session.is_idle());
    }
}

#[test]
fn by_default_only_what_changes_more_than_rows_is_recorded() {
    let mut talk = conversation();
    for sql in ["BEGIN", "SELECT a FROM t", "INSERT INTO t VALUES (1)", "SET work_mem = '1MB'", "COMMIT"] {
        talk.query(sql, &[complete("DONE"), ready(b'I')]);
    }
    talk.client(&[statement("SELECT 1"), sync()].concat());
    assert!(talk.records.is_empty());
}

#[test]
fn every_execute_is_a_statement() {
    let mut talk = recording();
    assert_eq!(talk.client(&[parse("s", "UPDATE t SET a = 1 WHERE b = 2"), sync()].concat()).tags().0, "PS");
    talk.server(&[frame(b'1', b""), ready(b'I')].concat());
    assert!(talk.records.is_empty(), "it is not run yet");
    for _ in 0..2 {
        assert_eq!(talk.client(&[bind("", "s"), execute(""), sync()].concat()).tags().0, "BES");
        talk.server(&[frame(b'2', b""), complete("UPDATE 1"), ready(b'I')].concat());
    }
    assert_eq!(talk.recorded(), ["UPDATE t SET a = 1 WHERE b = 2 1", "UPDATE t SET a = 1 WHERE b = 2 2"]);
    assert_eq!(talk.outcomes(), ["1 UPDATE 1", "2 UPDATE 1"]);
}

#[test]
fn an_execute_without_sync_waits_for_what_follows_and_shares_its_transaction() {
    let mut talk = recording();
    assert_eq!(talk.client(&statement("SELECT 1")).tags().0, "PB");
    assert_eq!(talk.client(&[statement("SELECT 2"), sync()].concat()).tags().0, "EPBES");
    assert_eq!(talk.recorded(), ["SELECT 1* 1", "SELECT 2* 1"]);
    talk.server(&[executed("SELECT 1"), executed("SELECT 1"), ready(b'I')].concat());
    assert_eq!(talk.outcomes(), ["1 SELECT 1", "2 SELECT 1"]);
    assert_eq!(talk.fates(), [(1, Fate::Committed)]);
}

#[test]
fn statements_of_one_transaction_have_its_number_and_its_end() {
    let mut talk = recording();
    talk.query("BEGIN", &[complete("BEGIN"), ready(b'T')]);
    talk.query("INSERT INTO t VALUES (1)", &[complete("INSERT 0 1"), ready(b'T')]);
    talk.query("SELECT 1/0", &[error("22012"), ready(b'E')]);
    talk.query("SELECT 1", &[error("25P02"), ready(b'E')]);
    talk.query("ROLLBACK", &[complete("ROLLBACK"), ready(b'I')]);
    talk.query("SELECT 2", &[complete("SELECT 1"), ready(b'I')]);
    assert_eq!(talk.recorded(), ["BEGIN 1", "INSERT INTO t VALUES (1)* 1", "SELECT 1/0* 1", "SELECT 1 1", "ROLLBACK 1", "SELECT 2 2"]);
    assert_eq!(talk.outcomes(), ["1 BEGIN", "2 INSERT 0 1", "3 22012", "4 25P02", "5 ROLLBACK", "6 SELECT 1"]);
    assert_eq!(talk.fates(), [(1, Fate::RolledBack)]);
}

#[test]
fn a_string_is_one_record_and_nothing_is_none() {
    let mut talk = recording();
    talk.query("SELECT 1; INSERT INTO t VALUES (1)", &[complete("SELECT 1"), complete("INSERT 0 1"), ready(b'I')]);
    talk.query("", &[frame(b'I', b""), ready(b'I')]);
    talk.query(" -- nothing", &[frame(b'I', b""), ready(b'I')]);
    assert_eq!(talk.recorded(), ["SELECT 1; INSERT INTO t VALUES (1) 1"]);
    assert_eq!(talk.outcomes(), ["1 SELECT 1; INSERT 0 1"]);
}

#[test]
fn a_copy_is_recorded_before_its_data() {
    let mut talk = recording();
    talk.client(&messages::query("COPY t FROM STDIN"));
    let data = [frame(b'd', b"1\n"), frame(b'c', b"")].concat();
    assert_eq!(talk.server(&frame(b'G', b"\0\0\0")).tags().1, "G");
    assert_eq!(talk.client(&data).server, data);
    talk.server(&[complete("COPY 1"), ready(b'I')].concat());
    // libpq sends Sync together with Execute.
    assert_eq!(talk.client(&[statement("COPY t FROM STDIN"), sync()].concat()).tags().0, "PBE");
    talk.server(&[frame(b'1', b""), frame(b'2', b""), frame(b'G', b"\0\0\0")].concat());
    assert_eq!(talk.client(&[data, sync()].concat()).tags().0, "dcS");
    talk.server(&[complete("COPY 1"), ready(b'I')].concat());
    assert_eq!(talk.recorded(), ["COPY t FROM STDIN 1", "COPY t FROM STDIN 2"]);
    assert_eq!(talk.outcomes(), ["1 COPY 1", "2 COPY 1"]);
    assert!(talk.session.is_idle());
}

#[test]
fn each_portion_of_a_portal_is_recorded() {
    let mut talk = recording();
    let portion = || frame(b'E', b"p\0\0\0\0\x02");
    talk.client(&[parse("", "SELECT a FROM t"), bind("p", ""), portion(), frame(b'H', b"")].concat());
    talk.server(&[frame(b'1', b""), frame(b'2', b""), frame(b'D', b"\0\0"), frame(b's', b"")].concat());
    talk.client(&[portion(), sync()].concat());
    talk.server(&[complete("SELECT 1"), ready(b'I')].concat());
    assert_eq!(talk.recorded(), ["SELECT a FROM t* 1", "SELECT a FROM t* 1"]);
    assert_eq!(talk.outcomes(), ["1 PortalSuspended", "2 SELECT 1"]);
}

#[test]
fn what_its_batch_takes_along_is_recorded_as_skipped() {
    let mut talk = recording();
    talk.session.client_buffer().extend_from_slice(&[statement("SELECT 1/0"), statement("SELECT 2"), sync()].concat());
    talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
    assert!(talk.out.record.take().is_some());
    talk.session.handle(Event::Recorded(Ok(DecisionId { writer: 1, seq: 1 })), talk.now, &mut talk.out);
    let second = *talk.out.record.take().expect("its record is under way");
    talk.left();
    assert_eq!(second.sql, "SELECT 2");
    talk.session.server_buffer().extend_from_slice(&[frame(b'1', b""), frame(b'2', b""), error("22012")].concat());
    talk.session.handle(Event::FromServer, talk.now, &mut talk.out);
    let left = talk.event(Event::Recorded(Ok(DecisionId { writer: 1, seq: 2 })));
    assert!(!left.tags().0.contains("E"), "it is not run: {left:?}");
    talk.server(&ready(b'I'));
    assert_eq!(talk.outcomes(), ["1 22012", "2 25P02"]);
    assert!(talk.session.is_idle());
}

#[test]
fn what_cannot_be_recorded_is_not_run_but_a_rollback_is() {
    let mut talk = recording();
    let fail = |talk: &mut Conversation, sql: &str| {
        talk.session.client_buffer().extend_from_slice(&messages::query(sql));
        talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
        assert!(talk.out.record.take().is_some(), "{sql}");
        talk.event(Event::Recorded(Err("full".into())))
    };
    let left = fail(&mut talk, "SELECT 1");
    assert_eq!((left.tags().0.as_str(), left.client_error().0.as_str()), ("", "PA005"));
    talk.query("BEGIN", &[complete("BEGIN"), ready(b'T')]);
    for sql in ["ROLLBACK TO SAVEPOINT a", "ROLLBACK; ROLLBACK", "ROLLBACK"] {
        assert_eq!(fail(&mut talk, sql).server, messages::query(sql), "{sql}");
        talk.server(&[complete("ROLLBACK"), ready(b'T')].concat());
    }
    for sql in ["COMMIT", "ROLLBACK; SELECT 1", "RELEASE SAVEPOINT a"] {
        let left = fail(&mut talk, sql);
        assert_eq!(left.tags().0, "Q", "{sql}: the transaction fails on the server too");
        assert!(!left.server.windows(sql.len()).any(|part| part == sql.as_bytes()), "{sql}");
        talk.server(&[error("42601"), ready(b'T')].concat());
    }
}

#[test]
fn a_rollback_without_a_record_ends_the_block_for_what_follows() {
    let mut talk = recording();
    talk.query("BEGIN", &[complete("BEGIN"), ready(b'T')]);
    talk.session.client_buffer().extend_from_slice(&[statement("ROLLBACK"), statement("CREATE VIEW v AS SELECT 1"), sync()].concat());
    talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
    assert!(talk.session.in_block() && talk.out.record.take().is_some());
    let left = talk.event(Event::Recorded(Err("full".into())));
    assert!(left.server.windows(8).any(|part| part == b"ROLLBACK"), "{left:?}");
    assert!(!talk.session.in_block());
}

#[test]
fn a_client_that_leaves_before_its_record_is_on_disk_has_sent_nothing() {
    let mut talk = recording();
    talk.session.client_buffer().extend_from_slice(&messages::query("DELETE FROM t WHERE a = 1"));
    talk.session.handle(Event::FromClient, talk.now, &mut talk.out);
    assert!(talk.out.record.take().is_some());
    talk.event(Event::ClientGone);
    assert!(talk.out.close.is_none(), "the record is under way");
    let left = talk.event(Event::Recorded(Ok(DecisionId { writer: 1, seq: 1 })));
    assert_eq!((left.server, talk.outcomes()), (vec![], vec!["1 08006".to_owned()]));
    assert_eq!(talk.out.close, Some(Close::Client));
}

#[test]
fn a_call_that_is_tried_in_place_of_waiting_has_its_outcome() {
    let limits = |talk: &mut Conversation| {
        talk.client(&messages::query("SELECT pg_advisory_lock(5)"));
        talk.server(&[own("0 0"), ready(b'I')].concat());
    };
    let mut talk = recording();
    limits(&mut talk);
    assert_eq!(talk.server(&[own("true"), ready(b'I')].concat()).tags().1, "TDCZ");
    limits(&mut talk);
    talk.server(&[frame(b'3', b""), frame(b'1', b""), frame(b'2', b""), error("57014"), ready(b'I')].concat());
    limits(&mut talk);
    talk.event(Event::ServerGone);
    assert_eq!(talk.outcomes(), ["1 SELECT 1", "2 57014", "3 08006"]);
}

/// What leaves the session, to the server and to the client, is the same but for when.
#[test]
fn nothing_but_the_log_differs() {
    let jdbc = [parse("", "BEGIN"), bind("", ""), execute(""), statement("CREATE INDEX i ON t (a)"), sync()].concat();
    let conversations: &[&[(Vec<u8>, Vec<u8>)]] = &[
        &[(jdbc, [executed("BEGIN"), frame(b'1', b""), frame(b'2', b"")].concat())],
        &[
            (
                [statement("BEGIN"), statement("INSERT INTO t VALUES (1)"), sync()].concat(),
                [executed("BEGIN"), executed("INSERT 0 1"), ready(b'T')].concat(),
            ),
            (messages::query("CREATE INDEX i ON t (a)").to_vec(), vec![]),
        ],
        &[
            (messages::query("BEGIN").to_vec(), [complete("BEGIN"), ready(b'T')].concat()),
            ([statement("SELECT 1"), sync()].concat(), [executed("SELECT 1"), ready(b'T')].concat()),
            (vec![], vec![]),
        ],
        &[([statement("COMMIT"), statement("SELECT 1"), sync()].concat(), [executed("COMMIT"), executed("SELECT 1"), ready(b'I')].concat())],
        &[([statement("ROLLBACK"), statement("CREATE VIEW v AS SELECT 1"), sync()].concat(), executed("ROLLBACK"))],
    ];
    for (index, steps) in conversations.iter().enumerate() {
        let (mut plain, mut recorded) = (conversation(), recording());
        for (client, server) in *steps {
            assert_eq!(plain.client(client), recorded.client(client), "conversation {index}");
            assert_eq!(plain.server(server), recorded.server(server), "conversation {index}");
        }
        assert_eq!(plain.event(Event::BeQuiet), recorded.event(Event::BeQuiet), "conversation {index}: portals that are through");
        assert!(recorded.records.len() > plain.records.len(), "conversation {index}");
    }
}
