import { beforeEach, describe, expect, it, vi } from 'vitest'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import {
  PositionTracker,
  seenPositions,
  seenStatements,
  type SeenKinds,
} from '../../../src/session/positions.ts'
import { turns } from '../../support/manual-runtime.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { openShop } from '../../support/shop.ts'

const SOURCE = 'here.1'
let store: MemoryStore
let tracker: PositionTracker

beforeEach(async () => {
  store = await openShop()
  tracker = new PositionTracker(store, SOURCE, systemRuntime.timers)
})

async function imported(source: string, seq: number): Promise<void> {
  const sql = `INSERT INTO _positions VALUES (?, ?, '') ON CONFLICT DO UPDATE SET seq = excluded.seq`
  await store.write([{ sql, args: [source, seq] }])
}

async function held(source: string, seq: number): Promise<void> {
  const sql = `INSERT INTO _held VALUES (?, ?, '', x'')`
  await store.write([{ sql, args: [source, seq] }])
}

async function changed(): Promise<void> {
  const sql = `INSERT INTO _outbox (origin_epoch, tx, hlc, schema_version, cause, table_id, op, tenant,
    key, ver) VALUES (0, 't', '', 1, 0, 1, 0, '', '[]', '')`
  await store.write([{ sql, args: [] }])
}

async function seen(kinds: SeenKinds): Promise<Record<string, number>> {
  return seenPositions(kinds, SOURCE, await store.read(seenStatements(kinds)))
}

describe('what a read has seen', () => {
  it('is its store’s, others’ and the logs’ positions, as far as it touched them', async () => {
    await changed()
    await imported('there.1', 5)
    await store.write([{ sql: `INSERT INTO _log_positions VALUES ('main', 9, 0)`, args: [] }])
    const all = { own: true, imported: 'applied', logs: true } as const
    expect(await seen(all)).toEqual({ [SOURCE]: 1, 'there.1': 5, 'log:main': 9 })
    expect(await seen({ ...all, logs: false, imported: 'none' })).toEqual({ [SOURCE]: 1 })
    expect(await seen({ ...all, own: false, logs: false })).toEqual({ 'there.1': 5 })
  })

  it('of eventual rows stops before what is held, of pinned rows it does not', async () => {
    await imported('there.1', 9)
    await held('there.1', 6)
    await held('there.1', 8)
    const only = { own: false, logs: false } as const
    expect(await seen({ ...only, imported: 'visible' })).toEqual({ 'there.1': 5 })
    expect(await seen({ ...only, imported: 'applied' })).toEqual({ 'there.1': 9 })
  })
})

describe('a tracker', () => {
  it('knows what is reached, and reads the store only when it does not', async () => {
    await imported('there.1', 5)
    const reads = store.reads
    expect(tracker.knownReached({ 'there.1': 5 })).toBe(false)
    expect(await tracker.reached({ 'there.1': 5 })).toBe(true)
    expect(tracker.knownReached({ 'there.1': 4 })).toBe(true)
    expect(await tracker.reached({ 'there.1': 3 })).toBe(true)
    expect(store.reads).toBe(reads + 1)
    expect(await tracker.reached({ 'there.1': 6 })).toBe(false)
    expect(await tracker.reached({ 'nowhere.1': 0 })).toBe(false)
    expect(await tracker.reached({})).toBe(true)
  })

  it('never goes back', () => {
    tracker.advance({ 'there.1': 5 })
    tracker.advance({ 'there.1': 3 })
    expect(tracker.knownReached({ 'there.1': 5 })).toBe(true)
  })

  it('wakes who waits for what it is told, without a look at the store', async () => {
    const wait = tracker.wait({ 'there.1': 7 }, 5_000)
    await turns()
    const reads = store.reads
    tracker.advance({ 'there.1': 6 })
    tracker.advance({ 'there.1': 7 })
    expect(await wait).toBe(true)
    expect(store.reads).toBe(reads)
    // The store says less, as long as it was sent no change of that range.
    await imported('there.1', 5)
    expect(await tracker.reached({ 'there.1': 7 })).toBe(true)
  })

  it('does not take for reached what is held', async () => {
    await imported('there.1', 9)
    await held('there.1', 6)
    expect(await tracker.reached({ 'there.1': 6 })).toBe(false)
    expect(await tracker.reached({ 'there.1': 5 })).toBe(true)
  })

  it('wakes who waits when a commit brings the position', async () => {
    const waits = [tracker.wait({ 'there.1': 2 }, 5_000), tracker.wait({ 'there.1': 3 }, 5_000)]
    const order: number[] = []
    waits.forEach((wait, i) => void wait.then(() => order.push(i)))
    await imported('there.1', 1)
    await imported('there.1', 2)
    expect(await waits[0]).toBe(true)
    expect(order).toEqual([0])
    await imported('there.1', 3)
    expect(await waits[1]).toBe(true)
  })

  it('misses no commit between its look and its wait', async () => {
    for (let seq = 1; seq <= 50; seq++) {
      const wait = tracker.wait({ 'there.1': seq }, 5_000)
      await imported('there.1', seq)
      expect(await wait).toBe(true)
    }
  })

  it('says so when the time is over, and at once when there is none', async () => {
    expect(await tracker.wait({ 'there.1': 1 }, 10)).toBe(false)
    expect(await tracker.wait({ 'there.1': 1 }, 0)).toBe(false)
    expect(await tracker.wait({ 'there.1': 1 }, -5)).toBe(false)
  })

  it('refuses positions of an earlier life of its store', async () => {
    await expect(tracker.reached({ 'here.0': 1 })).rejects.toMatchObject({
      code: 'POSITION_LOST',
      details: { source: 'here.0', current: SOURCE },
    })
    await expect(tracker.wait({ 'here.0': 1 }, 1_000)).rejects.toThrow('earlier life')
  })

  it('goes on after a read that failed', async () => {
    const wait = tracker.wait({ 'there.1': 2 }, 5_000)
    const readStore = vi.spyOn(store, 'read').mockRejectedValueOnce(new Error('once'))
    await imported('there.1', 1)
    await turns()
    expect(readStore).toHaveBeenCalled()
    await imported('there.1', 2)
    expect(await wait).toBe(true)
  })

  it('listens no more once it is closed', async () => {
    const wait = tracker.wait({ 'there.1': 1 }, 100)
    // Its own look at the store is over before the commit.
    await turns()
    tracker.close()
    await imported('there.1', 1)
    expect(await wait).toBe(false)
  })
})
