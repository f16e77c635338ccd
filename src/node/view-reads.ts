/** What the read path needs of the materialized views: their rows, and how far they are. */
import type { ViewMaintainer } from '../../cdc/views/maintainer.ts'
import { MeridianError } from '../core/errors.ts'
import { StatementFailed } from '../core/ports/store.ts'
import type { CompiledView } from '../schema/compiled.ts'

/** Views of one region. */
export type ViewReads = Pick<ViewMaintainer, 'select' | 'rows' | 'waitApplied'>

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
