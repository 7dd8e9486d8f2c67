//! Conversations in which the session asks, decides and runs statements of its own.

use super::*;

/// The server's answer to one statement of ours: its single value.
pub(super) fn own(value: &str) -> Vec<u8> {
    let mut row = vec![0, 1];
    row.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
    row.extend_from_slice(value.as_bytes());
    [frame(b'3', b""), frame(b'1', b""), frame(b'2', b""), frame(b'D', &row), complete("SELECT 1"), frame(b'3', b""), frame(b'3', b"")].concat()
}

/// The server's answer to a question that is prepared with it, and closed later.
pub(super) fn asked_first(value: &str) -> Vec<u8> {
    // All but the last CloseComplete.
    let answer = own(value);
    answer[..answer.len() - 5].to_vec()
}

/// The same for one that was prepared before.
fn asked_again(value: &str) -> Vec<u8> {
    // Without CloseComplete and ParseComplete at the front.
    asked_first(value)[10..].to_vec()
}

/// The same for one that fails: what follows it up to Sync is skipped.
fn own_failed(sqlstate: &str) -> Vec<u8> {
    [frame(b'3', b""), frame(b'1', b""), frame(b'2', b""), error(sqlstate)].concat()
}

/// lock_timeout as it should be, then a question that fails.
fn asked_in_vain() -> Vec<u8> {
    [own("2s"), own_failed("55P03")].concat()
}

/// A question that fails leaves everything unknown, and the unknown is judged as large.
fn unknown(talk: &mut Conversation, status: u8) -> Left {
    talk.server(&[asked_in_vain(), ready(status)].concat())
}

#[test]
fn a_rewrite_runs_behind_hidden_replies() {
    let mut talk = conversation();
    let left = talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    assert!(!left.server.contains(&b'Q'), "the statement itself is not sent");
    let left = unknown(&mut talk, b'I');
    assert_eq!(left.tags().1, "N", "the rewrite is announced before it runs");
    let mut said = String::new();
    let mut ran = Vec::new();
    for _ in 0..8 {
        let left = talk.server(&[own("true"), ready(b'I')].concat());
        said += &left.tags().1;
        ran.push(String::from_utf8_lossy(&left.server).into_owned());
    }
    assert!(
        ran[5].contains("CREATE INDEX CONCURRENTLY i ON t (a)"),
        "alone on the table, a look, what it runs under, another look, limits off, then the step: {ran:?}"
    );
    assert_eq!(said, "", "nothing of ours reaches the client");
    let left = talk.server(&[own("{}"), ready(b'I')].concat());
    assert_eq!(left.client, [complete("CREATE INDEX"), ready(b'I')].concat());
    assert!(talk.session.is_idle());
}

#[test]
fn a_client_that_leaves_does_not_stop_a_rewrite() {
    let mut talk = conversation();
    talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    unknown(&mut talk, b'I');
    talk.event(Event::ClientGone);
    for _ in 0..8 {
        assert!(talk.out.close.is_none());
        talk.server(&[own("true"), ready(b'I')].concat());
    }
    talk.server(&[own("{}"), ready(b'I')].concat());
    assert_eq!(talk.out.close, Some(Close::Client));
}

/// Terminate without having waited for the answer: nobody hears how it ends, and the record says so.
#[test]
fn a_client_that_terminates_behind_ddl_leaves_no_record_open() {
    let mut talk = conversation();
    talk.client(&[messages::query("CREATE VIEW v AS SELECT 1").to_vec(), frame(b'X', b"")].concat());
    let left = talk.server(&[own("2s"), ready(b'I')].concat());
    assert_eq!((left.tags().0, talk.out.close), ("QX".into(), Some(Close::Client)));
    let ends: Vec<_> = talk.out.outcomes.iter().map(|(id, outcome)| (*id, outcome.sqlstate.as_deref())).collect();
    assert_eq!(ends, [(DecisionId { writer: 1, seq: 1 }, Some("08006"))]);
}

#[test]
fn a_batch_is_rewritten_only_when_sync_follows() {
    let batch = |rest: &[Vec<u8>]| [vec![parse("", "CREATE INDEX i ON t (a)"), bind("", ""), execute("")], rest.to_vec()].concat().concat();
    let answer = [frame(b'1', b""), frame(b'2', b""), asked_in_vain()].concat();

    let mut talk = conversation();
    let left = talk.client(&batch(&[sync()]));
    assert!(left.tags().0.ends_with('H'), "the question is flushed: a Sync would end the client's transaction");
    let left = talk.server(&answer);
    assert_eq!(left.client_error().0, "55P03", "in a batch a failed question fails the statement");

    let mut talk = conversation();
    talk.client(&batch(&[parse("", "SELECT 1"), sync()]));
    assert_eq!(talk.server(&answer).tags().1, "12E");
}

#[test]
fn what_is_decided_while_its_batch_fails_is_not_sent() {
    let mut talk = conversation();
    talk.client(&[parse("", "SELECT 1/0"), bind("", ""), execute("")].concat());
    talk.client(&[parse("", "CREATE TABLE n (a int)"), bind("", ""), execute(""), sync()].concat());
    let left = talk.server(&[frame(b'1', b""), frame(b'2', b""), error("22012")].concat());
    assert_eq!(left.tags(), ("S".into(), "12E".into()), "only Sync goes on");
    talk.server(&ready(b'I'));
    assert!(talk.session.is_idle());
}

#[test]
fn a_failed_question_in_a_block_is_taken_back() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    let left = talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    assert!(String::from_utf8_lossy(&left.server).contains("SAVEPOINT _pgairlock"));
    let left = talk.server(&[own("2s"), own(""), own_failed("55P03"), ready(b'E')].concat());
    assert!(String::from_utf8_lossy(&left.server).contains("ROLLBACK TO SAVEPOINT _pgairlock"));
    let left = talk.server(&[frame(b'3', b""), own(""), own(""), ready(b'T')].concat());
    assert_eq!(left.tags().0, "Q", "unknown is large: refused, and the transaction must fail");
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!(left.client_error().0, "PA001");
}

#[test]
fn in_a_block_questions_are_prepared_once_and_closed_behind_it() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    let around = |asked: [Vec<u8>; 2]| [own("2s"), own(""), own(""), asked.concat(), own(""), own(""), ready(b'T')].concat();
    let ask = |talk: &mut Conversation, table: &str| talk.client(&messages::query(&format!("ALTER TABLE {table} ADD COLUMN c int"))).tags().0;
    let sent = |questions: &str| format!("{}{questions}{}S", "CPBECC".repeat(3), "CPBECC".repeat(2));
    assert_eq!(ask(&mut talk, "t"), sent("CPBECCPBEC"));
    talk.server(&around([asked_first(""), asked_first("")]));
    talk.server(&[complete("ALTER TABLE"), ready(b'T')].concat());
    assert_eq!(ask(&mut talk, "u"), sent("BECBEC"));
    talk.server(&around([asked_again(""), asked_again("")]));
    talk.server(&[complete("ALTER TABLE"), ready(b'T')].concat());
    // The client takes them along.
    talk.client(&messages::query("DEALLOCATE ALL"));
    talk.server(&[complete("DEALLOCATE ALL"), ready(b'T')].concat());
    assert_eq!(ask(&mut talk, "v"), sent("CPBECCPBEC"));
    talk.server(&around([asked_first(""), asked_first("")]));
    talk.server(&[complete("ALTER TABLE"), ready(b'T')].concat());
    talk.client(&messages::query("ROLLBACK"));
    let left = talk.server(&[complete("ROLLBACK"), ready(b'I')].concat());
    assert_eq!(left.tags(), ("CCS".into(), "CZ".into()));
    assert_eq!(talk.server(&[frame(b'3', b""), frame(b'3', b""), ready(b'I')].concat()), Left::default());
    assert!(talk.session.is_idle());
}

#[test]
fn in_a_block_nothing_runs_between_two_tries_of_an_advisory_lock() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk.client(&messages::query("SELECT pg_advisory_xact_lock(1)"));
    let left = talk.server(&[own("0 0"), ready(b'T')].concat());
    assert!(String::from_utf8_lossy(&left.server).contains("pg_try_advisory_xact_lock"));
    assert_eq!(talk.session.next_tick(), None);
    assert_eq!(talk.server(&[own("false"), ready(b'T')].concat()), Left::default());
    let due = talk.session.next_tick().expect("a pause");
    assert_eq!(talk.event(Event::Tick), Left::default(), "not yet");
    talk.now = due;
    assert!(String::from_utf8_lossy(&talk.event(Event::Tick).server).contains("pg_try_advisory_xact_lock"));
    let left = talk.server(&[own("true"), ready(b'T')].concat());
    assert_eq!(left.tags(), (String::new(), "TDCZ".into()));
    assert!(left.client.ends_with(&ready(b'T')));
}

#[test]
fn a_cancel_request_in_a_pause_fails_the_transaction_too() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk.client(&messages::query("SELECT pg_advisory_xact_lock(1)"));
    talk.server(&[own("0 0"), ready(b'T')].concat());
    talk.server(&[own("false"), ready(b'T')].concat());
    assert_eq!(talk.event(Event::CancelRequested).tags(), ("Q".into(), String::new()));
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!(left.client_error(), ("57014".into(), "canceling statement due to user request".into()));
    assert_eq!(talk.event(Event::CancelRequested), Left::default(), "nothing waits any more");
}

#[test]
fn an_advisory_lock_of_a_computed_key_waits_without_lock_timeout() {
    let mut talk = conversation();
    talk.client(&messages::query("SELECT pg_advisory_lock(1 + 1)"));
    let left = talk.server(&[own("1500ms"), ready(b'I')].concat());
    assert_eq!(left.tags().0, "CPBECCSQ", "lifted, then the call itself");
    talk.server(&[own("0"), ready(b'I')].concat());
    let left = talk.server(&[frame(b'T', b"\0\0"), complete("SELECT 1"), ready(b'I')].concat());
    assert!(left.server.windows(6).any(|window| window == b"1500ms"), "what the client had is restored");
    assert_eq!(left.tags().1, "TCZ");
    assert_eq!(talk.client(&messages::query("SELECT 1")).server, b"", "the next statement waits for it");
    assert_eq!(talk.server(&[own("1500ms"), ready(b'I')].concat()).tags(), ("Q".into(), String::new()));
}

/// No user function has a name that matters.
const NO_SHADOWS: &str = r#"{"calls": null, "attributes": null}"#;

/// The session's first exchange, answered with this JSON.
fn greeted_with(answer: &str) -> (Conversation, Left) {
    let mut talk = conversation();
    let left = talk.event(Event::Begin);
    assert_eq!(left.tags(), ("CPBECCCPBECCS".into(), String::new()), "the client hears nothing before the check");
    let left = talk.server(&[own(answer), own(NO_SHADOWS), ready(b'I')].concat());
    (talk, left)
}

#[test]
fn the_client_hears_ready_when_the_backend_is_the_announced_one() {
    assert_eq!(greeted_with(r#"{"pid": 1, "standby": false, "settings": null}"#).1.client, ready(b'I'));
}

#[test]
fn a_pooler_that_swaps_backends_is_refused() {
    let (talk, left) = greeted_with(r#"{"pid": 2, "standby": false, "settings": null}"#);
    assert_eq!(left.client_error().0, "08004");
    assert_eq!(talk.out.close, Some(Close::Policy));
}

#[test]
fn a_stricter_role_keeps_its_own_lock_timeout() {
    let (mut talk, left) = greeted_with(r#"{"pid": 1, "standby": false, "settings": ["lock_timeout=1min", "lock_timeout=500ms"]}"#);
    assert!(left.server.windows(7).any(|window| window == b"\0\0\0\x03500"), "the parameter of the statement that sets it");
    assert_eq!(talk.server(&[own("500"), ready(b'I')].concat()).client, ready(b'I'));
    assert_eq!(talk.session.lock_timeout_cap_ms, 500);
}

#[test]
fn a_looser_role_changes_nothing() {
    let (talk, left) = greeted_with(r#"{"pid": 1, "standby": false, "settings": ["lock_timeout=0"]}"#);
    assert_eq!(left.client, ready(b'I'));
    assert_eq!(talk.session.lock_timeout_cap_ms, 2000);
}

#[test]
fn frames_sent_ahead_of_ready_wait_for_it() {
    let mut talk = conversation();
    talk.event(Event::Begin);
    assert_eq!(talk.client(&messages::query("SELECT 1")), Left::default());
    let left = talk.server(&[own(r#"{"pid": 1, "standby": false, "settings": null}"#), own(NO_SHADOWS), ready(b'I')].concat());
    assert_eq!(left.tags(), ("Q".into(), "Z".into()));
}

#[test]
fn a_drain_does_not_wait_for_what_nobody_has_looked_at() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk.event(Event::Drain);
    talk.client(&[messages::query("COMMIT"), messages::query("CREATE TABLE t ()")].concat());
    let left = talk.server(&[complete("COMMIT"), ready(b'I')].concat());
    assert_eq!(left.tags(), (String::new(), "CZE".into()));
    assert_eq!(talk.out.close, Some(Close::Drained));
}

#[test]
fn a_frame_that_is_thrown_away_takes_its_reading_along() {
    let mut talk = conversation();
    talk.client(&[parse("", "SELECT 1/0"), bind("", ""), execute(""), frame(b'H', b"")].concat());
    // It waits for the batch, is read once, and is then skipped with it.
    talk.client(&parse("x", "SHOW work_mem"));
    talk.server(&[frame(b'1', b""), frame(b'2', b""), error("22012")].concat());
    talk.client(&sync());
    talk.server(&ready(b'I'));
    let left = talk.client(&messages::query("DROP TABLE big"));
    assert!(!left.server.contains(&b'Q'), "judged as what it is: {left:?}");
}

#[test]
fn a_failed_transaction_that_a_pipeline_ends_is_no_excuse() {
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk.client(&messages::query("SELECT 1/0"));
    talk.server(&[error("22012"), ready(b'E')].concat());
    let batch = [parse("", "ROLLBACK"), bind("", ""), execute(""), parse("", "DROP TABLE big"), bind("", ""), execute(""), sync()].concat();
    let left = talk.client(&batch);
    assert_eq!(left.tags().0, "PBEPBCPBECCCPBECCCPBECCCPBECCCPBECCH", "questions, with Flush, before the second Execute");
}

#[test]
fn a_query_behind_frames_without_a_sync_is_refused_not_awaited() {
    for late in [messages::query("DROP TABLE big").to_vec(), frame(b'F', b"\0\0\x08\x1e\0\0\0\0\0\0")] {
        let mut talk = conversation();
        talk.client(&parse("", "SELECT 1"));
        assert_eq!(talk.client(&late).client_error().0, "08P01");
    }
}

#[test]
fn lock_timeout_raised_unseen_is_brought_down_before_ddl() {
    let mut talk = conversation();
    talk.client(&messages::query("CREATE VIEW v AS SELECT 1"));
    let left = talk.server(&[own("0"), ready(b'I')].concat());
    assert!(String::from_utf8_lossy(&left.server).contains("SET lock_timeout = 2000"), "{left:?}");
    assert_eq!(talk.server(&[own(""), ready(b'I')].concat()).tags().0, "Q");
}

#[test]
fn lock_timeout_below_the_cap_is_the_clients_own() {
    let mut talk = conversation();
    talk.client(&messages::query("CREATE VIEW v AS SELECT 1"));
    assert_eq!(talk.server(&[own("150ms"), ready(b'I')].concat()).tags().0, "Q");
}

#[test]
fn functions_made_on_the_way_are_asked_for_before_the_next_query() {
    let (mut talk, _) = greeted_with(r#"{"pid": 1, "standby": false, "settings": null}"#);
    let create = "CREATE FUNCTION public.abs(boolean) RETURNS int LANGUAGE sql AS 'SELECT 1'";
    talk.client(&messages::query(create));
    talk.server(&[own("2s"), ready(b'I')].concat());
    talk.server(&[complete("CREATE FUNCTION"), ready(b'I')].concat());
    let left = talk.client(&messages::query("SELECT abs(true)"));
    assert_eq!(left.tags().0, "CPBECCCPBECCS");
    let left = talk.server(&[own("2s"), own(r#"{"calls": ["abs"], "attributes": null}"#), ready(b'I')].concat());
    assert!(!left.server.contains(&b'Q'), "it may run anything now: {left:?}");
    assert_eq!(talk.client(&messages::query("COMMIT")).server, b"", "the next frame waits");
}

#[test]
fn a_commit_never_waits_for_the_names_of_functions() {
    let (mut talk, _) = greeted_with(r#"{"pid": 1, "standby": false, "settings": null}"#);
    talk.session.shadows_stale = true;
    assert_eq!(talk.client(&messages::query("ROLLBACK")).tags().0, "Q");
}

/// In a block that has begun, after a string that may have made functions.
fn stale_in_a_block() -> Conversation {
    let (mut talk, _) = greeted_with(r#"{"pid": 1, "standby": false, "settings": null}"#);
    talk.session.shadows_stale = true;
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk
}

#[test]
fn what_must_come_before_the_snapshot_waits_for_no_names() {
    let mut talk = stale_in_a_block();
    assert_eq!(talk.client(&messages::query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")).tags().0, "Q");
    talk.server(&[complete("SET"), ready(b'T')].concat());
    let left = talk.client(&messages::query("LOCK TABLE t"));
    assert_eq!(left.tags().0, "CPBECCS", "SHOW alone, which takes no snapshot");
    assert!(String::from_utf8_lossy(&left.server).contains("SHOW lock_timeout"));
}

#[test]
fn names_that_do_not_come_leave_the_transaction_as_it_is_and_every_name_in_doubt() {
    let mut talk = stale_in_a_block();
    let left = talk.client(&messages::query("SELECT abs(1)"));
    assert!(String::from_utf8_lossy(&left.server).contains("SAVEPOINT _pgairlock"), "a failed question is not the client's");
    let left = talk.server(&[own("2s"), own(""), own_failed("57014"), ready(b'E')].concat());
    assert!(String::from_utf8_lossy(&left.server).contains("ROLLBACK TO SAVEPOINT _pgairlock"), "{left:?}");
    let left = talk.server(&[frame(b'3', b""), own(""), own(""), ready(b'T')].concat());
    assert!(String::from_utf8_lossy(&left.server).contains("abs"), "the function itself is asked for: {left:?}");
    assert!(!left.server.contains(&b'Q') && talk.session.shadows_stale);
}

#[test]
fn a_standby_takes_queries_and_no_ddl() {
    let (mut talk, left) = greeted_with(r#"{"pid": 1, "standby": true, "settings": null}"#);
    assert_eq!(left.client, ready(b'I'));
    let left = talk.client(&messages::query("CREATE TABLE n (a int)"));
    assert_eq!((left.tags().0, left.client_error().0), (String::new(), "25006".into()));
    assert_eq!(talk.client(&messages::query("SELECT a FROM t")).tags().0, "Q");
}
