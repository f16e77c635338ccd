import { describe, expect, test } from 'vitest'
import { isErrorCode, MeridianError } from '../../../../src/core/errors.ts'
import { until } from '../../../support/until.ts'
import type { ViewWorld } from '../../../support/view-world.ts'
import { openWorld, put, remove, sales } from './support.ts'

function status(world: ViewWorld, view: string) {
  return world.views.status().find((one) => one.view === view)
}

/** Makes every write of a view's rows fail, as a program that is wrong would. */
async function poison(world: ViewWorld, view: string): Promise<void> {
  const sql = `CREATE TRIGGER poison BEFORE INSERT ON v${world.view(view).id}
    BEGIN SELECT RAISE(ABORT, 'poison'); END`
  await world.store.write([{ sql, args: [] }])
}

describe('view maintainer', () => {
  test('a batch is one write: rows of all views, with their positions', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1, 2, 3]))
    const before = world.store.writes
    await world.settle()
    expect(world.store.writes - before).toBe(1)
    expect(world.views.position()).toBe(3)
    expect(await world.value('SELECT min(position) FROM _views')).toBe(3)
  })

  test.each(['before', 'inside', 'after'] as const)(
    'a write that fails %s it happened loses and doubles nothing',
    async (failure) => {
      const world = await openWorld()
      await world.write(sales(world, [1, 2, 3]))
      world.failing.failure = failure
      expect(await world.settle()).toEqual([])
      await world.write([remove('sales', 'a', 'x', 1n)])
      world.failing.failure = failure
      expect(await world.settle()).toEqual([])
      // Other progress may have found out first what the lost answer was: the error goes after it.
      await until(() => {
        expect(world.views.status().every(({ error }) => error === null)).toBe(true)
      })
    },
  )

  test('starts where its positions say', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1, 2]))
    await world.settle()
    await world.restart()
    expect(world.views.position()).toBe(2)
    await world.write(sales(world, [3], 2))
    expect(await world.settle()).toEqual([])
  })

  test('a view that cannot follow stops alone, reads of it fail, and its position stays', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1]))
    await world.settle()
    await poison(world, 'paid')
    await world.write(sales(world, [2], 1))
    await expect(world.settle()).rejects.toThrow('View `paid` has stopped: poison')
    expect(status(world, 'paid')).toMatchObject({ position: 1, error: { retry: 'never' } })
    expect(status(world, 'richest')).toMatchObject({ position: 2, error: null })
    expect(world.stopped).toEqual([status(world, 'paid')?.error])
    expect(world.views.position()).toBe(1)
    const paid = world.view('paid')
    const nowMs = world.nowMs
    expect(() => world.views.select(paid, 'a', [], 1, nowMs)).toThrow('has stopped')
    expect(() => world.views.source(paid, 'a', nowMs)).toThrow('has stopped')
    await expect(world.views.waitApplied(0, 10, [{ view: paid, nowMs }])).rejects.toThrow(
      'has stopped',
    )
    // The others go on, and can be waited for.
    await world.views.waitApplied(2, 1000, [{ view: world.view('richest'), nowMs }])
    expect((await world.read('richest', '')).map((row) => row[1])).toEqual([2, 1])
  })

  test('a view that stopped goes on from its position when the node starts again', async () => {
    const world = await openWorld()
    await poison(world, 'paid')
    await world.write(sales(world, [1, 2]))
    await expect(world.settle()).rejects.toThrow('has stopped')
    await world.write(sales(world, [3], 2))
    await world.store.write([{ sql: 'DROP TRIGGER poison', args: [] }])
    await world.restart()
    expect(await world.settle()).toEqual([])
    expect(await world.read('paid', 'a')).toHaveLength(3)
  })

  test('those who wait for a view hear at once that it has stopped', async () => {
    const world = await openWorld()
    await poison(world, 'paid')
    await world.write(sales(world, [1]))
    const waiting = world.views.waitApplied(1, 60_000)
    await world.relay(1)
    await expect(waiting).rejects.toThrow('has stopped')
  })

  test('starts while the log is away, says so, and follows it once it is there', async () => {
    const world = await openWorld()
    await world.views.stop()
    const read = world.log.read.bind(world.log)
    let isAway = true
    world.log.read = (position, maxRecords) =>
      isAway
        ? Promise.reject(new MeridianError('LOG_UNAVAILABLE', 'It is away.'))
        : read(position, maxRecords)
    await world.start()
    await until(() => {
      expect(world.views.status().map(({ error }) => error?.code)).toContain('LOG_UNAVAILABLE')
    })
    isAway = false
    await world.write(sales(world, [1, 2]))
    expect(await world.settle()).toEqual([])
    expect(world.views.status().every(({ error }) => error === null)).toBe(true)
  })

  test('a new view whose changes the log no longer has says so, and the others go on', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1, 2]))
    await world.settle()
    await world.views.stop()
    await world.log.trim(1)
    await world.store.write([{ sql: 'UPDATE _views SET position = 0 WHERE view_id = 9', args: [] }])
    await world.start()
    const { name } = world.schema.views[8] as { name: string }
    await until(() => {
      expect(isErrorCode(status(world, name)?.error, 'LOG_COMPACTED')).toBe(true)
    })
    await world.write(sales(world, [3], 2))
    await world.relay(1)
    const richest = { view: world.view('richest'), nowMs: world.nowMs }
    await world.views.waitApplied(3, 1000, [richest])
    await expect(world.views.waitApplied(3, 1000)).rejects.toThrow('the change log begins later')
  })

  test('a view that somebody else has moved on is taken from where it is', async () => {
    const world = await openWorld()
    await world.write(sales(world, [1, 2, 3]))
    const { views } = world
    // Another life of the process takes the changes in, while this one sleeps.
    await world.start()
    await world.settle()
    await views.waitApplied(3, 1000)
    await views.stop()
    expect(await world.differences()).toEqual([])
  })

  test('a view that is gone from the store stops', async () => {
    const world = await openWorld()
    await world.store.write([{ sql: 'DELETE FROM _views WHERE view_id = 1', args: [] }])
    await world.write(sales(world, [1]))
    await expect(world.settle()).rejects.toThrow('was removed from the store')
  })

  test('a wait ends with what is known when its time is over', async () => {
    const world = await openWorld()
    await expect(world.views.waitApplied(7, 20)).rejects.toThrow('is at 0, not at 7')
    const waiting = world.views.waitApplied(7, 60_000)
    await world.views.stop()
    await expect(waiting).rejects.toThrow('closed')
  })

  test('the instant of a read counts, where it is ahead of the clock', async () => {
    const world = await openWorld()
    const expiresAt = world.nowMs + 50
    await world.write([put(world, 'alerts', 'a', { id: 1, zone: 'z', level: 1, expiresAt })])
    await world.settle()
    const view = world.view('zones')
    await world.views.waitApplied(0, 1000, [{ view, nowMs: expiresAt - 1 }])
    expect(await world.read(view, 'a')).toHaveLength(1)
    await world.views.waitApplied(0, 1000, [{ view, nowMs: expiresAt }])
    expect(await world.read(view, 'a')).toHaveLength(0)
    // Its clock does not go back: the row stays out, whatever comes.
    await world.write([put(world, 'alerts', 'a', { id: 1, zone: 'z', level: 2, expiresAt })])
    await world.views.waitApplied(await world.relay(1), 1000)
    expect(await world.read(view, 'a')).toHaveLength(0)
    world.nowMs = expiresAt
    expect(await world.settle()).toEqual([])
  })

  test('a read costs the store nothing where nothing has expired', async () => {
    const world = await openWorld()
    await world.write([put(world, 'alerts', 'a', { id: 1, expiresAt: world.nowMs + 50 })])
    await world.settle()
    const { reads, writes } = world.store
    await world.views.waitApplied(1, 1000)
    expect([world.store.reads - reads, world.store.writes - writes]).toEqual([0, 0])
  })

  test('without views nothing is waited for', async () => {
    const world = await openWorld()
    await world.restart({ ...world.schema, views: [], viewByName: new Map() })
    await world.views.waitApplied(100, 10)
    expect([world.views.position(), world.views.status()]).toEqual([Infinity, []])
  })
})
