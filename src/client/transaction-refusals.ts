/** What a transaction refuses its function, by its mode and its bounds. */
import { MeridianError } from '../core/errors.ts'
import { MAX_GUARDED_ROWS } from '../core/limits.ts'
import type { CompiledTable, Consistency } from '../schema/compiled.ts'

export function requireAttempts(maxAttempts: number): number {
  if (Number.isInteger(maxAttempts) && maxAttempts >= 1) return maxAttempts
  throw new MeridianError('INVALID_ARGUMENT', `The option \`maxAttempts\` is ${maxAttempts}.`, {
    fix: 'Give a whole number of at least 1.',
  })
}

export function transactionOver(): MeridianError {
  return new MeridianError('TRANSACTION_CLOSED', 'The transaction is over.', {
    fix: 'Await every call inside the function that `transaction` runs.',
  })
}

export function columnsRefused(mode: Consistency, table: CompiledTable): MeridianError {
  return new MeridianError('MODE_MISMATCH', `A ${mode} transaction reads whole rows.`, {
    fix: 'Leave `columns` out; or keep the rows in a strong table.',
    details: { table: table.name },
  })
}

export function listRefused(mode: Consistency, table: CompiledTable): MeridianError {
  return new MeridianError('MODE_MISMATCH', `A ${mode} transaction cannot list.`, {
    fix:
      'List before the transaction, and read in it by key what it depends on; or keep the rows in ' +
      'a strong table.',
    details: { table: table.name },
  })
}

export function tooManyRows(table: CompiledTable): MeridianError {
  return new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The lists of a transaction cover at most ${MAX_GUARDED_ROWS} rows together.`,
    {
      fix: 'Give conditions that fewer rows meet, or a lower `limit`; or read rows by key.',
      details: { table: table.name },
    },
  )
}
