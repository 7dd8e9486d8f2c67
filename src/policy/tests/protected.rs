//! Protected tables.

use super::*;
use crate::policy::settings::Protection;

fn protected(table: &str) -> Ask {
    let mut ask = ask();
    ask.settings.protected.push(Protection { table: table.into(), reason: "every login reads it".into() });
    ask
}

fn exemption(table: Option<&str>) -> Exemption {
    let rules = vec!["create-index-blocking".into(), "drop-column".into(), "drop-table".into()];
    Exemption { role: None, database: None, table: table.map(Into::into), application_name: None, rules, reason: "agreed".into() }
}

/// Make-believe: `t` is large, `e` empty and `small` small.
const DDL: [&str; 2] = ["ALTER TABLE e DROP COLUMN a", "DROP TABLE e"];

#[test]
fn size_and_emptiness_do_not_count() {
    for sql in DDL {
        ask().passes(sql);
        for table in ["e", "public.e"] {
            let refusal = protected(table).refused(sql);
            assert_eq!(
                refusal.hint.as_deref().unwrap().split(", and this").next(),
                Some("public.e is under [[protect]] (every login reads it), so its size does not count"),
                "{sql}"
            );
        }
        protected("other.e").passes(sql);
    }
    assert!(matches!(protected("e").of("CREATE INDEX i ON e (a)").decision.plan, Plan::Rewrite(_)), "what can be made safe still is");
    ask().passes("CREATE INDEX i ON e (a)");
}

#[test]
fn a_table_that_is_made_anew_under_the_name_is_protected_from_its_first_moment() {
    let sql = "CREATE TABLE made (id int, a int); ALTER TABLE made DROP COLUMN a";
    ask().passes(sql);
    protected("made").refused_by("drop-column", sql);
    protected("made").passes("CREATE TEMPORARY TABLE made (id int, a int); ALTER TABLE made DROP COLUMN a");
}

#[test]
fn nothing_but_its_own_exemption_lifts_it() {
    let sql = "ALTER TABLE t DROP COLUMN a";
    let with = |change: &dyn Fn(&mut PolicySettings)| {
        let mut ask = protected("public.t");
        change(&mut ask.settings);
        ask
    };
    for severity in [Severity::Warn, Severity::Off] {
        let ask = with(&|settings| {
            settings.rules.insert("drop-column".into(), severity);
        });
        ask.refused_by("drop-column", sql);
        ask.passes("ALTER TABLE e DROP COLUMN a");
    }
    let directive = "-- pgairlock:allow drop-column reason=\"x\"\nALTER TABLE t DROP COLUMN a";
    let grant = Grant { role: None, database: None, application_name: None, rules: vec!["drop-column".into()] };
    let refusal = with(&|settings| settings.directives.push(grant.clone())).refused(directive);
    assert!(refusal.message.ends_with("public.t is under [[protect]], and nothing in the SQL lifts that."), "{}", refusal.message);
    with(&|settings| settings.exemptions.push(exemption(None))).refused_by("drop-column", sql);
    with(&|settings| settings.exemptions.push(exemption(Some("other")))).refused_by("drop-column", sql);
    for table in ["t", "public.t"] {
        let outcome = with(&|settings| settings.exemptions.push(exemption(Some(table)))).of(sql);
        assert_eq!(outcome.decision.findings[0].verdict, Verdict::Exempted("agreed".into()));
    }
}

#[test]
fn a_partition_is_protected_with_its_table() {
    let mut ask = ask();
    let partition = testing::RelationFacts { partition_of: vec!["public.events".into()], is_partition: true, ..table("public", "events_1", 0) };
    ask.world.relations.push(partition);
    ask.passes("DROP TABLE events_1");
    for protected in ["events", "public.events", "events_1"] {
        ask.settings.protected = vec![Protection { table: protected.into(), reason: "x".into() }];
        ask.refused_by("drop-table", "DROP TABLE events_1");
    }
}

#[test]
fn a_name_that_could_not_be_resolved_may_be_the_protected_one() {
    let mut ask = protected("public.t");
    ask.world.silent = true;
    ask.settings.rules.insert("drop-column".into(), Severity::Off);
    ask.refused_by("drop-column", "ALTER TABLE t DROP COLUMN a");
    ask.passes("ALTER TABLE u DROP COLUMN a");
}

#[test]
fn in_warn_mode_it_is_told_as_everything_else() {
    let warn = Ask { mode: Mode::Warn, ..protected("e") };
    let outcome = warn.of("DROP TABLE e");
    assert_eq!(outcome.decision.plan, Plan::Pass);
    assert!(matches!(outcome.would, Some(Plan::Refuse(_))));
}
