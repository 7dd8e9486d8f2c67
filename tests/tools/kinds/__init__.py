"""Tools beyond those of tools.py, a file for each family. They write their files by layout.py."""

from kinds import django, liquibase, node, rails, sql_files

ALL = (
    *(sql_files.Dbmate, sql_files.Goose, sql_files.Tern, sql_files.Sqlx, sql_files.Yoyo, sql_files.Sqitch),
    *(node.NodePgMigrate, node.Knex, node.TypeOrm, node.Drizzle),
    *(django.Django, rails.Rails, liquibase.Liquibase),
)
