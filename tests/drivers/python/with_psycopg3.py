"""psycopg 3: the seven tests."""

import threading

import psycopg

import suite
from suite import check, equal


def connection(autocommit=True, **changes):
    return psycopg.connect("", autocommit=autocommit, **changes)


def one(conn, sql, parameters=None, **how):
    return conn.execute(sql, parameters, **how).fetchone()[0]


def fails(sqlstate, function, *arguments):
    try:
        function(*arguments)
    except psycopg.Error as error:
        equal(error.sqlstate, sqlstate, "SQLSTATE")
        return
    raise AssertionError(f"no error, expected {sqlstate}")


def connect():
    with connection() as conn:
        equal(one(conn, "SELECT current_user"), conn.info.user, "current_user")
        suite.check_lock_timeout(one(conn, "SHOW lock_timeout"))
        equal(bool(conn.pgconn.ssl_in_use), suite.over_tls(), "ssl_in_use")
        check(conn.pgconn.used_password, "the server did not ask for the password")
    refused("password authentication failed", password="not the password")
    if suite.over_tls():
        refused("certificate verify failed", sslrootcert=suite.other_authority())


def refused(complaint, **changes):
    try:
        connection(**changes).close()
    except psycopg.OperationalError as error:
        check(complaint in str(error), f"expected {complaint!r}, got {error}")
        return
    raise AssertionError(f"connected with {changes}")


def simple():
    with connection() as conn:
        cursor = conn.execute("SELECT 1; SELECT 'two'; SELECT 3")
        seen = [cursor.fetchone()[0]]
        while cursor.nextset():
            seen.append(cursor.fetchone()[0])
        equal(seen, [1, "two", 3], "multi-statement query")
        fails("22012", conn.execute, "SELECT 1/0")
        fails("42P01", conn.execute, "SELECT * FROM no_such_table")
        equal(one(conn, "SELECT 'good again'"), "good again", "query after an error")
    transaction()


def transaction():
    with connection(autocommit=False) as conn:
        conn.execute("CREATE TEMP TABLE moves (n int)")
        conn.execute("INSERT INTO moves VALUES (1)")
        conn.execute("SAVEPOINT before_error")
        fails("22012", conn.execute, "INSERT INTO moves VALUES (1/0)")
        fails("25P02", conn.execute, "SELECT 1")
        conn.execute("ROLLBACK TO before_error")
        conn.execute("INSERT INTO moves VALUES (2)")
        conn.commit()
        conn.execute("INSERT INTO moves VALUES (3)")
        conn.rollback()
        equal(one(conn, "SELECT sum(n) FROM moves"), 3, "sum after commit and rollback")


def parameterized():
    data = suite.random_bytes()
    with connection() as conn:
        equal(one(conn, "SELECT %s::int + %s::int", (-40, 82)), 42, "ints")
        equal(conn.execute("SELECT %s::text, octet_length(%s)", (suite.TEXT, suite.TEXT)).fetchone(),
              (suite.TEXT, len(suite.TEXT.encode())), "text")
        equal(conn.execute("SELECT %s::text, %s::int IS NULL", (None, None)).fetchone(), (None, True), "NULL")
        for binary in (False, True):
            row = conn.execute("SELECT %s::bytea, md5(%s::bytea)", (data, data), binary=binary).fetchone()
            check(row == (data, suite.md5(data)), f"bytea differs, binary={binary}")


def prepared():
    with connection() as conn:
        for n in range(suite.EXECUTIONS):
            equal(one(conn, suite.PREPARED_PREFIX + "%s::int", (n,), prepare=True), 1000 + n, "result")
        equal(one(conn, suite.COUNT_PREPARED), 1, "named statements on the server")


def pipelined():
    with connection() as conn:
        conn.execute("CREATE TEMP TABLE pipe (n int)")
        with conn.pipeline():
            cursors = [conn.execute("SELECT %s::int * 2", (n,)) for n in range(50)]
            equal([cursor.fetchone()[0] for cursor in cursors], [n * 2 for n in range(50)], "results")
        failing_pipeline(conn)
        # One implicit transaction up to the Sync: the error takes the row before it along.
        equal(one(conn, "SELECT count(*) FROM pipe"), 0, "rows of the failed pipeline")
        with conn.pipeline() as pipe:
            conn.execute("INSERT INTO pipe VALUES (%s)", (1,))
            pipe.sync()
            conn.execute("INSERT INTO pipe VALUES (%s)", (2,))
        equal(one(conn, "SELECT count(*) FROM pipe"), 2, "rows of the good pipeline")


def failing_pipeline(conn):
    try:
        with conn.pipeline():
            conn.execute("INSERT INTO pipe VALUES (%s)", (1,))
            conn.execute("INSERT INTO pipe VALUES (1 / %s::int)", (0,))
            conn.execute("INSERT INTO pipe VALUES (%s)", (2,))
    except psycopg.Error as error:
        equal(error.sqlstate, "22012", "SQLSTATE in the pipeline")
        return
    raise AssertionError("the error in the pipeline was not reported")


def copy():
    lines = suite.copy_lines()
    with connection() as conn:
        conn.execute("CREATE TEMP TABLE items (id int, label text)")
        cursor = conn.cursor()
        with cursor.copy("COPY items FROM STDIN") as stream:
            for line in lines:
                stream.write(line)
        equal(cursor.rowcount, suite.ROWS, "rows copied in")
        with cursor.copy("COPY (SELECT * FROM items ORDER BY id) TO STDOUT") as stream:
            check(b"".join(stream) == "".join(lines).encode(), "the rows copied out differ")
        fails("22P02", copy_in, cursor, "1\tgood\nnot a number\tbad\n")
        equal(one(conn, "SELECT count(*) FROM items"), suite.ROWS, "rows after the failed COPY")
        abandoned_copy(conn)


def copy_in(cursor, text):
    with cursor.copy("COPY items FROM STDIN") as stream:
        stream.write(text)


def abandoned_copy(conn):
    """The client itself gives up (CopyFail)."""
    try:
        with conn.cursor().copy("COPY items FROM STDIN") as stream:
            stream.write("1\tgood\n")
            raise KeyError("abandon")
    except KeyError:
        pass
    equal(one(conn, "SELECT count(*) FROM items"), suite.ROWS, "rows after the abandoned COPY")


def cancel():
    with connection() as conn, connection() as watcher:
        pid = one(conn, "SELECT pg_backend_pid()")
        outcome = []
        sleeper = threading.Thread(target=lambda: outcome.append(sleep(conn)))
        sleeper.start()
        suite.poll(lambda: one(watcher, suite.SLEEPERS + "%s", (pid,)) == 1, "pg_sleep")
        conn.cancel_safe()
        sleeper.join()
        equal(outcome, ["57014"], "outcome of the cancelled query")
        equal(one(conn, "SELECT pg_backend_pid()"), pid, "backend after the cancel")


def sleep(conn):
    try:
        conn.execute("SELECT pg_sleep(30)")
    except psycopg.Error as error:
        return error.sqlstate
    return "no error"


suite.run({"connect": connect, "simple": simple, "parameterized": parameterized, "prepared": prepared,
           "pipelined": pipelined, "copy": copy, "cancel": cancel})
