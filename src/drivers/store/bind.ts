/** Values on their way into the engine and out of it. */
import { MeridianError } from '../../core/errors.ts'
import type { Statement } from '../../core/ports/store.ts'
import { textProblem, type SqlRow, type SqlValue } from '../../core/values.ts'
import type { BoundValue } from '../libsql/engine.ts'

/** A statement whose arguments are in the form that the engine binds exactly. */
export interface BoundStatement extends Omit<Statement, 'args'> {
  readonly args: readonly BoundValue[]
}

const INT64_LIMIT = 2 ** 63

/** @throws MeridianError `INVALID_VALUE` as `bindArguments` */
export function bindStatement({
  sql,
  args,
  bigints,
  maxRows,
  maxBytes,
}: Statement): BoundStatement {
  return {
    sql,
    args: bindArguments(args),
    ...(bigints === undefined ? {} : { bigints }),
    ...(maxRows === undefined ? {} : { maxRows }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  }
}

/**
 * Arguments as the engine must get them: integral numbers as 64-bit integers.
 *
 * @throws MeridianError `INVALID_VALUE` for what the engine would change silently (NUL and lone
 * surrogates in text, NaN, integers beyond 64 bits) or crash on (booleans)
 */
export function bindArguments(args: readonly SqlValue[]): BoundValue[] {
  const bound = new Array<BoundValue>(args.length)
  for (let i = 0; i < args.length; i++) bound[i] = bindValue(args[i] as SqlValue, i)
  return bound
}

function bindValue(value: SqlValue, index: number): BoundValue {
  switch (typeof value) {
    case 'string': {
      const problem = textProblem(value)
      if (problem !== undefined) throw invalid(index, problem)
      return value
    }
    case 'number':
      if (Number.isInteger(value) && value >= -INT64_LIMIT && value < INT64_LIMIT) {
        return BigInt(value)
      }
      if (Number.isNaN(value)) throw invalid(index, 'is not a number (NaN)')
      return value
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) throw invalid(index, 'is an integer beyond 64 bits')
      return value
    default:
      if (value === null) return value
      if (value instanceof Uint8Array) return ownBytes(value)
      throw invalid(index, `is of type ${typeof value}`)
  }
}

/** A view of a larger buffer is copied out of it: buffers are reused, and cross threads whole. */
function ownBytes(value: Uint8Array): Uint8Array {
  if (value.byteLength === value.buffer.byteLength) return value
  return Uint8Array.prototype.slice.call(value)
}

function invalid(index: number, problem: string): MeridianError {
  return new MeridianError('INVALID_VALUE', `Argument ${index + 1} ${problem}.`, {
    fix: 'Pass null, text, a number, a 64-bit bigint or a Uint8Array.',
    details: { argument: index },
  })
}

/** A row as the engine gave it, with plain `Uint8Array`s in place of Node's buffers. */
export function readRow(row: SqlValue[]): SqlRow {
  for (let i = 0; i < row.length; i++) {
    const value = row[i]
    if (value instanceof Uint8Array) {
      row[i] = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    }
  }
  return row
}
