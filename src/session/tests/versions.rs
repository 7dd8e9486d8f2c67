//! What a session tells of migrations.

use super::*;
use crate::audit::attribution::{Decision, Kind, Noticed};

/// `version kind`, `committed` and `rolled back`, since it was asked last.
fn noticed(talk: &mut Conversation) -> Vec<String> {
    let line = |noticed: Noticed| match noticed {
        Noticed::Wrote(write) => match write.kind {
            Kind::Set { from } => format!("{} set from {from}", write.version),
            kind => format!("{} {kind:?}", write.version).to_lowercase(),
        },
        Noticed::Created(table) => format!("created {table}"),
        Noticed::Savepoint(name) => format!("savepoint {name}"),
        Noticed::RolledBackTo(name) => format!("back to {name}"),
        Noticed::Ended { committed: true } => "committed".to_owned(),
        Noticed::Ended { committed: false } => "rolled back".to_owned(),
    };
    talk.out.noticed.drain(..).map(line).collect()
}

fn query(talk: &mut Conversation, sql: &str, tags: &[&str], status: u8) {
    talk.client(&messages::query(sql));
    let answer: Vec<Vec<u8>> = tags.iter().map(|tag| complete(tag)).chain([ready(status)]).collect();
    talk.server(&answer.concat());
}

const WRITE: &str = "UPDATE alembic_version SET version_num='a2' WHERE alembic_version.version_num = 'a1'";

/// Bind with parameters: format and value, `None` is NULL.
fn bind_with(portal: &str, statement: &str, values: &[(u16, Option<&[u8]>)]) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    let count = u16::try_from(values.len()).unwrap().to_be_bytes();
    body.extend(count);
    values.iter().for_each(|(format, _)| body.extend(format.to_be_bytes()));
    body.extend(count);
    for (_, value) in values {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
        body.extend(length.to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    body.extend([0, 0]);
    frame(b'B', &body)
}

#[test]
fn a_version_is_told_when_it_is_written_and_committed() {
    let mut talk = conversation();
    query(&mut talk, "BEGIN", &["BEGIN"], b'T');
    talk.client(&messages::query(WRITE));
    assert!(noticed(&mut talk).is_empty(), "it has not been written yet");
    talk.server(&[complete("UPDATE 1"), ready(b'T')].concat());
    assert_eq!(noticed(&mut talk), ["a2 set from a1"]);
    query(&mut talk, "SELECT 1", &["SELECT 1"], b'T');
    assert!(noticed(&mut talk).is_empty());
    query(&mut talk, "ROLLBACK", &["ROLLBACK"], b'I');
    assert_eq!(noticed(&mut talk), ["rolled back"]);
}

#[test]
fn outside_of_a_block_the_end_of_the_string_commits() {
    let mut talk = conversation();
    query(&mut talk, WRITE, &["UPDATE 1"], b'I');
    assert_eq!(noticed(&mut talk), ["a2 set from a1", "committed"]);
    query(&mut talk, "SELECT 1", &["SELECT 1"], b'I');
    query(&mut talk, WRITE, &["UPDATE 0"], b'I');
    assert!(noticed(&mut talk).is_empty(), "it found no row");
}

#[test]
fn what_stands_before_an_error_of_its_string_is_rolled_back() {
    let mut talk = conversation();
    talk.client(&messages::query(&format!("{WRITE}; SELECT 1/0")));
    talk.server(&[complete("UPDATE 1"), error("22012"), ready(b'I')].concat());
    assert_eq!(noticed(&mut talk), ["a2 set from a1", "rolled back"]);
}

#[test]
fn a_string_may_end_several_transactions() {
    let mut talk = conversation();
    let sql = format!("BEGIN; {WRITE}; ROLLBACK; BEGIN; {WRITE}; COMMIT; {WRITE}");
    let rows = "UPDATE 1";
    query(&mut talk, &sql, &["BEGIN", rows, "ROLLBACK", "BEGIN", rows], b'T');
    assert_eq!(noticed(&mut talk), ["a2 set from a1", "rolled back", "a2 set from a1"]);
    let mut talk = conversation();
    talk.client(&messages::query("BEGIN"));
    talk.server(&[complete("BEGIN"), ready(b'T')].concat());
    query(&mut talk, WRITE, &[rows], b'T');
    // A failed transaction answers COMMIT with ROLLBACK.
    talk.client(&messages::query("SELECT 1/0"));
    talk.server(&[error("22012"), ready(b'E')].concat());
    query(&mut talk, "COMMIT", &["ROLLBACK"], b'I');
    assert_eq!(noticed(&mut talk), ["a2 set from a1", "rolled back"]);
}

#[test]
fn savepoints_are_told_where_something_stands_before_them() {
    let mut talk = conversation();
    query(&mut talk, "BEGIN", &["BEGIN"], b'T');
    query(&mut talk, "SAVEPOINT a", &["SAVEPOINT"], b'T');
    query(&mut talk, WRITE, &["UPDATE 1"], b'T');
    query(&mut talk, "SAVEPOINT b", &["SAVEPOINT"], b'T');
    query(&mut talk, "ROLLBACK TO a", &["ROLLBACK"], b'T');
    query(&mut talk, "COMMIT", &["COMMIT"], b'I');
    assert_eq!(noticed(&mut talk), ["a2 set from a1", "savepoint b", "back to a", "committed"]);
}

#[test]
fn parameters_are_those_of_the_portal_that_runs() {
    let mut talk = conversation();
    let insert = r#"INSERT INTO "public"."schema_migrations" (version, dirty) VALUES ($1, $2)"#;
    talk.client(&[parse("s", insert), sync()].concat());
    talk.server(&[frame(b'1', b""), ready(b'I')].concat());
    let eight = 7_i64.to_be_bytes();
    let first = bind_with("", "s", &[(1, Some(&eight)), (1, Some(&[1]))]);
    let second = bind_with("", "s", &[(0, Some(b"8")), (0, Some(b"f"))]);
    talk.client(&[first, execute(""), second, execute(""), sync()].concat());
    let one = [frame(b'2', b""), complete("INSERT 0 1")].concat();
    talk.server(&[&*one, &*one, &*ready(b'I')].concat());
    assert_eq!(noticed(&mut talk), ["7 dirty", "8 finished", "committed"]);
}

#[test]
fn a_bind_that_comes_in_pieces_is_waited_for() {
    let mut talk = conversation();
    talk.client(&[parse("", "DELETE FROM goose_db_version WHERE version_id=$1"), sync()].concat());
    talk.server(&[frame(b'1', b""), ready(b'I')].concat());
    let batch = [bind_with("", "", &[(0, Some(b"3"))]), execute(""), sync()].concat();
    assert_eq!(talk.client(&batch[..9]).tags().0, "");
    assert_eq!(talk.client(&batch[9..]).tags().0, "BES");
    talk.server(&[frame(b'2', b""), complete("DELETE 1"), ready(b'I')].concat());
    assert_eq!(noticed(&mut talk), ["3 takenback", "committed"]);
}

#[test]
fn values_that_cannot_be_read_are_said_to_be_so() {
    let mut talk = conversation();
    let insert = "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)";
    // numeric, in binary.
    let parse = frame(b'P', &[format!("\0{insert}\0").as_bytes(), &[0, 1], &1700_u32.to_be_bytes()].concat());
    talk.client(&[parse, bind_with("", "", &[(1, Some(&[0, 1, 0, 0]))]), execute(""), sync()].concat());
    talk.server(&[frame(b'1', b""), frame(b'2', b""), complete("INSERT 0 1"), ready(b'I')].concat());
    assert_eq!(noticed(&mut talk), ["? applied", "committed"]);
}

fn guessed(talk: &Conversation) -> Option<&'static str> {
    talk.session.versions.guessed().map(|guess| guess.tool.name())
}

#[test]
fn tools_are_told_by_what_they_look_at() {
    let mut talk = conversation();
    query(&mut talk, "SELECT * FROM django_migrations", &["SELECT 1"], b'I');
    assert_eq!(guessed(&talk), Some("django"));
    query(&mut talk, "SELECT * FROM goose_db_version", &["SELECT 1"], b'I');
    assert_eq!(guessed(&talk), Some("django"));
    query(&mut talk, "SELECT * FROM public.databasechangeloglock", &["SELECT 1"], b'I');
    query(&mut talk, "SELECT * FROM alembic_version", &["SELECT 1"], b'I');
    assert_eq!(guessed(&talk), Some("liquibase"), "what another tool looks at too is no reason to think again");
}

#[test]
fn a_refusal_is_a_decision_that_is_told_to_be_one() {
    let mut talk = conversation();
    talk.client(&frame(b'F', b"\0\0\x08\x1e\0\0\0\0\0\0"));
    assert_eq!(talk.out.deciding, Decision { refused: true, housekeeping: false });
}
