/** Arguments of a statement, put in their places and into the form that the engine binds exactly. */
import { SqlError, type SqlStatement } from '../../core/ports/sql-session.ts'
import { textProblem, type SqlValue } from '../../core/values.ts'
import type { BoundValue } from '../libsql/engine.ts'

/** The longest text or blob that a value may be, in bytes: as sqld's `max_row_size`. */
export const MAX_VALUE_BYTES = 5_000_000

/**
 * One value a parameter, by place; an explained statement needs none. The engine would bind NULL where one is missing and drop what
 * is left over, and it ends the process on what it cannot bind.
 *
 * @throws SqlError `ARGS_BOTH_POSITIONAL_AND_NAMED`, `ARGS_INVALID`, `SQLITE_TOOBIG`
 */
export function bindParameters(
  parameters: readonly (string | null)[],
  { args, namedArgs }: Pick<SqlStatement, 'args' | 'namedArgs'>,
  isExplain = false,
): BoundValue[] {
  if (args.length > 0 && namedArgs.length > 0) {
    throw new SqlError(
      'ARGS_BOTH_POSITIONAL_AND_NAMED',
      'Specifying both positional and named arguments is not supported',
    )
  }
  const given = args.length + namedArgs.length
  if (given > parameters.length) {
    throw invalid(`too many parameters, expected ${parameters.length} found ${given}`)
  }
  const byName = new Map(namedArgs.map(({ name, value }) => [name, value]))
  return parameters.map((name, i) => {
    const value = isNumbered(name) ? args[i] : byName.get(byName.has(name) ? name : name.slice(1))
    if (value === undefined && isExplain) return null
    if (value === undefined) throw invalid(`value for parameter ${name ?? i + 1} not found`)
    return bindValue(value, i)
  })
}

function isNumbered(name: string | null): name is null {
  return name === null || name.startsWith('?')
}

function bindValue(value: SqlValue, index: number): BoundValue {
  if (typeof value === 'string') {
    const problem = textProblem(value)
    if (problem !== undefined) throw invalid(`argument ${index + 1} ${problem}`)
    // UTF-8 takes up to three bytes a unit: most texts need not be measured.
    if (value.length * 3 > MAX_VALUE_BYTES) checkSize(new TextEncoder().encode(value).length)
    return value
  }
  if (value instanceof Uint8Array) {
    checkSize(value.byteLength)
    return value
  }
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value) {
    throw invalid(`argument ${index + 1} is an integer beyond 64 bits`)
  }
  return value
}

/** @throws SqlError `SQLITE_TOOBIG` */
export function checkSize(bytes: number): void {
  if (bytes <= MAX_VALUE_BYTES) return
  throw new SqlError('SQLITE_TOOBIG', 'SQLite error: string or blob too big')
}

function invalid(problem: string): SqlError {
  return new SqlError('ARGS_INVALID', `Arguments do not match SQL parameters: ${problem}`)
}
