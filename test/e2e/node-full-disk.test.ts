import { expect, test } from 'vitest'
import { isErrorCode, type MeridianError } from '../../src/client/index.ts'
import { HEALTH_PATH } from '../../src/core/wire-http.ts'
import { layProcesses } from '../support/node-processes.ts'
import { HOME, schema, TENANT } from './programs/loader-schema.ts'

const SCHEMA_MODULE = 'test/e2e/programs/loader-schema.ts'
const SMALL_DISK = 'test/e2e/programs/node-on-small-disk.ts'
const ELSEWHERE = 'eu-west'
/** Of each file of the node, in the blocks that `ulimit -f` counts. */
const FILE_BLOCKS = 1_200
const ROWS_AT_ONCE = 500
const MAX_BATCHES = 200
const FILL_MS = 60_000
const TIMEOUT_MS = 240_000

test(
  'a node whose disk is full refuses writes, typed, keeps serving, and loses nothing',
  { timeout: TIMEOUT_MS },
  async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const [elsewhere, full] = await Promise.all([
      processes.start(ELSEWHERE),
      processes.start(HOME, { program: SMALL_DISK, fileBlocks: FILE_BLOCKS }),
    ])
    const db = await processes.connect(HOME)
    await db.tenants.create({ id: TENANT, home: HOME })
    const { orders } = db.tenant(TENANT)
    const insert = (batch: number): Promise<unknown> =>
      orders.insertMany(
        Array.from({ length: ROWS_AT_ONCE }, (_, i) => ({
          id: batch * ROWS_AT_ONCE + i,
          batch,
          amount: 1,
        })),
        { idempotencyKey: `batch-${batch}`, deadlineMs: 5_000 },
      )

    let acknowledged = 0
    let refusal: MeridianError | undefined
    const deadlineMs = performance.now() + FILL_MS
    while (refusal === undefined && acknowledged < MAX_BATCHES && performance.now() < deadlineMs) {
      try {
        await insert(acknowledged)
        acknowledged++
      } catch (error) {
        if (isErrorCode(error, 'STORE_FULL', 'STORE_UNAVAILABLE')) refusal = error
        // A machine that is slow: the same again.
        else if (!isErrorCode(error, 'DEADLINE_EXCEEDED', 'UNKNOWN_OUTCOME')) throw error
      }
    }
    expect(refusal?.retry).toBe('safe')
    expect(full.stderr()).toContain('"event":"the store fails"')

    expect((await fetch(processes.url(HOME) + HEALTH_PATH)).status).toBe(200)
    const first = await orders.get(0)
    expect(first).toEqual({ id: 0, batch: 0, amount: 1 })
    const other = await processes.connect(ELSEWHERE)
    await other.plans.insert({ id: 1, batch: 1 })

    full.kill('SIGKILL')
    await full.ended
    const again = await processes.start(HOME)
    // The one that failed, under the key that it had.
    await insert(acknowledged)
    const { rows } = await orders.list({ limit: 10_000, consistency: 'strong' })
    const expected = Math.min(10_000, (acknowledged + 1) * ROWS_AT_ONCE)
    expect(rows).toHaveLength(expected)
    for (const node of [elsewhere, again]) {
      node.kill('SIGTERM')
      expect((await node.ended).code).toBe(0)
    }
    expect([elsewhere, full, again].map((node) => node.stderr()).join('')).not.toMatch(
      /unhandled|uncaught/i,
    )
  },
)
