import { beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../../src/core/change.ts'
import { MAX_CLOCK_DRIFT_MS } from '../../../src/core/limits.ts'
import { EventualRegion, image, WallClock } from '../../support/eventual-region.ts'
import { carts, COLUMN, pages } from '../../support/eventual-schema.ts'

let us: EventualRegion
let eu: EventualRegion
let clock: WallClock

beforeEach(async () => {
  clock = new WallClock()
  us = await EventualRegion.open('us', clock)
  eu = await EventualRegion.open('eu', clock)
})

const set = (column: keyof typeof COLUMN, value: string | number | null) => ({
  column: COLUMN[column],
  op: { kind: 'set', value } as const,
})
const add = (by: number) => ({
  column: COLUMN.quantity,
  op: { kind: 'increment', by, floor: null } as const,
})
const titleOf = async (region: EventualRegion, table = carts): Promise<unknown> =>
  (await region.rows(table)).get('c1')?.[COLUMN.title]
const conflicts = (region: EventualRegion): ReturnType<EventualRegion['read']> =>
  region.read('SELECT column_id, loser, winner, value, uncertain FROM _conflicts ORDER BY loser')

async function exchange(): Promise<void> {
  await us.pull(eu)
  await eu.pull(us)
}

describe('an import', () => {
  test('gives the same row, and an outbox row with the origin of the change', async () => {
    await us.insert(carts, 'c1', 'x', { quantity: 2, tags: '["a"]', notes: 'abc' })
    await eu.pull(us)
    expect(await eu.rows(carts)).toEqual(await us.rows(carts))
    const [made] = await us.changes()
    const [imported] = await eu.changes()
    expect(imported).toMatchObject({
      localSeq: 1,
      origin: { source: us.source, seq: 1 },
      hlc: made?.hlc,
      txId: made?.txId,
      after: made?.after,
      delta: made?.delta,
    })
    expect((imported?.version ?? '') > (made?.hlc ?? '')).toBe(true)
  })

  test('merges concurrent inserts column by column, counters by adding', async () => {
    await us.insert(carts, 'c1', 'from us', { quantity: 2, tags: '["a"]' })
    clock.ms += 1
    await eu.insert(carts, 'c1', 'from eu', { quantity: 3, tags: '["b"]' })
    await exchange()
    const merged = image('c1', 'from eu', { quantity: 5, tags: '["a","b"]' })
    expect(await us.rows(carts)).toEqual(new Map([['c1', merged]]))
    expect(await eu.rows(carts)).toEqual(new Map([['c1', merged]]))
  })

  test('raises the version with every merge, so that a read before it conflicts', async () => {
    await us.insert(carts, 'c1', 'x')
    await eu.pull(us)
    await eu.update(carts, 'c1', add(1))
    clock.ms += 5
    const { hlc } = await us.update(carts, 'c1', set('amount', 1))
    await us.pull(eu)
    const op = { kind: 'delete', table: carts.id, key: ['c1'], conditions: [] } as const
    const reads = [{ table: carts.id, key: ['c1'], version: hlc }]
    await expect(us.commit([op], { reads })).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('of what was imported before changes nothing and tells nobody', async () => {
    await us.insert(carts, 'c1', 'x', { quantity: 2 })
    await us.update(carts, 'c1', add(1))
    const changes = await us.ownChanges()
    await eu.import(changes)
    const [rows, outbox] = [await eu.rows(carts), await eu.changes()]
    await eu.import(changes)
    expect([await eu.rows(carts), await eu.changes()]).toEqual([rows, outbox])
  })

  test('that shows nothing still carries its origin on', async () => {
    await us.insert(carts, 'c1', 'x')
    await eu.pull(us)
    await us.update(carts, 'c1', set('title', 'late'))
    await eu.delete(carts, 'c1')
    await eu.pull(us)
    expect((await eu.changes()).at(-1)).toMatchObject({
      op: 'delete',
      before: null,
      after: null,
      origin: { source: us.source, seq: 2 },
    })
  })

  test('runs beside transactions on other rows and excludes those on its own', async () => {
    await us.insert(carts, 'c1', 'x')
    await eu.pull(us)
    await us.update(carts, 'c1', add(5))
    await Promise.all([eu.update(carts, 'c1', add(1)), eu.pull(us), eu.update(carts, 'c1', add(2))])
    expect((await eu.rows(carts)).get('c1')?.[COLUMN.quantity]).toBe(8)
  })

  test('of a column that the schema lacks is refused as a whole', async () => {
    await us.insert(carts, 'c1', 'x')
    const [change] = await us.ownChanges()
    await expect(eu.import([{ ...(change as Change), tableId: 99 }])).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
    })
    expect(await eu.changes()).toEqual([])
  })
})

describe('the conflict feed', () => {
  beforeEach(async () => {
    await us.insert(carts, 'c1', 'x')
    await eu.pull(us)
    clock.ms += 10
  })

  test('has the losing value in both regions, whatever came first', async () => {
    await us.update(carts, 'c1', set('title', 'loses'))
    clock.ms += 1
    await eu.update(carts, 'c1', set('title', 'wins'))
    await exchange()
    expect([await titleOf(us), await titleOf(eu)]).toEqual(['wins', 'wins'])
    expect(await conflicts(us)).toEqual(await conflicts(eu))
    expect((await conflicts(us)).map((row) => [row[3], row[4]])).toEqual([['"loses"', 0]])
  })

  test('does not have values that were overwritten by someone who saw them', async () => {
    await us.update(carts, 'c1', set('title', 'y'))
    await eu.pull(us)
    await eu.update(carts, 'c1', set('title', 'z'))
    await us.pull(eu)
    expect([await conflicts(us), await conflicts(eu)]).toEqual([[], []])
  })

  test('does not report a causal overwrite that arrives before what it overwrote', async () => {
    const ap = await EventualRegion.open('ap', clock)
    await ap.pull(us)
    await us.update(carts, 'c1', set('title', 'a1'))
    await eu.pull(us)
    await eu.update(carts, 'c1', set('title', 'b1'))
    await ap.pull(eu)
    await ap.pull(us)
    expect([await titleOf(ap), await conflicts(ap)]).toEqual(['b1', []])
  })

  test('marks as uncertain what may have been overwritten through a value that is not here', async () => {
    const ap = await EventualRegion.open('ap', clock)
    await ap.pull(us)
    await us.update(carts, 'c1', set('title', 'a1'))
    await eu.pull(us)
    await eu.update(carts, 'c1', set('title', 'b1'))
    await eu.update(carts, 'c1', set('title', 'b2'))
    await ap.pull(eu)
    await ap.pull(us)
    expect((await conflicts(ap)).map((row) => [row[3], row[4]])).toEqual([['"a1"', 1]])
  })

  test('does not have equal values', async () => {
    await us.update(carts, 'c1', set('title', 'same'))
    await eu.update(carts, 'c1', set('title', 'same'))
    await exchange()
    expect([await conflicts(us), await conflicts(eu)]).toEqual([[], []])
  })

  test('has what a winning delete took away', async () => {
    await us.update(carts, 'c1', set('title', 'lost'), add(4), {
      column: COLUMN.tags,
      op: { kind: 'add', elements: ['a'] },
    })
    await eu.delete(carts, 'c1')
    await exchange()
    expect(await us.rows(carts)).toEqual(new Map())
    expect(await eu.rows(carts)).toEqual(new Map())
    const lost = new Set(['"lost"', '4', '["a"]'])
    expect(new Set((await conflicts(us)).map((row) => row[3]))).toEqual(lost)
    expect(new Set((await conflicts(eu)).map((row) => row[3]))).toEqual(lost)
  })
})

describe('a delete', () => {
  test('that had not seen an update loses to it where updates win', async () => {
    await us.insert(pages, 'c1', 'x', { quantity: 1 })
    await eu.pull(us)
    await us.update(pages, 'c1', add(2))
    clock.ms += 1000
    await eu.delete(pages, 'c1')
    await exchange()
    const row = image('c1', 'x', { quantity: 3 })
    expect(await us.rows(pages)).toEqual(new Map([['c1', row]]))
    expect(await eu.rows(pages)).toEqual(new Map([['c1', row]]))
    expect((await eu.changes()).at(-1)?.op).toBe('insert')
  })

  test('leaves nothing of the row in the file where deletes win', async () => {
    await us.insert(carts, 'c1', 'secret', { tags: '["secret"]', notes: 'secret', amount: 7 })
    await us.delete(carts, 'c1')
    const [row] = await us.read(`SELECT * FROM ${carts.physicalName}`)
    const text = JSON.stringify(
      row?.map((v) => (v instanceof Uint8Array ? Buffer.from(v).toString() : v)),
    )
    expect(text).not.toContain('secret')
  })
})

describe('stamps ahead of the clock', () => {
  test('wait until their time, in the order of their source, and clock and stream go on', async () => {
    const fast = new WallClock()
    fast.ms += MAX_CLOCK_DRIFT_MS + 500
    const ap = await EventualRegion.open('ap', fast)
    await ap.insert(carts, 'c1', 'future')
    await us.pull(ap)
    clock.ms += 600
    await ap.update(carts, 'c1', add(1))
    await us.pull(ap)
    expect(await us.rows(carts)).toEqual(new Map())
    expect(await us.read('SELECT seq FROM _held ORDER BY seq')).toEqual([[1], [2]])
    await us.insert(carts, 'c2', 'now')
    expect(us.clock.last() < ap.clock.last()).toBe(true)

    expect(await us.applier.releaseHeld()).toBe(2)
    expect(await us.rows(carts)).toEqual(
      new Map([
        ['c1', image('c1', 'future', { quantity: 1 })],
        ['c2', image('c2', 'now')],
      ]),
    )
    expect(await us.read('SELECT count(*) FROM _held')).toEqual([[0]])
    expect((await us.changes()).map((change) => change.origin.source)).toEqual([
      us.source,
      ap.source,
      ap.source,
    ])
  })

  test('are released once, by whichever node of the store comes first', async () => {
    const fast = new WallClock()
    fast.ms += MAX_CLOCK_DRIFT_MS + 500
    const ap = await EventualRegion.open('ap', fast)
    await ap.insert(carts, 'c1', 'future')
    await us.pull(ap)
    clock.ms += 600
    const other = await us.restart()
    await Promise.allSettled([us.applier.releaseHeld(), other.applier.releaseHeld()])
    expect(await us.changes()).toHaveLength(1)
    expect((await us.rows(carts)).size).toBe(1)
  })

  test('that are still too far ahead stay held', async () => {
    const fast = new WallClock()
    fast.ms += 2 * MAX_CLOCK_DRIFT_MS
    const ap = await EventualRegion.open('ap', fast)
    await ap.insert(carts, 'c1', 'future')
    await us.pull(ap)
    expect(await us.applier.releaseHeld()).toBe(0)
    expect(await us.read('SELECT count(*) FROM _held')).toEqual([[1]])
  })
})

describe('the sweeper', () => {
  test('deletes what has expired, in batches, and says so', async () => {
    const rows = Array.from({ length: 1200 }, (_, i) =>
      image(`c${i}`, 'x', { expiresAt: clock.ms + (i < 1100 ? 10 : 1000) }),
    )
    await us.commit([{ kind: 'insert', table: carts.id, rows }])
    clock.ms += 10
    expect(await us.sweeper.sweep()).toBe(1100)
    expect(await us.sweeper.sweep()).toBe(0)
    const deletes = (await us.changes(1200)).map(({ op, cause }) => `${op} ${cause}`)
    expect(new Set(deletes)).toEqual(new Set(['delete ttl']))
    expect(deletes).toHaveLength(1100)
    expect((await us.rows(carts)).size).toBe(100)
  })

  test('finds expired rows without walking over tombstones', async () => {
    const sql = `EXPLAIN QUERY PLAN SELECT tenant FROM ${carts.physicalName} o
      WHERE o.c${carts.ttl?.id} <= 5 AND o._visible = 1 ORDER BY o.c${carts.ttl?.id} LIMIT 500`
    expect((await us.read(sql)).map((row) => String(row[3]))).toEqual([
      expect.stringMatching(/^SEARCH o USING (COVERING )?INDEX t1_ttl_c7 \(c7<\?\)$/),
    ])
  })

  test('does nothing while another region sweeps', async () => {
    await us.insert(carts, 'c1', 'x', { expiresAt: clock.ms + 10 })
    clock.ms += 10
    us.isLeader = false
    expect(await us.sweeper.sweep()).toBe(0)
    expect(await us.changes()).toHaveLength(1)
  })

  test.each([carts, pages])(
    'undoes nothing where the row was extended elsewhere',
    async (table) => {
      await us.insert(table, 'c1', 'x', { quantity: 1, expiresAt: clock.ms + 10 })
      await eu.pull(us)
      await eu.update(table, 'c1', set('expiresAt', clock.ms + 5000))
      clock.ms += 10
      await us.sweeper.sweep()
      await exchange()
      expect([await titleOf(us, table), await titleOf(eu, table)]).toEqual(['x', 'x'])
      clock.ms += 5000
      await us.sweeper.sweep()
      await exchange()
      expect([await titleOf(us, table), await titleOf(eu, table)]).toEqual([undefined, undefined])
      expect((await eu.changes()).at(-1)).toMatchObject({ op: 'delete', cause: 'ttl' })
    },
  )
})
