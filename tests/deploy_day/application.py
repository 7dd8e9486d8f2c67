"""The application of the measurement: what its readers and writers do all the time, and what a run has cost them."""

import collections
import contextlib
import dataclasses
import itertools
import multiprocessing
import random
import time

import psycopg

# Between two operations of a client. Without it five clients fill two cores, and one of them waits for up to 0.7 s with no migration at all (measured).
PAUSE_SECONDS = 0.002
# What every client does before it counts: connections, caches and prepared statements come first.
FIRST_OPERATIONS = 200
# Longer than any stall; only a bug makes anyone wait this long.
PATIENCE_SECONDS = 600
# Threads would wait for each other as well. A process begun anew would have to be told by names what to do.
PROCESSES = multiprocessing.get_context("fork")


@dataclasses.dataclass(frozen=True)
class Measured:
    """The longest wait for one read and one write, in seconds, the errors that the application got, and how long it all took."""

    read: float
    write: float
    errors: int
    seconds: float
    first_error: str = ""


class Client:
    """A process that repeats one operation. It tells how often it has, how long the longest took and what went wrong, since it was last asked."""

    def __init__(self, url, rows, operation):
        self.ours, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=_repeat, args=(url, rows, operation, theirs), daemon=True)
        self.process.start()

    def seen(self):
        """Behind the operation in flight, which may be the one that waits."""
        self.ours.send("tell")
        if not self.ours.poll(PATIENCE_SECONDS):
            raise RuntimeError(f"the application has been stuck for {PATIENCE_SECONDS} s")
        return self.ours.recv()

    def end(self):
        with contextlib.suppress(OSError):
            self.ours.send("end")
        self.process.join(10)
        self.process.kill()


def _repeat(url, rows, operation, asked):
    connection, count, longest, errors = None, 0, 0.0, collections.Counter()
    while True:
        time.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(url, autocommit=True)
            operation(connection, random.randint(1, rows))
        except psycopg.Error as error:
            errors[str(error).splitlines()[0] if str(error) else type(error).__name__] += 1
        count, longest = count + 1, max(longest, time.perf_counter() - started)
        if asked.poll():
            if asked.recv() == "end":
                return
            asked.send((count, longest, errors))
            count, longest, errors = 0, 0.0, collections.Counter()


def under_traffic(url, rows, work):
    """Does the work while the application reads and writes; answers what came of it, and what the application saw."""
    reads, writes = operations(rows)
    readers, writers = ([Client(url, rows, operation) for operation in group] for group in (reads, writes))
    clients = readers + writers
    try:
        for client in clients:
            _warm_up(client)
        for client in clients:
            client.seen()
        started = time.monotonic()
        result = work()
        seconds = time.monotonic() - started
        longest_read, read_errors = _impact(readers)
        longest_write, write_errors = _impact(writers)
    finally:
        for client in clients:
            client.end()
    errors = read_errors + write_errors
    return result, Measured(longest_read, longest_write, sum(errors.values()), seconds, next(iter(errors), ""))


def _warm_up(client):
    done = 0
    while done < FIRST_OPERATIONS:
        time.sleep(0.05)
        done += client.seen()[0]


def _impact(clients):
    seen = [client.seen() for client in clients]
    return max(longest for _, longest, _ in seen), sum((errors for _, _, errors in seen), collections.Counter())


def operations(rows):
    """Two readers, and writers of both tables. What they write is allowed by all that the migrations add."""
    numbers = itertools.count(rows + 1)

    def read(connection, row):
        connection.execute("SELECT id, customer_id, number, amount, note FROM orders WHERE id = %s", (row,)).fetchall()

    def change_order(connection, row):
        connection.execute("UPDATE orders SET note = %s WHERE id = %s", (f"note {row}", row))

    def new_order(connection, row):
        number = next(numbers)
        connection.execute(
            "INSERT INTO orders (customer_id, number, reference, amount, note) VALUES (%s, %s, %s, 1, 'new')",
            (row % 1000 + 1, number, f"r{number}"),
        )

    def change_customer(connection, row):
        connection.execute("UPDATE customers SET email = %s WHERE id = %s", (f"c{row}@example.com", row % 1000 + 1))

    return (read, read), (change_order, new_order, change_customer)
