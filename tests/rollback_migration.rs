//! The way back from migrations that ran through a real `serve`: what `pgairlock audit rollback-sql` prints is fed to psql, and the catalog is what it was
//! before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, Session, catalog, clusters};

const BEFORE: &str = r#"
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    CREATE TABLE small (id int PRIMARY KEY, a int DEFAULT 7, b text DEFAULT 'it''s' NOT NULL, c varchar(20) COLLATE "C", d numeric(10,2), e timestamptz,
        "F g" int CONSTRAINT named CHECK ("F g" > 0), h int NOT NULL DEFAULT 1);
    CREATE TABLE other (id int REFERENCES small, n int, m int NOT NULL);
    CREATE INDEX by_n ON other (n) WHERE n > 3;
    CREATE SCHEMA "S 1"; CREATE SCHEMA there; CREATE TABLE there.small (x int);
    CREATE VIEW v AS SELECT id, length(b) AS a FROM big;
    CREATE FUNCTION f(x int, y text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE SEQUENCE s START 5;
    COMMENT ON TABLE small IS 'a "small" one'; COMMENT ON COLUMN small."F g" IS E'back\\slash';
    -- Without any GRANT the default privileges are not written down, and behind one they are.
    GRANT SELECT ON big TO clear;
"#;

/// Each is a migration of its own. Whatever stands in them leaves no more than the catalog shows.
const MIGRATIONS: &[&[&str]] = &[
    // Made, some of it only after the COMMIT.
    &["ALTER TABLE big ADD COLUMN c int", "CREATE INDEX by_b ON big (b)", "ALTER TABLE big ADD CONSTRAINT positive CHECK (a > 0)"],
    &["ALTER TABLE other ADD CONSTRAINT to_big FOREIGN KEY (n) REFERENCES big (id)", "ALTER TABLE big ALTER COLUMN a SET NOT NULL"],
    &[
        "CREATE TABLE made (id serial PRIMARY KEY, a int)",
        "CREATE INDEX ON made (a)",
        "COMMENT ON TABLE made IS 'x'",
        "INSERT INTO made (a) VALUES (1)",
    ],
    &["ALTER TABLE small RENAME COLUMN h TO i", "ALTER TABLE other RENAME TO others"],
    // Written over.
    &["ALTER TABLE small ALTER a SET DEFAULT 8, ALTER COLUMN \"F g\" SET DEFAULT 9, ALTER b DROP DEFAULT"],
    &["ALTER TABLE small ALTER a SET DEFAULT 8", "ALTER TABLE small ALTER a SET DEFAULT 9"],
    &["ALTER TABLE small ALTER a TYPE bigint, ALTER c TYPE text, ALTER d TYPE numeric(12,4), ALTER e TYPE timestamp"],
    &["ALTER TABLE small ALTER h TYPE text", "ALTER TABLE small ALTER \"F g\" TYPE bigint"],
    &["ALTER TABLE small ALTER b DROP NOT NULL, ALTER a SET NOT NULL, ALTER h SET NOT NULL"],
    &["ALTER TABLE other ADD PRIMARY KEY (n, m)"],
    &["COMMENT ON TABLE small IS 'another'", "COMMENT ON COLUMN public.small.\"F g\" IS NULL", "COMMENT ON COLUMN small.a IS 'new' /* so */"],
    &["COMMENT ON CONSTRAINT named ON small IS 'x'", "COMMENT ON SCHEMA \"S 1\" IS 'x'", "COMMENT ON INDEX by_n IS 'x'", "COMMENT ON VIEW v IS 'x'"],
    &["CREATE OR REPLACE VIEW v AS SELECT id, a + 1 AS a FROM big"],
    &["CREATE OR REPLACE VIEW v WITH (security_barrier) AS SELECT id, a FROM big WHERE a > 1"],
    &["CREATE OR REPLACE FUNCTION f(x int, y text[]) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$"],
    &["ALTER TABLE small SET SCHEMA \"S 1\""],
    // Taken away.
    &["DROP INDEX by_n"],
    &["ALTER TABLE small DROP CONSTRAINT named"],
    &["ALTER TABLE other DROP CONSTRAINT other_id_fkey"],
    // There before, or not.
    &["CREATE TABLE IF NOT EXISTS there.small (x int)", "CREATE TABLE IF NOT EXISTS fresh (x int)", "CREATE INDEX ON fresh (x)"],
    &["CREATE INDEX IF NOT EXISTS by_n ON other (n)", "CREATE INDEX IF NOT EXISTS by_m ON other (m)"],
    &["ALTER TABLE small ADD COLUMN IF NOT EXISTS a int, ADD COLUMN IF NOT EXISTS z int"],
    &["CREATE SCHEMA IF NOT EXISTS there", "CREATE SCHEMA IF NOT EXISTS fresh", "CREATE TABLE IF NOT EXISTS there.other (x int)"],
    &[
        "CREATE SEQUENCE IF NOT EXISTS s",
        "CREATE SEQUENCE IF NOT EXISTS s2",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "CREATE EXTENSION IF NOT EXISTS plpgsql",
    ],
    &["CREATE OR REPLACE VIEW w AS SELECT 1 AS one", "CREATE OR REPLACE FUNCTION f(x bigint) RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    &["CREATE OR REPLACE FUNCTION f(x int, y text) RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1'"],
    &["DROP INDEX IF EXISTS not_there", "ALTER TABLE small DROP CONSTRAINT IF EXISTS not_there, ADD COLUMN z int"],
];

/// How the statements of a migration are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One by one in a transaction with the version.
    Together,
    /// One by one, each by itself.
    Apart,
    /// As one string, with the version behind it.
    InOneString,
}

struct Scene {
    cluster: &'static Cluster,
    proxy: Proxy,
    database: String,
    /// Past the proxy.
    direct: Session,
    version: usize,
}

impl Scene {
    async fn start(cluster: &'static Cluster, more: &str) -> Self {
        let proxy = Proxy::in_front_of(cluster, "enforce", &format!("[rules]\nrename-column = \"off\"\nrename-table = \"off\"\n{more}"));
        let (database, direct) = set_up(cluster, &format!("{BIG}{BEFORE}")).await;
        Self { cluster, proxy, database, direct, version: 0 }
    }

    /// Runs a migration as a tool does; its version.
    async fn migrate(&mut self, statements: &[&str], way: Way) -> Result<String, String> {
        let (before, version) = (format!("v{}", self.version), format!("v{}", self.version + 1));
        let write = if self.version == 0 {
            format!("INSERT INTO alembic_version (version_num) VALUES ('{version}')")
        } else {
            format!("UPDATE alembic_version SET version_num='{version}' WHERE alembic_version.version_num = '{before}'")
        };
        self.version += 1;
        let session = self.proxy.connect(&self.database).await;
        let all: Vec<String> = match way {
            Way::Together => ["BEGIN"].iter().chain(statements).copied().chain([&*write, "COMMIT"]).map(str::to_owned).collect(),
            Way::Apart => statements.iter().copied().chain([&*write]).map(str::to_owned).collect(),
            Way::InOneString => vec![statements.join(";\n"), write],
        };
        for sql in &all {
            session.batch_execute(sql).await.map_err(|error| format!("{sql}: {error:?}"))?;
        }
        Ok(version)
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.env_clear().arg("audit").args(arguments).arg("--store").arg(&self.proxy.store).output().unwrap()
    }

    /// The script, once the log has the migration and all outcomes.
    async fn script(&self, version: &str) -> (String, Option<i32>) {
        support::until("the migration is in the log", async || {
            let listed = self.audit(&["list", "--migration", version, "--format", "json"]);
            let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
            let records = listed["records"].as_array().unwrap();
            !records.is_empty() && records.iter().all(|record| record["state"] != "running" && record["state"] != "uncommitted")
        })
        .await;
        let output = self.audit(&["rollback-sql", version]);
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }

    fn feed(&self, script: &str) -> Result<(), String> {
        let mut psql = support::psql().expect("psql");
        let port = self.cluster.port.to_string();
        psql.args(["-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", &self.database]);
        let mut child = psql.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    async fn there_and_back(&mut self, statements: &[&str], way: Way) -> Result<(), String> {
        let before = catalog(&self.direct).await;
        let version = self.migrate(statements, way).await?;
        if catalog(&self.direct).await == before {
            return Err("it changes nothing, so its way back proves nothing".into());
        }
        let (script, code) = self.script(&version).await;
        if code != Some(0) {
            return Err(format!("not everything has a way back: {code:?}\n{script}"));
        }
        self.feed(&script).map_err(|error| format!("{error}\n{script}"))?;
        let after = catalog(&self.direct).await;
        if after == before { Ok(()) } else { Err(format!("{}\n{script}", difference(&before, &after))) }
    }
}

fn difference(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| {
        one.lines().filter(|line| !other.lines().any(|there| there == *line)).map(|line| format!("  {sign} {line}\n")).collect::<String>()
    };
    format!("\n{}{}", only(before, after, "-"), only(after, before, "+"))
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_way_back_the_catalog_is_what_it_was() {
    if support::psql().is_none() {
        return;
    }
    for cluster in clusters() {
        let mut scene = Scene::start(cluster, "").await;
        let mut wrong = Vec::new();
        for statements in MIGRATIONS {
            for way in [Way::Together, Way::Apart] {
                if let Err(why) = scene.there_and_back(statements, way).await {
                    wrong.push(format!("{}: {statements:?} {way:?}: {why}", cluster.version));
                    // The next one is to find what it expects.
                    scene = Scene::start(cluster, "").await;
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// What is asked before a string holds for its later statements too, or is not used.
#[tokio::test(flavor = "multi_thread")]
async fn a_string_of_several_has_its_way_back() {
    if support::psql().is_none() {
        return;
    }
    for cluster in clusters() {
        let mut scene = Scene::start(cluster, "").await;
        for statements in [
            &["ALTER TABLE small ALTER a SET DEFAULT 8", "ALTER TABLE small ALTER a SET DEFAULT 9", "COMMENT ON TABLE small IS 'x'"][..],
            &["CREATE TABLE IF NOT EXISTS fresh (x int)", "COMMENT ON TABLE fresh IS 'x'", "CREATE INDEX IF NOT EXISTS fresh_x ON fresh (x)"],
            &["ALTER TABLE small ALTER a TYPE bigint", "ALTER TABLE small ADD COLUMN IF NOT EXISTS z int", "CREATE SEQUENCE IF NOT EXISTS s2"],
        ] {
            scene.there_and_back(statements, Way::InOneString).await.unwrap_or_else(|why| panic!("{statements:?}: {why}"));
        }
        let renamed = ["ALTER TABLE small RENAME a TO aa", "ALTER TABLE small RENAME h TO a", "ALTER TABLE small ALTER a SET DEFAULT 5"];
        let version = scene.migrate(&renamed, Way::InOneString).await.unwrap();
        let (script, code) = scene.script(&version).await;
        assert!(code == Some(1) && script.contains("NOT KNOWN: SET DEFAULT"), "that of another column is none: {script}");
    }
}

/// What is not to be written down is not put back, and is said not to be known.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_not_written_down_are_not_known() {
    for cluster in clusters() {
        let mut scene = Scene::start(cluster, "[store]\nliterals = \"redact\"\n").await;
        let long = "x".repeat(5_000);
        scene.direct.batch_execute(&format!("COMMENT ON TABLE other IS '{long}'; ALTER TABLE small ALTER b SET DEFAULT 'hunter2'")).await.unwrap();
        for (statement, said) in [
            ("ALTER TABLE small ALTER b SET DEFAULT 'y'", "NOT KNOWN: SET DEFAULT"),
            ("COMMENT ON TABLE small IS 'y'", "NOT KNOWN: what was before is not recorded"),
            ("COMMENT ON TABLE other IS 'y'", "NOT KNOWN: what was before is not recorded"),
        ] {
            let version = scene.migrate(&[statement], Way::Together).await.unwrap();
            let (script, code) = scene.script(&version).await;
            assert!(code == Some(1) && script.contains(said), "{script}");
        }
        // What has no value in it has its way back.
        let version = scene.migrate(&["ALTER TABLE other ALTER n SET DEFAULT 3, ALTER m TYPE bigint"], Way::Together).await.unwrap();
        let (script, code) = scene.script(&version).await;
        assert!(code == Some(0) && script.contains("ALTER COLUMN m TYPE integer, ALTER COLUMN n DROP DEFAULT"), "{script}");
        let kept = scene.audit(&["export"]);
        assert!(!String::from_utf8_lossy(&kept.stdout).contains("hunter2"));
    }
}

/// Whoever holds a table keeps no question waiting that is asked for the way back alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_question_waits_for_nobody() {
    for cluster in clusters() {
        let mut scene = Scene::start(cluster, "").await;
        let holder = cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN; LOCK TABLE other, big IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let statements =
            ["CREATE OR REPLACE VIEW v AS SELECT 1 AS id, 2 AS a", "CREATE SCHEMA IF NOT EXISTS fresh", "COMMENT ON SCHEMA there IS 'x'"];
        let version = scene.migrate(&statements, Way::Together).await.unwrap();
        holder.batch_execute("ROLLBACK").await.unwrap();
        let (script, code) = scene.script(&version).await;
        let lines = ["OR REPLACE: something was there before", "DROP SCHEMA fresh", "COMMENT ON SCHEMA there IS NULL"];
        assert!(code == Some(1) && lines.iter().all(|line| script.contains(line)), "{script}");
    }
}

/// A version that several have is the version of one; what was taken back is not taken back again.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_said_whose_migration_is_meant() {
    for cluster in clusters() {
        let mut scene = Scene::start(cluster, "").await;
        let up = scene.migrate(&["ALTER TABLE small ADD COLUMN z int"], Way::Together).await.unwrap();
        scene.script(&up).await;
        let (second, _) = set_up(cluster, &format!("{BIG}{BEFORE}")).await;
        let first = std::mem::replace(&mut scene.database, second.clone());
        scene.version = 0;
        scene.migrate(&["ALTER TABLE small ADD COLUMN y int"], Way::Together).await.unwrap();
        support::until("both are in the log", async || scene.audit(&["rollback-sql", &up]).status.code() == Some(2)).await;
        let said = scene.audit(&["rollback-sql", &up]);
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("more than one database") && said.contains(&format!("{first}, {second}")) && said.contains("--database"), "{said}");
        let of_first = scene.audit(&["rollback-sql", &up, "--database", &first]);
        let of_first = String::from_utf8(of_first.stdout).unwrap();
        assert!(of_first.contains("DROP COLUMN z") && !of_first.contains("DROP COLUMN y"), "{of_first}");

        let session = scene.proxy.connect(&first).await;
        let back = format!("DELETE FROM alembic_version WHERE alembic_version.version_num = '{up}'");
        for sql in ["BEGIN", "CREATE TABLE left_behind (a int)", &*back, "COMMIT"] {
            session.batch_execute(sql).await.unwrap();
        }
        support::until("it is taken back", async || {
            let said = scene.audit(&["rollback-sql", &up, "--database", &first]);
            String::from_utf8(said.stdout).unwrap().contains("Nothing that took effect, and was not taken back since")
        })
        .await;
    }
}
