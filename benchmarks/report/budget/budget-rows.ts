/** The performance budget, row by row, held against what a run measured. */
import { BUDGET_ROWS, type BudgetName } from '../../cells/budgets.ts'
import type { Cell, CellBudget, GrowthPoint } from '../../measure/cell.ts'
import type { EnginesKind } from '../../target/target.ts'
import { describeCell } from '../names.ts'
import { FIGURES, type BudgetFigures } from './budget.ts'

/** How a row stands. */
export type BudgetVerdict = 'holds' | 'misses' | 'not measured' | 'not built'

/** One figure that a row is judged by. */
export interface BudgetMeasure {
  /** The cell or series that it is of, in words. */
  readonly of: string
  /** Its place among the result's cells; `null` where it is no cell. */
  readonly cell: number | null
  /** The bound in words. */
  readonly text: string
  /** `null` where the figure is no quantile. */
  readonly quantile: CellBudget['quantile'] | null
  readonly unit: string
  /** `null`: too few calls, or withheld because the generator was late. */
  readonly measured: number | null
  readonly bound: number
  /** Whether the bound is the most or the least that is allowed. */
  readonly boundIs: 'most' | 'least'
  readonly holds: boolean | null
}

/** A row of the budget. */
export interface BudgetRow {
  readonly name: BudgetName
  /** The path that it is about, in words. */
  readonly path: string
  /** Physics or the raw engine, in words. */
  readonly limit: string
  /** The bound, in words. */
  readonly bound: string
  readonly verdict: BudgetVerdict
  /** Why there is no verdict; `null` where there is one. */
  readonly reason: string | null
  readonly measures: readonly BudgetMeasure[]
}

/** What rows are judged by. */
export interface BudgetInput {
  readonly engines: EnginesKind
  readonly cells: readonly Cell[]
  readonly growth: readonly GrowthPoint[]
}

/** Every row of the budget, in its order. */
export function budgetRows(input: BudgetInput): readonly BudgetRow[] {
  return BUDGET_ROWS.map(({ name, path, limit, budget, measuredBy }) => {
    const row = { name, path, limit, bound: budget }
    if (measuredBy === 'not built') return { ...row, ...NOT_BUILT }
    const figures = FIGURES[name]
    const measures = [...cellMeasures(figures, input), ...rateMeasures(figures, input.growth)]
    return { ...row, ...verdictOf(measures, figures, input.engines), measures }
  })
}

const NOT_BUILT = {
  verdict: 'not built',
  reason: 'no workload has a table with local strong reads yet',
  measures: [],
} as const

function verdictOf(
  measures: readonly BudgetMeasure[],
  { engines, rate }: BudgetFigures,
  measuredWith: EnginesKind,
): Pick<BudgetRow, 'verdict' | 'reason'> {
  if (measures.some(({ holds }) => holds === false)) return { verdict: 'misses', reason: null }
  const unknown = measures.filter(({ holds }) => holds === null).length
  if (measures.length > 0 && unknown === 0) return { verdict: 'holds', reason: null }
  return { verdict: 'not measured', reason: reasonOf() }

  function reasonOf(): string {
    if (measures.length > 0) return `${unknown} of ${measures.length} figures are not known`
    if (engines !== undefined && engines !== measuredWith) return `only with ${engines} engines`
    return rate === undefined ? 'not part of this run' : 'a benchmark of its own: benchmarks/micro'
  }
}

function cellMeasures(
  { cell: matches, engines }: BudgetFigures,
  input: BudgetInput,
): readonly BudgetMeasure[] {
  if (matches === undefined || (engines !== undefined && engines !== input.engines)) return []
  return input.cells.flatMap((cell, index) =>
    matches(cell) ? cell.budgets.map((budget) => cellMeasure(cell, index, budget)) : [],
  )
}

function cellMeasure(cell: Cell, index: number, budget: CellBudget): BudgetMeasure {
  const { text, quantile, boundMs, holds } = budget
  return {
    ...{ of: describeCell(cell), cell: index, text, quantile, unit: 'ms' },
    ...{ measured: cell[`${quantile}Ms`], bound: boundMs, boundIs: 'most', holds },
  }
}

function rateMeasures(
  { rate }: BudgetFigures,
  growth: readonly GrowthPoint[],
): readonly BudgetMeasure[] {
  if (rate === undefined) return []
  return growth.filter(rate.matches).map((point) => ({
    ...{ of: `${point.series}, ${point.x} ${point.xUnit}`, cell: null, text: rate.text },
    ...{ quantile: null, unit: point.yUnit, measured: point.y, bound: rate.least },
    ...{ boundIs: 'least', holds: point.y >= rate.least },
  }))
}
