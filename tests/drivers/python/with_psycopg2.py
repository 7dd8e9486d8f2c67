"""psycopg2: the seven tests."""

import io
import threading

import psycopg2

import suite
from suite import check, equal


def connection(autocommit=True, **changes):
    conn = psycopg2.connect("", **changes)
    conn.autocommit = autocommit
    return conn


def row(conn, sql, parameters=None):
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


def one(conn, sql, parameters=None):
    return row(conn, sql, parameters)[0]


def execute(conn, sql):
    with conn.cursor() as cursor:
        cursor.execute(sql)


def fails(sqlstate, function, *arguments):
    try:
        function(*arguments)
    except psycopg2.Error as error:
        equal(error.pgcode, sqlstate, "SQLSTATE")
        return
    raise AssertionError(f"no error, expected {sqlstate}")


def connect():
    conn = connection()
    equal(one(conn, "SELECT current_user"), conn.info.user, "current_user")
    suite.check_lock_timeout(one(conn, "SHOW lock_timeout"))
    equal(bool(conn.info.ssl_in_use), suite.over_tls(), "ssl_in_use")
    check(conn.info.used_password, "the server did not ask for the password")
    conn.close()
    refused("password authentication failed", password="not the password")
    if suite.over_tls():
        refused("certificate verify failed", sslrootcert=suite.other_authority())


def refused(complaint, **changes):
    try:
        connection(**changes).close()
    except psycopg2.OperationalError as error:
        check(complaint in str(error), f"expected {complaint!r}, got {error}")
        return
    raise AssertionError(f"connected with {changes}")


def simple():
    conn = connection()
    equal(one(conn, "SELECT 1; SELECT 'two'; SELECT 3"), 3, "multi-statement query")
    fails("22012", execute, conn, "SELECT 1/0")
    fails("42P01", execute, conn, "SELECT * FROM no_such_table")
    equal(one(conn, "SELECT 'good again'"), "good again", "query after an error")
    conn.close()
    transaction()
    return "psycopg2 shows the last result of a multi-statement query only"


def transaction():
    conn = connection(autocommit=False)
    execute(conn, "CREATE TEMP TABLE moves (n int)")
    execute(conn, "INSERT INTO moves VALUES (1)")
    execute(conn, "SAVEPOINT before_error")
    fails("22012", execute, conn, "INSERT INTO moves VALUES (1/0)")
    fails("25P02", execute, conn, "SELECT 1")
    execute(conn, "ROLLBACK TO before_error")
    execute(conn, "INSERT INTO moves VALUES (2)")
    conn.commit()
    execute(conn, "INSERT INTO moves VALUES (3)")
    conn.rollback()
    equal(one(conn, "SELECT sum(n) FROM moves"), 3, "sum after commit and rollback")
    conn.close()


def parameterized():
    data = suite.random_bytes()
    conn = connection()
    equal(one(conn, "SELECT %s::int + %s::int", (-40, 82)), 42, "ints")
    equal(row(conn, "SELECT %s::text, octet_length(%s)", (suite.TEXT, suite.TEXT)),
          (suite.TEXT, len(suite.TEXT.encode())), "text")
    equal(row(conn, "SELECT %s::text, %s::int IS NULL", (None, None)), (None, True), "NULL")
    value, digest = row(conn, "SELECT v, md5(v) FROM (SELECT %s::bytea AS v) AS given", (psycopg2.Binary(data),))
    check(bytes(value) == data and digest == suite.md5(data), "bytea differs")
    conn.close()
    return "psycopg2 puts the values into the SQL text itself; it has no server-side parameters"


def prepared():
    conn = connection()
    execute(conn, "PREPARE add_thousand (int) AS " + suite.PREPARED_PREFIX + "$1")
    for n in range(suite.EXECUTIONS):
        equal(one(conn, "EXECUTE add_thousand (%s)", (n,)), 1000 + n, "result")
    equal(one(conn, "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE name = 'add_thousand'"), 1,
          "named statements on the server")
    conn.close()
    return "psycopg2 has no call to prepare: SQL PREPARE and EXECUTE"


def pipelined():
    raise suite.NotPossible("psycopg2 has no pipeline mode: it speaks the simple protocol only")


def copy():
    lines = "".join(suite.copy_lines())
    conn = connection()
    execute(conn, "CREATE TEMP TABLE items (id int, label text)")
    with conn.cursor() as cursor:
        cursor.copy_expert("COPY items FROM STDIN", io.StringIO(lines))
        equal(cursor.rowcount, suite.ROWS, "rows copied in")
        back = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM items ORDER BY id) TO STDOUT", back)
        check(back.getvalue() == lines, "the rows copied out differ")
        fails("22P02", cursor.copy_expert, "COPY items FROM STDIN", io.StringIO("1\tgood\nnot a number\tbad\n"))
    equal(one(conn, "SELECT count(*) FROM items"), suite.ROWS, "rows after the failed COPY")
    conn.close()


def cancel():
    conn, watcher = connection(), connection()
    pid = one(conn, "SELECT pg_backend_pid()")
    outcome = []
    sleeper = threading.Thread(target=lambda: outcome.append(sleep(conn)))
    sleeper.start()
    suite.poll(lambda: one(watcher, suite.SLEEPERS + "%s", (pid,)) == 1, "pg_sleep")
    conn.cancel()
    sleeper.join()
    equal(outcome, ["57014"], "outcome of the cancelled query")
    equal(one(conn, "SELECT pg_backend_pid()"), pid, "backend after the cancel")
    conn.close()
    watcher.close()


def sleep(conn):
    try:
        execute(conn, "SELECT pg_sleep(30)")
    except psycopg2.Error as error:
        return error.pgcode
    return "no error"


suite.run({"connect": connect, "simple": simple, "parameterized": parameterized, "prepared": prepared,
           "pipelined": pipelined, "copy": copy, "cancel": cancel})
