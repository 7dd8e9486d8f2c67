#!/usr/bin/env python3
"""A deploy on a large table while an application reads and writes: how long it has to wait, directly and through the proxy.

    make deploy-day                                         Alembic, Flyway and golang-migrate on 2,000,000 rows, three times each
    make deploy-day DEPLOY=flyway ROWS=50000 REPETITIONS=1  one tool, few rows
    python3 tests/deploy_day/quick.py --pg-version 15       golang-migrate on few rows: that it works, no judgement of times and no plot

The tools are those of tests/tools (dbmate, django, rails …), their naive migrations too. What it prints is also under target/deploy-day, with a plot.
"""

import argparse
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tests" / "tools"))

import install  # noqa: E402 - from tests/tools
import kinds  # noqa: E402
import run  # noqa: E402
import server  # noqa: E402
import sets  # noqa: E402
import tools  # noqa: E402

import report  # noqa: E402
from deploy import DeployDay  # noqa: E402

TOOLS = {kind.name: kind for kind in (tools.Alembic, tools.Flyway, tools.GolangMigrate, *kinds.ALL)}
BY_DEFAULT = "alembic,flyway,golang-migrate"
QUICK = "golang-migrate"
# Enough memory and log space that the machine's disk is not what is measured.
SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB")
LONGEST_RUN = 1800  # seconds for one run of one tool
FEWEST_ROWS = 50_000


def main():
    run.unwind_on_signals()
    sys.exit(deploy_day(arguments(sys.argv[1:])))


def deploy_day(options):
    tools.DEADLINE = LONGEST_RUN
    directory = tempfile.mkdtemp(prefix="pgairlock-deploy-day-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    try:
        with server.Lab(options.pg_version, directory, direct_only=False, settings=SETTINGS) as lab:
            wrong = measure_all(lab, options)
            wrong += [] if run.proxies_end_well(lab) else ["a proxy ended badly"]
    except install.Missing as missing:
        print(f"skipped: {missing}")
        return 1 if install.in_ci() else 0
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def arguments(given):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=BY_DEFAULT, type=names, metavar="NAME[,NAME…]")
    parser.add_argument("--rows", default=2_000_000, type=int)
    parser.add_argument("--repetitions", default=3, type=int)
    parser.add_argument("--limit", default=100, type=int, help="milliseconds that the application may wait through the proxy, in the median")
    parser.add_argument("--pg-version", default="15", metavar="VERSION")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.quick:
        options.tools, options.rows, options.repetitions = names(QUICK), FEWEST_ROWS, 1
    if options.rows < FEWEST_ROWS or options.repetitions < 1:
        parser.error(f"at least {FEWEST_ROWS} rows and one repetition")
    return options


def names(text):
    unknown = set(text.split(",")) - set(TOOLS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no tool is named {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    return text.split(",")


def measure_all(lab, options):
    """Prints and writes the results; answers all that is wrong, in words."""
    results, wrong = {}, []
    for name in options.tools:
        repetitions, complaints = measure(lab, TOOLS[name], options)
        wrong += [f"{name}: {complaint}" for complaint in complaints]
        if repetitions:
            results[name] = report.medians(repetitions)
            wrong += [] if options.quick else [f"{name}: {complaint}" for complaint in too_long(results[name], options.limit)]
    title = (f"Naive migrations on {options.rows:,} rows, PostgreSQL {options.pg_version}, "
             f"median of {options.repetitions} run{'s' if options.repetitions > 1 else ''}")
    if not options.quick:
        report.write(install.TARGET / "deploy-day", results, title)
    print(f"\n{title}\n\n{report.table(results)}\n")
    return wrong


def measure(lab, kind, options):
    """All repetitions of one tool, and what is wrong with them."""
    tool = kind(kind.drivers[0])
    tool.install()
    try:
        day = DeployDay(lab, tool, options.rows)
        repetitions = [repetition(day, number + 1, options.repetitions) for number in range(options.repetitions)]
        wrong = [complaint for each in repetitions for complaint in each.wrong] + day.refused()
    except sets.Difference as difference:
        return [], [difference]
    lab.cluster.drop_database(day.template)
    return repetitions, wrong


def repetition(day, number, count):
    result = day.repetition()
    words = [f"{report.NAMES[way]} {report.waits(measured)}" for way, measured in result.measured.items()]
    print(f"{day.tool.name} {number}/{count}: {'; '.join(words)}{'' if not result.wrong else '; WRONG'}", flush=True)
    return result


def too_long(ways, limit):
    """The application waited longer through the proxy than it may. Where it waits as long with no migration at all, nothing was shown."""
    for measure_name in ("read", "write"):
        if ways["idle"][measure_name] * 1000 > limit:
            yield f"with no migration at all one {measure_name} took {ways['idle'][measure_name] * 1000:.0f} ms: this machine is too busy to show anything"
        elif ways["proxied"][measure_name] * 1000 > limit:
            yield f"through the proxy one {measure_name} took {ways['proxied'][measure_name] * 1000:.0f} ms, {limit} ms are allowed"


if __name__ == "__main__":
    main()
