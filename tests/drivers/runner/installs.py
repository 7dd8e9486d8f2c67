"""Installs what the programs need under target/drivers/. Each part is stamped with its inputs and done once."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

from runner.paths import HERE, INSTALLED

VENV = INSTALLED / "python"
GO = INSTALLED / "go"
JAVA = INSTALLED / "java"
NODE = INSTALLED / "node"


class ToolMissing(Exception):
    """A program that is needed to build or run a driver is not on PATH."""


class InstallFailed(Exception):
    """The message is the output of what failed."""


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise ToolMissing(f"no {tool}")


def python():
    install("python", ["requirements.txt"], VENV, install_python)


def go():
    need("go")
    # The sources decide: Go's own build cache makes this quick when nothing changed.
    install("go", sources("go"), GO, build_go)


def java():
    need("java", "javac", "mvn")
    install("java", sources("java"), JAVA, build_java)


def node():
    need("node", "npm")
    install("node", sources("node"), NODE, install_node)


def sources(part):
    return sorted(str(path.relative_to(HERE / part)) for path in (HERE / part).rglob("*") if path.is_file())


def install(part, inputs, home, build):
    digest = hashlib.sha256(f"{home} {sys.version}".encode())
    for name in inputs:
        digest.update(name.encode() + b"\0" + (HERE / part / name).read_bytes() + b"\0")
    stamp = home / ".installed"
    with locked(part):
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        home.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        build(HERE / part)
        stamp.write_text(digest.hexdigest())


@contextmanager
def locked(part):
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / f".{part}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_python(source):
    shutil.rmtree(VENV)
    run([sys.executable, "-m", "venv", VENV])
    run([VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--only-binary", ":all:", "-r", source / "requirements.txt"])


def build_go(source):
    run(["go", "build", "-mod=readonly", "-o", f"{GO}/bin/", "./cmd/..."], cwd=source,
        GOMODCACHE=str(GO / "modules"), GOCACHE=str(GO / "cache"), GOFLAGS="-modcacherw -buildvcs=false")


def build_java(source):
    run(["mvn", "--batch-mode", "--quiet", "--file", source / "pom.xml", f"-Dmaven.repo.local={JAVA}/repository",
         "dependency:copy-dependencies", f"-DoutputDirectory={JAVA}/lib"])
    shutil.rmtree(JAVA / "classes", ignore_errors=True)
    run(["javac", "-Xlint:all", "-Werror", "-proc:none", "-encoding", "UTF-8", "-cp", f"{JAVA}/lib/*",
         "-d", JAVA / "classes", *sorted((source / "src").glob("*.java"))])


def install_node(source):
    # Node looks for packages beside the program, and nothing is installed among the sources.
    shutil.copytree(source, NODE, dirs_exist_ok=True)
    run(["npm", "ci", "--no-audit", "--no-fund", "--cache", INSTALLED / "npm-cache"], cwd=NODE)


def run(command, cwd=None, **environment):
    done = subprocess.run(list(map(str, command)), cwd=cwd, env={**os.environ, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise InstallFailed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
