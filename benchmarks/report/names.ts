/** How cells and figures are called, the same in every form of the report. */
import type { Cell, CellKey, GeneratorReport } from '../measure/cell.ts'
import { levelName } from '../measure/level-name.ts'

/** `us-east → eu-west`, or one region where the call stays in it or has no home. */
export function describeWay({ origin, home }: Pick<CellKey, 'origin' | 'home'>): string {
  return home === null || home === origin ? origin : `${origin} → ${home}`
}

/** `read (session)`; writes have no level. */
export function describeCall({ op, level }: Pick<CellKey, 'op' | 'level'>): string {
  return level === null ? op : `${op} (${levelName(level)})`
}

/** `strong write, us-east → eu-west` */
export function describeCell(cell: CellKey): string {
  return `${cell.mode} ${describeCall(cell)}, ${describeWay(cell)}`
}

/** `200/s` of an open loop, `8 at once` of a closed one. */
export function describeLoad({
  loop,
  rateOpsPerSecond,
  concurrency,
}: Pick<Cell, 'loop' | 'rateOpsPerSecond' | 'concurrency'>): string {
  return loop === 'open' ? `${plainNumber(rateOpsPerSecond)}/s` : `${concurrency} at once`
}

/** Why a quantile is not told; `null` where it is. */
export function whyUnknown(
  valueMs: number | null,
  { generator }: { readonly generator: GeneratorReport },
): 'generator late' | 'n too small' | null {
  if (generator.isLate) return 'generator late'
  return valueMs === null ? 'n too small' : null
}

/** Milliseconds to three figures: `207`, `20.7`, `2.07`, `0.207`. */
export function threeFigures(valueMs: number): string {
  if (valueMs === 0) return '0'
  if (valueMs >= 100) return Math.round(valueMs).toLocaleString('en')
  return valueMs.toFixed(valueMs >= 10 ? 1 : valueMs >= 1 ? 2 : 3)
}

/** A multiple: `1.04 ×`. */
export function times(ratio: number): string {
  return `${ratio.toFixed(ratio >= 10 ? 1 : 2)} ×`
}

/** Bytes as people read them. */
export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`
  return `${(count / 1e6).toFixed(1)} MB`
}

/** A number as short as it is exact enough: `0.3`, `500`, `12,500`. */
export function plainNumber(value: number): string {
  return Number(value.toPrecision(4)).toLocaleString('en', { maximumFractionDigits: 6 })
}

/** What p95 is a multiple of: the physical limit, else the raw engine in the same run; `null`: neither. */
export function overhead(
  cell: Pick<Cell, 'p95Ms' | 'limitMs' | 'p95OverLimit' | 'rawEngineP95Ms'>,
): { readonly ratio: number; readonly of: 'limit' | 'raw engine' } | null {
  if (cell.p95OverLimit !== null) return { ratio: cell.p95OverLimit, of: 'limit' }
  const { p95Ms, rawEngineP95Ms, limitMs } = cell
  if (limitMs !== null || p95Ms === null || rawEngineP95Ms === null || rawEngineP95Ms <= 0)
    return null
  return { ratio: p95Ms / rawEngineP95Ms, of: 'raw engine' }
}

/** How a cell stands against its bounds; `null` where it has none or they cannot be judged. */
export function cellVerdict({ budgets }: Pick<Cell, 'budgets'>): 'holds' | 'misses' | null {
  if (budgets.some(({ holds }) => holds === false)) return 'misses'
  return budgets.length > 0 && budgets.every(({ holds }) => holds === true) ? 'holds' : null
}
