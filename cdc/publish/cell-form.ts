/**
 * The form that a column's value has in topics, by the column's type. Both formats say the same;
 * MessagePack has kinds of its own for bytes, instants and 64-bit integers, which JSON has not.
 */
import type { SqlValue } from '../../src/core/values.ts'
import { toBase64 } from '../../src/hrana/base64.ts'
import type { CompiledColumn } from '../../src/schema/compiled.ts'

/** How records of topics are written. */
export type TopicFormat = 'json' | 'msgpack'

/** What MessagePack writes as an integer of 32 bits; beyond, msgpackr writes numbers as doubles. */
const SMALL_INTEGER = 2 ** 31

/** A stored value as it is in an envelope. Ciphertext stays what it is. */
export function cellForm(format: TopicFormat, column: CompiledColumn, stored: SqlValue): unknown {
  if (stored === null) return null
  if (column.encrypted !== null) return { encrypted: bytesForm(format, stored as Uint8Array) }
  switch (column.type) {
    case 'boolean':
      return Number(stored) !== 0
    case 'timestamp':
      return instantForm(format, new Date(Number(stored)))
    case 'bigint':
      return format === 'json' ? String(stored) : BigInt(stored as number | bigint)
    case 'integer':
    case 'counter':
      return wholeForm(format, Number(stored))
    case 'real':
      return Number(stored)
    case 'json':
    case 'set':
      return JSON.parse(stored as string)
    case 'text':
    case 'collaborativeText':
      return stored
    case 'blob':
      return bytesForm(format, stored as Uint8Array)
  }
}

/** A whole number, kept whole whatever its size. */
export function wholeForm(format: TopicFormat, value: number): number | bigint {
  const isSmall = value < SMALL_INTEGER && value >= -SMALL_INTEGER
  return format === 'json' || isSmall ? value : BigInt(value)
}

function bytesForm(format: TopicFormat, bytes: Uint8Array): string | Uint8Array {
  return format === 'json' ? toBase64(bytes).padEnd(4 * Math.ceil(bytes.length / 3), '=') : bytes
}

function instantForm(format: TopicFormat, instant: Date): string | Date {
  // Throws on an instant that no Date can hold, in either format.
  const text = instant.toISOString()
  return format === 'json' ? text : instant
}
