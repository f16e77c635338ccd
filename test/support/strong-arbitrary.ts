/** Random logs of strong transactions, few keys and values so that they meet. */
import fc from 'fast-check'
import {
  isColumnGuard,
  isRangeGuard,
  type CellOp,
  type ColumnGuard,
  type RangeGuard,
  type ReadCheck,
  type WriteOp,
} from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { strongVersion } from '../../src/core/version.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import type { TransactionCommand } from '../../replication/strong/transaction-codec.ts'
import { SerialModel } from './strong-model.ts'
import { account, accounts, columnAt, session, sessions } from './strong-region.ts'

/** Records for which these logs' outcomes are remembered. */
export const WINDOW = 6

/** A record before it is bytes. */
export interface LoggedRecord {
  readonly kind: 'commands' | 'tick'
  readonly nowMs: number
  readonly commands: readonly TransactionCommand[]
}

const ids = fc.constantFrom('a', 'b', 'c', 'd')
const emails = fc.constantFrom('1', '2', '3', null)
const numbers = fc.integer({ min: -3, max: 3 })
/** The log runs from 0 to about 40 ms. */
const instants = fc.option(fc.integer({ min: 0, max: 40 }))

const accountOp: fc.Arbitrary<WriteOp> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('insert' as const, 'upsert' as const),
      fc.array(
        fc.tuple(ids, emails, numbers).map(([id, email, n]) =>
          account(id, {
            email,
            balance: n,
            total: BigInt(n),
            note: n > 0 ? Uint8Array.of(n) : null,
          }),
        ),
        { minLength: 1, maxLength: 2 },
      ),
    )
    .map(([kind, rows]): WriteOp => ({ kind, table: accounts.id, rows })),
  updateOf(accounts, {
    balance: fc.oneof(
      numbers.map((by): CellOp => ({ kind: 'increment', by, floor: null })),
      numbers.map((by): CellOp => ({ kind: 'increment', by, floor: 0 })),
      numbers.map((value): CellOp => ({ kind: 'max', value })),
      numbers.map((value): CellOp => ({ kind: 'set', value })),
    ),
    total: numbers.map((by): CellOp => ({ kind: 'increment', by: BigInt(by), floor: null })),
    email: emails.map((value): CellOp => ({ kind: 'set', value })),
    active: fc.constantFrom(0, 1).map((value): CellOp => ({ kind: 'set', value })),
  }),
  deleteOf(accounts),
)

const sessionOp: fc.Arbitrary<WriteOp> = fc.oneof(
  fc
    .tuple(fc.constantFrom('insert' as const, 'upsert' as const), ids, instants, emails)
    .map(([kind, id, at, seat]): WriteOp => ({
      kind,
      table: sessions.id,
      rows: [session(id, at, seat)],
    })),
  updateOf(sessions, {
    expiresAt: instants.map((value): CellOp => ({ kind: 'set', value })),
    seat: emails.map((value): CellOp => ({ kind: 'set', value })),
  }),
  deleteOf(sessions),
)

function updateOf(
  table: CompiledTable,
  cells: Readonly<Record<string, fc.Arbitrary<CellOp>>>,
): fc.Arbitrary<WriteOp> {
  const names = Object.keys(cells)
  const change = fc
    .constantFrom(...names)
    .chain((name) =>
      (cells[name] as fc.Arbitrary<CellOp>).map((op) => ({ column: columnAt(table, name), op })),
    )
  return fc
    .tuple(ids, fc.array(change, { maxLength: 2 }), conditionsOf(table))
    .map(([id, changes, conditions]) => ({
      kind: 'update',
      table: table.id,
      key: [id],
      cells: changes,
      conditions,
    }))
}

function deleteOf(table: CompiledTable): fc.Arbitrary<WriteOp> {
  return fc
    .tuple(ids, conditionsOf(table))
    .map(([id, conditions]) => ({ kind: 'delete', table: table.id, key: [id], conditions }))
}

function conditionsOf(
  table: CompiledTable,
): fc.Arbitrary<Extract<WriteOp, { kind: 'update' }>['conditions']> {
  const [column, value] =
    table === accounts
      ? [columnAt(accounts, 'balance'), numbers]
      : [columnAt(sessions, 'seat'), emails]
  const condition = fc.record({
    column: fc.constant(column),
    op: fc.constantFrom('=' as const, '!=' as const, '<' as const, '>=' as const),
    value,
  })
  return fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(condition, { maxLength: 1 }))
}

/** Versions that rows may well have: of an early place in the log, or absent. */
const versions = fc.oneof(
  fc.constant(null),
  fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 3 }))
    .map(([i, p]) => strongVersion(i, p)),
)

/** Records that a transaction's snapshot may be behind its place. */
const MAX_LAG = 2

/** What a column of the tables may be compared with. */
const COMPARED = {
  accounts: {
    id: ids as fc.Arbitrary<SqlValue>,
    email: emails,
    balance: numbers,
    total: numbers.map(BigInt),
    active: fc.constantFrom(0, 1),
  },
  sessions: { id: ids as fc.Arbitrary<SqlValue>, seat: emails, expiresAt: instants },
} as const

/**
 * A range, seen so many records before its own: `sealed` gives it the digest of what it held there.
 * Small ones, with an order and behind a row, so that their ends matter.
 */
function rangeOf(table: CompiledTable): fc.Arbitrary<RangeGuard> {
  const compared: Readonly<Record<string, fc.Arbitrary<SqlValue>>> =
    COMPARED[table.name as keyof typeof COMPARED]
  const names = Object.keys(compared)
  const valueOf = (name: string): fc.Arbitrary<SqlValue> => compared[name] as fc.Arbitrary<SqlValue>
  const predicate = fc.constantFrom(...names).chain((name) =>
    fc
      .oneof(
        fc
          .tuple(fc.constantFrom('=', '!=', '<', '<=', '>', '>=' as const), valueOf(name))
          .map(([op, value]) => ({ op, values: [value] })),
        fc.array(valueOf(name), { maxLength: 3 }).map((values) => ({ op: 'in' as const, values })),
      )
      .map(({ op, values }) => ({ column: columnAt(table, name), op, values })),
  )
  const orders = fc.array(fc.tuple(fc.constantFrom(...names), fc.boolean()), { maxLength: 2 })
  return orders.chain((order) => {
    const behind = fc.tuple(...order.map(([name]) => valueOf(name)), ids)
    return fc
      .record({
        where: fc.array(predicate, { maxLength: 1 }),
        limit: fc.integer({ min: 1, max: 5 }),
        after: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, behind),
        lag: fc.integer({ min: 0, max: MAX_LAG }),
      })
      .map(({ where, limit, after, lag }) => ({
        table: table.id,
        range: {
          where,
          orderBy: order.map(([name, descending]) => ({
            column: columnAt(table, name),
            descending,
          })),
          limit,
          after,
        },
        digest: String(lag),
      }))
  })
}

/** Columns of a row, seen so many records before, as with ranges. */
function columnsOf(table: CompiledTable): fc.Arbitrary<ColumnGuard> {
  const places = table.physical.map((_, i) => i)
  return fc
    .tuple(ids, fc.subarray(places, { maxLength: 2 }), fc.integer({ min: 0, max: MAX_LAG }))
    .map(([id, columns, lag]) => ({ table: table.id, key: [id], columns, digest: String(lag) }))
}

/** What a read had seen in a state; of a row that was absent there, its absence. */
function seenIn(model: SerialModel, read: RangeGuard | ColumnGuard, tenant: string): ReadCheck {
  if (isRangeGuard(read)) return { ...read, digest: model.digest(read, tenant) }
  const digest = model.seen(read, tenant)
  return digest === null ? { table: read.table, key: read.key, version: null } : { ...read, digest }
}

function isGuard(read: ReadCheck): read is RangeGuard | ColumnGuard {
  return isRangeGuard(read) || isColumnGuard(read)
}

/**
 * The records with every range's and column's digest that of what the log had made of it where it was seen.
 * Transactions that read ranges know their place, so that most of them are evaluated.
 */
function sealed(records: readonly LoggedRecord[]): LoggedRecord[] {
  const model = new SerialModel(WINDOW)
  const result = [...records]
  for (const [applied] of records.entries()) {
    for (let i = applied; i <= applied + MAX_LAG && i < records.length; i++) {
      const commands = (result[i] as LoggedRecord).commands.map((c) => {
        if (!c.reads.some(isGuard)) return c
        const reads = c.reads.map((read) => {
          // A digest of 32 digits is one that was sealed before.
          if (!isGuard(read) || read.digest.length === 32) return read
          const isSeenHere = Math.max(0, i - Number(read.digest)) === applied
          return isSeenHere ? seenIn(model, read, c.tenant) : read
        })
        return { ...c, basis: i, reads }
      })
      result[i] = { ...(result[i] as LoggedRecord), commands }
    }
    model.apply(applied + 1, result[applied] as LoggedRecord)
  }
  return result
}

const command: fc.Arbitrary<TransactionCommand> = fc
  .tuple(
    fc.boolean(),
    fc.integer({ min: 0, max: 25 }),
    fc.integer({ min: 0, max: 2 }),
    fc.integer({ min: 0, max: 9 }),
  )
  .chain(([global, key, contents, basis]) => {
    const table = global ? accounts : sessions
    const reads: fc.Arbitrary<ReadCheck[]> = fc.array(
      fc.tuple(ids, versions).map(([id, version]) => ({ table: table.id, key: [id], version })),
      { maxLength: 1 },
    )
    return fc
      .tuple(
        fc.array(global ? accountOp : sessionOp, { maxLength: 3 }),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant([]) },
          reads,
          {
            weight: 2,
            arbitrary: fc.array(rangeOf(table), { minLength: 1, maxLength: 2 }),
          },
          // Most rows are absent where they are looked for, and have no columns then.
          { weight: 6, arbitrary: fc.array(columnsOf(table), { minLength: 1, maxLength: 2 }) },
        ),
      )
      .map(([ops, readChecks]) => ({
        txId: `tx${key}-${contents}`,
        dedupeId: `dedupe${key}`,
        contentHash: `content${contents}`,
        basis,
        tenant: global ? '' : 'acme',
        reads: readChecks,
        ops,
      }))
  })

/** A log of 1 to 14 records; clocks of proposers run within ±5 ms of each other. */
export const logArbitrary: fc.Arbitrary<LoggedRecord[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.array(command, { minLength: 1, maxLength: 4 }) },
      { weight: 1, arbitrary: fc.constant('tick' as const) },
    ),
    { minLength: 1, maxLength: 14 },
  )
  .chain((records) =>
    fc
      .array(fc.integer({ min: -5, max: 5 }), {
        minLength: records.length,
        maxLength: records.length,
      })
      .map((skews) =>
        records.map((commands, i): LoggedRecord => {
          const nowMs = Math.max(0, i * 3 + (skews[i] as number))
          return commands === 'tick'
            ? { kind: 'tick', nowMs, commands: [] }
            : { kind: 'commands', nowMs, commands }
        }),
      )
      .map(sealed),
  )
