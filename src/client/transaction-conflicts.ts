/** What a transaction conflicted over, in the words of its author. */
import { MeridianError } from '../core/errors.ts'
import { MAX_NAMED_CONFLICTS } from '../core/limits.ts'
import { isColumnGuard, isRangeGuard, isSqlGuard, type ReadCheck } from '../core/operations.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import { fromStored } from '../schema/convert.ts'
import type { ListSpec } from './list.ts'

/** A read that was not as it had been; without `key` and `range` only the table is known. */
export interface Conflict {
  readonly table: string
  readonly key?: unknown
  /** Where only these of the row were read. */
  readonly columns?: readonly string[]
  /** As it was asked for; of encrypted columns only that they were. */
  readonly range?: ListSpec
  /** The text of SQL that was read, without its values; `table` is the first that it names. */
  readonly query?: string
  /** Of `query`: which of the transaction's reads it was, from 0. */
  readonly place?: number
}

/** The reads of a transaction with what each was asked as. */
export class ReadSet {
  readonly checks: ReadCheck[] = []
  readonly #schema: CompiledSchema
  readonly #specs = new Map<ReadCheck, ListSpec>()

  constructor(schema: CompiledSchema) {
    this.#schema = schema
  }

  /** Puts a check at a place, for the one that is there; without one behind all. Returns its place. */
  put(check: ReadCheck, place: number = this.checks.length): number {
    this.checks[place] = check
    return place
  }

  /** `spec`: of a range. */
  add(check: ReadCheck, spec?: ListSpec): void {
    this.checks.push(check)
    if (spec !== undefined) this.#specs.set(check, spec)
  }

  /** What an error of this transaction's commit says was in conflict, up to a bound. */
  conflictsOf(error: MeridianError): readonly Conflict[] {
    const { reads, table } = error.details
    const places: readonly unknown[] = Array.isArray(reads) ? reads : []
    const conflicts = places.slice(0, MAX_NAMED_CONFLICTS).flatMap((place) => {
      const check = this.checks[place as number]
      return check === undefined ? [] : [this.#describe(check)]
    })
    if (conflicts.length > 0) return conflicts
    return typeof table === 'string' ? [{ table }] : []
  }

  #describe(check: ReadCheck): Conflict {
    const table = this.#schema.tableById.get(check.table) as CompiledTable
    if (isSqlGuard(check))
      return { table: table.name, query: check.sql, place: this.checks.indexOf(check) }
    if (!isRangeGuard(check)) {
      const read = isColumnGuard(check) ? { columns: columnNames(table, check.columns) } : {}
      return { table: table.name, key: publicKey(table, check.key), ...read }
    }
    return { table: table.name, range: shown(table, this.#specs.get(check) ?? {}) }
  }
}

/** The error of a transaction that conflicted as often as it was allowed to run. */
export function exhausted(
  error: MeridianError,
  attempts: number,
  conflicts: readonly Conflict[],
): MeridianError {
  const tables = [...new Set(conflicts.map(({ table }) => `\`${table}\``))]
  const over = tables.length === 0 ? '' : `, at last over ${tables.join(', ')}`
  const failure = new MeridianError(
    'CONFLICT',
    `The transaction ran ${attempts} ${attempts === 1 ? 'time' : 'times'} and conflicted each time${over}.`,
    {
      fix: 'Run it again later, read less or fewer columns, use operators such as `increment`, or allow more `maxAttempts`.',
      details: { ...error.details, attempts, conflicts },
      cause: error,
    },
  )
  failure.receipt = error.receipt
  return failure
}

function publicKey(table: CompiledTable, key: readonly SqlValue[]): unknown {
  const values = table.primaryKey.map((column, i) => fromStored(column, key[i] ?? null))
  if (values.length === 1) return values[0]
  return Object.fromEntries(table.primaryKey.map(({ name }, i) => [name, values[i]]))
}

function columnNames(table: CompiledTable, places: readonly number[]): string[] {
  const ids = places.map((at) => table.physical[at]?.columnId)
  return table.columns.filter(({ id }) => ids.includes(id)).map(({ name }) => name)
}

/** Errors end up in logs: what an encrypted column was compared with does not belong there. */
function shown(table: CompiledTable, { where, orderBy, limit }: ListSpec): ListSpec {
  const isEncrypted = (name: string): boolean =>
    (table.columnByName.get(name) as CompiledColumn).encrypted !== null
  const conditions = Object.entries(where ?? {}).map(([name, condition]) => [
    name,
    isEncrypted(name) ? '(encrypted)' : condition,
  ])
  return {
    ...(where === undefined ? {} : { where: Object.fromEntries(conditions) }),
    ...(orderBy === undefined ? {} : { orderBy }),
    ...(limit === undefined ? {} : { limit }),
  }
}
