//! The questions to the catalog, answered by real servers: whatever the search path, the names and the role.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use pgairlock::catalog::facts::{ConstraintFacts, Lookup, RelationFacts, Scope};
use pgairlock::catalog::questions::Inquiry;
use pgairlock::sql::former::Was;
use pgairlock::sql::name::RelationName;
use support::asking::{NothingPrepared, facts, script};
use support::{clusters, connect_to};
use tokio_postgres::types::{ToSql, Type};

fn relation<'a>(scope: &'a Scope, schema: Option<&str>, name: &str) -> &'a RelationFacts {
    let name = RelationName { schema: schema.map(str::to_owned), name: name.to_owned() };
    match scope.relations.get(&name) {
        Some(Lookup::Found(facts)) => facts,
        other => panic!("{name}: {other:?}"),
    }
}

const SCHEMA: &str = r#"
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) COLLATE "C", age int CHECK (age IS NOT NULL), n int CONSTRAINT positive CHECK (n > 0));
CREATE INDEX by_expression ON users (lower(email));
INSERT INTO users SELECT g, 'x', 1, 1 FROM generate_series(1, 1000) AS g;
CREATE TABLE "Täb ""x""" (i int REFERENCES users);
CREATE TABLE part (k int) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_other PARTITION OF part DEFAULT;
INSERT INTO part SELECT g % 3 FROM generate_series(1, 1000) AS g;
CREATE INDEX ON part (k);
CREATE INDEX low ON part_1 ((k + 1));
ALTER TABLE part ADD CONSTRAINT all_of_it CHECK (k > -1);
ALTER TABLE part_1 ADD CONSTRAINT low_check CHECK (k = 1);
CREATE TABLE nothing (a int);
CREATE TABLE up (c int, d text, CONSTRAINT alone CHECK (c > 0) NO INHERIT);
CREATE UNIQUE INDEX key ON up (c) INCLUDE (d);
CREATE TABLE toasty (c text); ALTER TABLE toasty ALTER c SET STORAGE EXTERNAL;
INSERT INTO toasty SELECT repeat('x', 100000) FROM generate_series(1, 20);
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE DOMAIN short AS varchar(20);
CREATE DOMAIN word AS short CHECK (length(value) > 1);
CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE z (); RETURN 1; END $$;
CREATE FUNCTION outer_one() RETURNS int LANGUAGE sql AS $$ SELECT makes() $$;
CREATE SCHEMA other;
CREATE TABLE other.users (id int);
CREATE SCHEMA evil;
CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never);
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never);
CREATE TYPE evil.text AS (a int);
CREATE TYPE evil.json AS (a int);
CREATE TABLE evil.pg_class (relname name, oid oid);
CREATE ROLE reader_of_nothing LOGIN PASSWORD 'x';
"#;

#[tokio::test]
async fn a_hostile_search_path_changes_no_answer() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_1")).await.unwrap();
        let former = r#"ALTER TABLE users ALTER n SET DEFAULT 1, ALTER email TYPE varchar(60), DROP CONSTRAINT positive; COMMENT ON TABLE users IS 'x';
            CREATE OR REPLACE FUNCTION public.outer_one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA IF NOT EXISTS other"#;
        let sql = &format!(
            "{former}; {}",
            r#"ALTER TABLE users ADD COLUMN c word; ALTER TABLE public."Täb ""x""" ADD COLUMN c int DEFAULT outer_one(); DROP TABLE part, missing, nothing, users; DROP INDEX users_pkey"#
        );
        let plain = facts(&session, sql).await;
        let known: Vec<(&str, &Was)> = plain.former.iter().map(|formerly| (formerly.wanted.aspect.word(), &formerly.was)).collect();
        let text = |text: &str| Was::Text(text.into());
        let expected = [
            ("default", Was::Nothing),
            ("type", text("character varying(50) COLLATE pg_catalog.\"C\"")),
            ("default", Was::Nothing),
            ("object", text("CHECK ((n > 0))")),
            ("comment", Was::Nothing),
            (
                "object",
                text("CREATE OR REPLACE FUNCTION public.outer_one()\n RETURNS integer\n LANGUAGE sql\nAS $function$ SELECT makes() $function$\n"),
            ),
            ("object", Was::Withheld),
            ("object", text("CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)")),
        ];
        assert_eq!(known, expected.each_ref().map(|(aspect, was)| (*aspect, was)));
        session.batch_execute("SET search_path = evil, public, pg_catalog").await.unwrap();
        let mut hostile = facts(&session, sql).await;
        assert_eq!(hostile.scopes[0].creation_schema.as_deref(), Some("evil"));
        hostile.scopes[0].creation_schema.clone_from(&plain.scopes[0].creation_schema);
        // Others go on meanwhile.
        hostile.next_xid.clone_from(&plain.next_xid);
        assert_eq!(plain, hostile, "{}", cluster.version);
    }
}

#[tokio::test]
async fn relations_are_told_as_they_are() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_2")).await.unwrap();
        let facts = facts(&session, r#"DROP TABLE users, public."Täb ""x""", part, missing, nothing, up, toasty; DROP INDEX users_pkey; ALTER TABLE users ADD CONSTRAINT positive CHECK (true)"#).await;
        let scope = &facts.scopes[0];
        let users = relation(scope, None, "users");
        assert_eq!((users.schema.as_str(), users.kind, users.persistence), ("public", 'r', 'p'));
        assert!(users.bytes.unwrap() > 0);
        assert_eq!(users.referenced_by, [r#"public.Täb "x""#]);
        let email = users.column("email").unwrap();
        assert_eq!((email.type_oid, email.type_modifier, email.default_collation, email.not_null), (1043, 54, false, false));
        assert!(users.column("id").unwrap().not_null);
        let proving: Vec<&str> =
            users.constraints.iter().filter(|constraint| constraint.proves_not_null).map(|constraint| constraint.name.as_str()).collect();
        assert_eq!(proving, ["users_age_check"]);
        let index = users.indexes.iter().find(|index| index.name == "by_expression").unwrap();
        assert_eq!((index.plain, index.columns.as_slice()), (false, ["email".to_owned()].as_slice()));
        for name in ["users_pkey", "positive"] {
            assert!(users.taken.relations.iter().chain(&users.taken.constraints).any(|taken| taken == name), "{name}: {:?}", users.taken);
        }
        let strange = relation(scope, Some("public"), r#"Täb "x""#);
        assert_eq!(strange.constraints.iter().find(|constraint| constraint.kind == 'f').unwrap().references.as_deref(), Some("public.users"));
        let dropped = users.drop.as_ref().unwrap();
        assert_eq!((dropped.forbidden, dropped.used, &*dropped.parts), (false, false, &["by_expression".to_owned(), "users_pkey".into()][..]));
        let [key] = &*dropped.keys else { panic!("{dropped:?}") };
        assert_eq!((key.table_name(), key.joined_name()), (strange.qualified(), users.qualified()));
        assert_eq!(key.definition.as_deref(), Some("FOREIGN KEY (i) REFERENCES public.users(id)"));
        assert!(key.validated && key.permitted && !key.partitioned && key.bytes == Some(0) && key.comes_to(users.oid));
        let part = relation(scope, None, "part");
        assert!(part.kind == 'p' && part.has_children && part.has_default_partition && part.bytes.unwrap() > 8192);
        let names = |constraints: &[ConstraintFacts]| constraints.iter().map(|check| check.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&part.child_checks), ["low_check"], "what is inherited is told of the parent");
        assert_eq!((&*part.child_checks[0].columns, part.child_checks[0].validated), (&["k".to_owned()][..], true));
        let own: Vec<_> = part.child_indexes.iter().map(|index| (&*index.name, index.plain, &*index.columns)).collect();
        assert_eq!(own, [("low", false, &["k".to_owned()][..])]);
        assert!(users.child_indexes.is_empty() && users.child_checks.is_empty());
        let up = relation(scope, None, "up");
        assert_eq!((&*up.indexes[0].key, up.indexes[0].columns.len()), (&["c".to_owned()][..], 2));
        assert!(
            up.constraints.iter().all(|constraint| constraint.no_inherit)
                && !users.constraints.iter().any(|check| check.kind == 'c' && check.no_inherit)
        );
        assert!(relation(scope, None, "toasty").bytes.unwrap() > 1_000_000, "with what is out of line");
        let counted = |name: &str| relation(scope, None, name).volume.unwrap();
        assert_eq!((counted("users").rows, counted("users").uncounted), (0, counted("users").heap), "never analyzed");
        assert!(counted("toasty").heap < 100_000 && counted("part").heap == part.bytes.unwrap());
        assert_eq!((users.column("id").unwrap().length, email.length), (8, -1));
        assert!(users.indexes.iter().all(|index| index.method == "btree"));
        assert_eq!(relation(scope, None, "nothing").bytes, Some(0));
        let key = relation(scope, None, "users_pkey");
        assert_eq!(key.bytes, users.bytes);
        assert_eq!(key.index.as_ref().unwrap().constraint.as_deref(), Some("users_pkey"));
        assert_eq!(scope.relations[&RelationName::unqualified("missing")], Lookup::Missing);
    }
}

#[tokio::test]
async fn types_functions_and_words_are_told_as_they_are() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_3")).await.unwrap();
        let facts = facts(
            &session,
            "ALTER TABLE users ADD COLUMN c word DEFAULT now(); SELECT outer_one(), no_such(), total(n) FROM users; DO $$ BEGIN PERFORM Outer_One(); END $$",
        )
        .await;
        let scope = &facts.scopes[0];
        let (_, word) = scope.types.iter().next().unwrap();
        let word = word.found().unwrap();
        assert_eq!((word.constrained_domain, word.base_oid, word.base_modifier), (true, 1043, 24));
        assert!(word.binary_from.contains(&25));
        let functions = |name: &str| scope.functions.iter().find(|(call, _)| call.name == name).unwrap().1.found().unwrap();
        assert_eq!((functions("now")[0].builtin, functions("now")[0].volatility), (true, 's'));
        assert!(functions("no_such").is_empty());
        let total = &functions("total")[0].sources;
        assert_eq!(total.iter().map(|source| (&*source.language, &*source.source)).collect::<Vec<_>>(), [("sql", "")]);
        let sources: Vec<&str> = functions("outer_one")[0].sources.iter().map(|source| source.language.as_str()).collect();
        assert_eq!(sources, ["sql", "plpgsql"], "its own and that of what it calls");
        assert!(scope.mentions_known && scope.mentioned.contains_key("outer_one"));
    }
}

#[tokio::test]
async fn a_path_set_by_the_string_is_followed() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_4")).await.unwrap();
        let facts =
            facts(&session, "DROP TABLE users; SET search_path = nowhere, other, public; DROP TABLE users, part; CREATE TABLE n (a word)").await;
        assert_eq!(relation(&facts.scopes[0], None, "users").schema, "public");
        assert_eq!(relation(&facts.scopes[1], None, "users").schema, "other");
        assert_eq!(relation(&facts.scopes[1], None, "part").schema, "public");
        assert_eq!(facts.scopes[1].creation_schema.as_deref(), Some("other"));
    }
}

#[tokio::test]
async fn a_role_without_privileges_gets_its_answer() {
    for cluster in clusters() {
        let database = cluster.database().await;
        let owner = cluster.connect(&database).await;
        owner.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_5")).await.unwrap();
        owner.batch_execute("REVOKE ALL ON SCHEMA other, public FROM public").await.unwrap();
        let parameters = format!("user=reader_of_nothing_5 password=x dbname={database}");
        let session = connect_to(cluster.port, &parameters).await.unwrap();
        let facts =
            facts(&session, "DROP TABLE public.users, users; ALTER TABLE other.users ADD COLUMN c public.word DEFAULT public.outer_one()").await;
        assert!(relation(&facts.scopes[0], Some("public"), "users").bytes.unwrap() > 0);
        assert_eq!(relation(&facts.scopes[0], Some("other"), "users").columns.len(), 1);
    }
}

#[tokio::test]
async fn the_catalog_question_waits_for_no_lock() {
    for cluster in clusters() {
        let database = cluster.database().await;
        let owner = cluster.connect(&database).await;
        owner.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_6")).await.unwrap();
        owner.batch_execute("BEGIN; LOCK TABLE users, part IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let session = cluster.connect(&database).await;
        session.batch_execute("SET lock_timeout = 1").await.unwrap();
        let question = Inquiry::of(&script("ALTER TABLE users ADD CHECK (n > 1); DROP TABLE part; DROP INDEX users_pkey"), &NothingPrepared)
            .questions()
            .remove(0);
        let statement = session.prepare_typed(question.sql, &vec![Type::TEXT; question.parameters.len()]).await.unwrap();
        let parameters: Vec<&(dyn ToSql + Sync)> = question.parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        session.query_one(&statement, &parameters).await.unwrap();
    }
}

#[tokio::test]
async fn functions_that_hide_behind_other_names_are_told() {
    use pgairlock::catalog::questions::{Answer, Rows};
    use pgairlock::catalog::shadows::Shadows;
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session
            .batch_execute(
                "CREATE TABLE small (id int);
                 CREATE FUNCTION abs(boolean) RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE FUNCTION pg_advisory_lock(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE FUNCTION dng(small, int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE SCHEMA evil; CREATE TYPE evil.text AS (a int); CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
                 CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never);
                 SET search_path = evil, public, pg_catalog;",
            )
            .await
            .unwrap();
        let question = Shadows::question();
        let statement = session.prepare_typed(question.sql, &[Type::TEXT]).await.unwrap();
        let answer = Answer::Text(session.query_one(&statement, &[&question.parameters[0]]).await.unwrap().get(0));
        let mut shadows = Shadows::default();
        assert!(shadows.learn(&answer));
        let asks = |sql: &str| !Inquiry::with(&script(sql), &NothingPrepared, &shadows, Rows::Whole).is_empty();
        for sql in ["SELECT abs(true)", "SELECT pg_advisory_lock('x')", "SELECT small.dng FROM small", "SELECT (small).dng FROM small"] {
            assert!(asks(sql), "{sql} on {}", cluster.version);
        }
        for sql in ["SELECT lower('A'), now()", "SELECT small.id FROM small", "SELECT dng FROM small", "SELECT small.plain FROM small"] {
            assert!(!asks(sql), "{sql} on {}", cluster.version);
        }
    }
}

#[tokio::test]
async fn rows_are_counted_as_the_statistics_say() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(&SCHEMA.replace("reader_of_nothing", "reader_of_nothing_8")).await.unwrap();
        let more = "ANALYZE users; INSERT INTO users SELECT g, 'x', 1, 1 FROM generate_series(1001, 2000) AS g;
            CREATE TABLE tree (k int) PARTITION BY LIST (k); CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1);
            CREATE TABLE tree_2 PARTITION OF tree FOR VALUES IN (2) WITH (autovacuum_enabled = false);
            INSERT INTO tree SELECT 1 + g % 2 FROM generate_series(1, 1000) AS g; ANALYZE tree_1";
        session.batch_execute(more).await.unwrap();
        let asked = facts(&session, "DROP TABLE users, part, tree; DROP INDEX users_pkey").await;
        let volume = |name: &str| relation(&asked.scopes[0], None, name).volume.unwrap();
        let users = volume("users");
        assert!((1_700..2_400).contains(&users.rows) && users.uncounted == 0, "grown since it was analyzed: {users:?}");
        assert_eq!(volume("users_pkey"), users, "an index has the rows of its table");
        let part = volume("part");
        assert_eq!((part.rows, part.uncounted), (1_000, 0), "a build of an index counts them, too");
        let tree = volume("tree");
        assert_eq!((tree.rows, tree.uncounted), (500, tree.heap / 2), "half of it was analyzed");
    }
}
