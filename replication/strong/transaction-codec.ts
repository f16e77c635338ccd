/**
 * Bytes of a transaction in a log record: MessagePack of
 * `[txId, dedupeId, contentHash, basis, tenant, reads, ops]`, arrays throughout. A read is
 * `[table, key, version]`, an operation `[kind, table, …]` with kinds 0 insert, 1 upsert, 2 update,
 * 3 delete, and a cell change `[column, op]` as it is in the request.
 */
import { Packr } from 'msgpackr'
import type { RowImage } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { CellChange, CellCondition, ReadCheck, WriteOp } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { Command } from './state-machine.ts'

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
type PackedRead = readonly [table: number, key: Key, version: string | null]
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
    command.reads.map((read): PackedRead => [read.table, read.key, read.version]),
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
      reads: reads.map(([table, key, version]) => ({ table, key, version })),
      ops: ops.map(unpackOp),
    }
  } catch (cause) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'A transaction in the log cannot be decoded.', {
      cause,
    })
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
