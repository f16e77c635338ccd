/** The engine over a real file, whose writer lets concurrent transactions share a commit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isErrorCode } from '../../../../src/core/errors.ts'
import type { TransactionRequest, WriteOp } from '../../../../src/core/operations.ts'
import type { TransactionEngine } from '../../../../src/core/ports/engine.ts'
import type { Store } from '../../../../src/core/ports/store.ts'
import { StoreClock } from '../../../../src/core/store-clock.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../../src/drivers/store/file-store.ts'
import { prepareStore } from '../../../../src/schema/migrate.ts'
import { selectByKeys, rowsByKey, type StoredRow } from '../../../../src/sql/select.ts'
import { tenantKey } from '../../../../src/tenancy/tenant-key.ts'
import { createPinnedEngine } from '../../../../replication/pinned/engine.ts'
import { REGION, request, SOURCE } from '../../../support/pinned-region.ts'
import { imageOf, shop, shopTable } from '../../../support/shop.ts'

const stock = shopTable('stock')
const COUNT = stock.valueIndex.get(stock.columnByName.get('count')?.id ?? -1) ?? -1
let folder: string
let store: Store
let engine: TransactionEngine

async function open(): Promise<void> {
  store = await openFileStore({ path: join(folder, 'store.db'), timers: systemRuntime.timers })
  const { lastHlc } = await prepareStore(store, shop, systemRuntime)
  const home = { home: REGION, epoch: 1, state: 'active' }
  await store.write([
    {
      sql: `INSERT OR IGNORE INTO _tenants VALUES (?, ?, 1, 'active', 'standard')`,
      args: [tenantKey('a'), REGION],
    },
  ])
  engine = createPinnedEngine({
    store,
    schema: shop,
    clock: new StoreClock(systemRuntime.clock, lastHlc),
    wallClock: systemRuntime.clock,
    region: REGION,
    source: SOURCE,
    directory: { lookup: () => Promise.resolve(home) },
  })
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pinned-'))
  await open()
  await engine.commit(now([{ kind: 'insert', table: stock.id, rows: [item(0)] }]))
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

function now(ops: readonly WriteOp[], more: Partial<TransactionRequest> = {}): TransactionRequest {
  return request(ops, { issuedAtMs: systemRuntime.clock.nowMs(), ...more })
}

function item(count: number): ReturnType<typeof imageOf> {
  return imageOf('stock', { place: 'p', item: 1n, count })
}

function add(by: number, floor: number | null = null): WriteOp {
  const op = { kind: 'increment', by, floor } as const
  const cells = [{ column: COUNT, op }]
  return { kind: 'update', table: stock.id, key: ['p', 1n], cells, conditions: [] }
}

async function read(): Promise<StoredRow> {
  const [result] = await store.read([selectByKeys(stock, 'a', [['p', 1n]], 0)])
  return rowsByKey(stock, 1, result?.rows ?? [])[0] as StoredRow
}

test('concurrent increments all count, and each sees a sum of its own (P5)', async () => {
  const results = await Promise.all(Array.from({ length: 200 }, () => engine.commit(now([add(1)]))))
  const seen = results.map((result) => result.updated[0]?.[COUNT] as number)
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
  expect((await read()).image[COUNT]).toBe(200)
})

test('a floor lets exactly as many pass as there are (P5)', async () => {
  await engine.commit(now([add(7)]))
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => engine.commit(now([add(-1, 0)]))),
  )
  const refused = results.filter((r) => r.status === 'rejected')
  expect(refused).toHaveLength(13)
  for (const { reason } of refused) expect(isErrorCode(reason, 'CONDITION_FAILED')).toBe(true)
})

test('optimistic transactions that ran again after conflicts lose no update (P5)', async () => {
  const incrementByRead = async (): Promise<void> => {
    for (;;) {
      const { image, version } = await read()
      const next = item((image[COUNT] as number) + 1)
      const reads = [{ table: stock.id, key: ['p', 1n], version }]
      try {
        await engine.commit(now([{ kind: 'upsert', table: stock.id, rows: [next] }], { reads }))
        return
      } catch (error) {
        if (!isErrorCode(error, 'CONFLICT')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: 10 }, incrementByRead))
  expect((await read()).image[COUNT]).toBe(10)
})

test('one request sent many times at once has one effect and one answer (P4)', async () => {
  const same = now([add(1)])
  const results = await Promise.all(Array.from({ length: 20 }, () => engine.commit(same)))
  expect((await read()).image[COUNT]).toBe(1)
  for (const { updated, txId } of results) {
    expect([updated[0]?.[COUNT], txId]).toEqual([1, same.txId])
  }
})

test('a committed write and its outcome are there after the file is opened again (P4)', async () => {
  const same = now([add(5)])
  const first = await engine.commit(same)
  await store.close()
  await open()
  expect((await read()).image[COUNT]).toBe(5)
  expect(await engine.commit(same)).toMatchObject({ updated: first.updated, hlc: first.hlc })
  const { hlc } = await engine.commit(now([add(1)]))
  expect(hlc > first.hlc).toBe(true)
})
