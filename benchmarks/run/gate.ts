/** The regression gate: judges measured cells against committed ratios. */
import type { Cell, PeerCell } from '../measure/cell.ts'
import { describeCell, threeFigures } from '../report/names.ts'
import type { Bound, Thresholds } from './thresholds.ts'

/** A bound that does not hold. */
export interface Breach {
  readonly bound: Bound
  /**
   * `broken`: the ratio is over the bound. `unknown`: the cell has no such figure, or nothing to
   * divide it by. `missing`: there is no such cell.
   */
  readonly problem: 'broken' | 'unknown' | 'missing'
  /** `null` where there is none. */
  readonly ratio: number | null
  /** The cell, the figure, the bound, and by how much it is broken. */
  readonly text: string
}

/** What is judged. */
export interface Judged {
  readonly cells: readonly Cell[]
  readonly peers: readonly PeerCell[]
}

/** Every bound that does not hold; none: the gate is open. */
export function judgeGate(measured: Judged, { bounds }: Thresholds): readonly Breach[] {
  return bounds.flatMap((bound) => judge(measured, bound) ?? [])
}

/** Whether a cell is the one that a bound is on. */
export function isCellOf(bound: Bound, cell: Cell): boolean {
  return (
    cell.op === bound.op &&
    cell.mode === bound.mode &&
    cell.origin === bound.origin &&
    cell.home === bound.home &&
    cell.level === bound.level
  )
}

function judge({ cells, peers }: Judged, bound: Bound): Breach | undefined {
  const cell = cells.find((one) => isCellOf(bound, one))
  if (cell === undefined) {
    return { bound, problem: 'missing', ratio: null, text: `${nameOf(bound)} was not measured.` }
  }
  const { quantile, over, atMost } = bound
  const unknown = (reason: string): Breach => ({
    ...{ bound, problem: 'unknown', ratio: null },
    text: `${describeCell(cell)}: ${quantile} cannot be judged: ${reason}.`,
  })
  const valueMs = cell[`${quantile}Ms`]
  if (cell.generator.isLate) return unknown('the generator was late')
  if (valueMs === null) return unknown(`n = ${cell.n} is too small`)
  const raw = peers.find(({ peer, op }) => peer === over.peer && op === over.op)
  const rawMs = raw?.[`${over.quantile}Ms`] ?? null
  const rawName = `${over.peer}, ${over.op} (${over.quantile})`
  if (rawMs === null) return unknown(`there is no figure of ${rawName} in this run`)
  // Where the caller shares its thread with the system, calls begin late; that is no slower path.
  const lateMs = cell.generator.lateP50Ms ?? (cell.loop === 'closed' ? 0 : null)
  if (lateMs === null) return unknown(`n = ${cell.n} is too small to know how late calls began`)
  const ownMs = valueMs - (cell.limitMs ?? 0) - lateMs
  const ratio = ownMs / rawMs
  if (ratio <= atMost) return undefined
  const ofWhat =
    cell.limitMs === null ? '' : ` beyond the limit of ${threeFigures(cell.limitMs)} ms`
  const late = lateMs === 0 ? '' : `, the ${threeFigures(lateMs)} ms that calls began late left out`
  const text =
    `${describeCell(cell)}: ${quantile} is ${threeFigures(ownMs)} ms${ofWhat}, ` +
    `${ratio.toFixed(2)} x the ${threeFigures(rawMs)} ms of ${rawName}${late}; the bound is ` +
    `${atMost} x, exceeded by ${Math.round((ratio / atMost - 1) * 100)} %.`
  return { bound, problem: 'broken', ratio, text }
}

function nameOf({ mode, op, level, origin, home }: Bound): string {
  const call = level === null ? op : `${op} (${level})`
  return `${mode} ${call}, ${origin}${home === null || home === origin ? '' : ` → ${home}`}`
}
