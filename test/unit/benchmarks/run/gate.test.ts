import { expect, test } from 'vitest'
import type { Cell, PeerCell } from '../../../../benchmarks/measure/cell.ts'
import { judgeGate } from '../../../../benchmarks/run/gate.ts'
import { readThresholds, type Bound } from '../../../../benchmarks/run/thresholds.ts'

const LOAD = { loop: 'open', rateOpsPerSecond: 50, concurrency: 9 } as const
const COUNTS = {
  ...{ attempted: 500, succeeded: 500, failed: 0, retried: 0, errors: {}, levels: {} },
  ...{ n: 500, p99Ms: null, p999Ms: null, repetitionP95Ms: [] },
}

function cell(changes: Partial<Cell> = {}): Cell {
  return {
    ...{ op: 'write', mode: 'strong', origin: 'us', home: 'eu', level: null },
    ...LOAD,
    ...COUNTS,
    ...{ p50Ms: 170, p95Ms: 180, networkMs: 160, limitMs: 160, rawEngineP95Ms: null },
    ...{ p95OverLimit: 1.1, stalenessP95Ms: null, crossRegionBytesPerOp: null },
    ...{ cpuMsPerOp: null, budgets: [], generator: { lateP95Ms: 1, lateP50Ms: 1, isLate: false } },
    ...changes,
  }
}

const PEER: PeerCell = {
  ...{ peer: 'libsql', version: '1', op: 'transaction', origin: 'eu', home: 'eu' },
  ...LOAD,
  ...COUNTS,
  ...{ durability: 'fsync', p50Ms: 4, p95Ms: 9, networkMs: 0 },
  generator: { lateP95Ms: null, lateP50Ms: null, isLate: false },
}

const BOUND: Bound = {
  ...{ op: 'write', mode: 'strong', origin: 'us', home: 'eu', level: null, quantile: 'p50' },
  over: { peer: 'libsql', op: 'transaction', quantile: 'p50' },
  ...{ atMost: 3, comment: 'no further wait' },
}

const judge = (cells: readonly Cell[], peers: readonly PeerCell[] = [PEER], bound = BOUND) =>
  judgeGate(
    { cells, peers },
    { comment: '', topology: 'triangle', engines: 'embedded', bounds: [bound] },
  )

test('what a call takes beyond its limit is held against the raw engine, its lateness left out', () => {
  // (170 - 160 - 1) / 4 = 2.25
  expect(judge([cell()])).toEqual([])
  expect(judge([cell({ p50Ms: 172 })])).toEqual([])
  const [breach] = judge([cell({ p50Ms: 190 })])
  expect(breach).toMatchObject({ problem: 'broken', ratio: 7.25 })
  expect(breach?.text).toContain('strong write, us → eu: p50 is 29.0 ms beyond the limit of 160 ms')
  expect(breach?.text).toContain('7.25 x the 4.00 ms of libsql, transaction (p50)')
  expect(breach?.text).toContain('the bound is 3 x, exceeded by 142 %')
})

test('a machine that is slow for everybody moves both sides', () => {
  const slow = cell({ p50Ms: 260, generator: { lateP95Ms: 60, lateP50Ms: 60, isLate: false } })
  expect(judge([slow], [{ ...PEER, p50Ms: 40 }])).toEqual([])
})

test('without a limit between regions the whole latency counts', () => {
  const atHome = cell({ origin: 'eu', limitMs: null, p50Ms: 20 })
  expect(judge([atHome], [PEER], { ...BOUND, origin: 'eu' })).toMatchObject([
    { problem: 'broken', ratio: 4.75 },
  ])
})

test('a cell that is missing breaks the gate, whatever others there are', () => {
  const others = [
    cell({ origin: 'ap' }),
    cell({ mode: 'pinned' }),
    cell({ op: 'read' }),
    cell({ home: null }),
    cell({ level: 'strong' }),
  ]
  expect(judge(others)).toMatchObject([
    { problem: 'missing', text: 'strong write, us → eu was not measured.' },
  ])
})

test('a figure that is not known breaks the gate', () => {
  expect(judge([cell({ p50Ms: null, n: 3 })])[0]?.text).toContain('n = 3 is too small')
  const late = cell({ generator: { lateP95Ms: 90, lateP50Ms: 90, isLate: true } })
  expect(judge([late])[0]?.text).toContain('the generator was late')
  expect(judge([cell()], [])).toMatchObject([{ problem: 'unknown' }])
  expect(judge([cell()], [{ ...PEER, p50Ms: null }])).toMatchObject([{ problem: 'unknown' }])
})

test('the committed bounds can be read, and each says what it protects', () => {
  const { bounds } = readThresholds()
  const cells = bounds.map(({ op, mode, origin, home, level }) =>
    [op, mode, origin, home, level].join(' '),
  )
  expect(new Set(cells).size).toBe(cells.length)
  for (const mode of ['strong', 'pinned', 'eventual'] as const) {
    expect(bounds.filter((bound) => bound.op === 'write' && bound.mode === mode)).toHaveLength(3)
  }
})
