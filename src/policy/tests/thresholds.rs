//! The size below which a rule's hazards pass.

use super::*;

fn with(rule: &str, bytes: u64) -> Ask {
    let mut ask = ask();
    ask.settings.thresholds.insert(rule.into(), bytes);
    ask
}

fn flags(ask: &Ask, rule: &str, sql: &str) -> bool {
    ask.of(sql).decision.findings.iter().any(|judged| judged.finding.rule.0 == rule)
}

#[test]
fn the_rules_that_go_by_size_are_listed() {
    let by_size = |rule: &&rules::rule::Rule| flags(&ask(), rule.id.0, rule.bad) && !flags(&with(rule.id.0, u64::MAX), rule.id.0, rule.bad);
    let found: Vec<&str> = rules::all().iter().filter(by_size).map(|rule| rule.id.0).collect();
    let listed: Vec<&str> = rules::all().iter().map(|rule| rule.id.0).filter(|id| rules::goes_by_size(id)).collect();
    // Their examples are of another version, or of something beside the table.
    let others = [
        "set-expression-rewrite",
        "alter-domain-scan",
        "add-primary-key-blocking",
        "new-partition-scanning",
        "drop-table-foreign-keys",
        "unjudged-statement",
    ];
    let (other, measured): (Vec<&str>, Vec<&str>) = listed.into_iter().partition(|id| others.contains(id));
    assert_eq!(found, measured);
    assert_eq!(other, others);
}

#[test]
fn a_rules_own_size_counts_for_it_alone() {
    let sql = "CREATE INDEX i ON t (a)";
    with("create-index-blocking", LARGE + 1).passes(sql);
    assert!(flags(&with("create-index-blocking", LARGE), "create-index-blocking", sql), "below the size, and not at it");
    assert!(flags(&with("drop-index-blocking", LARGE + 1), "create-index-blocking", sql));
    let on_small = on(World { relations: vec![table("public", "t", 8_192)], ..World::default() });
    on_small.passes(sql);
    let mut stricter = on_small;
    stricter.settings.thresholds.insert("create-index-blocking".into(), 4_096);
    assert!(flags(&stricter, "create-index-blocking", sql), "it may be smaller than small_table");
}
