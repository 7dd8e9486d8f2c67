#!/usr/bin/env python3
"""The dashboard in a real browser: headless Chromium before a real proxy, behind which the real Alembic has migrated.

    python3 tests/browser/run.py --pg-version 15                          everything
    python3 tests/browser/run.py --pg-version 15 --quick                  each page once
    python3 tests/browser/run.py --pg-version 15 --pictures DIRECTORY     and a picture of each page
    python3 tests/browser/run.py --pg-version 15 --only keys              checks whose name contains the word

A browser that cannot be had is skipped, with CI=true it is a failure. A further check is a function in checks.py and its name in CHECKS; what there is
to see for it is brought about in stage.py.
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

# Before this directory, whose run.py is this file.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))

import run as tools_run  # noqa: E402

QUICK = (
    "a_click_lets_the_migration_pass_once",
    "another_literal_or_role_is_another_statement",
    "somebody_logs_in_and_out",
    "a_viewer_changes_nothing",
    "every_page_is_sound_in_every_look",
    "pages_show_what_happened",
)


def main():
    options = arguments()
    tools_run.unwind_on_signals()
    sys.exit(tools_run.in_environment(lambda: run(options)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-version", required=True, metavar="VERSION")
    parser.add_argument("--only", default="", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pictures", metavar="DIRECTORY")
    return parser.parse_args()


def run(options):
    import checks
    from browser import Browser
    from stage import Stage

    chosen = [check for check in checks.CHECKS if options.only in check.__name__ and (not options.quick or check.__name__ in QUICK)]
    if not chosen:
        print(f"no check is named {options.only}", file=sys.stderr)
        return 2
    if options.pictures:
        pathlib.Path(options.pictures).mkdir(parents=True, exist_ok=True)
    browser = Browser()
    directory = tempfile.mkdtemp(prefix="pgairlock-browser-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    failures = 0
    try:
        with Stage(options.pg_version, directory) as stage:
            stage.fill()
            for check in chosen:
                more = {}
                if check is checks.every_page_is_sound_in_every_look:
                    more = {"quick": options.quick, "pictures": options.pictures}
                failures += not passes(check, stage, browser, more)
    finally:
        browser.close()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(chosen) - failures} of {len(chosen)} checks in the browser passed, on PostgreSQL {options.pg_version}")
    return 1 if failures else 0


def passes(check, stage, browser, more):
    begun = time.monotonic()
    try:
        check(stage, browser, **more)
    except Exception:
        print(f"FAILED  {check.__name__}")
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"ok      {check.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


if __name__ == "__main__":
    main()
