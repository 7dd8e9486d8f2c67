"""The application: readers and writers that never pause for a migration, and remember how long it made them wait."""

import collections
import dataclasses
import random
import threading
import time

import psycopg

PAUSE_SECONDS = 0.003
# Longer than any stall of this demo; only a bug makes anyone wait this long.
PATIENCE_SECONDS = 120


@dataclasses.dataclass
class Impact:
    """What the application saw while a migration ran."""

    longest_read: float
    longest_write: float
    errors: collections.Counter


class Client(threading.Thread):
    """One connection of the application, repeating one operation."""

    def __init__(self, url, rows, operation):
        super().__init__(daemon=True)
        self.url, self.rows, self.operation = url, rows, operation
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.finished = 0
        self.longest = 0.0
        self.errors = collections.Counter()

    def run(self):
        connection = None
        while not self.stopping.wait(PAUSE_SECONDS):
            started, problem = time.perf_counter(), None
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self.url, autocommit=True)
                self.operation(connection, random.randint(1, self.rows))
            except psycopg.Error as error:
                problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._finish(time.perf_counter() - started, problem)
        if connection is not None:
            connection.close()

    def _finish(self, seconds, problem):
        with self.changed:
            self.finished += 1
            self.longest = max(self.longest, seconds)
            if problem:
                self.errors[problem] += 1
            self.changed.notify_all()

    def forget(self):
        with self.changed:
            self.longest, self.errors = 0.0, collections.Counter()

    def wait_for(self, operations):
        """Until so many more operations have finished."""
        with self.changed:
            goal = self.finished + operations
            if not self.changed.wait_for(lambda: self.finished >= goal, PATIENCE_SECONDS):
                raise RuntimeError(f"the application has been stuck for {PATIENCE_SECONDS} s")


def read(connection, user):
    connection.execute("SELECT id, name, nickname, points FROM users WHERE id = %s", (user,)).fetchall()


def update(connection, user):
    connection.execute("UPDATE users SET points = points + 1, seen_at = now() WHERE id = %s", (user,))


def insert(connection, user):
    connection.execute("INSERT INTO orders (user_id, total) VALUES (%s, 9.99)", (user,))


class Traffic:
    """All clients together. `with Traffic(…)` runs them; `impact()` tells what they saw since `forget()`."""

    def __init__(self, url, rows, reads=(read, read), writes=(update, insert)):
        """One client for each operation."""
        self.readers = [Client(url, rows, operation) for operation in reads]
        self.writers = [Client(url, rows, operation) for operation in writes]
        self.clients = self.readers + self.writers

    def __enter__(self):
        for client in self.clients:
            client.start()
        # Connections, caches and prepared statements come first: what is measured is an application in full swing.
        for client in self.clients:
            client.wait_for(operations=50)
        self.forget()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.stopping.set()
        for client in self.clients:
            client.join(PATIENCE_SECONDS)

    def forget(self):
        for client in self.clients:
            client.forget()

    def impact(self):
        # The operation in flight may be the one that waits; it and one more have to be over.
        for client in self.clients:
            client.wait_for(operations=2)
        return Impact(
            longest_read=max(client.longest for client in self.readers),
            longest_write=max(client.longest for client in self.writers),
            errors=sum((client.errors for client in self.clients), collections.Counter()),
        )


class SlowReport:
    """A reader that keeps its transaction open for a while, as reports, backups and forgotten terminals do."""

    def __init__(self, url, seconds):
        self.connection = psycopg.connect(url)
        self.seconds = seconds
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self):
        self.connection.execute("SELECT count(*) FROM users WHERE id < 1000")
        self.thread.start()
        return self

    def _hold(self):
        self.done.wait(self.seconds)
        self.connection.close()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
