//! The migration tools that are known.

use std::fmt::{self, Display};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Tool {
    Alembic,
    Atlas,
    Dbmate,
    Diesel,
    Django,
    Drizzle,
    Ecto,
    EntityFramework,
    Flyway,
    GolangMigrate,
    Goose,
    Knex,
    Liquibase,
    NodePgMigrate,
    Prisma,
    Rails,
    /// One of these two: nothing tells which.
    RailsOrDbmate,
    Refinery,
    SqlMigrate,
    Sqitch,
    Sqlx,
    Tern,
    TypeOrm,
    Yoyo,
}

impl Tool {
    /// As the audit log names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alembic => "alembic",
            Self::Atlas => "atlas",
            Self::Dbmate => "dbmate",
            Self::Diesel => "diesel",
            Self::Django => "django",
            Self::Drizzle => "drizzle",
            Self::Ecto => "ecto",
            Self::EntityFramework => "entity-framework",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Goose => "goose",
            Self::Knex => "knex",
            Self::Liquibase => "liquibase",
            Self::NodePgMigrate => "node-pg-migrate",
            Self::Prisma => "prisma",
            Self::Rails => "rails",
            Self::RailsOrDbmate => "rails or dbmate",
            Self::Refinery => "refinery",
            Self::SqlMigrate => "sql-migrate",
            Self::Sqitch => "sqitch",
            Self::Sqlx => "sqlx",
            Self::Tern => "tern",
            Self::TypeOrm => "typeorm",
            Self::Yoyo => "yoyo",
        }
    }

    /// Its version may be written by another session than the migration itself.
    pub(super) fn uses_several_sessions(self) -> bool {
        matches!(self, Self::Flyway | Self::Sqitch | Self::Yoyo | Self::Ecto | Self::Atlas)
    }
}

/// Tools whose table holds one version that is written over: only what was seen before tells forward from back.
pub(super) fn keeps_one_version(name: &str) -> bool {
    [Tool::Alembic, Tool::GolangMigrate, Tool::Tern].iter().any(|tool| tool.name() == name)
}

impl Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
