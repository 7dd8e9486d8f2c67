#!/usr/bin/env python3
"""Thousands of hostile connections against one proxy, and then a dead server behind it.

    python3 tests/abuse/run.py [--connections 10000] [--at-once 200] [--pg-version 15]

The proxy has to stay the same process, with flat memory and no descriptor left over, and to serve ordinary clients all the time.
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import hostile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGIN = 10  # seconds that a login may take: for an ordinary client on a loaded machine, too
RSS_GROWTH = 32 * 1024  # kB


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    candidates = [os.environ.get("PGAIRLOCK_BIN"), target / "release/pgairlock", target / "debug/pgairlock"]
    for candidate in filter(None, candidates):
        if pathlib.Path(candidate).exists():
            return str(candidate)
    sys.exit("no pgairlock: cargo build")


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return value


class Cluster:
    """A throw-away server with a role that needs no password."""

    def __init__(self, version, directory):
        self.version, self.directory, self.port = version, directory / "server", free_port()
        self.directory.mkdir()

    def script(self, *arguments):
        done = subprocess.run([ROOT / "scripts/cluster", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"no PostgreSQL {self.version}: {done.stderr}")

    def start(self):
        self.script("start", self.version, str(self.directory), str(self.port), "max_connections=400")

    def stop(self):
        self.script("stop", str(self.directory), "immediate")

    def drop(self):
        self.script("drop", str(self.directory))

    def admit_trusted(self):
        hba = self.directory / "data/pg_hba.conf"
        hba.write_text("host all trusted 127.0.0.1/32 trust\n" + hba.read_text())
        self.ask("CREATE ROLE trusted LOGIN")
        self.ask("SELECT pg_reload_conf()")

    def ask(self, sql):
        return psql(f"host={self.directory / 'socket'} port={self.port} user=postgres dbname=postgres", sql).stdout.strip()


class Proxy:
    """One pgairlock in front of the cluster; what it says goes to a file."""

    def __init__(self, cluster, directory):
        self.port, self.admin, self.log = free_port(), free_port(), directory / "stderr"
        certificate, key, config = directory / "server.crt", directory / "server.key", directory / "pgairlock.toml"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )
        config.write_text(f"""
[[listener]]
name = "migrations"
address = "127.0.0.1:{self.port}"
tls = {{ mode = "prefer", certificate = "{certificate}", key = "{key}" }}
[[upstream]]
name = "main"
databases = ["*"]
hosts = ["127.0.0.1:{cluster.port}"]
tls = {{ mode = "disable" }}
[timeouts]
login = "{LOGIN}s"
[store]
path = "{directory / 'pgairlock.db'}"
[admin]
address = "127.0.0.1:{self.admin}"
""")
        self.process = subprocess.Popen([binary(), "serve", "--config", config], stdin=subprocess.DEVNULL, stderr=self.log.open("wb"))

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"pgairlock ended: {self.said()[-2000:]}")
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def said(self):
        return self.log.read_text(errors="replace")

    def failed_logins(self):
        """Why each login failed: by the client's address, in order."""
        failed = collections.defaultdict(list)
        for line in self.said().splitlines():
            if '"event":"login_failed"' in line:
                event = json.loads(line)
                failed[event["client"]].append(event["kind"])
        return failed

    def rss(self):
        """Resident memory in kB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def psql(self, sql):
        return psql(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres sslmode=prefer", sql)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def psql(connection, sql):
    environment = {**os.environ, "PGPASSWORD": "postgres", "PGCONNECT_TIMEOUT": "60"}
    return subprocess.run(["psql", "-XAtq", "-d", connection, "-c", sql], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


class Report:
    """Named checks; the exit status is theirs."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, name, good, detail=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok    ' if good else 'FAILED'}  {name}" + (f"   {detail}" if detail else ""), flush=True)


class Attack:
    """The hostile connections, a bounded number at once, and an ordinary client beside them."""

    def __init__(self, proxy, connections, at_once):
        self.proxy, self.connections = proxy, connections
        self.slots = asyncio.Semaphore(at_once)
        self.done = 0
        self.seconds = collections.defaultdict(list)
        self.unexpected = collections.defaultdict(collections.Counter)
        self.addresses = collections.defaultdict(list)
        self.rss_early = None
        self.ordinary = []

    async def run(self):
        ordinary = asyncio.ensure_future(self.stay_ordinary())
        await asyncio.gather(*(self.one(hostile.KINDS[number % len(hostile.KINDS)]) for number in range(self.connections)))
        ordinary.cancel()

    async def one(self, kind):
        async with self.slots:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
                self.addresses["{}:{}".format(*writer.get_extra_info("sockname"))].append(kind)
                try:
                    await kind(hostile.Peer(reader, writer), LOGIN)
                finally:
                    writer.transport.abort()
            except hostile.Unexpected as error:
                self.unexpected[kind][str(error)] += 1
            except Exception as error:  # what this harness did not think of is no pass
                self.unexpected[kind][f"{type(error).__name__}: {error}"] += 1
            self.seconds[kind].append(time.monotonic() - began)
        self.done += 1
        if self.rss_early is None and self.done >= self.connections / 10:
            self.rss_early = self.proxy.rss()

    async def stay_ordinary(self):
        while True:
            done = await asyncio.to_thread(self.proxy.psql, "SELECT 6 * 7")
            self.ordinary.append(done.stdout.strip() or done.stderr.strip())
            await asyncio.sleep(1)

    def reasons(self, report):
        """Who says nothing is waited for, who says something impossible is not: the log tells, and no clock."""
        # An address that was had twice does not tell whose the line is.
        once = {address: kinds[0] for address, kinds in self.addresses.items() if len(kinds) == 1}
        judged = {address for address, kind in once.items() if kind in hostile.SILENT + hostile.TURNED_AWAY}
        wait_for("a line for each of them", lambda: judged <= self.proxy.failed_logins().keys())
        failed = self.proxy.failed_logins()
        for kinds, name, good in [
            (hostile.SILENT, "silence is waited for", lambda reason: reason == "client-silent"),
            (hostile.TURNED_AWAY, "what cannot be meant is not", lambda reason: reason != "client-silent"),
        ]:
            reasons = collections.Counter(reason for address in judged if once[address] in kinds for reason in failed[address])
            report.check(name, reasons and all(map(good, reasons)), dict(reasons))

    def table(self, report):
        print(f"\n{'kind':<26}{'connections':>12}{'as expected':>13}{'median s':>10}{'longest s':>11}")
        for kind in hostile.KINDS:
            seconds, wrong = self.seconds[kind], self.unexpected[kind]
            expected = len(seconds) - sum(wrong.values())
            middle, longest = (statistics.median(seconds), max(seconds)) if seconds else (0, 0)
            print(f"{kind.__name__:<26}{len(seconds):>12}{expected:>13}{middle:>10.3f}{longest:>11.3f}")
        print()
        for kind in hostile.KINDS:
            worst = "; ".join(f"{count} × {what}" for what, count in self.unexpected[kind].most_common(3))
            report.check(kind.__name__.replace("_", " "), not self.unexpected[kind] and self.seconds[kind], worst)


def survives(report, proxy, cluster, connections, at_once):
    warm = proxy.psql("SELECT 1")
    report.check("an ordinary query before", warm.stdout == "1\n", warm.stderr.strip())
    wait_for("the first session's end", lambda: not sessions(cluster))
    descriptors, pid = proxy.descriptors(), proxy.process.pid
    attack = Attack(proxy, connections, at_once)
    began = time.monotonic()
    asyncio.run(attack.run())
    print(f"{attack.done} connections in {time.monotonic() - began:.0f} s")
    attack.table(report)
    attack.reasons(report)
    report.check("the same process", proxy.process.poll() is None and proxy.process.pid == pid)
    report.check("nothing panicked", "panicked" not in proxy.said())
    bad = [answer for answer in attack.ordinary if answer != "42"]
    report.check("an ordinary client beside it", attack.ordinary and not bad, f"{len(attack.ordinary)} queries {bad[:2] or ''}")
    settled("descriptors are closed", report, proxy.descriptors, lambda now: now <= descriptors, f"{descriptors} before")
    settled("no session is left on the server", report, lambda: sessions(cluster), lambda now: now == 0)
    grown = proxy.rss() - attack.rss_early
    report.check("memory stays flat", grown < RSS_GROWTH, f"{attack.rss_early / 1024:.1f} MB after a tenth, {grown / 1024:+.1f} MB since")
    after = proxy.psql("SELECT 2")
    report.check("an ordinary query after", after.stdout == "2\n", after.stderr.strip())


def settled(name, report, measure, good, more=""):
    """Sockets and sessions end a moment after their clients."""
    try:
        wait_for(name, lambda: good(measure()))
    except AssertionError:
        pass
    now = measure()
    report.check(name, good(now), f"{now} now {more}".strip())


def sessions(cluster):
    return int(cluster.ask("SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL"))


def server_dies(report, proxy, cluster):
    cluster.stop()
    down = proxy.psql("SELECT 1")
    said = f"cannot reach the database server main (127.0.0.1:{cluster.port})" in down.stderr and "nothing was run" in down.stderr
    report.check("a dead server is said", down.returncode == 2 and said, down.stderr.strip())

    async def refused():
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        peer = hostile.Peer(reader, writer)
        await peer.send(hostile.startup(hostile.TRUSTED))
        await peer.refuses("08001")
        writer.close()

    try:
        asyncio.run(refused())
        report.check("with FATAL 08001", True)
    except hostile.Unexpected as error:
        report.check("with FATAL 08001", False, str(error))
    cluster.start()
    again = proxy.psql("SELECT 3")
    report.check("a server that is back is used", again.stdout == "3\n", again.stderr.strip())


def missing_tools():
    missing = [tool for tool in ("psql", "openssl") if shutil.which(tool) is None]
    for tool in missing:
        print(f"skipped: no {tool}")
    return missing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--pg-version", default="15")
    options = parser.parse_args()
    if options.connections < len(hostile.KINDS):
        parser.error(f"--connections has to be {len(hostile.KINDS)} at least: one of each kind")
    if missing_tools():
        return 1 if os.environ.get("CI") == "true" else 0
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pgairlock-abuse-"))
    directory.chmod(0o755)
    report, proxy, cluster = Report(), None, Cluster(options.pg_version, directory)
    try:
        cluster.start()
        cluster.admit_trusted()
        proxy = Proxy(cluster, directory)
        wait_for("pgairlock", proxy.is_ready)
        survives(report, proxy, cluster, options.connections, options.at_once)
        server_dies(report, proxy, cluster)
    except AssertionError as error:
        report.check("to the end", False, str(error))
    finally:
        if proxy:
            proxy.stop()
        cluster.drop()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    # An interrupt from outside has to drop the server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
