#!/usr/bin/env python3
"""Two runners of one naive migration at once, both through one proxy: one applies it, the other finds it applied.

    python3 tests/tools/race.py --pg-version 15                                both tools, 20 rounds each
    python3 tests/tools/race.py --pg-version 15 --tool flyway --rounds 2

Each round has a database of its own. A tool that cannot be had is skipped, with CI=true it is a failure.
"""

import argparse
import os
import sys
import tempfile
import time

import command_line
import install
import run

ROW = "{:>5}  {:<15} {:<9} {:<8} {:<8} {:>7}"
TOOLS = ("golang-migrate", "flyway")


def main():
    options = arguments()
    run.unwind_on_signals()
    sys.exit(run.in_environment(lambda: race(options)))


def arguments():
    parser = command_line.parser(__doc__)
    parser.add_argument("--tool", default="both", choices=[*TOOLS, "both"])
    parser.add_argument("--rounds", default=20, type=rounds_wanted)
    return parser.parse_args()


def rounds_wanted(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number


def race(options):
    import server

    wanted = TOOLS if options.tool == "both" else (options.tool,)
    directory = tempfile.mkdtemp(prefix="pgairlock-race-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    with server.Lab(options.pg_version, directory, direct_only=False) as lab:
        print(ROW.format("round", "tool", "driver", "lock", "result", "seconds"))
        results = [race_of(lab, name, options.rounds) for name in wanted]
        well = run.proxies_end_well(lab)
    return 0 if well and all(results) else 1


def variants(name):
    """A set that the tool runs in one transaction, and the ways of running the tool, which the rounds take in turn."""
    import tools

    if name == "flyway":
        return "naive-all", [tools.Flyway("pgjdbc", lock=lock) for lock in ("transaction", "session")]
    return "naive-begin", [tools.GolangMigrate(driver, split=True) for driver in tools.GolangMigrate.drivers]


def race_of(lab, name, count):
    """All rounds of one tool; answers whether all is well."""
    import rounds
    import sets

    migrations, tools = variants(name)
    try:
        for tool in tools:
            tool.install()
    except install.Missing as missing:
        print(f"skipped: {name}: {missing}")
        return not install.in_ci()
    try:
        start = rounds.Start.prepare(lab, tools[0], migrations)
    except sets.Difference as difference:
        print(difference)
        return False
    results = [one_round(lab, start, tools[number % len(tools)], number + 1) for number in range(count)]
    passed, met = (sum(values) for values in zip(*results))
    print(f"{name}: {passed} of {count} rounds passed; in {met} of them both runners wanted the lock at once")
    if not met:
        print(f"{name}: the runners never met, so nothing was shown")
    return passed == count and met > 0


def one_round(lab, start, tool, number):
    """Prints the round's line, and on failure all that is wrong; answers whether it passed, and whether both runners were at work."""
    import psycopg
    import rounds
    import sets

    started, it = time.monotonic(), None
    try:
        it = rounds.Round(lab, start, tool, number)
        wrong = list(it.wrong())
    except (sets.Difference, psycopg.Error) as difference:
        wrong = [difference]
    details = [*wrong, *([each.full() for each in it.runs] if it else []), *lab.logs()] if wrong else []
    seconds = f"{time.monotonic() - started:.1f}"
    print(ROW.format(number, tool.name, tool.driver, tool.lock, "FAILED" if wrong else "ok", seconds))
    for detail in details:
        print("    " + str(detail).replace("\n", "\n    "))
    sys.stdout.flush()
    met = it is not None and it.met()
    if not wrong:
        lab.cluster.drop_database(it.database)
    return not wrong, met


if __name__ == "__main__":
    main()
