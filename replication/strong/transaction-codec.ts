/**
 * Bytes of a transaction in a log record: MessagePack of
 * `[txId, dedupeId, contentHash, basis, tenant, reads, ops]`, arrays throughout. A read is
 * `[table, key, version]`, or from version 2 of the state machine on also a range,
 * `[table, where, order, limit, after, digest]` with predicates `[column, op, values]` and orders
 * `[column, descending]`, or from version 3 on also columns of a row,
 * `[table, key, columns, digest]`, or SQL, `['sql', tables, text, arguments, digest]` with tables
 * `[id, name, [[column, name], …]]`. An operation is `[kind, table, …]` with kinds 0 insert, 1 upsert,
 * 2 update, 3 delete, and a cell change `[column, op]` as it is in the request.
 */
import { Packr } from 'msgpackr'
import type { RowImage } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ListPredicate } from '../../src/core/list-query.ts'
import {
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type CellChange,
  type CellCondition,
  type ColumnGuard,
  type RangeGuard,
  type ReadCheck,
  type SqlGuard,
  type WriteOp,
} from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { Command } from './state-machine.ts'

/** The version of the state machine from which on transactions read ranges. */
export const RANGE_GUARD_VERSION = 2

/** The version of the state machine from which on transactions read single columns. */
export const COLUMN_GUARD_VERSION = 3

/** The version of the state machine from which on transactions read SQL. */
export const SQL_GUARD_VERSION = 3

/** A transaction as the log carries it. */
export interface TransactionCommand extends Command {
  /** '' for global tables. */
  readonly tenant: string
  readonly reads: readonly ReadCheck[]
  readonly ops: readonly WriteOp[]
}

type Key = readonly SqlValue[]
type PackedCondition = readonly [column: number, op: CellCondition['op'], value: SqlValue]
type PackedOp =
  | readonly [kind: 0 | 1, table: number, rows: readonly RowImage[]]
  | readonly [
      kind: 2,
      table: number,
      key: Key,
      cells: readonly (readonly [column: number, op: CellChange['op']])[],
      conditions: readonly PackedCondition[],
    ]
  | readonly [kind: 3, table: number, key: Key, conditions: readonly PackedCondition[]]
type PackedRow = readonly [table: number, key: Key, version: string | null]
type PackedRange = readonly [
  table: number,
  where: readonly (readonly [column: number, op: ListPredicate['op'], values: Key])[],
  order: readonly (readonly [column: number, descending: boolean])[],
  limit: number,
  after: Key | null,
  digest: string,
]
type PackedColumns = readonly [table: number, key: Key, columns: readonly number[], digest: string]
type PackedSql = readonly [
  kind: 'sql',
  tables: readonly (readonly [
    id: number,
    name: string,
    columns: readonly (readonly [id: number, name: string])[],
  ])[],
  sql: string,
  args: Key,
  digest: string,
]
type PackedRead = PackedRow | PackedRange | PackedColumns | PackedSql
type Packed = readonly [
  txId: string,
  dedupeId: string,
  contentHash: string,
  basis: number,
  tenant: string,
  reads: readonly PackedRead[],
  ops: readonly PackedOp[],
]

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** Encodes a transaction. */
export function encodeTransaction(command: TransactionCommand): Uint8Array {
  const packed: Packed = [
    command.txId,
    command.dedupeId,
    command.contentHash,
    command.basis,
    command.tenant,
    command.reads.map(packRead),
    command.ops.map(packOp),
  ]
  return packr.pack(packed)
}

/** Decodes a transaction. @throws MeridianError `PROTOCOL_MALFORMED` */
export function decodeTransaction(bytes: Uint8Array): TransactionCommand {
  try {
    const packed = packr.unpack(bytes) as Packed
    const [txId, dedupeId, contentHash, basis, tenant, reads, ops] = packed
    return {
      txId,
      dedupeId,
      contentHash,
      basis,
      tenant,
      reads: reads.map(unpackRead),
      ops: ops.map(unpackOp),
    }
  } catch (cause) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'A transaction in the log cannot be decoded.', {
      cause,
    })
  }
}

function packRead(read: ReadCheck): PackedRead {
  if (isSqlGuard(read)) return packSql(read)
  if (isColumnGuard(read)) return [read.table, read.key, read.columns, read.digest]
  if (!isRangeGuard(read)) return [read.table, read.key, read.version]
  const { where, orderBy, limit, after } = read.range
  return [
    read.table,
    where.map(({ column, op, values }) => [column, op, values] as const),
    orderBy.map(({ column, descending }) => [column, descending] as const),
    limit,
    after,
    read.digest,
  ]
}

function unpackRead(packed: PackedRead): ReadCheck {
  switch (packed.length) {
    case 3:
      return unpackRow(packed)
    case 4:
      return unpackColumns(packed)
    case 5:
      return unpackSql(packed)
    case 6:
      return unpackRange(packed)
  }
}

function unpackColumns([table, key, columns, digest]: PackedColumns): ColumnGuard {
  return { table, key, columns, digest }
}

function packSql({ tables, sql, args, digest }: SqlGuard): PackedSql {
  return [
    'sql',
    tables.map(({ id, name, columns }) => [id, name, columns] as const),
    sql,
    args,
    digest,
  ]
}

function unpackSql([, tables, sql, args, digest]: PackedSql): SqlGuard {
  return {
    table: tables[0]?.[0] ?? 0,
    tables: tables.map(([id, name, columns]) => ({ id, name, columns })),
    sql,
    args,
    digest,
  }
}

function unpackRow([table, key, version]: PackedRow): ReadCheck {
  return { table, key, version }
}

function unpackRange([table, where, order, limit, after, digest]: PackedRange): RangeGuard {
  return {
    table,
    range: {
      where: where.map(([column, op, values]) => ({ column, op, values })),
      orderBy: order.map(([column, descending]) => ({ column, descending })),
      limit,
      after,
    },
    digest,
  }
}

function packOp(op: WriteOp): PackedOp {
  switch (op.kind) {
    case 'insert':
      return [0, op.table, op.rows]
    case 'upsert':
      return [1, op.table, op.rows]
    case 'update': {
      const cells = op.cells.map((c) => [c.column, c.op] as const)
      return [2, op.table, op.key, cells, op.conditions.map(packCondition)]
    }
    case 'delete':
      return [3, op.table, op.key, op.conditions.map(packCondition)]
  }
}

function unpackOp(packed: PackedOp): WriteOp {
  switch (packed[0]) {
    case 0:
    case 1:
      return { kind: packed[0] === 0 ? 'insert' : 'upsert', table: packed[1], rows: packed[2] }
    case 2: {
      const [, table, key, cells, conditions] = packed
      return {
        kind: 'update',
        table,
        key,
        cells: cells.map(([column, op]) => ({ column, op })),
        conditions: conditions.map(unpackCondition),
      }
    }
    case 3: {
      const [, table, key, conditions] = packed
      return { kind: 'delete', table, key, conditions: conditions.map(unpackCondition) }
    }
  }
}

function packCondition(condition: CellCondition): PackedCondition {
  return [condition.column, condition.op, condition.value]
}

function unpackCondition([column, op, value]: PackedCondition): CellCondition {
  return { column, op, value }
}
