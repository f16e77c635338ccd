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
const reported = (us: number, eu: number, ap?: number): Map<string, number> =>
  new Map([['us', us], ['eu', eu], ...(ap === undefined ? [] : [['ap', ap] as const])])

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
    const more = new Map([...reported(500, 300, 400), ['mars', 1]])
    expect(trimPoint(more, bounds).before).toBe(290)
  })

  it('keeps everything of a log that nobody has read', () => {
    expect(trimPoint(new Map(), bounds)).toEqual({ before: 1, leftBehind: [] })
  })
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
      log: { trim: async (group, before) => void trims.push([group, before]) },
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
    await retention.report('main', 'us', 170)
    await retention.report('main', 'eu', 170)
    await runtime.advance(40_000)
    // The region itself is at 100 still: its own report came first.
    expect(trims).toHaveLength(1)
    expect(trimmer.status()).toEqual([
      { group: 'main', retainedFrom: 90, leftBehind: [], error: null },
    ])
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
