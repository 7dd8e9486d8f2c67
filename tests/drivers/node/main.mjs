// node-postgres: the seven tests.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import * as suite from './suite.mjs'

// node-postgres reads host, port, user, password and database from the environment, but not the root certificate.
const settings = (changes) => ({
  ssl: suite.overTls() ? { ca: readFileSync(process.env.PGSSLROOTCERT) } : false,
  ...changes,
})

async function connected(body, changes = {}) {
  const client = new pg.Client(settings(changes))
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}

async function one(client, text, values) {
  const { rows } = await client.query({ text, values, rowMode: 'array' })
  return rows[0][0]
}

const fails = (sqlstate, promise) => assert.rejects(promise, { code: sqlstate })

async function connect() {
  await connected(async (client) => {
    assert.equal(await one(client, 'SELECT current_user'), process.env.PGUSER)
    const expected = process.env.DRIVERS_LOCK_TIMEOUT
    if (expected) assert.equal(await one(client, 'SHOW lock_timeout'), expected)
    const socket = client.connection.stream
    assert.equal(socket.encrypted === true && socket.authorized === true, suite.overTls(), 'TLS in use')
  })
  await fails('28P01', connected(() => {}, { password: 'not the password' }))
  if (suite.overTls()) {
    const ca = readFileSync(process.env.DRIVERS_OTHER_CA)
    await fails('UNABLE_TO_VERIFY_LEAF_SIGNATURE', connected(() => {}, { ssl: { ca } }))
  }
}

const simple = () =>
  connected(async (client) => {
    const results = await client.query("SELECT 1 AS x; SELECT 'two' AS x; SELECT 3 AS x")
    assert.deepEqual(results.map((result) => result.rows[0].x), [1, 'two', 3])
    await fails('22012', client.query('SELECT 1/0'))
    await fails('42P01', client.query('SELECT * FROM no_such_table'))
    assert.equal(await one(client, "SELECT 'good again'"), 'good again')
    await transaction(client)
  })

async function transaction(client) {
  await client.query('CREATE TEMP TABLE moves (n int)')
  await client.query('BEGIN')
  await client.query('INSERT INTO moves VALUES (1)')
  await client.query('SAVEPOINT before_error')
  await fails('22012', client.query('INSERT INTO moves VALUES (1/0)'))
  await fails('25P02', client.query('SELECT 1'))
  await client.query('ROLLBACK TO before_error')
  await client.query('INSERT INTO moves VALUES (2)')
  await client.query('COMMIT')
  await client.query('BEGIN')
  await client.query('INSERT INTO moves VALUES (3)')
  await client.query('ROLLBACK')
  assert.equal(await one(client, 'SELECT sum(n)::int FROM moves'), 3)
}

const parameterized = () =>
  connected(async (client) => {
    const data = suite.someBytes()
    assert.equal(await one(client, 'SELECT $1::int + $2::int', [-40, 82]), 42)
    assert.equal(await one(client, 'SELECT $1::text', [suite.TEXT]), suite.TEXT)
    assert.equal(await one(client, 'SELECT octet_length($1)', [suite.TEXT]), Buffer.byteLength(suite.TEXT))
    assert.equal(await one(client, 'SELECT $1::text', [null]), null)
    assert.equal(await one(client, 'SELECT md5($1::bytea)', [data]), suite.md5(data))
    assert.ok(data.equals(await one(client, 'SELECT $1::bytea', [data])), 'bytea differs')
  })

const prepared = () =>
  connected(async (client) => {
    for (let n = 0; n < suite.EXECUTIONS; n++) {
      const { rows } = await client.query({ name: 'add_thousand', text: suite.PREPARED, values: [n] })
      assert.equal(rows[0].sum, 1000 + n)
    }
    assert.equal(await one(client, suite.COUNT_PREPARED), 1)
  })

// Each query of node-postgres' pipeline ends with a Sync of its own, so an error leaves the others alone.
const pipelined = () =>
  connected(
    async (client) => {
      await client.query('CREATE TEMP TABLE pipe (n int)')
      const doubled = Array.from({ length: 50 }, (_, n) => one(client, 'SELECT $1::int * 2', [n]))
      assert.deepEqual(await Promise.all(doubled), Array.from({ length: 50 }, (_, n) => n * 2))
      const outcomes = await Promise.allSettled(
        [1, 0, 2].map((divisor) => client.query('INSERT INTO pipe VALUES (100 / $1::int)', [divisor])),
      )
      assert.deepEqual(outcomes.map((outcome) => outcome.reason?.code ?? outcome.value.rowCount), [1, '22012', 1])
      assert.equal(await one(client, 'SELECT sum(n)::int FROM pipe'), 150)
    },
    { pipeline: true },
  )

const copy = () =>
  connected(async (client) => {
    const text = suite.copyText()
    await client.query('CREATE TEMP TABLE items (id int, label text)')
    const into = client.query(copyFrom('COPY items FROM STDIN'))
    await pipeline(Readable.from([text]), into)
    assert.equal(into.rowCount, suite.ROWS)
    const chunks = await client.query(copyTo('COPY (SELECT * FROM items ORDER BY id) TO STDOUT')).toArray()
    assert.ok(Buffer.concat(chunks).equals(Buffer.from(text)), 'the rows copied out differ')
    await fails('22P02', pipeline(Readable.from(['1\tgood\nnot a number\tbad\n']), client.query(copyFrom('COPY items FROM STDIN'))))
    assert.equal(await one(client, 'SELECT count(*)::int FROM items'), suite.ROWS)
  })

const cancel = () =>
  connected((client) =>
    connected(async (watcher) => {
      const pid = await one(client, 'SELECT pg_backend_pid()')
      let query
      const outcome = new Promise((resolve) => {
        query = client.query(new pg.Query('SELECT pg_sleep(30)', (error) => resolve(error?.code ?? 'no error')))
      })
      await suite.poll('pg_sleep', async () => (await one(watcher, suite.SLEEPERS, [pid])) === 1)
      await sendCancel(client, query)
      assert.equal(await outcome, '57014')
      assert.equal(await one(client, 'SELECT pg_backend_pid()'), pid)
      return suite.overTls() ? 'cancel() of node-postgres sends its CancelRequest without TLS' : ''
    }),
  )

// A client that never logs in sends the CancelRequest; the server closes its connection when it has seen it.
async function sendCancel(client, query) {
  const messenger = new pg.Client(settings({}))
  const closed = new Promise((resolve, reject) => {
    messenger.connection.once('end', resolve)
    messenger.connection.once('error', reject)
  })
  messenger.cancel(client, query)
  await closed
}

await suite.run({ connect, simple, parameterized, prepared, pipelined, copy, cancel })
