/** The hash that YCSB scatters its keys with: FNV-1a of 64 bits, in halves, as it is drawn per call. */

const BASIS_HIGH = 0xcbf29ce4
const BASIS_LOW = 0x84222325
/** The prime is 2^40 and this. */
const PRIME_LOW = 0x1b3
const HALF = 2 ** 32
const SIGN = 2 ** 31
const OCTETS_OF_HALF = 4

interface Halves {
  readonly high: number
  readonly low: number
}

/** FNV-1a over the number's eight bytes from the lowest; the absolute value, as in YCSB. */
export function fnvHash(value: number): bigint {
  const { high, low } = hashed(value)
  return (BigInt(high) << 32n) | BigInt(low)
}

/** The same hash modulo `divisor`, a whole number up to 2^20. */
export function fnvRemainder(value: number, divisor: number): number {
  const { high, low } = hashed(value)
  return ((high % divisor) * (HALF % divisor) + low) % divisor
}

function hashed(value: number): Halves {
  let high = BASIS_HIGH
  let low = BASIS_LOW
  for (let half of [value % HALF, Math.floor(value / HALF)]) {
    for (let i = 0; i < OCTETS_OF_HALF; i++) {
      low = (low ^ (half & 0xff)) >>> 0
      half >>>= 8
      const product = low * PRIME_LOW
      high = (Math.imul(high, PRIME_LOW) + Math.floor(product / HALF) + (low << 8)) >>> 0
      low = product >>> 0
    }
  }
  if (high < SIGN) return { high, low }
  const negated = (~low + 1) >>> 0
  return { high: (~high + (negated === 0 ? 1 : 0)) >>> 0, low: negated }
}
