#!/usr/bin/env python3
"""A short deploy day, with the packages that the tools' harness has: that it works, and no judgement of times.

    python3 tests/deploy_day/quick.py --pg-version 15
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tools"))

import run  # noqa: E402 - from tests/tools


def main():
    run.unwind_on_signals()
    sys.exit(run.in_environment(quick))


def quick():
    import deploy_day

    return deploy_day.deploy_day(deploy_day.arguments(["--quick", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
