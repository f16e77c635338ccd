/** How much of a bound a figure uses. */
import { plainNumber, threeFigures } from '../names.ts'
import type { BudgetMeasure, BudgetRow, BudgetVerdict } from './budget-rows.ts'

/** Below 1 the bound holds, whichever way it points; `null`: not known. */
export function shareOfBound({ measured, bound, boundIs }: BudgetMeasure): number | null {
  if (measured === null || measured <= 0 || bound <= 0) return null
  return boundIs === 'most' ? measured / bound : bound / measured
}

/** The figure that uses most of its bound; one that is not known where none is. */
export function worstMeasure(measures: readonly BudgetMeasure[]): BudgetMeasure | undefined {
  return measures.toSorted((a, b) => (shareOfBound(b) ?? -1) - (shareOfBound(a) ?? -1))[0]
}

/** `p95 170 of 176 ms`, `121,000 of 100,000 changes/s`. */
export function measureText({ quantile, measured, bound, unit }: BudgetMeasure): string {
  const number = unit === 'ms' ? threeFigures : plainNumber
  const figure = measured === null ? 'not known' : number(measured)
  // A bound that is missed by a hair must not look as if it were met.
  const isHair = measured !== null && measured !== bound && figure === number(bound)
  const [of, to] = isHair ? [exactly(measured), exactly(bound)] : [figure, number(bound)]
  return `${quantile === null ? '' : `${quantile} `}${of} of ${to} ${unit}`
}

function exactly(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 6 })
}

/** How many rows stand how. */
export function countVerdicts(rows: readonly BudgetRow[]): Readonly<Record<BudgetVerdict, number>> {
  const counts = { holds: 0, misses: 0, 'not measured': 0, 'not built': 0 }
  for (const { verdict } of rows) counts[verdict] += 1
  return counts
}
