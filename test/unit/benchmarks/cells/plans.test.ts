/** Which cells are planned, what they are held against, and for how long they are called. */
import { describe, expect, test } from 'vitest'
import { BUDGET_ROWS } from '../../../../benchmarks/cells/budgets.ts'
import {
  durationOf,
  PLANNED_REPETITIONS,
  type CellPlan,
  type CellStepPlan,
} from '../../../../benchmarks/cells/cell-plan.ts'
import {
  gatePlans,
  gateSteps,
  latencyPlans,
  latencySteps,
} from '../../../../benchmarks/cells/index.ts'
import type { StepPlan } from '../../../../benchmarks/step.ts'
import { DEFAULT_ONE_WAY_MS, DEFAULT_REGIONS } from '../../../../src/config/topology.ts'

const [US, EU, AP] = ['us-east', 'eu-west', 'ap-south']
const TRIANGLE: StepPlan = {
  engines: 'real',
  topology: { regions: DEFAULT_REGIONS, oneWayMs: DEFAULT_ONE_WAY_MS },
  leader: EU,
  rateOpsPerSecond: 50,
}
const EMBEDDED: StepPlan = { ...TRIANGLE, engines: 'embedded' }

function cellsOf(plans: readonly CellStepPlan[]): readonly CellPlan[] {
  return plans.flatMap(({ turns }) => turns.flatMap(({ cells }) => cells))
}

const CELLS = cellsOf(latencyPlans(TRIANGLE))

/** The cells of a call, `origin>home` with what `of` takes from each. */
function by<T>(call: (cell: CellPlan) => boolean, of: (cell: CellPlan) => T): Record<string, T> {
  return Object.fromEntries(
    CELLS.filter(call).map((cell) => [`${cell.key.origin}>${cell.key.home}`, of(cell)]),
  )
}

const networkAndLimit = ({ networkMs, limitMs }: CellPlan): (number | null)[] => [
  networkMs,
  limitMs,
]

const LOGGED = { [`${US}>${EU}`]: 160, [`${EU}>${EU}`]: 80, [`${AP}>${EU}`]: 200 }
const LOGGED_LIMITS = Object.fromEntries(Object.entries(LOGGED).map(([at, ms]) => [at, [ms, ms]]))

const HOME_AND_BACK = {
  [`${US}>${US}`]: [0, null],
  [`${EU}>${US}`]: [80, 80],
  [`${AP}>${US}`]: [190, 190],
  [`${US}>${EU}`]: [80, 80],
  [`${EU}>${EU}`]: [0, null],
  [`${AP}>${EU}`]: [120, 120],
  [`${US}>${AP}`]: [190, 190],
  [`${EU}>${AP}`]: [120, 120],
  [`${AP}>${AP}`]: [0, null],
}
const NOWHERE = Object.fromEntries(Object.keys(HOME_AND_BACK).map((at) => [at, [0, null]]))

describe('strong cells', () => {
  test.each(['write', 'write-at-500'])('%s: the leader and its nearest majority', (op) => {
    const found = by(({ key }) => key.mode === 'strong' && key.op === op, networkAndLimit)
    expect(found).toEqual(LOGGED_LIMITS)
  })

  test('reads by read index cost the same, of which a bound on staleness is no limit', () => {
    const ofLevel = (isLevel: (level: unknown) => boolean): Record<string, unknown> =>
      by(
        ({ key }) => key.mode === 'strong' && key.op === 'read' && isLevel(key.level),
        networkAndLimit,
      )
    expect(ofLevel((level) => level === 'strong')).toEqual(LOGGED_LIMITS)
    const bounded = Object.fromEntries(Object.entries(LOGGED).map(([at, ms]) => [at, [ms, null]]))
    expect(ofLevel((level) => typeof level === 'object' && level !== null)).toEqual(bounded)
  })

  test.each(['session', 'stale'])('%s reads stay in their region', (level) => {
    const found = by(({ key }) => key.mode === 'strong' && key.level === level, networkAndLimit)
    expect(found).toEqual(Object.fromEntries(Object.keys(LOGGED).map((at) => [at, [0, null]])))
  })

  test('under load all regions together write 500 times a second', () => {
    const loads = CELLS.filter(({ key }) => key.op === 'write-at-500').map(({ load }) => load)
    const rates = loads.map((load) => (load.loop === 'open' ? load.rateOpsPerSecond : NaN))
    expect(rates.reduce((sum, rate) => sum + rate, 0)).toBeCloseTo(500)
  })

  test('a majority of five is reached by the second nearest of the others', () => {
    const regions = ['a', 'b', 'c', 'd', 'e']
    const oneWayMs = {
      ...{ 'a/b': 5, 'a/c': 20, 'a/d': 50, 'a/e': 70, 'b/c': 9, 'b/d': 9, 'b/e': 9 },
      ...{ 'c/d': 9, 'c/e': 9, 'd/e': 9 },
    }
    const plan: StepPlan = { ...TRIANGLE, topology: { regions, oneWayMs }, leader: 'a' }
    const writes = cellsOf(latencyPlans(plan)).filter(
      ({ key }) => key.mode === 'strong' && key.op === 'write',
    )
    const limits = writes.map(({ key, limitMs }) => [key.origin, limitMs])
    expect(Object.fromEntries(limits)).toEqual({ a: 40, b: 50, c: 80, d: 140, e: 180 })
  })
})

describe('pinned cells', () => {
  test('writes of every caller to every home: one round trip', () => {
    const isWrite = ({ key }: CellPlan): boolean => key.mode === 'pinned' && key.op === 'write'
    expect(by(isWrite, networkAndLimit)).toEqual(HOME_AND_BACK)
    const budgets = by(isWrite, ({ budget }) => budget)
    for (const [at, budget] of Object.entries(budgets)) {
      const [origin, home] = at.split('>')
      expect(budget).toBe(origin === home ? 'pinned-write-at-home' : 'pinned-write-remote')
    }
  })

  test('strong reads of every caller go to every home, other levels stay', () => {
    const ofLevel = (level: string): Record<string, unknown> =>
      by(
        ({ key }) => key.mode === 'pinned' && key.op === 'read' && key.level === level,
        networkAndLimit,
      )
    expect(ofLevel('strong')).toEqual(HOME_AND_BACK)
    expect(ofLevel('session')).toEqual(NOWHERE)
    expect(ofLevel('stale')).toEqual(NOWHERE)
  })

  test('beside a call to another region stands the raw engine at home and one round trip', () => {
    for (const { key, networkMs, rawExtraMs } of CELLS) {
      if (key.mode === 'pinned' && ['read', 'write'].includes(key.op)) {
        expect(rawExtraMs).toBe(networkMs)
      }
    }
  })
})

describe('cells of what follows a commit', () => {
  test('convergence of every ordered pair: one way', () => {
    expect(by(({ key }) => key.op === 'converge', networkAndLimit)).toEqual({
      [`${US}>${EU}`]: [40, 40],
      [`${US}>${AP}`]: [95, 95],
      [`${EU}>${US}`]: [40, 40],
      [`${EU}>${AP}`]: [60, 60],
      [`${AP}>${US}`]: [95, 95],
      [`${AP}>${EU}`]: [60, 60],
    })
  })

  test('views of the own region and of every other', () => {
    const found = by(
      ({ key }) => key.op === 'view',
      ({ limitMs, budget }) => [limitMs, budget],
    )
    expect(Object.keys(found)).toHaveLength(9)
    expect(found[`${US}>${US}`]).toEqual([null, 'view-local'])
    expect(found[`${US}>${AP}`]).toEqual([95, 'view-remote'])
  })

  test('without a Kafka there is no cell of it, and a note says so', () => {
    const plans = latencyPlans(EMBEDDED)
    expect(cellsOf(plans).filter(({ key }) => key.op === 'publish')).toEqual([])
    const notes = plans.flatMap((plan) => plan.notes ?? [])
    expect(notes.filter((note) => /Kafka: not measured/.test(note))).toHaveLength(1)
    expect(CELLS.filter(({ key }) => key.op === 'publish')).toHaveLength(3)
  })
})

describe('all plans', () => {
  const PLANS = {
    'latency, real': latencyPlans(TRIANGLE),
    'latency, embedded': latencyPlans(EMBEDDED),
    'gate, real': gatePlans(TRIANGLE),
    'gate, embedded': gatePlans(EMBEDDED),
  }

  test.each(Object.entries(PLANS))('%s: no two cells are the same call', (_, plans) => {
    const keys = cellsOf(plans).map(({ key }) => JSON.stringify(key))
    expect(new Set(keys).size).toBe(keys.length)
  })

  test.each(Object.entries(PLANS))('%s: a limit stands where the network costs', (_, plans) => {
    for (const { key, networkMs, limitMs } of cellsOf(plans)) {
      if (typeof key.level === 'object' && key.level !== null) continue
      expect(limitMs).toBe(networkMs === 0 ? null : networkMs)
    }
  })

  test.each(Object.entries(PLANS))('%s: every window gives a p95', (_, plans) => {
    for (const { turns } of plans) {
      for (const { windowMs, cells } of turns) {
        for (const { load } of cells) {
          if (load.loop === 'closed') continue
          const calls = (load.rateOpsPerSecond * PLANNED_REPETITIONS * windowMs) / 1000
          expect(calls).toBeGreaterThan(200)
        }
      }
    }
  })

  test('at rates of their own, regions ask little at a time of a machine that they share', () => {
    for (const { turns } of latencyPlans(TRIANGLE)) {
      for (const { cells } of turns) {
        const rates = new Map<string, number>()
        for (const { key, load } of cells) {
          if (load.loop === 'closed' || key.op === 'write-at-500') continue
          rates.set(key.origin, (rates.get(key.origin) ?? 0) + load.rateOpsPerSecond)
        }
        const isRead = cells.every(({ key }) => key.op === 'read')
        const isCheap = cells.every(({ key }) => key.mode === 'eventual' || key.op !== 'write')
        const most = isRead ? 60 : isCheap ? 14 : 9
        for (const rate of rates.values()) expect(rate).toBeLessThanOrEqual(most)
      }
    }
  })

  test.each([2, 100])(
    'a rate of %s a second that was asked for is that of every origin',
    (rate) => {
      const asked = latencyPlans({ ...TRIANGLE, askedRateOpsPerSecond: rate })
      for (const plan of asked.filter(({ name }) => !/point reads|capacity/.test(name))) {
        for (const { cells } of plan.turns) {
          const rates = new Map<string, number>()
          for (const { key, load } of cells) {
            const level = `${key.origin} ${JSON.stringify(key.level)}`
            const own = load.loop === 'open' ? load.rateOpsPerSecond : NaN
            rates.set(level, (rates.get(level) ?? 0) + own)
          }
          for (const sum of rates.values()) expect(sum).toBeCloseTo(rate)
        }
      }
    },
  )

  test('cells that a cache may answer say so, where there is one', () => {
    const cached = (plan: StepPlan): string[] =>
      latencyPlans(plan)
        .filter(({ notes }) => notes?.some((note) => /from the cache/.test(note)))
        .map(({ name }) => name)
    expect(cached(TRIANGLE)).toEqual([
      'strong tables, local reads',
      'pinned reads',
      'eventual reads',
    ])
    expect(cached(EMBEDDED)).toEqual([])
  })

  test('eventual writes are enough for the p99 of their budget', () => {
    const plan = latencyPlans(TRIANGLE).find(({ name }) => name === 'eventual writes')
    const turn = plan?.turns[0]
    for (const { load } of turn?.cells ?? []) {
      const rate = load.loop === 'open' ? load.rateOpsPerSecond : NaN
      const calls = (rate * PLANNED_REPETITIONS * (turn?.windowMs ?? 0)) / 1000
      expect(calls).toBeGreaterThan(1000)
    }
    expect(turn?.cells).toHaveLength(3)
  })

  test('the standard ones take 510 seconds at most, those of the gate 40 seconds', () => {
    for (const plan of [TRIANGLE, EMBEDDED]) {
      expect(totalMs(latencySteps(plan))).toBeLessThanOrEqual(510_000)
      expect(totalMs(gateSteps(plan))).toBeLessThanOrEqual(40_000)
    }
  })

  test('a step tells as long as its turns and the raw ones take', () => {
    const [plan] = latencyPlans(TRIANGLE)
    const { turns, raw } = plan as CellStepPlan
    const [turn] = turns
    expect(turns).toHaveLength(1)
    const lengthsMs = [turn, raw].map((one) => (one?.warmupMs ?? NaN) + (one?.windowMs ?? NaN))
    // What a turn leaves behind is waited for, about a quarter of a second.
    const roundMs = lengthsMs.reduce((sum, lengthMs) => sum + lengthMs, 250)
    expect(durationOf(plan as CellStepPlan)).toBe(3 * roundMs)
  })

  test('the gate has a cell of every mode', () => {
    const modes = cellsOf(gatePlans(EMBEDDED)).map(({ key }) => key.mode)
    expect(new Set(modes)).toEqual(new Set(['strong', 'pinned', 'eventual']))
  })

  test('every row of the budget that cells measure has a cell, and no other has', () => {
    const rows = BUDGET_ROWS.filter(({ measuredBy }) => measuredBy === 'cells')
    const answered = new Set(CELLS.map(({ budget }) => budget).filter((name) => name !== null))
    expect(answered).toEqual(new Set(rows.map(({ name }) => name)))
  })
})

function totalMs(steps: readonly { readonly durationMs: number }[]): number {
  return steps.reduce((sum, { durationMs }) => sum + durationMs, 0)
}
