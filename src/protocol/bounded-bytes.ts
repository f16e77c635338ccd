/**
 * A look at bytes of a stranger before they are decoded. A few bytes of MessagePack can claim four
 * billion elements, nest deeper than a call stack, or name extension types that run a decoder's
 * rarer parts; what passes here costs memory in proportion to its bytes, and is made of nothing but
 * what this package writes. One pass, no recursion, no allocation.
 *
 * MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { MeridianError } from '../core/errors.ts'

/** Maps and lists within each other; the deepest message has nine. */
export const MAX_NESTING = 64

/** Payload bytes behind each first byte; -1: their number follows, -2: nothing that is taken. */
const PAYLOAD = new Int8Array(256)
const LENGTH_FOLLOWS = -1
const REFUSED = -2

const STR_8 = 0xd9
const STR_32 = 0xdb
const ARRAY_16 = 0xdc
const MAP_16 = 0xde
const MAP_32 = 0xdf
const FIXEXT_1 = 0xd4

for (let length = 0; length < 32; length++) PAYLOAD[0xa0 + length] = length
for (let head = 0x80; head < 0xa0; head++) PAYLOAD[head] = LENGTH_FOLLOWS
for (const head of [0xc4, 0xc5, 0xc6, STR_8, 0xda, STR_32, ARRAY_16, 0xdd, MAP_16, MAP_32]) {
  PAYLOAD[head] = LENGTH_FOLLOWS
}
for (const [i, length] of [4, 8, 1, 2, 4, 8, 1, 2, 4, 8].entries()) PAYLOAD[0xca + i] = length
for (const head of [0xc1, 0xc7, 0xc8, 0xc9, 0xd5, 0xd6, 0xd7, 0xd8]) PAYLOAD[head] = REFUSED
PAYLOAD[FIXEXT_1] = 2

/** Elements that are still to come, by depth; of maps, keys and values. */
const left = new Float64Array(MAX_NESTING + 1)
const isMap = new Uint8Array(MAX_NESTING + 1)

/**
 * Whether the bytes are one whole value: nothing cut off, nothing behind it, no map or list that
 * claims more than the bytes hold, at most `maxElements` values, text as keys, no extension type
 * but that of `undefined`.
 *
 * @throws MeridianError `PROTOCOL_MALFORMED`
 */
export function requireBounded(bytes: Uint8Array, maxElements: number = Infinity): void {
  const end = bytes.length
  let at = 0
  let depth = 0
  let elements = 1
  left[0] = 1
  isMap[0] = 0
  while (depth >= 0) {
    const toCome = left[depth] as number
    if (toCome === 0) {
      depth--
      continue
    }
    left[depth] = toCome - 1
    if (at >= end) throw refused('is cut off')
    const head = bytes[at++] as number
    if (isMap[depth] === 1 && toCome % 2 === 0 && !isText(head))
      throw refused('has a key of no text')
    let length = PAYLOAD[head] as number
    if (length < 0) {
      if (length === REFUSED) throw refused('has an extension type that is not Meridian’s')
      const width = lengthWidth(head)
      if (at + width > end) throw refused('is cut off')
      length = width === 0 ? head & 0x0f : readLength(bytes, at, width)
      at += width
      if (isContainer(head)) {
        const map = isMapHead(head)
        if (map) length *= 2
        elements += length
        if (length > end - at) throw refused('claims more elements than it has')
        if (elements > maxElements) throw refused(`has more than ${maxElements} elements`)
        if (++depth > MAX_NESTING) throw refused(`nests deeper than ${MAX_NESTING}`)
        left[depth] = length
        isMap[depth] = map ? 1 : 0
        continue
      }
    } else if (head === FIXEXT_1 && !(bytes[at] === 0 && bytes[at + 1] === 0)) {
      throw refused('has an extension type that is not Meridian’s')
    }
    if (length > end - at) throw refused('is cut off')
    at += length
  }
  if (at !== end) throw refused('has bytes behind its end')
}

function isText(head: number): boolean {
  return (head >= 0xa0 && head < 0xc0) || (head >= STR_8 && head <= STR_32)
}

function isContainer(head: number): boolean {
  return head < 0xa0 || head >= ARRAY_16
}

function isMapHead(head: number): boolean {
  return head < 0x90 || head >= MAP_16
}

/** Bytes of the length behind a first byte: none, 1, 2 or 4. */
function lengthWidth(head: number): number {
  if (head < 0xa0) return 0
  if (head >= ARRAY_16) return (head & 1) === 0 ? 2 : 4
  if (head >= STR_8) return 1 << (head - STR_8)
  return 1 << (head - 0xc4)
}

function readLength(bytes: Uint8Array, at: number, width: number): number {
  let length = 0
  for (let i = 0; i < width; i++) length = length * 256 + (bytes[at + i] as number)
  return length
}

function refused(problem: string): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', `The message ${problem}.`, {
    fix: 'Bring client and nodes to the same version.',
  })
}
