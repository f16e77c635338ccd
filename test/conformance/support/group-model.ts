/** A serial model of transactions that may fail in every way that SQL offers. */
import * as fc from 'fast-check'
import type { Statement } from '../../../src/core/ports/store.ts'

/** One statement of a member. */
export interface ModelOp {
  readonly kind: 'insert' | 'insert or fail' | 'insert or rollback' | 'add' | 'delete'
  readonly key: number
  /** Unique; -1 makes a trigger RAISE(ROLLBACK), -2 RAISE(ABORT), -3 RAISE(FAIL). */
  readonly unique: number
  /** Checked: never below 0. */
  readonly amount: number
}

/** A transaction. */
export type ModelMember = readonly ModelOp[]

type ModelRows = ReadonlyMap<number, { readonly unique: number; readonly amount: number }>

/** DDL of the table that the model describes. */
export const MODEL_TABLE: readonly string[] = [
  `CREATE TABLE model (key INTEGER PRIMARY KEY, u INTEGER NOT NULL UNIQUE,
    amount INTEGER NOT NULL CHECK (amount >= 0)) STRICT`,
  `CREATE TRIGGER model_rollback BEFORE INSERT ON model WHEN new.u = -1
    BEGIN SELECT RAISE(ROLLBACK, 'rollback'); END`,
  `CREATE TRIGGER model_abort BEFORE INSERT ON model WHEN new.u = -2
    BEGIN SELECT RAISE(ABORT, 'abort'); END`,
  `CREATE TRIGGER model_fail BEFORE INSERT ON model WHEN new.u = -3
    BEGIN SELECT RAISE(FAIL, 'fail'); END`,
]

/** Reads the whole table in the form of `modelRows`. */
export const MODEL_READ = 'SELECT key, u, amount FROM model ORDER BY key'

const op: fc.Arbitrary<ModelOp> = fc.record({
  kind: fc.constantFrom(
    'insert',
    'insert',
    'insert or fail',
    'insert or rollback',
    'add',
    'delete',
  ),
  key: fc.integer({ min: 0, max: 12 }),
  unique: fc.integer({ min: -3, max: 12 }),
  amount: fc.integer({ min: -2, max: 6 }),
})

/** Transactions that are handed over at the same time. */
export const modelMembers: fc.Arbitrary<ModelMember[]> = fc.array(
  fc.array(op, { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 12 },
)

/** A transaction as statements. */
export function modelStatements(member: ModelMember): Statement[] {
  return member.map(({ kind, key, unique, amount }) => {
    if (kind === 'add') {
      return { sql: 'UPDATE model SET amount = amount + ? WHERE key = ?', args: [amount, key] }
    }
    if (kind === 'delete') return { sql: 'DELETE FROM model WHERE key = ?', args: [key] }
    return { sql: `${kind.toUpperCase()} INTO model VALUES (?, ?, ?)`, args: [key, unique, amount] }
  })
}

/** What must come of the transactions, one after another: for each the failing statement. */
export function runModel(members: readonly ModelMember[]): {
  readonly failedAt: readonly (number | undefined)[]
  readonly rows: readonly (readonly number[])[]
} {
  let rows: ModelRows = new Map()
  const failedAt = members.map((member) => {
    let next = rows
    for (const [index, modelOp] of member.entries()) {
      const after = applyOp(next, modelOp)
      if (after === undefined) return index
      next = after
    }
    rows = next
    return undefined
  })
  const sorted = [...rows].sort(([a], [b]) => a - b)
  return { failedAt, rows: sorted.map(([key, row]) => [key, row.unique, row.amount]) }
}

/** `undefined`: the statement fails. */
function applyOp(rows: ModelRows, { kind, key, unique, amount }: ModelOp): ModelRows | undefined {
  const next = new Map(rows)
  if (kind === 'delete') {
    next.delete(key)
    return next
  }
  const row = rows.get(key)
  if (kind === 'add') {
    if (row === undefined) return next
    if (row.amount + amount < 0) return undefined
    return next.set(key, { ...row, amount: row.amount + amount })
  }
  const isTaken = row !== undefined || [...rows.values()].some((other) => other.unique === unique)
  if (unique < 0 || amount < 0 || isTaken) return undefined
  return next.set(key, { unique, amount })
}
