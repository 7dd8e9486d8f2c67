"""One round of the race: two runners of one migration through one proxy, and what has to hold when both have ended."""

import concurrent.futures
import dataclasses
import re
import time

import catalog
import sets
import tools

# A build has to take longer than the second between two tries of Flyway for its lock, so that some of them come while it runs.
FILL_ORDERS = sets.THEIR_ORDERS.format(rows=1_000_000)
DOOR_DEADLINE = 60  # seconds until both runners have connected
# The locks that tools take; those of the proxy itself have a first key of their own.
TOOLS_LOCK = re.compile(r"\bpg_(try_)?advisory_(xact_)?lock\((?!1885813100\b)")
DEADLOCK = ("deadlock detected", "40P01")


@dataclasses.dataclass(frozen=True)
class Start:
    """A database in which the migration is still to be run, and how it looks when one undisturbed runner has run it directly."""

    tool: object
    migrations: str
    template: str
    after: list

    @classmethod
    def prepare(cls, lab, tool, migrations):
        template, direct = (f"{tool.name}_{suffix}".replace("-", "_") for suffix in ("template", "direct"))
        lab.cluster.create_database(template)
        _must_succeed(tool.up(lab.direct(template), migrations, version=1))
        with lab.cluster.connect(template) as connection:
            connection.execute(sets.FILL_CUSTOMERS)
            connection.execute(FILL_ORDERS)
            (size,) = connection.execute("SELECT pg_relation_size('orders')").fetchone()
        if size <= sets.SMALL_TABLE:
            raise sets.Difference(f"the table is too small for this test: {size} bytes")
        lab.cluster.create_database(direct, template)
        _must_succeed(tool.up(lab.direct(direct), migrations))
        with lab.cluster.connect(direct) as connection:
            return cls(tool, migrations, template, catalog.snapshot(connection))


def _must_succeed(run):
    if run.code != 0:
        raise sets.Difference(f"without the proxy and a second runner, too:\n{run.full()}")


class Round:
    """What two runners left behind."""

    def __init__(self, lab, start, tool, number):
        self.lab = lab
        self.start = start
        self.tool = tool
        self.proxy = lab.proxy("default")
        name = f"{tool.name}_{tool.driver}_round_{number}".replace("-", "_")
        self.database = lab.cluster.create_database(name, start.template)
        self.runs = self._run_two()
        with lab.cluster.connect(self.database) as connection:
            self.after = catalog.snapshot(connection)

    def _run_two(self):
        """The proxy hears both at one moment: it sleeps until both stand at its door."""
        endpoint = self.lab.proxied(self.database)
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            try:
                with self.proxy.asleep():
                    runners = [threads.submit(self.tool.up, endpoint, self.start.migrations) for _ in range(2)]
                    self._wait_for(runners)
                return [runner.result() for runner in runners]
            except BaseException:
                tools.end_all()
                raise

    def _wait_for(self, runners):
        deadline = time.monotonic() + DOOR_DEADLINE
        while self.proxy.callers() < 2:
            if any(runner.done() for runner in runners) or time.monotonic() > deadline:
                raise sets.Difference(f"{self.proxy.callers()} of 2 runners came to the proxy")
            time.sleep(0.005)

    def wrong(self):
        """Everything that is not as it has to be, in words."""
        return [*self._exits(), *self._who_applied(), *self._deadlocks(), *self._schema(), *self._promises()]

    def _exits(self):
        return [f"a runner ended with {run.code}" for run in self.runs if run.code != 0]

    def _who_applied(self):
        for text in (self.tool.says_applied, self.tool.says_nothing_to_do):
            count = sum(text in run.output for run in self.runs)
            if count != 1:
                yield f"{count} runners said: {text}"

    def _deadlocks(self):
        log = [line for _, line in self.lab.cluster.log(self.database)]
        for place, lines in [("server's log", log), *[("tool's output", run.output.splitlines()) for run in self.runs]]:
            yield from [f"in the {place}: {line}" for line in lines if any(word in line for word in DEADLOCK)]

    def _schema(self):
        yield from catalog.difference(self.start.after, self.after, "one runner, directly", "two runners, proxied")
        yield from [f"half done: {line}" for line in self.after if "valid=f" in line or "validated=f" in line]

    def _promises(self):
        states = sets.settled(self.proxy, self.database)
        if not states:
            yield "nothing was promised"
        if set(states) - {"settled"}:
            yield f"what was promised is in the states {states}"

    def met(self):
        """Whether the second runner asked for the tool's lock before the first was through; otherwise the round shows nothing."""
        statements = self.lab.cluster.statements_by_process(self.database)
        work = [place for place, (_, statement) in enumerate(statements) if "CONCURRENTLY" in statement]
        asked = {process for process, statement in statements[: work[-1] if work else 0] if TOOLS_LOCK.search(statement)}
        return len(asked) == 2
