//! What is done, from whatever there is already.

use super::*;
use crate::deferred::seen::SeenConstraint;

const AGAIN: Try = Try::Again { cleaned: false };
const CLEANED: Try = Try::Again { cleaned: true };

fn table() -> RelationName {
    RelationName::unqualified("t")
}

fn create() -> Operation {
    let index = Some(RelationName::qualified("public", "i"));
    Operation::CreateIndex(CreateIndex {
        table: table(),
        index,
        unique: false,
        key: Some(vec!["a".into()]),
        whole: true,
        nulls_not_distinct: false,
        sql: "build".into(),
    })
}

fn found(change: impl Fn(&mut SeenIndex)) -> Seen {
    let mut index = SeenIndex { oid: 7, on_table: true, valid: true, abandoned: false, unique: false, key: vec!["a".into()] };
    change(&mut index);
    Seen { table: Some(1), index: Some(index), ..Seen::default() }
}

fn nothing() -> Seen {
    Seen { table: Some(1), ..Seen::default() }
}

fn constraint(validated: bool) -> Seen {
    Seen { constraint: Some(SeenConstraint { validated }), ..nothing() }
}

/// The steps, or why there are none.
fn course(operation: &Operation, seen: &Seen, tried: Try) -> String {
    match operation.course(seen, tried) {
        Course::Steps(steps) => steps.iter().map(|step| step.sql.as_str()).collect::<Vec<_>>().join("; "),
        Course::Wait => "wait".into(),
        Course::Gone => "gone".into(),
    }
}

#[test]
fn an_index_is_built_once() {
    let drop_and_build = "DROP INDEX CONCURRENTLY IF EXISTS public.i; build";
    for (seen, first, again) in [
        (nothing(), "build", "build"),
        (found(|_| {}), "build", ""),
        (found(|index| index.unique = true), "build", "build"),
        (found(|index| index.key = vec!["b".into()]), "build", "build"),
        (found(|index| index.on_table = false), "build", "build"),
        (found(|index| (index.valid, index.abandoned) = (false, true)), drop_and_build, drop_and_build),
        (found(|index| index.valid = false), "build", "wait"),
        (Seen::default(), "build", "gone"),
    ] {
        assert_eq!((&*course(&create(), &seen, Try::First), &*course(&create(), &seen, AGAIN)), (first, again), "{seen:?}");
    }
}

#[test]
fn a_name_that_is_taken_is_never_dropped_as_debris() {
    let Course::Steps(steps) = create().course(&found(|_| {}), Try::First) else { panic!() };
    assert_eq!(steps[0].debris, None);
    let Course::Steps(steps) = create().course(&nothing(), Try::First) else { panic!() };
    assert!(steps[0].debris.is_some());
}

#[test]
fn a_constraint_is_validated_once_and_added_again_only_where_we_took_it_away() {
    let validate = |class, in_place| {
        Operation::Validate(Validate { table: table(), only: false, constraint: "k".into(), class, in_place, add: Some("add".into()), search: None })
    };
    let step = "ALTER TABLE t VALIDATE CONSTRAINT k";
    let check = validate(Class::Check, true);
    assert_eq!(course(&check, &nothing(), Try::First), step);
    assert_eq!(course(&check, &constraint(false), AGAIN), step);
    assert_eq!(course(&check, &constraint(true), AGAIN), "");
    assert_eq!(course(&check, &nothing(), AGAIN), "gone");
    assert_eq!(course(&check, &nothing(), CLEANED), format!("add; {step}"));
    let beside = validate(Class::ForeignKey, false);
    assert_eq!(course(&beside, &nothing(), Try::First), format!("add; {step}"));
    assert_eq!(course(&beside, &constraint(false), AGAIN), step);
    assert_eq!(course(&beside, &nothing(), AGAIN), format!("add; {step}"));
    assert_eq!((check.clean_up().as_deref(), beside.clean_up()), (Some("ALTER TABLE t DROP CONSTRAINT IF EXISTS k"), None));
}

#[test]
fn set_not_null_goes_on_where_it_stopped() {
    let set = |was_not_null| {
        Operation::SetNotNull(SetNotNull { table: table(), only: true, column: "c".into(), helper: "h".into(), in_place: true, was_not_null })
    };
    let (validate, set_it, drop) =
        ("ALTER TABLE t VALIDATE CONSTRAINT h", "ALTER TABLE ONLY t ALTER COLUMN c SET NOT NULL", "ALTER TABLE ONLY t DROP CONSTRAINT h");
    let add = "ALTER TABLE ONLY t ADD CONSTRAINT h CHECK (c IS NOT NULL) NO INHERIT NOT VALID";
    let not_null = |seen: Seen| Seen { not_null: true, ..seen };
    for (seen, expected) in [
        (constraint(false), format!("{validate}; {set_it}; {drop}")),
        (constraint(true), format!("{set_it}; {drop}")),
        (not_null(constraint(true)), drop.to_owned()),
        (not_null(nothing()), String::new()),
        (nothing(), format!("{add}; {validate}; {set_it}; {drop}")),
    ] {
        assert_eq!(course(&set(false), &seen, AGAIN), expected, "{seen:?}");
    }
    assert_eq!(course(&set(true), &not_null(constraint(true)), AGAIN), format!("{set_it}; {drop}"), "that proves nothing where it was so before");
    assert_eq!(course(&set(false), &nothing(), Try::First), format!("{add}; {validate}; {set_it}; {drop}"));
}

#[test]
fn a_drop_and_a_rebuild_are_done_once() {
    let drop = Operation::DropIndex(DropIndex { table: table(), index: table(), sql: "drop".into() });
    assert_eq!((&*course(&drop, &nothing(), Try::First), &*course(&drop, &nothing(), AGAIN)), ("drop", ""));
    assert_eq!(course(&drop, &found(|_| {}), AGAIN), "drop");
    let rebuild = Operation::Reindex(Reindex { table: Some(table()), index: Some((table(), 7)), sql: "rebuild".into() });
    assert_eq!(course(&rebuild, &found(|_| {}), AGAIN), "rebuild");
    assert_eq!(course(&rebuild, &found(|index| index.oid = 8), AGAIN), "");
    assert_eq!(course(&rebuild, &nothing(), AGAIN), "gone");
    let all = Operation::Reindex(Reindex { table: None, index: None, sql: "rebuild".into() });
    assert_eq!(course(&all, &Seen::default(), AGAIN), "rebuild");
}

#[test]
fn a_key_takes_over_its_index_once() {
    let attach = Operation::AttachKey(AttachKey { table: table(), only: false, constraint: "k".into(), columns: Vec::new(), sql: "attach".into() });
    assert_eq!((&*course(&attach, &nothing(), AGAIN), &*course(&attach, &constraint(true), AGAIN)), ("attach", ""));
    assert_eq!(course(&attach, &constraint(true), Try::First), "attach", "the server refuses the second of a name");
}

#[test]
fn operations_survive_the_store() {
    let text = serde_json::to_string(&create()).unwrap();
    assert!(text.starts_with(r#"{"kind":"create-index""#), "{text}");
    assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), create());
}
