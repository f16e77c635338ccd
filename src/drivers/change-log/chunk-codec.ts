/**
 * Several payloads as one blob: the length of each as a 32-bit little-endian number, then the
 * payloads one after another. One row a batch is what makes appending cheap.
 */

/** Joins payloads. */
export function encodeChunk(payloads: readonly Uint8Array[]): Uint8Array {
  let size = payloads.length * 4
  for (const payload of payloads) size += payload.length
  const chunk = new Uint8Array(size)
  const lengths = new DataView(chunk.buffer)
  let at = payloads.length * 4
  for (const [index, payload] of payloads.entries()) {
    lengths.setUint32(index * 4, payload.length, true)
    chunk.set(payload, at)
    at += payload.length
  }
  return chunk
}

/** The payloads `from` to `to` (excluded) of a chunk of `count`; views of the chunk's bytes. */
export function decodeChunk(
  chunk: Uint8Array,
  count: number,
  from: number,
  to: number,
): Uint8Array[] {
  const lengths = new DataView(chunk.buffer, chunk.byteOffset, count * 4)
  const payloads: Uint8Array[] = []
  let at = count * 4
  for (let index = 0; index < to; index++) {
    const end = at + lengths.getUint32(index * 4, true)
    if (index >= from) payloads.push(chunk.subarray(at, end))
    at = end
  }
  return payloads
}
