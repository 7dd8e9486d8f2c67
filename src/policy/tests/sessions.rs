//! Settings, code, prepared statements and ways out of the database.

use super::*;

#[test]
fn lock_timeout_stays_at_the_cap() {
    let outcome = ask().of("SELECT 1; SET LOCAL lock_timeout TO '1h'; SELECT 2");
    assert_eq!(outcome.decision.plan, Plan::Edit(vec![(10..40, "SET LOCAL lock_timeout = '2000ms'".into())]));
    assert_eq!(outcome.decision.notices.len(), 1);
    for sql in ["SET lock_timeout = '1s'", "SET lock_timeout = 500", "SELECT set_config('lock_timeout', '1s', true)"] {
        let outcome = ask().of(sql);
        assert_eq!((outcome.decision.plan, outcome.lock_timeout), (Plan::Pass, LockTimeoutCare::None), "{sql}");
    }
    for sql in [
        "SELECT set_config('lock_timeout', '0', false)",
        "SELECT set_config('a', set_config('lock_timeout', '0', false), false)",
        "WITH x AS (SELECT set_config('lock_timeout', $1, false)) SELECT * FROM x",
        "SET lock_timeout TO DEFAULT",
        "RESET lock_timeout",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        let outcome = ask().of(sql);
        assert_eq!((outcome.decision.plan, outcome.lock_timeout), (Plan::Pass, LockTimeoutCare::ReapplyAfter), "{sql}");
    }
    assert_eq!(ask().of("SELECT set_config('search_path', '', false)").lock_timeout, LockTimeoutCare::None);
    for sql in ["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(hashtext('a'))", "CREATE INDEX CONCURRENTLY i ON t (a)"] {
        assert_eq!(Ask { mode: Mode::Warn, ..ask() }.of(sql).lock_timeout, LockTimeoutCare::LiftDuring, "{sql}");
    }
    assert!(matches!(ask().of("SELECT pg_advisory_lock(1)").lock_timeout, LockTimeoutCare::Poll { lift: true, .. }));
    assert!(matches!(Ask { cap: 0, ..ask() }.of("SELECT pg_advisory_lock(1)").lock_timeout, LockTimeoutCare::Poll { lift: false, .. }));
    assert_eq!(ask().of("SELECT pg_advisory_lock(hashtext('a'))").lock_timeout, LockTimeoutCare::LiftDuring);
    for sql in ["CREATE INDEX CONCURRENTLY i ON t (a)", "ALTER TABLE t VALIDATE CONSTRAINT k"] {
        assert!(matches!(ask().of(sql).lock_timeout, LockTimeoutCare::RunByItself(_)), "{sql}");
    }
    assert_eq!(ask().of("SELECT pg_try_advisory_lock(1)").lock_timeout, LockTimeoutCare::None);
    let extended = Ask { extended: true, ..ask() }.of("SET lock_timeout = 0");
    assert_eq!((extended.decision.plan, extended.lock_timeout), (Plan::Pass, LockTimeoutCare::ReapplyAfter));
    Ask { cap: 0, ..ask() }.passes("SET lock_timeout = 0");
    for cap in [0, 2000] {
        let by_itself = Ask { extended: true, cap, ..ask() }.of("DROP INDEX CONCURRENTLY t_b_idx").lock_timeout;
        let table = Some(RelationName::qualified("public", "t"));
        assert_eq!(by_itself, LockTimeoutCare::RunByItself(ByItself { tag: "DROP INDEX", wait: Wait::Long, table }));
    }
}

#[test]
fn what_refuses_a_transaction_is_run_by_itself() {
    let exempt = |mode| Ask { extended: true, mode, ..ask() };
    for (mode, sql, tag) in [
        (Mode::Enforce, "VACUUM t", "VACUUM"),
        (Mode::Enforce, "DROP TABLESPACE x", "DROP TABLESPACE"),
        (Mode::Enforce, "REINDEX TABLE s", "REINDEX"),
        (Mode::Enforce, "ALTER SYSTEM SET work_mem = '5MB'", "ALTER SYSTEM"),
        (Mode::Warn, "VACUUM FULL t", "VACUUM"),
        (Mode::Warn, "CLUSTER", "CLUSTER"),
        (Mode::Warn, "CREATE DATABASE d", "CREATE DATABASE"),
        (Mode::Warn, "ALTER DATABASE d SET TABLESPACE x", "ALTER DATABASE"),
        (Mode::Warn, "/* gone */ drop subscription s", "DROP SUBSCRIPTION"),
    ] {
        let by_itself = LockTimeoutCare::RunByItself(ByItself { tag, wait: Wait::Short, table: None });
        assert_eq!(exempt(mode).of(sql).lock_timeout, by_itself.clone(), "{sql}");
        assert_eq!(Ask { in_transaction: true, ..exempt(mode) }.of(sql).lock_timeout, LockTimeoutCare::None, "{sql}");
        // By the simple protocol only what is tried again, or is among others.
        let simple = if tag == "REINDEX" { by_itself } else { LockTimeoutCare::None };
        assert_eq!(Ask { extended: false, ..exempt(mode) }.of(sql).lock_timeout, simple, "{sql}");
    }
    assert_eq!(exempt(Mode::Enforce).of("ANALYZE t").lock_timeout, LockTimeoutCare::None);
    assert_eq!(exempt(Mode::Enforce).of("VACUUM FULL t").lock_timeout, LockTimeoutCare::None, "it is refused");
}

/// Behind it no statement of ours can come in time.
#[test]
fn lock_timeout_is_not_raised_in_the_middle_of_a_string() {
    for sql in [
        "SELECT set_config('lock_timeout', '0', false); ALTER TABLE t ADD COLUMN c int",
        "SELECT 1, set_config('lock_timeout', $1, false); SELECT 2",
        "PREPARE p AS SELECT set_config('lock_timeout', '0', false)",
        "DECLARE c CURSOR FOR SELECT set_config('lock_timeout', '0', false)",
        "CREATE VIEW v AS SELECT set_config('lock_timeout', '0', false)",
    ] {
        ask().refused_by("protected-setting", sql);
    }
    let prepared = Ask { prepared: vec![("s", "SELECT set_config('lock_timeout', '0', false)")], ..ask() };
    prepared.refused_by("protected-setting", "EXECUTE s; ALTER TABLE t ADD COLUMN c int");
    prepared.refused_by("protected-setting", "EXECUTE s");
    let warn = Ask { mode: Mode::Warn, ..prepared };
    assert_eq!(warn.of("EXECUTE s").lock_timeout, LockTimeoutCare::ReapplyAfter);
    ask().passes("SELECT set_config('lock_timeout', '1s', false); ALTER TABLE t ADD COLUMN c int");
    Ask { cap: 0, ..ask() }.passes("SELECT set_config('lock_timeout', '0', false); SELECT 1");
}

#[test]
fn what_waits_behind_a_strong_lock_waits_no_longer_than_the_cap() {
    for earlier in ["LOCK TABLE t", "ALTER TABLE s ADD COLUMN c int", "DROP TABLE e"] {
        let mut ask = in_transaction();
        for sql in ["SELECT pg_advisory_lock(hashtext('a'))", "ALTER TABLE s VALIDATE CONSTRAINT k"] {
            assert_eq!(ask.of(sql).lock_timeout, LockTimeoutCare::LiftDuring, "{sql}");
        }
        assert!(matches!(ask.of("SELECT pg_advisory_lock(1)").lock_timeout, LockTimeoutCare::Poll { lift: true, .. }));
        ask.overlay.apply(&ask.of(earlier).effects[0].clone());
        for sql in ["SELECT pg_advisory_lock(hashtext('a'))", "ALTER TABLE s VALIDATE CONSTRAINT k"] {
            assert_eq!(ask.of(sql).lock_timeout, LockTimeoutCare::None, "{earlier}; {sql}");
        }
        assert!(matches!(ask.of("SELECT pg_advisory_lock(1)").lock_timeout, LockTimeoutCare::Poll { lift: false, .. }), "{earlier}");
    }
}

#[test]
fn protected_settings_are_refused() {
    for sql in [
        "SET standard_conforming_strings = off",
        "SET client_encoding TO 'SJIS'",
        "SET NAMES 'latin1'",
        "SELECT set_config('client_encoding', 'SJIS', false)",
        "SELECT set_config('standard_conforming_strings', current_setting('x'), false)",
        "SET session_replication_role = replica",
        "ALTER ROLE x SET lock_timeout = 0",
        "ALTER DATABASE x SET standard_conforming_strings = off",
        "ALTER SYSTEM SET lock_timeout = '1h'",
    ] {
        assert_eq!(ask().refused(sql).sqlstate, "PA006", "{sql}");
    }
    for sql in [
        "SELECT set_config('session_repl' || 'ication_role', 'replica', false)",
        "SELECT set_config('Session_Replication_Role', 'replica', false), 1",
        "SELECT set_config($1, $2, false)",
        "SELECT set_config(a, '0', false) FROM s",
        "SELECT set_config('client_encoding_'::varchar(15), 'SJIS', false)",
        "UPDATE pg_settings SET setting = '0' WHERE name = 'lock_timeout'",
        "PREPARE p AS SELECT set_config($1, $2, false)",
        "DO $$ BEGIN SET event_triggers = off; END $$",
    ] {
        assert!(["PA006", "PA002"].contains(&ask().refused(sql).sqlstate), "{sql}");
    }
    for sql in [
        "SELECT set_config('search_path', $1, false)",
        "SELECT set_config('TimeZone'::text, 'UTC', false), now()",
        "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
        "WITH x AS (SELECT set_config('jit', 'off', false)) SELECT * FROM x",
        "SET client_encoding = 'utf-8'",
        "SET NAMES 'UTF8'",
        "SET standard_conforming_strings = on",
        "ALTER ROLE x SET lock_timeout = '1s'",
        "SET ROLE x",
    ] {
        ask().passes(sql);
    }
}

#[test]
fn code_is_opaque_unless_its_source_shows_that_it_is_not() {
    let world = World::default()
        .function("rows_only", function('v', "BEGIN UPDATE t SET a = 1; RETURN 1; END"))
        .function("makes", function('s', "BEGIN CREATE TABLE x (); RETURN 1; END"));
    on(world.clone()).passes("SELECT rows_only()");
    on(world.clone()).passes("SELECT lower(b) FROM t WHERE a = nowhere_defined(1)");
    for sql in [
        "SELECT makes()",
        "DO $$ BEGIN PERFORM makes(); END $$",
        "CALL makes()",
        "CREATE TABLE n AS SELECT makes()",
        "INSERT INTO t (a) SELECT makes()",
    ] {
        on(world.clone()).unseen(sql);
    }
    on(world.clone()).passes("DO $$ BEGIN UPDATE t SET a = rows_only() WHERE id = 1; END $$");
    on(world.clone()).unseen("DO LANGUAGE plpython3u $$ pass $$");
    on(world.clone()).passes("CREATE OR REPLACE FUNCTION rows_only() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT rows_only()");
    on(world).passes("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE n (a int DEFAULT f()); SELECT lower('A'), now()");
    assert_eq!(on(World { silent: true, ..World::default() }).refused("SELECT mystery()").sqlstate, "PA002");
}

/// What the string itself defines is read from the string; what it ties to something else is looked at when it is tied.
#[test]
fn functions_are_looked_at_before_something_runs_them() {
    const NEW: &str = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; RETURN 1; END $$; ";
    let world = World::default()
        .function("rows_only", function('v', "BEGIN UPDATE t SET a = 1; RETURN 1; END"))
        .function("makes", function('s', "BEGIN CREATE TABLE x (); RETURN 1; END"));
    for last in [
        "CREATE VIEW v AS SELECT f()",
        "ALTER TABLE s ALTER id SET DEFAULT f()",
        "SELECT f()",
        "CALL f()",
        "DO $$ BEGIN PERFORM f(); END $$",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT f()'; SELECT g()",
        "CREATE TRIGGER x BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION f()",
    ] {
        on(world.clone()).unseen(&format!("{NEW}{last}"));
    }
    for sql in [
        "CREATE OPERATOR public.!!! (RIGHTARG = int, FUNCTION = makes)",
        "CREATE CAST (int AS box) WITH FUNCTION public.makes(int)",
        "CREATE TRIGGER x BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION makes()",
        "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION makes()",
        "CREATE AGGREGATE all_of(int) (SFUNC = makes, STYPE = int)",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT makes()'; SELECT g()",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT makes(); END",
        "ALTER FUNCTION makes() RENAME TO other; CREATE VIEW v AS SELECT other()",
    ] {
        on(world.clone()).unseen(sql);
    }
    on(world.clone())
        .refused_by("protected-setting", "CREATE AGGREGATE sets(text, bool) (SFUNC = set_config, STYPE = text, INITCOND = 'lock_timeout')");
    for sql in [
        NEW,
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$; \
         DROP TRIGGER IF EXISTS x ON s; CREATE TRIGGER x BEFORE UPDATE ON s FOR EACH ROW EXECUTE PROCEDURE touch()",
        "CREATE TRIGGER x BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION rows_only()",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT rows_only()'; SELECT g()",
        "CREATE AGGREGATE all_of(int) (SFUNC = rows_only, STYPE = int); CREATE VIEW v AS SELECT all_of(1)",
        "CREATE OPERATOR public.!!! (RIGHTARG = int, FUNCTION = int4abs)",
        "CREATE FUNCTION even(n int) RETURNS int LANGUAGE sql AS 'SELECT CASE WHEN n = 0 THEN 1 ELSE even(n - 2) END'; SELECT even(2)",
    ] {
        on(world.clone()).passes(sql);
    }
}

#[test]
fn functions_that_a_text_does_not_seem_to_call() {
    let makes = || function('v', "BEGIN CREATE TABLE x (); RETURN 1; END");
    let world = World::default().function("abs", makes()).function("pg_advisory_lock", makes()).function("dng", makes());
    for sql in [
        "SELECT abs(true)",
        "SELECT pg_advisory_lock('a'::text)",
        "SELECT s.dng FROM s",
        "SELECT (s).dng FROM s",
        "SELECT (SELECT public.s.dng) FROM s",
        "UPDATE s SET a = s.dng",
        "ALTER FUNCTION dng(s) RENAME TO now; SELECT now(1)",
        "CREATE FUNCTION other(s) RETURNS int LANGUAGE sql AS 'SELECT $1.dng'; SELECT s.other FROM s",
    ] {
        on(world.clone()).unseen(sql);
    }
    for sql in ["SELECT now(), s.a, s.other FROM s", "SELECT pg_advisory_lock_shared(1)", "SELECT dng FROM s", "SELECT s.* FROM s AS dng"] {
        on(world.clone()).passes(sql);
    }
}

#[test]
fn execute_is_judged_by_what_it_runs() {
    let with = |sql| Ask { prepared: vec![("s", sql)], ..ask() };
    with("UPDATE t SET a = 1 WHERE id = 1").passes("EXECUTE s");
    with("DROP TABLE t").refused_by("drop-table", "EXECUTE s");
    with("CREATE INDEX ON t (a)").refused_by("create-index-blocking", "EXECUTE s");
    with("EXECUTE other").unseen("EXECUTE s");
    ask().unseen("EXECUTE unknown");
    ask().unseen("CREATE TABLE n AS EXECUTE unknown");
    ask().passes("PREPARE s AS SELECT dblink('x')");
    with("SELECT 1").refused_by("remote-access", "DEALLOCATE s; PREPARE s AS SELECT dblink('x'); EXECUTE s");
    with("SELECT 1").unseen("DEALLOCATE s; EXECUTE s");
    with("SELECT 1").unseen("DISCARD ALL; EXECUTE s");
    ask().passes("PREPARE s AS SELECT 1; EXECUTE s; DEALLOCATE s");
    with("SELECT dblink('x', 'y')").refused_by("remote-access", "EXPLAIN ANALYZE EXECUTE s");
}

#[test]
fn ways_out_of_the_database_are_refused() {
    for (rule, sql) in [
        ("file-or-program-access", "COPY t TO PROGRAM 'cat'"),
        ("file-or-program-access", "COPY t FROM '/x'"),
        ("file-or-program-access", "SELECT pg_read_file('x')"),
        ("file-or-program-access", "LOAD 'x'"),
        ("large-object-access", "SELECT lo_export(1, '/x')"),
        ("remote-access", "INSERT INTO t SELECT * FROM dblink('a', 'b') AS x (id int)"),
        ("remote-access", "CREATE SERVER s FOREIGN DATA WRAPPER w"),
        ("remote-access", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p"),
    ] {
        ask().refused_by(rule, sql);
    }
}

#[test]
fn in_a_failed_transaction_only_its_end_counts() {
    let failed = Ask { failed: true, in_transaction: true, ..ask() };
    failed.passes("DROP TABLE t");
    failed.refused_by("drop-table", "ROLLBACK; DROP TABLE t");
    assert_eq!(failed.of("ROLLBACK").effects, [Effect::Ended]);
}
