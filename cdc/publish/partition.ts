/**
 * The partition of a key, as the Java client's default partitioner chooses it (murmur2, `Utils` of
 * Apache Kafka): consumers that join topics may rely on equal keys in equal partitions.
 */

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/** 0 to `partitions` - 1. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

function murmur2(bytes: Uint8Array): number {
  const { length } = bytes
  const whole = length - (length % 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  let hash = SEED ^ length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(view.getInt32(at, true), MULTIPLIER)
    word ^= word >>> SHIFT
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  if (whole < length) {
    for (let at = length - 1; at >= whole; at--) hash ^= view.getUint8(at) << (8 * (at - whole))
    hash = Math.imul(hash, MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}
