/**
 * Hashes of rows and outcomes that can be added: the digest of a table is the sum of its rows' hashes,
 * so it follows each change by what the row was and what it is, in whatever order rows are met.
 * (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997, for the sum; the mixing
 * is that of MurmurHash3.) It is for what goes wrong by itself, not for what somebody means to hide.
 */
import type { SqlValue } from '../../../src/core/values.ts'

/** A sum of hashes: two lanes, each modulo 2^32. */
export interface HashSum {
  readonly a: number
  readonly b: number
}

export const NO_ROWS: HashSum = { a: 0, b: 0 }

/** What the digest needs of a row. */
export interface HashedRow {
  readonly tenant: string
  readonly version: string
  readonly image: readonly SqlValue[]
}

const TEXT = 1
const NUMBER = 2
const BYTES = 3
const NULL = 4

// Registers of the hash that is being made: one at a time, synchronously.
let laneA = 0
let laneB = 0

/** The hash of a row. `table` is not part of it: each table has a sum of its own. */
export function hashRow({ tenant, version, image }: HashedRow): HashSum {
  begin()
  addText(TEXT, tenant)
  addText(TEXT, version)
  for (const value of image) addValue(value)
  return end()
}

/** The hash of values, in their order. */
export function hashValues(values: readonly SqlValue[]): HashSum {
  begin()
  for (const value of values) addValue(value)
  return end()
}

/** 16 hexadecimal digits. */
export function toDigits({ a, b }: HashSum): string {
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0')
}

/** `undefined`: these are no digits of a sum. */
export function fromDigits(digits: unknown): HashSum | undefined {
  if (typeof digits !== 'string' || !/^[0-9a-f]{16}$/.test(digits)) return undefined
  return { a: parseInt(digits.slice(0, 8), 16), b: parseInt(digits.slice(8), 16) }
}

function begin(): void {
  // Kept within 32 bits: beyond them each step would allocate a number.
  laneA = 0x9747b28c | 0
  laneB = 0x3c6ef372
}

function addValue(value: SqlValue): void {
  if (value === null) mix(NULL)
  else if (typeof value === 'string') addText(TEXT, value)
  else if (value instanceof Uint8Array) addBytes(value)
  // A store gives an integer as one or the other, and has no negative zero.
  else addText(NUMBER, String(value === 0 ? 0 : value))
}

function addText(kind: number, text: string): void {
  mix(kind)
  mix(text.length)
  let i = 0
  for (; i + 1 < text.length; i += 2) mix((text.charCodeAt(i) << 16) | text.charCodeAt(i + 1))
  if (i < text.length) mix(text.charCodeAt(i))
}

function addBytes(bytes: Uint8Array): void {
  mix(BYTES)
  mix(bytes.length)
  for (const byte of bytes) mix(byte)
}

function mix(word: number): void {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  laneA ^= Math.imul(k, 0x1b873593)
  laneA = (Math.imul((laneA << 13) | (laneA >>> 19), 5) + 0xe6546b64) | 0
  k = Math.imul(word ^ 0x5bd1e995, 0x85ebca6b)
  k = (k << 17) | (k >>> 15)
  laneB ^= Math.imul(k, 0xc2b2ae35)
  laneB = (Math.imul((laneB << 15) | (laneB >>> 17), 9) + 0x38495ab5) | 0
}

function end(): HashSum {
  return { a: finish(laneA), b: finish(laneB ^ Math.imul(laneA, 0x9e3779b1)) }
}

function finish(lane: number): number {
  let h = lane
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
