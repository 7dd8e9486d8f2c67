//! Which tool a session is of, before it has written a version: by its locks and by what it looks at.

use crate::sql::statement::{Argument, Parsed, Script, Statement};

use super::Tool;

/// A guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The tool.
    pub tool: Tool,
    /// No other tool does this; else it is likely.
    pub certain: bool,
}

/// Numbers that a tool takes its advisory lock by.
const LOCKS: &[(i64, Tool)] =
    &[(7_241_865_325_823_964, Tool::NodePgMigrate), (9_628_173_550_095_224, Tool::Tern), (75_474_063, Tool::Sqitch), (72_707_369, Tool::Prisma)];
/// Flyway adds a hash of its table's name, of 32 bits, to this.
const FLYWAY: i64 = 77_431_708_279_161;
/// Rails multiplies this by a CRC-32 of the database's name.
const RAILS: i64 = 2_053_462_845;

/// Tables that tools look at, and whether nobody else does.
const TABLES: &[(&str, Tool, bool)] = &[
    ("alembic_version", Tool::Alembic, true),
    ("databasechangeloglock", Tool::Liquibase, true),
    ("knex_migrations_lock", Tool::Knex, true),
    ("yoyo_lock", Tool::Yoyo, true),
    ("__EFMigrationsHistory", Tool::EntityFramework, false),
    ("__diesel_schema_migrations", Tool::Diesel, false),
    ("__drizzle_migrations", Tool::Drizzle, false),
    ("_prisma_migrations", Tool::Prisma, false),
    ("_sqlx_migrations", Tool::Sqlx, false),
    ("_yoyo_migration", Tool::Yoyo, false),
    ("ar_internal_metadata", Tool::Rails, false),
    ("atlas_schema_revisions", Tool::Atlas, false),
    ("databasechangelog", Tool::Liquibase, false),
    ("django_migrations", Tool::Django, false),
    ("flyway_schema_history", Tool::Flyway, false),
    ("goose_db_version", Tool::Goose, false),
    ("gorp_migrations", Tool::SqlMigrate, false),
    ("knex_migrations", Tool::Knex, false),
    ("pgmigrations", Tool::NodePgMigrate, false),
    ("refinery_schema_history", Tool::Refinery, false),
];

/// What a script tells.
#[must_use]
pub fn of_script(script: &Script) -> Option<Guess> {
    if ["-- migrate:up", "-- migrate:down"].iter().any(|mark| script.text.starts_with(mark)) {
        return Some(Guess { tool: Tool::Dbmate, certain: true });
    }
    script.statements.iter().filter_map(of_statement).reduce(Guess::better)
}

impl Guess {
    /// The one that is certain; of two equals the earlier one.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        if other.certain && !self.certain { other } else { self }
    }
}

fn of_statement(parsed: &Parsed) -> Option<Guess> {
    let by_table = || {
        let named = |name: &str| TABLES.iter().find(|(table, ..)| *table == name);
        let found = parsed.relations.iter().filter_map(|relation| named(&relation.name));
        found.map(|(_, tool, certain)| Guess { tool: *tool, certain: *certain }).reduce(Guess::better)
    };
    match &parsed.statement {
        Statement::LockTable { relations, .. } if relations.iter().any(|relation| relation.name == "schema_migrations") => {
            Some(Guess { tool: Tool::Ecto, certain: false })
        }
        Statement::Query(query) => {
            let lock = query.lone_call.as_ref().filter(|call| call.function.name.contains("advisory"));
            lock.and_then(|call| by_lock(&call.arguments)).or_else(by_table)
        }
        _ => by_table(),
    }
}

fn by_lock(arguments: &[Argument]) -> Option<Guess> {
    let [key] = arguments else { return None };
    let key: i64 = key.constant()?.parse().ok()?;
    let known = LOCKS.iter().find(|(lock, _)| *lock == key).map(|(_, tool)| Guess { tool: *tool, certain: true });
    known
        .or_else(|| (key.abs_diff(FLYWAY) <= u64::from(u32::MAX)).then_some(Guess { tool: Tool::Flyway, certain: true }))
        .or_else(|| (key > 0 && key % RAILS == 0).then_some(Guess { tool: Tool::Rails, certain: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    fn guess(text: &str) -> Option<(&'static str, bool)> {
        of_script(&script(text, 1 << 20).unwrap()).map(|guess| (guess.tool.name(), guess.certain))
    }

    #[test]
    fn locks_and_tables_tell_tools() {
        for (text, expected) in [
            ("SELECT pg_try_advisory_lock(7241865325823964)", Some(("node-pg-migrate", true))),
            ("select pg_advisory_lock(9628173550095224)", Some(("tern", true))),
            ("SELECT pg_try_advisory_lock(75474063)", Some(("sqitch", true))),
            ("SELECT pg_advisory_lock(72707369)", Some(("prisma", true))),
            ("SELECT pg_try_advisory_xact_lock(77431906500239)", Some(("flyway", true))),
            ("SELECT pg_try_advisory_lock(4106925690001)", None),
            ("SELECT pg_try_advisory_lock(6160388535)", Some(("rails", false))),
            ("SELECT alembic_version.version_num FROM alembic_version", Some(("alembic", true))),
            ("SELECT LOCKED FROM public.databasechangeloglock WHERE ID=1", Some(("liquibase", true))),
            ("SELECT * FROM django_migrations", Some(("django", false))),
            ("LOCK TABLE \"schema_migrations\" IN SHARE UPDATE EXCLUSIVE MODE", Some(("ecto", false))),
            ("-- migrate:up\nCREATE TABLE t (a int)", Some(("dbmate", true))),
            ("SELECT 1", None),
            ("SELECT pg_advisory_lock($1)", None),
        ] {
            assert_eq!(guess(text), expected, "{text}");
        }
    }
}
