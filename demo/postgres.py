"""The throw-away PostgreSQL: a cluster, a database with a million users, and copies of it."""

import pathlib
import subprocess

import psycopg

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = "demo_template"
BATCHES = 20

SCHEMA = """
CREATE TABLE users (
  id bigint PRIMARY KEY,
  email text NOT NULL,
  name text NOT NULL,
  nickname text,
  points integer NOT NULL DEFAULT 0,
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id bigint NOT NULL,
  total numeric(10,2) NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO application;
"""
USERS = """
INSERT INTO users (id, email, name, nickname)
SELECT n, md5(n::text) || '@example.com', 'User ' || n, 'u' || n FROM generate_series(%s::bigint, %s::bigint) n
"""
ORDERS = "INSERT INTO orders (user_id, total) SELECT n, n %% 1000 FROM generate_series(%s::bigint, %s::bigint) n"


class Postgres:
    """The application's server. `deployer` owns the tables and migrates; `application` reads and writes."""

    def __init__(self, version, directory, port, rows):
        self.version, self.directory, self.port, self.rows = version, directory, port, rows

    def fetch(self):
        """Downloads the server once; later runs find it under target/."""
        subprocess.run([str(ROOT / "scripts" / "postgres"), str(self.version)], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def start(self):
        # Enough memory and log space that the machine's disk is not what the demo measures.
        self._cluster("start", str(self.version), self.directory, str(self.port), "shared_buffers=256MB", "max_wal_size=4GB")

    def drop(self):
        self._cluster("drop", self.directory)

    def _cluster(self, *arguments):
        # Out of reach of Ctrl-C, and always waited for: a server that was half started could not be removed.
        command = [str(ROOT / "scripts" / "cluster"), *arguments]
        script = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            script.wait()
        finally:
            if script.wait() != 0:
                raise RuntimeError(f"{' '.join(command)} ended with status {script.returncode}")

    def url(self, database, role="postgres", port=None):
        return f"postgresql://{role}:{role}@127.0.0.1:{port or self.port}/{database}"

    def _connect(self, database):
        return psycopg.connect(self.url(database), autocommit=True)

    def create_template(self, progress):
        with self._connect("postgres") as server:
            server.execute("CREATE ROLE deployer LOGIN PASSWORD 'deployer'")
            server.execute("CREATE ROLE application LOGIN PASSWORD 'application'")
            server.execute(f"CREATE DATABASE {TEMPLATE} OWNER deployer")
        with psycopg.connect(self.url(TEMPLATE, "deployer"), autocommit=True) as database:
            database.execute(SCHEMA)
            for batch in range(BATCHES):
                bounds = (self.rows * batch // BATCHES + 1, self.rows * (batch + 1) // BATCHES)
                database.execute(USERS, bounds)
                database.execute(ORDERS, bounds)
                progress((batch + 1) / BATCHES)
            # Every copy starts with the same statistics and nothing left for autovacuum to do.
            database.execute("VACUUM (FREEZE, ANALYZE)")

    def fresh_copy(self, database):
        """`database` as it was before any migration."""
        # Until PostgreSQL 15 there was only this way of copying, and no word for it.
        strategy = "STRATEGY file_copy" if self.version >= 15 else ""
        with self._connect("postgres") as server:
            server.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE} OWNER deployer {strategy}")

    def size(self, table):
        with self._connect(TEMPLATE) as database:
            return database.execute("SELECT pg_size_pretty(pg_table_size(%s::regclass))", (table,)).fetchone()[0]

    def schema(self, database):
        """Every column, index and constraint of the application, as a set of sentences that can be compared."""
        with self._connect(database) as connection:
            return {line for query in SCHEMA_QUERIES for (line,) in connection.execute(query)}


# Alembic's own table is no part of the application's schema.
OF_THE_APPLICATION = "relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
SCHEMA_QUERIES = [
    f"""SELECT format('column %s.%s %s%s default %s', relname, attname, format_type(atttypid, atttypmod),
                      CASE WHEN attnotnull THEN ' not null' END, pg_get_expr(adbin, adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE {OF_THE_APPLICATION} AND relkind = 'r' AND attnum > 0 AND NOT attisdropped""",
    f"""SELECT format('%s%s', pg_get_indexdef(indexrelid), CASE WHEN NOT (indisvalid AND indisready) THEN ' INVALID' END)
        FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE {OF_THE_APPLICATION}""",
    f"""SELECT format('constraint %s on %s %s%s', conname, relname, pg_get_constraintdef(k.oid),
                      CASE WHEN NOT convalidated THEN ' NOT VALIDATED' END)
        FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid WHERE {OF_THE_APPLICATION}""",
]
