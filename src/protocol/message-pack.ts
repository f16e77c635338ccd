/**
 * MessagePack, as much of it as messages are made of: `null`, `undefined`, booleans, numbers,
 * 64-bit integers, text, byte strings, lists, and objects with text keys. Small, because browsers
 * load it; what it writes any MessagePack reader reads.
 *
 * MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

const FIRST_BUFFER_BYTES = 8192
/** A buffer that has grown beyond is not kept for the next message. */
const KEPT_BUFFER_BYTES = 1 << 20
/** Text up to this length is written and read here: calls into the platform cost more. */
const SHORT_TEXT = 40

const encoder = new TextEncoder()
// A byte order mark is a character as others are.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Writes values one after another. One for all messages: writing never waits. */
class Writer {
  #bytes = new Uint8Array(FIRST_BUFFER_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  /** The bytes of a value. */
  pack(value: unknown): Uint8Array {
    this.#at = 0
    try {
      this.#write(value)
      return this.#bytes.slice(0, this.#at)
    } finally {
      if (this.#bytes.length > KEPT_BUFFER_BYTES) this.#resize(FIRST_BUFFER_BYTES)
    }
  }

  #write(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#writeText(value)
      case 'number':
        return this.#writeNumber(value)
      case 'bigint':
        return this.#writeInt64(value)
      case 'boolean':
        return this.#writeByte(value ? 0xc3 : 0xc2)
      case 'undefined':
        this.#writeByte(0xd4)
        this.#writeByte(0)
        return this.#writeByte(0)
      default:
        if (value === null) this.#writeByte(0xc0)
        else if (Array.isArray(value)) this.#writeList(value)
        else if (ArrayBuffer.isView(value)) this.#writeBytes(value)
        else this.#writeObject(value as Readonly<Record<string, unknown>>)
    }
  }

  #writeList(list: readonly unknown[]): void {
    const { length } = list
    if (length < 16) this.#writeByte(0x90 | length)
    else this.#writeLength(length, 0xdc)
    for (const item of list) this.#write(item)
  }

  #writeObject(object: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(object)
    // Never the short form: the bytes of a value stay what they have been since version 1.
    this.#writeLength(keys.length, 0xde)
    for (const key of keys) {
      this.#writeText(key)
      this.#write(object[key])
    }
  }

  #writeNumber(value: number): void {
    this.#reserve(9)
    const view = this.#view
    if (value >>> 0 === value) {
      if (value < 0x80) view.setUint8(this.#at++, value)
      else if (value < 0x100) this.#writeSized(0xcc, 1, value)
      else if (value < 0x10000) this.#writeSized(0xcd, 2, value)
      else this.#writeSized(0xce, 4, value)
    } else if ((value | 0) === value) {
      if (value >= -0x20) view.setInt8(this.#at++, value)
      else if (value >= -0x80) this.#writeSized(0xd0, 1, value)
      else if (value >= -0x8000) this.#writeSized(0xd1, 2, value)
      else this.#writeSized(0xd2, 4, value)
    } else {
      view.setUint8(this.#at, 0xcb)
      view.setFloat64(this.#at + 1, value)
      this.#at += 9
    }
  }

  #writeInt64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) {
      throw new RangeError('The integer has more than 64 bits.')
    }
    this.#reserve(9)
    this.#view.setUint8(this.#at, 0xd3)
    this.#view.setBigInt64(this.#at + 1, value)
    this.#at += 9
  }

  #writeText(text: string): void {
    const { length } = text
    // UTF-8 has at most three bytes for a unit of UTF-16.
    this.#reserve(5 + 3 * length)
    if (length < SHORT_TEXT && this.#writeAscii(text, length)) return
    const guess = headWidth(length)
    const start = this.#at + guess
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(start))
    const width = headWidth(written)
    // Characters beyond ASCII can need a longer length than there are units.
    if (width > guess) this.#bytes.copyWithin(this.#at + width, start, start + written)
    if (width === 1) this.#bytes[this.#at++] = 0xa0 | written
    else this.#writeSized(width === 2 ? 0xd9 : width === 3 ? 0xda : 0xdb, width - 1, written)
    this.#at += written
  }

  /** Writes text that is ASCII; where it is not, nothing has been written. */
  #writeAscii(text: string, length: number): boolean {
    const bytes = this.#bytes
    const start = length < 32 ? this.#at + 1 : this.#at + 2
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      bytes[start + i] = unit
    }
    if (length < 32) bytes[this.#at] = 0xa0 | length
    else {
      bytes[this.#at] = 0xd9
      bytes[this.#at + 1] = length
    }
    this.#at = start + length
    return true
  }

  #writeBytes(view: ArrayBufferView): void {
    const length = view.byteLength
    this.#reserve(5 + length)
    if (length < 0x100) this.#writeSized(0xc4, 1, length)
    else if (length < 0x10000) this.#writeSized(0xc5, 2, length)
    else this.#writeSized(0xc6, 4, length)
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset, length), this.#at)
    this.#at += length
  }

  /** The head of a list or an object with its length in 16 bits, or else in 32. */
  #writeLength(length: number, head: number): void {
    this.#reserve(5)
    if (length < 0x10000) this.#writeSized(head, 2, length)
    else this.#writeSized(head + 1, 4, length)
  }

  /** A head and a number behind it. */
  #writeSized(head: number, width: number, value: number): void {
    const view = this.#view
    view.setUint8(this.#at, head)
    if (width === 1) view.setUint8(this.#at + 1, value)
    else if (width === 2) view.setUint16(this.#at + 1, value)
    else view.setUint32(this.#at + 1, value)
    this.#at += 1 + width
  }

  #writeByte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = byte
  }

  #reserve(count: number): void {
    const needed = this.#at + count
    if (needed > this.#bytes.length) this.#resize(Math.max(needed, 2 * this.#bytes.length))
  }

  #resize(length: number): void {
    const bytes = new Uint8Array(length)
    bytes.set(this.#bytes.subarray(0, Math.min(this.#at, length)))
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

/** Reads one value. */
class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  read(): unknown {
    const head = this.#bytes[this.#at++] as number
    if (head < 0x80) return head
    if (head >= 0xe0) return head - 0x100
    if (head >= 0xa0 && head < 0xc0) return this.#readText(head & 0x1f)
    if (head < 0x90) return this.#readObject(head & 0x0f)
    if (head < 0xa0) return this.#readList(head & 0x0f)
    return this.#readLong(head)
  }

  #readLong(head: number): unknown {
    switch (head) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#readBytes(this.#unsigned(1 << (head - 0xc4)))
      case 0xca:
        return this.#view.getFloat32(this.#skip(4))
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc))
      case 0xcf:
        return this.#view.getBigUint64(this.#skip(8))
      case 0xd0:
        return this.#view.getInt8(this.#skip(1))
      case 0xd1:
        return this.#view.getInt16(this.#skip(2))
      case 0xd2:
        return this.#view.getInt32(this.#skip(4))
      case 0xd3:
        return this.#view.getBigInt64(this.#skip(8))
      case 0xd4:
        // The one extension type that there is, without a meaning of its own: `undefined`.
        this.#skip(2)
        return undefined
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#readText(this.#unsigned(1 << (head - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#readList(this.#unsigned(2 << (head - 0xdc)))
      case 0xde:
      case 0xdf:
        return this.#readObject(this.#unsigned(2 << (head - 0xde)))
      default:
        throw new TypeError('The bytes have a type that is not read here.')
    }
  }

  #readList(length: number): unknown[] {
    const list: unknown[] = []
    for (let i = 0; i < length; i++) list.push(this.read())
    return list
  }

  #readObject(length: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    for (let i = 0; i < length; i++) {
      const key = this.read() as string
      // Assigning to it would change what the object inherits.
      if (key === '__proto__') throw new TypeError('The bytes have a key that is not taken.')
      object[key] = this.read()
    }
    return object
  }

  #readText(length: number): string {
    const start = this.#skip(length)
    const text = length < SHORT_TEXT ? this.#readAscii(start, start + length) : undefined
    return text ?? decoder.decode(this.#bytes.subarray(start, start + length))
  }

  /** Text that is ASCII; `undefined` where it is not. */
  #readAscii(start: number, end: number): string | undefined {
    const bytes = this.#bytes
    let text = ''
    let at = start
    // Four at a time: adding to a text is what costs.
    for (; at + 4 <= end; at += 4) {
      const [a, b] = [bytes[at] as number, bytes[at + 1] as number]
      const [c, d] = [bytes[at + 2] as number, bytes[at + 3] as number]
      if ((a | b | c | d) > 0x7f) return undefined
      text += String.fromCharCode(a, b, c, d)
    }
    for (; at < end; at++) {
      const byte = bytes[at] as number
      if (byte > 0x7f) return undefined
      text += String.fromCharCode(byte)
    }
    return text
  }

  /** A copy: the receiver owns it. */
  #readBytes(length: number): Uint8Array {
    const start = this.#skip(length)
    return this.#bytes.slice(start, start + length)
  }

  #unsigned(width: number): number {
    const at = this.#skip(width)
    if (width === 1) return this.#view.getUint8(at)
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  /** Where the next `count` bytes begin. */
  #skip(count: number): number {
    const at = this.#at
    this.#at += count
    return at
  }
}

/** Bytes of the head and length of a text of so many bytes. */
function headWidth(length: number): number {
  if (length < 0x20) return 1
  if (length < 0x100) return 2
  return length < 0x10000 ? 3 : 5
}

const writer = new Writer()

/** The bytes of a value. */
export function packMessage(value: unknown): Uint8Array {
  return writer.pack(value)
}

/** The value of bytes that have been found to be one whole value (`requireBounded`). */
export function unpackMessage(bytes: Uint8Array): unknown {
  // Over Node's Buffer, byte strings would come back as Buffers.
  return new Reader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)).read()
}
