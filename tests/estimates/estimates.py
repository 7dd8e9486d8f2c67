#!/usr/bin/env python3
"""How long `pgairlock check` says that work takes, beside how long it takes.

    python3 tests/estimates/estimates.py                                    1 and 2 million rows on PostgreSQL 15
    python3 tests/estimates/estimates.py --pg-versions "13 15 17 18" --rows 200000

Each statement is run on a server with its usual settings, everything in memory, several times; it is taken back each time, and the median counts.
What was said of it beforehand comes from `check --format json`. The ratio is real / predicted: above 1 it took longer than was said, above 3 longer than
was said to be possible. Nothing is asserted: a machine that is busy with something else is slower than it was when it was asked.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import run  # noqa: E402 - the tools' harness has the servers

SPEED = pathlib.Path(__file__).resolve().parents[2] / "src/catalog/sql/speed.sql"
PARENTS = 100_000
# What stands beside the columns that are worked on. The times of the formula were taken from the first two, with a million rows on PostgreSQL 15.
SHAPES = {
    "narrow": "''::text",
    "wide": "repeat('x', 400)",
    "mixed": "n::numeric AS m, now() AS at, jsonb_build_object('n', n) AS j, repeat('y', n % 120)",
}
TABLE = """
CREATE TABLE {t} AS SELECT n::bigint AS id, (hashint4(n) & 2147483647) AS a, (n * 7919::bigint % {parents} + 1)::int AS ref,
    md5(n::text)::uuid AS u, md5(n::text) AS s, {filler} AS filler FROM generate_series(1, {rows}) AS n
"""
# Name, statement, and what is measured: the statement, or its safe form behind what has to be done for that.
CASES = (
    ("SET NOT NULL", "ALTER TABLE {t} ALTER COLUMN a SET NOT NULL", None, None),
    ("CHECK", "ALTER TABLE {t} ADD CONSTRAINT c CHECK (a >= 0)", None, None),
    ("FOREIGN KEY", "ALTER TABLE {t} ADD CONSTRAINT f FOREIGN KEY (ref) REFERENCES p", None, None),
    ("index, bigint in order", "CREATE INDEX i ON {t} (id)", None, None),
    ("index, int", "CREATE INDEX i ON {t} (a)", None, None),
    ("index, uuid", "CREATE INDEX i ON {t} (u)", None, None),
    ("index, text", "CREATE INDEX i ON {t} (s)", None, None),
    ("index, int and text", "CREATE INDEX i ON {t} (a, s)", None, None),
    ("UNIQUE, bigint", "ALTER TABLE {t} ADD CONSTRAINT k UNIQUE (id)", None, None),
    ("rewrite, one index", "ALTER TABLE {t} ALTER COLUMN a TYPE bigint", None, None),
    ("VACUUM FULL", "VACUUM FULL {t}", None, None),
    ("CONCURRENTLY, int", "CREATE INDEX i ON {t} (a)", None, "CREATE INDEX CONCURRENTLY i ON {t} (a)"),
    (
        "VALIDATE, foreign key",
        "ALTER TABLE {t} ADD CONSTRAINT f FOREIGN KEY (ref) REFERENCES p",
        "ALTER TABLE {t} ADD CONSTRAINT f FOREIGN KEY (ref) REFERENCES p NOT VALID",
        "ALTER TABLE {t} VALIDATE CONSTRAINT f",
    ),
)


@dataclasses.dataclass
class Measured:
    """One statement."""

    version: str
    table: str
    case: str
    predicted: float
    at_most: float
    real: float
    disk_predicted: int
    disk_real: int | None

    @property
    def ratio(self):
        return self.real / self.predicted


def main():
    options = arguments()
    run.unwind_on_signals()
    sys.exit(run.in_environment(lambda: measure(options)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-versions", default="15", metavar="VERSIONS")
    parser.add_argument("--rows", default="1000000 2000000", metavar="NUMBERS")
    parser.add_argument("--shapes", default=" ".join(SHAPES), metavar="NAMES")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count the processor time of the server's one process: on a machine that is busy with something else, all in memory, that is what an idle one takes",
    )
    parser.add_argument("--only", default="", metavar="CASE", help="only the cases that have this in their name")
    return parser.parse_args()


def measure(options):
    all_of_it = []
    for version in options.pg_versions.split():
        with tempfile.TemporaryDirectory(prefix="pgairlock-estimates-") as directory:
            pathlib.Path(directory).chmod(0o755)
            all_of_it += of_version(version, directory, options)
    summary(all_of_it)
    return 0


def of_version(version, directory, options):
    # With its packages in place only.
    import server

    cluster = server.Cluster(version, f"{directory}/cluster", settings=("fsync=off", "shared_buffers=1GB"))
    measured = []
    try:
        cluster.start()
        for rows in map(int, options.rows.split()):
            for shape in options.shapes.split():
                measured += of_table(cluster, f"{shape}_{rows}", rows, SHAPES[shape], options)
        return measured
    finally:
        cluster.drop()


def of_table(cluster, table, rows, filler, options):
    name = cluster.create_database(table)
    with cluster.connect(name) as connection:
        connection.execute(f"CREATE TABLE p AS SELECT n AS id FROM generate_series(1, {PARENTS}) AS n")
        connection.execute("ALTER TABLE p ADD PRIMARY KEY (id)")
        connection.execute(TABLE.format(t=table, rows=rows, parents=PARENTS, filler=filler))
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
        connection.execute("VACUUM (FREEZE, ANALYZE) p")
        connection.execute("CHECKPOINT")
        size = connection.execute(f"SELECT pg_relation_size('{table}')").fetchone()[0]
        print(f"\nPostgreSQL {cluster.version}, {table}: {size / 2**20:.0f} MB, speed {speed(connection)}")
        print(f"  {'':<26} {'predicted':>10} {'at most':>9} {'real':>9} {'ratio':>6}   disk")
        cases = [case for case in CASES if options.only.lower() in case[0].lower()]
        measured = [of_case(cluster, name, connection, table, case, options) for case in cases]
    cluster.drop_database(name)
    return measured


def speed(connection):
    answers = [json.loads(connection.execute(SPEED.read_text(encoding="utf-8")).fetchone()[0]) for _ in range(7)]
    return ", ".join(f"{key} {statistics.median(answer[key] for answer in answers):.0f} µs" for key in ("counting", "sorting"))


def of_case(cluster, database, connection, table, case, options):
    name, statement, before, safe = case
    told = predicted(cluster, database, statement.format(t=table))
    times, disks = [], []
    clock = processor_clock(connection) if options.processor_time else time.monotonic
    for _ in range(options.repetitions):
        taken, disk = once(connection, table, statement if safe is None else safe, before, clock)
        times.append(taken)
        disks.append(disk)
    kind = "" if safe is None else "safe_"
    real = statistics.median(times)
    measured = Measured(
        cluster.version, table, name, told[f"{kind}seconds"], told[f"{kind}at_most_seconds"], real, told["disk_bytes"], disks[-1]
    )
    disk = f"{measured.disk_predicted / 2**20:.0f} MB said, {disks[-1] / 2**20:.0f} MB used" if disks[-1] else ""
    print(
        f"  {name:<26} {measured.predicted:>8.2f} s {measured.at_most:>7.2f} s {measured.real:>7.2f} s {measured.ratio:>6.2f}   {disk}", flush=True
    )
    return measured


def processor_clock(connection):
    """The seconds that the server's process of this session has run: all of the work is then done by it."""
    connection.execute("SET max_parallel_maintenance_workers = 0; SET max_parallel_workers_per_gather = 0")
    account = pathlib.Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return lambda: int(account.read_text(encoding="ascii").split()[0]) / 1e9


def once(connection, table, statement, before, clock):
    """The seconds of a statement, and the bytes of the index that it made."""
    if before:
        connection.execute(before.format(t=table))
    alone = "CONCURRENTLY" in statement or "VACUUM" in statement
    if not alone:
        connection.execute("BEGIN")
    began = clock()
    connection.execute(statement.format(t=table))
    taken = clock() - began
    made = connection.execute("SELECT sum(pg_relation_size(c.oid)) FROM pg_class c WHERE relname IN ('i', 'k')").fetchone()[0]
    if alone:
        connection.execute("DROP INDEX IF EXISTS i")
    else:
        connection.execute("ROLLBACK")
    if before:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT f")
    return taken, made and int(made)


def predicted(cluster, database, statement):
    import tools

    url = f"postgres://{tools.USER}:{tools.PASSWORD}@127.0.0.1:{cluster.port}/{database}"
    command = [os.environ.get("PGAIRLOCK_BIN", "pgairlock"), "check", "--format", "json", "--fail-on", "never", "--database-url", url, "-"]
    done = subprocess.run(command, input=f"{statement};\n", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    findings = json.loads(done.stdout)["files"][0]["statements"][0]["findings"]
    estimates = [finding["estimate"] for finding in findings if finding["estimate"]]
    if not estimates:
        raise SystemExit(f"nothing is said of {statement}: {findings}")
    return estimates[0]


def summary(measured):
    print()
    for version in sorted({one.version for one in measured}):
        ratios = sorted(one.ratio for one in measured if one.version == version)
        beyond = [f"{one.case} on {one.table}" for one in measured if one.version == version and one.real > one.at_most]
        print(
            f"PostgreSQL {version}: {len(ratios)} statements took {ratios[0]:.2f} to {ratios[-1]:.2f} times what was said, "
            f"half of them up to {statistics.median(ratios):.2f}; beyond the upper bound: {', '.join(beyond) or 'none'}"
        )


if __name__ == "__main__":
    main()
