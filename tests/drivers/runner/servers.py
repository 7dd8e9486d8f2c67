"""The PostgreSQL cluster and the proxy that the programs talk to."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from runner.paths import ROOT, proxy_program

ROLE, PASSWORD, DATABASE = "driver_tester", "correct horse battery", "drivers"
LOCK_TIMEOUT = "2s"
READY_WITHIN = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    """A PostgreSQL server of its own, with one plain role and one database."""

    def __init__(self, folder, version):
        self.folder, self.version, self.port = folder / "cluster", version, free_port()
        # The SQLSTATE in front of every line lets the runner see on the server what a driver may keep to itself.
        self._script("start", version, self.folder, self.port, "log_line_prefix=%e ")
        self.log = self.folder / "data/server.log"
        try:
            self._sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
            self._sql(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        except BaseException:
            self.drop()
            raise

    def serve_tls(self, certificates):
        """Switches TLS on in the running server; ssl can be changed by a reload."""
        owner = (self.folder / "data").stat()
        for name in ("server.crt", "server.key"):
            copy = self.folder / "data" / name
            shutil.copy(certificates / name, copy)
            copy.chmod(0o600)
            os.chown(copy, owner.st_uid, owner.st_gid)
        self._sql("ALTER SYSTEM SET ssl = on")
        self._sql("SELECT pg_reload_conf()")
        wait_for(lambda: self._sql("SHOW ssl") == "on", "the server's TLS")

    def log_size(self):
        return self.log.stat().st_size

    def log_since(self, offset):
        with self.log.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def drop(self):
        self._script("drop", self.folder)

    def _sql(self, sql):
        # The server's socket asks for no password.
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder / "socket", "-p", str(self.port),
                               "-U", "postgres", "-c", sql], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def _script(self, *arguments):
        subprocess.run([ROOT / "scripts/cluster", *map(str, arguments)], check=True)


class Proxy:
    """pgairlock in front of the cluster: TLS to the client when it asks, none to the server."""

    def __init__(self, folder, cluster, certificates):
        self.port, self.admin = free_port(), free_port()
        config = folder / "pgairlock.toml"
        config.write_text(self._config(folder, cluster, certificates))
        self.log = folder / "pgairlock.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([proxy_program(), "serve", "--config", config], stdout=log, stderr=log)
        try:
            wait_for(self._ready, "the proxy's /readyz")
        except TimeoutError as problem:
            self.process.kill()
            raise SystemExit(f"{problem}; it logged:\n{self.tail()}")
        except BaseException:
            self.process.kill()
            raise

    def _config(self, folder, cluster, certificates):
        return f"""
[[listener]]
name = "drivers"
address = "127.0.0.1:{self.port}"
mode = "enforce"
tls = {{ mode = "prefer", certificate = "{certificates}/server.crt", key = "{certificates}/server.key" }}
[[upstream]]
name = "main"
databases = ["*"]
hosts = ["127.0.0.1:{cluster.port}"]
tls = {{ mode = "disable" }}
[timeouts]
lock = "{LOCK_TIMEOUT}"
[store]
path = "{folder}/pgairlock.db"
[admin]
address = "127.0.0.1:{self.admin}"
"""

    def _ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the proxy ended with {self.process.returncode}; it logged:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def complaints(self):
        """Stops the proxy. What is wrong with how it lived and ended, as a list."""
        wrong = []
        if self.process.poll() is not None:
            wrong.append(f"the proxy ended early with status {self.process.returncode}")
        self.process.send_signal(signal.SIGTERM)
        try:
            if self.process.wait(timeout=40) != 0 and not wrong:
                wrong.append(f"after SIGTERM the proxy ended with status {self.process.returncode}")
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            wrong.append("the proxy did not end within 40 s of SIGTERM")
        if "panicked at" in self.log.read_text(errors="replace"):
            wrong.append("the proxy panicked")
        return wrong


def wait_for(condition, what):
    deadline = time.monotonic() + READY_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not there within {READY_WITHIN} s")
        time.sleep(0.05)
