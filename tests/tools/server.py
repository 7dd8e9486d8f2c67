"""What the sets run against: a throw-away cluster, and the proxy in front of it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psycopg

import install
import tools

sys.path.append(str(install.ROOT / "tests" / "drivers"))
from runner import certificates  # noqa: E402 - the driver matrix makes the same ones

CLUSTER_SCRIPT = install.ROOT / "scripts" / "cluster"
DEADLINE = 30  # seconds to be ready, and to end
ESTABLISHED = "01"  # in /proc/net/tcp
# Every statement is written to the server's log, together with the database and the session's process.
LOGGED = ("log_statement=all", "log_line_prefix=%d|%p|")
# What stands in the configuration of each proxy besides addresses and store.
CONFIGURATIONS = {
    "default": "",
    "drops-allowed": '[rules]\ndrop-column = "off"\ndrop-table = "off"\n',
    "no-after-commit": "[after_commit]\ndefer = false\n",
    "tls": "",
}
# What a client sends to ask for TLS; the server answers one letter.
SSL_REQUEST = bytes([0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F])


def speaks_tls(port):
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(SSL_REQUEST)
        return connection.recv(1) == b"S"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """One server."""

    def __init__(self, version, directory, settings=LOGGED):
        self.version = version
        self.settings = settings
        self.directory = pathlib.Path(directory)
        self.port = free_port()

    def start(self):
        command = [CLUSTER_SCRIPT, "start", self.version, self.directory, str(self.port), *self.settings]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            output, _ = process.communicate()
        except BaseException:
            # Half started, the server could not be found again to stop it.
            process.communicate()
            raise
        if process.returncode != 0:
            raise install.Missing(f"no PostgreSQL {self.version}: {output[-2000:]}")

    def create_database(self, name, template="template1"):
        """A new database; `template` must have no sessions."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name):
        with self.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def connect(self, database):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=tools.USER, password=tools.PASSWORD, dbname=database, autocommit=True
        )

    def statements(self, database):
        """What the server was asked to run in one database, in order."""
        return [statement for _, statement in self.statements_by_process(database)]

    def statements_by_process(self, database):
        """The same, each with the process of the session that asked."""
        said = [(process, line.removeprefix("LOG:  ")) for process, line in self.log(database) if line.startswith("LOG:  ")]
        return [(process, line.split(": ", 1)[1]) for process, line in said if line.startswith(("statement: ", "execute "))]

    def log(self, database):
        """The server's log of one database, in order: process and line."""
        # The further lines of a statement begin with a tab.
        lines = (self.directory / "data" / "server.log").read_text(errors="replace").replace("\n\t", " ").splitlines()
        parts = [line.removeprefix(f"{database}|").partition("|") for line in lines if line.startswith(f"{database}|")]
        return [(process, line) for process, _, line in parts]

    def drop(self):
        subprocess.run([CLUSTER_SCRIPT, "drop", self.directory], check=False)


class Proxy:
    """One pgairlock with its own configuration, ports and store; with certificates it takes clients by TLS only."""

    def __init__(self, directory, upstream_port, more, certificates_directory=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.port, self.admin_port = free_port(), free_port()
        config = self.directory / "pgairlock.toml"
        self.store = self.directory / "pgairlock.db"
        config.write_text(self._config(upstream_port, certificates_directory) + more)
        self.log = open(self.directory / "log", "w+")
        self.process = subprocess.Popen(
            [proxy_program(), "serve", "--config", config],
            cwd=self.directory,
            env=tools.clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def _config(self, upstream_port, certificates_directory):
        text = json.dumps  # a JSON string is a TOML string
        lines = ["[[listener]]", 'name = "migrations"', f'address = "127.0.0.1:{self.port}"', 'mode = "enforce"']
        upstream = ["[[upstream]]", 'name = "main"', 'databases = ["*"]', f'hosts = ["127.0.0.1:{upstream_port}"]']
        if certificates_directory:
            certificate, key = (text(str(certificates_directory / name)) for name in ("server.crt", "server.key"))
            lines += [f'tls = {{ mode = "require", certificate = {certificate}, key = {key} }}']
            upstream += ['tls = { mode = "disable" }']
        lines += upstream + ["[store]", f"path = {text(str(self.store))}"]
        lines += ["[admin]", f'address = "127.0.0.1:{self.admin_port}"']
        return "\n".join(lines) + "\n"

    def wait_until_ready(self):
        deadline = time.monotonic() + DEADLINE
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the proxy did not become ready (exit code {self.process.poll()}):\n{self.last_lines()}")
            time.sleep(0.05)

    def _ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False

    @contextlib.contextmanager
    def asleep(self):
        """Meanwhile it takes and answers nothing; the system takes connections for it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def callers(self):
        """How many connections there are at its door and behind it."""
        sockets = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(local.endswith(f":{self.port:04X}") and state == ESTABLISHED for _, local, _, state, *_ in sockets)

    def last_lines(self, count=20):
        return "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-count:])

    def stored(self, query, *parameters):
        """Rows of its store."""
        with contextlib.closing(sqlite3.connect(self.store, timeout=DEADLINE)) as store:
            return store.execute(query, parameters).fetchall()

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """Asks it to end, as a deployment does; answers its exit code, or None when it had to be killed."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.log.close()


def proxy_program():
    candidates = [install.TARGET / "release" / "pgairlock", install.TARGET / "debug" / "pgairlock"]
    if "PGAIRLOCK_BIN" in os.environ:
        candidates = [pathlib.Path(os.environ["PGAIRLOCK_BIN"]).resolve()]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise install.Missing("no pgairlock: build it first, or name it in PGAIRLOCK_BIN")


class Lab:
    """A cluster with proxies before it, each started when it is first needed."""

    def __init__(self, version, directory, direct_only, settings=LOGGED):
        self.settings = settings
        self.directory = pathlib.Path(directory)
        self.version = version
        self.direct_only = direct_only
        self.cluster = None
        self.proxies = {}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self):
        if not self.direct_only:
            proxy_program()
        self.cluster = Cluster(self.version, self.directory / "cluster", self.settings)
        self.cluster.start()

    def proxy(self, name):
        if name not in self.proxies:
            certificates_directory = self._certificates() if name == "tls" else None
            self.proxies[name] = Proxy(self.directory / name, self.cluster.port, CONFIGURATIONS[name], certificates_directory)
            self.proxies[name].wait_until_ready()
        return self.proxies[name]

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends everything; answers the exit codes of the proxies by name."""
        codes = {name: proxy.stop() for name, proxy in self.proxies.items()}
        if self.cluster:
            self.cluster.drop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.proxies, self.cluster = {}, None
        return codes

    def logs(self):
        return [f"proxy `{name}`, last lines of its log:\n{proxy.last_lines()}" for name, proxy in self.proxies.items()]

    def direct(self, database):
        return tools.Endpoint(self.cluster.port, database)

    def proxied(self, database, proxy="default"):
        return self.direct(database) if self.direct_only else tools.Endpoint(self.proxy(proxy).port, database)

    def encrypted(self, database, authority="ca"):
        """By TLS; the server's certificate is signed by the authority `ca`, and not by `other`."""
        ca = self._certificates() / f"{authority}.crt"
        return dataclasses.replace(self.proxied(database, "tls"), ca=ca)

    def _certificates(self):
        directory = self.directory / "certificates"
        if not directory.exists():
            if shutil.which("openssl") is None:
                raise install.Missing("no openssl")
            directory.mkdir()
            certificates.make(directory)
        return directory
