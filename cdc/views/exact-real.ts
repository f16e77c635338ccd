/**
 * Exact sums of doubles. Every finite double is a whole multiple of 2^-1074, so a sum is kept as
 * that many units: adding and taking away again leaves no trace, in any order, which no floating
 * point sum can say.
 */

const UNIT_EXPONENT = 1074
const EXPONENT_MASK = 0x7ffn
const FRACTION_MASK = (1n << 52n) - 1n
/** More bits than a double's 53, so that one sticky bit decides every rounding. */
const KEPT_BITS = 64

const view = new DataView(new ArrayBuffer(8))

/** A finite double in units of 2^-1074. */
export function toUnits(value: number): bigint {
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = (bits >> 52n) & EXPONENT_MASK
  const fraction = bits & FRACTION_MASK
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n)
  return bits >> 63n === 0n ? magnitude : -magnitude
}

/** The double nearest to a number of units, ties to even; infinite beyond a double's range. */
export function fromUnits(units: bigint): number {
  const magnitude = units < 0n ? -units : units
  const excess = Math.max(0, magnitude.toString(2).length - KEPT_BITS)
  let top = magnitude >> BigInt(excess)
  if (top << BigInt(excess) !== magnitude) top |= 1n
  // Two steps, since 2^-1074 times a power of two may be out of range on the way.
  const value = Number(top) * 2 ** (excess - UNIT_EXPONENT / 2 - 1) * 2 ** (1 - UNIT_EXPONENT / 2)
  return units < 0n ? -value : value
}
