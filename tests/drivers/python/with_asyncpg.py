"""asyncpg: the seven tests."""

import asyncio
import io
import os
import ssl

import asyncpg

import suite
from suite import check, equal


async def connection(**changes):
    # Everything else comes from the PG… variables, which asyncpg reads as libpq does.
    return await asyncpg.connect(**changes)


async def fails(sqlstate, awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        equal(error.sqlstate, sqlstate, "SQLSTATE")
        return
    raise AssertionError(f"no error, expected {sqlstate}")


async def connect():
    conn = await connection()
    equal(await conn.fetchval("SELECT current_user"), os.environ["PGUSER"], "current_user")
    suite.check_lock_timeout(await conn.fetchval("SHOW lock_timeout"))
    # asyncpg has no public view of its socket; the transport is asyncio's own.
    tls = conn._transport.get_extra_info("ssl_object")
    equal(tls is not None and tls.version() is not None, suite.over_tls(), "TLS in use")
    await conn.close()
    await fails("28P01", connection(password="not the password"))
    if suite.over_tls():
        await refuses_other_authority()


async def refuses_other_authority():
    try:
        await connection(ssl=ssl.create_default_context(cafile=suite.other_authority()))
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("connected although another authority signed the certificate")


async def simple():
    conn = await connection()
    # Without arguments execute() is one simple Query; asyncpg shows only its last tag, the table shows the rest.
    tag = await conn.execute("CREATE TEMP TABLE many (n int); INSERT INTO many VALUES (1), (2); UPDATE many SET n = n + 1")
    equal(tag, "UPDATE 2", "tag of the multi-statement query")
    equal(await conn.fetchval("SELECT sum(n) FROM many"), 5, "effect of the multi-statement query")
    await fails("22012", conn.execute("SELECT 1/0"))
    await fails("42P01", conn.execute("SELECT * FROM no_such_table"))
    equal(await conn.execute("SELECT 'good again'"), "SELECT 1", "query after an error")
    await transaction(conn)
    await conn.close()


async def transaction(conn):
    await conn.execute("CREATE TEMP TABLE moves (n int)")
    async with conn.transaction():
        await conn.execute("INSERT INTO moves VALUES (1)")
        await conn.execute("SAVEPOINT before_error")
        await fails("22012", conn.execute("INSERT INTO moves VALUES (1/0)"))
        await fails("25P02", conn.execute("SELECT 1"))
        await conn.execute("ROLLBACK TO before_error")
        await conn.execute("INSERT INTO moves VALUES (2)")
    rolled_back = conn.transaction()
    await rolled_back.start()
    await conn.execute("INSERT INTO moves VALUES (3)")
    await rolled_back.rollback()
    equal(await conn.fetchval("SELECT sum(n) FROM moves"), 3, "sum after commit and rollback")


async def parameterized():
    data = suite.random_bytes()
    conn = await connection()
    equal(await conn.fetchval("SELECT $1::int + $2::int", -40, 82), 42, "ints")
    row = await conn.fetchrow("SELECT $1::text, octet_length($1)", suite.TEXT)
    equal(tuple(row), (suite.TEXT, len(suite.TEXT.encode())), "text")
    row = await conn.fetchrow("SELECT $1::text, $2::int IS NULL", None, None)
    equal(tuple(row), (None, True), "NULL")
    row = await conn.fetchrow("SELECT $1::bytea, md5($1)", data)
    check(tuple(row) == (data, suite.md5(data)), "bytea differs")
    await conn.close()


async def prepared():
    conn = await connection()
    statement = await conn.prepare(suite.PREPARED_PREFIX + "$1::int")
    for n in range(suite.EXECUTIONS):
        equal(await statement.fetchval(n), 1000 + n, "result")
    equal(await conn.fetchval(suite.COUNT_PREPARED), 1, "named statements on the server")
    await conn.close()


async def pipelined():
    """executemany() is the pipeline that asyncpg offers: Bind and Execute for every row before one Sync."""
    conn = await connection()
    await conn.execute("CREATE TEMP TABLE pipe (n int)")
    await conn.executemany("INSERT INTO pipe VALUES (100 / $1::int)", [(n,) for n in range(1, 51)])
    equal(await conn.fetchval("SELECT count(*) FROM pipe"), 50, "rows of the pipeline")
    await fails("22012", conn.executemany("INSERT INTO pipe VALUES (100 / $1::int)", [(1,), (0,), (2,)]))
    # One implicit transaction up to the Sync: the error takes the row before it along.
    equal(await conn.fetchval("SELECT count(*) FROM pipe"), 50, "rows after the failed pipeline")
    await conn.close()
    return "executemany(): asyncpg has no general pipeline call"


async def copy():
    lines = "".join(suite.copy_lines()).encode()
    conn = await connection()
    await conn.execute("CREATE TEMP TABLE items (id int, label text)")
    tag = await conn.copy_to_table("items", source=io.BytesIO(lines))
    equal(tag, f"COPY {suite.ROWS}", "tag of COPY in")
    back = io.BytesIO()
    await conn.copy_from_query("SELECT * FROM items ORDER BY id", output=back)
    check(back.getvalue() == lines, "the rows copied out differ")
    await fails("22P02", conn.copy_to_table("items", source=io.BytesIO(b"1\tgood\nnot a number\tbad\n")))
    equal(await conn.fetchval("SELECT count(*) FROM items"), suite.ROWS, "rows after the failed COPY")
    await conn.close()


async def cancel():
    conn, watcher = await connection(), await connection()
    pid = conn.get_server_pid()
    transaction = conn.transaction()
    await transaction.start()
    sleeper = asyncio.create_task(conn.execute("SELECT pg_sleep(30)"))
    async with asyncio.timeout(suite.DEADLINE):
        while await watcher.fetchval(suite.SLEEPERS + "$1", pid) != 1:
            await asyncio.sleep(0.02)
    sleeper.cancel()
    await asyncio.wait([sleeper])
    check(sleeper.cancelled(), "the sleeping task did not end as cancelled")
    # asyncpg keeps the server's 57014 to itself: the failed transaction shows that it came.
    await fails("25P02", conn.execute("SELECT 1"))
    await transaction.rollback()
    equal(await conn.fetchval("SELECT pg_backend_pid()"), pid, "backend after the cancel")
    await conn.close()
    await watcher.close()
    return "asyncpg raises CancelledError instead of 57014; the failed transaction (25P02) and the server's log show it"


def within_loop(test):
    return lambda: asyncio.run(test())


suite.run({test.__name__: within_loop(test)
           for test in (connect, simple, parameterized, prepared, pipelined, copy, cancel)})
