"""make demo: naive migrations, run directly and through pgairlock, while an application reads and writes.

  DEMO_PG=15          PostgreSQL version (13 to 18)
  DEMO_ROWS=1000000   rows of each table
  DEMO_STAY=1         leave everything running at the end, and say where, until Ctrl-C
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import migrate
import show
from migrate import Migration, Outcome
from postgres import TEMPLATE, Postgres
from proxy import Proxy, binary
from traffic import Impact, SlowReport, Traffic

DATABASE = "app"
BEHIND_A_REPORT = "add_column_behind_report"
REPORT_SECONDS = 6
# Revisions that have a form which does not block: at once in autocommit_block(), after its COMMIT in Alembic's own transaction.
HAVE_A_SAFE_FORM = ("create_index", "add_foreign_key")
MEANINGS = {
    migrate.DONE: "went through as it was written",
    migrate.MADE_SAFE: "went through in a form that does not block; the NOTICE above says which",
    migrate.REFUSED: "stopped before it touched anything; the ERROR above says how to do it",
    migrate.GAVE_UP: "waited for its lock no longer than the proxy allows; it can simply be run again",
    migrate.FAILED: "PostgreSQL itself said no",
}
# Below this the tables are small ones, on which the proxy lets naive migrations pass.
FEWEST_ROWS = 50_000


@dataclasses.dataclass
class Run:
    """One migration on one way to the database."""

    outcome: Outcome
    impact: Impact
    schema: set


class Demo:
    def __init__(self, screen, postgres, proxy):
        self.screen, self.postgres, self.proxy = screen, postgres, proxy
        self.direct_url = postgres.url(DATABASE, "deployer")
        self.proxy_url = postgres.url(DATABASE, "deployer", proxy.port)
        self.application_url = postgres.url(DATABASE, "application")

    def quiet(self):
        """What the application sees when nobody migrates: the noise of this machine."""
        self.postgres.fresh_copy(DATABASE)
        with Traffic(self.application_url, self.postgres.rows) as traffic:
            for client in traffic.clients:
                client.wait_for(operations=200)
            return traffic.impact()

    def run(self, migration, way, url):
        with self.screen.step(f"{way}: alembic upgrade {migration.revision}") as step:
            self.postgres.fresh_copy(DATABASE)
            with Traffic(self.application_url, self.postgres.rows) as traffic, self._circumstances(migration):
                traffic.forget()
                outcome = migrate.run(migration, url)
                impact = traffic.impact()
            run = Run(outcome, impact, self.postgres.schema(DATABASE))
            step.result = (f"{outcome.word}; longest read {show.milliseconds(impact.longest_read)}, "
                           f"longest write {show.milliseconds(impact.longest_write)}")
        self._quote(run)
        return run

    def _circumstances(self, migration):
        if migration.revision == BEHIND_A_REPORT:
            return SlowReport(self.application_url, REPORT_SECONDS)
        return contextlib.nullcontext()

    def _quote(self, run):
        for message in run.outcome.messages:
            self.screen.paragraph(message, indent="      ")
        for error, count in run.impact.errors.most_common(2):
            self.screen.paragraph(f"the application got {count} × {error}", indent="      ")

    def compare(self, migration):
        self.screen.heading(migration.title)
        self.screen.paragraph(migration.code, indent="    ")
        return self.run(migration, "directly", self.direct_url), self.run(migration, "through pgairlock", self.proxy_url)


def complaints(migration, direct, proxied, untouched):
    """What must not happen, whatever else does: another schema than the migration's own, or half of it."""
    if proxied.outcome.word == migrate.FAILED:
        return [f"{migration.revision}: through the proxy it was neither done nor stopped beforehand"]
    if migration.revision.startswith(HAVE_A_SAFE_FORM) and proxied.outcome.word != migrate.MADE_SAFE:
        return [f"{migration.revision}: it has a safe form, and through the proxy it was {proxied.outcome.word}"]
    went_through = proxied.outcome.word in (migrate.DONE, migrate.MADE_SAFE)
    expected = direct.schema if went_through else untouched
    return [f"{migration.revision}: through the proxy the schema {verb} {line!r}"
            for verb, lines in (("lacks", expected - proxied.schema), ("has besides", proxied.schema - expected))
            for line in sorted(lines)]


def print_table(screen, results):
    rows = [[migration.title, *_cells(direct), *_cells(proxied)] for migration, direct, proxied in results]
    kind = ["outcome", "read", "write", "errors"]
    screen.heading("The longest that the application waited for one read and one write, and the errors it got")
    screen.line()
    show.table(screen, rows, [("", 1), ("directly", 4), ("through pgairlock", 4)], ["migration", *kind, *kind])


def _cells(run):
    return [run.outcome.word, show.milliseconds(run.impact.longest_read), show.milliseconds(run.impact.longest_write),
            str(sum(run.impact.errors.values()))]


def stay(demo):
    """Everything up, the application running, until Ctrl-C."""
    demo.postgres.fresh_copy(DATABASE)
    screen = demo.screen
    screen.heading("Everything is still running; Ctrl-C removes it")
    screen.line(f"  through pgairlock  {demo.proxy_url}")
    screen.line(f"  directly           {demo.direct_url}")
    screen.line(f"  metrics            {demo.proxy.metrics_url}")
    screen.line(f"  log                {demo.proxy.log}")
    screen.line(f"  try                psql '{demo.proxy_url}' -c 'CREATE INDEX ON users (email)'")
    forever = threading.Event()
    with Traffic(demo.application_url, demo.postgres.rows) as traffic:
        while not forever.wait(1):
            if screen.live:
                impact = traffic.impact()
                screen.stream.write(f"\r\033[K  the application: longest read {show.milliseconds(impact.longest_read)}, longest write "
                                    f"{show.milliseconds(impact.longest_write)}, errors {sum(impact.errors.values())}  ")
                screen.stream.flush()
                traffic.forget()


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [opened.getsockname()[1] for opened in sockets]


def show_all(screen, postgres, proxy):
    with screen.step(f"the programs of PostgreSQL {postgres.version}"):
        postgres.fetch()
    with screen.step(f"PostgreSQL {postgres.version} on port {postgres.port}"):
        postgres.start()
    with screen.step(f"two tables of {postgres.rows:,} rows") as step:
        postgres.create_template(step.progress)
        step.result = f"users: {postgres.size('users')}, orders: {postgres.size('orders')}"
    untouched = postgres.schema(TEMPLATE)
    with screen.step(f"pgairlock on port {proxy.port}"):
        proxy.start()
    demo = Demo(screen, postgres, proxy)
    with screen.step("the application, with no migration at all") as step:
        quiet = demo.quiet()
        step.result = f"longest read {show.milliseconds(quiet.longest_read)}, longest write {show.milliseconds(quiet.longest_write)}"
    results = [(migration, *demo.compare(migration)) for migration in Migration.all()]
    print_table(screen, results)
    screen.line(f"\nWithout any migration: read {show.milliseconds(quiet.longest_read)}, write {show.milliseconds(quiet.longest_write)}. "
                f"The slow report took {REPORT_SECONDS} s.")
    for word, meaning in MEANINGS.items():
        if any(word in (direct.outcome.word, proxied.outcome.word) for _, direct, proxied in results):
            screen.line(f"  {word:<10} {meaning}")
    found = [complaint for result in results for complaint in complaints(*result, untouched)]
    if not found:
        screen.line("What went through the proxy left the schema that the migration asks for; what was stopped left none of it behind.")
    for complaint in found:
        screen.line(f"WRONG: {complaint}")
    if os.environ.get("DEMO_STAY"):
        stay(demo)
    return 1 if found else 0


def clean_up(screen, postgres, proxy, directory):
    # A second Ctrl-C would leave a server behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Each is done whatever happens to the others, even when nobody reads what the demo prints any more.
    with contextlib.ExitStack() as last_to_first:
        last_to_first.callback(directory.cleanup)
        last_to_first.callback(postgres.drop)
        last_to_first.callback(proxy.stop)
        screen.line("cleaning up")


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    binary()
    rows = int(os.environ.get("DEMO_ROWS") or 1_000_000)
    if rows < FEWEST_ROWS:
        raise SystemExit(f"demo: DEMO_ROWS must be at least {FEWEST_ROWS}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    screen = show.Screen()
    directory = tempfile.TemporaryDirectory(prefix="pgairlock-demo-")
    # The server's user must be able to walk in when root runs the demo.
    os.chmod(directory.name, 0o755)
    server_port, proxy_port, admin_port = free_ports(3)
    postgres = Postgres(int(os.environ.get("DEMO_PG") or 15), str(pathlib.Path(directory.name) / "postgres"), server_port, rows)
    proxy = Proxy(directory.name, proxy_port, admin_port, server_port)
    try:
        return show_all(screen, postgres, proxy)
    except KeyboardInterrupt:
        screen.line()
        return 0 if os.environ.get("DEMO_STAY") else 130
    except (RuntimeError, subprocess.CalledProcessError) as error:
        # What these say names the cause; a traceback would only bury it.
        screen.line(f"demo: {error}")
        return 1
    finally:
        clean_up(screen, postgres, proxy, directory)


if __name__ == "__main__":
    sys.exit(main())
