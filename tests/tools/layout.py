"""The shared migrations (migrations/sql) as files of the kind that a tool wants to find, under target/tools.

A tool that cannot be told to stop at a version is given the first files only: what a repository had when it was at that version.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile

import install

MIGRATIONS = pathlib.Path(__file__).resolve().parent / "migrations"
HOME = install.HOME / "laid-out"
# Node looks for packages in the directories above a program.
NODE_HOME = install.HOME / "node" / "laid-out"


@dataclasses.dataclass(frozen=True)
class Migration:
    """One of the shared migrations; `down` is empty where there is no way back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def title(self):
        return f"{self.number:04}_{self.name}"


def shared(migrations, version=None):
    """Those of a set up to a version, in order."""
    return [_read(path) for path in sorted((MIGRATIONS / "sql" / migrations).glob("*.up.sql"))[:version]]


def _read(path):
    number, _, name = path.name.removesuffix(".up.sql").partition("_")
    down = path.with_name(path.name.replace(".up.sql", ".down.sql"))
    return Migration(int(number), name, path.read_text(), down.read_text() if down.exists() else "")


def statements(text):
    """The statements of a shared migration; there is no semicolon inside of one."""
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def own(tool, migrations, suffix, version=None):
    """The files that are written for this tool alone, up to a version: name and text."""
    return {path.name: path.read_text() for path in sorted((MIGRATIONS / tool / migrations).glob(f"*{suffix}"))[:version]}


def lay_out(files, home=HOME):
    """A directory with just these files (name and text). Its name is their digest, so it is written once."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    place = home / digest
    if not place.exists():
        home.mkdir(parents=True, exist_ok=True)
        _write(files, place, home)
    return place


def _write(files, place, home):
    """Another run may write the same at the same time: what stands there first stays."""
    draft = pathlib.Path(tempfile.mkdtemp(dir=home, prefix="draft-"))
    for name, text in files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_text(text)
    try:
        os.rename(draft, place)
    except OSError:
        shutil.rmtree(draft)
        if not place.exists():
            raise
