/** Nodes whose clocks are wrong, beside two that are right: what they may write to the log. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  ClockMonitor,
  tellClock,
  type ClockMonitorOptions,
} from '../../../../replication/strong/clocks/clock-monitor.ts'
import type { ClockVerdict } from '../../../../replication/strong/clocks/peer-clocks.ts'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import type { MeridianError } from '../../../../src/core/errors.ts'
import { StoreClock } from '../../../../src/core/store-clock.ts'
import {
  createInProcessNetwork,
  type InProcessNetwork,
} from '../../../../src/drivers/transport/in-process-network.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import { SkewedRuntime } from '../../../support/skewed-runtime.ts'
import {
  insert,
  RegionPool,
  rowsOf,
  session,
  sessions,
  transaction,
  type Region,
} from '../../../support/strong-region.ts'

const HOUR_MS = 3_600_000
const ONE_WAY_MS = 40
const pool = new RegionPool()
const monitors: ClockMonitor[] = []

afterEach(async () => {
  for (const monitor of monitors.splice(0)) monitor.stop()
  await pool.closeAll()
})

interface Node extends Region {
  readonly runtime: SkewedRuntime
  readonly clocks: ClockMonitor
  readonly changes: ClockVerdict[]
}

interface World {
  readonly real: ManualRuntime
  readonly network: InProcessNetwork
  readonly log: MemoryCommitLog
  readonly nodes: readonly Node[]
}

/** Nodes of as many regions as there are rates of clocks, on one log. */
async function openWorld(
  rates: readonly number[],
  faults: StrongFaults = {},
  more: Partial<ClockMonitorOptions> = {},
): Promise<World> {
  const real = new ManualRuntime()
  const log = new MemoryCommitLog()
  const network = createInProcessNetwork({ oneWayDelayMs: () => ONE_WAY_MS, timers: real.timers })
  const names = rates.map((_, i) => `region${i}`)
  const runtimes = rates.map((rate, i) => new SkewedRuntime(real, rate, i))
  names.forEach((name, i) =>
    network.listen(name, {
      onRequest: () => Promise.reject(new Error('nobody asks')),
      onChannel: (channel) => tellClock(channel, (runtimes[i] as SkewedRuntime).clock),
    }),
  )
  const nodes: Node[] = []
  for (const [i, runtime] of runtimes.entries()) {
    const changes: ClockVerdict[] = []
    const clocks = new ClockMonitor({
      peers: names.filter((name) => name !== names[i]),
      regionCount: names.length,
      maxSkewMs: 500,
      transport: network.transport(names[i] as string),
      runtime,
      onChange: (verdict) => changes.push(verdict),
      faults,
      ...more,
    })
    monitors.push(clocks)
    const region = await pool.open(log, {
      runtime,
      clock: new StoreClock(runtime.clock, '000000000000-0000'),
      requireInStep: () => clocks.requireInStep(),
      faults,
    })
    nodes.push({ ...region, runtime, clocks, changes })
  }
  await real.advance(4 * ONE_WAY_MS)
  return { real, network, log, nodes }
}

let written = 0

/** Writes a row through a node; gives the code of its refusal, or its index. */
async function write({ engine }: Region): Promise<string | number> {
  written += 1
  const row = session(`s${written}`, null)
  const call = engine.commit(transaction([insert(sessions, row)], { tenant: 'acme' }))
  return call.then(
    ({ position }) => position.seq,
    (error: MeridianError) => error.code,
  )
}

/** How far the log's time is ahead of true time. */
function logAheadMs({ nodes, real }: World): number {
  return Math.max(...nodes.map(({ engine }) => engine.logTimeMs())) - real.clock.nowMs()
}

describe.each([HOUR_MS, -HOUR_MS])('a node of three whose clock jumps by %s ms', (jumpMs) => {
  it('writes nothing from the next record on, says by how much, and the others go on', async () => {
    const world = await openWorld([1, 1, 1])
    const [jumped, other] = world.nodes as [Node, Node, Node]
    expect(await write(jumped)).toBe(1)
    jumped.runtime.aheadMs = jumpMs
    const appends = world.log.appends
    const refused = jumped.engine.commit(transaction([], { tenant: 'acme' }))
    const error = (await refused.catch((thrown: unknown) => thrown)) as MeridianError
    expect(error).toMatchObject({ code: 'CLOCK_SKEW', retry: 'safe' })
    const { offsetMs, uncertaintyMs } = error.details as Record<string, number>
    expect(Math.abs(Number(offsetMs) - jumpMs)).toBeLessThanOrEqual(Number(uncertaintyMs) + 1)
    expect(Number(uncertaintyMs)).toBeLessThan(2 * ONE_WAY_MS)
    expect(world.log.appends).toBe(appends)
    await world.real.advance(10_000)
    expect(await write(jumped)).toBe('CLOCK_SKEW')
    expect(await write(other)).toBe(2)
    expect(logAheadMs(world)).toBeLessThanOrEqual(0)
  })

  it('reads all the same, and writes again once its clock is set', async () => {
    const world = await openWorld([1, 1, 1])
    const [jumped, other] = world.nodes as [Node, Node, Node]
    jumped.runtime.aheadMs = jumpMs
    expect(await write(jumped)).toBe('CLOCK_SKEW')
    expect(await write(other)).toBe(1)
    await jumped.engine.catchUp()
    expect(await rowsOf(jumped.store, sessions)).toHaveLength(1)
    expect(jumped.clocks.status()).toMatchObject({ isInStep: false, maxSkewMs: 500 })
    jumped.runtime.aheadMs = 100
    expect(await write(jumped)).toBe(2)
    expect(jumped.changes.map(({ isInStep }) => isInStep)).toEqual([false, true])
    expect(other.changes).toEqual([])
  })

  it('does not keep the others from writing, who each see one that contradicts', async () => {
    const world = await openWorld([1, 1, 1])
    const [jumped, ...others] = world.nodes as [Node, Node, Node]
    jumped.runtime.aheadMs = jumpMs
    await world.real.advance(10_000)
    for (const [i, other] of others.entries()) expect(await write(other)).toBe(i + 1)
    for (const { clocks } of others) {
      const [seen] = clocks.status().peers
      expect(seen?.offsetMs).toBeCloseTo(-jumpMs, -3)
    }
  })

  it('is known to be wrong by what peers said while they could be reached', async () => {
    const world = await openWorld([1, 1, 1])
    const [jumped] = world.nodes as [Node, Node, Node]
    for (const peer of ['region1', 'region2']) world.network.partition('region0', peer)
    await world.real.advance(60_000)
    expect(await write(jumped)).toBe(1)
    jumped.runtime.aheadMs = jumpMs
    expect(await write(jumped)).toBe('CLOCK_SKEW')
  })

  it('of two goes on: neither knows who is wrong; both tell', async () => {
    const world = await openWorld([1, 1])
    const [jumped, other] = world.nodes as [Node, Node]
    jumped.runtime.aheadMs = jumpMs
    await world.real.advance(10_000)
    expect([await write(jumped), await write(other)]).toEqual([1, 2])
    expect(jumped.clocks.status().offsetMs).toBeCloseTo(jumpMs, -3)
    expect(other.clocks.status().offsetMs).toBeCloseTo(-jumpMs, -3)
  })
})

it('must fail: with clockUnchecked a clock an hour ahead moves the time of all, and expires their rows', async () => {
  const world = await openWorld([1, 1, 1], { clockUnchecked: true })
  const [jumped, other] = world.nodes as [Node, Node, Node]
  const row = session('mine', world.real.clock.nowMs() + 60_000)
  await other.engine.commit(transaction([insert(sessions, row)], { tenant: 'acme' }))
  jumped.runtime.aheadMs = HOUR_MS
  expect(await write(jumped)).toBe(2)
  await other.engine.catchUp()
  expect(logAheadMs(world)).toBeGreaterThan(HOUR_MS - 1000)
  await other.engine.commit(transaction([insert(sessions, row)], { tenant: 'acme' }))
})

it('appends no tick either: rows are not swept by a clock that is an hour ahead', async () => {
  const world = await openWorld([1, 1, 1])
  const [jumped, other] = world.nodes as [Node, Node, Node]
  const row = session('mine', world.real.clock.nowMs() + 60_000)
  await jumped.engine.commit(transaction([insert(sessions, row)], { tenant: 'acme' }))
  jumped.runtime.aheadMs = HOUR_MS
  await expect(jumped.engine.sweep()).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
  await other.engine.catchUp()
  expect(await rowsOf(other.store, sessions)).toHaveLength(1)
  expect(logAheadMs(world)).toBeLessThanOrEqual(0)
})

describe('a node of three whose clock runs 10 % fast', () => {
  it.each([1.1, 0.9])(
    '(rate %s) is stopped before it is far off, for as long as it is',
    async (rate) => {
      const world = await openWorld([rate, 1, 1])
      const [fast, other] = world.nodes as [Node, Node, Node]
      const stepMs = 200
      let stoppedMs: number | undefined
      for (let passedMs = 0; passedMs < 20_000; passedMs += stepMs) {
        const answer = await write(fast)
        if (answer === 'CLOCK_SKEW') stoppedMs ??= passedMs
        else expect(stoppedMs).toBeUndefined()
        // ε, the half round trip that it is unsure of, and what it gains between two readings.
        expect(logAheadMs(world)).toBeLessThanOrEqual(500 + 2 * ONE_WAY_MS + 0.1 * 2_600)
        await world.real.advance(stepMs)
      }
      expect(stoppedMs).toBeGreaterThanOrEqual(4_000)
      expect(stoppedMs).toBeLessThanOrEqual(9_000)
      expect(await write(other)).toBeTypeOf('number')
      // Set right, it has the time until it is off again.
      fast.runtime.aheadMs = world.real.clock.nowMs() - fast.runtime.clock.nowMs()
      expect(await write(fast)).toBeTypeOf('number')
    },
  )
})

describe('a node that starts', () => {
  it('waits for the first answers, and for no one who gives none', async () => {
    const world = await openWorld([1, 1, 1])
    const runtime = new SkewedRuntime(world.real)
    runtime.aheadMs = HOUR_MS
    const start = (peers: readonly string[]): ClockMonitor => {
      const transport = world.network.transport('region0')
      const clocks = new ClockMonitor({ peers, regionCount: 3, maxSkewMs: 500, transport, runtime })
      monitors.push(clocks)
      return clocks
    }
    const clocks = start(['region1', 'region2'])
    let isOver = false
    void clocks.firstRound().then(() => (isOver = true))
    await turns()
    expect(isOver).toBe(false)
    await world.real.advance(4 * ONE_WAY_MS)
    expect(isOver).toBe(true)
    expect(() => clocks.requireInStep()).toThrow(/ahead of those of most regions/)
    const alone = start(['nobody'])
    await alone.firstRound()
    alone.requireInStep()
    await start([]).firstRound()
  })

  it.each([
    ['nothing', (): Uint8Array[] => []],
    ['what is no answer', (): Uint8Array[] => [Uint8Array.of(0xc1)]],
    ['another question', (ask: Uint8Array): Uint8Array[] => [ask]],
  ])('is not stopped by a peer that answers %s', async (_what, answers) => {
    const world = await openWorld([1])
    let asked = 0
    for (const region of ['odd', 'other']) {
      world.network.listen(region, {
        onRequest: () => Promise.reject(new Error('nobody asks')),
        onChannel: (channel) =>
          channel.onMessage((ask) => {
            asked += 1
            for (const answer of answers(ask)) channel.send(answer)
          }),
      })
    }
    const clocks = new ClockMonitor({
      peers: ['odd', 'other'],
      regionCount: 3,
      maxSkewMs: 500,
      transport: world.network.transport('region0'),
      runtime: world.real,
    })
    monitors.push(clocks)
    await world.real.advance(1_000)
    await clocks.firstRound()
    clocks.requireInStep()
    expect(clocks.status().peers).toEqual([])
    await world.real.advance(60_000)
    // Asked again and again, and no more than that.
    expect(asked).toBeGreaterThan(2 * 5)
    expect(asked).toBeLessThanOrEqual(2 * 62)
  })
})
