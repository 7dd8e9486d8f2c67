"""What each tool's own table says is applied: asked of the server itself, by nothing that the proxy has a part in."""

import re

# In the order in which the migrations were applied. A table that holds one version shows the last one alone.
QUERIES = {
    "alembic": "SELECT version_num FROM alembic_version",
    "dbmate": "SELECT version FROM schema_migrations ORDER BY version",
    "django": "SELECT app || '.' || name FROM django_migrations WHERE app = 'shop' ORDER BY id",
    "drizzle": "SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id",
    "flyway": "SELECT version FROM flyway_schema_history WHERE success ORDER BY installed_rank",
    "golang-migrate": "SELECT version::text FROM schema_migrations",
    "goose": "SELECT version_id::text FROM goose_db_version WHERE version_id > 0 ORDER BY id",
    "knex": "SELECT name FROM knex_migrations ORDER BY id",
    "liquibase": "SELECT id FROM databasechangelog ORDER BY orderexecuted",
    "node-pg-migrate": "SELECT name FROM pgmigrations ORDER BY id",
    "rails": "SELECT version FROM schema_migrations ORDER BY version",
    "sqitch": "SELECT change_id FROM sqitch.changes ORDER BY planned_at",
    "sqlx": "SELECT version::text FROM _sqlx_migrations ORDER BY version",
    "tern": "SELECT version::text FROM schema_version WHERE version > 0",
    "typeorm": 'SELECT "timestamp"::text FROM migrations ORDER BY id',
    "yoyo": "SELECT migration_id FROM _yoyo_migration ORDER BY migration_id",
}
HOLDS_ONE_VERSION = ("alembic", "golang-migrate", "tern")

# What the statements of each migration of the set `regular` are about, whoever wrote them.
SUBJECTS = [
    r"(?s)^(?!.*\b(nickname|plan|invoices_account_id_fkey)\b).*\b(accounts|invoices)",
    r"\b(nickname|plan)\b",
    r"\binvoices_account_id_fkey\b",
    r"\baudit_entries",
]
# What tools do for themselves, and what belongs to no migration.
OWN_TABLES = re.compile(
    r"alembic_version|schema_migrations|django_|drizzle|flyway_schema_history|goose_db_version|knex_migrations|databasechangelog|pgmigrations"
    r"|sqitch|_sqlx_migrations|schema_version|\"?migrations\"?\s|yoyo|ar_internal_metadata",
    re.IGNORECASE,
)


def applied(lab, tool, database):
    """The versions that the tool's table has now."""
    with lab.cluster.connect(database) as connection:
        return [version for (version,) in connection.execute(QUERIES[tool.name]).fetchall()]


def step_by_step(lab, tool, database, count):
    """The versions that the table shows one after the other when the tool goes to each by itself, past the proxy."""
    seen = []
    for number in range(1, count + 1):
        run = tool.up(lab.direct(database), "regular", version=number)
        if run.code != 0:
            raise RuntimeError(run.full())
        seen += applied(lab, tool, database)
    return seen
