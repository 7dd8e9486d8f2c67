"""The tools as a user runs them: their own command lines, given a URL and nothing else that knows of the proxy."""

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import typing

import connection
import install

MIGRATIONS = pathlib.Path(__file__).resolve().parent / "migrations"
USER = PASSWORD = "postgres"
DEADLINE = 180  # seconds for one run of one tool
SHOWN_LINES = 30  # of the output of a run that went wrong
RUNNING = set()  # processes that `end_all` ends


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a tool connects: the server itself or the proxy."""

    port: int
    database: str
    ca: typing.Optional[pathlib.Path] = None  # with it: by TLS, and only to a server that this authority vouches for

    def url(self, scheme):
        return connection.string(scheme, f"{USER}:{PASSWORD}", self.place, self.ca)

    def url_of(self, tool, scheme="postgres"):
        """As docs/tools.md says for that tool."""
        return connection.of_tool(tool, scheme, f"{USER}:{PASSWORD}", self.place)

    @property
    def place(self):
        return f"127.0.0.1:{self.port}/{self.database}"


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run of a tool left behind."""

    command: str
    code: int
    output: str

    def summary(self):
        return f"$ {self.command}\n[exit {self.code}]"

    def full(self):
        lines = self.output.rstrip().splitlines()
        cut = [f"({len(lines) - SHOWN_LINES} lines above)"] if len(lines) > SHOWN_LINES else []
        return "\n".join([f"$ {self.command}", *cut, *lines[-SHOWN_LINES:], f"[exit {self.code}]"])


class Tool:
    """What is so for most of them; each says where it differs."""

    transactional = True  # it wraps a migration in a transaction
    can_go_down = True
    sends_whole_files = False  # as one string
    shows_errors = True
    late_failure_is_an_error = True  # it hears of work that failed after its COMMIT
    keeps_its_lock = False  # when a COMMIT fails

    def __init__(self, driver):
        self.driver = driver

    def after_failure(self, endpoint, migrations, version):
        """Nothing to clean up: version and schema are one transaction."""


class Alembic(Tool):
    name = "alembic"
    drivers = ("psycopg2", "psycopg")

    unique_violation = "UniqueViolation"  # how 23505 reads in its output: the class of the driver's exception

    def __init__(self, driver, transaction="all"):
        self.driver = driver
        self.transaction = transaction

    def install(self):
        self.program = install.python_packages().parent / "alembic"

    def up(self, endpoint, migrations, version=None):
        return self._alembic(endpoint, migrations, "upgrade", f"{version:04}" if version else "head")

    def down(self, endpoint, migrations, steps=None):
        return self._alembic(endpoint, migrations, "downgrade", f"-{steps}" if steps else "base")

    def _alembic(self, endpoint, migrations, *arguments):
        # Plain, it has no sslmode: libpq's own default (prefer) asks for TLS first and takes the answer.
        environment = {"MIGRATIONS_URL": endpoint.url(f"postgresql+{self.driver}"), "MIGRATIONS_TRANSACTION": self.transaction}
        return run([self.program, "-c", MIGRATIONS / "alembic.ini", "--name", migrations, *arguments], environment)


class GolangMigrate(Tool):
    name = "golang-migrate"
    drivers = ("postgres", "pgx5")
    transactional = False
    says_applied, says_nothing_to_do = "/u ", "no change"
    lock = "session"

    def __init__(self, driver, split=False):
        self.driver = driver
        self.split = split
        self.sends_whole_files = not split
        # Of lib/pq's error the tool shows message and detail, no SQLSTATE.
        self.unique_violation = "SQLSTATE 23505" if driver == "pgx5" else None

    def install(self):
        self.program = install.golang_migrate()

    def up(self, endpoint, migrations, version=None):
        return self._migrate(endpoint, migrations, *(["goto", str(version)] if version else ["up"]))

    def down(self, endpoint, migrations, steps=None):
        return self._migrate(endpoint, migrations, "down", str(steps) if steps else "-all")

    def after_failure(self, endpoint, migrations, version):
        """A failed file leaves the version dirty; the user says which version the database really has."""
        return self._migrate(endpoint, migrations, "force", str(version))

    def _migrate(self, endpoint, migrations, *arguments):
        url = endpoint.url(self.driver)
        if self.split:
            # The tool's own setting: it sends the statements of a file one by one.
            url += f"{'&' if '?' in url else '?'}x-multi-statement=true"
        return run([self.program, "-path", MIGRATIONS / "sql" / migrations, "-database", url, *arguments])


class Flyway(Tool):
    name = "flyway"
    drivers = ("pgjdbc",)
    can_go_down = False  # `undo` is not in the community edition
    says_applied, says_nothing_to_do = "Successfully applied", "No migration necessary"

    unique_violation = "23505"

    def __init__(self, driver, transactional=True, lock="transaction"):
        """`transactional`: whether its scripts run in a transaction (their .conf may say no). `lock`: what the tool's own lock belongs to."""
        self.driver = driver
        self.transactional = transactional
        self.lock = lock

    def install(self):
        self.program = install.flyway()

    def up(self, endpoint, migrations, version=None):
        # The same files as golang-migrate's; only their naming is told. pgjdbc's default is sslmode=prefer.
        settings = {
            "url": endpoint.url("jdbc:postgresql"),
            "user": USER,
            "password": PASSWORD,
            "locations": f"filesystem:{MIGRATIONS / 'sql' / migrations}",
            "sqlMigrationPrefix": "",
            "sqlMigrationSeparator": "_",
            "sqlMigrationSuffixes": ".up.sql",
            "target": str(version) if version else "latest",
            "postgresql.transactional.lock": str(self.lock == "transaction").lower(),
        }
        environment = {"FLYWAY_SKIP_CHECK_FOR_UPDATE": "true", "REDGATE_DISABLE_TELEMETRY": "true"}
        return run([self.program, *(f"-{key}={value}" for key, value in settings.items()), "migrate"], environment)


class Psql(Tool):
    name = "psql"
    drivers = ("libpq",)
    late_failure_is_an_error = False  # it writes no version row
    can_go_down = False
    unique_violation = "ERROR: 23505:"

    def __init__(self, driver):
        self.driver = driver
        # It keeps no record of what has run in a database: the runner does.
        self.applied = {}

    def install(self):
        self.program = shutil.which("psql")
        if self.program is None:
            raise install.Missing("no psql")

    def up(self, endpoint, migrations, version=None):
        """All files that are still to be run, in one transaction."""
        applied = self.applied.get(endpoint.database, 0)
        files = sorted((MIGRATIONS / "sql" / migrations).glob("*.up.sql"))[applied:version]
        self.applied[endpoint.database] = applied + len(files)
        command = [self.program, endpoint.url("postgres"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-1"]
        return run([*command, *(part for file in files for part in ("-f", file))])


# What would change a tool, a driver or the proxy behind our back: by its beginning, or as a whole (rake's own; `make … VERSION=15` hands it on).
FOREIGN = ("PG", "FLYWAY_", "DATABASE_URL", "GOOSE_", "SQITCH_", "RAILS_", "DJANGO_", "LIQUIBASE_")
OF_RAKE = {"VERSION", "STEP", "SCOPE", "VERBOSE", "DIRECTION"}


def clean_environment():
    """The caller's environment without what is not for those that run in it."""
    return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN) and key not in OF_RAKE}


def run(command, environment=None, cwd=None):
    """Runs a tool in a process group of its own, so that nothing of it (a JVM behind a shell) outlives the run."""
    command = [str(part) for part in command]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    RUNNING.add(process)
    try:
        output, _ = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        _end_group(process)
        output = process.communicate()[0] + f"\n(ended after {DEADLINE} s)".encode()
    except BaseException:
        _end_group(process)
        process.wait()
        raise
    finally:
        RUNNING.discard(process)
    return Run(" ".join(command), process.returncode, output.decode(errors="replace"))


def end_all():
    """For a caller whose threads run tools, and who is told to end."""
    for process in list(RUNNING):
        _end_group(process)


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself meanwhile
