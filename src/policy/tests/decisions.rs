//! Rules as a whole, messages, exemptions, severities, records.

use super::*;
use crate::catalog::locks::Work;
use crate::rules::rule::ALL_VERSIONS;

#[test]
fn every_rule_flags_its_bad_and_passes_its_good() {
    for rule in rules::all() {
        let id = rule.id.0;
        // The default world is 15.
        let is_known = rule.versions.contains(&15);
        let ask = || if is_known { deferred::with_something_left(id) } else { on(World::of_version(rule.versions.start() * 10_000)) };
        let flagged = ask().of(rule.bad).decision.findings.into_iter().find(|judged| judged.finding.rule == rule.id);
        let finding = flagged.unwrap_or_else(|| panic!("{id} does not flag: {}", rule.bad)).finding;
        assert_eq!((finding.sqlstate, finding.lock, finding.work), (rule.sqlstate, rule.lock, rule.work), "{id}: {}", rule.bad);
        for (index, good) in rule.good.iter().enumerate() {
            let ask = if index == 0 { ask() } else { after_the_step_before(id) };
            let decision = ask.of(good).decision;
            assert!(decision.findings.iter().all(|judged| judged.finding.rule != rule.id), "{id} flags: {good}");
            assert_eq!(decision.plan, Plan::Pass, "{id}: {good}");
        }
    }
}

/// Where the steps that `good` has before this one have run, as far as it matters to the rule.
fn after_the_step_before(rule: &str) -> Ask {
    match rule {
        "set-not-null-scan" => on(with_proof()),
        "drop-table-foreign-keys" => ask(),
        _ => deferred::with_something_left(rule),
    }
}

fn with_proof() -> World {
    let proof = testing::ConstraintFacts { kind: 'c', validated: true, proves_not_null: true, columns: vec!["a".into()], ..Default::default() };
    World::default().altering(|t| t.constraints.push(proof.clone()))
}

#[test]
fn every_rule_says_everything() {
    let mut ids = Vec::new();
    for rule in rules::documented() {
        let id = rule.id.0;
        assert!(!rule.bad.is_empty() && !rule.good.is_empty() && rule.good.iter().all(|good| !good.is_empty()), "{id} has no example");
        assert!(rule.hazard.ends_with('.') && rule.remedy.ends_with('.'), "{id} does not say what it is about, or what to do");
        assert!(ALL_VERSIONS.contains(rule.versions.start()) && ALL_VERSIONS.contains(rule.versions.end()), "{id}: {:?}", rule.versions);
        assert!(rule.versions.contains(&rule.good_since), "{id}: {}", rule.good_since);
        assert!(rule.lock.is_some() || rule.work == Work::None, "{id} claims work under no lock");
        assert!(!ids.contains(&id), "two rules {id}");
        ids.push(id);
    }
}

#[test]
fn what_is_not_understood_is_what_its_rule_says() {
    let rule = rules::documented().find(|rule| rule.id == rules::NOT_UNDERSTOOD).unwrap();
    let error = parse::script(rule.bad, 100).unwrap_err();
    let finding = not_understood(&error, &ask().situation(&NothingPrepared)).decision.findings.remove(0).finding;
    assert_eq!((finding.rule, finding.sqlstate, finding.lock, finding.work), (rule.id, rule.sqlstate, rule.lock, rule.work));
    rule.good.iter().for_each(|good| ask().passes(good));
}

#[test]
fn every_rewrite_parses_and_silences_its_own_rule() {
    for rule in rules::all() {
        let Plan::Rewrite(form) = ask().of(rule.bad).decision.plan else { continue };
        let steps = form.steps();
        // Where the step before it has run.
        let later = on(with_proof());
        for (index, step) in steps.iter().enumerate() {
            let outcome = if index == 0 { ask() } else { later.clone() }.of(&step.sql);
            let again = outcome.decision.findings.iter().any(|judged| judged.finding.rule == rule.id);
            assert!(!again, "{}: {}", rule.id.0, step.sql);
            for sql in step.debris.as_ref().and_then(Debris::remedy).iter().chain(&step.undo) {
                script(sql);
            }
        }
    }
}

#[test]
fn in_a_transaction_the_refusal_says_what_to_write() {
    let refusal = in_transaction().refused("CREATE INDEX users_a ON t (a)");
    assert_eq!(
        refusal,
        Refusal {
            sqlstate: "PA001",
            message: "pgairlock [create-index-blocking]: CREATE INDEX on public.t blocks every write while it builds. \
                      Run it outside a transaction: CREATE INDEX CONCURRENTLY users_a ON t (a);"
                .into(),
            detail: Some("lock Share on public.t (54 MB), work: scan; known from the catalog. How long it takes cannot be told beforehand.".into()),
            hint: Some(
                "To let it through, in pgairlock's configuration: [[exempt]] with table = \"public.t\", rules = [\"create-index-blocking\"], reason = \"…\"; \
                 or [rules] create-index-blocking = \"off\"."
                    .into()
            ),
            position: None,
        }
    );
    let refusal = in_transaction().refused("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p");
    assert!(refusal.message.ends_with(
        "Write instead: ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p NOT VALID; \
         and after COMMIT, in a later transaction: ALTER TABLE t VALIDATE CONSTRAINT f;"
    ));
}

#[test]
fn in_a_string_of_several_the_refusal_has_a_position() {
    let refusal = ask().refused("SELECT 'ä'; CREATE INDEX ON t (a)");
    assert_eq!(refusal.position, Some(13));
    assert!(refusal.message.contains("Run it in a file or Query of its own, outside a transaction: CREATE INDEX CONCURRENTLY t_a_idx ON t (a);"));
}

#[test]
fn concurrently_in_a_transaction_is_refused_early() {
    for ask in [in_transaction().refused("CREATE INDEX CONCURRENTLY i ON t (a)"), ask().refused("SELECT 1; DROP INDEX CONCURRENTLY t_b_idx")] {
        assert_eq!(ask.sqlstate, "25001");
        assert!(ask.message.starts_with("pgairlock [concurrently-in-transaction]: "), "{}", ask.message);
    }
    ask().passes("CREATE INDEX CONCURRENTLY i ON t (a)");
}

#[test]
fn an_index_finding_is_exempted_by_its_table() {
    let mut ask = ask();
    ask.settings.exemptions.push(exemption("drop-index-blocking", Some("public.t")));
    ask.passes("DROP INDEX t_b_idx");
}

#[test]
fn an_exemption_for_one_relation_covers_no_other() {
    let world = World::default().with(table("public", "old", LARGE)).with(index("public", "old", "old_i", LARGE));
    let mut ask =
        on(world.with(testing::RelationFacts { kind: 'p', has_default_partition: true, has_children: true, ..table("public", "m", LARGE) }));
    for rule in ["drop-table", "drop-index-blocking", "truncate", "vacuum-full", "new-partition-scanning"] {
        ask.settings.exemptions.push(exemption(rule, Some("public.old")));
    }
    for sql in [
        "DROP TABLE old, t",
        "TRUNCATE old, t",
        "DROP INDEX old_i, t_b_idx",
        "VACUUM FULL old, t",
        "ALTER TABLE m ATTACH PARTITION old FOR VALUES IN (1)",
    ] {
        ask.refused(sql);
    }
    ask.passes("DROP TABLE old, e");
    ask.passes("TRUNCATE old");
    ask.settings.exemptions.push(exemption("new-partition-scanning", Some("m")));
    ask.refused_by("new-partition-scanning", "ALTER TABLE m ATTACH PARTITION t FOR VALUES IN (1)");
    ask.passes("ALTER TABLE m ATTACH PARTITION old FOR VALUES IN (1)");
}

fn exemption(rule: &str, table: Option<&str>) -> Exemption {
    Exemption { role: None, database: None, table: table.map(Into::into), application_name: None, rules: vec![rule.into()], reason: "agreed".into() }
}

#[test]
fn exemptions_must_match_in_all_that_they_name() {
    let with = |exemption| {
        let mut ask = ask();
        ask.settings.exemptions.push(exemption);
        ask
    };
    let outcome = with(exemption("drop-column", Some("t"))).of("ALTER TABLE t DROP COLUMN a");
    assert_eq!(outcome.decision.plan, Plan::Pass);
    assert_eq!(outcome.decision.findings[0].verdict, Verdict::Exempted("agreed".into()));
    with(exemption("drop-column", Some("public.t"))).passes("ALTER TABLE t DROP COLUMN a");
    with(exemption("drop-column", Some("app.t"))).refused_by("drop-column", "ALTER TABLE t DROP COLUMN a");
    with(exemption("drop-table", Some("t"))).refused_by("drop-column", "ALTER TABLE t DROP COLUMN a");
    with(Exemption { role: Some("other".into()), ..exemption("drop-column", None) }).refused_by("drop-column", "ALTER TABLE t DROP COLUMN a");
    with(Exemption { application_name: Some("flyway".into()), ..exemption("drop-column", None) }).passes("ALTER TABLE t DROP COLUMN a");
}

#[test]
fn severities_warn_or_are_silent() {
    let mut ask = ask();
    ask.settings.rules.insert("drop-column".into(), Severity::Warn);
    let outcome = ask.of("ALTER TABLE t DROP COLUMN a");
    assert_eq!((outcome.decision.plan, outcome.decision.notices[0].severity), (Plan::Pass, "WARNING"));
    ask.settings.rules.insert("drop-column".into(), Severity::Off);
    let outcome = ask.of("ALTER TABLE t DROP COLUMN a");
    assert_eq!((outcome.decision.plan, outcome.decision.notices.len(), outcome.record), (Plan::Pass, 0, true));
    assert_eq!(outcome.decision.findings[0].verdict, Verdict::Off);
}

#[test]
fn warn_mode_forwards_and_says_what_enforce_would_do() {
    let warn = Ask { mode: Mode::Warn, ..ask() };
    let outcome = warn.of("CREATE INDEX ON t (a)");
    assert_eq!(outcome.decision.plan, Plan::Pass);
    assert!(matches!(outcome.would, Some(Plan::Rewrite(_))));
    assert_eq!(outcome.decision.findings[0].verdict, Verdict::Warned);
    assert_eq!(
        outcome.decision.notices[0].message,
        "pgairlock [create-index-blocking]: CREATE INDEX on public.t blocks every write while it builds; \
         enforce would run it as: CREATE INDEX CONCURRENTLY t_a_idx ON t (a)"
    );
    let outcome = warn.of("SET lock_timeout = 0");
    assert_eq!(outcome.decision.plan, Plan::Edit(vec![(0..20, "SET lock_timeout = '2000ms'".into())]));
}

#[test]
fn a_rewrite_announces_itself() {
    let notices = ask().of("CREATE INDEX ON t (a)").decision.notices;
    assert_eq!((notices.len(), notices[0].severity, notices[0].sqlstate), (1, "NOTICE", "00000"));
    assert_eq!(
        notices[0].message,
        "pgairlock [create-index-blocking]: CREATE INDEX on public.t blocks every write while it builds; runs as: CREATE INDEX CONCURRENTLY t_a_idx ON t (a)"
    );
}

#[test]
fn effects_stand_one_per_statement() {
    let outcome = in_transaction().of("CREATE TABLE n (a int REFERENCES p); ALTER TABLE t ADD COLUMN c int; SAVEPOINT x; COMMIT");
    let altered =
        |name| [Effect::Altered(vec![RelationName::qualified("public", name)]), Effect::Locked(vec![RelationName::qualified("public", name)])];
    let [p_altered, p_locked] = altered("p");
    assert_eq!(
        outcome.effects,
        [
            Effect::All(vec![Effect::All(vec![p_altered, p_locked]), Effect::Created(RelationName::qualified("public", "n"))]),
            Effect::All(altered("t").to_vec()),
            Effect::Savepoint("x".into()),
            Effect::Ended
        ]
    );
    assert_eq!(ask().of("CREATE TABLE IF NOT EXISTS t (a int)").effects, [Effect::Nothing]);
}

#[test]
fn rows_leave_no_record() {
    for sql in ["SELECT 1", "BEGIN", "COMMIT", "INSERT INTO t VALUES (1)", "SET work_mem = '1MB'", "SHOW x", "COPY t FROM STDIN", ""] {
        assert!(!ask().of(sql).record, "{sql}");
    }
    for sql in ["CREATE TABLE n (a int)", "DROP TABLE IF EXISTS nowhere", "GRANT SELECT ON t TO x", "SELECT pg_terminate_backend(1)", "DROP TABLE t"]
    {
        assert!(ask().of(sql).record, "{sql}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let error = parse::script("SELEKT 1", 100).unwrap_err();
    let outcome = not_understood(&error, &ask().situation(&NothingPrepared));
    let Plan::Refuse(refusal) = outcome.decision.plan else { panic!("not refused") };
    assert_eq!(refusal.sqlstate, "PA002");
    assert!(
        refusal.message.starts_with("pgairlock [not-understood]: this SQL could not be read, so it cannot be judged: syntax error at or near"),
        "{}",
        refusal.message
    );
    let mut off = ask();
    off.settings.rules.insert("not-understood".into(), Severity::Off);
    assert_eq!(not_understood(&error, &off.situation(&NothingPrepared)).decision.plan, Plan::Pass);
}

#[test]
fn plain_rows_need_no_question() {
    use crate::catalog::questions::Inquiry;
    let empty = |sql: &str| Inquiry::of(&script(sql), &NothingPrepared).is_empty();
    assert!(empty("SELECT lower(a), now() FROM t WHERE b = 'x'"));
    assert!(empty("BEGIN; LOCK TABLE t; SET search_path = x; COMMIT"));
    assert!(!empty("SELECT mine()"));
    assert!(!empty("ALTER TABLE t ADD COLUMN c int"));
}
