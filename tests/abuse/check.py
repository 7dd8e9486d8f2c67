#!/usr/bin/env python3
"""Files that nobody should send to `pgairlock check`: each gets its error or its verdicts, the rest is judged, and memory stays bounded.

    python3 tests/abuse/check.py
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_MEGABYTES = 300
MOST_SECONDS = 60
INSERT_BYTES = 20 * 1024 * 1024
ORDINARY = "CREATE INDEX i ON t (a);\n"


def repeated(piece, times, before=b"", after=b""):
    """Written piece by piece: what this process has held counts as its children's, too."""

    def write(file):
        file.write(before)
        for _ in range(times):
            file.write(piece)
        file.write(after)

    return write


def nested(opening, closing, depth, before, after):
    def write(file):
        repeated(opening, depth, before)(file)
        repeated(closing, depth, b"", after)(file)

    return write


def exactly(content):
    return repeated(content, 1)


ROW = b"(1, 'some text of a row', NULL, 1.5),\n"
LAST = ORDINARY.encode()
# Name, how it is written, words of the problem that is told (none: judged), and what the last statement of the file comes to.
FILES = [
    ("invalid.sql", exactly(b"SELECT 1;\nSELECT '\xff\xfe';\n"), "is not UTF-8: line 2", None),
    ("nul.sql", exactly(b"SELECT 1;\0SELECT 2;\n"), "NUL", None),
    ("insert.sql", repeated(ROW, INSERT_BYTES // len(ROW), b"INSERT INTO t VALUES ", ROW[:-2] + b";\n" + LAST), None, "rewrite"),
    ("statements.sql", repeated(b"INSERT INTO t VALUES (1, 'x');\n", 200_000, b"", LAST), None, "rewrite"),
    ("parentheses.sql", nested(b"(", b")", 10_000, b"SELECT ", b";\n" + LAST), "nested too deeply", "rewrite"),
    ("comments.sql", nested(b"/*", b"*/", 100_000, b"", b" SELECT 1;\n" + LAST), "nested too deeply", None),
    ("open-quote.sql", exactly(b"SELECT 'never closed;\n" + LAST), "unterminated quoted string", None),
    ("long-line.sql", repeated(b"1 + ", 200_000, b"SELECT ", b"1;\n" + LAST), None, "rewrite"),
    ("empty.sql", exactly(b""), None, None),
    ("ordinary.sql", exactly(LAST), None, "rewrite"),
]


def main():
    binary = os.environ.get("PGAIRLOCK_BIN", str(ROOT / "target" / "release" / "pgairlock"))
    failed = []
    print(f"{'file':<18} {'exit':>4} {'peak':>8} {'took':>7}")
    with tempfile.TemporaryDirectory(prefix="pgairlock-check-") as directory:
        for name, write, problem, decision in FILES:
            with pathlib.Path(directory, name).open("wb") as file:
                write(file)
            failed += one(binary, directory, name, problem, decision)
        failed += unreadable(binary, directory)
        failed += together(binary, directory)
    for complaint in failed:
        print(complaint)
    return 1 if failed else 0


def one(binary, directory, name, problem, decision):
    document, code, megabytes, seconds = check(binary, directory, [name])
    print(f"{name:<18} {code:>4} {megabytes:>5} MB {seconds:>5.1f} s", flush=True)
    complaints = []
    if megabytes > MOST_MEGABYTES:
        complaints.append(f"{name}: {megabytes} MB")
    if seconds > MOST_SECONDS:
        complaints.append(f"{name}: {seconds:.0f} s")
    if document is None:
        return [*complaints, f"{name}: ended with {code} and said nothing"]
    file = document["files"][0]
    told = " ".join(found["message"] for found in file["problems"])
    if (problem is None) != (told == "") or (problem or "") not in told:
        complaints.append(f"{name}: told {told!r}, not {problem!r}")
    if decision and (not file["statements"] or file["statements"][-1]["decision"] != decision):
        complaints.append(f"{name}: its last statement is not judged")
    if code != (2 if problem else 0):
        complaints.append(f"{name}: ended with {code}")
    return complaints


def unreadable(binary, directory):
    """A directory that ends in .sql, and a file that is not there."""
    pathlib.Path(directory, "directory.sql").mkdir()
    _, code, _, _ = check(binary, directory, ["nonesuch.sql", "ordinary.sql"])
    return [] if code == 2 else [f"nonesuch.sql: ended with {code}"]


def together(binary, directory):
    """All of them: the good ones are judged beside the bad ones."""
    names = [name for name, *_ in FILES] + ["nonesuch.sql"]
    document, code, megabytes, seconds = check(binary, directory, names)
    print(f"{'all together':<18} {code:>4} {megabytes:>5} MB {seconds:>5.1f} s", flush=True)
    judged = {file["path"] for file in document["files"] if file["statements"] and not file["problems"]} if document else set()
    wanted = {name for name, _, problem, decision in FILES if decision and not problem}
    complaints = [] if wanted <= judged else [f"not judged beside the others: {', '.join(sorted(wanted - judged))}"]
    return complaints if code == 2 else [*complaints, f"all together ended with {code}"]


def check(binary, directory, names):
    """What it wrote, its exit code, its greatest memory in MB, and seconds."""
    command = [binary, "check", "--format", "json", *names]
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=directory, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        document = read(out)
    return document, os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024, seconds


def read(out):
    """In a process of its own, for the same reason: only what is asked of it comes back."""
    out.seek(0)
    program = (
        "import json, sys; text = sys.stdin.read(); document = json.loads(text) if text.strip() else None\n"
        "for file in document['files'] if document else []: file['statements'] = file['statements'][-1:]\n"
        "json.dump(document, sys.stdout)"
    )
    return json.loads(subprocess.run([sys.executable, "-c", program], stdin=out, capture_output=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
