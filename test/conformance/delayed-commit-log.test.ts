import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'
import {
  delayCommitLog,
  majorityRoundTripMs,
  type LogTopology,
} from '../../src/drivers/commit-log/delayed-commit-log.ts'
import { openFileCommitLog } from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../src/drivers/transport/in-process-network.ts'
import { watch } from './commit-log-suite.ts'
import { failureOf, until } from './support/failure.ts'
import { tempFolder } from './support/temp-folder.ts'
import { VirtualTimers } from './support/virtual-timers.ts'

const REGIONS = ['us', 'eu', 'ap'] as const
type Region = (typeof REGIONS)[number]
const DELAYS: Readonly<Record<string, number>> = { 'eu us': 10, 'ap us': 24, 'ap eu': 15 }
const oneWayDelayMs = (a: string, b: string): number =>
  a === b ? 0 : (DELAYS[[a, b].sort().join(' ')] ?? Number.NaN)
const TOPOLOGY: LogTopology = { leader: 'eu', members: REGIONS, oneWayDelayMs }
/** Round trip to the leader and the leader's to its nearest majority. */
const CALL_MS: Readonly<Record<Region, number>> = { us: 40, eu: 20, ap: 50 }

interface Regions {
  readonly logs: Readonly<Record<Region, CommitLog>>
  readonly network: ReturnType<typeof createInProcessNetwork>
}

async function openRegions(timers: Timers = systemRuntime.timers): Promise<Regions> {
  const path = join(tempFolder(), 'log.db')
  const log = await openFileCommitLog({ path, timers: systemRuntime.timers })
  onTestFinished(() => log.close())
  const network = createInProcessNetwork({ oneWayDelayMs, timers })
  const reachable = (a: string, b: string): boolean => network.reachable(a, b)
  const as = (region: string): CommitLog =>
    delayCommitLog(log.handle(), { ...TOPOLOGY, region, timers, reachable })
  return { logs: { us: as('us'), eu: as('eu'), ap: as('ap') }, network }
}

const payload = new Uint8Array([1])

describe('delayed commit log: latency', () => {
  test('the nearest majority is the leader and its nearest member', () => {
    expect(majorityRoundTripMs(TOPOLOGY)).toBe(20)
    expect(majorityRoundTripMs({ ...TOPOLOGY, leader: 'ap' })).toBe(30)
    expect(majorityRoundTripMs({ ...TOPOLOGY, members: ['eu'] })).toBe(0)
    const cut = (a: string, b: string): boolean => ![a, b].includes('us')
    expect(majorityRoundTripMs({ ...TOPOLOGY, reachable: cut })).toBe(30)
    expect(majorityRoundTripMs({ ...TOPOLOGY, reachable: () => false })).toBeUndefined()
  })

  test.each(REGIONS)(
    'an append and a read index from %s take what the topology says',
    async (r) => {
      const time = new VirtualTimers()
      const { logs } = await openRegions(time)
      await time.run(logs[r].append('g', 'x', payload))
      expect(time.nowMs).toBe(CALL_MS[r])
      await time.run(logs[r].readIndex('g'))
      expect(time.nowMs).toBe(2 * CALL_MS[r])
    },
  )

  test.each(REGIONS)(
    'an append from %s takes that on real timers too, and never less',
    async (r) => {
      const { logs } = await openRegions()
      const elapsed: number[] = []
      for (let i = 0; i < 15; i++) {
        const startMs = performance.now()
        await logs[r].append('g', `${i}`, payload)
        elapsed.push(performance.now() - startMs)
      }
      // The smallest: a busy machine adds to the others what it likes.
      expect(Math.min(...elapsed)).toBeGreaterThanOrEqual(CALL_MS[r])
      expect(Math.min(...elapsed)).toBeLessThan(CALL_MS[r] + 5)
    },
  )

  test('an entry reaches each region one way after its commit, many under way at once', async () => {
    const time = new VirtualTimers()
    const { logs } = await openRegions(time)
    const seenMs: Readonly<Record<Region, number[]>> = { us: [], eu: [], ap: [] }
    for (const region of REGIONS) {
      logs[region].tail('g', 1, {
        onEntries: async (entries) => {
          seenMs[region].push(...entries.map(() => time.nowMs))
        },
        onFailure: () => {},
      })
    }
    const sends = Array.from({ length: 30 }, (_, i) => i * 2)
    const appends = sends.map(async (sendMs) => {
      await new Promise<void>((resolve) => {
        time.after(sendMs, resolve)
      })
      await logs.eu.append('g', `${sendMs}`, payload)
    })
    await time.run(Promise.all(appends))
    await time.run(
      new Promise<void>((resolve) => {
        time.after(100, resolve)
      }),
    )
    for (const region of REGIONS) {
      const lagMs = 20 + oneWayDelayMs('eu', region)
      expect(seenMs[region]).toEqual(sends.map((sendMs) => sendMs + lagMs))
    }
  })

  test('all regions see one order without a gap while all of them append', async () => {
    const { logs } = await openRegions()
    const seen = REGIONS.map((region) => watch(logs[region], 'g', 1))
    await Promise.all(
      REGIONS.flatMap((region) =>
        Array.from({ length: 100 }, (_, i) => logs[region].append('g', `${region}-${i}`, payload)),
      ),
    )
    await until(() => seen.every(({ entries }) => entries.length === 300))
    const [first, ...others] = seen.map(({ entries }) =>
      entries.map(({ index, id }) => [index, id]),
    )
    expect(first?.map(([index]) => index)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
    for (const other of others) expect(other).toEqual(first)
  })
})

describe('delayed commit log: broken links', () => {
  test('a region that is cut off from the leader cannot append or read', async () => {
    const { logs, network } = await openRegions()
    network.partition('us', 'eu')
    for (const call of [logs.us.append('g', 'x', payload), logs.us.readIndex('g')]) {
      expect(await failureOf(call)).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
    }
    expect(await logs.ap.append('g', 'y', payload)).toBe(1)
    network.healAll()
    expect(await logs.us.append('g', 'x', payload)).toBe(2)
  })

  test('an append whose answer is lost has an unknown outcome, and its repetition one effect', async () => {
    const time = new VirtualTimers()
    const { logs, network } = await openRegions(time)
    // At 10 ms the leader has it, at 30 it is committed, at 40 the answer would arrive.
    time.after(35, () => network.partition('us', 'eu'))
    const error = await time.run(failureOf(logs.us.append('g', 'x', payload)))
    expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'unknown-outcome' })
    network.healAll()
    expect(await time.run(logs.us.append('g', 'x', payload))).toBe(1)
    expect(await time.run(logs.eu.readIndex('g'))).toBe(1)
  })

  test('an append that is cut off on its way has an unknown outcome', async () => {
    const { logs, network } = await openRegions()
    const append = failureOf(logs.us.append('g', 'x', payload))
    systemRuntime.timers.after(2, () => network.partition('us', 'eu'))
    expect(await append).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'unknown-outcome' })
  })

  test('a leader without a majority does not commit', async () => {
    const { logs, network } = await openRegions()
    network.partition('us', 'eu')
    network.partition('ap', 'eu')
    const error = await failureOf(logs.eu.append('g', 'x', payload))
    expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'unknown-outcome' })
    expect(await failureOf(logs.eu.readIndex('g'))).toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })

  test('a region that was cut off gets all that it missed, in order, once it is back', async () => {
    const { logs, network } = await openRegions()
    const us = watch(logs.us, 'g', 1)
    await logs.eu.append('g', '0', payload)
    await until(() => us.entries.length === 1)
    network.partition('us', 'eu')
    for (let i = 1; i <= 5; i++) await logs.ap.append('g', `${i}`, payload)
    expect(us.entries).toHaveLength(1)
    network.heal('eu', 'us')
    await until(() => us.entries.length === 6)
    expect(us.entries.map((entry) => entry.index)).toEqual([1, 2, 3, 4, 5, 6])
  })
})
