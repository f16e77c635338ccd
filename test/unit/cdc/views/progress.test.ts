import { describe, expect, test } from 'vitest'
import { FLUSH_AFTER_MS } from '../../../../cdc/views/lazy-flush.ts'
import type { Timers } from '../../../../src/core/ports/runtime.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { integer, text, timestamp } from '../../../../src/schema/columns.ts'
import { compileSchema } from '../../../../src/schema/compile.ts'
import { defineSchema, table } from '../../../../src/schema/define.ts'
import { until } from '../../../support/until.ts'
import type { ViewWorld } from '../../../support/view-world.ts'
import { openWorld, put, remove } from './support.ts'

const CHANGES = 50
/** Pauses before a flush: the first, and those after failures. */
const FLUSH_DELAYS_MS = [1, 2, 4, 8].map((times) => times * FLUSH_AFTER_MS)

/** `quiet` has no view; rows of another kind than `k` are no concern of `listed`. */
const schema = compileSchema(
  defineSchema({
    tables: {
      rows: table(
        { id: integer().primaryKey(), kind: text(), amount: integer() },
        { consistency: 'pinned' },
      ),
      visits: table(
        { id: integer().primaryKey(), ends: timestamp().optional() },
        { consistency: 'pinned', ttl: 'ends' },
      ),
      quiet: table({ id: integer().primaryKey() }, { consistency: 'pinned' }),
    },
    views: (v) => ({
      listed: v('rows').where('kind', '=', 'k').select('amount'),
      sums: v('rows')
        .where('kind', '=', 'g')
        .groupBy('kind')
        .select((a) => ({ amount: a.sum('amount') })),
      // Neither minima nor maxima: rows that come expired change nothing in it.
      present: v('visits')
        .groupBy()
        .select((a) => ({ rows: a.count() })),
    }),
  }),
).compiled

interface HeldPause {
  readonly delayMs: number
  readonly end: () => void
}

/** Timers whose pauses before a flush, and before another attempt if asked, end when a test says. */
class HeldTimers implements Timers {
  readonly #held = new Set<HeldPause>()
  readonly delaysMs: number[] = []
  holdsAttempts = false

  defer(callback: () => void): void {
    systemRuntime.timers.defer(callback)
  }

  after(delayMs: number, callback: () => void): () => void {
    const isAttempt = this.holdsAttempts && delayMs < FLUSH_AFTER_MS
    if (!isAttempt && !FLUSH_DELAYS_MS.includes(delayMs)) {
      return systemRuntime.timers.after(delayMs > 1000 ? delayMs : delayMs / 20, callback)
    }
    this.delaysMs.push(delayMs)
    const pause = { delayMs, end: callback }
    this.#held.add(pause)
    return () => this.#held.delete(pause)
  }

  get pauses(): number {
    return this.#held.size
  }

  /** Ends pauses of up to so long. */
  end(delayMs = Infinity): void {
    for (const pause of [...this.#held]) {
      if (pause.delayMs > delayMs) continue
      this.#held.delete(pause)
      pause.end()
    }
  }
}

async function openHeld() {
  const timers = new HeldTimers()
  const world = await openWorld({ schema, timers })
  return { world, timers }
}

/** One change a batch, of rows that no view holds; each is waited for. */
async function writeQuiet(world: ViewWorld, count = CHANGES): Promise<void> {
  for (let id = 0; id < count; id++) {
    await world.write([
      id % 2 === 0
        ? put(world, 'quiet', 'a', { id })
        : put(world, 'rows', 'a', { id, kind: 'none', amount: id }),
    ])
    await world.views.waitApplied(await world.relay(1), 20_000)
  }
}

/** What the maintainer asked of the store while `work` ran, without what the world itself did. */
async function roundTrips(
  world: ViewWorld,
  work: () => Promise<unknown>,
): Promise<{ reads: number; writes: number }> {
  const { reads, writes } = world.failing
  await work()
  return { reads: world.failing.reads - reads, writes: world.failing.writes - writes }
}

const stored = (world: ViewWorld) => world.value('SELECT min(position) FROM _views')
const storedNowMs = (world: ViewWorld) => world.value('SELECT max(now_ms) FROM _views')

const row = (world: ViewWorld, id: number, kind: string, amount = 1) =>
  put(world, 'rows', 'a', { id, kind, amount })

describe('progress of views', () => {
  test('changes without effect cost the store nothing, and are durable after one write', async () => {
    const { world, timers } = await openHeld()
    const trips = await roundTrips(world, () => writeQuiet(world))
    expect(trips).toEqual({ reads: 0, writes: 0 })
    expect([world.views.position(), await stored(world)]).toEqual([CHANGES, 0])
    const flushed = await roundTrips(world, async () => {
      expect(timers.pauses).toBe(1)
      timers.end()
      await until(async () => expect(await stored(world)).toBe(CHANGES))
    })
    expect(flushed).toEqual({ reads: 0, writes: 1 })
    expect(timers.pauses).toBe(0)
  })

  test('the next effect on any view makes what all have passed durable, in its own write', async () => {
    const { world, timers } = await openHeld()
    await writeQuiet(world)
    await world.write([row(world, 100, 'k')])
    expect(await roundTrips(world, () => world.settle())).toEqual({ reads: 0, writes: 1 })
    expect(await stored(world)).toBe(CHANGES + 1)
    // The pause that was begun before ends with nothing to do.
    expect(
      await roundTrips(world, async () => {
        timers.end()
        await world.views.stop()
      }),
    ).toEqual({ reads: 0, writes: 0 })
  })

  test('an effect costs one write, and one read where rows must be known', async () => {
    const { world } = await openHeld()
    await world.write([row(world, 1, 'k'), row(world, 2, 'k')])
    expect(await roundTrips(world, () => world.settle())).toEqual({ reads: 0, writes: 1 })
    await world.write([row(world, 3, 'g'), row(world, 1, 'k', 5)])
    expect(await roundTrips(world, () => world.settle())).toEqual({ reads: 1, writes: 1 })
    await world.write([remove('rows', 'a', 1), remove('rows', 'a', 3)])
    expect(await roundTrips(world, () => world.settle())).toEqual({ reads: 1, writes: 1 })
    expect(await world.differences()).toEqual([])
  })

  test('what was passed is durable once the views are closed', async () => {
    const { world } = await openHeld()
    await writeQuiet(world)
    expect(await roundTrips(world, () => world.views.stop())).toEqual({ reads: 0, writes: 1 })
    expect(await stored(world)).toBe(CHANGES)
  })

  test('after a crash what was passed is passed again, and nothing is doubled', async () => {
    const { world, timers } = await openHeld()
    await world.write([row(world, 200, 'g', 7), row(world, 201, 'k')])
    await world.settle()
    await writeQuiet(world)
    await world.crash()
    expect(await stored(world)).toBe(2)
    expect(await roundTrips(world, () => world.settle())).toEqual({ reads: 0, writes: 0 })
    expect(world.views.position()).toBe(CHANGES + 2)
    expect(await world.differences()).toEqual([])
    timers.end()
    await until(async () => expect(await stored(world)).toBe(CHANGES + 2))
  })

  test('a flush that fails is tried again, ever later, and holds no view up', async () => {
    const { world, timers } = await openHeld()
    await writeQuiet(world, 1)
    for (let failed = 1; failed <= 3; failed++) {
      world.failing.failure = 'before'
      timers.end()
      await until(() => expect(timers.pauses).toBe(1))
    }
    expect(timers.delaysMs).toEqual(FLUSH_DELAYS_MS)
    await writeQuiet(world, 3)
    expect(world.views.status().every(({ error }) => error === null)).toBe(true)
    timers.end()
    await until(async () => expect(await stored(world)).toBe(world.views.position()))
  })

  test('another node’s progress is noticed by an effect, and by a flush, and never taken back', async () => {
    const { world, timers } = await openHeld()
    const { views } = world
    await writeQuiet(world, 4)
    // Another life of the process has come further, and has effects that this one does not know.
    await world.start()
    await world.write([row(world, 300, 'g', 3), row(world, 301, 'k')])
    await world.settle()
    await views.waitApplied(6, 20_000)
    await world.write([row(world, 302, 'g', 4), row(world, 301, 'none')])
    await world.settle()
    await views.waitApplied(8, 20_000)
    expect([await stored(world), views.position()]).toEqual([8, 8])
    await writeQuiet(world, 3)
    const end = world.views.position()
    await views.waitApplied(end, 20_000)
    timers.end()
    await until(async () => expect(await stored(world)).toBe(end))
    await views.stop()
    expect(views.status().every(({ error }) => error?.code === 'CLOSED')).toBe(true)
    expect(await world.differences()).toEqual([])
    expect(await stored(world)).toBe(end)
  })

  test('a write never takes back where another node has the views, nor does that take them back', async () => {
    const { world, timers } = await openHeld()
    const moveTo = (position: number) =>
      world.store.write([{ sql: 'UPDATE _views SET position = ?', args: [position] }])
    await writeQuiet(world, 4)
    // Ahead of what this node knows to be stored, behind what it has passed.
    await moveTo(2)
    timers.end()
    await until(async () => expect(await stored(world)).toBe(4))
    expect(world.views.position()).toBe(4)
    // Ahead of both: a flush, and rows that are written without being read, find out.
    await writeQuiet(world, 1)
    await moveTo(7)
    timers.end()
    await until(() => expect(world.views.position()).toBe(7))
    expect(await stored(world)).toBe(7)
    await writeQuiet(world, 2)
    await moveTo(20)
    await world.write([row(world, 400, 'k')])
    await world.relay(1)
    await until(() => expect(world.views.position()).toBe(20))
    expect([await stored(world), await world.read('listed', 'a')]).toEqual([20, []])
  })

  test('changes that undo each other are an effect: the store may be between them', async () => {
    const { world, timers } = await openHeld()
    timers.holdsAttempts = true
    world.failing.failure = 'after'
    await world.write([row(world, 1, 'k')])
    await world.relay(1)
    // The row is in the view, and the maintainer does not know: it takes both changes at once then.
    await until(() => expect(timers.pauses).toBe(2))
    expect(await world.value('SELECT count(*) FROM v1')).toBe(1)
    await world.write([remove('rows', 'a', 1)])
    const end = await world.relay(1)
    timers.holdsAttempts = false
    timers.end(FLUSH_AFTER_MS - 1)
    await world.views.waitApplied(end, 20_000)
    expect(await world.differences()).toEqual([])
  })

  test('a view that somebody has begun anew stops: nothing is written over it', async () => {
    const { world } = await openHeld()
    await world.write([row(world, 1, 'k'), row(world, 2, 'g')])
    await world.settle()
    await world.store.write([{ sql: 'UPDATE _views SET position = 0', args: [] }])
    await world.write([row(world, 3, 'k'), row(world, 4, 'g')])
    await expect(world.settle()).rejects.toThrow('was begun anew')
    expect(await stored(world)).toBe(0)
  })

  test('the instant that kept a row out is durable, and does not come back with an earlier clock', async () => {
    const { world } = await openHeld()
    const ends = world.nowMs + 10
    await writeQuiet(world, 2)
    const startMs = world.nowMs
    world.nowMs = ends
    await world.write([put(world, 'visits', 'a', { id: 1, ends })])
    await world.settle()
    expect([await stored(world), await storedNowMs(world)]).toEqual([3, ends])
    await world.crash()
    world.nowMs = startMs
    await writeQuiet(world, 2)
    expect(await world.read('present', 'a')).toEqual([])
  })
})
