"""Runs one revision with the real Alembic and tells how it went, in the words that Alembic printed."""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_SECONDS = 120

DONE = "done"              # went through as written
MADE_SAFE = "made safe"    # went through in another form
REFUSED = "refused"        # the proxy said no
GAVE_UP = "gave up"        # waited for a lock as long as it may
FAILED = "failed"          # PostgreSQL said no, or something broke

SPEAKS = "pgairlock ["
NOTICE = re.compile(r"^(NOTICE|WARNING): .*$", re.MULTILINE)
# SQLAlchemy's last word: the driver's exception with the server's message, up to the statement it repeats.
DATABASE_ERROR = re.compile(r"^sqlalchemy\.exc\.\w+: \(psycopg[^)]*\) (.*?)(?=^\[SQL: |\Z)", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Migration:
    """A revision as its file states it."""

    revision: str
    title: str
    code: str

    @classmethod
    def all(cls):
        return [cls._read(path) for path in sorted((HERE / "migrations" / "versions").glob("*.py"))]

    @classmethod
    def _read(cls, path):
        source = path.read_text(encoding="utf-8")
        upgrade = source.split("def upgrade():\n", 1)[1]
        return cls(
            revision=re.search(r'^revision = "(.*)"$', source, re.MULTILINE).group(1),
            title=source.split('"""')[1],
            code="\n".join(line[4:] for line in upgrade.rstrip().splitlines()),
        )


@dataclasses.dataclass
class Outcome:
    word: str
    messages: list


def run(migration, url):
    alembic = [sys.executable, "-m", "alembic", "-c", str(HERE / "alembic.ini"), "upgrade", migration.revision]
    environment = {**os.environ, "DEMO_DATABASE_URL": url, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(alembic, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        # Ctrl-C and a timeout end here too: no Alembic outlives its demo.
        process.kill()
        process.wait()
    return judge(process.returncode, output)


def judge(status, output):
    notices = [match.group(0) for match in NOTICE.finditer(output)]
    if status == 0:
        rewritten = any(SPEAKS in notice for notice in notices)
        return Outcome(MADE_SAFE if rewritten else DONE, notices)
    error = DATABASE_ERROR.search(output)
    message = error.group(1).strip() if error else "\n".join(output.strip().splitlines()[-8:])
    return Outcome(_kind_of_failure(message), [*notices, f"ERROR: {message}"])


def _kind_of_failure(message):
    if SPEAKS in message:
        return REFUSED
    return GAVE_UP if "due to lock timeout" in message else FAILED
