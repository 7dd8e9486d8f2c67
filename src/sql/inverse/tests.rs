//! The way back, by values.

use std::collections::BTreeSet;

use super::*;
use crate::sql::former::Known;

fn inverse(sql: &str) -> Inverse {
    let script = parse::script(sql, 10_000).unwrap();
    let [parsed] = &*script.statements else { panic!("{sql} is no single statement") };
    of(&script, parsed, &Former::default())
}

fn line(sql: &str) -> String {
    told(inverse(sql))
}

/// In one line: the SQL, or what it is otherwise.
fn told(inverse: Inverse) -> String {
    match inverse {
        Inverse::Sql { statements, loses: None, .. } => statements.join("; "),
        Inverse::Sql { statements, loses: Some(loses), .. } => format!("{} -- loses {loses}", statements.join("; ")),
        Inverse::Nothing { .. } => "nothing".to_owned(),
        Inverse::NoneWithoutLoss { why } => format!("lost: {why}"),
        Inverse::NotKnown { why } => format!("unknown: {why}"),
    }
}

/// A statement and the beginning of what its inverse is.
const EXAMPLES: &[(&str, &str)] = &[
    ("BEGIN", "nothing"),
    ("PREPARE TRANSACTION 'x'", "unknown: what a prepared transaction did"),
    ("SET lock_timeout = '1s'", "nothing"),
    ("SELECT 1", "nothing"),
    ("SELECT * FROM t FOR NO KEY UPDATE", "nothing"),
    ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "unknown: what the rows were"),
    ("INSERT INTO t VALUES (1)", "unknown: what the rows were"),
    ("UPDATE t SET a = 1 WHERE id = 2", "unknown: what the rows were"),
    ("COPY t FROM STDIN", "unknown: what the rows were"),
    ("COPY t TO STDOUT", "nothing"),
    ("CREATE TABLE \"My t\" (a int)", "DROP TABLE \"My t\" -- loses all rows that were written"),
    (
        "CREATE TABLE IF NOT EXISTS s.t (a int)",
        "unknown: IF NOT EXISTS: whether it was there before is not recorded; where this statement made it: DROP TABLE s.t",
    ),
    ("CREATE TABLE t AS SELECT 1 AS a", "DROP TABLE t -- loses"),
    ("SELECT 1 AS a INTO t", "DROP TABLE t -- loses"),
    ("CREATE MATERIALIZED VIEW m AS SELECT 1", "DROP MATERIALIZED VIEW m"),
    ("CREATE INDEX CONCURRENTLY i ON s.t (a)", "DROP INDEX CONCURRENTLY s.i"),
    ("CREATE INDEX ON t (lower(a), b)", "DROP INDEX CONCURRENTLY t_lower_b_idx"),
    ("CREATE INDEX IF NOT EXISTS i ON t (a)", "unknown: IF NOT EXISTS"),
    ("DROP INDEX i, s.j", "unknown: the definition of i, s.j stands"),
    ("DROP TABLE t", "lost: the rows went with the table"),
    ("REINDEX INDEX i", "nothing"),
    ("ALTER TABLE t ADD COLUMN \"C\" int", "ALTER TABLE t DROP COLUMN \"C\" -- loses all values that were written into \"C\" since"),
    ("ALTER TABLE ONLY t ADD b int, ADD CONSTRAINT k CHECK (b > 0)", "ALTER TABLE ONLY t DROP CONSTRAINT k, DROP COLUMN b -- loses"),
    ("ALTER TABLE t ADD IF NOT EXISTS b int", "unknown: IF NOT EXISTS: whether b was there"),
    (
        "ALTER TABLE t ADD CHECK (a > 0), ADD CHECK (a < 9), ADD CHECK (a < b)",
        "ALTER TABLE t DROP CONSTRAINT t_check, DROP CONSTRAINT t_a_check1, DROP CONSTRAINT t_a_check",
    ),
    ("ALTER TABLE t ADD UNIQUE (a, b)", "ALTER TABLE t DROP CONSTRAINT t_a_b_key"),
    ("ALTER TABLE t ADD PRIMARY KEY (a)", "ALTER TABLE t DROP CONSTRAINT t_pkey"),
    ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT VALID", "ALTER TABLE t DROP CONSTRAINT t_a_fkey"),
    ("ALTER TABLE t ADD UNIQUE USING INDEX i", "unknown: the index i became the constraint's own"),
    ("ALTER TABLE t ADD EXCLUDE (a WITH =)", "unknown: PostgreSQL chose the name"),
    ("ALTER TABLE t VALIDATE CONSTRAINT k", "nothing"),
    ("ALTER TABLE t DROP CONSTRAINT k", "unknown: the definition of k"),
    (
        "ALTER TABLE t DROP COLUMN a, ADD COLUMN b int",
        "lost: the values of a are gone: add the column again, and fill it from a backup; its other commands: ALTER TABLE t DROP COLUMN b",
    ),
    ("ALTER TABLE t ALTER a SET NOT NULL, ALTER b DROP NOT NULL", "ALTER TABLE t ALTER COLUMN b SET NOT NULL, ALTER COLUMN a DROP NOT NULL"),
    ("ALTER TABLE t ALTER a TYPE bigint", "unknown: the former type of a is not recorded; what does not fit into bigint"),
    ("ALTER TABLE t ALTER a SET DEFAULT 3", "unknown: SET DEFAULT: what was before is not recorded"),
    ("ALTER TABLE t ALTER a DROP DEFAULT", "unknown: the former default of a"),
    ("ALTER TABLE t ATTACH PARTITION s.p DEFAULT", "ALTER TABLE t DETACH PARTITION s.p"),
    ("ALTER TABLE t DETACH PARTITION p", "unknown: the bounds of p"),
    ("ALTER TABLE t INHERIT p", "ALTER TABLE t NO INHERIT p"),
    ("ALTER TABLE t NO INHERIT s.\"P\"", "ALTER TABLE t INHERIT s.\"P\""),
    ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE t DISABLE ROW LEVEL SECURITY"),
    ("ALTER TABLE t DISABLE TRIGGER \"Tr\"", "ALTER TABLE t ENABLE TRIGGER \"Tr\""),
    ("ALTER TABLE t ENABLE ALWAYS TRIGGER x", "unknown: ENABLE TRIGGER"),
    ("ALTER TABLE t ALTER COLUMN \"A\" ADD GENERATED ALWAYS AS IDENTITY", "ALTER TABLE t ALTER COLUMN \"A\" DROP IDENTITY -- loses how far"),
    ("ALTER TABLE t SET UNLOGGED", "ALTER TABLE t SET LOGGED"),
    ("ALTER TABLE t SET TABLESPACE x", "unknown: SET TABLESPACE: the former one"),
    ("ALTER TABLE t OWNER TO x", "unknown: OWNER TO"),
    ("ALTER TABLE s.t RENAME TO \"U\"", "ALTER TABLE s.\"U\" RENAME TO t"),
    ("ALTER TABLE t RENAME a TO b", "ALTER TABLE t RENAME COLUMN b TO a"),
    ("ALTER TABLE t RENAME CONSTRAINT a TO b", "ALTER TABLE t RENAME CONSTRAINT b TO a"),
    ("ALTER INDEX s.i RENAME TO j", "ALTER INDEX s.j RENAME TO i"),
    ("ALTER VIEW v RENAME TO w", "ALTER TABLE w RENAME TO v"),
    ("ALTER SCHEMA a RENAME TO b", "ALTER SCHEMA b RENAME TO a"),
    ("ALTER SEQUENCE s.q RENAME TO r", "ALTER SEQUENCE s.r RENAME TO q"),
    ("ALTER TYPE s.m RENAME TO n", "ALTER TYPE s.n RENAME TO m"),
    ("ALTER TYPE m RENAME VALUE 'a''b' TO 'c'", "ALTER TYPE m RENAME VALUE 'c' TO 'a''b'"),
    ("ALTER TYPE c RENAME ATTRIBUTE a TO b", "ALTER TYPE c RENAME ATTRIBUTE b TO a"),
    ("ALTER DOMAIN d RENAME CONSTRAINT a TO b", "ALTER DOMAIN d RENAME CONSTRAINT b TO a"),
    ("ALTER FUNCTION s.f(int, text[]) RENAME TO g", "ALTER FUNCTION s.g(integer, text[]) RENAME TO f"),
    ("ALTER TRIGGER a ON t RENAME TO b", "ALTER TRIGGER b ON t RENAME TO a"),
    ("ALTER ROLE a RENAME TO b", "ALTER ROLE b RENAME TO a"),
    ("ALTER TABLE s.t SET SCHEMA o", "ALTER TABLE o.t SET SCHEMA s"),
    ("ALTER TABLE t SET SCHEMA o", "unknown: t is written without the schema"),
    ("ALTER TYPE s.m SET SCHEMA o", "ALTER TYPE o.m SET SCHEMA s"),
    ("LOCK TABLE t", "nothing"),
    ("PREPARE p AS DELETE FROM t", "nothing"),
    ("EXECUTE p", "unknown: what it ran stands in the PREPARE of p"),
    ("DEALLOCATE p", "nothing"),
    ("ALTER DOMAIN s.d ADD CONSTRAINT k CHECK (VALUE > 0)", "ALTER DOMAIN s.d DROP CONSTRAINT k"),
    ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", "ALTER DOMAIN d DROP CONSTRAINT d_check"),
    ("ALTER DOMAIN d SET NOT NULL", "ALTER DOMAIN d DROP NOT NULL"),
    ("ALTER DOMAIN d DROP NOT NULL", "ALTER DOMAIN d SET NOT NULL"),
    ("ALTER DOMAIN d VALIDATE CONSTRAINT k", "nothing"),
    ("ALTER DOMAIN d SET DEFAULT 1", "unknown: what was before"),
    ("CREATE TYPE m AS ENUM ('a')", "DROP TYPE m"),
    ("CREATE TYPE c AS (a int)", "DROP TYPE c"),
    ("CREATE TYPE r AS RANGE (subtype = int)", "DROP TYPE r"),
    ("ALTER TYPE m ADD VALUE 'b'", "lost: PostgreSQL takes no value out of an enum"),
    ("DO 'BEGIN END'", "unknown: what code did"),
    ("CALL p()", "unknown: what code did"),
    ("CREATE SERVER s FOREIGN DATA WRAPPER w", "DROP SERVER s"),
    ("CREATE FOREIGN TABLE f (a int) SERVER s", "DROP FOREIGN TABLE f"),
    ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "unknown: a subscription has a slot"),
    ("LOAD 'x'", "nothing"),
    (
        "ALTER ROLE r SET lock_timeout = 0",
        "unknown: the former value is not recorded: set it again, or where there was none: ALTER ROLE … RESET lock_timeout",
    ),
    ("CREATE VIEW s.v AS SELECT 1", "DROP VIEW s.v"),
    (
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "unknown: OR REPLACE: what was there before is not recorded; put its former definition back, or, where nothing was: DROP VIEW v",
    ),
    (
        "CREATE FUNCTION s.f(a int, INOUT b text, OUT c int, VARIADIC d numeric(3,1)[]) LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION s.f(integer, text, numeric",
    ),
    ("CREATE PROCEDURE p(a varchar, OUT b int) LANGUAGE sql AS ''", "DROP PROCEDURE p(varchar, OUT integer)"),
    ("CREATE FUNCTION f() RETURNS TABLE (a int) LANGUAGE sql AS ''", "DROP FUNCTION f()"),
    ("CREATE SEQUENCE q", "DROP SEQUENCE q -- loses how far"),
    ("CREATE SCHEMA s", "DROP SCHEMA s"),
    ("CREATE SCHEMA IF NOT EXISTS s", "unknown: IF NOT EXISTS"),
    ("CREATE EXTENSION e", "DROP EXTENSION e -- loses"),
    ("CREATE DOMAIN s.d AS int", "DROP DOMAIN s.d"),
    ("CREATE TRIGGER r AFTER INSERT ON s.t EXECUTE FUNCTION f()", "DROP TRIGGER r ON s.t"),
    ("CREATE POLICY p ON t", "DROP POLICY p ON t"),
    ("CREATE ROLE r", "DROP ROLE r"),
    ("CREATE STATISTICS s ON a, b FROM t", "DROP STATISTICS s"),
    ("CREATE STATISTICS ON a, b FROM t", "unknown: no way back"),
    ("CREATE PUBLICATION p", "DROP PUBLICATION p"),
    ("CREATE CAST (text AS int) WITH INOUT", "DROP CAST (text AS integer)"),
    ("CREATE COLLATION c FROM \"C\"", "DROP COLLATION c"),
    ("CREATE AGGREGATE a (int) (sfunc = f, stype = int)", "unknown: no way back"),
    ("GRANT SELECT, INSERT (a) ON TABLE s.t, u TO \"R\", PUBLIC WITH GRANT OPTION", "REVOKE SELECT, INSERT (a) ON TABLE s.t, u FROM \"R\", PUBLIC"),
    ("GRANT a TO b WITH ADMIN OPTION GRANTED BY c", "REVOKE a FROM b GRANTED BY c"),
    ("GRANT ALL ON t -- all of it\n  TO r /* him */ -- and\n  WITH GRANT OPTION", "REVOKE ALL ON t FROM r"),
    ("REVOKE ALL ON t FROM r", "GRANT ALL ON t TO r"),
    ("REVOKE ALL ON t FROM r CASCADE", "unknown: GRANT or REVOKE in a form"),
    ("REVOKE GRANT OPTION FOR SELECT ON t FROM r", "unknown: GRANT or REVOKE in a form"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO r", "ALTER DEFAULT PRIVILEGES IN SCHEMA s REVOKE SELECT ON TABLES FROM r"),
    ("COMMENT ON TABLE t IS 'x'", "unknown: what was before is not recorded: the former comment"),
    ("DROP VIEW v", "unknown: what was before is not recorded: its definition"),
    ("VACUUM t", "nothing"),
    ("ALTER SEQUENCE q RESTART", "unknown: what was before"),
    ("TRUNCATE t", "lost: the rows are gone"),
    ("DROP SCHEMA s CASCADE", "lost: what was in it"),
    ("DROP TYPE m CASCADE", "lost: what depended on it"),
    ("DROP MATERIALIZED VIEW m", "unknown: its query"),
    ("REFRESH MATERIALIZED VIEW m", "nothing"),
    ("CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING", "DROP RULE r ON t"),
    ("CREATE DATABASE d", "unknown: no way back"),
];

#[test]
fn each_statement_has_its_inverse_or_a_reason() {
    for (sql, expected) in EXAMPLES {
        let line = line(sql);
        assert!(!line.contains("/*"), "a comment may hide what follows: {line}");
        assert!(line.starts_with(expected), "{sql}\n  is {line}\n  and not {expected}");
    }
}

#[test]
fn the_way_back_is_sql_of_the_same_kind_of_text() {
    for (sql, _) in EXAMPLES {
        if let Inverse::Sql { statements, .. } = inverse(sql) {
            statements.iter().for_each(|back| assert_eq!(parse::script(back, 10_000).unwrap().statements.len(), 1, "{back}"));
        }
    }
}

/// A variant that is added later does not compile here until somebody has thought of its inverse, and fails until it has an example.
fn variant(statement: &Statement) -> &'static str {
    match statement {
        Statement::Transaction(_) => "Transaction",
        Statement::Setting(_) => "Setting",
        Statement::Query(_) => "Query",
        Statement::Copy(_) => "Copy",
        Statement::CreateTable(_) => "CreateTable",
        Statement::CreateIndex(_) => "CreateIndex",
        Statement::DropIndex(_) => "DropIndex",
        Statement::DropTable(_) => "DropTable",
        Statement::Reindex(_) => "Reindex",
        Statement::AlterTable(_) => "AlterTable",
        Statement::Rename(_) => "Rename",
        Statement::SetSchema { .. } => "SetSchema",
        Statement::LockTable { .. } => "LockTable",
        Statement::Prepare { .. } => "Prepare",
        Statement::Execute { .. } => "Execute",
        Statement::Deallocate(_) => "Deallocate",
        Statement::AlterDomain { .. } => "AlterDomain",
        Statement::CreateEnum { .. } => "CreateEnum",
        Statement::AddEnumValue { .. } => "AddEnumValue",
        Statement::Opaque(_) => "Opaque",
        Statement::External(_) => "External",
        Statement::Brief(_) => "Brief",
        Statement::Unjudged { .. } => "Unjudged",
    }
}

#[test]
fn every_variant_has_an_example() {
    let read = |sql: &str| variant(&parse::script(sql, 10_000).unwrap().statements[0].statement);
    let seen: BTreeSet<&str> = EXAMPLES.iter().map(|(sql, _)| read(sql)).collect();
    assert_eq!(seen.len(), 23, "{seen:?}");
}

fn known(aspect: Aspect, part: Option<&str>, was: Was) -> Known {
    Known { statement: 0, aspect, part: part.map(str::to_owned), was }
}

/// Statement, what was before it, and the beginning of its inverse.
#[test]
fn what_was_recorded_of_before_is_used() {
    let text = |text: &str| Was::Text(text.to_owned());
    let (a, object) = (Some("a"), Aspect::Object);
    let examples: Vec<(&str, Vec<Known>, &str)> = vec![
        ("ALTER TABLE t ALTER a SET DEFAULT 3", vec![known(Aspect::Default, a, text("2"))], "ALTER TABLE t ALTER COLUMN a SET DEFAULT 2"),
        ("ALTER TABLE t ALTER COLUMN A SET DEFAULT 3", vec![known(Aspect::Default, a, Was::Nothing)], "ALTER TABLE t ALTER COLUMN a DROP DEFAULT"),
        ("ALTER TABLE t ALTER \"a\" SET DEFAULT 3", vec![known(Aspect::Default, a, Was::Withheld)], "unknown: SET DEFAULT"),
        ("ALTER TABLE t ALTER b SET DEFAULT 3", vec![known(Aspect::Default, a, text("2"))], "unknown: SET DEFAULT"),
        ("ALTER TABLE t ALTER a DROP DEFAULT", vec![known(Aspect::Default, a, text("now()"))], "ALTER TABLE t ALTER COLUMN a SET DEFAULT now()"),
        (
            "ALTER TABLE t ALTER a TYPE bigint",
            vec![known(Aspect::Type, a, text("integer")), known(Aspect::Default, a, text("7"))],
            "ALTER TABLE t ALTER COLUMN a DROP DEFAULT, ALTER COLUMN a TYPE integer, ALTER COLUMN a SET DEFAULT 7",
        ),
        (
            "ALTER TABLE t ALTER a TYPE text",
            vec![known(Aspect::Type, a, text("numeric(10,2)")), known(Aspect::Default, a, Was::Nothing)],
            "ALTER TABLE t ALTER COLUMN a TYPE numeric(10,2) USING a::numeric(10,2)",
        ),
        (
            "ALTER TABLE t ALTER a TYPE int USING a::int",
            vec![known(Aspect::Type, a, text("character varying(20) COLLATE pg_catalog.\"C\""))],
            "ALTER TABLE t ALTER COLUMN a TYPE character varying(20) COLLATE pg_catalog.\"C\"",
        ),
        ("ALTER TABLE t ALTER a SET NOT NULL", vec![known(Aspect::NotNull, a, text("NOT NULL"))], "nothing"),
        ("ALTER TABLE t ALTER a DROP NOT NULL", vec![known(Aspect::NotNull, a, Was::Nothing)], "nothing"),
        (
            "ALTER TABLE t ADD PRIMARY KEY (a, b)",
            vec![known(Aspect::NotNull, a, Was::Nothing), known(Aspect::NotNull, Some("b"), text("NOT NULL"))],
            "ALTER TABLE t DROP CONSTRAINT t_pkey, ALTER COLUMN a DROP NOT NULL",
        ),
        ("ALTER TABLE t DROP CONSTRAINT a", vec![known(object, a, text("CHECK ((b > 0))"))], "ALTER TABLE t ADD CONSTRAINT a CHECK ((b > 0))"),
        ("ALTER TABLE t DROP CONSTRAINT a CASCADE", vec![known(object, a, text("UNIQUE (b)"))], "unknown: what CASCADE took along"),
        ("ALTER TABLE t DROP CONSTRAINT IF EXISTS a", vec![known(object, a, Was::Nothing)], "nothing"),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", vec![known(object, a, Was::Nothing)], "ALTER TABLE t DROP COLUMN a -- loses"),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", vec![known(object, a, Was::Withheld)], "nothing"),
        ("DROP INDEX s.a", vec![known(object, a, text("CREATE INDEX a ON s.t USING btree (b)"))], "CREATE INDEX a ON s.t USING btree (b)"),
        ("DROP INDEX s.a, b", vec![known(object, a, text("CREATE INDEX a ON s.t USING btree (b)"))], "unknown: the definition of b stands"),
        ("COMMENT ON COLUMN s.t.a IS 'x' -- IS so", vec![known(Aspect::Comment, a, text("'it''s'"))], "COMMENT ON COLUMN s.t.a IS 'it''s'"),
        ("COMMENT ON TABLE t IS NULL", vec![known(Aspect::Comment, None, text("'IS'"))], "COMMENT ON TABLE t IS 'IS'"),
        ("COMMENT ON SCHEMA s IS 'x'", vec![known(Aspect::Comment, None, Was::Nothing)], "COMMENT ON SCHEMA s IS NULL"),
        ("COMMENT ON SCHEMA s IS 'x'", vec![known(Aspect::Comment, None, Was::Withheld)], "unknown"),
        ("ALTER TABLE IF EXISTS t SET SCHEMA o", vec![known(Aspect::Schema, None, text("S"))], "ALTER TABLE o.t SET SCHEMA \"S\""),
        ("ALTER SEQUENCE t SET SCHEMA o", vec![known(Aspect::Schema, None, text("s"))], "ALTER SEQUENCE o.t SET SCHEMA s"),
        ("CREATE SCHEMA IF NOT EXISTS s", vec![known(object, None, Was::Nothing)], "DROP SCHEMA s"),
        ("CREATE SCHEMA IF NOT EXISTS s", vec![known(object, None, Was::Withheld)], "nothing"),
        ("CREATE TABLE IF NOT EXISTS t (a int)", vec![known(object, None, Was::Nothing)], "DROP TABLE t -- loses"),
        ("CREATE INDEX IF NOT EXISTS a ON s.t (b)", vec![known(object, a, Was::Nothing)], "DROP INDEX CONCURRENTLY s.a"),
        ("CREATE INDEX IF NOT EXISTS a ON s.t (b)", vec![known(object, a, Was::Withheld)], "nothing"),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", vec![known(object, None, Was::Nothing)], "DROP VIEW v"),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", vec![known(object, None, text("AS\n SELECT 1;"))], "CREATE OR REPLACE VIEW v AS\n SELECT 1"),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", vec![known(object, None, Was::Withheld)], "unknown: OR REPLACE: something was there"),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 2'",
            vec![known(object, None, text("CREATE OR REPLACE FUNCTION f() …\n"))],
            "CREATE OR REPLACE FUNCTION f() …",
        ),
    ];
    for (sql, before, expected) in examples {
        let script = parse::script(sql, 10_000).unwrap();
        let line = told(of(&script, &script.statements[0], &Former::of(0, &before)));
        assert!(line.starts_with(expected), "{sql}\n  is {line}\n  and not {expected}");
    }
}

#[test]
fn what_was_said_of_a_new_table_goes_with_it() {
    let sql = "CREATE TABLE IF NOT EXISTS t (a int); COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN t.a IS 'x'";
    let undone =
        |was| rollback(&[applied(1, sql, &[known(Aspect::Object, None, was)])]).into_iter().map(|undone| told(undone.inverse)).collect::<Vec<_>>();
    assert_eq!(undone(Was::Nothing)[..2], ["nothing", "nothing"]);
    assert!(undone(Was::Withheld)[..2].iter().all(|line| line.starts_with("unknown")));
}

fn applied<'a, I>(id: I, sql: &'a str, former: &'a [Known]) -> Applied<'a, I> {
    Applied { id, sql, former }
}

#[test]
fn what_was_recorded_without_its_values_has_its_way_back() {
    let recorded = crate::sql::redact::redact("ALTER TABLE t ADD c text DEFAULT 'x' CHECK (length(c) > 7)", crate::sql::redact::Literals::Redact);
    let undone = rollback(&[applied((), &recorded, &[])]);
    assert_eq!(undone[0].sql, "ALTER TABLE t ADD c text DEFAULT '***' CHECK (length(c) > ?)");
    assert!(matches!(&undone[0].inverse, Inverse::Sql { statements, .. } if statements == &["ALTER TABLE t DROP COLUMN c"]));
}

#[test]
fn a_migration_goes_back_from_its_end() {
    let all = [
        (1, "CREATE TABLE t (a int); CREATE INDEX ON t (a)"),
        (2, "INSERT INTO t VALUES (1)"),
        (3, "ALTER TABLE u ADD COLUMN b int"),
        (4, "INSERT INTO u VALUES (1)"),
        (5, "CREATE TABLE t2 (…"),
    ];
    let undone = rollback(&all.map(|(id, sql)| applied(id, sql, &[])));
    let lines: Vec<(i32, &str)> = undone.iter().map(|undone| (undone.id, undone.sql.as_str())).collect();
    let expected = [(5, all[4].1), (4, all[3].1), (3, all[2].1), (2, all[1].1), (1, "CREATE INDEX ON t (a)"), (1, "CREATE TABLE t (a int)")];
    assert_eq!(lines, expected);
    assert!(matches!(undone[0].inverse, Inverse::NotKnown { .. }) && matches!(undone[1].inverse, Inverse::NotKnown { .. }));
    assert_eq!(undone[3].inverse, Inverse::Nothing { why: "it goes with t, which the same migration made".into() });
    assert!(matches!(undone[4].inverse, Inverse::Nothing { .. }) && matches!(undone[5].inverse, Inverse::Sql { .. }));
}
