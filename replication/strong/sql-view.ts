/**
 * The SQL of a batch's transactions, run on the store as it is before the batch. What the batch did
 * is not in it: a batch begins with the record whose first transaction reads SQL
 * (`StateMachine.beginsBatch`), so nothing of it is ahead of that one.
 */
import { MeridianError } from '../../src/core/errors.ts'
import { MAX_GUARD_QUERIES } from '../../src/core/limits.ts'
import { isSqlGuard, type ReadCheck, type SqlGuard } from '../../src/core/operations.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import {
  guardedStatement,
  type GuardedStatement,
  type GuardScope,
} from '../../src/sql/guarded/guarded-query.ts'
import { resultDigest } from '../../src/sql/guarded/result-digest.ts'
import { Refused } from './refused.ts'
import type { QueryOutcome } from './state-machine.ts'

/** A statement, and what it gave once it was run. */
interface WantedSql {
  readonly prepared: GuardedStatement
  outcome: QueryOutcome | undefined
}

export class SqlView {
  readonly #schema: CompiledSchema
  readonly #group: string
  readonly #wanted = new Map<SqlGuard, WantedSql | Refused>()
  #running: WantedSql[] = []

  constructor(schema: CompiledSchema, group: string) {
    this.#schema = schema
    this.#group = group
  }

  /** The SQL of a transaction is to be run at an instant of the log. */
  announce(reads: readonly ReadCheck[], tenant: string, nowMs: number): void {
    const guards = reads.filter(isSqlGuard)
    if (guards.length > MAX_GUARD_QUERIES) return
    const scope = { schema: this.#schema, tenant, nowMs }
    for (const guard of guards) this.#wanted.set(guard, this.#prepare(scope, guard))
  }

  /** The statements to run, each by itself: one that fails is not to take others with it. */
  takeQueries(): Statement[] {
    this.#running = [...this.#wanted.values()].filter(
      (wanted): wanted is WantedSql => !(wanted instanceof Refused) && wanted.outcome === undefined,
    )
    return this.#running.map(({ prepared }) => prepared.statement)
  }

  /** Takes what the last `takeQueries` gave. */
  loadQueries(outcomes: readonly QueryOutcome[]): void {
    this.#running.forEach((wanted, i) => {
      wanted.outcome = outcomes[i]
    })
    this.#running = []
  }

  /**
   * Whether the statement gives something else than the transaction saw.
   *
   * @throws Refused `QUERY_REFUSED`, `QUERY_FAILED`, `SCHEMA_INCOMPATIBLE`, `INVALID_ARGUMENT` where
   * it is none that may run
   */
  isStale(guard: SqlGuard): boolean {
    const wanted = this.#wanted.get(guard)
    if (wanted === undefined) throw new Refused('INVALID_ARGUMENT', { table: guard.table })
    if (wanted instanceof Refused) throw wanted
    const { outcome, prepared } = wanted
    if (outcome === undefined || outcome === 'failed') {
      throw new Refused('QUERY_FAILED', { table: guard.table })
    }
    if (outcome === 'too-large') return true
    // What was seen was within the bounds, so what is not is something else.
    return resultDigest(outcome.rows, prepared.isOrdered) !== guard.digest
  }

  #prepare(scope: GuardScope, guard: SqlGuard): WantedSql | Refused {
    try {
      return { prepared: prepareGuard(scope, this.#group, guard), outcome: undefined }
    } catch (error) {
      const code = error instanceof MeridianError ? error.code : 'INVALID_ARGUMENT'
      return new Refused(code, { table: guard.table })
    }
  }
}

/**
 * Checks a guard as every region will.
 *
 * @throws MeridianError as `guardedStatement`, and `SCHEMA_INCOMPATIBLE` for tables of another group
 */
export function prepareGuard(scope: GuardScope, group: string, guard: SqlGuard): GuardedStatement {
  const { schema } = scope
  if (guard.tables[0]?.id !== guard.table) {
    throw new MeridianError('INVALID_ARGUMENT', 'A statement does not name its first table.')
  }
  const stranger = guard.tables.find(({ id }) => schema.tableById.get(id)?.logGroup !== group)
  if (stranger !== undefined) {
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `Table ${stranger.id} is not in the log group '${group}'.`,
    )
  }
  return guardedStatement(scope, guard)
}
