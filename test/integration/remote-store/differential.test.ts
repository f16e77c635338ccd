/** The same random transactions on a file and on a server: the same results, failures and rows. */
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import {
  StatementFailed,
  type Statement,
  type StatementResult,
  type Store,
} from '../../../src/core/ports/store.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../src/drivers/store/file-store.ts'
import { openRemoteStore } from '../../../src/drivers/store/remote/remote-store.ts'
import { emptyServer } from '../../conformance/support/store-servers.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'

/** Of several groups each. */
const RUNS_A_PROTOCOL = 250
const GROUPS_A_RUN = 4

const TABLE = `CREATE TABLE cell (k INTEGER PRIMARY KEY, t TEXT UNIQUE, n INTEGER CHECK (n < 900),
  r REAL, b BLOB, a ANY, p INTEGER REFERENCES cell (k)) STRICT`

const integer: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
)
const text = fc.string({ unit: 'grapheme', maxLength: 4 }).filter((value) => !value.includes('\0'))
const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  integer,
  fc.double({ noNaN: true }),
  text,
  fc.uint8Array({ maxLength: 6 }),
)
const key = fc.integer({ min: 0, max: 9 })

/** Statements of every outcome: results of all types, and failures of all kinds. */
const statement: fc.Arbitrary<Statement> = fc
  .oneof(
    fc.record({
      sql: fc.constantFrom(
        'INSERT INTO cell (k, t) VALUES (?, ?)',
        'INSERT INTO cell (k, t) VALUES (?, ?) RETURNING k, t',
        'INSERT OR IGNORE INTO cell (k, t) VALUES (?, ?)',
        'INSERT OR ROLLBACK INTO cell (k, t) VALUES (?, ?)',
        'INSERT INTO cell (k, t) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET t = excluded.t',
      ),
      args: fc.tuple(key, fc.oneof(text, fc.constantFrom('a', 'b'))),
    }),
    fc.record({
      sql: fc.constantFrom(
        'UPDATE cell SET a = ? WHERE k = ?',
        'UPDATE cell SET r = ? WHERE k = ? RETURNING r, typeof(r)',
        'UPDATE cell SET n = ? WHERE k <= ?',
        'UPDATE cell SET b = ? WHERE k = ?',
        'UPDATE cell SET p = ? WHERE k = ?',
        'SELECT ?, typeof(?)',
        'INSERT INTO cell (a, k) VALUES (?, ?)',
        'WITH c (v) AS (SELECT ?) SELECT v, k FROM c, cell WHERE k >= ? ORDER BY k',
      ),
      args: fc.tuple(value, key),
    }),
    fc.record({
      sql: fc.constantFrom(
        'DELETE FROM cell WHERE k = ?',
        'SELECT * FROM cell WHERE k < ? ORDER BY k',
      ),
      args: fc.tuple(key),
    }),
    fc.constantFrom<Statement>(
      { sql: 'SELECT * FROM nowhere', args: [] },
      { sql: 'SELECT count(*), sum(k) FROM cell', args: [] },
    ),
  )
  .chain((one) =>
    fc
      .record({
        bigints: fc.boolean(),
        maxRows: fc.option(fc.constantFrom(1, 5), { nil: undefined }),
      })
      .map(({ bigints, maxRows }) => ({
        ...one,
        bigints,
        ...(maxRows === undefined ? {} : { maxRows }),
      })),
  )

/** Refused for its text: by a server, before any other statement of its transaction has run. */
const unreadable = fc
  .constantFrom('SELEC 1', 'SELECT ?', 'ROLLBACK', 'SELECT 1; SELECT 2', 'SELECT (')
  .map((sql): Statement[] => [{ sql, args: [] }])

const group = fc.array(
  fc.oneof(
    { arbitrary: fc.array(statement, { minLength: 1, maxLength: 5 }), weight: 15 },
    { arbitrary: unreadable, weight: 1 },
  ),
  { minLength: 1, maxLength: 8 },
)

const groups = fc.array(group, { minLength: GROUPS_A_RUN, maxLength: GROUPS_A_RUN })

/** What a call came to, in a form that can be compared. */
function told(outcome: PromiseSettledResult<readonly StatementResult[]>): unknown {
  if (outcome.status === 'fulfilled') return outcome.value
  const error: unknown = outcome.reason
  if (error instanceof StatementFailed) return { at: error.statementIndex, kind: error.kind }
  return { code: (error as { readonly code?: unknown }).code }
}

async function run(
  store: Store,
  groupsOfRun: readonly (readonly (readonly Statement[])[])[],
): Promise<unknown> {
  await store.write([{ sql: 'DELETE FROM cell', args: [] }])
  const outcomes: unknown[] = []
  for (const members of groupsOfRun) {
    const settled = await Promise.allSettled(members.map((member) => store.write(member)))
    outcomes.push(settled.map(told))
  }
  const rows = await store.read([{ sql: 'SELECT * FROM cell ORDER BY k', args: [], bigints: true }])
  return { outcomes, rows }
}

for (const protocol of ['http', 'ws'] as const) {
  test(
    `1,000 groups come to the same on a file and over ${protocol}`,
    { timeout: 300_000 },
    async () => {
      const { timers } = systemRuntime
      const { url, token } = await emptyServer(protocol)
      const remote = await openRemoteStore({ url, token, runtime: systemRuntime })
      const file = await openFileStore({ path: join(tempFolder(), 'store.db'), timers })
      onTestFinished(async () => {
        await remote.close()
        await file.close()
      })
      for (const store of [remote, file]) await store.write([{ sql: TABLE, args: [] }])
      await fc.assert(
        fc.asyncProperty(groups, async (groupsOfRun) => {
          const [there, here] = await Promise.all([
            run(remote, groupsOfRun),
            run(file, groupsOfRun),
          ])
          expect(there).toEqual(here)
        }),
        { numRuns: RUNS_A_PROTOCOL },
      )
    },
  )
}
