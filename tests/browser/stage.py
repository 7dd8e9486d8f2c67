"""What there is to see: a server, a proxy with a dashboard, and migrations by the real Alembic in every state."""

import contextlib
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import psycopg

import server
import tools
from approving import Deploy

DATABASE = "shop"
DEADLINE = 90  # seconds for anything that is waited for
SHOP_ROWS = """INSERT INTO orders (customer_id, number, reference, amount, note)
    SELECT 1 + i % 100, i, 'r' || i, i, repeat('x', 40) FROM generate_series(1, 20000) i"""
# Tokens, what may be approved, and what the dashboard and the monitor need besides addresses; who waits for a lock does so until all have looked.
CONFIG = """
tokens = "tokens"
[monitor]
user = "postgres"
password_file = "password"
[limits]
small_table = "64kB"
[timeouts]
lock_total = "1h"
[[approval]]
rules = ["drop-column"]
[[approval]]
rules = ["drop-table"]
people = 2
"""


class Stage:
    """A cluster and a proxy; `fill` brings in what the pages show."""

    def __init__(self, version, directory, tokens=True):
        self.directory = pathlib.Path(directory)
        self.version = version
        self.has_tokens = tokens
        self.tokens = {}
        self.open = contextlib.ExitStack()
        self.runs = []
        self.fingerprints = {}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.open.close()
            raise
        return self

    def __exit__(self, *_):
        self.open.close()

    def _start(self):
        self.cluster = server.Cluster(self.version, self.directory / "cluster")
        self.open.callback(self.cluster.drop)
        self.cluster.start()
        with psycopg.connect(self._url(self.cluster.port, "postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
        # The proxy's own directory is made by it; what its config names lies beside.
        lines = []
        for name, role, called in (("vera", "viewer", "viewer"), ("adam", "approver", "approver"), ("eve", "approver", "second approver")):
            made = subprocess.run([server.proxy_program(), "admin", "token", name, "--role", role], check=True, capture_output=True, text=True)
            token, *_, line = made.stdout.splitlines()
            self.tokens[called] = token
            lines.append(line)
        files = {"tokens": "\n".join(lines) + "\n", "password": tools.PASSWORD}
        for name, text in files.items():
            (self.directory / name).write_text(text)
        config = CONFIG.replace('"tokens"', json.dumps(str(self.directory / "tokens"))).replace('"password"', json.dumps(str(self.directory / "password")))
        if not self.has_tokens:
            config = config.replace("tokens =", "# tokens =")
        self.proxy = server.Proxy(self.directory / "proxy", self.cluster.port, config)
        self.open.callback(self.proxy.stop)
        self.proxy.wait_until_ready()
        self.place = f"http://127.0.0.1:{self.proxy.admin_port}"

    # What is done there.

    def fill(self):
        """Migrations that were applied, refused, and failed behind their COMMIT; sessions that idle, wait for a lock, and hold a COMMIT back."""
        for database in ("billing", "crm", "warehouse"):
            self.create_database(database)
        self.apply("naive-all", DATABASE, "INSERT INTO customers (email) SELECT 'a' || i FROM generate_series(1, 100) i", SHOP_ROWS)
        failed = self.apply("fails-late", "billing", "INSERT INTO orders (customer) SELECT 1 FROM generate_series(1, 20000)")
        assert failed.code != 0 and "orders_buyer_idx" in failed.full(), failed.full()
        refused = self.apply("refused", "crm", "INSERT INTO orders (customer, note) SELECT i, repeat('x', 60) FROM generate_series(1, 20000) i")
        assert refused.code != 0 and "rename-column" in refused.full(), refused.full()
        for name in ("waits", "said"):
            self.fingerprints[name] = Deploy(self, name).refused()
        self.post(f"/approvals/{self.fingerprints['said']}/approve", reason="unread since March", uses="3", expires="7d")
        self._hold_a_commit_back()
        self._wait_for_a_lock()
        self.through(name="psql").execute("SELECT 1")
        waiting = self._connect(self.proxy.port, "crm", "shop-api", autocommit=False)
        waiting.execute("SELECT count(*) FROM orders WHERE note LIKE %s", ["%42%"])
        self.until("all is there", lambda: self._states() >= {"idle", "idle in transaction", "waiting for a lock", "COMMIT held back"})

    def apply(self, migrations, database, *rows):
        """Its first migration, then rows past the proxy, then the others."""
        first = self.alembic(migrations, 1, database)
        assert first.code == 0, first.full()
        for sql in rows:
            self.direct(database).execute(sql)
        self.direct(database).execute("ANALYZE")
        return self.alembic(migrations, None, database)

    def _hold_a_commit_back(self):
        """An index on a large table, whose concurrent build waits for an old snapshot."""
        reader = self.direct("warehouse")
        reader.execute("CREATE TABLE reports (id int)")

        def work():
            self.apply("naive", "warehouse", "INSERT INTO orders (customer, note) SELECT i, repeat('x', 60) FROM generate_series(1, 20000) i")

        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM reports")
        self.in_the_background(work)
        self.until("the monitor has seen the build", lambda: (self.session_in("COMMIT held back")["waits"] or {}).get("seen"))

    def _wait_for_a_lock(self):
        holder, waiter = self.direct(), self.through(name="flyway")
        holder.execute("CREATE TABLE parcels AS SELECT i AS id, repeat('x', 60) AS label FROM generate_series(1, 20000) i")
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM parcels")

        def work():
            with contextlib.suppress(psycopg.Error):
                waiter.execute("ALTER TABLE parcels ADD COLUMN weight int")

        self.in_the_background(work)
        self.until("somebody is in the way", lambda: (self.session_in("waiting for a lock")["waits"] or {}).get("in_the_way"))

    def _states(self):
        return {one["state"] for one in self.api("sessions")["sessions"]}

    def alembic(self, migrations, version=None, database=DATABASE):
        """The real Alembic through the proxy, to this version or as far as it goes."""
        tool = tools.Alembic("psycopg", transaction="each")
        tool.install()
        return tool.up(tools.Endpoint(self.proxy.port, database), migrations, version)

    @staticmethod
    def run_alembic(config, url, *arguments):
        """The real Alembic on a project of one's own."""
        tool = tools.Alembic("psycopg")
        tool.install()
        return tools.run([tool.program, "-c", config, *arguments], {"MIGRATIONS_URL": url, "MIGRATIONS_TRANSACTION": "each"})

    def in_the_background(self, work):
        """Ends with the stage."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.runs.append(thread)
        return thread

    def direct(self, database=DATABASE):
        """A session past the proxy, which ends with the stage."""
        return self._connect(self.cluster.port, database, "direct")

    def through(self, database=DATABASE, name="psql"):
        """A session through the proxy."""
        return self._connect(self.proxy.port, database, name)

    def _connect(self, port, database, name, autocommit=True):
        connection = psycopg.connect(self._url(port, database) + f"?application_name={name}", autocommit=autocommit)
        # Whatever it is at: to leave it in order would wait for that.
        self.open.callback(connection.close)
        return connection

    def create_database(self, name):
        self.direct("postgres").execute(f'CREATE DATABASE "{name}"')

    @contextlib.contextmanager
    def leaving(self, database, name):
        """A session through the proxy that does not stay."""
        with psycopg.connect(self._url(self.proxy.port, database) + f"?application_name={name}", autocommit=True) as session:
            yield session

    def links(self, path):
        """Where a page leads."""
        return re.findall(r'href="([^"]+)"', self._get(path))

    def _get(self, path):
        request = urllib.request.Request(self.place + path)
        if self.has_tokens:
            request.add_header("Authorization", f"Bearer {self.tokens['viewer']}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def post(self, path, **form):
        """As a program of an approver's does it."""
        request = urllib.request.Request(self.place + path, urllib.parse.urlencode(form).encode(), {"Authorization": f"Bearer {self.tokens['approver']}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200, answer.status

    def api(self, path):
        return json.loads(self._get(f"/api/v1/{path}"))

    def until(self, what, happened):
        """Waits for something that can only be asked for."""
        deadline = time.monotonic() + DEADLINE
        while not (found := happened()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never: {what}\n{self.proxy.last_lines()}")
            time.sleep(0.05)
        return found

    def session_in(self, state):
        """The first session that is in this state, once there is one."""
        return self.until(f"a session {state}", lambda: next((one for one in self.api("sessions")["sessions"] if one["state"] == state), None))

    @staticmethod
    def _url(port, database):
        return f"postgresql://{tools.USER}:{tools.PASSWORD}@127.0.0.1:{port}/{database}"
