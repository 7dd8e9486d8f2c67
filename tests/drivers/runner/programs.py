"""The programs of the matrix, and one run of one of them."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Callable

from runner import installs
from runner.paths import HERE

TESTS = ("connect", "simple", "parameterized", "prepared", "pipelined", "copy", "cancel")
TIME_LIMIT = 180


@dataclass(frozen=True)
class Driver:
    name: str
    install: Callable[[], None]
    command: tuple
    quick: bool = False


def python_program(name, file, quick=False):
    return Driver(name, installs.python, (installs.VENV / "bin/python", HERE / "python" / file), quick)


def install_psql():
    installs.need("psql")
    installs.python()


DRIVERS = (
    Driver("psql", install_psql, (installs.VENV / "bin/python", HERE / "python/with_psql.py"), quick=True),
    python_program("psycopg2", "with_psycopg2.py"),
    python_program("psycopg3", "with_psycopg3.py", quick=True),
    python_program("asyncpg", "with_asyncpg.py"),
    Driver("lib/pq", installs.go, (installs.GO / "bin/libpq",)),
    Driver("pgx", installs.go, (installs.GO / "bin/pgx",), quick=True),
    Driver("pgjdbc", installs.java, ("java", "-cp", f"{installs.JAVA}/classes:{installs.JAVA}/lib/*", "Main")),
    Driver("node-postgres", installs.node, ("node", installs.NODE / "main.mjs")),
)


@dataclass
class Outcome:
    """What one program said: a result for each test, and why the run as a whole failed, if it did."""
    results: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    output: str = ""

    def failed(self):
        return bool(self.problems) or any(self.results.get(test, {}).get("ok") is False or test not in self.results
                                          for test in TESTS)


def run(driver, environment):
    """Runs the program; it answers one JSON line for each test on its standard output."""
    outcome = Outcome()
    process = subprocess.Popen(list(map(str, driver.command)), env=clean_environment(environment), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        outcome.problems.append(f"did not end within {TIME_LIMIT} s")
    except BaseException:
        # The program has a session of its own: an interrupt at the terminal does not reach it.
        os.killpg(process.pid, signal.SIGKILL)
        raise
    else:
        if process.returncode != 0:
            outcome.problems.append(f"ended with status {process.returncode}")
    outcome.output = out + err
    for line in out.splitlines():
        read_line(line, outcome)
    return outcome


def read_line(line, outcome):
    try:
        result = json.loads(line)
        test, ok = result["test"], result["ok"]
    except (ValueError, KeyError, TypeError):
        outcome.problems.append(f"printed something that is no result: {line[:200]}")
        return
    if test not in TESTS or test in outcome.results or ok not in (True, False, None):
        outcome.problems.append(f"unexpected result: {line[:200]}")
        return
    outcome.results[test] = {"ok": ok, "note": result.get("note") or ""}


def clean_environment(environment):
    """The caller's PG… settings must not leak into the programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # A password file or service file of the user would count as well.
    return {**kept, "LC_ALL": "C.UTF-8", "PGPASSFILE": os.devnull, "PGSERVICEFILE": os.devnull, **environment}
