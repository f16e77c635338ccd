/** The statements of a record's changes. Neighbours of one kind and table share a statement. */
import type { Cause } from '../../src/core/change.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import { setCause } from '../../src/schema/system-tables.ts'
import { keyOf } from '../../src/sql/select.ts'
import { deleteRows, insertRows, upsertRows, type RowWrite } from '../../src/sql/write-rows.ts'
import type { RowChange } from './row-view.ts'

/**
 * The changes as statements, in an order that no constraint sees violated: that of evaluation.
 * The context's cause is `user` before and after.
 */
export function writeChanges(changes: readonly RowChange[]): Statement[] {
  const statements: Statement[] = []
  let cause: Cause = 'user'
  for (const run of runsOf(changes)) {
    const first = run[0] as RowChange
    if (first.cause !== cause) statements.push(setCause(first.cause))
    cause = first.cause
    statements.push(writeRun(first, run))
  }
  if (cause !== 'user') statements.push(setCause('user'))
  return statements
}

function writeRun(first: RowChange, run: readonly RowChange[]): Statement {
  switch (first.kind) {
    case 'insert':
      return insertRows(first.table, run.map(rowWrite))
    case 'update':
      return upsertRows(first.table, run.map(rowWrite))
    case 'delete':
      return deleteRows(
        first.table,
        run.map(({ table, row }) => ({ tenant: row.tenant, key: keyOf(table, row.image) })),
      )
  }
}

function rowWrite({ row }: RowChange): RowWrite {
  return { tenant: row.tenant, image: row.image, version: row.version, epoch: 0 }
}

function runsOf(changes: readonly RowChange[]): RowChange[][] {
  const runs: RowChange[][] = []
  for (const change of changes) {
    const run = runs.at(-1)
    const last = run?.[0]
    if (
      run !== undefined &&
      last?.table === change.table &&
      last.kind === change.kind &&
      last.cause === change.cause
    ) {
      run.push(change)
    } else {
      runs.push([change])
    }
  }
  return runs
}
