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


def in_ci():
    return os.environ.get("CI") == "true"


def python_packages():
    """The virtual environment with Alembic, Django, yoyo and their drivers; answers its interpreter."""
    python = VENV / "bin" / "python"
    requirements = HERE / "requirements.txt"

    def build():
        shutil.rmtree(VENV, ignore_errors=True)
        _run("a Python with venv", [sys.executable, "-m", "venv", str(VENV)])
        cache = {"PIP_CACHE_DIR": str(HOME / "pip")}
        _run("Python packages", [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)], cache)

    _once("venv", [requirements, sys.version.encode()], python, build)
    return python


def golang_migrate():
    """The real `migrate` command line with the drivers postgres (lib/pq) and pgx5."""
    return _go_program("golang-migrate", "migrate", "github.com/golang-migrate/migrate/v4/cmd/migrate", "postgres pgx5")


def goose():
    """Its command line with the driver for PostgreSQL (pgx) only."""
    others = "no_clickhouse no_mssql no_mysql no_sqlite3 no_turso no_vertica no_ydb"
    return _go_program("goose", "goose", "github.com/pressly/goose/v3/cmd/goose", others)


def tern():
    return _go_program("tern", "tern", "github.com/jackc/tern/v2")


def _go_program(name, program, package, tags=""):
    """Builds what `name`/go.mod pins."""
    module, result = HERE / name, HOME / "bin" / program
    go = _program("go")

    def build():
        # -modcacherw: a read-only module cache would make `rm -rf target` fail.
        command = [go, "build", "-buildvcs=false", "-modcacherw", "-mod=readonly", "-tags", tags, "-o", str(result), package]
        caches = {"GOMODCACHE": str(HOME / "go" / "modules"), "GOCACHE": str(HOME / "go" / "build"), "GOFLAGS": ""}
        _run(name, command, caches, cwd=module)

    _once(name, [module / "go.mod", module / "go.sum"], result, build)
    return result


def node_program(name):
    """A command of the packages that node/package-lock.json pins."""
    return node_packages() / ".bin" / name


def dbmate():
    """Its makers' own program, which comes as a package of Node's for each kind of machine; only one of them is pinned."""
    program = node_packages() / "@dbmate" / "linux-x64" / "bin" / "dbmate"
    if not program.exists():
        raise Missing("no dbmate for this kind of machine")
    return program


def node_packages():
    return _node_packages("node", HERE / "node")


def browser_packages():
    """What drives a browser and looks at its pages (tests/browser)."""
    return _node_packages("browser", ROOT / "tests" / "browser")


def browser():
    """Chromium, where Debian and Ubuntu put it."""
    return of_the_system("chromium", "chromium")


def _node_packages(name, source):
    home = HOME / name
    _program("node")
    npm = _program("npm")
    pins = [source / file for file in ("package.json", "package-lock.json", ".npmrc")]

    def build():
        home.mkdir(exist_ok=True)
        for pin in pins:
            shutil.copy(pin, home)
        # None of these packages needs a script of its own to be run.
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(HOME / "npm-cache")]
        _run("Node packages", command, cwd=home)

    packages = home / "node_modules"
    _once(name, pins, packages, build)
    return packages


def sqlx():
    """sqlx-cli, built as its makers lock it, for PostgreSQL only."""
    version, home = _pins()["sqlx-cli"], HOME / "sqlx"
    cargo = _program("cargo")
    result = home / "bin" / "sqlx"

    def build():
        command = [cargo, "install", "--quiet", "--locked", "--root", str(home), "--version", version]
        command += ["--no-default-features", "--features", "postgres,rustls", "sqlx-cli"]
        _run("sqlx-cli", command, {"CARGO_TARGET_DIR": str(home / "build")})
        shutil.rmtree(home / "build")

    _once("sqlx", [f"sqlx-cli {version}".encode()], result, build)
    return result


def liquibase():
    """Its command line is a class in its library; answers the class path, with the driver."""
    home, pom = HOME / "liquibase", HERE / "liquibase" / "pom.xml"
    _program("java")
    maven = _program("mvn")

    def build():
        shutil.rmtree(home, ignore_errors=True)
        command = [maven, "--batch-mode", "--quiet", "--file", str(pom), f"-Dmaven.repo.local={HOME / 'maven-liquibase'}"]
        _run("Liquibase", [*command, "dependency:copy-dependencies", f"-DoutputDirectory={home}"])
        shutil.rmtree(HOME / "maven-liquibase")

    _once("liquibase", [pom], home, build)
    return f"{home}/*"


def of_the_system(program, package):
    """A tool that scripts/install brings as one of the system's packages."""
    if shutil.which(program) is None:
        raise Missing(f"no {program} (Debian's {package})")
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

    _once("flyway", [f"{version} {pins['maven-dependency-plugin']}".encode()], program, build)
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
