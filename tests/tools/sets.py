"""The sets of migrations and what has to hold for each: `direct` is run on the server, `proxied` through the proxy."""

import re
import time

import catalog
import catalog_check
import dump
import server

FILL_ORDERS = "INSERT INTO orders (customer, note) SELECT i % 977, repeat('x', 20) FROM generate_series(1, 200000) i"
FILL_CUSTOMERS = "INSERT INTO customers (email) SELECT 'c' || i FROM generate_series(1, 1000) i"
THEIR_ORDERS = """INSERT INTO orders (customer_id, number, reference, amount, note)
    SELECT i % 1000 + 1, i, 'r' || i, i % 977, repeat('x', 20) FROM generate_series(1, {rows}) i"""
FILL_THEIR_ORDERS = THEIR_ORDERS.format(rows=200_000)
FILL_ACCOUNTS = "INSERT INTO accounts (email, nickname) SELECT 'a' || i, 'n' || i FROM generate_series(1, 50) i"
SMALL_TABLE = 1024 * 1024
INDEX = "orders_customer_idx"
# What each set of naive migrations builds on the large table.
INDEXES = {"naive": [INDEX], "naive-alone": [INDEX], "naive-several": [INDEX, "orders_note_idx"]}
# What the server is asked to do in place of the naive statements of `naive-all` and `naive-each`.
SAFE_FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        r"CREATE INDEX CONCURRENTLY orders_customer_id_idx ON",
        r"CREATE UNIQUE INDEX CONCURRENTLY orders_number_idx ON",
        r"CREATE UNIQUE INDEX CONCURRENTLY orders_reference_key ON",
        r"ADD CONSTRAINT orders_reference_key UNIQUE USING INDEX",
        # The tools end the name in ways of their own.
        r"VALIDATE CONSTRAINT orders_customer_id_\w+",
        r"VALIDATE CONSTRAINT orders_amount_check",
        r"DROP INDEX CONCURRENTLY (IF EXISTS )?orders_note_idx",
    )
]
# NOT NULL is proven by one of these (the second since PostgreSQL 18) before the column gets it.
PROOF_OF_NOT_NULL = ["VALIDATE CONSTRAINT __pgairlock_", "VALIDATE CONSTRAINT orders_amount_not_null"]
BLOCKING_FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)",
        r"\bDROP INDEX (?!CONCURRENTLY)",
        r"\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY) ?\(",
        r"\bADD (CONSTRAINT \S+ )?(FOREIGN KEY|CHECK)\b(?!.*\bNOT VALID)",
    )
]
OPEN = "'promised', 'committed'"  # the states of a promise that is still to be kept
STORE_DEADLINE = 10  # seconds until the store knows what the client has been told already


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
        self.compared = []

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
    """CREATE INDEX on a large table: made concurrent where a tool runs it alone; refused in a transaction, when nothing may wait for its end."""
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


def concurrent_by_hand(case):
    """A concurrent build that the user wrote, by a tool whose own lock would hold it up for ever without the proxy."""
    proxied = case.database("proxied")
    _fill_orders(case, proxied, "concurrent-by-hand")
    if case.lab.direct_only:
        raise NoProxy("it would not end")
    case.run(case.tool.up, case.lab.proxied(proxied), "concurrent-by-hand")
    _expect_valid_index(case, proxied, INDEX)


def _refused(case, direct, proxied, before, migrations):
    run = case.run(case.tool.up, case.lab.proxied(proxied, "no-after-commit"), migrations, succeeds=False)
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


def naive_all(case, migrations="naive-all"):
    """Indexes, constraints, NOT NULL and a DROP INDEX on a large table, as most people write them: safe forms, and the same schema in the end."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    for database in (direct, proxied):
        case.run(tool.up, lab.direct(database), migrations, version=1)
        case.execute(database, FILL_CUSTOMERS)
        case.execute(database, FILL_THEIR_ORDERS)
    before = len(lab.cluster.statements(proxied))
    case.run(tool.up, lab.direct(direct), migrations)
    case.run(tool.up, lab.proxied(proxied), migrations)
    _expect_safe_forms(case, _plain(lab.cluster.statements(proxied)[before:]))
    _expect_settled(case, proxied)
    after = case.snapshot(proxied)
    case.expect_same(case.snapshot(direct), after, "direct, migrated", "proxied, migrated")
    half = [line for line in after if "valid=f" in line or "validated=f" in line]
    case.expect(not half, "INVALID or NOT VALID:\n" + "\n".join(half))
    ours = [line for line in after if "pgairlock" in line]
    case.expect(not ours, "pgairlock's own in the user's database:\n" + "\n".join(ours))
    case.compared.append(f"catalog: {len(after)} lines, equal")
    _compare_dumps(case, direct, proxied)


def naive_each(case):
    """The same with one statement a file, by a tool that sends a file as one string."""
    naive_all(case, "naive-each")


def _expect_safe_forms(case, statements):
    for statement in statements:
        if any(form.search(statement) for form in BLOCKING_FORMS):
            raise Unjudged(f"the server was asked to run: {statement}")
    for form in SAFE_FORMS:
        case.expect(any(form.search(statement) for statement in statements), f"the server was not asked for: {form.pattern}")
    proofs = [place for place, statement in enumerate(statements) if any(proof in statement for proof in PROOF_OF_NOT_NULL)]
    case.expect(proofs, "nothing has proven NOT NULL")
    case.expect(not any("SET NOT NULL" in statement for statement in statements[: proofs[0]]), "SET NOT NULL came before its proof")


def _expect_settled(case, database):
    """What was promised for after COMMIT is done, and the store knows it; a tool without transactions is promised nothing."""
    states = settled(case.lab.proxy("default"), database)
    case.expect(not set(states) - {"settled"}, f"what was promised is in the states {states}")
    case.expect(states or not case.tool.transactional, "nothing was promised")


def settled(proxy, database):
    """The states of what was promised."""
    rows = _stored_in_the_end(proxy, "state", database, lambda rows: all(state == "settled" for (state,) in rows))
    return [state for (state,) in rows]


def _stored_in_the_end(proxy, columns, database, reached):
    """Of the promises; waits until the store knows what the client has been told already."""
    query, deadline = f"SELECT {columns} FROM promises WHERE database = ?", time.monotonic() + STORE_DEADLINE
    rows = proxy.stored(query, database)
    while not reached(rows) and time.monotonic() < deadline:
        time.sleep(0.1)
        rows = proxy.stored(query, database)
    return rows


def _compare_dumps(case, direct, proxied):
    try:
        left, right = (dump.schema(case.lab.cluster, database) for database in (direct, proxied))
    except dump.Unavailable as reason:
        case.compared.append(f"no dumps: {reason}")
        return
    case.expect_same(left.splitlines(), right.splitlines(), "dump of direct", "dump of proxied")
    case.expect(left == right, "the dumps differ by the ends of their lines")
    case.compared.append(f"pg_dump {dump.version()} --schema-only: {len(left.encode())} bytes, equal")


def refused(case):
    """What has no safe form: the tool's own output has the rule and the SQL to write instead, and nothing has changed."""
    tool, lab = case.tool, case.lab
    proxied = case.database("proxied")
    _fill_orders(case, proxied, "refused")
    before = case.snapshot(proxied)
    run = case.run(tool.up, lab.proxied(proxied), "refused", succeeds=False)
    if tool.shows_errors:
        for text in ("[rename-column]", "ADD COLUMN remark text"):
            _expect_in_output(case, run, text)
    else:
        case.expect("[rename-column]" not in run.output, "the tool shows its errors now: say so in kinds/ and docs/tools.md")
    if not tool.transactional:
        case.run(tool.after_failure, lab.proxied(proxied), "refused", 1)
    case.expect_same(before, case.snapshot(proxied), "before the refused migration", "after it")


def fails_late(case, migrations="fails-late"):
    """What fails after the COMMIT, over rows that were not searched: the tool says so once, and has the version for applied."""
    tool, lab = case.tool, case.lab
    proxied = case.database("proxied")
    _fill_orders(case, proxied, migrations)
    run = tool.up(lab.proxied(proxied), migrations)
    case.runs.append(run)
    case.expect(run.code != 0 or not tool.late_failure_is_an_error, "the tool ended well")
    if lab.direct_only:
        raise NoProxy("the migration itself failed")
    expected = [("committed", "23505", int(tool.late_failure_is_an_error))]
    promise = _stored_in_the_end(lab.proxy("default"), "state, sqlstate, told", proxied, lambda rows: rows == expected)
    case.expect(promise == expected, f"the store has (state, error, told as an error) {promise}, it should have {expected}")
    if not tool.late_failure_is_an_error:
        case.expect(run.code == 0, "the tool reports it as an error now: say so in its class and in docs/tools.md")
    elif tool.shows_errors:
        _expect_in_output(case, run, "the migration is committed, but what waited for its COMMIT has failed: could not create unique index")
    if tool.keeps_its_lock:
        case.run(tool.break_lock, lab.proxied(proxied))
    case.run(tool.up, lab.proxied(proxied), migrations)
    case.expect(not any("orders_buyer_idx" in line for line in case.snapshot(proxied)), "something is left of the index")


def fails_late_deferred(case):
    """The same where the version row is written by a statement of its own, outside of any transaction."""
    fails_late(case, "fails-late-deferred")


def fails_late_begin(case):
    """The same by a tool that sends the transaction's own BEGIN and COMMIT out of the file."""
    fails_late(case, "fails-late-begin")


def fails_late_string(case):
    """The same in a string of several statements."""
    fails_late(case, "fails-late-string")


def duplicates(case):
    """A UNIQUE over rows that are not: PostgreSQL's own words in the tool's own output, and nothing changed."""
    tool, lab = case.tool, case.lab
    direct, proxied = case.database("direct"), case.database("proxied")
    for database in (direct, proxied):
        _fill_orders(case, database, "duplicates")
    before = case.snapshot(proxied)
    for endpoint in (lab.direct(direct), lab.proxied(proxied)):
        run = case.run(tool.up, endpoint, "duplicates", succeeds=False)
        for text in ['could not create unique index "orders_customer_key"', "is duplicated", tool.unique_violation]:
            if text:
                _expect_in_output(case, run, text)
    if not tool.transactional:
        case.run(tool.after_failure, lab.proxied(proxied), "duplicates", 1)
    case.expect_same(before, case.snapshot(proxied), "before the failed migration", "after it")
    if not lab.direct_only:
        query = "SELECT outcome_sqlstate FROM records WHERE database = ? AND sql LIKE '%orders_customer_key%'"
        recorded = lab.proxy("default").stored(query, proxied)
        case.expect(recorded == [("23505",)], f"the record says {recorded}")
        promised = lab.proxy("default").stored(f"SELECT state FROM promises WHERE database = ? AND state IN ({OPEN})", proxied)
        case.expect(not promised, f"something waits: {promised}")


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
    builds = [statement for statement in _plain(case.lab.cluster.statements(database)) if statement.startswith("CREATE INDEX") and index in statement]
    return [build.split(f" {index}")[0] for build in builds]


def _plain(statements):
    """Without quotes, line breaks and the schema that all tables are in."""
    return [" ".join(statement.replace('"', "").replace("public.", "").split()) for statement in statements]


def _expect_in_output(case, run, text):
    # The tools break lines where they like.
    case.expect(text in " ".join(run.output.split()), f"the tool's output does not say: {text}")


def comparison(case):
    """The comparison itself notices what it has to notice."""
    with case.lab.cluster.connect(case.database("base")) as connection:
        wrong = catalog_check.unseen_changes(connection)
    case.expect(not wrong, "\n".join(wrong))
