import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatHlc } from '../../../../src/core/hlc.ts'
import { IDEMPOTENCY_RETENTION_MS, MAX_OPERATIONS } from '../../../../src/core/limits.ts'
import type { CellCondition, WriteOp } from '../../../../src/core/operations.ts'
import type { SqlValue } from '../../../../src/core/values.ts'
import { pinnedVersion } from '../../../../src/core/version.ts'
import {
  openPinnedRegion,
  REGION,
  request,
  SOURCE,
  type PinnedRegion,
} from '../../../support/pinned-region.ts'
import {
  change,
  countRows,
  item,
  place,
  put,
  storedRow,
  update,
} from '../../../support/shop-operations.ts'
import { imageOf, rowsOf, shopTable } from '../../../support/shop.ts'

const orders = shopTable('orders')
const stock = shopTable('stock')
let region: PinnedRegion

beforeEach(async () => {
  region = await openPinnedRegion()
})
afterEach(() => region.store.close())

const row = (name: 'orders' | 'stock', ...key: readonly SqlValue[]): ReturnType<typeof storedRow> =>
  storedRow(region, name, ...key)
const count = (name: Parameters<typeof countRows>[1]): Promise<number> => countRows(region, name)
const commit = (
  ops: readonly WriteOp[],
  more: Parameters<typeof request>[1] = {},
): ReturnType<PinnedRegion['engine']['commit']> => region.engine.commit(request(ops, more))

describe('a committed transaction', () => {
  test('has one version for all its rows, and the position of its last change', async () => {
    const result = await commit([
      put('insert', 'stock', item(1), item(2)),
      put('upsert', 'orders', { id: 'o' }),
    ])
    const version = pinnedVersion(1, result.hlc)
    expect((await row('stock', 'p', 1n))?.version).toBe(version)
    expect((await row('orders', 'o'))?.version).toBe(version)
    expect(result.position).toEqual({ source: SOURCE, seq: 3 })
    const changes = await region.changes()
    expect(changes.map((c) => [c.op, c.cause, c.txId, c.hlc, c.origin.epoch])).toEqual(
      Array.from({ length: 3 }, () => ['insert', 'user', result.txId, result.hlc, 1]),
    )
  })

  test('gives the rows after its updates, in order', async () => {
    await commit([put('insert', 'stock', item(1, { big: 2n ** 60n }))])
    const add = (by: number): WriteOp =>
      update('stock', ['p', 1n], [change('stock', 'count', { kind: 'increment', by, floor: null })])
    const { updated } = await commit([add(5), add(-2)])
    expect(updated.map((image) => image[place('stock', 'count')])).toEqual([6, 4])
    expect(updated[1]?.[place('stock', 'big')]).toBe(2n ** 60n)
  })

  test('without operations checks its reads alone', async () => {
    await commit([], { reads: [{ table: stock.id, key: ['p', 1n], version: null }] })
    expect(await count('_outbox')).toBe(0)
  })
})

describe('a refused transaction leaves nothing', () => {
  test.each<[string, readonly WriteOp[]]>([
    ['ALREADY_EXISTS', [put('insert', 'stock', item(9), item(1))]],
    ['ALREADY_EXISTS', [put('insert', 'stock', item(9), item(9))]],
    ['CONSTRAINT_VIOLATED', [put('insert', 'stock', item(9, { serial: 's' }))]],
    ['CONSTRAINT_VIOLATED', [put('upsert', 'stock', item(9, { serial: 's' }))]],
    [
      'CONSTRAINT_VIOLATED',
      [update('stock', ['p', 2n], [change('stock', 'serial', { kind: 'set', value: 's' })])],
    ],
    [
      'CONSTRAINT_VIOLATED',
      [update('stock', ['p', 1n], [change('stock', 'count', { kind: 'set', value: null })])],
    ],
    [
      'CONSTRAINT_VIOLATED',
      [update('stock', ['p', 1n], [change('stock', 'place', { kind: 'set', value: 'q' })])],
    ],
    [
      'CONSTRAINT_VIOLATED',
      [
        update(
          'stock',
          ['p', 1n],
          [
            change('stock', 'count', {
              kind: 'increment',
              by: Number.MAX_SAFE_INTEGER,
              floor: null,
            }),
          ],
        ),
      ],
    ],
    [
      'CONSTRAINT_VIOLATED',
      [
        update(
          'stock',
          ['p', 1n],
          [
            change('stock', 'big', { kind: 'increment', by: 2n ** 63n - 1n, floor: null }),
            change('stock', 'count', { kind: 'increment', by: 1, floor: null }),
          ],
        ),
      ],
    ],
    [
      'CONSTRAINT_VIOLATED',
      [{ kind: 'insert', table: stock.id, rows: [['p', 9n, null, 'text', 0, 0n]] }],
    ],
    [
      'CONDITION_FAILED',
      [
        update(
          'stock',
          ['p', 1n],
          [change('stock', 'count', { kind: 'increment', by: -3, floor: 0 })],
        ),
      ],
    ],
    [
      'CONDITION_FAILED',
      [update('stock', ['p', 1n], [], [{ column: place('stock', 'count'), op: '>', value: 2 }])],
    ],
    [
      'CONDITION_FAILED',
      [
        {
          kind: 'delete',
          table: stock.id,
          key: ['p', 1n],
          conditions: [{ column: place('stock', 'serial'), op: '=', value: null }],
        },
      ],
    ],
    ['NOT_FOUND', [update('stock', ['p', 7n], [])]],
    [
      'NOT_FOUND',
      [update('stock', ['p', 7n], [], [{ column: place('stock', 'count'), op: '>', value: 2 }])],
    ],
    ['UNKNOWN_TABLE', [{ kind: 'delete', table: 99, key: ['x'], conditions: [] }]],
    [
      'MODE_MISMATCH',
      [{ kind: 'delete', table: shopTable('plans').id, key: ['x'], conditions: [] }],
    ],
    ['INVALID_ARGUMENT', [{ kind: 'delete', table: stock.id, key: ['p'], conditions: [] }]],
    [
      'INVALID_ARGUMENT',
      [update('stock', ['p', 1n], [change('stock', 'serial', { kind: 'add', elements: [] })])],
    ],
    [
      'INVALID_ARGUMENT',
      [update('stock', ['p', 1n], [], [{ column: 0, op: '= 1 OR 1 =' as '=', value: 1 }])],
    ],
    [
      'SCHEMA_INCOMPATIBLE',
      [{ kind: 'insert', table: stock.id, rows: [[...imageOf('stock', item(9)), 1]] }],
    ],
    [
      'TRANSACTION_TOO_LARGE',
      [
        put(
          'insert',
          'stock',
          ...Array.from({ length: MAX_OPERATIONS + 1 }, (_, i) => item(i + 10)),
        ),
      ],
    ],
  ])('%s %#', async (code, ops) => {
    await commit([put('insert', 'stock', item(1, { serial: 's', big: 1n }), item(2))])
    const before = [await count('stock'), await count('_outbox'), await count('_outcomes')]
    const first = put('insert', 'stock', item(50))
    await expect(commit([first, ...ops])).rejects.toMatchObject({ code })
    expect([await count('stock'), await count('_outbox'), await count('_outcomes')]).toEqual(before)
  })

  test('TENANT_REQUIRED and INVALID_ARGUMENT for a bad tenant or key', async () => {
    await expect(commit([], { tenant: '' })).rejects.toMatchObject({ code: 'TENANT_REQUIRED' })
    for (const idempotencyKey of ['', 'x'.repeat(129), 'a\x1f000001']) {
      await expect(commit([], { idempotencyKey })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
    }
  })
})

describe('reads', () => {
  test('that have changed since are a conflict, also where the row was absent', async () => {
    const { hlc } = await commit([put('insert', 'stock', item(1))])
    const version = pinnedVersion(1, hlc)
    const reads = (v: string | null, n: bigint): object => ({
      reads: [{ table: stock.id, key: ['p', n], version: v }],
    })
    await commit([put('upsert', 'stock', item(2))], reads(version, 1n))
    await commit([put('upsert', 'stock', item(3))], reads(null, 9n))
    for (const stale of [
      reads(null, 1n),
      reads(version, 9n),
      reads(pinnedVersion(1, formatHlc(1, 0)), 1n),
    ]) {
      await expect(commit([put('upsert', 'stock', item(4))], stale)).rejects.toMatchObject({
        code: 'CONFLICT',
      })
    }
    expect(await row('stock', 'p', 4n)).toBeUndefined()
  })

  test('of ranges are refused: nothing compares them here', async () => {
    const range = { where: [], orderBy: [], limit: 1, after: null }
    const reading = commit([], { reads: [{ table: stock.id, range, digest: '' }] })
    await expect(reading).rejects.toMatchObject({ code: 'MODE_MISMATCH' })
  })

  test('of another tenant do not count', async () => {
    await commit([put('insert', 'stock', item(1))])
    const absent = { table: stock.id, key: ['p', 1n], version: null }
    const other = commit([], { tenant: 'b', reads: [absent] })
    await expect(other).resolves.toMatchObject({ updated: [] })
  })
})

describe('home and epoch (P2)', () => {
  test('are judged inside the write: a stale directory cannot let a write through', async () => {
    const stale = region.homes.get('a')
    await region.place('a', { home: 'us-east', epoch: 2, state: 'active' })
    region.homes.set('a', stale as never)
    await expect(commit([put('insert', 'stock', item(1))])).rejects.toMatchObject({
      code: 'NOT_HOME',
    })
    expect(await count('stock')).toBe(0)
  })

  test('without the check inside the write it would go through', async () => {
    const broken = await openPinnedRegion({ trustsDirectoryCache: true })
    const stale = broken.homes.get('a')
    await broken.place('a', { home: 'us-east', epoch: 2, state: 'active' })
    broken.homes.set('a', stale as never)
    await broken.engine.commit(request([put('insert', 'stock', item(1))]))
    expect(await broken.changes()).toHaveLength(1)
    await broken.store.close()
  })

  test('NOT_HOME names the home and its epoch', async () => {
    await region.place('a', { home: 'us-east', epoch: 3, state: 'active' })
    await expect(commit([])).rejects.toMatchObject({
      code: 'NOT_HOME',
      retry: 'safe',
      details: { home: 'us-east', epoch: 3 },
    })
    await expect(commit([], { tenant: 'x' })).rejects.toMatchObject({ code: 'TENANT_NOT_FOUND' })
  })

  test('a tenant on the move takes no write', async () => {
    await region.place('a', { home: REGION, epoch: 1, state: 'fenced' })
    await expect(commit([])).rejects.toMatchObject({ code: 'NOT_HOME', details: { home: REGION } })
  })

  test('a directory that moves on between lookup and write is looked up again', async () => {
    await region.place('a', { home: REGION, epoch: 5, state: 'active' })
    region.homes.set('a', { home: REGION, epoch: 4, state: 'active' })
    region.store.beforeWrite = () =>
      region.homes.set('a', { home: REGION, epoch: 5, state: 'active' })
    const { hlc } = await commit([put('insert', 'stock', item(1))])
    expect((await row('stock', 'p', 1n))?.version).toBe(pinnedVersion(5, hlc))
  })
})

describe('idempotency (P4, protocol rule 6)', () => {
  const add = update(
    'stock',
    ['p', 1n],
    [change('stock', 'count', { kind: 'increment', by: 1, floor: null })],
  )

  async function addTwice(at: PinnedRegion): Promise<{ answers: unknown[]; counts: SqlValue[] }> {
    await at.engine.commit(request([put('insert', 'stock', item(1, { worth: 0.1 }))]))
    const same = request([add, add])
    const first = await at.engine.commit(same)
    const second = await at.engine.commit(same).catch((error: unknown) => error)
    const [stored] = await rowsOf(at.store, {
      sql: `SELECT c4 FROM ${stock.physicalName}`,
      args: [],
    })
    return { answers: [first, second], counts: [...(stored ?? [])] }
  }

  test('a repeated write has one effect and one answer', async () => {
    const { answers, counts } = await addTwice(region)
    expect(answers[1]).toEqual(answers[0])
    expect(counts).toEqual([3])
  })

  test('without outcomes it would run twice', async () => {
    const broken = await openPinnedRegion({ forgetsOutcomes: true })
    expect((await addTwice(broken)).counts).toEqual([5])
    await broken.store.close()
  })

  test('a repetition is answered even where its reads, home rows or conditions have changed', async () => {
    const { hlc } = await commit([put('insert', 'stock', item(1))])
    const reads = [{ table: stock.id, key: ['p', 1n], version: pinnedVersion(1, hlc) }]
    const same = request([put('insert', 'stock', item(2)), add], { reads })
    const first = await region.engine.commit(same)
    await commit([{ kind: 'delete', table: stock.id, key: ['p', 1n], conditions: [] }])
    expect(await region.engine.commit(same)).toMatchObject({
      txId: first.txId,
      updated: first.updated,
    })
  })

  test('the same key with other content is refused, of another tenant it is another key', async () => {
    const same = request([put('insert', 'stock', item(1))])
    await region.engine.commit(same)
    await expect(region.engine.commit({ ...same, contentHash: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_REUSED',
    })
    await region.engine.commit({ ...same, tenant: 'b' })
  })

  test('a refused write may be sent again with the same key', async () => {
    const same = request([add])
    await expect(region.engine.commit(same)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await commit([put('insert', 'stock', item(1))])
    await region.engine.commit(same)
  })

  test('keys past their retention, or of the future, are refused', async () => {
    region.wall.nowMs += IDEMPOTENCY_RETENTION_MS + 1
    await expect(commit([add])).rejects.toMatchObject({ code: 'IDEMPOTENCY_EXPIRED' })
    await expect(
      commit([add], { issuedAtMs: region.wall.nowMs + 3_600_000 }),
    ).rejects.toMatchObject({
      code: 'CLOCK_SKEW',
    })
  })
})

describe('the store clock', () => {
  test('a stamp that is not above it is drawn again', async () => {
    const ahead = formatHlc(region.wall.nowMs + 500, 7)
    await region.store.write([{ sql: 'UPDATE _tx SET hlc = ?', args: [ahead] }])
    const { hlc } = await commit([put('insert', 'stock', item(1))])
    expect(hlc > ahead).toBe(true)
  })
})

describe('expired rows (P6, protocol rule 15)', () => {
  const at = (ms: number): Date => new Date(1_000_000 + ms)

  async function insertOver(where: PinnedRegion): Promise<unknown> {
    await where.engine.commit(
      request([put('insert', 'orders', { id: 'o', day: 'old', expiresAt: at(10) })]),
    )
    where.wall.nowMs += 10
    return where.engine.commit(request([put('insert', 'orders', { id: 'o', day: 'new' })]))
  }

  test('an insert over one succeeds, and the outbox tells its end and the new row', async () => {
    await insertOver(region)
    expect((await row('orders', 'o'))?.image[1]).toBe('new')
    expect((await region.changes()).map((c) => [c.op, c.cause])).toEqual([
      ['insert', 'user'],
      ['delete', 'ttl'],
      ['insert', 'user'],
    ])
  })

  test('were they kept, it would be refused', async () => {
    const broken = await openPinnedRegion({ keepsExpiredRows: true })
    await expect(insertOver(broken)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await broken.store.close()
  })

  test('are absent for updates, deletes, conditions and reads', async () => {
    await commit([put('insert', 'orders', { id: 'o', expiresAt: at(10) })])
    region.wall.nowMs += 10
    await expect(commit([update('orders', ['o'], [])])).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const conditions: CellCondition[] = [{ column: 1, op: '=', value: 'never' }]
    await commit([{ kind: 'delete', table: orders.id, key: ['o'], conditions }])
    await commit([], { reads: [{ table: orders.id, key: ['o'], version: null }] })
    expect(await count('orders')).toBe(1)
  })

  test('a row whose instant is moved on in time lives on', async () => {
    await commit([put('insert', 'orders', { id: 'o', expiresAt: at(10) })])
    await commit([
      update('orders', ['o'], [change('orders', 'expiresAt', { kind: 'max', value: 1_000_020 })]),
    ])
    region.wall.nowMs += 10
    expect(await row('orders', 'o')).toBeDefined()
  })
})
