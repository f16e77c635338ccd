/** Random logs of strong transactions, few keys and values so that they meet. */
import fc from 'fast-check'
import type { CellOp, ReadCheck, WriteOp } from '../../src/core/operations.ts'
import { strongVersion } from '../../src/core/version.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import type { TransactionCommand } from '../../replication/strong/transaction-codec.ts'
import { account, accounts, columnAt, session, sessions } from './strong-region.ts'

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
        fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, reads),
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
      ),
  )
