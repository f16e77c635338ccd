/**
 * The bytes of a record of a Kafka change log, version 1: several changes at positions that follow
 * each other.
 *
 * ```
 * record  'MRL', version (u8), first position (u64), known offset (u64), count (u32), chunk
 * ```
 *
 * Numbers are big-endian. `known offset`: the writer knew every record of the topic below it, and
 * their highest position was `first position - 1`. It lets a reader of the last records alone say
 * where the log ends, although several processes may have written.
 */
import { MeridianError } from '../../core/errors.ts'
import type { ChangeLogRecord } from '../../core/ports/change-log.ts'
import { decodeChunk, encodeChunk } from '../change-log/chunk-codec.ts'
import type { StoredRecord } from './kafka-client.ts'

/** 'MRL': what does not begin with it is not Meridian's. */
const MAGIC = 0x4d524c
const VERSION = 1
const HEADER_BYTES = 24
const LENGTH_BYTES = 4

/** Changes that are stored together. */
export interface LogChunk {
  readonly first: number
  readonly last: number
  readonly knownOffset: number
  readonly records: readonly ChangeLogRecord[]
  readonly bytes: number
}

/** Encodes changes, at least one, at positions without a gap. */
export function encodeLogRecord(
  records: readonly ChangeLogRecord[],
  knownOffset: number,
): Uint8Array {
  const chunk = encodeChunk(records.map((record) => record.payload))
  const bytes = new Uint8Array(HEADER_BYTES + chunk.length)
  const header = new DataView(bytes.buffer)
  header.setUint32(0, MAGIC * 256 + VERSION)
  header.setBigUint64(4, BigInt(records[0]?.position ?? 0))
  header.setBigUint64(12, BigInt(knownOffset))
  header.setUint32(20, records.length)
  bytes.set(chunk, HEADER_BYTES)
  return bytes
}

/**
 * Decodes a record of `topic`.
 *
 * @throws MeridianError `LOG_FOREIGN` when something else wrote it, `PROTOCOL_VERSION`
 */
export function decodeLogRecord(topic: string, { offset, value }: StoredRecord): LogChunk {
  if (value === null || value.length < HEADER_BYTES) throw foreignError(topic, offset)
  const header = new DataView(value.buffer, value.byteOffset, value.length)
  if (header.getUint32(0) >>> 8 !== MAGIC) throw foreignError(topic, offset)
  if (header.getUint8(3) !== VERSION) throw versionError(topic, offset, header.getUint8(3))
  const first = Number(header.getBigUint64(4))
  const knownOffset = Number(header.getBigUint64(12))
  const count = header.getUint32(20)
  const chunk = value.subarray(HEADER_BYTES)
  if (first === 0 || !isWhole(chunk, count)) {
    throw foreignError(topic, offset)
  }
  const records = decodeChunk(chunk, count, 0, count).map((payload, index) => ({
    position: first + index,
    payload,
  }))
  return { first, last: first + count - 1, knownOffset, records, bytes: value.length }
}

function isWhole(chunk: Uint8Array, count: number): boolean {
  let size = count * LENGTH_BYTES
  if (count === 0 || size > chunk.length) return false
  const lengths = new DataView(chunk.buffer, chunk.byteOffset, size)
  for (let at = 0; at < count * LENGTH_BYTES; at += LENGTH_BYTES)
    size += lengths.getUint32(at, true)
  return size === chunk.length
}

function foreignError(topic: string, offset: number): MeridianError {
  return new MeridianError(
    'LOG_FOREIGN',
    `Record ${offset} of topic ${topic} was not written by Meridian.`,
    {
      fix: 'Let nobody else write to the topic, and seed the region again.',
      details: { topic, offset },
    },
  )
}

function versionError(topic: string, offset: number, version: number): MeridianError {
  return new MeridianError(
    'PROTOCOL_VERSION',
    `Record ${offset} of topic ${topic} has version ${version}; this node reads ${VERSION}.`,
    { fix: 'Start the node with a newer release.', details: { topic, offset, version } },
  )
}
