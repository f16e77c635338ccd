import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { IDEMPOTENCY_RETENTION_MS } from '../../../../src/core/limits.ts'
import type { Runtime } from '../../../../src/core/ports/runtime.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import {
  createPinnedSweeper,
  selectExpired,
  type PinnedSweeper,
} from '../../../../replication/pinned/sweeper.ts'
import {
  openPinnedRegion,
  REGION,
  request,
  type PinnedRegion,
} from '../../../support/pinned-region.ts'
import { imageOf, rowsOf, shop, shopTable } from '../../../support/shop.ts'

const START_MS = 1_000_000
const orders = shopTable('orders')
let region: PinnedRegion
let sweeper: PinnedSweeper

beforeEach(async () => {
  region = await openPinnedRegion()
  const runtime: Runtime = { ...systemRuntime, clock: region.wallClock }
  const directory = { lookup: (tenant: string) => Promise.resolve(region.homes.get(tenant)) }
  const { store, clock } = region
  sweeper = createPinnedSweeper({
    store,
    schema: shop,
    clock,
    runtime,
    region: REGION,
    directory,
    maxBatchRows: 16,
  })
})
afterEach(() => region.store.close())

async function insert(tenant: string, count: number, expiresInMs: number | null): Promise<void> {
  const expiresAt = expiresInMs === null ? null : new Date(START_MS + expiresInMs)
  const rows = Array.from({ length: count }, (_, i) =>
    imageOf('orders', { id: `${String(expiresInMs)}-${i}`, expiresAt }),
  )
  await region.engine.commit(request([{ kind: 'insert', table: orders.id, rows }], { tenant }))
}

async function left(tenant: string): Promise<number> {
  const sql = `SELECT count(*) FROM ${orders.physicalName} WHERE tenant = ?`
  return Number((await rowsOf(region.store, { sql, args: [tenant] }))[0]?.[0])
}

describe('a sweep (P7)', () => {
  test('deletes exactly what has expired, in small batches, and says why', async () => {
    await insert('a', 40, 10)
    await insert('b', 3, 10)
    await insert('a', 5, 11)
    await insert('a', 5, null)
    region.wall.nowMs += 10
    const writes = region.store.writes
    await sweeper.sweep()
    expect([await left('a'), await left('b')]).toEqual([10, 0])
    expect(sweeper.metrics()).toEqual({ deleted: 43, oldestOverdueMs: 0 })
    expect(region.store.writes - writes).toBeGreaterThanOrEqual(4)
    const deletes = (await region.changes()).filter((c) => c.op === 'delete')
    expect(new Set(deletes.map((c) => c.cause))).toEqual(new Set(['ttl']))
    expect(deletes.map((c) => c.origin.epoch)).toEqual(Array(43).fill(1))
  })

  test('leaves the rows of tenants that are at home elsewhere, and is not held up by them', async () => {
    await insert('b', 40, 1)
    await insert('a', 2, 10)
    await region.place('b', { home: 'us-east', epoch: 2, state: 'active' })
    region.wall.nowMs += 50
    await sweeper.sweep()
    expect([await left('a'), await left('b')]).toEqual([0, 40])
    expect(sweeper.metrics()).toEqual({ deleted: 2, oldestOverdueMs: 40 })
  })

  test('leaves tenants on the move, and those whose home changed since the lookup', async () => {
    await insert('a', 1, 1)
    await insert('b', 1, 1)
    await region.place('a', { home: REGION, epoch: 1, state: 'fenced' })
    await region.place('b', { home: 'us-east', epoch: 2, state: 'active' })
    region.homes.set('b', { home: REGION, epoch: 1, state: 'active' })
    region.wall.nowMs += 50
    await sweeper.sweep()
    expect([await left('a'), await left('b')]).toEqual([1, 1])
  })

  test('leaves a row that is renewed between find and delete', async () => {
    await insert('a', 2, 10)
    region.wall.nowMs += 10
    region.store.beforeWrite = () => {
      region.store.beforeWrite = () => undefined
      const renewed = `UPDATE ${orders.physicalName} SET c${orders.ttl?.id} = ? WHERE c1 = '10-0'`
      void region.store.write([{ sql: renewed, args: [START_MS + 100] }])
    }
    await sweeper.sweep()
    expect(await left('a')).toBe(1)
  })

  test('pages along the index on the instant', async () => {
    const after = { tenant: 'a', expiresMs: 3, key: [1] }
    for (const behind of [undefined, after]) {
      const select = selectExpired(shopTable('alerts'), 5, 10, behind)
      const explain = { ...select, sql: `EXPLAIN QUERY PLAN ${select.sql}` }
      const plan = (await rowsOf(region.store, explain)).map((row) => String(row[3]))
      expect(plan).toEqual([expect.stringContaining('ttl')])
    }
  })

  test('forgets the outcomes of writes that can no longer be repeated, and no others', async () => {
    for (let i = 0; i < 20; i++) await insert('b', 1, i)
    region.wall.nowMs += IDEMPOTENCY_RETENTION_MS
    const late = request([], { issuedAtMs: region.wall.nowMs })
    await region.engine.commit(late)
    const outcomes = async (): Promise<number> =>
      (await rowsOf(region.store, { sql: 'SELECT 1 FROM _outcomes', args: [] })).length
    await sweeper.sweep()
    expect(await outcomes()).toBe(21)
    // An hour beyond the retention: nothing that is still admitted can be missing.
    region.wall.nowMs += 3_600_001
    await sweeper.sweep()
    expect(await outcomes()).toBe(1)
    expect(await region.engine.commit(late)).toMatchObject({ txId: late.txId })
  })
})
