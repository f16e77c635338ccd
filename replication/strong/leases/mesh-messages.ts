/**
 * What nodes of different regions tell each other for local strong reads, version 1: MessagePack
 * arrays that begin with version and kind.
 *
 * ```
 * ACK     [1, 1, region, databaseId, appliedIndex]
 * INV     [1, 2, region, databaseId, incarnation, seq, [[txId, [[table, key], …]], …]]
 * INVACK  [1, 3, region, databaseId, incarnation, seq, [txId, …]]
 * ```
 *
 * All may be lost, late, doubled or out of order: nothing but speed depends on their arrival.
 */
import { packedArrays } from '../../../src/protocol/packed-array.ts'
import type { StoreId } from './lease-table.ts'
import type { RowKey } from './read-scope.ts'
import type { Stamp } from './stamp.ts'

/** The store has durably applied the log through an index. */
export interface AppliedAck extends StoreId {
  readonly kind: 'applied'
  readonly appliedIndex: number
}

/** A transaction that is about to be appended, and the rows that it may write. */
export interface Hint {
  readonly txId: string
  readonly keys: readonly RowKey[]
}

/** Sent in parallel with the append; the sender has marked the same rows in its own store. */
export interface InvalidationHints extends StoreId {
  readonly kind: 'hints'
  readonly stamp: Stamp
  readonly hints: readonly Hint[]
}

/** The store keeps readers off the rows of these transactions, under the lease `stamp` or older. */
export interface HintAck extends StoreId {
  readonly kind: 'hint-ack'
  readonly stamp: Stamp
  readonly txIds: readonly string[]
}

export type MeshMessage = AppliedAck | InvalidationHints | HintAck

const { pack, unpack, malformed, list, text, count } = packedArrays({
  one: 'a message of the lease mesh',
  many: 'lease messages',
  version: 1,
})

/** Encodes a message. */
export function encodeMeshMessage(message: MeshMessage): Uint8Array {
  const { region, databaseId } = message
  switch (message.kind) {
    case 'applied':
      return pack([1, region, databaseId, message.appliedIndex])
    case 'hints': {
      const { incarnation, seq } = message.stamp
      const hints = message.hints.map(({ txId, keys }) => [
        txId,
        keys.map(({ table, key }) => [table, key]),
      ])
      return pack([2, region, databaseId, incarnation, seq, hints])
    }
    case 'hint-ack': {
      const { incarnation, seq } = message.stamp
      return pack([3, region, databaseId, incarnation, seq, message.txIds])
    }
  }
}

/** Decodes a message. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeMeshMessage(bytes: Uint8Array): MeshMessage {
  const [, kind, regionField, databaseField, ...rest] = unpack(bytes)
  const store = { region: text(regionField), databaseId: text(databaseField) }
  switch (kind) {
    case 1:
      return { kind: 'applied', ...store, appliedIndex: count(rest[0]) }
    case 2:
      return { kind: 'hints', ...store, stamp: stampOf(rest), hints: list(rest[2]).map(hintOf) }
    case 3:
      return { kind: 'hint-ack', ...store, stamp: stampOf(rest), txIds: list(rest[2]).map(text) }
    default:
      throw malformed()
  }
}

function stampOf(rest: readonly unknown[]): Stamp {
  return { incarnation: count(rest[0]), seq: count(rest[1]) }
}

function hintOf(value: unknown): Hint {
  const [txId, keys] = list(value)
  return { txId: text(txId), keys: list(keys).map(keyOf) }
}

function keyOf(value: unknown): RowKey {
  const [table, key] = list(value)
  return { table: count(table), key: text(key) }
}
