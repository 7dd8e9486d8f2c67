//! What a statement means by what its transaction did before.

use super::*;
use crate::policy::plan::Judged;

fn found_by(rule: &str, ask: &Ask, sql: &str) -> Option<Judged> {
    ask.of(sql).decision.findings.into_iter().find(|judged| judged.finding.rule.0 == rule)
}

#[test]
fn rows_are_not_written_in_great_numbers_under_a_lock() {
    let alter = "ALTER TABLE t ADD COLUMN c int; ";
    for write in [
        "UPDATE t SET c = 1 WHERE c IS NULL",
        "UPDATE t SET c = 1 WHERE a = 5",
        "UPDATE s SET a = t.a FROM t WHERE t.id = s.id",
        "INSERT INTO s (id) SELECT id FROM p",
        "CREATE TABLE n AS SELECT * FROM p",
        "MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET a = 1",
        "DELETE FROM p WHERE a > 5",
    ] {
        ask().refused_by("backfill-in-transaction", &format!("{alter}{write}"));
    }
    for write in [
        "UPDATE t SET c = 1 WHERE id = 5",
        "UPDATE t SET c = 1 WHERE id IN (SELECT id FROM t WHERE c IS NULL LIMIT 1000)",
        "UPDATE s SET a = 1",
        "INSERT INTO t (id) VALUES (1)",
        "INSERT INTO t (id) SELECT id FROM s WHERE false",
        "UPDATE alembic_version SET version_num = 'x'",
    ] {
        let plan = ask().of(&format!("ALTER TABLE e ADD COLUMN c int; {write}")).decision.plan;
        assert_eq!(plan, Plan::Pass, "{write}");
    }
    ask().passes("ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 1 WHERE id = 5");
    ask().passes("UPDATE t SET a = 1 WHERE b = 'x'");
    in_transaction().passes("UPDATE t SET a = 1 WHERE b = 'x'");
}

#[test]
fn the_way_to_fill_a_column_is_told_with_the_tables_own_key() {
    let refusal = ask().refused("ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 1 WHERE c IS NULL");
    assert_eq!(
        refusal.message,
        "pgairlock [backfill-in-transaction]: writing rows of public.t takes its time while an earlier statement of this transaction keeps \
         everybody from public.t. In migrations of their own: 1. what alters the table; 2. the rows, in batches, each in a transaction of its own: \
         UPDATE public.t SET … WHERE id IN (SELECT id FROM public.t WHERE … IS DISTINCT FROM … LIMIT 5000); 3. what needs them filled."
    );
}

#[test]
fn a_new_value_of_an_enum_waits_for_the_commit() {
    let world = World::default().altering(|t| t.columns.push(testing::column("state", 90_001, -1, "order_state")));
    let add = "ALTER TYPE order_state ADD VALUE 'returned'; ";
    for sql in [
        "INSERT INTO t (state) VALUES ('returned')",
        "UPDATE t SET state = 'returned' WHERE id = 1",
        "ALTER TABLE t ALTER state SET DEFAULT 'returned'",
        "SELECT 'returned'::order_state",
    ] {
        on(world.clone()).refused_by("new-enum-value", &format!("{add}{sql}"));
    }
    for sql in ["INSERT INTO t (state) VALUES ('open')", "INSERT INTO s (b) VALUES ('returned')", "SELECT 'returned it'::text"] {
        on(world.clone()).passes(&format!("{add}{sql}"));
    }
    // What the transaction made itself it may use at once.
    on(world.clone()).passes("CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'b'; SELECT 'b'::mood");
    on(world).passes("ALTER TYPE order_state ADD VALUE 'returned'");
}

#[test]
fn of_several_tables_in_one_transaction_it_is_noted() {
    let both = "ALTER TABLE t ADD COLUMN c int; ALTER TABLE p ADD COLUMN c int, ADD COLUMN d int";
    let noted = found_by("several-tables", &ask(), both).unwrap();
    assert_eq!(noted.verdict, Verdict::Off);
    assert!(noted.finding.consequence.contains("keeps everybody from public.t while it waits for public.p"), "{noted:?}");
    assert_eq!(found_by("several-tables", &ask(), "ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ADD COLUMN d int"), None);
    assert_eq!(found_by("several-tables", &ask(), "ALTER TABLE t ADD COLUMN c int; ALTER TABLE e ADD COLUMN d int"), None);
    let strict =
        Ask { settings: PolicySettings { rules: [("several-tables".to_owned(), Severity::Refuse)].into(), ..PolicySettings::default() }, ..ask() };
    strict.refused_by("several-tables", both);
}

#[test]
fn of_a_default_that_old_code_needs_it_is_warned() {
    let dropped = found_by("drop-default", &deferred::with_something_left("drop-default"), "ALTER TABLE t ALTER a DROP DEFAULT").unwrap();
    assert_eq!(dropped.verdict, Verdict::Warned);
    ask().passes("ALTER TABLE t ALTER a DROP DEFAULT");
    let replaced = "ALTER TABLE t ALTER a DROP DEFAULT, ALTER a SET DEFAULT 2";
    assert_eq!(found_by("drop-default", &deferred::with_something_left("drop-default"), replaced), None);
}

#[test]
fn if_not_exists_is_not_to_hide_another_shape() {
    for sql in [
        "CREATE TABLE IF NOT EXISTS t (id bigint, a text)",
        "CREATE TABLE IF NOT EXISTS t (id bigint, missing int)",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS b varchar(60)",
        "CREATE INDEX IF NOT EXISTS t_b_idx ON t (a)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_b_idx ON t (b)",
    ] {
        ask().refused_by("if-not-exists-differs", sql);
    }
    for sql in [
        "CREATE TABLE IF NOT EXISTS t (id bigint, a int, b varchar(50))",
        "CREATE TABLE IF NOT EXISTS n (id bigint)",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS b varchar(50)",
        "CREATE INDEX IF NOT EXISTS t_b_idx ON t (b)",
        "DROP TABLE e; CREATE TABLE IF NOT EXISTS e (x text)",
    ] {
        ask().passes(sql);
    }
    let message = ask().refused("CREATE TABLE IF NOT EXISTS t (id bigint, a text)").message;
    assert!(message.contains("CREATE TABLE IF NOT EXISTS would change nothing: public.t has a column a of type integer"), "{message}");
}

#[test]
fn plain_ddl_in_a_block_of_code_is_judged_like_any_other() {
    for body in [
        "BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'mood') THEN CREATE TYPE mood AS ENUM ('a'); END IF; END",
        "BEGIN ALTER TABLE t ADD COLUMN c int; EXCEPTION WHEN duplicate_column THEN NULL; END",
        "BEGIN CREATE TABLE n (a int); CREATE INDEX ON n (a); END",
        "BEGIN ALTER TABLE e ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES s (id); END",
        "BEGIN UPDATE s SET a = 1; END",
    ] {
        ask().passes(&format!("DO $$ {body} $$"));
    }
    for (rule, body) in [
        ("create-index-blocking", "BEGIN CREATE INDEX ON t (a); END"),
        ("concurrently-in-transaction", "BEGIN CREATE INDEX CONCURRENTLY ON t (a); END"),
        ("drop-column", "BEGIN IF now() > '2020-01-01' THEN ALTER TABLE t DROP COLUMN a; END IF; END"),
        ("unbatched-write", "BEGIN UPDATE t SET a = 1; END"),
        ("backfill-in-transaction", "BEGIN ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 1 WHERE c IS NULL; END"),
        ("opaque-code", "BEGIN SET search_path = other; ALTER TABLE t ADD COLUMN c int; END"),
        ("opaque-code", "BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN c int'; COMMIT; END"),
    ] {
        ask().refused_by(rule, &format!("DO $$ {body} $$"));
    }
    let refusal = ask()
        .refused("DO $$ BEGIN ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id); EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    assert!(
        refusal.message.contains("Write instead: ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID; and after COMMIT"),
        "{}",
        refusal.message
    );
}

#[test]
fn what_code_may_have_made_is_not_taken_for_new() {
    let perhaps = "DO $$ BEGIN IF now() > '2020-01-01' THEN DROP TABLE e; CREATE TABLE e (a int); END IF; END $$; ";
    ask().doubted_by("create-index-blocking", &format!("{perhaps} CREATE INDEX ON e (a)"));
    ask().doubted_by("create-index-blocking", "DO $$ BEGIN CREATE TABLE IF NOT EXISTS t (a int); END $$; CREATE INDEX ON t (a)");
}

#[test]
fn code_that_is_not_seen_runs_where_its_locks_can_be_looked_at() {
    let sql = "DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN c int'; END $$";
    let block = || Ask { in_block: true, ..in_transaction() };
    assert_eq!(ask().of(sql).decision.plan, Plan::Split);
    assert_eq!(Ask { extended: true, ..ask() }.of(sql).decision.plan, Plan::Enclose);
    assert_eq!(Ask { extended: true, ..in_transaction() }.of(sql).decision.plan, Plan::Enclose);
    let gated = block().of(sql);
    assert_eq!(gated.decision.plan, Plan::Gate);
    assert!(gated.effects.iter().all(Effect::is_ungated) && gated.record);
    assert!(gated.decision.notices[0].message.ends_with("what it locks is looked at before the COMMIT"), "{:?}", gated.decision.notices);
    assert_eq!(ask().of(&format!("SELECT 1; {sql}")).decision.plan, Plan::Split);
    // What cannot be looked at, or would leave no lock.
    on(World { silent: true, ..World::default() }).refused_by("opaque-code", sql);
    for escaping in [
        "DO $$ BEGIN EXECUTE 'SET lock_timeout = 0'; END $$",
        "DO $$ BEGIN EXECUTE 'COPY t TO PROGRAM ''x'''; END $$",
        "DO $$ BEGIN EXECUTE 'SELECT dblink_exec(''x'')'; END $$",
        "DO $$ BEGIN EXECUTE 'x'; COMMIT; END $$",
        "DO LANGUAGE plpython3u 'x'",
        "EXECUTE unseen",
        "CREATE VIEW w AS SELECT makes()",
        "DECLARE c CURSOR FOR SELECT makes()",
    ] {
        let world = World::default().function("makes", function('v', "BEGIN EXECUTE 'x'; END"));
        Ask { world, ..block() }.refused_by("opaque-code", escaping);
    }
}

#[test]
fn what_code_has_locked_is_borne_where_nobody_uses_it() {
    use crate::catalog::held::Held;
    use crate::catalog::overlay::Ungated;
    use crate::catalog::questions::Answer;
    use crate::policy::gate;
    let held = |newest: u32, locks: &str| Held::read(&Answer::Text(Some(format!("{{\"newest\": {newest}, \"locks\": [{locks}]}}")))).unwrap();
    let lock = |mode: &str, kind: &str, bytes: &str| {
        let name = if kind == "null" { "null".to_owned() } else { "\"users\"".to_owned() };
        format!(
            "{{\"oid\": 20000, \"mode\": \"{mode}\", \"schema\": \"public\", \"name\": {name}, \"kind\": {kind}, \"temporary\": false, \"bytes\": {bytes}}}"
        )
    };
    let ungated = Ungated { what: "CALL p() runs code that says EXECUTE".into(), before: held(30_000, "") };
    let asked = ask();
    let prepared = Known(Vec::new());
    let judged = |lock: &str, at_commit| gate::judge(&ungated, &held(40_000, lock), at_commit, &asked.situation(&prepared));
    for (lock, borne) in [
        (lock("AccessExclusiveLock", "\"r\"", "54000000"), false),
        (lock("AccessExclusiveLock", "\"r\"", "8192"), false),
        (lock("AccessExclusiveLock", "\"r\"", "0"), true),
        (lock("ShareRowExclusiveLock", "\"r\"", "8192"), true),
        (lock("ShareLock", "\"r\"", "54000000"), false),
        (lock("AccessExclusiveLock", "\"i\"", "8192"), true),
        (lock("AccessExclusiveLock", "\"v\"", "null"), false),
        (lock("AccessExclusiveLock", "null", "null"), false),
        (lock("ShareRowExclusiveLock", "\"S\"", "null"), true),
        (lock("ShareLock", "\"p\"", "null"), false),
    ] {
        assert_eq!(judged(&lock, true).is_none(), borne, "{lock}");
    }
    let large = lock("AccessExclusiveLock", "\"r\"", "54000000");
    let Plan::TakeBack(refusal) = judged(&large, true).unwrap().decision.plan else { panic!() };
    assert_eq!(
        refusal.message,
        "pgairlock [opaque-code]: CALL p() runs code that says EXECUTE, and it took lock AccessExclusive on public.users, under which all reads and \
         writes wait. Nothing of it is committed. Write its DDL as plain statements of the migration, which pgairlock can judge and make safe."
    );
    assert!(matches!(judged(&large, false).unwrap().decision.plan, Plan::Refuse(_)));
    let exemption = Exemption {
        role: None,
        database: None,
        table: Some("public.users".into()),
        application_name: None,
        rules: vec!["opaque-code".into()],
        reason: "nightly".into(),
    };
    let exempt = Ask { settings: PolicySettings { exemptions: vec![exemption], ..PolicySettings::default() }, ..ask() };
    assert!(gate::judge(&ungated, &held(40_000, &large), true, &exempt.situation(&prepared)).is_none());
    let protected = vec![crate::policy::settings::Protection { table: "public.users".into(), reason: "the heart of it".into() }];
    let guarded = Ask { settings: PolicySettings { protected, ..PolicySettings::default() }, ..ask() };
    let empty = lock("AccessExclusiveLock", "\"r\"", "0");
    assert!(gate::judge(&ungated, &held(40_000, &empty), true, &guarded.situation(&prepared)).is_some());
}

#[test]
fn a_refresh_that_can_go_beside_its_readers_does() {
    let keyed = "REFRESH MATERIALIZED VIEW v";
    ask().rewrites(keyed, &["REFRESH MATERIALIZED VIEW CONCURRENTLY v"]);
    let block = Ask { in_block: true, ..in_transaction() };
    let Plan::Defer(form) = block.of(keyed).decision.plan else { panic!() };
    assert_eq!(
        (form.now.unwrap().sql, form.then, form.tag),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v".into(), Vec::new(), "REFRESH MATERIALIZED VIEW")
    );
    let told = block.of(keyed).decision.notices.remove(0).message;
    assert!(told.ends_with("; runs as: REFRESH MATERIALIZED VIEW CONCURRENTLY v"), "{told}");
    ask().refused_by("refresh-materialized-view", "REFRESH MATERIALIZED VIEW v WITH NO DATA");
    let mut bare = table("public", "v", LARGE);
    (bare.kind, bare.populated, bare.indexes) = ('m', true, Vec::new());
    let refusal = on(World::default().with(bare)).refused(keyed);
    assert!(refusal.message.contains("CREATE UNIQUE INDEX CONCURRENTLY ON public.v (…)"), "{}", refusal.message);
}

#[test]
fn behind_code_each_statement_of_a_string_is_asked_about_anew() {
    let block = "DO $$ BEGIN CREATE TYPE mood AS ENUM ('a'); END $$; ";
    assert_eq!(ask().of(&format!("{block}CREATE INDEX i ON t (a)")).decision.plan, Plan::Split);
    assert_eq!(ask().of("DO $$ BEGIN EXECUTE 'x'; END $$; CREATE INDEX i ON t (a)").decision.plan, Plan::Split);
    ask().refused_by("create-index-blocking", &format!("CREATE INDEX i ON t (a); {block}"));
    ask().refused_by("create-index-blocking", &format!("{block}COMMIT; CREATE INDEX i ON t (a)"));
    Ask { extended: true, ..ask() }.refused_by("create-index-blocking", &format!("{block}CREATE INDEX i ON t (a)"));
}
