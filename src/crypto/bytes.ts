/** Building of byte strings. All integers are big-endian. */

const encoder = new TextEncoder()

/** UTF-8 of a text that is well formed. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The byte strings, one behind the other. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

/** A 32-bit unsigned integer. */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** Reads a 32-bit unsigned integer; the caller has checked the length. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset)
}

/**
 * LP of the format: each part behind its 32-bit length, so that no two lists of parts give the
 * same bytes.
 */
export function lengthPrefixed(parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(parts.flatMap((part) => [uint32(part.length), part]))
}
