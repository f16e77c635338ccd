/**
 * A view's program: how it follows the changes of its source. Pure: it says which rows it needs to
 * know and what to write; the maintainer reads and commits.
 */
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { RowDelta } from './row-deltas.ts'

/** What a program is asked to take in. */
export interface ViewStep {
  readonly deltas: readonly RowDelta[]
  /** Where the view is before the step. */
  readonly from: number
  /** The view's instant after the step. */
  readonly nowMs: number
  /** Whether rows that the view holds have expired by then. The step takes a part of them out. */
  readonly hasExpired: boolean
}

/** How a step is done. */
export interface ViewPlan {
  /** What must be known, read before anything of the step is written. */
  readonly reads: readonly Statement[]
  /** What the step writes, given the results of `reads`. */
  write(results: readonly StatementResult[]): readonly Statement[]
}

/** SQL with arguments. */
export interface ViewSql {
  readonly sql: string
  readonly args: readonly SqlValue[]
}

/** Which rows of a view are read. */
export interface ViewSelection {
  readonly tenant: string
  /** Values of the leading group columns. */
  readonly prefix: readonly SqlValue[]
  readonly nowMs: number
  /** Rows at most; null: all. */
  readonly limit: number | null
}

export interface ViewProgram {
  readonly view: CompiledView
  /** Creates the view's tables and the indexes that it needs on its source. */
  readonly create: readonly string[]
  /** When the next row expires, in ms, as one row with one value; NULL: none does. */
  readonly nextExpiry: Statement | null
  /** `undefined`: the step writes nothing of this view. */
  plan(step: ViewStep): ViewPlan | undefined
  /** Selects the columns of `viewColumns`; each is `v.<column>`. */
  select(selection: ViewSelection): ViewSql
}

/** Rows that one step takes out at most because they have expired. */
export const MAX_EXPIRED_ROWS = 1000
