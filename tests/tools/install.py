"""Puts the pinned tools under target/tools. What is there already, with the same pins, stays.

This file runs before anything is installed: standard library only.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
HOME = TARGET / "tools"
VENV = HOME / "venv"


class Missing(Exception):
    """A tool cannot be had on this machine; the text says what is missing."""


def python_packages():
    """The virtual environment with Alembic and both of its drivers; answers its interpreter."""
    python = VENV / "bin" / "python"
    requirements = HERE / "requirements.txt"

    def build():
        shutil.rmtree(VENV, ignore_errors=True)
        _run("a Python with venv", [sys.executable, "-m", "venv", str(VENV)])
        cache = {"PIP_CACHE_DIR": str(HOME / "pip")}
        _run("Alembic", [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)], cache)

    _once("venv", [requirements, sys.version.encode()], python, build)
    return python


def golang_migrate():
    """The real `migrate` command line with the drivers postgres (lib/pq) and pgx5."""
    module = HERE / "golang-migrate"
    program = HOME / "bin" / "migrate"
    go = _program("go")

    def build():
        # -modcacherw: a read-only module cache would make `rm -rf target` fail.
        command = [go, "build", "-buildvcs=false", "-modcacherw", "-mod=readonly"]
        command += ["-tags", "postgres pgx5", "-o", str(program), "github.com/golang-migrate/migrate/v4/cmd/migrate"]
        caches = {"GOMODCACHE": str(HOME / "go" / "modules"), "GOCACHE": str(HOME / "go" / "build"), "GOFLAGS": ""}
        _run("golang-migrate", command, caches, cwd=module)

    _once("golang-migrate", [module / "go.mod", module / "go.sum"], program, build)
    return program


def flyway():
    """Flyway's command line as its makers pack it, without a JRE."""
    pins = _pins()
    version = pins["flyway-commandline"]
    program = HOME / "flyway" / f"flyway-{version}" / "flyway"
    _program("java")
    maven = _program("mvn")

    def build():
        home, repository = HOME / "flyway", HOME / "maven"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        command = [maven, "--batch-mode", "--quiet", f"-Dmaven.repo.local={repository}"]
        command += [f"org.apache.maven.plugins:maven-dependency-plugin:{pins['maven-dependency-plugin']}:copy"]
        command += [f"-Dartifact=org.flywaydb:flyway-commandline:{version}:tar.gz", f"-DoutputDirectory={home}"]
        # Started where there is no pom.xml: Maven would read one.
        _run("Flyway", command, cwd=home)
        (archive,) = home.glob("*.tar.gz")
        shutil.unpack_archive(archive, home)
        # The archive is 200 MB; unpacked, neither it nor Maven's copy of it is needed.
        archive.unlink()
        shutil.rmtree(repository)
        program.chmod(0o755)

    _once("flyway", [HERE / "versions.txt"], program, build)
    return program


def _pins():
    lines = (HERE / "versions.txt").read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def _program(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(f"no {name}")
    return path


def _once(name, pins, result, build):
    """Runs `build` unless the stamp of these very pins stands beside a result that exists."""
    content = b"".join(pin if isinstance(pin, bytes) else pin.read_bytes() for pin in pins)
    digest = hashlib.sha256(content).hexdigest()
    stamp = HOME / f".{name}"
    with _lock(name):
        if result.exists() and stamp.exists() and stamp.read_text() == digest:
            return
        stamp.unlink(missing_ok=True)
        print(f"installing {name} …", file=sys.stderr, flush=True)
        build()
        stamp.write_text(digest)


@contextlib.contextmanager
def _lock(name):
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / f".{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(what, command, environment=None, cwd=None):
    environment = {**os.environ, **(environment or {})}
    process = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.returncode != 0:
        raise Missing(f"no {what}: {' '.join(command)}\n{process.stdout[-2000:]}")
