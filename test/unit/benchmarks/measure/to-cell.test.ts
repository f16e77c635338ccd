import { expect, test } from 'vitest'
import type { CellKey } from '../../../../benchmarks/measure/cell.ts'
import {
  createHistogram,
  encodeHistogram,
  recordMs,
} from '../../../../benchmarks/measure/histogram.ts'
import type { LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { toCell, toPeerCell } from '../../../../benchmarks/measure/to-cell.ts'

const KEY: CellKey = {
  op: 'write',
  mode: 'strong',
  origin: 'us-east',
  home: 'eu-west',
  level: null,
}

/** So many calls of each latency. */
function encoded(...calls: readonly (readonly [count: number, latencyMs: number])[]): string {
  const histogram = createHistogram()
  for (const [count, latencyMs] of calls) {
    for (let i = 0; i < count; i++) recordMs(histogram, latencyMs)
  }
  return encodeHistogram(histogram)
}

const LOOP: LoopResult = {
  loop: 'open',
  rateOpsPerSecond: 100,
  concurrency: 17,
  attempted: 1000,
  succeeded: 990,
  failed: 10,
  retried: 3,
  errors: { CONFLICT: 10 },
  levels: {},
  n: 990,
  p50Ms: 162,
  p95Ms: 176,
  p99Ms: null,
  p999Ms: null,
  generator: { lateP95Ms: 0.3, lateP50Ms: 0.3, isLate: false },
  stalenessP95Ms: null,
  durationMs: 10_000,
  encoded: encoded([500, 162], [460, 175.9], [30, 200]),
  callsMade: 1250,
}

test('a cell has what the loop found, its key, and its facts', () => {
  const cell = toCell({ ...KEY, extra: 1 } as CellKey, LOOP, {
    networkMs: 160,
    rawEngineP95Ms: 168,
    limitMs: 160,
    crossRegionBytes: 2_500_000,
    cpuMs: 625,
    budgets: [
      { text: '<= 1.1 x 160 ms', quantile: 'p95', boundMs: 176 },
      { text: '<= 161 ms', quantile: 'p50', boundMs: 161 },
      { text: '<= 300 ms', quantile: 'p99', boundMs: 300 },
    ],
  })
  const { encoded: _1, durationMs: _2, callsMade: _3, ...found } = LOOP
  expect(cell).toEqual({
    ...KEY,
    ...found,
    networkMs: 160,
    rawEngineP95Ms: 168,
    limitMs: 160,
    p95OverLimit: 1.1,
    // Of the calls of the warm-up too.
    crossRegionBytesPerOp: 2000,
    cpuMsPerOp: 0.5,
    budgets: [
      { text: '<= 1.1 x 160 ms', quantile: 'p95', boundMs: 176, holds: true },
      { text: '<= 161 ms', quantile: 'p50', boundMs: 161, holds: false },
      { text: '<= 300 ms', quantile: 'p99', boundMs: 300, holds: null },
    ],
    repetitionP95Ms: [],
  })
})

test('what is not known is null', () => {
  const unknown = { rawEngineP95Ms: null, p95OverLimit: null, limitMs: null, budgets: [] }
  const nothing = { crossRegionBytesPerOp: null, cpuMsPerOp: null }
  expect(toCell(KEY, LOOP, { networkMs: 0 })).toMatchObject({ ...unknown, ...nothing })
  expect(toCell(KEY, LOOP, { networkMs: 0, cpuMs: NaN, crossRegionBytes: null })).toMatchObject(
    nothing,
  )
  expect(toCell(KEY, LOOP, { networkMs: 0, limitMs: 0 }).p95OverLimit).toBeNull()
  const late = { ...LOOP, p95Ms: null }
  expect(toCell(KEY, late, { networkMs: 160, limitMs: 160 }).p95OverLimit).toBeNull()
  const none = { ...LOOP, attempted: 0, callsMade: 0 }
  expect(toCell(KEY, none, { networkMs: 0, cpuMs: 5, crossRegionBytes: 5 })).toMatchObject(nothing)
})

test('a call that failed is slower than any: it counts against a bound', () => {
  const holds = (found: Partial<LoopResult>, boundMs = 100): boolean | null | undefined =>
    toCell(
      KEY,
      { ...LOOP, ...found },
      { networkMs: 0, budgets: [{ text: '', quantile: 'p95', boundMs }] },
    ).budgets[0]?.holds
  const fast = { attempted: 1000, p95Ms: 50, encoded: encoded([900, 50]) }
  expect(holds({ ...fast, attempted: 900, succeeded: 900, failed: 0 })).toBe(true)
  // Of those that succeeded all are fast, and a tenth did not.
  expect(holds({ ...fast, succeeded: 900, failed: 100 })).toBe(false)
  // 96 of 100 succeed, 94 within the bound: p95 is not, although it is of those that succeeded.
  const slow = { ...fast, succeeded: 960, failed: 40, encoded: encoded([940, 50], [20, 150]) }
  expect(holds(slow)).toBe(false)
  expect(holds(slow, 151)).toBe(true)
  // Too few succeeded for a p95, and enough failed to know that it does not hold.
  expect(holds({ attempted: 1000, succeeded: 50, failed: 950, p95Ms: null })).toBe(false)
  expect(holds({ attempted: 100, succeeded: 50, failed: 50, p95Ms: null })).toBeNull()
  const generator = { lateP95Ms: 30, lateP50Ms: 30, isLate: true }
  expect(holds({ succeeded: 900, failed: 100, p95Ms: null, generator })).toBeNull()
})

test('the p95 of repetitions stay', () => {
  const merged = { ...LOOP, repetitionP95Ms: [170, null, 180] }
  expect(toCell(KEY, merged, { networkMs: 160 }).repetitionP95Ms).toEqual([170, null, 180])
})

test('a cell of a peer says who did what', () => {
  const operation = {
    op: 'transaction',
    origin: 'us-east',
    home: 'eu-west',
    durability: 'fsync on a majority',
    networkMs: 160,
  }
  const { encoded: _1, durationMs: _2, callsMade: _3, stalenessP95Ms: _4, ...found } = LOOP
  expect(toPeerCell({ name: 'etcd', version: '3.4.23' }, operation, LOOP)).toEqual({
    peer: 'etcd',
    version: '3.4.23',
    ...operation,
    ...found,
    repetitionP95Ms: [],
  })
})
