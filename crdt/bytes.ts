/** A growing byte string and its reader: what the codec of row states is written with. */
import { MeridianError } from '../src/core/errors.ts'
import type { SqlValue } from '../src/core/values.ts'

const utf8 = new TextEncoder()
const utf8Reader = new TextDecoder('utf-8', { fatal: true })

/** The tags of values. */
const NULL = 0
const POSITIVE = 1
const NEGATIVE = 2
const DOUBLE = 3
const TEXT = 4
const BYTES = 5
const BIGINT = 6

/** Appends values to a byte string. */
export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(256)
  #length = 0

  /** A whole number from 0 to 2^53 - 1, 7 bits a byte, low bits first. */
  uint(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  /** 16 hexadecimal digits as 8 bytes. */
  hlc(hlc: string): void {
    this.#reserve(8)
    for (let i = 0; i < 16; i += 4) {
      const part = Number.parseInt(hlc.slice(i, i + 4), 16)
      this.#bytes[this.#length++] = part >>> 8
      this.#bytes[this.#length++] = part & 0xff
    }
  }

  /** A text behind its length in bytes. */
  text(text: string): void {
    this.#reserve(text.length * 3 + 8)
    if (text.length < 0x80 && this.#ascii(text)) return
    this.bytes(utf8.encode(text))
  }

  /** Bytes behind their length. */
  bytes(bytes: Uint8Array): void {
    this.uint(bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** A stored value, tagged. */
  value(value: SqlValue): void {
    if (value === null) return this.uint(NULL)
    if (typeof value === 'string') {
      this.uint(TEXT)
      return this.text(value)
    }
    if (typeof value === 'bigint') {
      this.uint(BIGINT)
      return this.text(value.toString())
    }
    if (typeof value !== 'number') {
      this.uint(BYTES)
      return this.bytes(value)
    }
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return this.#double(value)
    this.uint(value < 0 ? NEGATIVE : POSITIVE)
    this.uint(Math.abs(value))
  }

  /** A copy of what was written. The writer starts anew. */
  finish(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return bytes
  }

  #double(value: number): void {
    this.uint(DOUBLE)
    this.#reserve(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value)
    this.#length += 8
  }

  /** Writes a short text if it is plain ASCII. */
  #ascii(text: string): boolean {
    const start = this.#length
    this.#bytes[this.#length++] = text.length
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) {
        this.#length = start
        return false
      }
      this.#bytes[this.#length++] = unit
    }
    return true
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Reads what a `ByteWriter` wrote. Every method throws `PROTOCOL_MALFORMED` beyond the end. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  uint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined || scale > 2 ** 49) throw malformed()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }

  hlc(): string {
    const from = this.#take(8)
    let text = ''
    for (let i = from; i < from + 8; i++) text += HEX[this.#bytes[i] as number]
    return text
  }

  text(): string {
    const length = this.uint()
    const from = this.#take(length)
    let text = ''
    // Short texts are mostly ASCII, and the decoder costs a microsecond whatever the length.
    if (length < 0x40) {
      for (let i = from; i < from + length; i++) {
        const byte = this.#bytes[i] as number
        if (byte > 0x7f) return this.#decode(from, length)
        text += String.fromCharCode(byte)
      }
      return text
    }
    return this.#decode(from, length)
  }

  /** A copy. */
  bytes(): Uint8Array {
    const length = this.uint()
    const from = this.#take(length)
    return Uint8Array.prototype.slice.call(this.#bytes, from, from + length)
  }

  value(): SqlValue {
    switch (this.uint()) {
      case NULL:
        return null
      case POSITIVE:
        return this.uint()
      case NEGATIVE:
        return -this.uint()
      case DOUBLE: {
        const from = this.#take(8)
        return new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getFloat64(from)
      }
      case TEXT:
        return this.text()
      case BYTES:
        return this.bytes()
      case BIGINT:
        return this.#bigint()
      default:
        throw malformed()
    }
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed()
  }

  #bigint(): bigint {
    const text = this.text()
    if (!/^-?[0-9]{1,19}$/.test(text)) throw malformed()
    return BigInt(text)
  }

  #decode(from: number, length: number): string {
    try {
      return utf8Reader.decode(this.#bytes.subarray(from, from + length))
    } catch {
      throw malformed()
    }
  }

  #take(length: number): number {
    const from = this.#at
    if (length > this.#bytes.length - from) throw malformed()
    this.#at = from + length
    return from
  }
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, '0'),
)

/** Bytes that are no row state or delta. */
export function malformed(): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The bytes are not the state of an eventual row.')
}
