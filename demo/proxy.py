"""pgairlock in front of the demo's PostgreSQL."""

import os
import pathlib
import signal
import subprocess
import threading
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_WITHIN_SECONDS = 20
STOPPED_WITHIN_SECONDS = 10


def binary():
    """The program under demonstration: PGAIRLOCK_BIN, or what was built last."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    candidates = [target / "release" / "pgairlock", target / "debug" / "pgairlock"]
    if os.environ.get("PGAIRLOCK_BIN"):
        candidates = [pathlib.Path(os.environ["PGAIRLOCK_BIN"])]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise SystemExit(f"demo: no pgairlock at {candidates[0]}; `make build` makes one")


class Proxy:
    def __init__(self, directory, port, admin_port, upstream_port):
        self.port, self.admin_port, self.upstream_port = port, admin_port, upstream_port
        self.store = os.path.join(directory, "pgairlock.db")
        self.log = os.path.join(directory, "pgairlock.log")
        self.process = None

    @property
    def metrics_url(self):
        return f"http://127.0.0.1:{self.admin_port}/metrics"

    def start(self):
        # The demo shows the defaults, so settings of this shell must not reach it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PGAIRLOCK_")}
        arguments = ["serve", "--mode", "enforce", "--store", self.store, "--listen", f"127.0.0.1:{self.port}",
                     "--upstream", f"127.0.0.1:{self.upstream_port}", "--admin", f"127.0.0.1:{self.admin_port}"]
        with open(self.log, "w", encoding="utf-8") as log:
            # A session of its own: Ctrl-C reaches the demo, and the demo stops the proxy.
            self.process = subprocess.Popen([binary(), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, start_new_session=True)
        self._wait_until_ready()

    def _wait_until_ready(self):
        pause = threading.Event()
        for _ in range(READY_WITHIN_SECONDS * 20):
            if self.process.poll() is not None:
                raise RuntimeError(f"pgairlock ended with status {self.process.returncode}:\n{self.last_words()}")
            if self._ready():
                return
            pause.wait(0.05)
        raise RuntimeError(f"pgairlock was not ready within {READY_WITHIN_SECONDS} s:\n{self.last_words()}")

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-10:])

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
