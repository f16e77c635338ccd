/**
 * Messages of a clock channel, version 1: MessagePack arrays that begin with version and kind.
 *
 * ```
 * asker → peer   ask     [1, 1, id]
 * peer → asker   answer  [1, 2, id, wallMs]
 * ```
 */
import { packedArrays } from '../../../src/protocol/packed-array.ts'

const { pack, unpack, malformed, count } = packedArrays({
  one: 'a clock message',
  many: 'clock messages',
  version: 1,
})

const ASK = 1
const ANSWER = 2

/** What the peer's wall clock showed when it was asked, in whole ms. */
export interface ClockAnswer {
  readonly id: number
  readonly wallMs: number
}

export function encodeClockAsk(id: number): Uint8Array {
  return pack([ASK, id])
}

/** Gives the id. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeClockAsk(bytes: Uint8Array): number {
  const raw = unpack(bytes)
  if (raw[1] !== ASK) throw malformed()
  return count(raw[2])
}

export function encodeClockAnswer({ id, wallMs }: ClockAnswer): Uint8Array {
  return pack([ANSWER, id, Math.floor(wallMs)])
}

/** @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeClockAnswer(bytes: Uint8Array): ClockAnswer {
  const raw = unpack(bytes)
  if (raw[1] !== ANSWER) throw malformed()
  return { id: count(raw[2]), wallMs: count(raw[3]) }
}
