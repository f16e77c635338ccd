/**
 * Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): 48 bits of wall-clock
 * milliseconds and a 16-bit counter, written as 16 lower-case hexadecimal digits, so that text
 * order is time order in JavaScript, SQL, JSON and Lua alike (a 64-bit integer is exact in none
 * of the last two).
 */
import { MeridianError } from './errors.ts'

/** 16 lower-case hexadecimal digits: 12 of milliseconds, 4 of counter. */
export type Hlc = string

/** An HLC made globally unique by its source: `<hlc>@<source>`; text order is stamp order. */
export type Stamp = string

const COUNTER_MAX = 0xffff
const MS_MAX = 2 ** 48 - 1

/** The stamp before every other. */
export const HLC_ZERO: Hlc = '0000000000000000'

/** Writes an HLC. `ms`: 0 to 2^48-1; `counter`: 0 to 65535. */
export function formatHlc(ms: number, counter: number): Hlc {
  if (!Number.isInteger(ms) || ms < 0 || ms > MS_MAX || counter < 0 || counter > COUNTER_MAX) {
    throw new MeridianError('INVALID_ARGUMENT', `No HLC for ${ms} ms and counter ${counter}.`)
  }
  return ms.toString(16).padStart(12, '0') + counter.toString(16).padStart(4, '0')
}

/** The wall-clock milliseconds of an HLC. */
export function hlcMs(hlc: Hlc): number {
  return Number.parseInt(hlc.slice(0, 12), 16)
}

/** The counter of an HLC. */
function hlcCounter(hlc: Hlc): number {
  return Number.parseInt(hlc.slice(12, 16), 16)
}

/** The smallest HLC that is above `previous` and not below `nowMs`. */
export function nextHlc(previous: Hlc, nowMs: number): Hlc {
  const previousMs = hlcMs(previous)
  if (nowMs > previousMs) return formatHlc(nowMs, 0)
  const counter = hlcCounter(previous) + 1
  // A full counter borrows the next millisecond: the clock stays strictly increasing.
  return counter > COUNTER_MAX ? formatHlc(previousMs + 1, 0) : formatHlc(previousMs, counter)
}

/** The larger of two HLCs. */
export function maxHlc(a: Hlc, b: Hlc): Hlc {
  return a > b ? a : b
}

/** Joins an HLC and the source that drew it. */
export function makeStamp(hlc: Hlc, source: string): Stamp {
  return `${hlc}@${source}`
}

/** The HLC of a stamp. */
export function stampHlc(stamp: Stamp): Hlc {
  return stamp.slice(0, 16)
}

/** The source of a stamp. */
export function stampSource(stamp: Stamp): string {
  return stamp.slice(17)
}
