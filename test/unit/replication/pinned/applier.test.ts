import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../../../src/core/change.ts'
import { formatHlc } from '../../../../src/core/hlc.ts'
import type { WriteOp } from '../../../../src/core/operations.ts'
import type { SqlRow } from '../../../../src/core/values.ts'
import { pinnedVersion } from '../../../../src/core/version.ts'
import { beginContext } from '../../../../src/schema/system-tables.ts'
import { rowColumns } from '../../../../src/sql/select.ts'
import { createPinnedApplier } from '../../../../replication/pinned/applier.ts'
import type { PinnedFaults } from '../../../../replication/pinned/faults.ts'
import { openPinnedRegion, request, type PinnedRegion } from '../../../support/pinned-region.ts'
import { imageOf, rowsOf, shop, shopTable } from '../../../support/shop.ts'

const stock = shopTable('stock')
const item = (n: number, more: object = {}): ReturnType<typeof imageOf> =>
  imageOf('stock', { place: 'p', item: BigInt(n), count: 1, ...more })
const put = (kind: 'insert' | 'upsert', ...rows: ReturnType<typeof imageOf>[]): WriteOp => ({
  kind,
  table: stock.id,
  rows,
})

let home: PinnedRegion
let replica: PinnedRegion

beforeEach(async () => {
  home = await openPinnedRegion()
  replica = await openPinnedRegion()
})
afterEach(async () => {
  await home.store.close()
  await replica.store.close()
})

let imports = 0

async function apply(changes: readonly Change[], faults: PinnedFaults = {}): Promise<void> {
  const { store, clock } = replica
  await createPinnedApplier({ store, schema: shop, faults }).apply(changes, async (statements) => {
    const context = beginContext({
      txId: `import-${++imports}`,
      hlc: clock.next(),
      epoch: 0,
      cause: 'user',
      schemaVersion: 1,
      capture: false,
      origin: null,
    })
    await store.write([context, ...statements])
  })
}

async function table(region: PinnedRegion): Promise<readonly SqlRow[]> {
  const sql = `SELECT r.tenant, ${rowColumns(stock, 'r')}, r._epoch FROM ${stock.physicalName} r ORDER BY 1, 2, 3`
  return rowsOf(region.store, { sql, args: [], bigints: true })
}

const change = (over: Partial<Change>): Change => ({
  localSeq: 1,
  origin: { source: 'us-east.1', epoch: 1, seq: 1 },
  txId: 't',
  index: 0,
  size: 1,
  hlc: formatHlc(1, 0),
  schemaVersion: 1,
  cause: 'user',
  tableId: stock.id,
  op: 'insert',
  tenant: 'a',
  key: ['p', 1n],
  before: null,
  after: item(1),
  version: pinnedVersion(1, formatHlc(1, 0)),
  delta: null,
  ...over,
})

describe('what a home writes', () => {
  test('arrives at a replica row by row, with the origin in its outbox', async () => {
    const commit = (...ops: WriteOp[]): Promise<unknown> => home.engine.commit(request(ops))
    await commit(
      put('insert', item(1, { serial: 's1', worth: 0.1 }), item(2, { serial: 's2' }), item(3)),
    )
    await commit(
      { kind: 'delete', table: stock.id, key: ['p', 3n], conditions: [] },
      {
        kind: 'update',
        table: stock.id,
        key: ['p', 1n],
        cells: [{ column: 3, op: { kind: 'increment', by: 4, floor: null } }],
        conditions: [],
      },
      put('insert', item(3, { big: -(2n ** 63n) })),
    )
    const changes = await home.changes()
    await apply(changes)
    expect(await table(replica)).toEqual(await table(home))
    const strip = (list: readonly Change[]): object[] =>
      list.map(({ schemaVersion: _, ...rest }) => rest)
    expect(strip(await replica.changes())).toEqual(strip(changes))
  })

  test('arrives once, however often it is sent', async () => {
    await home.engine.commit(request([put('insert', item(1), item(2))]))
    await home.engine.commit(request([put('upsert', item(1, { count: 2 }))]))
    await apply(await home.changes())
    await apply(await home.changes())
    expect(await replica.changes()).toHaveLength(3)
    expect(await table(replica)).toEqual(await table(home))
  })

  test('passes a unique value from row to row, also in a circle', async () => {
    const set = (n: bigint, value: string): WriteOp => ({
      kind: 'update',
      table: stock.id,
      key: ['p', n],
      cells: [{ column: 2, op: { kind: 'set', value } }],
      conditions: [],
    })
    await home.engine.commit(
      request([put('insert', item(1, { serial: 'x' }), item(2, { serial: 'y' }))]),
    )
    await apply(await home.changes())
    await home.engine.commit(request([set(1n, 'z'), set(2n, 'x'), set(1n, 'y')]))
    await apply((await home.changes()).slice(2))
    expect(await table(replica)).toEqual(await table(home))
  })

  test('of an older schema gets the defaults of the columns that it lacks', async () => {
    const old = imageOf('orders', { id: 'o' }).slice(0, 2)
    await apply([change({ tableId: shopTable('orders').id, key: ['o'], after: old })])
    expect((await replica.changes())[0]?.after).toEqual(imageOf('orders', { id: 'o' }))
  })
})

describe('a lower version never overwrites (P3, protocol rule 3)', () => {
  const late = change({
    version: pinnedVersion(1, formatHlc(9_999_999, 0)),
    after: item(1, { count: 99 }),
  })

  async function moveThenLate(
    faults: PinnedFaults,
  ): Promise<{ counts: unknown[]; outbox: number }> {
    const newer = change({
      version: pinnedVersion(2, formatHlc(1, 0)),
      origin: { source: 'ap-south.1', epoch: 2, seq: 1 },
    })
    await apply([newer, change({ ...newer, key: ['p', 2n], after: item(2) })])
    await apply([late, change({ ...late, op: 'delete', key: ['p', 2n], after: null })], faults)
    return {
      counts: (await table(replica)).map((row) => row[4]),
      outbox: (await replica.changes()).length,
    }
  }

  test('late changes of the old home change nothing and leave no outbox row', async () => {
    expect(await moveThenLate({})).toEqual({ counts: [1n, 1n], outbox: 2 })
  })

  test('without the rule they would', async () => {
    expect((await moveThenLate({ lowerVersionOverwrites: true })).counts).toContain(99n)
  })
})

test('importers wait for each other', async () => {
  const order: string[] = []
  const applier = createPinnedApplier({ store: replica.store, schema: shop })
  const slow = applier.apply([change({})], async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    order.push('first')
    throw new Error('lost')
  })
  const next = applier.apply([change({})], async (statements) => {
    await Promise.resolve()
    order.push(`second of ${statements.length}`)
  })
  await expect(slow).rejects.toThrow('lost')
  await next
  expect(order).toEqual(['first', 'second of 2'])
})

test.each([
  ['an unknown table', { tableId: 99 }],
  ['a table of another mode', { tableId: shopTable('plans').id }],
  ['more columns than the table has', { after: [...item(1), 1] }],
])('%s is refused as SCHEMA_INCOMPATIBLE', async (_, over) => {
  await expect(apply([change(over)])).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' })
})
