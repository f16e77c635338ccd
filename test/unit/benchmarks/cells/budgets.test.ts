/** Bounds of the budget, and cells held against them. */
import { describe, expect, test } from 'vitest'
import {
  BUDGET_ROWS,
  budgetBounds,
  type BudgetFacts,
  type BudgetName,
} from '../../../../benchmarks/cells/budgets.ts'
import type { CellKey } from '../../../../benchmarks/measure/cell.ts'
import type { LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { toCell } from '../../../../benchmarks/measure/to-cell.ts'

const KEY: CellKey = { op: 'write', mode: 'strong', origin: 'a', home: 'b', level: null }
const NO_RAW = { networkMs: 160, rawEngineP95Ms: null }

function loopOf(quantiles: Partial<Pick<LoopResult, 'p50Ms' | 'p95Ms' | 'p99Ms'>>): LoopResult {
  return {
    ...{ loop: 'open', rateOpsPerSecond: 50, concurrency: 1 },
    ...{ attempted: 1000, succeeded: 1000, failed: 0, retried: 0, errors: {}, levels: {} },
    ...{ n: 1000, p50Ms: null, p95Ms: null, p99Ms: null, p999Ms: null, ...quantiles },
    ...{
      generator: { lateP95Ms: 0, lateP50Ms: 0, isLate: false },
      stalenessP95Ms: null,
      durationMs: 1,
    },
    encoded: '',
  }
}

/** Whether each bound of a row holds for these quantiles. */
function holds(
  name: BudgetName,
  facts: BudgetFacts,
  quantiles: Parameters<typeof loopOf>[0],
): readonly (boolean | null)[] {
  const budgets = budgetBounds(name, facts)
  const cell = toCell(KEY, loopOf(quantiles), { networkMs: facts.networkMs, budgets })
  return cell.budgets.map((budget) => budget.holds)
}

describe('the bounds', () => {
  test.each<[BudgetName, BudgetFacts, [string, number][]]>([
    ['point-read-in-process', { networkMs: 0, rawEngineP95Ms: 0.1 }, [['p95', 0.13]]],
    [
      'point-read-in-process',
      { networkMs: 0, rawEngineP95Ms: 0.2, rawEngineP50Ms: 0.1 },
      [
        ['p95', 0.26],
        ['p50', 0.13],
      ],
    ],
    [
      'point-read-through-node',
      { networkMs: 0, rawEngineP95Ms: 0.5 },
      [
        ['p95', 0.65],
        ['p95', 1],
      ],
    ],
    ['pinned-write-at-home', { networkMs: 0, rawEngineP95Ms: 4 }, [['p95', 6]]],
    ['pinned-write-remote', { networkMs: 80, rawEngineP95Ms: null }, [['p95', 89]]],
    ['strong-write', { networkMs: 160, rawEngineP95Ms: null }, [['p95', 176]]],
    ['strong-write', { networkMs: 80, rawEngineP95Ms: null }, [['p95', 88]]],
    ['strong-read-index', { networkMs: 200, rawEngineP95Ms: 1 }, [['p95', 220]]],
    [
      'eventual-write',
      NO_RAW,
      [
        ['p50', 1],
        ['p99', 8],
      ],
    ],
    [
      'eventual-convergence',
      { networkMs: 40, rawEngineP95Ms: null },
      [
        ['p50', 48],
        ['p95', 60],
      ],
    ],
    ['publish', { networkMs: 0, rawEngineP95Ms: null }, [['p95', 15]]],
    ['view-local', { networkMs: 0, rawEngineP95Ms: null }, [['p95', 25]]],
    ['view-remote', { networkMs: 95, rawEngineP95Ms: null }, [['p95', 135]]],
  ])('%s', (name, facts, expected) => {
    const bounds = budgetBounds(name, facts)
    expect(bounds.map(({ quantile }) => quantile)).toEqual(expected.map(([quantile]) => quantile))
    for (const [i, [, boundMs]] of expected.entries()) {
      expect(bounds[i]?.boundMs).toBeCloseTo(boundMs, 9)
    }
  })

  test('say what they are made of', () => {
    const text = (name: BudgetName, facts: BudgetFacts): string | undefined =>
      budgetBounds(name, facts)[0]?.text
    const both = { networkMs: 0, rawEngineP95Ms: 9, rawEngineP50Ms: 0.5 }
    const [, median] = budgetBounds('point-read-through-node', both)
    expect(median?.text).toBe("p50 <= 1.3 x the raw engine's p50 of 0.5 ms")
    expect(text('strong-write', NO_RAW)).toBe('<= 1.1 x 160 ms')
    expect(text('pinned-write-remote', NO_RAW)).toBe('<= 1.05 x 160 ms + 5 ms')
    expect(text('view-remote', NO_RAW)).toBe('<= one way 160 ms + 40 ms')
    const raw = { networkMs: 0, rawEngineP95Ms: 0.04123 }
    expect(text('point-read-in-process', raw)).toBe("<= 1.3 x the raw engine's 0.0412 ms")
  })

  test('multiples of a raw engine that was not there do not exist', () => {
    expect(budgetBounds('point-read-in-process', NO_RAW)).toEqual([])
    expect(budgetBounds('pinned-write-at-home', NO_RAW)).toEqual([])
    expect(budgetBounds('point-read-through-node', NO_RAW)).toHaveLength(1)
  })

  test('rows that no cell measures have none', () => {
    for (const { name, measuredBy } of BUDGET_ROWS) {
      const bounds = budgetBounds(name, { networkMs: 1, rawEngineP95Ms: 1 })
      expect(bounds.length > 0).toBe(measuredBy === 'cells')
    }
  })
})

describe('a cell', () => {
  test('holds at its bound and breaks just above it', () => {
    expect(holds('strong-write', NO_RAW, { p95Ms: 1.1 * 160 })).toEqual([true])
    expect(holds('strong-write', NO_RAW, { p95Ms: 1.1 * 160 + 0.001 })).toEqual([false])
    expect(holds('publish', NO_RAW, { p95Ms: 15 })).toEqual([true])
    expect(holds('publish', NO_RAW, { p95Ms: 15.001 })).toEqual([false])
  })

  test('is judged by the quantile that its bound names, each by itself', () => {
    expect(holds('eventual-write', NO_RAW, { p50Ms: 1.001, p99Ms: 8 })).toEqual([false, true])
    expect(holds('eventual-write', NO_RAW, { p50Ms: 1, p95Ms: 99, p99Ms: 8.001 })).toEqual([
      true,
      false,
    ])
  })

  test('is not judged where its quantile is not known', () => {
    expect(holds('eventual-write', NO_RAW, { p50Ms: 0.5 })).toEqual([true, null])
  })
})
