/** SQL within a strong transaction: what it may read, and the guard that goes with the commit. */
import { MeridianError } from '../core/errors.ts'
import { MAX_GUARD_QUERIES } from '../core/limits.ts'
import { isSqlGuard, type ReadCheck, type SqlGuard, type WriteOp } from '../core/operations.ts'
import type { Consistency } from '../schema/compiled.ts'
import type { Receipted } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext } from './context.ts'
import { runGuardedQuery } from './queries.ts'
import type { Sealing } from './sealing.ts'
import type { Row } from './table-operations.ts'
import type { Compilable } from './types.ts'

/** The transaction that asks. */
interface QueryingTransaction {
  readonly context: ClientContext
  readonly sealing: Sealing
  readonly tenant: string
  readonly mode: Consistency
  readonly call: CallContext
  readonly reads: readonly ReadCheck[]
  readonly ops: readonly WriteOp[]
}

/** The rows of a statement, and what its commit compares. */
interface QueriedRows {
  readonly rows: readonly Row[]
  readonly guard: SqlGuard
}

/**
 * Runs SQL on what this region has applied of the log.
 *
 * @throws MeridianError `MODE_MISMATCH`, `TRANSACTION_TOO_LARGE`, `QUERY_REFUSED` (`details.kind` says
 * what of it), `QUERY_FAILED`, `RESULT_TOO_LARGE`
 */
export async function queryWithin(
  transaction: QueryingTransaction,
  build: (q: never) => Compilable<unknown>,
): Promise<Receipted<QueriedRows>> {
  const { context, sealing, tenant, mode, call, reads, ops } = transaction
  if (mode !== 'strong') throw queryRefused(mode)
  if (reads.filter(isSqlGuard).length >= MAX_GUARD_QUERIES) throw tooManyQueries()
  // What is written while the answer is on its way was written after the query.
  const written = new Set(ops.map(({ table }) => table))
  const { value, receipt } = await runGuardedQuery(context, sealing, tenant, build, call)
  const own = value.guard.tables.find(({ id }) => written.has(id))
  if (own !== undefined) throw ownWrites(own.name)
  return { value, receipt }
}

function queryRefused(mode: Consistency): MeridianError {
  return new MeridianError('MODE_MISMATCH', `A ${mode} transaction cannot query.`, {
    fix:
      'Query before the transaction, and read in it by key what it depends on; or keep the rows in ' +
      'a strong table.',
  })
}

function tooManyQueries(): MeridianError {
  return new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `A transaction makes at most ${MAX_GUARD_QUERIES} queries.`,
    { fix: 'Every region runs them again: ask for more in one.' },
  )
}

/** SQL sees the store, which does not have the transaction's own writes. */
function ownWrites(table: string): MeridianError {
  const kind = `the table ${table}, which the transaction has written`
  return new MeridianError('QUERY_REFUSED', `The query has ${kind}.`, {
    fix: 'Query before the first write to it, or use `list`, which has them.',
    details: { kind, table },
  })
}
