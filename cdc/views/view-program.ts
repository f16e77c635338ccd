/**
 * A view's program: how it follows the changes of its source. Pure: it says which rows of its own
 * it needs and what to write; the maintainer reads and commits.
 */
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { RowDelta } from './row-deltas.ts'

/** What a program is asked to take in. */
export interface ViewStep {
  readonly deltas: readonly RowDelta[]
  /** The view's instant after the step: rows that have expired by then leave it. */
  readonly nowMs: number
}

/** SQL with arguments. */
export interface ViewSql {
  readonly sql: string
  readonly args: readonly SqlValue[]
}

export interface ViewProgram {
  readonly view: CompiledView
  /** Creates the view's tables and the indexes that it needs on its source. */
  readonly create: readonly string[]
  /** What the step needs to know, read before anything of it is written. */
  reads(step: ViewStep): readonly Statement[]
  /** What the step writes, given the results of `reads`. */
  writes(step: ViewStep, results: readonly StatementResult[]): readonly Statement[]
  /** When the next row expires, in ms, as one row with one value; NULL: none does. */
  readonly nextExpiry: Statement | null
  /** Selects public columns from the view, with `WHERE` conditions and order. */
  select(tenant: string, prefix: readonly SqlValue[], nowMs: number): ViewSql
}
