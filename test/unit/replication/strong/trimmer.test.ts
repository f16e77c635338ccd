/** The log is trimmed behind the slowest region, within a bound (S21). */
import { afterEach, describe, expect, it } from 'vitest'
import {
  startTrimmer,
  trimPoint,
  type Trimmer,
  type TrimmerOptions,
} from '../../../../replication/strong/trimmer.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'
import { MemoryLogRetention } from '../../../support/memory-log-retention.ts'

const regions = ['us', 'eu', 'ap']
const bounds = { regions, maxRetainedRecords: 1_000, marginRecords: 10 }
const reported = (
  us: number,
  eu: number,
  ap?: number,
): { reported: Map<string, number>; logEnd: number } => ({
  reported: new Map([['us', us], ['eu', eu], ...(ap === undefined ? [] : [['ap', ap] as const])]),
  logEnd: 6_000,
})

describe('the point before which records may go', () => {
  it('is a margin behind the region that has applied least', () => {
    expect(trimPoint(reported(500, 300, 400), bounds)).toEqual({ before: 290, leftBehind: [] })
  })

  it('waits for a region that never reported', () => {
    expect(trimPoint(reported(500, 300), bounds)).toEqual({ before: 1, leftBehind: [] })
  })

  it('does not wait for more records than the log may keep', () => {
    expect(trimPoint(reported(5_000, 4_900, 100), bounds)).toEqual({
      before: 4_000,
      leftBehind: ['ap'],
    })
    expect(trimPoint(reported(5_000, 4_900), bounds).leftBehind).toEqual(['ap'])
  })

  it('takes no notice of regions that are not configured', () => {
    const more = reported(500, 300, 400)
    more.reported.set('mars', 1)
    expect(trimPoint(more, bounds).before).toBe(290)
  })

  it('does not wait for a region that was left behind in another group', () => {
    const notWaitedFor = new Set(['ap'])
    expect(trimPoint(reported(500, 300, 100), { ...bounds, notWaitedFor })).toEqual({
      before: 290,
      leftBehind: [],
    })
  })

  it('keeps everything of a log that nobody has read', () => {
    const nothing = { reported: new Map(), logEnd: 6_000 }
    expect(trimPoint(nothing, bounds)).toEqual({ before: 1, leftBehind: [] })
  })

  it.each([6_002, Number.MAX_SAFE_INTEGER, Infinity, NaN, -5])(
    'does not believe a region that says %s of a log of 6,000 records',
    (index) => {
      const kept = { before: 1, leftBehind: [] }
      expect(trimPoint(reported(index, 300, 400), bounds)).toEqual(kept)
      expect(trimPoint(reported(6_001, 6_001, 6_001), bounds).before).toBe(5_991)
    },
  )
})

describe('a trimmer', () => {
  const running: Trimmer[] = []
  afterEach(async () => {
    for (const trimmer of running.splice(0)) await trimmer.stop()
  })

  function world(more: Partial<TrimmerOptions> = {}): {
    runtime: ManualRuntime
    retention: MemoryLogRetention
    trims: [string, number][]
    at: { index: number | undefined }
    trimmer: Trimmer
  } {
    const runtime = new ManualRuntime()
    const retention = new MemoryLogRetention()
    const trims: [string, number][] = []
    const at: { index: number | undefined } = { index: 100 }
    const trimmer = startTrimmer({
      region: 'us',
      regions,
      groups: [{ group: 'main', retainFrom: () => at.index }],
      log: {
        readIndex: async () => 10_000,
        trim: async (group, before) => void trims.push([group, before]),
      },
      retention,
      runtime,
      maxRetainedRecords: 1_000,
      marginRecords: 10,
      minTrimRecords: 50,
      ...more,
    })
    running.push(trimmer)
    return { runtime, retention, trims, at, trimmer }
  }

  it('reports in time, when it stops, and not what is not known', async () => {
    const { runtime, retention, at, trimmer } = world()
    await runtime.advance(4_000)
    expect(await retention.reported('main')).toEqual(new Map([['us', 100]]))
    at.index = undefined
    await runtime.advance(4_000)
    expect(await retention.reported('main')).toEqual(new Map([['us', 100]]))
    at.index = 200
    await trimmer.stop()
    expect(await retention.reported('main')).toEqual(new Map([['us', 200]]))
  })

  it('trims what all have, once it is worth it, and tells what it keeps', async () => {
    const { runtime, retention, trims, trimmer } = world()
    for (const region of ['us', 'eu', 'ap']) await retention.report('main', region, 100)
    await trimmer.trim()
    await trimmer.trim()
    expect(trims).toEqual([['main', 90]])
    await retention.report('main', 'eu', 130)
    await retention.report('main', 'ap', 170)
    await trimmer.trim()
    expect(trims).toHaveLength(1)
    await retention.report('main', 'eu', 170)
    await runtime.advance(40_000)
    // The region itself is at 100 still.
    expect(trims).toHaveLength(1)
    expect(trimmer.status()).toEqual([
      { group: 'main', retainedFrom: 90, leftBehind: [], error: null },
    ])
  })

  /** Compaction is of all groups together: one that is never trimmed keeps the log of all others. */
  it('trims a group of few records up to the last one, since it holds back all others', async () => {
    const runtime = new ManualRuntime()
    const retention = new MemoryLogRetention()
    const trims: [string, number][] = []
    const trimmer = startTrimmer({
      region: 'us',
      regions,
      groups: ['one', 'system', 'main'].map((group) => ({ group, retainFrom: () => undefined })),
      log: {
        readIndex: async () => 10_000,
        trim: async (group, before) => void trims.push([group, before]),
      },
      retention,
      runtime,
      maxRetainedRecords: 1_000,
    })
    running.push(trimmer)
    for (const region of regions) {
      await retention.report('one', region, 2)
      await retention.report('system', region, 4)
      await retention.report('main', region, 901)
    }
    await trimmer.trim()
    expect(trims).toEqual([
      ['one', 1],
      ['system', 3],
      ['main', 900],
    ])
    // It does not say so again while nothing happens.
    await trimmer.trim()
    expect(trims).toHaveLength(3)
  })

  it('waits in no group for a region that it left behind in one', async () => {
    const runtime = new ManualRuntime()
    const retention = new MemoryLogRetention()
    const trims: [string, number][] = []
    const trimmer = startTrimmer({
      region: 'us',
      regions,
      groups: ['system', 'main'].map((group) => ({ group, retainFrom: () => undefined })),
      log: {
        readIndex: async () => 10_000,
        trim: async (group, before) => void trims.push([group, before]),
      },
      retention,
      runtime,
      maxRetainedRecords: 1_000,
    })
    running.push(trimmer)
    for (const region of ['us', 'eu']) {
      await retention.report('system', region, 8)
      await retention.report('main', region, 5_001)
    }
    await retention.report('system', 'ap', 7)
    await retention.report('main', 'ap', 4_500)
    await trimmer.trim()
    expect(trims).toEqual([
      ['system', 6],
      ['main', 4_499],
    ])
    for (const region of ['us', 'eu']) await retention.report('main', region, 9_001)
    await trimmer.trim()
    expect(trims.slice(2)).toEqual([
      ['system', 7],
      ['main', 9_000],
    ])
    expect(trimmer.status()).toMatchObject([
      { group: 'system', leftBehind: ['ap'] },
      { group: 'main', leftBehind: ['ap'] },
    ])
  })

  it('says again what a node that held its region before has overwritten', async () => {
    const { retention, trimmer } = world()
    await trimmer.report()
    // That one was stopped for a while, and says on its way out how far it was.
    await retention.report('main', 'us', 60)
    await trimmer.trim()
    await trimmer.report()
    expect(await retention.reported('main')).toEqual(new Map([['us', 100]]))
  })

  it('goes on after a log that did not answer', async () => {
    const { runtime, retention, trimmer } = world()
    retention.failure = new Error('away')
    await runtime.advance(4_000)
    expect(trimmer.status()[0]?.error).toMatchObject({ code: 'INTERNAL' })
    retention.failure = undefined
    await runtime.advance(4_000)
    expect(await retention.reported('main')).toEqual(new Map([['us', 100]]))
    expect(trimmer.status()[0]?.error).toBeNull()
  })
})
