#!/usr/bin/env python3
"""The migrations of a real project, judged: no crash, nothing that PostgreSQL's grammar takes and we do not.

    python3 tests/corpus/corpus.py DIRECTORY

Prints what comes of them, by decision and by rule. tests/second_reader.rs compares two readers of the same files.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAST_FILES = 800
LEAST_STATEMENTS = 2_000


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    binary = os.environ.get("PGAIRLOCK_BIN", str(ROOT / "target" / "release" / "pgairlock"))
    command = [binary, "check", "--format", "json", "--direction", "both", "--fail-on", "never", sys.argv[1]]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode not in (0, 2) or not done.stdout:
        sys.exit(f"ended with {done.returncode}: {done.stderr[-2000:]}")
    files = json.loads(done.stdout)["files"]
    statements = [statement for file in files for statement in file["statements"]]
    problems = [(file["path"], problem) for file in files for problem in file["problems"]]
    print(f"{len(files)} files, {len(statements)} statements, {seconds:.1f} s")
    tell("decisions", (statement["decision"] for statement in statements))
    tell("rules", (finding["rule"] for statement in statements for finding in statement["findings"]))
    unread = [statement for statement in statements if any(finding["rule"] == "not-understood" for finding in statement["findings"])]
    for path, problem in problems:
        print(f"{path}:{problem['line']}: {problem['message']}")
    for statement in unread:
        print(f"not understood: {statement['sql'][:200]}")
    few = len(files) < LEAST_FILES or len(statements) < LEAST_STATEMENTS
    return 1 if problems or unread or few else 0


def tell(what, words):
    counted = ", ".join(f"{word} {count}" for word, count in collections.Counter(words).most_common())
    print(f"{what}: {counted}")


if __name__ == "__main__":
    sys.exit(main())
