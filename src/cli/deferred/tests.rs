//! What is printed and decided.

use super::choice::*;
use super::show;
use crate::deferred::operation::{Class, CreateIndex, Operation, Validate};
use crate::deferred::promise::{Deferred, Failed, Pending, Place, Promise, PromiseId};
use crate::sql::name::RelationName;

const CONTEXT: &str = r#"{"role":"none","search_path":"\"$user\", public, pg_temp","default_tablespace":"","TimeZone":"UTC"}"#;

fn table() -> RelationName {
    RelationName::unqualified("t")
}

fn deferred(operation: Operation) -> Deferred {
    Deferred { operation, table: RelationName::qualified("public", "t"), rule: "r".into(), context: CONTEXT.into() }
}

fn index() -> Deferred {
    deferred(Operation::CreateIndex(CreateIndex {
        table: table(),
        index: Some(table().sibling("i")),
        unique: false,
        key: None,
        whole: true,
        nulls_not_distinct: false,
        sql: "CREATE INDEX CONCURRENTLY i\n  ON t (a)".into(),
    }))
}

fn check() -> Deferred {
    let add = "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID";
    deferred(Operation::Validate(Validate {
        table: table(),
        only: false,
        constraint: "k".into(),
        class: Class::Check,
        in_place: true,
        add: Some(add.into()),
        search: None,
    }))
}

fn place() -> Place {
    Place { system: "7".into(), database: "app".into() }
}

fn pending(id: i64, operations: Vec<Deferred>) -> Pending {
    let promise = Promise {
        transaction: 1,
        session: "s".into(),
        place: place(),
        role: "deployer".into(),
        xid: "742".into(),
        life: "1".into(),
        operations,
        whole: None,
    };
    Pending { id: PromiseId(id), promise, at_unix_micros: 1_709_210_096_500_000, committed: true, told: false, done: 0, error: None }
}

fn with_error(sqlstate: &str, pending: Pending) -> Pending {
    Pending { error: Some(Failed { sqlstate: sqlstate.into(), message: "no\u{1b}[2J".into() }), ..pending }
}

fn here() -> Here {
    Here { place: place(), role: "deployer".into() }
}

#[test]
fn a_promise_is_a_line_and_more_beneath_it() {
    let text = show::table(&[pending(3, vec![index()]), with_error("23514", pending(12, vec![check()]))]);
    let expected = "\
ID  WHEN                  DATABASE  ROLE      STATE      TO DO
3   2024-02-29T12:34:56Z  app       deployer  committed  CREATE INDEX CONCURRENTLY i ON t (a);
12  2024-02-29T12:34:56Z  app       deployer  failed     ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;
                                                         ALTER TABLE t VALIDATE CONSTRAINT k;
                                                         error 23514: no\u{fffd}[2J
";
    assert_eq!(text, expected);
}

#[test]
fn programs_get_the_same_in_a_form_that_stays() {
    let mut unknown = with_error("57014", pending(3, vec![check(), index()]));
    (unknown.committed, unknown.done) = (false, 1);
    let json: serde_json::Value = serde_json::from_str(&show::json(&[unknown]).unwrap()).unwrap();
    let expected = serde_json::json!({"version": 1, "promises": [{
        "id": 3, "at": "2024-02-29T12:34:56Z", "system": "7", "database": "app", "role": "deployer", "session": "s", "xid": "742",
        "state": "interrupted", "runs_by_itself": true, "done": 1,
        "operations": [{"table": "public.t", "rule": "r"}, {"table": "public.t", "rule": "r"}],
        "to_do": ["CREATE INDEX CONCURRENTLY i\n  ON t (a)"],
        "error": {"sqlstate": "57014", "message": "no\u{1b}[2J"},
    }]});
    assert_eq!(json, expected);
    let nothing: serde_json::Value = serde_json::from_str(&show::json(&[]).unwrap()).unwrap();
    assert_eq!(nothing, serde_json::json!({"version": 1, "promises": []}));
}

#[test]
fn what_is_dropped_is_left_as_sql() {
    let text = show::left_undone(&Pending { committed: false, ..pending(3, vec![index(), check()]) });
    let expected = "promise 3 is dropped. It is not done, and nothing will do it any more:\n\n\
        SELECT pg_catalog.set_config('search_path', '\"$user\", public, pg_temp', false);\n\
        CREATE INDEX CONCURRENTLY i\n  ON t (a);\n\
        ALTER TABLE t VALIDATE CONSTRAINT k;\n\n\
        Run that by hand, statement by statement, outside a transaction, as the role \"deployer\" in the database \"app\", \
        if the transaction that it belongs to was committed.\n";
    assert_eq!(text, expected);
}

#[test]
fn days_are_counted_as_the_calendar_does() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_735_689_599, "2024-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(show::utc(seconds * 1_000_000), expected);
    }
}

#[test]
fn numbers_that_are_not_pending_are_named() {
    let all = || vec![pending(3, vec![index()]), pending(4, vec![check()])];
    let ids = |numbers| by_number(all(), numbers).map(|pending| pending.iter().map(|pending| pending.id.0).collect::<Vec<_>>());
    assert_eq!(ids(&[]), Ok(vec![3, 4]));
    assert_eq!(ids(&[4]), Ok(vec![4]));
    assert!(ids(&[4, 9]).is_err_and(|why| why.starts_with("promise 9: is not pending")));
    assert!(ids(&[8, 9]).is_err_and(|why| why.starts_with("promises 8, 9: are not pending")));
}

#[test]
fn what_belongs_elsewhere_is_refused_with_what_to_do() {
    let told = |here: &Here| super::choice::here(vec![pending(3, vec![index()])], here).refused.concat();
    assert_eq!(super::choice::here(vec![pending(3, vec![index()])], &here()).run.len(), 1);
    let other = Here { role: "postgres".into(), ..here() };
    assert!(told(&other).starts_with("promise 3 was made by the role \"deployer\", and this is \"postgres\": give that role's URL"));
    let other = Here { place: Place { database: "x".into(), ..place() }, ..here() };
    assert!(told(&other).contains("belongs to the database \"app\", and this is \"x\""));
    let other = Here { place: Place { system: "8".into(), ..place() }, ..here() };
    assert!(told(&other).contains("belongs to another cluster (system identifier 7; this server has 8)"));
}

#[test]
fn bad_data_ends_a_wait_at_once() {
    let (fine, cut, bad) = (pending(1, vec![]), with_error("57014", pending(2, vec![])), with_error("23505", pending(3, vec![])));
    assert_eq!(standing(&[]), Standing::Over);
    assert_eq!(standing(&[fine.clone(), cut.clone()]), Standing::Going(vec![1, 2]));
    assert_eq!(standing(&[fine, cut, bad]), Standing::Stuck(vec![3]));
}

#[test]
fn a_reason_says_something() {
    assert_eq!(super::reason(" because "), Ok("because".into()));
    assert!(super::reason("  ").is_err());
}
