// The result lines, the settings from the environment and the test data.
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

export const ROWS = 10_000
export const EXECUTIONS = 20
const DEADLINE = 30_000

export const TEXT = 'Zażółć gęślą jaźń – 漢字 🐘 \'quoted\' "double" back\\slash $1 %s :x ? ;--'

// An SQL text that no other statement of the programs begins with: it finds itself in pg_prepared_statements.
export const PREPARED = 'SELECT 1000 + $1::int AS sum'
export const COUNT_PREPARED =
  "SELECT count(*)::int FROM pg_catalog.pg_prepared_statements WHERE statement LIKE 'SELECT 1000 + %'"
export const SLEEPERS =
  "SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = $1"

export const overTls = () => process.env.PGSSLMODE !== 'disable'
export const someBytes = () => randomBytes(1_000_000)
export const md5 = (data) => createHash('md5').update(data).digest('hex')

// Rows in COPY's text format: escapes, UTF-8 and NULL among them.
export const copyText = () =>
  Array.from({ length: ROWS }, (_, i) => `${i}\t${i % 7 === 0 ? '\\N' : `wiersz ${i} – żółć\\t漢字\\\\end`}\n`).join('')

// Waits for something on the server; there is nothing to subscribe to, so it asks again.
export async function poll(what, condition) {
  const deadline = Date.now() + DEADLINE
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} was not seen within ${DEADLINE} ms`)
    await pause(20)
  }
}

// Runs {name: function}. A function returns a note or nothing; its exception is the failure.
export async function run(tests) {
  for (const [test, body] of Object.entries(tests)) {
    let result
    try {
      result = { ok: true, note: (await body()) ?? '' }
    } catch (problem) {
      console.error(problem)
      result = { ok: false, note: String(problem) }
    }
    console.log(JSON.stringify({ test, ...result }))
  }
}
