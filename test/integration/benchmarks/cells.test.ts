/**
 * Every latency cell, measured for a moment in an embedded deployment with a tenth of the distances:
 * each is filled, its calls succeed, and none is faster than its way.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LevelCheck } from '../../../benchmarks/cells/calls.ts'
import type { CellPlan, CellStepPlan, OpenRaw } from '../../../benchmarks/cells/cell-plan.ts'
import { latencyPlans, prepare } from '../../../benchmarks/cells/index.ts'
import { cellStep } from '../../../benchmarks/cells/run-cells.ts'
import type { Cell } from '../../../benchmarks/measure/cell.ts'
import type { BenchContext, StepPlan, StepResult } from '../../../benchmarks/step.ts'
import { openEmbeddedTarget } from '../../../benchmarks/target/open-embedded.ts'
import type { BenchTarget } from '../../../benchmarks/target/target.ts'
import { configFor } from '../../../benchmarks/topologies/index.ts'
import { schema, tenantOf } from '../../../benchmarks/workloads/schema.ts'
import type { BenchDatabase, BenchSchema } from '../../../benchmarks/workloads/schema.ts'
import { DEFAULT_ONE_WAY_MS, DEFAULT_REGIONS, scaleTopology } from '../../../src/config/topology.ts'

const DELAY_SCALE = 0.1
const TIME_SCALE = 0.04
/** At most: loops of another rate are called as they are planned. */
const RATE = 60
/** A process starts, beside everything else that this machine does. */
const STEP_TIMEOUT_MS = 400_000

const topology = scaleTopology(
  { regions: DEFAULT_REGIONS, oneWayMs: DEFAULT_ONE_WAY_MS },
  DELAY_SCALE,
)
const LEADER = 'eu-west'
const PLAN: StepPlan = {
  engines: 'embedded',
  topology,
  leader: LEADER,
  rateOpsPerSecond: RATE,
}
const PLANS = latencyPlans(PLAN)

let directory: string
let target: BenchTarget<BenchSchema>
const clients = new Map<string, BenchDatabase>()
const remarks: string[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meridian-cells-'))
  target = await openEmbeddedTarget({
    schema,
    config: configFor(topology, LEADER),
    directory,
    onNotice: () => undefined,
  })
  for (const region of topology.regions) clients.set(region, await target.connect(region))
})

afterAll(async () => {
  for (const client of clients.values()) await client.close()
  await target.close()
  await rm(directory, { recursive: true, force: true })
})

function contextOf(changes: Partial<BenchContext> = {}): BenchContext {
  return {
    target,
    client: (region) => clients.get(region) as BenchDatabase,
    timeScale: TIME_SCALE,
    repetitions: 1,
    seed: 7,
    signal: new AbortController().signal,
    note: (remark) => void remarks.push(remark),
    ...changes,
  }
}

/** The lower median of the calls that were measured; `null` without any. */
function medianMs(encoded: string): number | null {
  const histogram = decodeFromCompressedBase64(encoded)
  return histogram.totalCount === 0 ? null : histogram.getValueAtPercentile(50) / 1000
}

function expectFilled(cell: Cell, plan: CellPlan): void {
  expect(cell).toMatchObject({ ...plan.key, networkMs: plan.networkMs, limitMs: plan.limitMs })
  expect(cell.attempted).toBeGreaterThan(0)
  expect({ failed: cell.failed, errors: cell.errors }).toEqual({ failed: 0, errors: {} })
  expect(cell.succeeded).toBe(cell.attempted)
  // Deployments of their own are not those that are measured.
  const isOther = cell.op.startsWith('point-read')
  expect(cell.crossRegionBytesPerOp === null).toBe(isOther)
  expect(cell.crossRegionBytesPerOp ?? 0).toBeGreaterThanOrEqual(0)
  expect(cell.cpuMsPerOp ?? 0).toBeGreaterThanOrEqual(0)
  if (plan.budget === null) expect(cell.budgets).toEqual([])
  if (plan.key.level !== null) {
    // One level was delivered, of every call.
    expect(Object.values(cell.levels)).toEqual([cell.succeeded])
  }
}

describe('latency steps in an embedded deployment', () => {
  test('tenants and rows are there once they are prepared, however often', async () => {
    await Promise.all([prepare(contextOf()), prepare(contextOf())])
    await prepare(contextOf())
    for (const home of topology.regions) {
      for (const region of topology.regions) {
        const { pinnedRows } = (clients.get(region) as BenchDatabase).tenant(tenantOf(home))
        const { rows } = await pinnedRows.list({ limit: 10_000, consistency: 'stale' })
        expect(rows.length).toBeGreaterThanOrEqual(1000)
      }
    }
    expect(remarks.filter((remark) => /rows to read/.test(remark))).toHaveLength(1)
  })

  test('a directory that was prepared before is used again', async () => {
    // As another run sees the same files: another target.
    const before = remarks.length
    await prepare(contextOf({ target: { ...target } }))
    expect(remarks.slice(before)).toHaveLength(3)
  })

  test.each(PLANS.map((plan): [string, CellStepPlan] => [plan.name, plan]))(
    '%s',
    async (_, plan) => {
      const result = await cellStep(plan).run(contextOf())
      const plans = plan.turns.flatMap(({ cells }) => cells)
      expect(result.cells).toHaveLength(plans.length)
      for (const [i, cell] of (result.cells ?? []).entries()) {
        expectFilled(cell, plans[i] as CellPlan)
        const typicalMs = medianMs(result.histograms?.[i]?.encoded ?? '')
        // Convergence counts from an acknowledgement that comes after the change has set out.
        if (cell.op !== 'converge' && cell.op !== 'view') {
          expect(typicalMs).toBeGreaterThanOrEqual(cell.networkMs)
        }
      }
      expectRaw(plan, result)
    },
    STEP_TIMEOUT_MS,
  )

  test('what is written is not seen elsewhere before it can be there', async () => {
    for (const name of ['eventual convergence', 'commit to views']) {
      const plan = PLANS.find((one) => one.name === name) as CellStepPlan
      for (const cell of plan.turns.flatMap(({ cells }) => cells)) {
        const { key, networkMs } = cell
        const { operation } = await cell.open(contextOf())
        const startMs = performance.now()
        await operation(0)
        // From before the write: the whole way lies in between. Timers may fire a millisecond early.
        expect([key, performance.now() - startMs >= networkMs - 1]).toEqual([key, true])
      }
    }
  })

  test('repetitions are merged, and p95 of each is kept', async () => {
    const plan = PLANS.find(({ name }) => name === 'eventual reads') as CellStepPlan
    const result = await cellStep(plan).run(contextOf({ repetitions: 2 }))
    for (const cell of result.cells ?? []) expect(cell.repetitionP95Ms).toHaveLength(2)
    for (const peer of result.peers ?? []) expect(peer.repetitionP95Ms).toHaveLength(2)
    expect(result.peers).toHaveLength(1)
  })

  test('a cell that is given another level than it asked for fails its step', async () => {
    const planned = PLANS.find(({ name }) => name === 'strong reads by read index')
    const [turn] = planned?.turns ?? []
    const [cell] = turn?.cells ?? []
    if (planned === undefined || turn === undefined || cell === undefined) throw new Error('none')
    const liar: CellPlan = {
      ...cell,
      async open(context) {
        const levels = new LevelCheck(cell.key)
        const { strongRows } = context.client(cell.key.origin)
        return {
          check: () => levels.check(),
          operation: async () => {
            const read = strongRows.get('read-1', { consistency: 'stale' })
            levels.require((await read.withReceipt()).receipt.level)
            return undefined
          },
        }
      },
    }
    const step = cellStep({ ...planned, raw: null, turns: [{ ...turn, cells: [liar] }] })
    await expect(step.run(contextOf())).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringMatching(/asked for 'strong' and was given 'stale'/),
    })
  })

  test('where one cell cannot be opened, what the others opened is closed', async () => {
    const [turn] = PLANS[0]?.turns ?? []
    const [cell] = turn?.cells ?? []
    if (turn === undefined || cell === undefined) throw new Error('none')
    let closed = 0
    const opens: CellPlan = {
      ...cell,
      open: () =>
        Promise.resolve({
          operation: () => Promise.resolve(undefined),
          close: () => {
            closed++
            return Promise.resolve()
          },
        }),
    }
    const fails: CellPlan = { ...cell, open: () => Promise.reject(new Error('cannot be opened')) }
    const turns = [{ ...turn, cells: [fails, opens] }]
    const step = cellStep({ name: 'half open', turns, raw: null })
    await expect(step.run(contextOf())).rejects.toThrow('cannot be opened')
    expect(closed).toBe(1)
  })

  test('what calls leave behind has arrived before the raw engine is measured', async () => {
    const events: string[] = []
    const say = (event: string): void => {
      if (events.at(-1) !== event) events.push(event)
    }
    const watched: BenchTarget<BenchSchema> = {
      ...target,
      settle: () => target.settle().then(() => say('settled')),
    }
    const operation = (name: string) => (): Promise<undefined> => {
      say(name)
      return Promise.resolve(undefined)
    }
    const [turn] = PLANS[0]?.turns ?? []
    const [cell] = turn?.cells ?? []
    if (turn === undefined || cell === undefined) throw new Error('none')
    const own: CellPlan = { ...cell, open: async () => ({ operation: operation('cell') }) }
    const peer = { name: 'raw', version: '1' }
    const facts = { op: 'work', origin: LEADER, home: LEADER, durability: 'none', networkMs: 0 }
    const rawLoop = { peer, operation: { ...facts, operation: operation('raw') }, load: cell.load }
    const open = async (): Promise<OpenRaw> => ({ loops: [rawLoop], close: async () => undefined })
    const step = cellStep({
      name: 'in turns',
      turns: [{ ...turn, cells: [own] }],
      raw: { ...turn, what: 'work', open },
    })
    const result = await step.run(contextOf({ target: watched, repetitions: 2 }))
    // Turns are in the order A, B, B, A.
    const turns = ['cell', 'settled', 'raw', 'cell', 'settled']
    expect(events.slice(-turns.length)).toEqual(turns)
    expect(result.notes).toEqual([
      expect.stringMatching(/less what the deployment spends idle/),
      expect.stringMatching(/the generator runs in the deployment's process/),
    ])
  })

  test('a step that is interrupted ends', async () => {
    const interrupted = AbortSignal.abort()
    const step = cellStep(PLANS[0] as CellStepPlan)
    await expect(step.run(contextOf({ signal: interrupted }))).rejects.toMatchObject({
      code: 'CANCELLED',
    })
  })
})

/** The raw engine's figures stand beside the cells, or a note says why there are none. */
function expectRaw(plan: CellStepPlan, { peers = [], notes = [], cells = [] }: StepResult): void {
  if (plan.raw === null) {
    expect(peers).toEqual([])
    return
  }
  const isMissing = notes.some((note) => /no raw engine beside them/.test(note))
  expect(isMissing).toBe(/etcd|Kafka/.test(plan.raw.what))
  expect(peers.length > 0).toBe(!isMissing)
  for (const peer of peers) {
    expect(peer.attempted).toBeGreaterThan(0)
    expect(peer).toMatchObject({ failed: 0, errors: {}, succeeded: peer.attempted })
  }
  if (!isMissing) return
  for (const cell of cells) expect(cell.rawEngineP95Ms).toBeNull()
}
