//! Conversations in which the session asks how fast the server is.

use super::judged::{asked_first, own};
use super::*;
use crate::catalog::estimate::{REFERENCE, Speed};

const CATALOG: &str = r#"{"relations":[{"n":0,"oid":5,"schema":"public","name":"t","kind":"r","persistence":"p",
    "columns":[{"name":"a","type_oid":23,"base_oid":23,"length":4}]}]}"#;
const SIZES: &str = r#"[{"n":0,"oid":5,"bytes":2000000000,"volume":{"heap":2000000000,"rows":20000000,"uncounted":0}}]"#;
const SLOW: Speed = Speed { counting: REFERENCE.counting * 2, sorting: REFERENCE.sorting * 2 };

fn slow() -> Vec<u8> {
    own(&format!(r#"{{"counting":{},"sorting":{}}}"#, SLOW.counting, SLOW.sorting))
}

fn failed() -> Vec<u8> {
    [frame(b'3', b""), frame(b'1', b""), frame(b'2', b""), error("57014")].concat()
}

/// Nobody has measured the server.
fn unmeasured() -> Conversation {
    let mut talk = conversation();
    talk.session.pace = Pace::Unknown;
    talk
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn asks(left: &Left) -> bool {
    text(&left.server).contains("hashint4")
}

/// What is asked of the catalog is answered.
fn facts() -> Vec<u8> {
    [own("2s"), own(CATALOG), own(SIZES), ready(b'I')].concat()
}

/// The same where what was before is asked too.
fn facts_and_former() -> Vec<u8> {
    [own("2s"), own(CATALOG), own(SIZES), own("[]"), ready(b'I')].concat()
}

fn facts_in_block() -> Vec<u8> {
    [own("2s"), own(""), own(""), asked_first(CATALOG), asked_first(SIZES), own(""), own(""), ready(b'T')].concat()
}

fn begun(mut talk: Conversation) -> Conversation {
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    talk
}

#[test]
fn a_server_is_asked_before_a_time_is_told() {
    let mut talk = unmeasured();
    talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    let left = talk.server(&facts());
    assert!(asks(&left) && left.client.is_empty());
    let left = talk.server(&[own("500"), slow(), ready(b'I')].concat());
    let said = text(&left.client);
    assert!(
        said.contains("It takes about ") && said.contains(" s here, at most ") && said.contains("(20 M rows), and needs about 424 MB of disk"),
        "{said}"
    );
    assert_eq!(talk.out.gauged, Some(SLOW), "for the sessions to come");
}

#[test]
fn a_server_that_does_not_answer_is_not_asked_again() {
    let mut talk = unmeasured();
    talk.client(&messages::query("SELECT 1; ALTER TABLE t ALTER COLUMN a TYPE bigint"));
    assert!(asks(&talk.server(&facts_and_former())));
    let left = talk.server(&[own("500"), failed(), ready(b'I')].concat());
    let (sqlstate, message) = left.client_error();
    assert_eq!(sqlstate, "PA001", "its failure is not the client's: {message}");
    assert!(text(&left.client).contains("the speed of this server was not measured"));
    assert_eq!(talk.out.gauged, None);
    talk.client(&messages::query("SELECT 1; ALTER TABLE t ALTER COLUMN a TYPE bigint"));
    assert!(!asks(&talk.server(&facts_and_former())));
}

#[test]
fn in_a_block_the_question_stands_behind_a_savepoint() {
    let mut talk = begun(unmeasured());
    talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    let left = talk.server(&facts_in_block());
    assert!(asks(&left) && text(&left.server).contains("SAVEPOINT _pgairlock"));
    let left = talk.server(&[own(""), own("500"), failed(), ready(b'E')].concat());
    assert!(text(&left.server).contains("ROLLBACK TO SAVEPOINT _pgairlock"));
    let left = talk.server(&[frame(b'3', b""), own(""), own(""), ready(b'T')].concat());
    assert_eq!(left.tags().0, "Q", "refused, and the transaction must fail");

    let mut talk = begun(unmeasured());
    talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    talk.server(&facts_in_block());
    talk.server(&[own(""), own("500"), slow(), own(""), own(""), ready(b'T')].concat());
    let left = talk.server(&[error("42601"), ready(b'E')].concat());
    assert_eq!((left.client_error().0, talk.out.gauged), ("PA001".into(), Some(SLOW)));
    assert!(text(&left.client).contains(" s here, at most "), "{}", text(&left.client));
}

#[test]
fn nobody_is_held_up_by_the_question() {
    let mut talk = begun(unmeasured());
    talk.client(&messages::query("ALTER TABLE t ADD COLUMN c int"));
    talk.server(&facts_in_block());
    talk.server(&[complete("ALTER TABLE"), ready(b'T')].concat());
    talk.client(&messages::query("CREATE INDEX i ON t (a)"));
    let again = |value: &str| asked_first(value)[10..].to_vec();
    let left = talk.server(&[own("2s"), own(""), own(""), again(CATALOG), again(SIZES), own(""), own(""), ready(b'T')].concat());
    assert!(!asks(&left), "the transaction holds a lock that others wait for");

    let mut talk = unmeasured();
    talk.client(&[parse("", "SELECT 1"), bind("", ""), execute(""), parse("", "CREATE INDEX i ON t (a)"), bind("", ""), execute("")].concat());
    let left = talk.server(&[own("2s"), own(CATALOG), own(SIZES)].concat());
    assert!(!asks(&left), "in a batch it would fail the client's transaction");
}

#[test]
fn what_passes_is_told_no_time() {
    let mut talk = unmeasured();
    talk.client(&messages::query("ALTER TABLE t ADD COLUMN c int"));
    let left = talk.server(&facts());
    assert!(!asks(&left) && talk.session.pace == Pace::Unknown);
}
