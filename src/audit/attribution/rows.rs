//! Tools whose tables have a row for each migration that is applied: a row comes, or goes.

use super::guess::Guess;
use super::row::Row;
use super::{Kind, Tool, VersionWrite};

/// A tool as data, where a row that comes is a migration applied, and a row that goes one taken back.
struct Plain {
    tool: Tool,
    /// Its table, if nobody has named it otherwise.
    table: &'static str,
    /// The column of the version.
    version: &'static str,
    /// The column of the name.
    name: Option<&'static str>,
    /// Together these columns are of no other table, whatever its name.
    telling: &'static [&'static str],
}

const PLAIN: &[Plain] = &[
    Plain { tool: Tool::Knex, table: "knex_migrations", version: "name", name: None, telling: &["name", "batch", "migration_time"] },
    Plain { tool: Tool::NodePgMigrate, table: "pgmigrations", version: "name", name: None, telling: &["name", "run_on"] },
    Plain { tool: Tool::Drizzle, table: "__drizzle_migrations", version: "hash", name: None, telling: &[] },
    Plain { tool: Tool::SqlMigrate, table: "gorp_migrations", version: "id", name: None, telling: &[] },
    Plain { tool: Tool::Diesel, table: "__diesel_schema_migrations", version: "version", name: None, telling: &[] },
    Plain {
        tool: Tool::EntityFramework,
        table: "__EFMigrationsHistory",
        version: "MigrationId",
        name: None,
        telling: &["MigrationId", "ProductVersion"],
    },
];

/// Tables that say no more than which rows there are.
pub(super) fn plain(row: &Row<'_>) -> Option<VersionWrite> {
    PLAIN.iter().find_map(|plain| {
        if row.inserts() && (row.is(plain.table) && row.has(&[plain.version]) || !plain.telling.is_empty() && row.has_only(plain.telling)) {
            return Some(row.note(plain.tool, Kind::Applied, row.text(plain.version), plain.name.and_then(|name| row.text(name))));
        }
        let telling = plain.version != "name" && plain.telling.contains(&plain.version);
        (row.deletes() && (row.is(plain.table) || telling) && row.asks(&[plain.version]))
            .then(|| row.note(plain.tool, Kind::TakenBack, row.asked(plain.version), None))
    })
}

/// The application is part of a migration's name: `shop.0001_initial`, as Django itself says it.
pub(super) fn django(row: &Row<'_>) -> Option<VersionWrite> {
    let full = |app: Option<String>, name: Option<String>| Some(format!("{}.{}", app?, name?));
    if !row.is("django_migrations") {
        return None;
    }
    if row.inserts() && row.has(&["app", "name"]) {
        return Some(row.note(Tool::Django, Kind::Applied, full(row.text("app"), row.text("name")), None));
    }
    (row.deletes() && row.asks(&["app", "name"])).then(|| row.note(Tool::Django, Kind::TakenBack, full(row.asked("app"), row.asked("name")), None))
}

pub(super) fn flyway(row: &Row<'_>) -> Option<VersionWrite> {
    if !(row.inserts() && row.has(&["installed_rank", "version", "description", "type", "script", "checksum"])) {
        return None;
    }
    let kind = match (row.truth("success"), row.text("type").as_deref()) {
        // `repair` notes that a file is gone.
        (_, Some("DELETE")) => return None,
        (Some(false), _) => Kind::Failed,
        (_, Some(of)) if of.starts_with("UNDO") => Kind::TakenBack,
        _ => Kind::Applied,
    };
    // A repeatable migration has no version: its file is what it is.
    Some(row.note(Tool::Flyway, kind, row.text("version").or_else(|| row.text("script")), row.text("description")))
}

/// What makes a change set one of its kind is all three; as the name it is written the way the tool does.
pub(super) fn liquibase(row: &Row<'_>) -> Option<VersionWrite> {
    let full = |of: &dyn Fn(&str) -> Option<String>| Some(format!("{}::{}::{}", of("filename")?, of("id")?, of("author")?));
    if row.inserts() && row.has(&["id", "author", "filename", "md5sum"]) {
        return Some(row.note(Tool::Liquibase, Kind::Applied, row.text("id"), full(&|column| row.text(column))));
    }
    (row.deletes() && row.is("databasechangelog") && row.asks(&["id", "author", "filename"]))
        .then(|| row.note(Tool::Liquibase, Kind::TakenBack, row.asked("id"), full(&|column| row.asked(column))))
}

/// Its first row, of version 0, is no migration.
pub(super) fn goose(row: &Row<'_>) -> Option<VersionWrite> {
    if row.inserts() && row.has(&["version_id", "is_applied"]) {
        let version = row.number("version_id").filter(|version| version != "0")?;
        let kind = if row.truth("is_applied") == Some(false) { Kind::TakenBack } else { Kind::Applied };
        return Some(row.note(Tool::Goose, kind, Some(version), None));
    }
    (row.deletes() && row.asks(&["version_id"])).then(|| row.note(Tool::Goose, Kind::TakenBack, row.asked_number("version_id"), None))
}

pub(super) fn type_orm(row: &Row<'_>) -> Option<VersionWrite> {
    if row.inserts() && row.has_only(&["timestamp", "name"]) {
        return Some(row.note(Tool::TypeOrm, Kind::Applied, row.number("timestamp"), row.text("name")));
    }
    (row.deletes() && row.write.equal.len() == 2 && row.asks(&["timestamp", "name"]))
        .then(|| row.note(Tool::TypeOrm, Kind::TakenBack, row.asked_number("timestamp"), row.asked("name")))
}

/// Its table of events says what has happened, its other ones what holds.
pub(super) fn sqitch(row: &Row<'_>) -> Option<VersionWrite> {
    if !(row.inserts() && row.is("events") && row.has(&["event", "change_id", "change", "project"])) {
        return None;
    }
    let kind = match row.text("event")?.as_str() {
        "deploy" => Kind::Applied,
        "revert" => Kind::TakenBack,
        "fail" => Kind::Failed,
        _ => return None,
    };
    Some(row.note(Tool::Sqitch, kind, row.text("change_id"), row.text("change")))
}

/// As sqitch.
pub(super) fn yoyo(row: &Row<'_>) -> Option<VersionWrite> {
    if !(row.inserts() && row.has(&["migration_id", "migration_hash", "operation"])) {
        return None;
    }
    let kind = match row.text("operation")?.as_str() {
        "apply" => Kind::Applied,
        "rollback" => Kind::TakenBack,
        _ => return None,
    };
    Some(row.note(Tool::Yoyo, kind, row.text("migration_id"), None))
}

/// Its row comes with the time not known yet, which is added behind: the row alone counts.
pub(super) fn sqlx(row: &Row<'_>) -> Option<VersionWrite> {
    let telling = ["version", "description", "success", "checksum", "execution_time"];
    if row.inserts() && row.has_only(&telling) {
        return Some(row.note(Tool::Sqlx, Kind::Applied, row.number("version"), row.text("description")));
    }
    (row.deletes() && row.is("_sqlx_migrations") && row.asks(&["version"]))
        .then(|| row.note(Tool::Sqlx, Kind::TakenBack, row.asked_number("version"), None))
}

pub(super) fn refinery(row: &Row<'_>) -> Option<VersionWrite> {
    (row.inserts() && row.has_only(&["version", "name", "applied_on", "checksum"]))
        .then(|| row.note(Tool::Refinery, Kind::Applied, row.number("version"), row.text("name")))
}

/// Its row comes before the script of the migration, and says at the end that it is finished.
pub(super) fn prisma(row: &Row<'_>) -> Option<VersionWrite> {
    if row.inserts() && row.has(&["id", "checksum", "migration_name"]) {
        let kind = if row.has(&["finished_at"]) && row.text("finished_at").is_some() { Kind::Applied } else { Kind::Begun };
        return Some(row.note(Tool::Prisma, kind, row.text("migration_name"), None));
    }
    (row.updates() && row.is("_prisma_migrations") && row.has(&["finished_at"]))
        .then(|| row.note(Tool::Prisma, Kind::Finished, row.asked("id"), None))
}

/// It writes the same row again behind each statement of a file, with how many of them are done. A row of its own begins with a period.
pub(super) fn atlas(row: &Row<'_>) -> Option<VersionWrite> {
    if row.inserts() && row.has(&["version", "applied", "total", "operator_version"]) {
        let version = row.text("version").filter(|version| !version.starts_with('.'))?;
        let (applied, total) = (row.number("applied"), row.number("total"));
        let kind = if applied == total { Kind::Finished } else { Kind::Begun };
        return Some(row.note(Tool::Atlas, kind, Some(version), row.text("description")));
    }
    (row.deletes() && row.is("atlas_schema_revisions") && row.asks(&["version"]))
        .then(|| row.note(Tool::Atlas, Kind::TakenBack, row.asked("version"), None))
}

/// `schema_migrations` with a version and no more: of Rails, dbmate and Ecto. (golang-migrate's has a second column, and is never deleted from.)
pub(super) fn schema_migrations(row: &Row<'_>) -> Option<VersionWrite> {
    let ours = |guess: Option<Guess>| guess.map(|guess| guess.tool).filter(|tool| matches!(tool, Tool::Rails | Tool::Dbmate | Tool::Ecto));
    let named = row.is("schema_migrations") || ours(row.guess).is_some_and(|tool| tool == Tool::Dbmate);
    if !named {
        return None;
    }
    if row.inserts() && row.has_only(&["version", "inserted_at"]) {
        return Some(row.note(Tool::Ecto, Kind::Applied, row.number("version"), None));
    }
    let tool = ours(row.guess).or_else(|| by_spelling(row)).unwrap_or(Tool::RailsOrDbmate);
    if row.inserts() && row.has_only(&["version"]) {
        return Some(row.note(tool, Kind::Applied, row.text("version"), None));
    }
    let only_version = row.write.equal.len() == 1 && row.asks(&["version"]);
    let version = if tool == Tool::Ecto { row.asked_number("version") } else { row.asked("version") };
    (row.deletes() && only_version).then(|| row.note(tool, Kind::TakenBack, version, None))
}

/// Rails writes its key words in capitals and quotes all names, dbmate writes in small letters; Ecto calls the table `s0`.
fn by_spelling(row: &Row<'_>) -> Option<Tool> {
    let text = row.text.trim_start();
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    if row.write.alias.as_deref() == Some("s0") {
        Some(Tool::Ecto)
    } else if begins(&["insert into ", "delete from "]) {
        Some(Tool::Dbmate)
    } else if begins(&[
        "INSERT INTO \"schema_migrations\" (\"version\")",
        "DELETE FROM \"schema_migrations\" WHERE \"schema_migrations\".\"version\"",
    ]) {
        Some(Tool::Rails)
    } else {
        None
    }
}
