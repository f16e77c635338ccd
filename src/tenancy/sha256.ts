/**
 * SHA-256 (FIPS 180-4), synchronous: WebCrypto's is not, and a tenant is looked up on every call.
 * For names and identities; secrets go through WebCrypto.
 */
import { toHex } from '../core/values.ts'

/** The first 32 bits of the fractional parts of a root of the first primes. */
function primeRoots(count: number, exponent: number): Uint32Array {
  const words = new Uint32Array(count)
  for (let n = 2, found = 0; found < count; n++) {
    let prime = true
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0
    if (prime) words[found++] = (n ** exponent % 1) * 2 ** 32
  }
  return words
}

const INITIAL = primeRoots(8, 1 / 2)
const ROUND = primeRoots(64, 1 / 3)
const encoder = new TextEncoder()

/** The SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits. */
export function sha256Hex(text: string): string {
  const message = pad(encoder.encode(text))
  const state = Uint32Array.from(INITIAL)
  const schedule = new Uint32Array(64)
  for (let offset = 0; offset < message.byteLength; offset += 64) {
    for (let t = 0; t < 16; t++) schedule[t] = message.getUint32(offset + 4 * t)
    compress(state, schedule)
  }
  const digest = new DataView(new ArrayBuffer(32))
  state.forEach((word, i) => digest.setUint32(4 * i, word))
  return toHex(new Uint8Array(digest.buffer))
}

/** The message, a 1 bit, zeros, and the length in bits, to a multiple of 64 bytes. */
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n)
  return view
}

/** One block: `schedule` holds its 16 words in front. */
function compress(state: Uint32Array, schedule: Uint32Array): void {
  const w = (t: number): number => schedule[t] as number
  for (let t = 16; t < 64; t++) {
    const s0 = rotr(w(t - 15), 7) ^ rotr(w(t - 15), 18) ^ (w(t - 15) >>> 3)
    const s1 = rotr(w(t - 2), 17) ^ rotr(w(t - 2), 19) ^ (w(t - 2) >>> 10)
    schedule[t] = w(t - 16) + s0 + w(t - 7) + s1
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  for (let t = 0; t < 64; t++) {
    const sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)
    const choice = (e & f) ^ (~e & g)
    const t1 = (h + sum1 + choice + (ROUND[t] as number) + w(t)) | 0
    const sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)
    const majority = (a & b) ^ (a & c) ^ (b & c)
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + sum0 + majority) | 0
  }
  ;[a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = (state[i] as number) + word
  })
}

function rotr(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}
