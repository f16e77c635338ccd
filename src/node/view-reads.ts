/** What the read path needs of the materialized views: their rows, and how far they are. */
import type { Statement } from '../core/ports/store.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import type { CompiledView } from '../schema/compiled.ts'

/** Views of one region. */
export interface ViewReads {
  /** Reads rows of a view in the order of `viewColumns`; `prefix` holds leading group values. */
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
   * Resolves once every view has applied the store's changes up to `seq`.
   *
   * @throws MeridianError `SESSION_NOT_MET` when the time is over
   */
  waitApplied(seq: number, timeoutMs: number): Promise<void>
}
