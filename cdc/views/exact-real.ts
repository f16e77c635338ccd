/**
 * Exact sums of doubles. Every finite double is a whole multiple of 2^-1074, so a sum is kept as
 * that many units: adding and taking away again leaves no trace, in any order, which no floating
 * point sum can say.
 */

const UNIT_EXPONENT = 1074n
const EXPONENT_MASK = 0x7ffn
const FRACTION_MASK = (1n << 52n) - 1n
const HIDDEN_BIT = 1n << 52n
/** Below this many units a double counts single units, so they are rounded as what they are. */
const SUBNORMAL_UNITS = 1n << 53n
/** More bits than a double's 53, so that one sticky bit decides every rounding. */
const KEPT_BITS = 64

const bytes = new DataView(new ArrayBuffer(8))

/** A finite double in units of 2^-1074. */
export function toUnits(value: number): bigint {
  bytes.setFloat64(0, value)
  const bits = bytes.getBigUint64(0)
  const exponent = (bits >> 52n) & EXPONENT_MASK
  const fraction = bits & FRACTION_MASK
  const magnitude = exponent === 0n ? fraction : (fraction | HIDDEN_BIT) << (exponent - 1n)
  return bits >> 63n === 0n ? magnitude : -magnitude
}

/** A whole number in units of 2^-1074. */
export function wholeToUnits(value: bigint): bigint {
  return value << UNIT_EXPONENT
}

/**
 * The double nearest to a number of units divided by `divisor` (positive), ties to even; infinite
 * beyond a double's range.
 */
export function fromUnits(units: bigint, divisor: bigint = 1n): number {
  const magnitude = units < 0n ? -units : units
  const excess = Math.max(0, bitLength(magnitude) - bitLength(divisor) - KEPT_BITS)
  const scale = divisor << BigInt(excess)
  const quotient = magnitude / scale
  const rest = magnitude % scale
  const value =
    quotient < SUBNORMAL_UNITS
      ? Number(roundHalfEven(quotient, rest, scale)) * 2 ** -1074
      : // Two bits more, the last of which says that there is a rest.
        (Number((quotient << 2n) | (rest === 0n ? 0n : 1n)) / 4) * 2 ** (excess - 1074)
  return units < 0n ? -value : value
}

function roundHalfEven(quotient: bigint, rest: bigint, scale: bigint): bigint {
  const half = 2n * rest
  const isUp = half > scale || (half === scale && (quotient & 1n) === 1n)
  return isUp ? quotient + 1n : quotient
}

/** Bits of a number, by whole hexadecimal digits: up to three too many. */
function bitLength(value: bigint): number {
  return value.toString(16).length * 4
}
