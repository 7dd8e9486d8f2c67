use super::guess::Guess;
use super::recognise::{self, Row, may_be_version, recognise};
use super::{Given, Kind, Tool, VersionWrite};
use crate::sql::parse::script;
use crate::sql::statement::{Parsed, Statement};

fn parsed(text: &str) -> Parsed {
    script(text, 1 << 20).unwrap_or_else(|error| panic!("{text}: {error}")).statements.remove(0)
}

fn of(text: &str, given: &[Given], guess: Option<Guess>) -> Option<VersionWrite> {
    let Statement::Query(query) = parsed(text).statement else { panic!("{text}") };
    let write = query.write.unwrap_or_else(|| panic!("{text} is no small write"));
    let found = recognise(&Row { write: &write, given, text, guess });
    assert!(found.is_none() || may_be_version(&write), "{text}: its parameters would not have been kept");
    found
}

fn text(values: &[&str]) -> Vec<Given> {
    values.iter().map(|value| Given::Text((*value).to_owned())).collect()
}

/// `tool version name kind`.
fn told(write: Option<VersionWrite>) -> String {
    let Some(write) = write else { return "nothing".to_owned() };
    let kind = match write.kind {
        Kind::Set { from } => format!("set from {from}"),
        other => format!("{other:?}").to_lowercase(),
    };
    let name = write.name.map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{} {}{name} {kind}", write.tool, write.version)
}

#[test]
fn literals_are_read_from_the_statement() {
    for (sql, expected) in [
        ("INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING alembic_version.version_num", "alembic a1 applied"),
        ("UPDATE alembic_version SET version_num='a2' WHERE alembic_version.version_num = 'a1'", "alembic a2 set from a1"),
        ("UPDATE app.my_versions SET version_num='a2' WHERE app.my_versions.version_num = 'a1'", "alembic a2 set from a1"),
        ("DELETE FROM alembic_version WHERE alembic_version.version_num = 'a1'", "alembic a1 takenback"),
        (r#"INSERT INTO "django_migrations" ("app","name","applied") VALUES ('shop','0001_initial',now())"#, "django shop.0001_initial applied"),
        (
            r#"DELETE FROM "django_migrations" WHERE ("django_migrations"."app" = 'shop' AND "django_migrations"."name" = '0002_x')"#,
            "django shop.0002_x takenback",
        ),
        (
            "INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM) VALUES ('1', 'me', 'c/1.xml', NOW(), 1, '9:x')",
            "liquibase 1 (c/1.xml::1::me) applied",
        ),
        ("DELETE FROM public.databasechangelog WHERE ID='1' AND AUTHOR='me' AND FILENAME='c/1.xml'", "liquibase 1 (c/1.xml::1::me) takenback"),
        (r#"INSERT INTO "public"."schema_migrations" (version, dirty) VALUES (3, true)"#, "golang-migrate 3 dirty"),
        (r#"INSERT INTO "public"."schema_migrations" (version, dirty) VALUES (-1, true)"#, "golang-migrate -1 dirty"),
        (r#"INSERT INTO other.moves (version, dirty) VALUES (3, 'f')"#, "golang-migrate 3 finished"),
        (r#"INSERT INTO "public"."pgmigrations" (name, run_on) VALUES ('0001_tables', NOW());"#, "node-pg-migrate 0001_tables applied"),
        (r#"DELETE FROM "public"."pgmigrations" WHERE name='0001_tables';"#, "node-pg-migrate 0001_tables takenback"),
        (
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (2, 'columns', '2026', '77')",
            "refinery 2 (columns) applied",
        ),
        (
            r#"INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('2026_Init', '9.0')"#,
            "entity-framework 2026_Init applied",
        ),
        (r#"DELETE FROM "__EFMigrationsHistory" WHERE "MigrationId" = '2026_Init'"#, "entity-framework 2026_Init takenback"),
        ("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)", "nothing"),
    ] {
        assert_eq!(told(of(sql, &[], None)), expected, "{sql}");
    }
}

#[test]
fn parameters_are_read_from_bind() {
    let history = r#"INSERT INTO "public"."flyway_schema_history"
        ("installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", "success")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"#;
    let flyway = |version: Given, kind: &str, success: &str| {
        let rest = text(&["tables", kind, "V1__tables.sql", "7", "me", "3", success]);
        told(of(history, &[vec![Given::Binary { oid: 23, bytes: vec![0, 0, 0, 1] }, version], rest].concat(), None))
    };
    let version = || Given::Text("1".into());
    assert_eq!(flyway(version(), "SQL", "TRUE"), "flyway 1 (tables) applied");
    assert_eq!(flyway(version(), "SQL", "f"), "flyway 1 (tables) failed");
    assert_eq!(flyway(version(), "UNDO_SQL", "t"), "flyway 1 (tables) takenback");
    assert_eq!(flyway(Given::Null, "SQL", "t"), "flyway V1__tables.sql (tables) applied");
    assert_eq!(flyway(Given::Unread, "SQL", "t"), "flyway ? (tables) applied", "it is not guessed");
    assert_eq!(flyway(version(), "DELETE", "t"), "nothing");

    let eight = |number: i64| Given::Binary { oid: 0, bytes: number.to_be_bytes().to_vec() };
    let truth = |yes: u8| Given::Binary { oid: 0, bytes: vec![yes] };
    for (sql, given, expected) in [
        (r#"INSERT INTO "public"."schema_migrations" (version, dirty) VALUES ($1, $2)"#, vec![eight(4), truth(1)], "golang-migrate 4 dirty"),
        ("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", vec![eight(2), truth(1)], "goose 2 applied"),
        ("DELETE FROM goose_db_version WHERE version_id=$1", vec![eight(2)], "goose 2 takenback"),
        ("update public.schema_version set version=$1", vec![eight(3)], "tern 3 numbered"),
        (r#"insert into "knex_migrations" ("batch", "migration_time", "name") values ($1, $2, $3)"#, text(&["1", "x", "1.js"]), "knex 1.js applied"),
        (r#"delete from "knex_migrations" where "name" = $1"#, text(&["1.js"]), "knex 1.js takenback"),
        (r#"INSERT INTO "migrations"("timestamp", "name") VALUES ($1, $2)"#, text(&["17", "Tables17"]), "typeorm 17 (Tables17) applied"),
        (r#"DELETE FROM "migrations" WHERE "timestamp" = $1 AND "name" = $2"#, text(&["17", "Tables17"]), "typeorm 17 (Tables17) takenback"),
        (r#"insert into "drizzle"."__drizzle_migrations" ("hash", "created_at") values($1, $2)"#, text(&["ab", "1"]), "drizzle ab applied"),
        (
            "INSERT INTO events (event, change_id, change, project, note) VALUES ($1, $2, $3, $4, $5)",
            text(&["revert", "9f", "tables", "shop", ""]),
            "sqitch 9f (tables) takenback",
        ),
        ("INSERT INTO events (event, change_id) VALUES ($1, $2)", text(&["deploy", "9f"]), "nothing"),
        (
            "INSERT INTO \"_yoyo_log\" (id, migration_hash, migration_id, operation) VALUES ($1, $2, $3, $4)",
            text(&["u", "h", "0001_tables", "rollback"]),
            "yoyo 0001_tables takenback",
        ),
        (
            "INSERT INTO _sqlx_migrations ( version, description, success, checksum, execution_time ) VALUES ( $1, $2, TRUE, $3, -1 )",
            vec![eight(1), Given::Binary { oid: 25, bytes: b"tables".to_vec() }, Given::Unread],
            "sqlx 1 (tables) applied",
        ),
        ("UPDATE _sqlx_migrations SET execution_time = $1 WHERE version = $2", vec![eight(1), eight(1)], "nothing"),
        (r#"insert into "gorp_migrations" ("id","applied_at") values ($1,$2)"#, text(&["1.sql", "now"]), "sql-migrate 1.sql applied"),
        (
            "INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name) VALUES ($1, $2, now(), $3)",
            text(&["u1", "c", "2026_init"]),
            "prisma 2026_init begun",
        ),
        ("UPDATE _prisma_migrations SET finished_at = now() WHERE id = $1", text(&["u1"]), "prisma u1 finished"),
    ] {
        assert_eq!(told(of(sql, &given, None)), expected, "{sql}");
    }
}

#[test]
fn atlas_writes_its_row_again_until_all_is_done() {
    let sql = "INSERT INTO atlas_schema_revisions (description, applied, total, operator_version, version) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (version) DO UPDATE SET applied = excluded.applied";
    assert_eq!(told(of(sql, &text(&["init", "0", "2", "x", "2026"]), None)), "atlas 2026 (init) begun");
    assert_eq!(told(of(sql, &text(&["init", "2", "2", "x", "2026"]), None)), "atlas 2026 (init) finished");
    assert_eq!(told(of(sql, &text(&["", "0", "0", "x", ".atlas_cloud_identifier"]), None)), "nothing");
}

#[test]
fn one_table_of_several_tools_is_told_by_what_the_session_showed() {
    let rails = r#"INSERT INTO "schema_migrations" ("version") VALUES ($1) RETURNING "version""#;
    let neither = "INSERT INTO schema_migrations (version) VALUES ($1)";
    let version = text(&["20260101"]);
    let guess = |tool| Some(Guess { tool, certain: true });
    for (sql, guess, expected) in [
        (rails, None, "rails 20260101 applied"),
        ("insert into public.schema_migrations (version) values ($1)", None, "dbmate 20260101 applied"),
        ("delete from public.schema_migrations where version = $1", None, "dbmate 20260101 takenback"),
        (neither, None, "rails or dbmate 20260101 applied"),
        (neither, guess(Tool::Dbmate), "dbmate 20260101 applied"),
        (neither, guess(Tool::Rails), "rails 20260101 applied"),
        ("INSERT INTO moved.migrated (version) VALUES ($1)", guess(Tool::Dbmate), "dbmate 20260101 applied"),
        ("INSERT INTO moved.migrated (version) VALUES ($1)", None, "nothing"),
        (r#"INSERT INTO "schema_migrations" ("version","inserted_at") VALUES ($1,$2)"#, None, "ecto 20260101 applied"),
        (r#"DELETE FROM "schema_migrations" AS s0 WHERE (s0."version" = $1::bigint)"#, None, "ecto 20260101 takenback"),
        (r#"DELETE FROM "schema_migrations" WHERE "schema_migrations"."version" = $1"#, None, "rails 20260101 takenback"),
    ] {
        assert_eq!(told(of(sql, &version, guess)), expected, "{sql}");
    }
}

#[test]
fn what_a_tool_does_to_its_own_tables_is_housekeeping() {
    let is = |text: &str| recognise::is_housekeeping(&script(text, 1 << 20).unwrap());
    for text in [
        "CREATE TABLE alembic_version (version_num text)",
        "CREATE INDEX flyway_schema_history_s_idx ON public.flyway_schema_history (success)",
        "TRUNCATE public.schema_migrations",
        "CREATE SCHEMA IF NOT EXISTS \"drizzle\"",
        "COMMENT ON COLUMN \"sqitch\".events.event IS 'Type of event.'",
        "CREATE TABLE \"sqitch\".changes (change_id text)",
        "BEGIN; ALTER TABLE databasechangelog ADD x int; COMMIT",
    ] {
        assert!(is(text), "{text}");
    }
    for text in ["CREATE TABLE t (a int)", "CREATE TABLE alembic_version (a int); DROP TABLE t", "BEGIN", "CREATE SCHEMA x", ""] {
        assert!(!is(text), "{text}");
    }
    assert!(recognise::emptied(&parsed("TRUNCATE public.schema_migrations")).is_some());
    assert!(recognise::emptied(&parsed("TRUNCATE a, b")).is_none());
}
