//! The way back of each statement, on real servers: behind it the catalog is what it was before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use pgairlock::sql::inverse::{Applied, Inverse, rollback};
use support::scene::set_up;
use support::{Session, catalog, clusters};

const BEFORE: &str = r#"
    CREATE SCHEMA "S 1"; CREATE SCHEMA other;
    CREATE TABLE t (id int PRIMARY KEY, a int, b text DEFAULT 'x', c int NOT NULL DEFAULT 1, q int);
    CREATE TABLE "S 1"."T" (id int PRIMARY KEY, "A" int REFERENCES t);
    CREATE TABLE e (a int, b text); CREATE TABLE one (id int); CREATE TABLE child (id int);
    CREATE TABLE parent (id int) PARTITION BY LIST (id);
    CREATE TABLE p1 PARTITION OF parent FOR VALUES IN (1);
    CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT id, a FROM t; CREATE SEQUENCE s;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS x;
    CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (x int, y int);
    CREATE DOMAIN d AS int; CREATE DOMAIN filled AS int NOT NULL;
    CREATE FUNCTION g(x int, y text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE t ADD CONSTRAINT positive CHECK (q > 0);
    -- Without any GRANT the default privileges are not written down, and behind one they are: the same, in other letters.
    GRANT SELECT ON t TO clear;
    INSERT INTO t (id, a, q) SELECT n, n, n FROM generate_series(1, 10) n;
"#;

/// Each is taken back by itself.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE n (id bigserial PRIMARY KEY, a int REFERENCES t, CHECK (a > 0))",
    "CREATE TABLE \"S 1\".\"N\" (LIKE t INCLUDING ALL)",
    "CREATE TABLE n AS SELECT * FROM t",
    "CREATE TABLE p2 PARTITION OF parent FOR VALUES IN (2)",
    "CREATE MATERIALIZED VIEW n AS SELECT * FROM t",
    "CREATE INDEX ON t (b)",
    "CREATE INDEX ON \"S 1\".\"T\" (\"A\")",
    "CREATE UNIQUE INDEX CONCURRENTLY \"I\" ON t (lower(b), a) WHERE a > 100",
    "CREATE INDEX ON t ((a + 1), upper(b))",
    "ALTER TABLE t ADD COLUMN n int NOT NULL DEFAULT 7",
    "ALTER TABLE t ADD n serial, ADD \"N\" text UNIQUE, ADD CONSTRAINT k CHECK (\"N\" <> '')",
    "ALTER TABLE e ADD n int GENERATED ALWAYS AS IDENTITY, ALTER a SET NOT NULL",
    "ALTER TABLE t ADD CHECK (a > 0), ADD CHECK (a < 100), ADD CHECK (a < c * 100)",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t NOT VALID",
    "ALTER TABLE \"S 1\".\"T\" ADD FOREIGN KEY (id) REFERENCES t",
    "ALTER TABLE t ADD CONSTRAINT unique_a UNIQUE (a)",
    "ALTER TABLE t ADD UNIQUE (a, id)",
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE t ALTER c DROP NOT NULL",
    "ALTER TABLE e ALTER a SET NOT NULL, ALTER a ADD GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE parent ATTACH PARTITION one FOR VALUES IN (3)",
    "ALTER TABLE child INHERIT one",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "ALTER TABLE t DISABLE TRIGGER touched",
    "ALTER TABLE e SET UNLOGGED",
    "ALTER TABLE \"S 1\".\"T\" RENAME TO \"U\"",
    "ALTER TABLE \"S 1\".\"T\" RENAME \"A\" TO b",
    "ALTER TABLE t RENAME CONSTRAINT positive TO \"Positive\"",
    "ALTER INDEX i RENAME TO j",
    "ALTER VIEW v RENAME TO w",
    "ALTER VIEW v RENAME a TO aa",
    "ALTER MATERIALIZED VIEW m RENAME TO mm",
    "ALTER SEQUENCE s RENAME TO \"order\"",
    "ALTER SCHEMA \"S 1\" RENAME TO s2",
    "ALTER TYPE mood RENAME TO moods",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'it''s sad'",
    "ALTER TYPE pair RENAME ATTRIBUTE x TO z",
    "ALTER FUNCTION g(int, text[]) RENAME TO h",
    "ALTER FUNCTION public.g(int, text[]) SET SCHEMA other",
    "ALTER TRIGGER touched ON t RENAME TO t2",
    "ALTER TABLE public.t SET SCHEMA other",
    "ALTER TYPE public.mood SET SCHEMA other",
    "ALTER DOMAIN d ADD CHECK (VALUE > 0)",
    "ALTER DOMAIN d SET NOT NULL",
    "ALTER DOMAIN filled DROP NOT NULL",
    "CREATE VIEW other.n AS SELECT * FROM t",
    "CREATE FUNCTION n(a int, OUT b text, VARIADIC c numeric(3,1)[]) LANGUAGE sql AS 'SELECT ''x'''",
    "CREATE PROCEDURE n(a varchar(10), INOUT b timestamptz) LANGUAGE sql AS 'SELECT now()'",
    "CREATE SEQUENCE n",
    "CREATE TYPE n AS ENUM ('a')",
    "CREATE TYPE n AS (a int)",
    "CREATE TYPE n AS RANGE (subtype = int)",
    "CREATE DOMAIN n AS text CHECK (VALUE <> '')",
    "CREATE SCHEMA n",
    "CREATE EXTENSION pg_trgm",
    "CREATE TRIGGER n AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch()",
    "CREATE POLICY n ON t USING (a > 0)",
    "CREATE RULE n AS ON DELETE TO e DO ALSO NOTHING",
    "CREATE STATISTICS n ON a, c FROM t",
    "CREATE PUBLICATION n FOR TABLE t",
    "CREATE CAST (mood AS int) WITH INOUT",
    "CREATE COLLATION n FROM \"C\"",
    "GRANT SELECT, UPDATE (a) ON t TO trusted WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO trusted",
    "CREATE TABLE n (a int); CREATE INDEX ON n (a); INSERT INTO n VALUES (1); ALTER TABLE t ADD n int; ALTER TABLE t RENAME n TO n2",
];

async fn run(session: &Session, statements: &[String]) -> Result<(), String> {
    for statement in statements {
        session
            .batch_execute(statement)
            .await
            .map_err(|error| format!("{statement}: {}", error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())))?;
    }
    Ok(())
}

/// What is to be run, or what stands in its way.
fn back(sql: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for undone in rollback(&[Applied { id: (), sql, former: &[] }]) {
        match undone.inverse {
            Inverse::Sql { statements, .. } => all.extend(statements),
            Inverse::Nothing { .. } => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(all)
}

async fn there_and_back(session: &Session, sql: &str) -> Result<(), String> {
    let before = catalog(session).await;
    run(session, &[sql.to_owned()]).await?;
    if catalog(session).await == before {
        return Err("it changes nothing, so its way back proves nothing".into());
    }
    run(session, &back(sql)?).await?;
    let after = catalog(session).await;
    if after == before { Ok(()) } else { Err(difference(&before, &after)) }
}

fn difference(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| {
        one.lines().filter(|line| !other.lines().any(|there| there == *line)).map(|line| format!("  {sign} {line}\n")).collect::<String>()
    };
    format!("\n{}{}", only(before, after, "-"), only(after, before, "+"))
}

#[tokio::test]
async fn behind_the_way_back_the_catalog_is_what_it_was() {
    for cluster in clusters() {
        let (_, mut session) = set_up(cluster, BEFORE).await;
        let mut wrong = Vec::new();
        for sql in STATEMENTS {
            if let Err(why) = there_and_back(&session, sql).await {
                wrong.push(format!("{}: {sql}: {why}", cluster.version));
                // The next one is to find what it expects.
                (_, session) = set_up(cluster, BEFORE).await;
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
