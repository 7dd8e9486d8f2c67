#!/usr/bin/env python3
"""Real migration tools through the proxy: same schema as without it, and refusals that the user can read.

    python3 tests/tools/run.py --pg-version 15                  every tool, driver and set
    python3 tests/tools/run.py --pg-version 15 --quick          two drivers: regular set, and two tools on naive migrations
    python3 tests/tools/run.py --pg-version 15 --only flyway    rows whose tool/driver/set contains the text
    python3 tests/tools/run.py --pg-version 15 --direct-only    without the proxy: the checks that need it must notice

A tool that cannot be had is skipped, with CI=true it is a failure.
"""

import os
import signal
import sys
import tempfile

import command_line
import install

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        return 1 if install.in_ci() else 0


def unwind_on_signals():
    for number in ENDING_SIGNALS:
        signal.signal(number, end)


def end(number, _frame):
    """Unwinds, so that everything that was started is ended; a second signal must not cut that short."""
    for other in ENDING_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def arguments():
    parser = command_line.parser_of_rows(__doc__)
    parser.add_argument("--direct-only", action="store_true")
    return parser.parse_args()


def run(options):
    import known_gaps
    import matrix
    import row
    import server

    rows = [each for each in matrix.rows(options.quick) if options.only in each.path]
    nowhere = known_gaps.GAPS.keys() - {each.path for each in matrix.rows(quick=False)}
    if nowhere:
        print(f"known_gaps.py names rows that there are not: {', '.join(nowhere)}", file=sys.stderr)
        return 2
    if not rows:
        print(f"nothing is named {options.only}", file=sys.stderr)
        return 2
    directory = tempfile.mkdtemp(prefix="pgairlock-tools-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    with server.Lab(options.pg_version, directory, options.direct_only) as lab:
        print(row.HEADINGS)
        failures = sum([not each.run(lab) for each in rows])
        failures += not proxies_end_well(lab)
    return 1 if failures else 0


def proxies_end_well(lab):
    """A proxy that died on the way, or that does not end when told to, is a failure too."""
    codes = lab.stop()
    for name, code in codes.items():
        if code != 0:
            print(f"the proxy `{name}` ended with {'a kill' if code is None else f'exit code {code}'}")
    return all(code == 0 for code in codes.values())


if __name__ == "__main__":
    main()
