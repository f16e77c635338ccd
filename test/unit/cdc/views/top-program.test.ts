import { describe, expect, test } from 'vitest'
import { openWorld, put, remove, sales } from './support.ts'

const richest = [
  ['a', 9, null, 1n],
  ['a', 8, null, 3n],
]

describe('top lists', () => {
  test('ties are broken by tenant and key, and NULL is last in a descending order', async () => {
    const world = await openWorld()
    await world.write([
      put(world, 'sales', 'b', { place: 'x', number: 1n, amount: 7 }),
      put(world, 'sales', 'a', { place: 'y', number: 1n, amount: 7 }),
      put(world, 'sales', 'a', { place: 'x', number: 2n, amount: null }),
      put(world, 'sales', 'a', { place: 'x', number: 1n, amount: 7 }),
    ])
    expect(await world.settle()).toEqual([])
    expect((await world.read('richest', '')).map((row) => row[0])).toEqual(['a', 'a'])
  })

  test('a full list drops what is behind its reserve, and fills itself when that is used up', async () => {
    const world = await openWorld({ reserveRows: 2 })
    await world.write(sales(world, [1, 9, 2, 8, 3, 7, 4, 6, 5, 0]))
    expect(await world.settle()).toEqual([])
    expect(await world.read('richest', '')).toEqual(richest)
    const held = `SELECT count(*) FROM v${world.view('richest').id}`
    expect(await world.value(held)).toBe(4)
    for (const number of [1n, 3n, 5n, 7n]) {
      await world.write([remove('sales', 'a', 'x', number)])
      expect(await world.settle()).toEqual([])
    }
    expect((await world.read('richest', '')).map((row) => row[1])).toEqual([5, 4])
  })

  test('a row that was filled in ahead of its insertion goes with it', async () => {
    const world = await openWorld({ reserveRows: 1 })
    // Limit 3 and a reserve of 3: rows 0 to 9 leave a list that does not hold all of them.
    const name = (number: number, text: string, paid = 1) =>
      put(world, 'sales', 'a', { place: 'x', number: BigInt(number), name: text, paid })
    await world.write(Array.from({ length: 10 }, (_, i) => name(i, `n${i}`)))
    await world.settle()
    await world.write([0, 1, 2, 3].map((i) => remove('sales', 'a', 'x', BigInt(i))))
    await world.write([name(50, 'm')])
    await world.views.waitApplied(await world.relay(4), 5000)
    expect((await world.read('firstNames', 'a'))[0]?.[0]).toBe('m')
    // Inserted, and out of the filter again, in one batch: neither end of it passes.
    await world.write([name(50, 'm', 0)])
    expect(await world.settle()).toEqual([])
  })

  test('a limit below the list’s own is kept, one above it is not', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1, 9, 2, 8]))
    await world.settle()
    expect(await world.read('richest', '', { limit: 1 })).toEqual(richest.slice(0, 1))
    expect(await world.read('richest', '', { limit: 100 })).toEqual(richest)
  })

  test('expired rows make room, and are not filled in again', async () => {
    const world = await openWorld({ reserveRows: 1 })
    const rows = Array.from({ length: 12 }, (_, id) =>
      put(world, 'alerts', 'a', {
        id,
        level: id,
        zone: null,
        expiresAt: world.nowMs + (id > 5 ? 10 : 100),
      }),
    )
    await world.write(rows)
    await world.settle()
    world.nowMs += 10
    expect(await world.settle()).toEqual([])
    expect((await world.read('worst', 'a')).map((row) => row[0])).toEqual([5, 4])
    await world.sweep()
    expect(await world.settle()).toEqual([])
  })
})
