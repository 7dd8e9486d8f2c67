"""The sets of migrations and what has to hold for each: `direct` is run on the server, `proxied` through the proxy."""

import catalog
import catalog_check
import server

FILL_ORDERS = "INSERT INTO orders (customer, note) SELECT i % 977, repeat('x', 20) FROM generate_series(1, 200000) i"
FILL_ACCOUNTS = "INSERT INTO accounts (email, nickname) SELECT 'a' || i, 'n' || i FROM generate_series(1, 50) i"
SMALL_TABLE = 1024 * 1024
INDEX = "orders_customer_idx"
# What each set of naive migrations builds on the large table.
INDEXES = {"naive": [INDEX], "naive-alone": [INDEX], "naive-several": [INDEX, "orders_note_idx"]}


class Difference(Exception):
    """Something is not as it has to be; the text is what the reader needs to see."""


class NoProxy(Difference):
    """What only the proxy does was not done."""


class Unjudged(NoProxy):
    """A statement was run as it was written, although the proxy had to rewrite or refuse it."""


class Case:
    """One tool with one driver on one set: its databases, and everything the tool said."""

    def __init__(self, lab, tool, name):
        self.lab = lab
        self.tool = tool
        self.name = name
        self.runs = []

    def database(self, suffix):
        name = "_".join([self.tool.name, self.tool.driver, self.name, suffix])
        return self.lab.cluster.create_database(name.replace("-", "_"))

    def run(self, method, *arguments, succeeds=True, **options):
        """Runs the tool; a run that ends otherwise than expected is a difference."""
        run = method(*arguments, **options)
        self.runs.append(run)
        if succeeds and run.code != 0:
            raise Difference(f"the tool failed (exit {run.code})")
        if not succeeds and run.code == 0:
            raise Unjudged("the tool succeeded, it should have been refused")
        return run

    def snapshot(self, database):
        with self.lab.cluster.connect(database) as connection:
            return catalog.snapshot(connection)

    def execute(self, database, statement):
        with self.lab.cluster.connect(database) as connection:
            connection.execute(statement)

    def value(self, database, query):
        with self.lab.cluster.connect(database) as connection:
            return connection.execute(query).fetchone()[0]

    def expect(self, condition, otherwise):
        if not condition:
            raise Difference(otherwise)

    def expect_same(self, left, right, left_name, right_name):
        lines = catalog.difference(left, right, left_name, right_name)
        self.expect(not lines, "\n".join(lines))


def regular(case):
    """Up and down end in the same database, whether the tool speaks to the server or to the proxy."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    empty = case.snapshot(direct)
    for endpoint in (lab.direct(direct), lab.proxied(proxied)):
        case.run(tool.up, endpoint, "regular")
    up = case.snapshot(direct)
    case.expect(len(up) > len(empty) + 20, "the migrations created next to nothing:\n" + "\n".join(up))
    case.expect_same(up, case.snapshot(proxied), "direct, after up", "proxied, after up")
    if not tool.can_go_down:
        return
    for endpoint in (lab.direct(direct), lab.proxied(proxied)):
        case.run(tool.down, endpoint, "regular")
    down = case.snapshot(direct)
    case.expect(not any("public.accounts" in line for line in down), "down left a table:\n" + "\n".join(down))
    case.expect_same(down, case.snapshot(proxied), "direct, after down", "proxied, after down")


def tls(case):
    """Over TLS, up ends as it does directly; a server that the tool cannot verify gets nothing from it."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    endpoint, empty = lab.encrypted(proxied), case.snapshot(proxied)
    if not server.speaks_tls(endpoint.port):
        raise NoProxy("no TLS is spoken here")
    refused = case.run(tool.up, lab.encrypted(proxied, authority="other"), "regular", succeeds=False)
    # The words differ by library; this much they share.
    case.expect("certif" in refused.output.lower(), "the tool did not end over the server's certificate")
    case.expect_same(empty, case.snapshot(proxied), "before the unverified up", "after it")
    case.run(tool.up, lab.direct(direct), "regular")
    case.run(tool.up, endpoint, "regular")
    case.expect_same(case.snapshot(direct), case.snapshot(proxied), "direct, after up", "proxied over TLS, after up")


def drops(case):
    """A down that drops columns with data is refused as the proxy comes, and passes where the rule is off."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    for database, endpoint in ((direct, lab.direct(direct)), (proxied, lab.proxied(proxied))):
        case.run(tool.up, endpoint, "regular", version=2)
        case.execute(database, FILL_ACCOUNTS)
    before = case.snapshot(proxied)
    refused = case.run(tool.down, lab.proxied(proxied), "regular", steps=1, succeeds=False)
    _expect_in_output(case, refused, "[drop-column]")
    if not tool.transactional:
        case.run(tool.after_failure, lab.proxied(proxied), "regular", 2)
    case.expect_same(before, case.snapshot(proxied), "before the refused down", "after it")
    case.run(tool.down, lab.direct(direct), "regular", steps=1)
    case.run(tool.down, lab.proxied(proxied, "drops-allowed"), "regular", steps=1)
    case.expect_same(case.snapshot(direct), case.snapshot(proxied), "direct, columns dropped", "proxied, columns dropped")


def naive_index(case, migrations="naive"):
    """CREATE INDEX on a large table: made concurrent where a tool runs it alone, refused where it is in a transaction."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    for database in (direct, proxied):
        _fill_orders(case, database, migrations)
    before = case.snapshot(proxied)
    case.run(tool.up, lab.direct(direct), migrations)
    for index in INDEXES[migrations]:
        _expect_valid_index(case, direct, index)
        case.expect(_builds(case, direct, index) == ["CREATE INDEX"], f"the direct build was not plain: {_builds(case, direct, index)}")
    (_refused if tool.transactional else _made_concurrent)(case, direct, proxied, before, migrations)


def index_alone(case):
    """The same by a tool that is told to run the script outside a transaction."""
    naive_index(case, "naive-alone")


def indexes_split(case):
    """The same for a file of several statements that the tool sends one by one."""
    naive_index(case, "naive-several")


def _refused(case, direct, proxied, before, migrations):
    run = case.run(case.tool.up, case.lab.proxied(proxied), migrations, succeeds=False)
    _expect_in_output(case, run, "[create-index-blocking]")
    _expect_in_output(case, run, f"CREATE INDEX CONCURRENTLY {INDEX} ON")
    case.expect_same(before, case.snapshot(proxied), "before the refused migration", "after it")


def _made_concurrent(case, direct, proxied, before, migrations):
    case.run(case.tool.up, case.lab.proxied(proxied), migrations)
    for index in INDEXES[migrations]:
        _expect_valid_index(case, proxied, index)
        builds = _builds(case, proxied, index)
        if builds == ["CREATE INDEX"]:
            raise Unjudged(f"{index} was built by a plain CREATE INDEX")
        case.expect(builds == ["CREATE INDEX CONCURRENTLY"], f"the server was asked to build {index} by: {builds}")
    case.expect_same(case.snapshot(direct), case.snapshot(proxied), "direct, with the index", "proxied, with the index")


def _fill_orders(case, database, migrations):
    case.run(case.tool.up, case.lab.direct(database), migrations, version=1)
    case.execute(database, FILL_ORDERS)
    size = case.value(database, "SELECT pg_relation_size('orders')")
    case.expect(size > SMALL_TABLE, f"the table is too small for this test: {size} bytes")


def _expect_valid_index(case, database, index):
    valid = case.value(database, f"SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('{index}') AND indisvalid")
    case.expect(valid == 1, f"{database} has no valid index {index}")


def _builds(case, database, index):
    """How the server was told to build the index: the words before its name, from the server's own log."""
    statements = [" ".join(statement.replace('"', "").split()) for statement in case.lab.cluster.statements(database)]
    builds = [statement for statement in statements if statement.startswith("CREATE INDEX") and index in statement]
    return [build.split(f" {index}")[0] for build in builds]


def _expect_in_output(case, run, text):
    # The tools break lines where they like.
    case.expect(text in " ".join(run.output.split()), f"the tool's output does not say: {text}")


def comparison(case):
    """The comparison itself notices what it has to notice."""
    with case.lab.cluster.connect(case.database("base")) as connection:
        wrong = catalog_check.unseen_changes(connection)
    case.expect(not wrong, "\n".join(wrong))
