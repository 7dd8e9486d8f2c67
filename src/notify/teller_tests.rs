use super::*;
use crate::notify::event::Kind;
use crate::notify::runs::tests::record;

fn id(seq: i64) -> DecisionId {
    DecisionId { writer: 3, seq }
}

#[test]
fn a_refusal_says_by_what_and_how_it_may_pass() {
    let mut teller = Teller::default();
    let now = Instant::now();
    let entry = Logged::Decision(Box::new(record("s", "10.0.0.1:5", "ALTER TABLE users DROP COLUMN plan", "refuse")));
    let told = teller.read(id(118), 5, &entry, Beside::default(), now);
    let [Notification { id: name, event: Event::Refused(refused), .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(name, "3-118:refused");
    assert_eq!((refused.rules.as_slice(), refused.table.as_deref()), (["drop-column".to_owned()].as_slice(), Some("public.users")));
    assert_eq!((refused.who.role.as_str(), refused.who.application_name.as_deref()), ("deployer", Some("alembic")));
    assert_eq!(
        refused.way_through,
        "what to write instead: pgairlock explain drop-column; to let it through, in pgairlock's configuration: [[exempt]] with table = \"public.users\", \
         rules = [\"drop-column\"], reason = \"…\"; details: pgairlock audit show 3-118"
    );
    assert!(teller.read(id(119), 6, &entry, Beside::default(), now).is_empty());
    let at_end = teller.end();
    assert!(matches!(&at_end[0].event, Event::Refused(refused) if refused.repeated == 1 && refused.decision == "3-119"), "{at_end:?}");
}

#[test]
fn a_refusal_without_a_rule_still_tells() {
    let bare = Record { findings: Vec::new(), ..record("s", "c:1", "?", "refuse") };
    let told = Teller::default().read(id(1), 0, &Logged::Decision(Box::new(bare)), Beside::default(), Instant::now());
    assert!(matches!(&told[0].event, Event::Refused(refused) if refused.way_through == "details: pgairlock audit show 3-1"), "{told:?}");
}

#[test]
fn a_failure_after_commit_tells_what_to_do_also_where_its_promise_is_gone() {
    let step = DeferredStep {
        session: "s".into(),
        promise: 7,
        progress: "failed".into(),
        operation: Some(0),
        sqlstate: Some("23505".into()),
        message: Some("could not create unique index".into()),
    };
    let entry = Logged::Deferred(step);
    assert_eq!(failed_promise(&entry), Some(7));
    let told = Teller::default().read(id(9), 0, &entry, Beside::default(), Instant::now());
    let [Notification { event, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(event.kind(), Some(Kind::AfterCommitFailed));
    let Event::AfterCommitFailed(failed) = event else { panic!() };
    assert!(failed.what_to_do.contains("pgairlock deferred run 7 "), "{}", failed.what_to_do);
    assert_eq!(failed.sqlstate, "23505");
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
    }
    assert_eq!(Kind::named("test"), None);
}

#[test]
fn an_approval_that_is_wanted_is_told_once_in_a_while() {
    let mut teller = Teller::default();
    let approval =
        RecordedApproval { fingerprint: "3f9a2c81d04b".repeat(6), rules: vec!["drop-column".into()], people: 2, given: Vec::new(), used: None };
    let wanting = |used| {
        let approval = RecordedApproval { used, ..approval.clone() };
        let record = record("s", "10.0.0.1:1", "ALTER TABLE users DROP COLUMN plan", "refuse");
        Logged::Decision(Box::new(Record { approval: Some(approval), ..record }))
    };
    let now = Instant::now();
    let mut told = |seq, used, seconds| {
        let told = teller.read(id(seq), 5, &wanting(used), Beside::default(), now + Duration::from_secs(seconds));
        told.into_iter().find_map(|told| if let Event::ApprovalWanted(wanted) = told.event { Some(wanted) } else { None })
    };
    let wanted = told(1, None, 0).unwrap();
    assert_eq!((wanted.request.as_str(), wanted.table.as_deref(), wanted.waits), ("3f9a2c81d04b", Some("public.users"), false));
    assert_eq!(wanted.approve, "pgairlock approve 3f9a2c81d04b --reason … (2 persons)");
    assert_eq!(told(2, None, 599), None);
    assert!(told(3, None, 601).is_some());
    assert_eq!(told(4, Some(id(3)), 2_000), None, "it has one");
    let mut teller = Teller::of(Some("https://gate.example".into()));
    let told = teller.read(id(5), 5, &wanting(None), Beside::default(), now);
    let wanted = told.into_iter().find_map(|told| if let Event::ApprovalWanted(wanted) = told.event { Some(wanted) } else { None }).unwrap();
    assert_eq!(wanted.page.as_deref(), Some("https://gate.example/approvals/3f9a2c81d04b"));
    assert!(wanted.approve.starts_with("https://gate.example/approvals/3f9a2c81d04b or pgairlock approve"), "{}", wanted.approve);
}
