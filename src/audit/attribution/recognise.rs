//! From a write to what a migration tool says by it.
//!
//! Tables of versions can be named otherwise in most tools, so columns that are of no other table count as much as the name.

use crate::sql::name::RelationName;
use crate::sql::statement::{Opaque, Parsed, Script, Statement, Write};

pub use super::row::Row;
use super::{Kind, Tool, VersionWrite, numbered, rows};

/// Each looks whether the write is of its tool; the first that says so is right.
const TOOLS: &[fn(&Row<'_>) -> Option<VersionWrite>] = &[
    numbered::alembic,
    numbered::golang_migrate,
    numbered::tern,
    rows::django,
    rows::flyway,
    rows::liquibase,
    rows::goose,
    rows::sqitch,
    rows::yoyo,
    rows::sqlx,
    rows::refinery,
    rows::prisma,
    rows::atlas,
    rows::schema_migrations,
    rows::plain,
    rows::type_orm,
];

/// Columns by which a table of versions is told when its name is another one.
const TELLING: &[&str] = &[
    "MigrationId",
    "checksum",
    "dirty",
    "installed_rank",
    "is_applied",
    "md5sum",
    "migration_hash",
    "migration_name",
    "migration_time",
    "operator_version",
    "run_on",
    "timestamp",
    "version",
    "version_id",
    "version_num",
];

/// Tables that migration tools keep for themselves, under the names that they have if nobody names them otherwise.
const OWN: &[&str] = &[
    "__EFMigrationsHistory",
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "_prisma_migrations",
    "_sqlx_migrations",
    "_yoyo_log",
    "_yoyo_migration",
    "_yoyo_version",
    "alembic_version",
    "ar_internal_metadata",
    "atlas_schema_revisions",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "flyway_schema_history",
    "flyway_schema_history_s_idx",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "migrations",
    "pgmigrations",
    "refinery_schema_history",
    "schema_migrations",
    "schema_version",
    "yoyo_lock",
];

/// Schemas that tools make for such tables, and for nothing else.
const OWN_SCHEMAS: &[&str] = &["drizzle", "sqitch"];

/// Whether the write may be one into a table of versions, and its parameters are to be kept.
#[must_use]
pub fn may_be_version(write: &Write) -> bool {
    let columns = || write.columns.iter().chain(&write.equal).map(|(name, _)| name.as_str());
    is_own(&write.table) || write.table.name == "events" || columns().any(|column| TELLING.contains(&column))
}

/// What the tool says by it; `None` where it is no version write.
#[must_use]
pub fn recognise(row: &Row<'_>) -> Option<VersionWrite> {
    TOOLS.iter().find_map(|tool| tool(row))
}

/// golang-migrate empties its table before each row, and leaves it empty when nothing is applied any more.
#[must_use]
pub fn emptied(parsed: &Parsed) -> Option<VersionWrite> {
    let Statement::Unjudged { what: "TRUNCATE", relations } = &parsed.statement else { return None };
    let [table] = relations.as_slice() else { return None };
    Some(VersionWrite { tool: Tool::GolangMigrate, table: table.to_string(), version: NOTHING.to_owned(), name: None, kind: Kind::Emptied })
}

/// golang-migrate's number for a database without any migration.
pub const NOTHING: &str = "-1";

/// The script is about nothing but the tables that migration tools keep for themselves.
#[must_use]
pub fn is_housekeeping(script: &Script) -> bool {
    let mut of_its_own = false;
    script.statements.iter().all(|parsed| {
        let own = match (own_relations(&parsed.statement), &parsed.statement) {
            (Some(relations), _) => !relations.is_empty() && relations.into_iter().all(is_own),
            (None, Statement::Brief("CREATE SCHEMA" | "COMMENT")) => names_own_schema(script.text.get(parsed.span.clone()).unwrap_or_default()),
            // sqitch says so before it makes its registry.
            (None, Statement::Opaque(Opaque::Do { body, .. })) => body.text.contains("Sqitch registry not initialized"),
            (None, statement) => return matches!(statement, Statement::Transaction(_) | Statement::Setting(_)),
        };
        of_its_own |= own;
        own
    }) && of_its_own
}

/// By its letters: what these statements are about is not in their trees as a relation is.
fn names_own_schema(text: &str) -> bool {
    OWN_SCHEMAS.iter().any(|schema| text.contains(&format!("\"{schema}\"")))
}

/// What a statement is about, for the few kinds by which tools keep house.
fn own_relations(statement: &Statement) -> Option<Vec<&RelationName>> {
    Some(match statement {
        Statement::CreateTable(create) => vec![&create.relation],
        Statement::CreateIndex(create) => vec![&create.table],
        Statement::AlterTable(alter) => vec![&alter.relation],
        Statement::DropTable(drop) => drop.relations.iter().collect(),
        Statement::LockTable { relations, .. } | Statement::Unjudged { relations, .. } => relations.iter().collect(),
        Statement::Query(query) => query.written.iter().collect(),
        _ => return None,
    })
}

/// A table that migration tools keep for themselves.
#[must_use]
pub fn is_own(relation: &RelationName) -> bool {
    OWN.contains(&relation.name.as_str()) || relation.schema.as_deref().is_some_and(|schema| OWN_SCHEMAS.contains(&schema))
}
