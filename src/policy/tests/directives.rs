//! What the SQL itself asks to be let through.

use super::*;

const DROP: &str = "-- pgairlock:allow drop-table reason=\"read by nobody\"\nDROP TABLE t";

fn grant(rules: &[&str]) -> Grant {
    Grant { role: None, database: None, application_name: None, rules: rules.iter().map(|rule| (*rule).to_owned()).collect() }
}

fn permitted(rules: &[&str]) -> Ask {
    let mut ask = ask();
    ask.settings.directives.push(grant(rules));
    ask
}

fn told(outcome: &Outcome) -> Vec<&str> {
    outcome.decision.notices.iter().map(|notice| notice.message.as_str()).collect()
}

#[test]
fn by_default_nobody_may_use_one() {
    let refusal = ask().refused(DROP);
    assert!(refusal.message.starts_with("pgairlock [drop-table]: "), "{}", refusal.message);
    let why = "The directive pgairlock:allow is not honoured: no [[directive]] of pgairlock's configuration lets the role \"deployer\" lift drop-table \
               here; it takes: [[directive]] with role = \"deployer\", rules = [\"drop-table\"].";
    assert!(refusal.message.ends_with(why), "{}", refusal.message);
}

#[test]
fn where_policy_lets_it_the_finding_is_lifted_and_recorded_with_the_reason() {
    let outcome = permitted(&["drop-table"]).of(DROP);
    assert_eq!((&outcome.decision.plan, outcome.record), (&Plan::Pass, true));
    assert_eq!(outcome.decision.findings[0].verdict, Verdict::Allowed("read by nobody".into()));
    assert_eq!(told(&outcome).len(), 1);
    assert!(told(&outcome)[0].ends_with("; allowed by the directive in its SQL: read by nobody"), "{:?}", told(&outcome));
}

#[test]
fn all_that_a_grant_names_must_match() {
    let with = |grant: Grant| Ask { settings: PolicySettings { directives: vec![grant], ..PolicySettings::default() }, ..ask() };
    let matching = Grant {
        role: Some("deployer".into()),
        database: Some("app".into()),
        application_name: Some("flyway".into()),
        ..grant(&["drop-column", "drop-table"])
    };
    with(matching.clone()).passes(DROP);
    with(Grant { role: Some("other".into()), ..matching.clone() }).refused_by("drop-table", DROP);
    with(Grant { database: Some("other".into()), ..matching.clone() }).refused_by("drop-table", DROP);
    with(Grant { application_name: Some("other".into()), ..matching.clone() }).refused_by("drop-table", DROP);
    with(Grant { rules: vec!["drop-column".into()], ..matching }).refused_by("drop-table", DROP);
}

#[test]
fn a_directive_is_about_its_statement_and_its_rule_alone() {
    let ask = permitted(&["drop-table", "drop-column"]);
    ask.refused_by("drop-table", "-- pgairlock:allow drop-column reason=\"x\"\nDROP TABLE t");
    ask.refused_by("drop-column", &format!("{DROP}; ALTER TABLE t DROP COLUMN a"));
    ask.refused_by("drop-table", &format!("DROP TABLE t;\n{DROP}"));
    ask.refused_by("drop-table", "COMMENT ON TABLE e IS '-- pgairlock:allow drop-table reason=\"x\"\n'; DROP TABLE t");
    let refusal = ask.refused("DROP TABLE t; -- pgairlock:allow drop-table reason=\"x\"");
    assert!(refusal.message.ends_with("not honoured: it stands behind a statement: write it in front of the one that it is about."));
    ask.passes("/* pgairlock:allow drop-table, drop-column reason=\"x\" */ DROP TABLE t");
}

#[test]
fn what_is_malformed_lifts_nothing_and_says_why() {
    let ask = permitted(&["drop-table"]);
    for (words, why) in [
        ("allow drop-table", "it gives no reason; write: -- pgairlock:allow RULE reason=\"why it is safe here\"."),
        ("allow drop-table, drop-tabel reason=\"x\"", "there is no rule \"drop-tabel\" (did you mean \"drop-table\"?)."),
        ("allow drop-table, everything reason=\"x\"", "there is no rule \"everything\"; `pgairlock rules` lists them."),
        ("alow drop-table reason=\"x\"", "there is no directive \"pgairlock:alow\"; write: -- pgairlock:allow RULE reason=\"…\"."),
    ] {
        let refusal = ask.refused(&format!("-- pgairlock:{words}\nDROP TABLE t"));
        let expected = format!("The directive pgairlock:allow is not honoured: {why}");
        assert!(refusal.message.ends_with(&expected), "{words}: {}", refusal.message);
    }
}

#[test]
fn beside_a_rewrite_a_notice_says_why_it_was_not_honoured() {
    let sql = "-- pgairlock:allow create-index-blocking reason=\"at night\"\nCREATE INDEX i ON t (a)";
    let outcome = ask().of(sql);
    assert!(matches!(outcome.decision.plan, Plan::Rewrite(_)));
    assert!(told(&outcome)[0].starts_with("pgairlock [create-index-blocking]: The directive pgairlock:allow is not honoured: no [[directive]]"));
    permitted(&["create-index-blocking"]).passes(sql);
    let warn = Ask { mode: Mode::Warn, ..ask() };
    assert!(told(&warn.of(DROP)).iter().any(|told| told.contains("is not honoured")));
}

#[test]
fn the_setting_says_the_same_while_it_holds() {
    let ask = permitted(&["drop-table"]);
    let set = |value: &str| {
        let mut allowance = Allowance::default();
        script(&format!("SET pgairlock.allow = '{value}'")).statements.iter().for_each(|parsed| allowance.completed(parsed));
        Ask { allowance, ..ask.clone() }
    };
    set("drop-table: old").passes("DROP TABLE t");
    set("drop-column: old").refused_by("drop-table", "DROP TABLE t");
    assert!(
        set("drop-table").refused("DROP TABLE t").message.contains("it gives no reason; write: SET pgairlock.allow = 'RULE: why it is safe here'")
    );
    ask.passes("SET LOCAL pgairlock.allow = 'drop-table: old'; DROP TABLE t");
    ask.refused_by("drop-table", "SET pgairlock.allow = 'drop-table: old'; RESET pgairlock.allow; DROP TABLE t");
    ask.refused_by("drop-table", "DROP TABLE t; SET pgairlock.allow = 'drop-table: old'");
}

#[test]
fn nothing_lifts_what_the_proxy_stands_on() {
    let sql = "-- pgairlock:allow protected-setting reason=\"x\"\nSET standard_conforming_strings = off";
    let refusal = permitted(&["protected-setting"]).refused(sql);
    assert!(refusal.message.contains("nothing in the SQL lifts it"), "{}", refusal.message);
    for rule in ["protected-setting", "not-understood", "after-commit-failed", "waits-for-commit"] {
        assert!(rules::guards_the_proxy(rule) && rules::ids().any(|id| id == rule), "{rule}");
    }
}
