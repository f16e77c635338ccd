/**
 * Records as YCSB has them: ten fields of 100 bytes. Each field begins with a stamp, so that it can
 * be told afterwards which write its value comes from.
 */
import type { SelectRow } from '../../../src/client/index.ts'
import { fnvHash } from '../fnv-hash.ts'
import type { BenchSchema } from '../schema.ts'

/** A record. */
export type WideRow = SelectRow<BenchSchema['tables']['pinnedWide']>
/** The name of a field. */
export type FieldName = Exclude<keyof WideRow, 'id'>

/** All fields. */
export const FIELDS: readonly FieldName[] = [
  'field0',
  'field1',
  'field2',
  'field3',
  'field4',
  'field5',
  'field6',
  'field7',
  'field8',
  'field9',
]

const FIELD_LENGTH = 100
const STAMP_DIGITS = 12
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const FILLER = ALPHABET.repeat(3)
/** 2^63 has as many. */
const HASH_DIGITS = 19

/** The id of a record: its number hashed, so that neighbors by number are not neighbors by key. */
export function recordId(name: string, number: number): string {
  return `${name}:user${fnvHash(number).toString().padStart(HASH_DIGITS, '0')}`
}

/** A field's value: 100 characters of ASCII. */
export function fieldValue(stamp: number): string {
  const start = stamp % ALPHABET.length
  const filler = FILLER.slice(start, start + FIELD_LENGTH - STAMP_DIGITS - 1)
  return `${stamp.toString().padStart(STAMP_DIGITS, '0')}:${filler}`
}

/** The stamp of a value, or `undefined` where it is not one that `fieldValue` made. */
export function stampOf(value: string): number | undefined {
  const stamp = Number(value.slice(0, STAMP_DIGITS))
  return Number.isInteger(stamp) && fieldValue(stamp) === value ? stamp : undefined
}

/** A record whose fields all have one stamp. */
export function newRecord(id: string, stamp: number): WideRow {
  const value = fieldValue(stamp)
  const fields = Object.fromEntries(FIELDS.map((field) => [field, value]))
  return { id, ...fields } as WideRow
}

/** Whether a record that was read is whole. */
export function isWhole(row: WideRow): boolean {
  return FIELDS.every((field) => row[field].length === FIELD_LENGTH)
}
