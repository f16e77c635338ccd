import { describe, expect, test } from 'vitest'
import { bigint, integer, real, text } from '../../../../src/schema/columns.ts'
import { compileSchema } from '../../../../src/schema/compile.ts'
import { defineSchema, table } from '../../../../src/schema/define.ts'
import { openWorld, put, remove } from './support.ts'

const sums = compileSchema(
  defineSchema({
    tables: {
      rows: table(
        {
          id: text().primaryKey(),
          kind: text().optional(),
          small: integer().optional(),
          wide: bigint().optional(),
          share: real().optional(),
        },
        { consistency: 'pinned' },
      ),
    },
    views: (v) => ({
      sums: v('rows')
        .groupBy('kind')
        .select((a) => ({ small: a.sum('small'), wide: a.sum('wide'), share: a.sum('share') })),
      means: v('rows')
        .groupBy('kind')
        .select((a) => ({ wide: a.avg('wide'), share: a.avg('share') })),
    }),
  }),
).compiled

describe('grouped views', () => {
  test('NULL is a group of its own, apart from the text null and the empty text', async () => {
    const world = await openWorld({ schema: sums })
    const kinds = [null, 'null', '', null]
    await world.write(
      kinds.map((kind, i) => put(world, 'rows', 'a', { id: `${i}`, kind, small: i })),
    )
    expect(await world.settle()).toEqual([])
    expect(await world.read('sums', 'a')).toEqual([
      [null, 3, null, null],
      ['', 2, null, null],
      ['null', 1, null, null],
    ])
    expect(await world.read('sums', 'a', { prefix: [null] })).toEqual([[null, 3, null, null]])
    expect(await world.read('sums', 'a', { prefix: ['null'] })).toEqual([['null', 1, null, null]])
  })

  test('a group ends with its last row', async () => {
    const world = await openWorld({ schema: sums })
    await world.write([put(world, 'rows', 'a', { id: 'x', kind: 'k', small: 1 })])
    await world.settle()
    await world.write([remove('rows', 'a', 'x')])
    expect(await world.settle()).toEqual([])
    expect(await world.value('SELECT count(*) FROM v1')).toBe(0)
  })

  test('sums of 64-bit integers and of reals are exact, whatever came and went', async () => {
    const world = await openWorld({ schema: sums })
    const rows = [
      { id: '1', wide: 2n ** 62n, share: 1e16 },
      { id: '2', wide: 2n ** 62n - 1n, share: 1 },
      { id: '3', wide: 2n ** 62n, share: 1.7e308 },
      { id: '4', wide: -(2n ** 62n), share: -1.7e308 },
    ]
    await world.write(rows.map((row) => put(world, 'rows', 'a', row)))
    expect(await world.settle()).toEqual([])
    expect(await world.read('sums', 'a')).toEqual([[null, null, 2n ** 63n - 1n, 1e16]])
    await world.write([
      remove('rows', 'a', '1'),
      remove('rows', 'a', '3'),
      remove('rows', 'a', '4'),
    ])
    await world.settle()
    expect(await world.read('sums', 'a')).toEqual([[null, null, 2n ** 62n - 1n, 1]])
  })

  test.each([
    ['64-bit integers', { wide: 2n ** 63n - 1n }],
    ['integers', { small: Number.MAX_SAFE_INTEGER }],
    ['reals', { share: 1.7e308 }],
  ])(
    'a sum of %s that its type cannot hold fails the read of its group alone',
    async (_, values) => {
      const world = await openWorld({ schema: sums })
      await world.write([
        put(world, 'rows', 'a', { id: '1', kind: 'k', ...values }),
        put(world, 'rows', 'a', { id: '2', kind: 'k', ...values }),
        put(world, 'rows', 'a', { id: '3', kind: 'other', small: 1 }),
      ])
      await expect(world.settle()).rejects.toThrow('integer overflow')
      await expect(world.read('sums', 'a', { prefix: ['k'] })).rejects.toThrow('integer overflow')
      expect(await world.read('sums', 'a', { prefix: ['other'] })).toEqual([
        ['other', 1, null, null],
      ])
      // A mean is never beyond its values.
      expect(await world.read('means', 'a', { prefix: ['k'] })).toEqual([
        ['k', 'wide' in values ? 2 ** 63 : null, 'share' in values ? 1.7e308 : null],
      ])
      await world.write([remove('rows', 'a', '1')])
      expect(await world.settle()).toEqual([])
    },
  )

  test('the extremum that left is read from the source', async () => {
    const world = await openWorld()
    const plan = (id: string, price: number) => put(world, 'plans', '', { id, name: 'x', price })
    await world.write([plan('p', 1), plan('q', 2), plan('r', 3)])
    await world.settle()
    await world.write([plan('p', 5)])
    expect(await world.settle()).toEqual([])
    expect(await world.read('planNames', '')).toEqual([['x', 3, 2, 10 / 3]])
  })

  test('a source that is ahead of the view leaves nothing behind in an extremum', async () => {
    const world = await openWorld()
    const plan = (id: string, name: string, price: number) =>
      put(world, 'plans', '', { id, name, price })
    await world.write([plan('p', 'x', 1), plan('q', 'x', 9)])
    await world.settle()
    await world.write([remove('plans', '', 'p')])
    await world.write([plan('r', 'x', 2)])
    // The view takes the delete in, and reads r, whose insertion has not come yet.
    await world.views.waitApplied(await world.relay(1), 5000)
    expect(await world.read('planNames', '')).toEqual([['x', 1, 2, 9]])
    await world.write([plan('r', 'y', 2)])
    // Insertion and move come in one batch: in between r was in the group.
    expect(await world.settle()).toEqual([])
  })

  test('a row that was read ahead and expires before its insertion comes is no extremum', async () => {
    const world = await openWorld()
    const alert = (id: number, level: number, expiresAt: number | null) =>
      put(world, 'alerts', 'a', { id, zone: 'z', level, expiresAt })
    await world.write([alert(1, 1, null), alert(2, 3, null)])
    await world.settle()
    await world.write([remove('alerts', 'a', 1)])
    await world.write([alert(3, 2, world.nowMs + 10)])
    await world.views.waitApplied(await world.relay(1), 5000)
    expect((await world.read('zones', 'a'))[0]?.slice(0, 4)).toEqual(['z', 1, 3, 2])
    world.nowMs += 20
    expect(await world.settle()).toEqual([])
  })

  test('expiry takes a row out at its instant, and the sweep finds nothing left to take', async () => {
    const world = await openWorld()
    const expiresAt = world.nowMs + 10
    await world.write([
      put(world, 'alerts', 'a', { id: 1, zone: 'z', level: 1, expiresAt }),
      put(world, 'alerts', 'a', { id: 2, zone: 'z', level: 5 }),
    ])
    await world.settle()
    world.nowMs += 10
    await world.views.waitApplied(0, 1000)
    expect((await world.read('zones', 'a'))[0]?.slice(0, 3)).toEqual(['z', 1, 5])
    await world.sweep()
    expect(await world.settle()).toEqual([])
    expect((await world.read('zones', 'a'))[0]?.slice(0, 3)).toEqual(['z', 1, 5])
  })

  test('an expiry that is moved on in time is none', async () => {
    const world = await openWorld()
    const alert = (expiresAt: number) =>
      put(world, 'alerts', 'a', { id: 1, zone: 'z', level: 1, expiresAt })
    await world.write([alert(world.nowMs + 10)])
    await world.settle()
    await world.write([alert(world.nowMs + 100)])
    world.nowMs += 10
    expect(await world.settle()).toEqual([])
    expect(await world.read('zones', 'a')).toHaveLength(1)
  })

  test('thousands of rows that expire at one instant are taken out in parts, before the read', async () => {
    const world = await openWorld()
    const expiresAt = world.nowMs + 10
    const rows = Array.from({ length: 2500 }, (_, id) =>
      put(world, 'alerts', 'a', { id, zone: id % 2 === 0 ? 'even' : null, level: id, expiresAt }),
    )
    await world.write(rows)
    await world.write([put(world, 'alerts', 'a', { id: 9999, zone: 'even', level: 1 })])
    await world.settle()
    world.nowMs += 10
    const before = world.store.writes
    expect(await world.settle()).toEqual([])
    expect(world.store.writes - before).toBe(3)
  })
})
