/** Base64 (RFC 4648, section 4) as Hrana has it: written without padding, read with or without. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const INVALID = 255

const CODES: Uint8Array = Uint8Array.from(ALPHABET, (digit) => digit.charCodeAt(0))
const VALUES: Uint8Array = new Uint8Array(128).fill(INVALID)
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i

const ascii = new TextDecoder()

/** Base64 without padding. */
export function toBase64(bytes: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let out = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const triple = (at(bytes, i) << 16) | (at(bytes, i + 1) << 8) | at(bytes, i + 2)
    // What lies beyond the end of a typed array is dropped: the last group may be short.
    for (let shift = 18; shift >= 0; shift -= 6) codes[out++] = at(CODES, (triple >> shift) & 63)
  }
  return ascii.decode(codes)
}

/** The bytes, or `undefined` for what is not base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  let length = text.length
  while (length > text.length - 2 && text.endsWith('=', length)) length--
  // Padding, where there is any, must be the whole of it.
  if (length % 4 === 1 || (length < text.length && text.length % 4 !== 0)) return undefined
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let out = 0
  let bits = 0
  let held = 0
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? at(VALUES, code) : INVALID
    if (value === INVALID) return undefined
    held = ((held << 6) | value) & 0xffffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[out++] = (held >> bits) & 255
    }
  }
  return bytes
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}
