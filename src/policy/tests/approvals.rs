//! What a person may let through, and by what a statement is told apart from every other.

use super::*;
use crate::policy::approval::{Granted, Wanted};
use crate::policy::settings::Approvable;

const DROP: &str = "DROP TABLE t";

fn terms(rules: &[&str]) -> Approvable {
    Approvable {
        role: None,
        database: None,
        application_name: None,
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        people: 1,
        wait_ms: 0,
    }
}

fn approvable(rules: &[&str]) -> Ask {
    let mut ask = ask();
    ask.settings.approvals.push(terms(rules));
    ask
}

fn wanted(ask: &Ask, sql: &str) -> Wanted {
    ask.of(sql).wanted.unwrap_or_else(|| panic!("{sql}: {:?}", ask.of(sql).decision.plan))
}

fn fingerprint(ask: &Ask, sql: &str) -> String {
    wanted(ask, sql).fingerprint
}

#[test]
fn by_default_nothing_can_be_approved() {
    let outcome = ask().of(DROP);
    assert!(matches!(&outcome.decision.plan, Plan::Refuse(refusal) if refusal.sqlstate == "PA001"), "{outcome:?}");
    assert_eq!(outcome.wanted, None);
}

#[test]
fn the_refusal_says_how_it_is_approved() {
    let ask = approvable(&["drop-table"]);
    let refusal = ask.refused(DROP);
    let wanted = wanted(&ask, DROP);
    assert_eq!((refusal.sqlstate, wanted.people, wanted.rules.as_slice()), ("PA003", 1, &["drop-table".to_owned()][..]));
    let end =
        format!("Or have exactly this statement approved, by somebody with: pgairlock approve {} --reason \"…\"; then run it again.", wanted.short());
    assert!(refusal.message.starts_with("pgairlock [drop-table]: ") && refusal.message.ends_with(&end), "{}", refusal.message);
}

#[test]
fn the_refusal_leads_to_the_page_where_it_is_approved() {
    let mut ask = approvable(&["drop-table"]);
    ask.settings.dashboard = Some("https://gate.example".into());
    let short = wanted(&ask, DROP).short().to_owned();
    let end =
        format!("by somebody on https://gate.example/approvals/{short} (or with: pgairlock approve {short} --reason \"…\"); then run it again.");
    assert!(ask.refused(DROP).message.ends_with(&end), "{}", ask.refused(DROP).message);
    ask.settings.approvals[0].people = 2;
    assert!(ask.refused(DROP).message.contains("approved, by 2 persons, each on https://gate.example/"), "{}", ask.refused(DROP).message);
}

#[test]
fn what_is_granted_passes_and_says_so() {
    let mut ask = approvable(&["drop-table"]);
    ask.granted = Some(Granted { rules: vec!["drop-table".into()], told: "ann (read by nobody)".into() });
    let outcome = ask.of(DROP);
    assert_eq!((&outcome.decision.plan, &outcome.wanted), (&Plan::Pass, &None));
    assert_eq!(outcome.decision.findings[0].verdict, Verdict::Approved("ann (read by nobody)".into()));
    assert!(outcome.decision.notices[0].message.ends_with("; approved by ann (read by nobody)"));
    // The configuration may have changed since.
    ask.settings.approvals.clear();
    ask.refused_by("drop-table", DROP);
}

#[test]
fn who_may_have_what_approved_is_configured() {
    let asking = |change: fn(&mut Approvable)| {
        let mut ask = approvable(&["drop-table"]);
        change(&mut ask.settings.approvals[0]);
        ask.of(DROP).wanted.is_some()
    };
    assert!(asking(|terms| terms.role = Some("deployer".into())));
    assert!(!asking(|terms| terms.role = Some("other".into())));
    assert!(!asking(|terms| terms.database = Some("other".into())));
    assert!(!asking(|terms| terms.application_name = Some("psql".into())));
    assert!(!asking(|terms| terms.rules = vec!["drop-column".into()]));
}

#[test]
fn a_protected_table_and_what_guards_the_proxy_are_not_for_persons() {
    let mut ask = approvable(&["drop-table"]);
    ask.settings.protected.push(crate::policy::settings::Protection { table: "public.t".into(), reason: "every login reads it".into() });
    assert_eq!(ask.of(DROP).wanted, None);
    let ask = approvable(&["protected-setting"]);
    assert_eq!(ask.of("SET standard_conforming_strings = off").wanted, None);
}

#[test]
fn what_has_a_safe_form_keeps_it() {
    let ask = approvable(&["drop-column", "create-index-blocking"]);
    assert_eq!(ask.of("CREATE INDEX i ON t (a)").wanted, None, "it is made safe");
    let both = "CREATE INDEX i ON t (a); ALTER TABLE t DROP COLUMN b";
    let in_block = |ask: Ask| Ask { in_block: true, in_transaction: true, ..ask };
    assert_eq!(wanted(&in_block(ask), both).rules, ["drop-column"]);
    assert_eq!(in_block(approvable(&["create-index-blocking"])).of(both).wanted, None, "the other one stays");
}

#[test]
fn each_letter_counts_but_those_of_comments_and_white_space() {
    let ask = approvable(&["drop-column", "drop-table", "add-column-default"]);
    let one = fingerprint(&ask, "ALTER TABLE t DROP COLUMN a");
    assert_eq!(one.len(), 64);
    for same in ["ALTER TABLE t\n  DROP COLUMN a", "/* v1 */ ALTER TABLE t DROP COLUMN a -- really", "ALTER TABLE t DROP COLUMN a;"] {
        let ends = same.ends_with(';');
        assert_eq!(fingerprint(&ask, same) == one, !ends, "{same}");
    }
    for other in [
        "ALTER TABLE t DROP COLUMN b",
        "ALTER TABLE t DROP COLUMN a CASCADE",
        "ALTER TABLE t DROP COLUMN \"a\"",
        "ALTER TABLE public.t DROP COLUMN a",
    ] {
        assert_ne!(fingerprint(&ask, other), one, "{other}");
    }
}

#[test]
fn who_where_and_what_the_names_stand_for_count() {
    let ask = approvable(&["drop-table"]);
    let one = fingerprint(&ask, DROP);
    let role = Ask { principal: Principal { role: "other".into(), ..ask.principal.clone() }, ..ask.clone() };
    let database = Ask { principal: Principal { database: "other".into(), ..ask.principal.clone() }, ..ask.clone() };
    let tool = Ask { principal: Principal { application_name: None, ..ask.principal.clone() }, ..ask.clone() };
    let made_anew = Ask { world: World::default().altering(|table| table.oid += 1_000), ..ask.clone() };
    assert_ne!(fingerprint(&role, DROP), one);
    assert_ne!(fingerprint(&database, DROP), one);
    assert_ne!(fingerprint(&made_anew, DROP), one);
    assert_eq!(fingerprint(&tool, DROP), one);
}

#[test]
fn the_strictest_of_several_terms_counts() {
    let mut ask = approvable(&["drop-column"]);
    ask.settings.approvals[0].wait_ms = 5_000;
    ask.settings.approvals.push(Approvable { people: 2, wait_ms: 3_000, ..terms(&["rename-column"]) });
    let wanted = wanted(&ask, "ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME COLUMN b TO c");
    assert_eq!((wanted.people, wanted.wait_ms, wanted.rules.as_slice()), (2, 3_000, &["drop-column".to_owned(), "rename-column".into()][..]));
}
