"""One tool's naive migrations on a large table under traffic: with nobody migrating, directly, and through the proxy."""

import dataclasses
import threading

import catalog
import sets
from application import under_traffic

MIGRATIONS = "naive-all"
WAYS = ("idle", "direct", "proxied")


@dataclasses.dataclass
class Repetition:
    """What the application saw on each way, and what is wrong with the outcome."""

    measured: dict
    wrong: list


class DeployDay:
    """One tool, and a database in which its naive migrations are still to be run."""

    def __init__(self, lab, tool, rows):
        self.lab, self.tool, self.rows = lab, tool, rows
        self.template = self._named("template")
        self._prepare()

    def _named(self, suffix):
        return f"day_{self.tool.name}_{suffix}".replace("-", "_")

    def _prepare(self):
        self.lab.cluster.create_database(self.template)
        _must_succeed(self.tool.up(self.lab.direct(self.template), MIGRATIONS, version=1))
        with self.lab.cluster.connect(self.template) as connection:
            connection.execute(sets.FILL_CUSTOMERS)
            connection.execute(sets.THEIR_ORDERS.format(rows=self.rows))
            # Every copy begins with nothing left for autovacuum to do.
            connection.execute("VACUUM (FREEZE, ANALYZE)")
            (size,) = connection.execute("SELECT pg_relation_size('orders')").fetchone()
        if size <= sets.SMALL_TABLE:
            raise sets.Difference(f"the table is too small to be protected: {size} bytes")

    def repetition(self):
        direct, directly, schema = self._deploy("direct", self.lab.direct)
        proxied, through_proxy, same_schema = self._deploy("proxied", self.lab.proxied)
        # As long as the longer of the two, since the longest wait grows with the time that is looked at.
        idle = self._idle(max(directly.seconds, through_proxy.seconds))
        wrong = [*_failed(direct), *_failed(proxied), *self._promises(), *_application_errors(through_proxy)]
        wrong += catalog.difference(schema, same_schema, "directly", "through the proxy")
        wrong += [f"half done: {line}" for line in same_schema if "valid=f" in line or "validated=f" in line]
        for way in WAYS[1:]:
            self.lab.cluster.drop_database(self._named(way))
        return Repetition({"idle": idle, "direct": directly, "proxied": through_proxy}, wrong)

    def _deploy(self, way, endpoint):
        database = self._copy(way)
        run, measured = under_traffic(self._url(database), self.rows, lambda: self.tool.up(endpoint(database), MIGRATIONS))
        with self.lab.cluster.connect(database) as connection:
            return run, measured, catalog.snapshot(connection)

    def _idle(self, seconds):
        database = self._copy("idle")
        _, measured = under_traffic(self._url(database), self.rows, lambda: threading.Event().wait(seconds))
        self.lab.cluster.drop_database(database)
        return measured

    def _copy(self, way):
        database = self.lab.cluster.create_database(self._named(way), self.template)
        with self.lab.cluster.connect(database) as connection:
            # What the copy left to be written would be measured with it.
            connection.execute("CHECKPOINT")
        return database

    def _url(self, database):
        return f"postgresql://postgres:postgres@127.0.0.1:{self.lab.cluster.port}/{database}"

    def _promises(self):
        proxy = self.lab.proxy("default")
        open_ones = set(sets.settled(proxy, self._named("proxied"))) - {"settled", "aborted"}
        return [f"what was promised is in the states {open_ones}"] if open_ones else []

    def refused(self):
        """What is refused, apart from all else: the tool fails, and the schema is as it was; answers what is wrong."""
        try:
            sets.refused(sets.Case(self.lab, self.tool, "refused"))
        except sets.Difference as difference:
            return [f"refused: {difference}"]
        return []


def _must_succeed(run):
    if run.code != 0:
        raise sets.Difference(f"directly and without traffic, too:\n{run.full()}")


def _failed(run):
    return [run.full()] if run.code != 0 else []


def _application_errors(measured):
    return [f"through the proxy the application got {measured.errors} errors, the first: {measured.first_error}"] if measured.errors else []
