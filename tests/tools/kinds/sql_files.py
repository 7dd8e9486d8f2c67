"""Tools whose migrations are files of SQL. Each says how the shared ones are written for it."""

import install
import layout
from tools import Tool, run


class OfSqlFiles(Tool):
    """`written`: the files of one migration, name and text."""

    def files(self, migrations, version=None):
        return layout.lay_out(dict(pair for each in layout.shared(migrations, version) for pair in self.written(each)))


class Dbmate(OfSqlFiles):
    name = "dbmate"
    drivers = ("pq",)
    sends_whole_files = True

    def install(self):
        self.program = install.dbmate()

    def written(self, migration):
        yield f"{migration.title}.sql", f"-- migrate:up\n{migration.up}\n-- migrate:down\n{migration.down}"

    def up(self, endpoint, migrations, version=None):
        return self._dbmate(endpoint, self.files(migrations, version), "migrate")

    def down(self, endpoint, migrations):
        # It goes back one migration at a time.
        for _ in layout.shared(migrations):
            last = self._dbmate(endpoint, self.files(migrations), "rollback")
            if last.code != 0:
                break
        return last

    def _dbmate(self, endpoint, directory, command):
        # By default it ends with a dump of the schema by the machine's pg_dump, which may be older than the server.
        options = ["--migrations-dir", directory, "--no-dump-schema"]
        return run([self.program, "--url", endpoint.url_of(self.name), *options, command])


class Goose(OfSqlFiles):
    name = "goose"
    drivers = ("pgx",)

    def install(self):
        self.program = install.goose()

    def written(self, migration):
        yield f"{migration.title}.sql", f"-- +goose Up\n{migration.up}\n-- +goose Down\n{migration.down}"

    def up(self, endpoint, migrations, version=None):
        return self._goose(endpoint, migrations, *(["up-to", version] if version else ["up"]))

    def down(self, endpoint, migrations):
        return self._goose(endpoint, migrations, "down-to", 0)

    def _goose(self, endpoint, migrations, *arguments):
        return run([self.program, "-dir", self.files(migrations), "postgres", endpoint.url_of(self.name), *arguments])


class Tern(OfSqlFiles):
    name = "tern"
    drivers = ("pgx",)
    sends_whole_files = True

    def install(self):
        self.program = install.tern()

    def written(self, migration):
        yield f"{migration.title}.sql", f"{migration.up}\n---- create above / drop below ----\n{migration.down}"

    def up(self, endpoint, migrations, version=None):
        return self._tern(endpoint, migrations, str(version) if version else "last")

    def down(self, endpoint, migrations):
        return self._tern(endpoint, migrations, "0")

    def _tern(self, endpoint, migrations, destination):
        command = [self.program, "migrate", "--migrations", self.files(migrations)]
        return run([*command, "--conn-string", endpoint.url_of(self.name), "--destination", destination])


class Sqlx(OfSqlFiles):
    name = "sqlx"
    drivers = ("sqlx",)
    sends_whole_files = True

    def install(self):
        self.program = install.sqlx()

    def written(self, migration):
        yield f"{migration.title}.up.sql", migration.up
        yield f"{migration.title}.down.sql", migration.down

    def up(self, endpoint, migrations, version=None):
        return self._sqlx(endpoint, migrations, "run", version)

    def down(self, endpoint, migrations):
        return self._sqlx(endpoint, migrations, "revert", 0)

    def _sqlx(self, endpoint, migrations, command, version):
        target = [] if version is None else ["--target-version", version]
        options = ["--source", self.files(migrations), "--database-url", endpoint.url_of(self.name)]
        return run([self.program, "migrate", command, *options, *target])


class Yoyo(OfSqlFiles):
    name = "yoyo"
    drivers = ("psycopg2", "psycopg")
    # It gives its lock back only while no COMMIT fails.
    keeps_its_lock = True
    # How its URLs begin, by the driver that it takes then.
    schemes = {"psycopg2": "postgresql", "psycopg": "postgresql+psycopg"}

    def install(self):
        self.program = install.python_packages().parent / "yoyo"

    def written(self, migration):
        yield f"{migration.title}.sql", migration.up
        yield f"{migration.title}.rollback.sql", migration.down

    def up(self, endpoint, migrations, version=None):
        return self._yoyo(endpoint, self.files(migrations, version), "apply")

    def down(self, endpoint, migrations):
        return self._yoyo(endpoint, self.files(migrations), "rollback", "--all")

    def break_lock(self, endpoint):
        return self._yoyo(endpoint, None, "break-lock")

    def _yoyo(self, endpoint, directory, command, *options):
        url = endpoint.url_of(self.name, self.schemes[self.driver])
        sources = [directory] if directory else []
        return run([self.program, command, "--batch", "--no-config-file", "--database", url, *options, *sources])


class Sqitch(OfSqlFiles):
    """It runs each script by a psql of its own; its template for scripts has BEGIN and COMMIT."""

    name = "sqitch"
    drivers = ("psql",)
    late_failure_is_an_error = False  # its registry is not known as a table of versions

    def install(self):
        self.program = install.of_the_system("sqitch", "sqitch")

    def files(self, migrations, version=None):
        changes = layout.shared(migrations, version)
        files = {"sqitch.conf": "[core]\n\tengine = pg\n", "sqitch.plan": _plan(changes)}
        for change in changes:
            files[f"deploy/{change.title}.sql"] = _in_transaction(change.up)
            files[f"revert/{change.title}.sql"] = _in_transaction(change.down)
        return layout.lay_out(files)

    def up(self, endpoint, migrations, version=None):
        return self._sqitch(endpoint, migrations, "deploy", version)

    def down(self, endpoint, migrations):
        return self._sqitch(endpoint, migrations, "revert", None, "-y")

    def _sqitch(self, endpoint, migrations, command, version, *options):
        to = ["--to-change", layout.shared(migrations)[version - 1].title] if version else []
        # Who deploys is taken from the system's user, unless it is said.
        who = {"SQITCH_FULLNAME": "Tester", "SQITCH_EMAIL": "tester@example.com"}
        return run([self.program, "-C", self.files(migrations), command, *options, *to, endpoint.url_of(self.name, "db:pg")], who)


def _plan(changes):
    lines = ["%syntax-version=1.0.0", "%project=shop", ""]
    lines += [f"{change.title} 2026-01-01T00:00:0{change.number}Z Tester <tester@example.com> # {change.name}" for change in changes]
    return "\n".join(lines) + "\n"


def _in_transaction(sql):
    return f"BEGIN;\n\n{sql}\nCOMMIT;\n"
