#!/usr/bin/env python3
"""A migration behind a reader that is idle in a transaction: what the readers behind the migration see of it.

    python3 tests/tools/lock_queue.py --pg-version 15                  30 s each: directly, and through the proxy
    python3 tests/tools/lock_queue.py --pg-version 15 --seconds 5      a short run: that it works, and no judgement of times

Two readers of the table read as fast as they can. Through the proxy the longest stall must stay within 250 ms, and of the reads before and after the
migration three of four must be left.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import sys
import tempfile
import threading
import time

import command_line
import run

LONGEST_STALL = 0.25
LEAST_SHARE = 0.75
# Shorter ones are over before the average of a try and its pause is one.
JUDGED_FROM_SECONDS = 20
READERS = 2
# Before the migration and behind it; the machine may be busy with other things.
USUAL_SECONDS = 5
TABLE = "CREATE TABLE users AS SELECT n AS id, repeat('x', 100) AS name FROM generate_series(1, 50000) n; ALTER TABLE users ADD PRIMARY KEY (id)"
READ = "SELECT name FROM users WHERE id = 4711"
ROW = "{:<30} {:>8} {:>10} {:>7} {:>14} {:>14} {:>16}"
# A process begun anew would have to be told by names how to connect.
PROCESSES = multiprocessing.get_context("fork")


def main():
    options = arguments()
    run.unwind_on_signals()
    sys.exit(run.in_environment(lambda: measure(options)))


def arguments():
    parser = command_line.parser(__doc__)
    parser.add_argument("--seconds", default=30, type=int, help="how long the idle reader stays")
    return parser.parse_args()


@dataclasses.dataclass
class Seen:
    """What the readers saw while the migration waited, and what they usually do."""

    usual: float
    usual_stall: float
    reads_per_second: float
    longest_stall: float
    migrated_after: float | None

    @property
    def share(self):
        return self.reads_per_second / self.usual


class Reader:
    """A process that reads without pause. It tells how often it has read, and how long the longest read took since it was last asked."""

    def __init__(self, connect):
        self.ours, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=self._read, args=(connect, theirs), daemon=True)
        self.process.start()

    @staticmethod
    def _read(connect, asked):
        with connect() as connection:
            reads, longest = 0, 0.0
            while True:
                started = time.perf_counter()
                connection.execute(READ).fetchall()
                reads, longest = reads + 1, max(longest, time.perf_counter() - started)
                if asked.poll():
                    if asked.recv() == "end":
                        return
                    asked.send((reads, longest))
                    reads, longest = 0, 0.0

    def seen(self):
        self.ours.send("tell")
        return self.ours.recv()

    def end(self):
        with contextlib.suppress(OSError):
            self.ours.send("end")
        self.process.join(10)
        self.process.kill()


def measure(options):
    import server

    directory = tempfile.mkdtemp(prefix="pgairlock-queue-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    with server.Lab(options.pg_version, directory, direct_only=False) as lab:
        print(ROW.format("migration", "reads/s", "meanwhile", "share", "longest read", "meanwhile", "succeeded after"))
        proxy = lab.proxy("default")
        case(lab, options, "directly", lab.cluster.port)
        problems = []
        for name, begin in (("through pgairlock", ""), ("through pgairlock, in a block", "BEGIN")):
            problems += judge(name, case(lab, options, name, proxy.port, begin), options.seconds)
        for problem in problems:
            print(f"FAILED: {problem}")
        well = run.proxies_end_well(lab)
    return 1 if problems or not well else 0


def case(lab, options, name, port, begin=""):
    """One migration; `port` is where it connects to."""
    database = lab.cluster.create_database("queue_" + "".join(c for c in name if c.isalpha()))
    with lab.cluster.connect(database) as connection:
        connection.execute(TABLE)
        connection.execute("VACUUM ANALYZE users")
    readers = [Reader(lambda: lab.cluster.connect(database)) for _ in range(READERS)]
    try:
        seen = watched(lab, options.seconds, database, port, begin, readers)
    finally:
        for reader in readers:
            reader.end()
    after = "never" if seen.migrated_after is None else f"{seen.migrated_after:.1f} s"
    numbers = (f"{seen.usual:.0f}", f"{seen.reads_per_second:.0f}", f"{seen.share:.0%}")
    numbers += (f"{seen.usual_stall * 1000:.0f} ms", f"{seen.longest_stall * 1000:.0f} ms")
    print(ROW.format(name, *numbers, after), flush=True)
    return seen


def watched(lab, seconds, database, port, begin, readers):
    with lab.cluster.connect(database) as idle:
        idle.execute("BEGIN")
        idle.execute(READ)
        # The first reads bring connections and caches.
        time.sleep(1)
        rate(readers)
        before, longest_before = rate(readers, USUAL_SECONDS)
        migration = Migration(database, port, begin)
        migration.start()
        # A reader that stands behind the migration answers when it has been let through.
        ends = threading.Timer(seconds, lambda: idle.execute("COMMIT"))
        ends.start()
        meanwhile, longest = rate(readers, seconds)
        ends.join()
    migration.join(120)
    rate(readers)
    after, longest_after = rate(readers, USUAL_SECONDS)
    return Seen((before + after) / 2, max(longest_before, longest_after), meanwhile, longest, migration.after)


def rate(readers, seconds=0):
    """Reads a second from now on, and how long the longest one took."""
    for reader in readers if seconds else ():
        reader.seen()
    started = time.perf_counter()
    time.sleep(seconds)
    answers = [reader.seen() for reader in readers]
    return sum(reads for reads, _ in answers) / (time.perf_counter() - started), max(longest for _, longest in answers)


class Migration(threading.Thread):
    """One statement, with nothing set."""

    def __init__(self, database, port, begin):
        super().__init__(daemon=True)
        self.database, self.port, self.begin, self.after = database, port, begin, None

    def run(self):
        import psycopg

        import tools

        place = {"host": "127.0.0.1", "port": self.port, "user": tools.USER, "password": tools.PASSWORD, "dbname": self.database}
        with psycopg.connect(**place, autocommit=True) as connection:
            started = time.perf_counter()
            for statement in filter(None, [self.begin, "ALTER TABLE users ADD COLUMN nickname text", self.begin and "COMMIT"]):
                connection.execute(statement)
            self.after = time.perf_counter() - started


def judge(name, seen, seconds):
    problems = [] if seen.migrated_after is not None else [f"{name}: the migration did not succeed"]
    if seconds < JUDGED_FROM_SECONDS:
        return problems
    if seen.longest_stall > LONGEST_STALL:
        problems.append(f"{name}: a reader stood still for {seen.longest_stall * 1000:.0f} ms, more than {LONGEST_STALL * 1000:.0f} ms")
    if seen.share < LEAST_SHARE:
        problems.append(f"{name}: less than {LEAST_SHARE:.0%} of the reads are left")
    return problems


if __name__ == "__main__":
    main()
