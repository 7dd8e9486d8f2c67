"""What the Python programs share: the result lines, the settings from the environment and the test data."""

import hashlib
import json
import os
import sys
import time
import traceback

ROWS = 10_000
BYTES = 1_000_000
EXECUTIONS = 20
DEADLINE = 30.0
TEXT = "Zażółć gęślą jaźń – 漢字 🐘 'quoted' \"double\" back\\slash $1 %s :x ? ;--"

# An SQL text that no other statement of the programs begins with: it finds itself in pg_prepared_statements.
PREPARED_PREFIX = "SELECT 1000 + "
COUNT_PREPARED = "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE statement LIKE 'SELECT 1000 + %'"
SLEEPERS = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = "


class NotPossible(Exception):
    """The driver cannot do this at all; the message says why."""


def check(condition, complaint):
    if not condition:
        raise AssertionError(complaint)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


def over_tls():
    return os.environ["PGSSLMODE"] != "disable"


def check_lock_timeout(value):
    """The proxy gives every migration session its lock_timeout; a direct run has nothing to expect."""
    expected = os.environ.get("DRIVERS_LOCK_TIMEOUT")
    if expected:
        equal(value, expected, "SHOW lock_timeout")


def other_authority():
    """A certificate authority that did not sign the server's certificate."""
    return os.environ["DRIVERS_OTHER_CA"]


def random_bytes():
    return os.urandom(BYTES)


def md5(data):
    return hashlib.md5(data).hexdigest()


def copy_lines():
    """Rows in COPY's text format: escapes, UTF-8 and NULL among them."""
    return [f"{i}\t" + ("\\N" if i % 7 == 0 else f"wiersz {i} – żółć\\t漢字\\\\end") + "\n" for i in range(ROWS)]


def poll(condition, what):
    """Waits for something on the server; there is nothing to subscribe to, so it asks again."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        check(time.monotonic() < deadline, f"{what} was not seen within {DEADLINE:.0f} s")
        time.sleep(0.02)


def run(tests):
    """Runs {name: function}. A function returns a note or nothing; its exception is the failure."""
    for name, function in tests.items():
        try:
            result = {"ok": True, "note": function() or ""}
        except NotPossible as reason:
            result = {"ok": None, "note": str(reason)}
        except Exception as problem:
            traceback.print_exc(file=sys.stderr)
            result = {"ok": False, "note": f"{type(problem).__name__}: {problem}"}
        print(json.dumps({"test": name, **result}), flush=True)
