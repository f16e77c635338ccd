/** Writes protobuf's wire format. Fields are written as they are given: defaults are the caller's. */

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2

const INITIAL_BYTES = 256

const utf8 = new TextEncoder()

export class ProtobufWriter {
  #bytes = new Uint8Array(INITIAL_BYTES)
  #length = 0

  /** What was written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  int32(field: number, value: number): void {
    this.#tag(field, VARINT)
    // A negative one is extended to 64 bits.
    if (value < 0) this.#varint64(BigInt.asUintN(64, BigInt(value)))
    else this.#varint(value)
  }

  /** Up to 2^53: what counts and indexes are. */
  uint(field: number, value: number): void {
    this.#tag(field, VARINT)
    this.#varint(value)
  }

  bool(field: number, value: boolean): void {
    this.uint(field, value ? 1 : 0)
  }

  sint64(field: number, value: bigint): void {
    this.#tag(field, VARINT)
    this.#varint64(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)))
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64)
    const start = this.#grow(8)
    new DataView(this.#bytes.buffer, start, 8).setFloat64(0, value, true)
  }

  string(field: number, value: string): void {
    this.bytes(field, utf8.encode(value))
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, LENGTH_DELIMITED)
    this.#varint(value.length)
    const start = this.#grow(value.length)
    this.#bytes.set(value, start)
  }

  message(field: number, write: (writer: ProtobufWriter) => void): void {
    this.#tag(field, LENGTH_DELIMITED)
    this.delimited(write)
  }

  /** A message after its length, without a tag: how messages follow one another in a stream. */
  delimited(write: (writer: ProtobufWriter) => void): void {
    // Most messages are short: one byte is left for the length, and the others make room.
    const at = this.#grow(1)
    write(this)
    const length = this.#length - at - 1
    const extra = varintBytes(length) - 1
    if (extra > 0) {
      this.#grow(extra)
      this.#bytes.copyWithin(at + 1 + extra, at + 1, at + 1 + length)
    }
    const end = this.#length
    this.#length = at
    this.#varint(length)
    this.#length = end
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType)
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.#byte(rest)
  }

  #varint64(value: bigint): void {
    let rest = value
    while (rest >= 0x80n) {
      this.#byte(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.#byte(Number(rest))
  }

  #byte(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  /** Makes room; where it begins. */
  #grow(count: number): number {
    const start = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    return start
  }
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}
