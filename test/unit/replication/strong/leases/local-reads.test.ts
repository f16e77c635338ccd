import { afterEach, describe, expect, test } from 'vitest'
import { LocalRegion, MemoryMesh, SETTINGS } from '../../../../support/local-reads.ts'
import { ManualRuntime } from '../../../../support/manual-runtime.ts'
import { MemoryCommitLog } from '../../../../support/memory-commit-log.ts'

const opened: LocalRegion[] = []

afterEach(async () => {
  for (const region of opened.splice(0)) {
    // A release waits for timers that this test no longer moves.
    await region.engine.leases?.end()
    void region.engine.close()
  }
})

async function world(settings: Partial<typeof SETTINGS> = {}): Promise<{
  runtime: ManualRuntime
  log: MemoryCommitLog
  mesh: MemoryMesh
  regions: [LocalRegion, LocalRegion, LocalRegion]
}> {
  const runtime = new ManualRuntime()
  const log = new MemoryCommitLog()
  const mesh = new MemoryMesh(runtime)
  const regions: LocalRegion[] = []
  for (const region of ['us', 'eu', 'ap']) {
    regions.push(await LocalRegion.open({ region, log, mesh, runtime, settings }))
  }
  opened.push(...regions)
  await runtime.advance(100)
  return { runtime, log, mesh, regions: regions as [LocalRegion, LocalRegion, LocalRegion] }
}

async function within<T>(runtime: ManualRuntime, ms: number, work: Promise<T>): Promise<T> {
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  done.catch(() => undefined)
  for (let at = 0; at < ms && !isDone; at += 5) await runtime.advance(5)
  return isDone ? done : Promise.reject(new Error(`not done within ${ms} ms`))
}

describe('local strong reads in a log group', () => {
  test('every region answers from its own store what a write anywhere has acknowledged', async () => {
    const { runtime, log, regions } = await world()
    const [us, , ap] = regions
    await within(runtime, 200, us.write('a', 1))
    const asked = log.readIndexes
    for (const region of regions) expect(await region.readLocally('a')).toEqual({ value: 1 })
    await within(runtime, 200, ap.write('a', 2))
    for (const region of regions) expect(await region.readLocally('a')).toEqual({ value: 2 })
    expect(log.readIndexes).toBe(asked)
  })

  test('a dead region holds a write up for a lease and its margin at most', async () => {
    const { runtime, mesh, regions } = await world()
    const [us, eu, ap] = regions
    await within(runtime, 200, us.write('a', 1))
    mesh.cut.add('ap')
    await ap.engine.leases?.end()
    const write = us.write('a', 2)
    await expect(within(runtime, 1500, write)).rejects.toThrow('not done')
    const { durationMs, driftRate } = SETTINGS
    await within(runtime, (durationMs * (1 + driftRate)) / (1 - driftRate) + 100, write)
    expect(await eu.readLocally('a')).toEqual({ value: 2 })
  })

  test('a released lease holds nobody up, and ends local reads', async () => {
    const { runtime, mesh, regions } = await world()
    const [us, , ap] = regions
    await within(runtime, 500, ap.engine.leases?.release() as Promise<void>)
    mesh.cut.add('ap')
    expect(await ap.readLocally('a')).toBeUndefined()
    await within(runtime, 100, us.write('a', 2))
    expect(await us.readLocally('a')).toEqual({ value: 2 })
  })

  test('a region that is cut off from the log stops to answer when its lease is over', async () => {
    const { runtime, log, regions } = await world()
    log.held = true
    expect(await regions[0].readLocally('a')).toEqual({ value: null })
    await runtime.advance(SETTINGS.durationMs)
    expect(await regions[0].readLocally('a')).toBeUndefined()
  })

  test('without hints a write waits for ACKs, and for those that are lost', async () => {
    const { runtime, mesh, regions } = await world({ usesHints: false })
    const [us] = regions
    await within(runtime, 100, us.write('a', 1))
    mesh.cut.add('eu')
    const write = us.write('a', 2)
    await expect(within(runtime, 300, write)).rejects.toThrow('not done')
    mesh.cut.delete('eu')
    // What was lost is sent again.
    await within(runtime, 1500, write)
  })

  test('a read of a row that is about to be written waits for its outcome', async () => {
    const { runtime, log, regions } = await world()
    const [us, eu] = regions
    await within(runtime, 200, us.write('a', 1))
    log.held = true
    const write = us.write('a', 2)
    await runtime.advance(20)
    const read = eu.readLocally('a')
    await expect(within(runtime, 100, read)).rejects.toThrow('not done')
    expect(await eu.readLocally('b')).toEqual({ value: null })
    log.held = false
    log.deliver()
    await within(runtime, 200, write)
    expect(await read).toEqual({ value: 2 })
  })

  test('changes are emitted once they are stable, in order, and only once', async () => {
    const { runtime, mesh, regions } = await world({ usesHints: false })
    const [us] = regions
    await within(runtime, 200, us.write('a', 1))
    await runtime.advance(50)
    expect(await us.emitted()).toEqual([['a', 1]])
    mesh.cut.add('ap')
    const write = us.write('a', 2)
    const next = us.write('b', 3)
    await runtime.advance(300)
    expect(await us.emitted()).toEqual([['a', 1]])
    await within(runtime, 4000, Promise.all([write, next]))
    await runtime.advance(100)
    expect(await us.emitted()).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ])
  })

  test('a read by the log waits until what it read is stable', async () => {
    const { runtime, mesh, regions } = await world({ usesHints: false })
    const [us, eu] = regions
    await within(runtime, 200, us.write('a', 1))
    mesh.cut.add('ap')
    us.write('a', 2).catch(() => undefined)
    await runtime.advance(50)
    const read = eu.readByLog('a')
    await expect(within(runtime, 300, read)).rejects.toThrow('not done')
    await within(runtime, 4000, read)
    expect(await read).toBe(2)
  })

  test('an abort is answered no sooner than what it met is stable', async () => {
    const { runtime, mesh, regions } = await world({ usesHints: false })
    const [us, eu] = regions
    mesh.cut.add('ap')
    us.write('a', 1).catch(() => undefined)
    await runtime.advance(50)
    const insert = eu.insert('a', 2)
    await expect(within(runtime, 300, insert)).rejects.toThrow('not done')
    await expect(within(runtime, 4000, insert)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  })

  test('a restarted process begins a life of its own: no lease of the one before', async () => {
    const { runtime, log, mesh, regions } = await world()
    const [us, eu, ap] = regions
    await within(runtime, 200, us.write('a', 1))
    await ap.engine.leases?.end()
    await ap.engine.close()
    const again = await LocalRegion.open({ region: 'ap', log, mesh, runtime, store: ap.store })
    opened.push(again)
    expect(await again.readLocally('a')).toBeUndefined()
    await runtime.advance(100)
    expect(await again.readLocally('a')).toEqual({ value: 1 })
    await within(runtime, 200, eu.write('a', 2))
    expect(await again.readLocally('a')).toEqual({ value: 2 })
  })

  test('the lease table and the lease row are in the store', async () => {
    const { runtime, regions } = await world()
    await runtime.advance(SETTINGS.durationMs)
    const tables = await Promise.all(
      regions.map(async ({ store }) => {
        const sql = 'SELECT * FROM _leases ORDER BY region'
        const [result] = await store.read([{ sql, args: [] }])
        return result?.rows
      }),
    )
    expect(tables[0]).toHaveLength(3)
    expect(tables[1]).toEqual(tables[0])
    expect(tables[2]).toEqual(tables[0])
    expect(regions[0].engine.leases?.status()?.remainingMs).toBeGreaterThan(0)
  })
})
