/**
 * Messages of a replication channel, version 1: MessagePack arrays that begin with version and kind.
 *
 * ```
 * importer → exporter   subscribe [1, 1, region, credit, [[source, position]…], schema | null]
 *                       ack       [1, 2, credit, position]
 *                       probe     [1, 3, id]
 * exporter → importer   accept    [1, 4, source, position, end]
 *                       batch     [1, 5, previous, position, hlc, imports, changes]
 *                       answer    [1, 6, id, end, sent]
 *                       refuse    [1, 7, error]
 * ```
 *
 * Credit is in bytes of `batch` messages. A batch moves the importer from `previous` to `position`;
 * without changes it is an advance over a range that the importer's region is not sent. `imports`
 * is the source's import vector (protocol rule 18), null where the source does not tell it.
 */
import type { Change } from '../../src/core/change.ts'
import type { WireError } from '../../src/core/errors.ts'
import type { Hlc } from '../../src/core/hlc.ts'
import { decodeChanges, encodeChanges } from '../../src/protocol/change-codec.ts'
import { packedArrays } from '../../src/protocol/packed-array.ts'

const { pack, unpack, malformed, list, text, count, blob, wireError } = packedArrays({
  one: 'a replication message',
  many: 'replication',
  version: 1,
})

/** Which schema a region has: on the wire `[version, fingerprint]`. */
export interface SchemaMark {
  readonly version: number
  readonly fingerprint: string
}

/** From the importing region to the source. */
export type ImporterMessage =
  | {
      readonly kind: 'subscribe'
      readonly region: string
      /** Bytes that the exporter may send before it hears again. */
      readonly credit: number
      /** Every source of the exporter's region that is known, with its applied position. */
      readonly positions: readonly (readonly [source: string, position: number])[]
      /** The region's schema: of one version, both ends must number alike. Older nodes do not tell. */
      readonly schema: SchemaMark | null
    }
  /** `credit` more bytes may be sent; everything up to `position` is durable here. */
  | { readonly kind: 'ack'; readonly credit: number; readonly position: number }
  | { readonly kind: 'probe'; readonly id: number }

/** From the source to the importing region. */
export type ExporterMessage =
  | {
      readonly kind: 'accept'
      readonly source: string
      /** Where the stream starts. */
      readonly position: number
      readonly end: number
    }
  | StreamBatch
  /** The source's end when it answered, and the position up to which it had sent. */
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly end: number
      readonly sent: number
    }
  | { readonly kind: 'refuse'; readonly error: WireError }

/** Changes of whole transactions, or none: an advance. */
export interface StreamBatch {
  readonly kind: 'batch'
  readonly previous: number
  readonly position: number
  /** No later change of the source has a lower HLC; null where the source cannot tell yet. */
  readonly hlc: Hlc | null
  readonly imports: readonly (readonly [source: string, position: number])[] | null
  readonly changes: readonly Change[]
}

const SUBSCRIBE = 1
const ACK = 2
const PROBE = 3
const ACCEPT = 4
const BATCH = 5
const ANSWER = 6
const REFUSE = 7

/** Encodes what an importer says. */
export function encodeImporterMessage(message: ImporterMessage): Uint8Array {
  switch (message.kind) {
    case 'subscribe':
      return pack([
        SUBSCRIBE,
        message.region,
        message.credit,
        message.positions,
        message.schema && [message.schema.version, message.schema.fingerprint],
      ])
    case 'ack':
      return pack([ACK, message.credit, message.position])
    case 'probe':
      return pack([PROBE, message.id])
  }
}

/** Decodes what an importer says. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeImporterMessage(bytes: Uint8Array): ImporterMessage {
  const raw = unpack(bytes)
  switch (raw[1]) {
    case SUBSCRIBE:
      return {
        kind: 'subscribe',
        region: text(raw[2]),
        credit: count(raw[3]),
        positions: vector(raw[4]),
        schema: schemaMark(raw[5] ?? null),
      }
    case ACK:
      return { kind: 'ack', credit: count(raw[2]), position: count(raw[3]) }
    case PROBE:
      return { kind: 'probe', id: count(raw[2]) }
    default:
      throw malformed()
  }
}

/** Encodes what an exporter says. */
export function encodeExporterMessage(message: ExporterMessage): Uint8Array {
  switch (message.kind) {
    case 'accept':
      return pack([ACCEPT, message.source, message.position, message.end])
    case 'batch':
      return pack([
        BATCH,
        message.previous,
        message.position,
        message.hlc,
        message.imports,
        message.changes.length === 0 ? null : encodeChanges(message.changes),
      ])
    case 'answer':
      return pack([ANSWER, message.id, message.end, message.sent])
    case 'refuse':
      return pack([REFUSE, message.error])
  }
}

/** Decodes what an exporter says. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeExporterMessage(bytes: Uint8Array): ExporterMessage {
  const raw = unpack(bytes)
  switch (raw[1]) {
    case ACCEPT:
      return {
        kind: 'accept',
        source: text(raw[2]),
        position: count(raw[3]),
        end: count(raw[4]),
      }
    case BATCH:
      return {
        kind: 'batch',
        previous: count(raw[2]),
        position: count(raw[3]),
        hlc: raw[4] === null ? null : text(raw[4]),
        imports: raw[5] === null ? null : vector(raw[5]),
        changes: raw[6] === null ? [] : decodeChanges(blob(raw[6])),
      }
    case ANSWER:
      return { kind: 'answer', id: count(raw[2]), end: count(raw[3]), sent: count(raw[4]) }
    case REFUSE:
      return { kind: 'refuse', error: wireError(raw[2]) }
    default:
      throw malformed()
  }
}

function vector(value: unknown): (readonly [string, number])[] {
  return list(value).map((raw) => {
    const pair = list(raw)
    return [text(pair[0]), count(pair[1])]
  })
}

function schemaMark(value: unknown): SchemaMark | null {
  if (value === null) return null
  const [version, fingerprint] = list(value)
  return { version: count(version), fingerprint: text(fingerprint) }
}
