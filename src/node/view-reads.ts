/** What the read path needs of the materialized views: their rows, and how far they are. */
import { MeridianError } from '../core/errors.ts'
import { StatementFailed, type Statement } from '../core/ports/store.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import type { CompiledView } from '../schema/compiled.ts'

/** Views of one region. */
export interface ViewReads {
  /**
   * Reads rows of a view in the order of `viewColumns`; `prefix` holds leading group values.
   *
   * @throws MeridianError what stopped the view
   */
  select(
    view: CompiledView,
    tenant: string,
    prefix: readonly SqlValue[],
    limit: number,
    nowMs: number,
  ): Statement
  /** The rows of a `select`. */
  rows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[]
  /**
   * Resolves once these views have applied the store's changes up to `seq`, and hold nothing that
   * has expired at their instant.
   *
   * @throws MeridianError `SESSION_NOT_MET` when the time is over, or what stopped a view
   */
  waitApplied(seq: number, timeoutMs: number, reads: readonly ViewInstant[]): Promise<void>
}

/** A view that is read, and the instant at which expiry is judged. */
export interface ViewInstant {
  readonly view: CompiledView
  readonly nowMs: number
}

/** What a failed read of a view means: a sum that its type cannot hold, as `QUERY_FAILED`. */
export function viewError(view: CompiledView, error: unknown): unknown {
  if (!(error instanceof StatementFailed)) return error
  return new MeridianError(
    'QUERY_FAILED',
    `View '${view.name}' cannot be read: ${error.message}.`,
    {
      fix: 'Where a sum is beyond the range of its column, declare the column as bigint(), or group by more columns.',
      details: { view: view.name },
      cause: error,
    },
  )
}
