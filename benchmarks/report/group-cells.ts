/** Cells in the order and the groups in which all forms of the report show them. */
import type { Cell, CellMode } from '../measure/cell.ts'
import type { Rungs } from './charts/ladder.ts'
import { describeCall, describeLoad } from './names.ts'

/** The same call, made from and to several regions in the same way. */
export interface CallGroup {
  readonly mode: CellMode
  /** The call, with its level. */
  readonly call: string
  /** How it was made; `null` where cells differ in it. */
  readonly load: string | null
  /** Whether the network alone takes time. */
  readonly crosses: boolean
  readonly cells: readonly Cell[]
}

const MODES: readonly CellMode[] = ['strong', 'pinned', 'eventual']

/** Groups by mode, call, load and whether they cross regions, in the order in which they came. */
export function groupCells(cells: readonly Cell[]): readonly CallGroup[] {
  const groups = new Map<string, Cell[]>()
  for (const cell of cells) {
    const load = cell.loop === 'open' ? describeLoad(cell) : `${cell.concurrency} at once`
    const key = JSON.stringify([cell.mode, describeCall(cell), load, cell.networkMs > 0])
    groups.set(key, [...(groups.get(key) ?? []), cell])
  }
  return [...groups.values()]
    .flatMap((group) => toGroup(group) ?? [])
    .toSorted((a, b) => MODES.indexOf(a.mode) - MODES.indexOf(b.mode))
}

function toGroup(cells: readonly Cell[]): CallGroup | undefined {
  const [first] = cells
  if (first === undefined) return undefined
  const loads = new Set(cells.map(describeLoad))
  return {
    mode: first.mode,
    call: describeCall(first),
    load: loads.size === 1 ? describeLoad(first) : null,
    crosses: first.networkMs > 0,
    cells,
  }
}

/** What a cell's line shows. */
export function rungsOf(cell: Cell): Rungs {
  const { p50Ms, p95Ms, p99Ms, limitMs, rawEngineP95Ms } = cell
  const boundMs = cell.budgets.find(({ quantile }) => quantile === 'p95')?.boundMs ?? null
  return { p50Ms, p95Ms, p99Ms, limitMs, rawMs: rawEngineP95Ms, boundMs }
}
