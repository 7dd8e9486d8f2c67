"""Where things are."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
INSTALLED = TARGET / "drivers"


def proxy_program():
    """The pgairlock binary: the one that is named, else the release build, else the debug build."""
    named = os.environ.get("PGAIRLOCK_BIN")
    candidates = [Path(named)] if named else [TARGET / "release/pgairlock", TARGET / "debug/pgairlock"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise SystemExit("no pgairlock binary: build one, or name it in PGAIRLOCK_BIN (looked at: "
                     + ", ".join(map(str, candidates)) + ")")
