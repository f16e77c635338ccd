/**
 * Reads protobuf's wire format (protobuf.dev/programming-guides/encoding), as much as Hrana has of
 * it. Whatever the bytes, reading ends and never goes beyond its message.
 */
import { malformed } from '../errors.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

const MAX_VARINT_BYTES = 10
/** Messages within one: what four bytes say takes a hundred in memory. */
const MAX_MESSAGES = 2_000_000

// A byte order mark is a character of the text like others.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One message, read field by field. */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  /** Shared by all readers of the outermost message. */
  readonly #messages: { left: number }
  #at: number
  #wireType = VARINT

  constructor(
    bytes: Uint8Array,
    start: number = 0,
    end: number = bytes.length,
    messages: { left: number } = { left: MAX_MESSAGES },
  ) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#messages = messages
  }

  /** The number of the next field, whose value must be read or skipped; `undefined` at the end. */
  next(): number | undefined {
    if (this.#at >= this.#end) return undefined
    const tag = this.#varint32()
    this.#wireType = tag & 7
    const field = tag >>> 3
    if (field === 0) throw malformed('a field has the number 0')
    return field
  }

  int32(): number {
    this.#expect(VARINT)
    return this.#varint32() | 0
  }

  uint32(): number {
    this.#expect(VARINT)
    return this.#varint32()
  }

  bool(): boolean {
    this.#expect(VARINT)
    return this.#varint64() !== 0n
  }

  sint64(): bigint {
    this.#expect(VARINT)
    const zigzag = this.#varint64()
    return (zigzag & 1n) === 0n ? zigzag >> 1n : -(zigzag >> 1n) - 1n
  }

  double(): number {
    this.#expect(FIXED64)
    const start = this.#advance(8)
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 8).getFloat64(0, true)
  }

  /** A copy: what the value becomes outlives the message. */
  bytes(): Uint8Array {
    const [start, end] = this.#delimited()
    return this.#bytes.slice(start, end)
  }

  string(): string {
    const [start, end] = this.#delimited()
    try {
      return utf8.decode(this.#bytes.subarray(start, end))
    } catch {
      throw malformed('a string is not UTF-8')
    }
  }

  message(): ProtobufReader {
    const [start, end] = this.#delimited()
    if (--this.#messages.left < 0) throw malformed('it has too many parts')
    return new ProtobufReader(this.#bytes, start, end, this.#messages)
  }

  /** Passes over a field that this version does not know. */
  skip(): void {
    switch (this.#wireType) {
      case VARINT:
        this.#varint64()
        return
      case FIXED64:
        this.#advance(8)
        return
      case LENGTH_DELIMITED:
        this.#delimited()
        return
      case FIXED32:
        this.#advance(4)
        return
      default:
        throw malformed('a field has a wire type that is not in use')
    }
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw malformed('a field has the wrong wire type')
  }

  #delimited(): readonly [start: number, end: number] {
    this.#expect(LENGTH_DELIMITED)
    const length = this.#varint32()
    const start = this.#advance(length)
    return [start, start + length]
  }

  #advance(length: number): number {
    const start = this.#at
    if (length > this.#end - start) throw malformed('it ends in the middle of a field')
    this.#at = start + length
    return start
  }

  /** The low 32 bits, unsigned: what is above them is dropped, as protobuf asks. */
  #varint32(): number {
    let value = 0
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#advance(1)] ?? 0
      if (i < 5) value |= (byte & 0x7f) << (7 * i)
      if (byte < 0x80) return value >>> 0
    }
    throw malformed('a number does not end')
  }

  #varint64(): bigint {
    let value = 0n
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#advance(1)] ?? 0
      value |= BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw malformed('a number does not end')
  }
}
