"""What a database looks like, written as lines that two databases can be compared by.

Nothing that differs between two equal databases is in it: no OIDs, no attribute numbers, no times, no durations.
Every query answers one column of text; its name is the first word of each line.
"""

import difflib

USER_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

QUERIES = {
    "schema": f"""
        SELECT format('%I owner=%I', n.nspname, pg_get_userbyid(n.nspowner))
        FROM pg_namespace n WHERE {USER_SCHEMAS}""",
    "table": f"""
        SELECT format('%I.%I kind=%s owner=%I persistence=%s options=%s replica_identity=%s row_security=%s acl=%s',
                      n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relpersistence, c.reloptions,
                      c.relreplident, c.relrowsecurity, c.relacl)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {USER_SCHEMAS}""",
    "column": f"""
        SELECT format('%I.%I #%s %I %s not_null=%s identity=%s generated=%s default=%s collation=%s',
                      n.nspname, c.relname,
                      row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
                      format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                      pg_get_expr(d.adbin, d.adrelid), nullif(a.attcollation, 0)::regcollation)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {USER_SCHEMAS}""",
    "constraint": f"""
        SELECT format('%I.%I %I %s validated=%s deferrable=%s deferred=%s', n.nspname, c.relname, o.conname,
                      pg_get_constraintdef(o.oid), o.convalidated, o.condeferrable, o.condeferred)
        FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS}""",
    "index": f"""
        SELECT format('%s valid=%s ready=%s primary=%s immediate=%s clustered=%s replica_identity=%s',
                      pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisprimary, i.indimmediate, i.indisclustered, i.indisreplident)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS}""",
    "sequence": f"""
        SELECT format('%I.%I %s start=%s min=%s max=%s step=%s cycle=%s cache=%s owned_by=%s', n.nspname, c.relname,
                      format_type(s.seqtypid, NULL), s.seqstart, s.seqmin, s.seqmax, s.seqincrement, s.seqcycle, s.seqcache,
                      (SELECT pg_describe_object(p.refclassid, p.refobjid, p.refobjsubid) FROM pg_depend p
                       WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.refobjsubid > 0 AND p.deptype IN ('a', 'i')))
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMAS}""",
    "view": f"""
        SELECT format('%I.%I %s', n.nspname, c.relname, pg_get_viewdef(c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND {USER_SCHEMAS}""",
    "function": f"""
        SELECT format('owner=%I %s', pg_get_userbyid(f.proowner), pg_get_functiondef(f.oid))
        FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
        WHERE f.prokind IN ('f', 'p') AND {USER_SCHEMAS}""",
    "trigger": f"""
        SELECT format('%s enabled=%s', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND {USER_SCHEMAS}""",
    "enum": f"""
        SELECT format('%I.%I %s', n.nspname, t.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder))
        FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE {USER_SCHEMAS} GROUP BY n.nspname, t.typname""",
    "comment": """
        SELECT format('%s %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
        FROM pg_description d WHERE d.objoid >= 16384""",
}

# Where the tools write down what they have run, and what in it differs from one run to the next.
VERSION_TABLES = (
    "public.alembic_version",
    "public.databasechangelog",
    "public.django_migrations",
    "public.flyway_schema_history",
    "public.goose_db_version",
    "public.knex_migrations",
    "public.migrations",
    "public.pgmigrations",
    "public.schema_migrations",
    "public.schema_version",
    "public._sqlx_migrations",
    "public._yoyo_migration",
    "drizzle.__drizzle_migrations",
    "sqitch.changes",
)
DIFFERS_BY_RUN = [
    *("installed_on", "execution_time", "checksum"),
    *("dateexecuted", "deployment_id", "applied", "tstamp", "migration_time", "run_on", "applied_at_utc", "committed_at"),
]


def snapshot(connection):
    """All lines of a database, sorted. Takes a psycopg connection; leaves its transaction as it was."""
    with connection.transaction(), connection.cursor() as cursor:
        # With nothing but pg_catalog on the path, every name in a definition is written with its schema.
        cursor.execute("SET LOCAL search_path = pg_catalog")
        lines = [line for kind, query in QUERIES.items() for line in _lines(cursor, kind, query)]
        for table in VERSION_TABLES:
            lines += _version_rows(cursor, table)
    return sorted(lines)


def difference(left, right, left_name, right_name):
    """The lines that only one of two snapshots has, as a unified diff without context; empty when they are equal."""
    return list(difflib.unified_diff(left, right, left_name, right_name, lineterm="", n=0))


def _lines(cursor, kind, query):
    cursor.execute(query)
    return [f"{kind} " + text.strip().replace("\n", "\\n") for (text,) in cursor.fetchall()]


def _version_rows(cursor, table):
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    if not cursor.fetchone()[0]:
        return []
    cursor.execute(f"SELECT (to_jsonb(t) - %s::text[])::text FROM {table} t", (DIFFERS_BY_RUN,))
    return [f"version {table} {row}" for (row,) in cursor.fetchall()]
