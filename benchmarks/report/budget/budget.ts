/** Which figures of a run each row of the performance budget is judged by. */
import type { BudgetName } from '../../cells/budgets.ts'
import type { Cell, GrowthPoint } from '../../measure/cell.ts'
import type { EnginesKind } from '../../target/target.ts'

/** The figures of one row. */
export interface BudgetFigures {
  /** The cells whose bounds are this row's. */
  readonly cell?: (cell: Cell) => boolean
  /** The only kind of deployment that the row is about; either when left out. */
  readonly engines?: EnginesKind
  /** A least rate, among the points of growth. */
  readonly rate?: LeastRate
}

/** A rate that must be reached. */
export interface LeastRate {
  readonly text: string
  readonly least: number
  readonly matches: (point: GrowthPoint) => boolean
}

const COLUMN_CHANGES: LeastRate = {
  text: '>= 100,000 column changes/s a core',
  least: 100_000,
  matches: ({ series, yUnit }) => /crdt merge/i.test(series) && yUnit.endsWith('/s'),
}

const VIEW_CHANGES: LeastRate = {
  text: '>= 20,000 changes/s',
  least: 20_000,
  matches: ({ series, yUnit }) => /view maintenance/i.test(series) && yUnit.endsWith('/s'),
}

/** The figures of every row; none for what is not built. */
export const FIGURES: Readonly<Record<BudgetName, BudgetFigures>> = {
  'point-read-in-process': { cell: ({ op }) => op === 'point-read-in-process' },
  'point-read-through-node': { cell: ({ op }) => op === 'point-read-through-node' },
  'pinned-write-at-home': { cell: (cell) => isWrite(cell, 'pinned') && isAtHome(cell) },
  'pinned-write-remote': { cell: (cell) => isWrite(cell, 'pinned') && !isAtHome(cell) },
  'strong-write': { cell: (cell) => isWrite(cell, 'strong') },
  'strong-read-index': { cell: ({ mode, op }) => mode === 'strong' && op.startsWith('read') },
  'local-strong-read': {},
  'strong-write-local-reads': {},
  'eventual-write': { cell: (cell) => isWrite(cell, 'eventual') },
  'eventual-convergence': { cell: ({ op }) => op.startsWith('converge') },
  publish: { engines: 'real', cell: ({ op }) => op.startsWith('publish') },
  'view-local': { cell: (cell) => isView(cell) && isAtHome(cell) },
  'view-remote': { cell: (cell) => isView(cell) && !isAtHome(cell) },
  'crdt-merge': { rate: COLUMN_CHANGES },
  'view-maintenance': { rate: VIEW_CHANGES },
}

function isAtHome({ origin, home }: Cell): boolean {
  return home === null || origin === home
}

function isWrite({ mode, op }: Cell, wanted: Cell['mode']): boolean {
  return mode === wanted && op.startsWith('write')
}

function isView({ op }: Cell): boolean {
  return op.startsWith('view')
}
