//! Every kind of statement.

use super::*;

fn query() -> Statement {
    Statement::Query(Query::default())
}

#[test]
fn transactions() {
    use TransactionControl as T;
    for (text, expected) in [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", T::Begin),
        ("START TRANSACTION", T::Begin),
        ("COMMIT", T::Commit { chain: false }),
        ("END AND CHAIN", T::Commit { chain: true }),
        ("ROLLBACK", T::Rollback { chain: false }),
        ("ABORT AND CHAIN", T::Rollback { chain: true }),
        ("SAVEPOINT \"S\"", T::Savepoint("S".into())),
        ("RELEASE s", T::Release("s".into())),
        ("ROLLBACK TO SAVEPOINT s", T::RollbackTo("s".into())),
        ("PREPARE TRANSACTION 'x'", T::TwoPhase),
        ("COMMIT PREPARED 'x'", T::TwoPhase),
        ("ROLLBACK PREPARED 'x'", T::TwoPhase),
    ] {
        assert_eq!(statement(text), Statement::Transaction(expected), "{text}");
    }
}

#[test]
fn settings() {
    use SettingChange as S;
    let set = |name: &str, value: &str, local| S::Set { name: name.into(), value: value.into(), local };
    for (text, expected) in [
        ("SET LOCK_TIMEOUT = 0", set("lock_timeout", "0", false)),
        ("SET LOCAL \"Lock_Timeout\" TO '5s'", set("lock_timeout", "5s", true)),
        ("SET search_path = \"A b\", public", set("search_path", "\"A b\", public", false)),
        ("SET DateStyle TO ISO, MDY", set("datestyle", "iso, mdy", false)),
        ("SET x.y = 1.5", set("x.y", "1.5", false)),
        ("SET x.y = -3", set("x.y", "-3", false)),
        ("SET enable_seqscan = off", set("enable_seqscan", "off", false)),
        ("SET TIME ZONE 'UTC'", set("timezone", "UTC", false)),
        ("SET NAMES 'UTF8'", set("client_encoding", "UTF8", false)),
        ("SET ROLE bob", set("role", "bob", false)),
        ("SET SESSION AUTHORIZATION bob", set("session_authorization", "bob", false)),
        ("SET lock_timeout TO DEFAULT", S::Reset { name: "lock_timeout".into(), local: false }),
        ("SET LOCAL lock_timeout TO DEFAULT", S::Reset { name: "lock_timeout".into(), local: true }),
        ("RESET Lock_timeout", S::Reset { name: "lock_timeout".into(), local: false }),
        ("RESET ALL", S::ResetAll),
        ("DISCARD ALL", S::DiscardAll),
        ("DISCARD PLANS", S::Other),
        ("SET x FROM CURRENT", S::Other),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", S::Transaction),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", S::Transaction),
        ("SET TRANSACTION SNAPSHOT 'x'", S::Transaction),
    ] {
        assert_eq!(statement(text), Statement::Setting(expected), "{text}");
    }
}

#[test]
fn queries() {
    for text in [
        "SELECT a FROM t",
        "VALUES (1)",
        "TABLE t",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "CLOSE c",
        "EXPLAIN SELECT 1",
        "EXPLAIN CREATE TABLE n AS SELECT 1",
        "EXPLAIN (ANALYZE off) SELECT 1 INTO n",
    ] {
        assert_eq!(statement(text), query(), "{text}");
    }
    let pinned = |columns: &[&str]| Reach::Pinned(columns.iter().map(|&column| column.to_owned()).collect());
    for (text, on_conflict, reach) in [
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", true, Reach::Given),
        ("INSERT INTO t VALUES (1)", false, Reach::Given),
        ("INSERT INTO t SELECT 1", false, Reach::Given),
        ("INSERT INTO t DEFAULT VALUES", false, Reach::Given),
        ("INSERT INTO t SELECT * FROM s", false, Reach::Queried),
        ("INSERT INTO t VALUES (1) UNION SELECT 2", false, Reach::Queried),
        ("UPDATE t SET a = 1", false, Reach::All),
        ("UPDATE t SET a = 1 WHERE a = 2", false, pinned(&["a"])),
        ("UPDATE t SET a = 1 WHERE 2 = t.a AND b IN ('x', 'y') AND c IS NULL", false, pinned(&["a", "b"])),
        ("UPDATE t SET a = 1 WHERE id = $1::bigint", false, pinned(&["id"])),
        ("UPDATE t SET a = 1 WHERE id = ANY ('{1,2}')", false, pinned(&["id"])),
        ("UPDATE t SET a = 1 WHERE id BETWEEN 1 AND 1000", false, pinned(&["id"])),
        ("UPDATE t SET a = 1 WHERE id >= 1 AND 1000 > id AND a > 3", false, pinned(&["id"])),
        ("UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t LIMIT 5000)", false, pinned(&["id"])),
        ("UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t)", false, pinned(&[])),
        ("UPDATE t SET a = 1 WHERE id = b OR id = 2", false, pinned(&[])),
        ("UPDATE t SET a = 1 WHERE id <> 2", false, pinned(&[])),
        ("UPDATE t SET a = 1 WHERE CURRENT OF c", false, Reach::Given),
        ("UPDATE t SET a = s.a FROM s", false, Reach::Queried),
        ("DELETE FROM t", false, Reach::All),
        ("DELETE FROM t USING s", false, Reach::Queried),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", false, Reach::Queried),
        ("EXPLAIN (ANALYZE) UPDATE t SET a = 1", false, Reach::All),
    ] {
        let Statement::Query(read) = statement(text) else { panic!("{text}") };
        // What small writes put where has tests of its own.
        let query = Query { written: Some(relation("t")), on_conflict, reach, write: read.write.clone(), ..Query::default() };
        assert_eq!(read, query, "{text}");
    }
    for text in ["DECLARE c CURSOR FOR SELECT 1", "EXPLAIN DECLARE c CURSOR FOR SELECT 1"] {
        assert_eq!(statement(text), Statement::Query(Query { declares: true, ..Query::default() }), "{text}");
    }
    for text in ["FETCH 5 FROM c", "MOVE c"] {
        assert_eq!(statement(text), Statement::Query(Query { fetches: true, ..Query::default() }), "{text}");
    }
}

#[test]
fn a_lone_call_is_told_with_its_constants() {
    let lone = |text: &str| match statement(text) {
        Statement::Query(query) => query.lone_call,
        other => panic!("{other:?}"),
    };
    let constant = |text: &str| Argument::Constant(text.to_owned());
    for (text, name, expected) in [
        ("SELECT pg_advisory_lock(1, -2)", "pg_advisory_lock", vec![constant("1"), constant("-2")]),
        ("SELECT pg_catalog.pg_advisory_lock('8'::bigint)", "pg_catalog.pg_advisory_lock", vec![constant("8")]),
        ("SELECT set_config('lock_timeout', '0', false)", "set_config", vec![constant("lock_timeout"), constant("0"), constant("false")]),
        ("SELECT pg_advisory_lock(hashtext('a')) AS x", "pg_advisory_lock", vec![Argument::Other]),
        ("SELECT f($1, $2::bigint, NULL, $3 + 1)", "f", vec![Argument::Parameter(1), Argument::Parameter(2), Argument::Other, Argument::Other]),
        ("SELECT now()", "now", vec![]),
    ] {
        let column = if text.ends_with("AS x") { "x".to_owned() } else { call(name).name };
        assert_eq!(lone(text), Some(LoneCall { function: call(name), arguments: expected, column }), "{text}");
    }
    for text in ["SELECT f(1), g(2)", "SELECT f(1) FROM t", "SELECT f(1) WHERE true", "SELECT f(1) + 1", "SELECT f(1) UNION SELECT f(2)", "SELECT 1"]
    {
        assert_eq!(lone(text), None, "{text}");
    }
}

#[test]
fn functions_are_found_wherever_they_hide() {
    for (text, expected) in [
        ("WITH a AS (SELECT f1()) SELECT * FROM f2() AS x JOIN LATERAL f3(x) ON f4() WHERE a = ANY (ARRAY[f5()]) ORDER BY f6()", 6),
        ("INSERT INTO t (a) VALUES (f1()) ON CONFLICT (a) DO UPDATE SET a = f2() WHERE f3() RETURNING f4()", 4),
        ("SELECT CASE WHEN f1() THEN f2() ELSE COALESCE(f3(), GREATEST(f4())) END, (SELECT f5()), ROW(f6()), f7() OVER (ORDER BY f8()), t[f9()]", 9),
        ("SELECT count(*) FILTER (WHERE f1()) FROM ROWS FROM (f2(), f3()), t TABLESAMPLE system (f4()) LIMIT f5()", 6),
        ("SELECT XMLELEMENT(NAME a, f1()), JSON_OBJECT('a' : f2()), JSON_VALUE(f3(), '$'), f4(x => f5()), f6(VARIADIC ARRAY[f7()])", 7),
        ("CREATE TABLE n AS SELECT f1()", 1),
        ("CREATE TABLE n (a int DEFAULT f1() CHECK (f2()), CHECK (f3()))", 3),
        ("CREATE INDEX ON t (f1(a)) WHERE f2()", 2),
        ("CREATE VIEW v AS SELECT f1()", 1),
        ("COPY (SELECT f1()) TO STDOUT", 1),
        ("CALL f1(f2())", 2),
        ("EXECUTE p (f1())", 1),
        ("PREPARE p AS SELECT f1()", 1),
        ("EXPLAIN ANALYZE SELECT f1()", 1),
        ("DECLARE c CURSOR FOR SELECT f1()", 1),
        ("MERGE INTO t USING f1() s ON f2() WHEN MATCHED AND f3() THEN UPDATE SET a = f4() WHEN NOT MATCHED THEN INSERT VALUES (f5())", 5),
        ("SELECT f1(), f1(), s.f1()", 2),
    ] {
        let found = one(text).functions;
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
    assert_eq!(one("SELECT extract(year FROM now())").functions, [call("pg_catalog.extract"), call("now")]);
}

#[test]
fn copies() {
    for (text, expected) in [
        ("COPY t FROM STDIN", Copy::FromClient),
        ("COPY t (a) TO STDOUT", Copy::ToClient),
        ("COPY (SELECT 1) TO STDOUT", Copy::ToClient),
        ("COPY t FROM PROGRAM 'x'", Copy::Program),
        ("COPY t TO PROGRAM 'x'", Copy::Program),
        ("COPY t FROM '/x'", Copy::ServerFile),
        ("COPY (SELECT 1) TO '/x'", Copy::ServerFile),
    ] {
        assert_eq!(statement(text), Statement::Copy(expected), "{text}");
    }
}

fn created(text: &str) -> CreateTable {
    match statement(text) {
        Statement::CreateTable(table) => table,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn created_tables() {
    let plain = CreateTable {
        relation: relation("s.n"),
        if_not_exists: false,
        columns: vec![],
        temporary: false,
        references: vec![],
        partition_of: None,
        bound: None,
        inherits: vec![],
        like: vec![],
        from_query: false,
        execute: None,
    };
    let integer = TypeName { names: vec!["pg_catalog".into(), "int4".into()], modifiers: vec![], array: false };
    assert_eq!(created("CREATE TABLE s.n (a int)"), CreateTable { columns: vec![("a".into(), integer)], ..plain.clone() });
    assert_eq!(created("CREATE UNLOGGED TABLE s.n (LIKE t INCLUDING ALL)"), CreateTable { like: relations(&["t"]), ..plain.clone() });
    let filled = CreateTable { from_query: true, ..plain };
    for text in [
        "CREATE TABLE s.n AS SELECT 1",
        "CREATE MATERIALIZED VIEW s.n AS SELECT 1",
        "SELECT 1 INTO s.n",
        "SELECT 1 INTO s.n UNION SELECT 2",
        "EXPLAIN ANALYZE CREATE TABLE s.n AS SELECT 1",
        "EXPLAIN (ANALYZE) SELECT * INTO s.n FROM t",
    ] {
        assert_eq!(created(text), filled, "{text}");
    }
    assert!(created("CREATE TABLE IF NOT EXISTS n (a int)").if_not_exists);
    assert!(created("CREATE TABLE IF NOT EXISTS n AS SELECT 1").if_not_exists);
    assert!(
        created("CREATE TEMP TABLE n (a int)").temporary
            && created("SELECT 1 INTO TEMP n").temporary
            && created("CREATE TABLE pg_temp.n ()").temporary
    );
    assert_eq!(created("CREATE TABLE n PARTITION OF s.p FOR VALUES IN (1)").partition_of, Some(relation("s.p")));
    assert_eq!(created("CREATE TABLE n () INHERITS (p, s.q)").inherits, relations(&["p", "s.q"]));
    assert_eq!(created("CREATE TABLE n AS EXECUTE e").execute.as_deref(), Some("e"));
    let text = "CREATE TABLE n (a int REFERENCES p, b int CONSTRAINT k REFERENCES s.q (x), c int REFERENCES p, FOREIGN KEY (a) REFERENCES r)";
    assert_eq!(created(text).references, relations(&["p", "s.q", "r"]));
}

#[test]
fn created_indexes() {
    let index = |text: &str| match statement(text) {
        Statement::CreateIndex(index) => index,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        index("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t (a, b DESC) WHERE c"),
        CreateIndex {
            name: Some("i".into()),
            table: relation("s.t"),
            only: true,
            unique: true,
            concurrently: true,
            if_not_exists: true,
            key_names: vec!["a".into(), "b".into()],
            key_columns: Some(vec!["a".into(), "b".into()]),
            partial: true,
            ordinary: false,
            nulls_not_distinct: false,
            method: "btree".into(),
            sorted_by: vec!["a".into(), "b".into()],
            beyond_method: false,
        }
    );
    for beyond in
        ["UNIQUE INDEX ON t USING hash (a)", "INDEX ON t USING hash (a, b)", "INDEX ON t USING hash (a DESC)", "INDEX ON t USING gin (a NULLS FIRST)"]
    {
        assert!(index(&format!("CREATE {beyond}")).beyond_method, "{beyond}");
    }
    for within in [
        "UNIQUE INDEX ON t (a DESC NULLS FIRST) INCLUDE (b)",
        "INDEX ON t USING hash (a)",
        "INDEX ON t USING gin (a, b)",
        "INDEX ON t USING bloom (a DESC)",
    ] {
        assert!(!index(&format!("CREATE {within}")).beyond_method, "{within}");
    }
    let keys = |keys: &str| index(&format!("CREATE INDEX ON t USING btree ({keys})")).key_names;
    for (text, expected) in [
        ("a, b", vec!["a", "b"]),
        ("lower(a), upper(a), lower(b), s.f(b)", vec!["lower", "upper", "lower1", "f"]),
        ("(a || b), (a + 1)", vec!["expr", "expr1"]),
        ("(a::text), ('x'::text), (a || b)::text", vec!["a", "text", "text1"]),
        ("COALESCE(a, b), (CASE WHEN a THEN 1 END), (CASE WHEN a THEN 1 ELSE b END), NULLIF(a, b)", vec!["coalesce", "case", "b", "nullif"]),
        ("(a COLLATE \"C\"), (ARRAY[a]), (ROW(a)), GREATEST(a, b), (t.a), ((r).f), ((c)[1])", vec!["a", "array", "row", "greatest", "a1", "f", "c"]),
        ("(a ->> 'b'), EXTRACT(year FROM a)", vec!["expr", "extract"]),
    ] {
        // A cast needs no parentheses of its own in the list of expected names only.
        assert_eq!(keys(&text.replace("(a || b)::text", "((a || b)::text)")), expected, "{text}");
    }
    let included = index("CREATE INDEX ON t (a) INCLUDE (b)");
    assert_eq!((included.key_names, included.key_columns, included.partial), (vec!["a".into(), "b".into()], Some(vec!["a".into()]), false));
    assert_eq!(index("CREATE INDEX ON t (a, lower(b))").key_columns, None);
}

#[test]
fn drops_of_tables_and_indexes() {
    let drop = |names: &[&str], if_exists, cascade, concurrently| Drop { relations: relations(names), if_exists, cascade, concurrently };
    assert_eq!(statement("DROP TABLE t"), Statement::DropTable(drop(&["t"], false, false, false)));
    assert_eq!(statement("DROP TABLE IF EXISTS a, s.b CASCADE"), Statement::DropTable(drop(&["a", "s.b"], true, true, false)));
    assert_eq!(statement("DROP INDEX CONCURRENTLY IF EXISTS s.i"), Statement::DropIndex(drop(&["s.i"], true, false, true)));
    assert_eq!(statement("DROP INDEX i, j RESTRICT"), Statement::DropIndex(drop(&["i", "j"], false, false, false)));
}

#[test]
fn reindexes() {
    let reindex = |target, concurrently| Statement::Reindex(Reindex { target, concurrently });
    for (text, expected) in [
        ("REINDEX INDEX s.i", reindex(ReindexTarget::Index(relation("s.i")), false)),
        ("REINDEX TABLE CONCURRENTLY t", reindex(ReindexTarget::Table(relation("t")), true)),
        ("REINDEX (CONCURRENTLY, VERBOSE) TABLE t", reindex(ReindexTarget::Table(relation("t")), true)),
        ("REINDEX (CONCURRENTLY off) TABLE t", reindex(ReindexTarget::Table(relation("t")), false)),
        ("REINDEX SCHEMA s", reindex(ReindexTarget::Schema("s".into()), false)),
        ("REINDEX DATABASE CONCURRENTLY d", reindex(ReindexTarget::Database, true)),
        ("REINDEX SYSTEM", reindex(ReindexTarget::System, false)),
    ] {
        assert_eq!(statement(text), expected, "{text}");
    }
}

#[test]
fn renames() {
    for (text, kind, of, to) in [
        ("ALTER TABLE s.t RENAME TO u", RenameKind::Table, Some("s.t"), "u"),
        ("ALTER TABLE t RENAME COLUMN a TO b", RenameKind::Column("a".into()), Some("t"), "b"),
        ("ALTER VIEW v RENAME a TO b", RenameKind::Column("a".into()), Some("v"), "b"),
        ("ALTER INDEX i RENAME TO j", RenameKind::Index, Some("i"), "j"),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", RenameKind::Constraint("a".into()), Some("t"), "b"),
        ("ALTER VIEW v RENAME TO w", RenameKind::View, Some("v"), "w"),
        ("ALTER MATERIALIZED VIEW v RENAME TO w", RenameKind::View, Some("v"), "w"),
        ("ALTER SCHEMA a RENAME TO b", RenameKind::Schema("a".into()), None, "b"),
        ("ALTER SEQUENCE a RENAME TO b", RenameKind::Other("sequence"), Some("a"), "b"),
        ("ALTER TYPE a RENAME TO b", RenameKind::Other("type"), None, "b"),
        ("ALTER TYPE a RENAME VALUE 'x' TO 'y'", RenameKind::Other("enum value"), None, "y"),
        ("ALTER FUNCTION f() RENAME TO g", RenameKind::Other("function"), None, "g"),
        ("ALTER TRIGGER a ON t RENAME TO b", RenameKind::Other("trigger"), Some("t"), "b"),
        ("ALTER ROLE a RENAME TO b", RenameKind::Other("role"), None, "b"),
    ] {
        assert_eq!(statement(text), Statement::Rename(Rename { kind, relation: of.map(relation), to: to.into() }), "{text}");
    }
    assert_eq!(statement("ALTER TABLE s.t SET SCHEMA x"), Statement::SetSchema { relation: relation("s.t") });
    assert!(matches!(statement("ALTER FUNCTION f() SET SCHEMA x"), Statement::Brief(_)));
}

#[test]
fn prepared_statements_and_code() {
    let text = "SELECT 1; PREPARE p (numeric(1, 2)) AS SELECT f(1) AS as_";
    let prepared = script(text, LIMIT).unwrap().statements.swap_remove(1);
    let Statement::Prepare { name, inner } = prepared.statement else { panic!() };
    assert_eq!((name.as_str(), &text[inner.span.clone()], inner.functions.len()), ("p", "SELECT f(1) AS as_", 1));
    assert!(matches!(inner.statement, Statement::Query(Query { lone_call: Some(_), .. })));
    for text in ["EXECUTE p (1)", "EXPLAIN ANALYZE EXECUTE p", "EXPLAIN EXECUTE p", "EXPLAIN CREATE TABLE t AS EXECUTE p"] {
        assert_eq!(statement(text), Statement::Execute { name: "p".into() }, "{text}");
    }
    assert_eq!(statement("DEALLOCATE p"), Statement::Deallocate(Some("p".into())));
    assert_eq!(statement("DEALLOCATE PREPARE ALL"), Statement::Deallocate(None));
    let block = |language: &str, body: &str| {
        let body = Code { text: body.into(), statements: vec![], rest: body.into() };
        Statement::Opaque(Opaque::Do { language: language.into(), body })
    };
    assert_eq!(statement("DO $$ x $$"), block("plpgsql", " x "));
    assert_eq!(statement("DO LANGUAGE plpython3u 'x'"), block("plpython3u", "x"));
    assert_eq!(statement("CALL s.p(1)"), Statement::Opaque(Opaque::Call(call("s.p"))));
    let lock = |strong| Statement::LockTable { relations: vec![RelationName::unqualified("t")], strong };
    for text in ["LOCK TABLE t IN SHARE MODE NOWAIT", "LOCK t", "LOCK ONLY t IN SHARE ROW EXCLUSIVE MODE"] {
        assert_eq!(statement(text), lock(true), "{text}");
    }
    for text in ["LOCK t IN SHARE UPDATE EXCLUSIVE MODE", "LOCK t IN ROW EXCLUSIVE MODE", "LOCK t IN ACCESS SHARE MODE"] {
        assert_eq!(statement(text), lock(false), "{text}");
    }
}

#[test]
fn ways_out() {
    for text in ["CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "ALTER SUBSCRIPTION s DISABLE", "DROP SUBSCRIPTION s"] {
        assert_eq!(statement(text), Statement::External(External::Subscription), "{text}");
    }
    for text in [
        "CREATE SERVER s FOREIGN DATA WRAPPER f",
        "ALTER SERVER s OPTIONS (a 'b')",
        "CREATE USER MAPPING FOR u SERVER s",
        "ALTER USER MAPPING FOR u SERVER s OPTIONS (a 'b')",
        "CREATE FOREIGN TABLE t (a int) SERVER s",
        "CREATE FOREIGN DATA WRAPPER f",
        "ALTER FOREIGN DATA WRAPPER f OPTIONS (a 'b')",
        "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b",
    ] {
        assert_eq!(statement(text), Statement::External(External::ForeignData), "{text}");
    }
    for text in ["LOAD 'x'", "CREATE FUNCTION f() RETURNS int AS 'x', 'y' LANGUAGE C"] {
        assert_eq!(statement(text), Statement::External(External::Load), "{text}");
    }
}

#[test]
fn settings_that_stay() {
    let setting = |what, name: Option<&str>, value: Option<&str>| {
        Statement::External(External::PersistentSetting { what, name: name.map(str::to_owned), value: value.map(str::to_owned) })
    };
    for (text, expected) in [
        ("ALTER SYSTEM SET Lock_timeout = 5", setting("ALTER SYSTEM", Some("lock_timeout"), Some("5"))),
        ("ALTER SYSTEM RESET ALL", setting("ALTER SYSTEM", None, None)),
        ("ALTER ROLE r SET lock_timeout = '0'", setting("ALTER ROLE", Some("lock_timeout"), Some("0"))),
        ("ALTER ROLE ALL IN DATABASE d RESET lock_timeout", setting("ALTER ROLE", Some("lock_timeout"), None)),
        ("ALTER USER r SET search_path TO a, b", setting("ALTER ROLE", Some("search_path"), Some("a, b"))),
        ("ALTER DATABASE d SET lock_timeout TO DEFAULT", setting("ALTER DATABASE", Some("lock_timeout"), None)),
        ("ALTER FUNCTION f() SET lock_timeout = 0", setting("ALTER FUNCTION", Some("lock_timeout"), Some("0"))),
        ("ALTER FUNCTION f() RESET ALL", setting("ALTER FUNCTION", None, None)),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a SET lock_timeout = 0 AS 'x'",
            setting("CREATE FUNCTION", Some("lock_timeout"), Some("0")),
        ),
        ("CREATE PROCEDURE f() LANGUAGE sql SET search_path = a AS 'x'", setting("CREATE PROCEDURE", Some("search_path"), Some("a"))),
    ] {
        assert_eq!(statement(text), expected, "{text}");
    }
    let several = "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET work_mem = 1 SET lock_timeout = 0 AS 'x'";
    assert!(matches!(statement(several), Statement::Unjudged { .. }));
}

#[test]
fn enums_and_their_values() {
    let name = TypeName { names: vec!["s".into(), "t".into()], modifiers: vec![], array: false };
    assert_eq!(statement("CREATE TYPE s.t AS ENUM ('a')"), Statement::CreateEnum { name: name.clone() });
    assert_eq!(statement("ALTER TYPE s.t ADD VALUE IF NOT EXISTS 'b' AFTER 'a'"), Statement::AddEnumValue { name, value: "b".into() });
}

#[test]
fn what_takes_at_most_a_brief_lock() {
    for text in include_str!("brief.sql").lines().filter(|line| !line.starts_with("--")) {
        assert!(matches!(statement(text), Statement::Brief(_)), "{text}: {:?}", statement(text));
    }
}

#[test]
fn what_no_rule_judges() {
    for (text, names) in [
        ("TRUNCATE a, ONLY s.b", vec!["a", "s.b"]),
        ("VACUUM FULL t", vec!["t"]),
        ("VACUUM (FULL, ANALYZE) s.t", vec!["s.t"]),
        ("CLUSTER t USING i", vec!["t"]),
        ("CLUSTER", vec![]),
        ("REFRESH MATERIALIZED VIEW v", vec!["v"]),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", vec!["v"]),
        ("DROP MATERIALIZED VIEW v", vec!["v"]),
        ("DROP VIEW v CASCADE", vec!["v"]),
        ("DROP SEQUENCE s CASCADE", vec!["s"]),
        ("CREATE RULE r AS ON INSERT TO t DO NOTHING", vec!["t"]),
        ("ALTER INDEX i SET TABLESPACE x", vec!["i"]),
        ("ALTER TYPE c ADD ATTRIBUTE a int CASCADE", vec!["c"]),
        ("DROP SCHEMA s", vec![]),
        ("DROP DATABASE d", vec![]),
        ("DROP OWNED BY r", vec![]),
        ("REASSIGN OWNED BY a TO b", vec![]),
        ("DROP TYPE t CASCADE", vec![]),
        ("DROP DOMAIN d CASCADE", vec![]),
        ("DROP FUNCTION f() CASCADE", vec![]),
        ("DROP EXTENSION e", vec![]),
        ("DROP OPERATOR CLASS c USING btree CASCADE", vec![]),
        ("CREATE DATABASE d", vec![]),
        ("ALTER DATABASE d SET TABLESPACE x", vec![]),
        ("CREATE TABLESPACE x LOCATION '/x'", vec![]),
        ("ALTER EXTENSION e UPDATE", vec![]),
        ("ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", vec![]),
        ("CREATE SCHEMA s CREATE TABLE t (a int)", vec![]),
    ] {
        let Statement::Unjudged { relations: found, .. } = statement(text) else { panic!("{text}: {:?}", statement(text)) };
        assert_eq!(found, relations(&names), "{text}");
    }
}

#[test]
fn what_looks_at_the_rows_of_a_domain() {
    for (text, change) in [
        ("ALTER DOMAIN s.d ADD CHECK (VALUE > 0)", DomainChange::AddCheck),
        ("ALTER DOMAIN s.d SET NOT NULL", DomainChange::SetNotNull),
        ("ALTER DOMAIN s.d VALIDATE CONSTRAINT k", DomainChange::Validate("k".into())),
    ] {
        let name = TypeName { names: vec!["s".into(), "d".into()], modifiers: Vec::new(), array: false };
        assert_eq!(statement(text), Statement::AlterDomain { name, change }, "{text}");
    }
}

#[test]
fn what_is_locked_strongly_though_no_rule_looks_at_it() {
    for (text, names) in [
        ("CREATE TRIGGER r BEFORE INSERT ON s.t EXECUTE FUNCTION f()", vec!["s.t"]),
        ("DROP TRIGGER r ON s.t", vec!["s.t"]),
        ("CREATE POLICY p ON t", vec!["t"]),
        ("ALTER POLICY p ON t RENAME TO q", vec![]),
        ("ALTER POLICY p ON t USING (true)", vec!["t"]),
        ("DROP POLICY IF EXISTS p ON t", vec!["t"]),
        ("DROP RULE r ON t", vec!["t"]),
        ("DROP VIEW s.v, w", vec!["s.v", "w"]),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", vec!["v"]),
        ("CREATE VIEW v AS SELECT 1", vec![]),
        ("ALTER VIEW v ALTER COLUMN a DROP DEFAULT", vec!["v"]),
        ("DROP SEQUENCE s", vec!["s"]),
        ("ALTER SEQUENCE s RESTART", vec!["s"]),
        ("LOCK TABLE a, s.b", vec!["a", "s.b"]),
        ("LOCK TABLE t IN SHARE MODE", vec!["t"]),
        ("LOCK TABLE t IN SHARE MODE NOWAIT", vec![]),
        ("LOCK TABLE t IN ROW EXCLUSIVE MODE", vec![]),
        ("ALTER TABLE t ADD COLUMN a int", vec![]),
        ("DROP FUNCTION f()", vec![]),
        ("SELECT 1", vec![]),
    ] {
        assert_eq!(one(text).locks, relations(&names), "{text}");
    }
}
