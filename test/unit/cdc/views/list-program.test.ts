import { describe, expect, test } from 'vitest'
import { openWorld, put, sales } from './support.ts'

describe('lists', () => {
  test('a row is there while it passes the filter, in the order of its key', async () => {
    const world = await openWorld()
    await world.write(sales(world, [5, 6]))
    await world.settle()
    expect(await world.read('paid', 'a')).toEqual([
      [null, 5, null, null],
      [null, 6, null, null],
    ])
    await world.write([put(world, 'sales', 'a', { place: 'x', number: 0n, amount: 5, paid: 0 })])
    expect(await world.settle()).toEqual([])
    expect(await world.read('paid', 'a')).toEqual([[null, 6, null, null]])
  })

  test('a read leaves out what has expired, before any change says so', async () => {
    const world = await openWorld()
    await world.write([
      put(world, 'alerts', 'a', { id: 1, level: 1, expiresAt: world.nowMs + 1 }),
      put(world, 'alerts', 'a', { id: 2, level: 2 }),
    ])
    await world.settle()
    world.nowMs += 1
    expect(await world.read('open', 'a')).toEqual([[null, 2]])
  })
})
