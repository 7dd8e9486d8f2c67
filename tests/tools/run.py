#!/usr/bin/env python3
"""Real migration tools through the proxy: same schema as without it, and refusals that the user can read.

    python3 tests/tools/run.py --pg-version 15                  every tool, driver and set
    python3 tests/tools/run.py --pg-version 15 --quick          two drivers: regular set, and two tools on naive migrations
    python3 tests/tools/run.py --pg-version 15 --only flyway    rows whose tool/driver/set contains the text
    python3 tests/tools/run.py --pg-version 15 --direct-only    without the proxy: the checks that need it must notice

A tool that cannot be had is skipped, with CI=true it is a failure.
"""

import argparse
import os
import signal
import sys
import tempfile
import time

import install

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ROW = "{:<15} {:<9} {:<19} {:<10} {:>7}"


def main():
    options = arguments()
    unwind_on_signals()
    sys.exit(in_environment(lambda: run(options)))


def in_environment(work):
    """Does it with the packages that it needs, in this program begun anew if need be; answers its exit code."""
    try:
        python = install.python_packages()
        if not os.path.samefile(sys.prefix, install.VENV):
            os.execv(python, [str(python), *sys.argv])
        return work()
    except install.Missing as missing:
        print(f"skipped: {missing}")
        return 1 if in_ci() else 0


def unwind_on_signals():
    for number in ENDING_SIGNALS:
        signal.signal(number, end)


def end(number, _frame):
    """Unwinds, so that everything that was started is ended; a second signal must not cut that short."""
    for other in ENDING_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-version", required=True, metavar="VERSION")
    parser.add_argument("--only", default="", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--direct-only", action="store_true")
    return parser.parse_args()


def in_ci():
    return os.environ.get("CI") == "true"


def run(options):
    import server

    rows = [row for row in matrix(options.quick) if options.only in row.path]
    if not rows:
        print(f"nothing is named {options.only}", file=sys.stderr)
        return 2
    directory = tempfile.mkdtemp(prefix="pgairlock-tools-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    with server.Lab(options.pg_version, directory, options.direct_only) as lab:
        print(ROW.format("tool", "driver", "set", "result", "seconds"))
        failures = sum([not row.run(lab) for row in rows])
        failures += not proxies_end_well(lab)
    return 1 if failures else 0


def proxies_end_well(lab):
    """A proxy that died on the way, or that does not end when told to, is a failure too."""
    codes = lab.stop()
    for name, code in codes.items():
        if code != 0:
            print(f"the proxy `{name}` ended with {'a kill' if code is None else f'exit code {code}'}")
    return all(code == 0 for code in codes.values())


def matrix(quick):
    import kinds
    import sets
    import tools

    class Comparison:
        name, driver = "comparison", "-"

        def install(self):
            """Nothing to install."""

    def all_sets(tool):
        yield Row(tool, "regular", sets.regular)
        yield Row(tool, "tls", sets.tls, needs_proxy=True)
        if tool.can_go_down:
            yield Row(tool, "drops", sets.drops, needs_proxy=True)
        yield Row(tool, "naive-index", sets.naive_index, needs_proxy=True)
        yield Row(tool, "duplicates", sets.duplicates)

    yield Row(Comparison(), "self-check", sets.comparison)
    if quick:
        yield Row(tools.Alembic("psycopg2"), "regular", sets.regular)
        yield Row(tools.GolangMigrate("pgx5"), "regular", sets.regular)
        yield Row(tools.Alembic("psycopg2"), "naive-all", sets.naive_all, needs_proxy=True)
        yield Row(kinds.django.Django("psycopg"), "naive-all", sets.naive_all, needs_proxy=True)
        return
    for kind in (tools.Alembic, tools.GolangMigrate, tools.Flyway):
        for driver in kind.drivers:
            yield from all_sets(kind(driver))
    # With its default lock Flyway has a second connection idle in transaction, whose open portal would hold up a concurrent build.
    for lock, suffix in (("session", ""), ("transaction", "-lock")):
        yield Row(tools.Flyway("pgjdbc", transactional=False, lock=lock), f"index-alone{suffix}", sets.index_alone, needs_proxy=True)
        yield Row(tools.Flyway("pgjdbc", lock=lock), f"naive-all{suffix}", sets.naive_all, needs_proxy=True)
    yield Row(tools.Flyway("pgjdbc"), "by-hand-lock", sets.concurrent_by_hand, needs_proxy=True)
    yield Row(tools.Flyway("pgjdbc"), "refused", sets.refused, needs_proxy=True)
    yield Row(tools.Flyway("pgjdbc"), "fails-late", sets.fails_late, needs_proxy=True)
    psql = tools.Psql("libpq")
    yield Row(psql, "naive-all", sets.naive_all, needs_proxy=True)
    yield Row(psql, "refused", sets.refused, needs_proxy=True)
    yield Row(psql, "fails-late", sets.fails_late, needs_proxy=True)
    yield Row(psql, "duplicates", sets.duplicates)
    for driver in tools.GolangMigrate.drivers:
        yield Row(tools.GolangMigrate(driver, split=True), "indexes-split", sets.indexes_split, needs_proxy=True)
        yield Row(tools.GolangMigrate(driver, split=True), "fails-late-begin", sets.fails_late_begin, needs_proxy=True)
        yield Row(tools.GolangMigrate(driver), "naive-each", sets.naive_each, needs_proxy=True)
        yield Row(tools.GolangMigrate(driver), "naive-all", sets.naive_all, needs_proxy=True)
        yield Row(tools.GolangMigrate(driver), "refused", sets.refused, needs_proxy=True)
    for driver in tools.Alembic.drivers:
        yield Row(tools.Alembic(driver), "naive-all", sets.naive_all, needs_proxy=True)
        yield Row(tools.Alembic(driver), "refused", sets.refused, needs_proxy=True)
        yield Row(tools.Alembic(driver), "fails-late", sets.fails_late, needs_proxy=True)
        yield Row(tools.Alembic(driver, transaction="each"), "naive-all-each", sets.naive_all, needs_proxy=True)
        yield Row(tools.Alembic(driver, transaction="each"), "regular-each", sets.regular)
    yield from further_tools()


def further_tools():
    import kinds
    import sets

    for tool in [kind(driver) for kind in kinds.ALL for driver in kind.drivers]:
        yield Row(tool, "regular", sets.regular)
        yield Row(tool, "naive-all", sets.naive_all, needs_proxy=True)
        yield Row(tool, "refused", sets.refused, needs_proxy=True)
        yield Row(tool, "fails-late", sets.fails_late, needs_proxy=True)
        if tool.sends_whole_files:
            yield Row(tool, "naive-each", sets.naive_each, needs_proxy=True)
    yield Row(kinds.django.Django("psycopg"), "fails-late-deferred", sets.fails_late_deferred, needs_proxy=True)


class Row:
    """One line of the table."""

    def __init__(self, tool, name, check, needs_proxy=False):
        self.tool = tool
        self.name = name
        self.check = check
        self.needs_proxy = needs_proxy
        self.path = f"{tool.name}/{tool.driver}/{name}"

    def run(self, lab):
        """Prints the line, and on failure what is different; answers whether all is well."""
        import connection
        import psycopg
        import sets

        import known_gaps

        started = time.monotonic()
        case = sets.Case(lab, self.tool, self.name)
        gap = None if lab.direct_only else known_gaps.GAPS.get(self.path)
        must_differ = lab.direct_only and self.needs_proxy
        try:
            self.tool.install()
            started = time.monotonic()
            self.check(case)
        except install.Missing as missing:
            self._print("FAILED" if in_ci() else "skipped", started, f"skipped: {missing}")
            return not in_ci()
        except (sets.Difference, connection.NotAsExpected, psycopg.Error) as difference:
            if must_differ and isinstance(difference, sets.NoProxy):
                self._print("differs", started, f"as it must without the proxy: {difference}")
                return True
            if gap and case.runs and gap.says in case.runs[-1].output:
                self._print("known gap", started, gap.why)
                return True
            earlier = [run.summary() for run in case.runs[:-1]]
            last = [run.full() for run in case.runs[-1:]]
            self._print("FAILED", started, difference, *earlier, *last, *proxy_logs(lab))
            return False
        wrong = ["passed without the proxy"] if must_differ else ["is mended: take it out of known_gaps.py"] if gap else []
        self._print("FAILED" if wrong else "ok", started, *(wrong or case.compared))
        return not wrong

    def _print(self, result, started, *details):
        print(ROW.format(self.tool.name, self.tool.driver, self.name, result, f"{time.monotonic() - started:.1f}"))
        for detail in details:
            print("    " + str(detail).replace("\n", "\n    "))
        sys.stdout.flush()


def proxy_logs(lab):
    return [f"proxy `{name}`, last lines of its log:\n{proxy.last_lines()}" for name, proxy in lab.proxies.items()]


if __name__ == "__main__":
    main()
