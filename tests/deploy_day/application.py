"""The application of the measurement: what its readers and writers do all the time, and what a run has cost them."""

import dataclasses
import itertools
import time

from traffic import Traffic


@dataclasses.dataclass(frozen=True)
class Measured:
    """The longest wait for one read and one write, in seconds, the errors that the application got, and how long it all took."""

    read: float
    write: float
    errors: int
    seconds: float
    first_error: str = ""


def under_traffic(url, rows, work):
    """Does the work while the application reads and writes; answers what came of it, and what the application saw."""
    reads, writes = operations(rows)
    with Traffic(url, rows, reads, writes) as traffic:
        started = time.monotonic()
        result = work()
        seconds = time.monotonic() - started
        impact = traffic.impact()
    first_error = next(iter(impact.errors), "")
    return result, Measured(impact.longest_read, impact.longest_write, sum(impact.errors.values()), seconds, first_error)


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
