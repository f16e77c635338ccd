/**
 * Messages of a snapshot channel, version 1: MessagePack arrays that begin with version and kind.
 *
 * ```
 * asking region → peer   open      [1, 1, region, group, machineVersion, [schema version, fingerprint]]
 *                        begin     [1, 2, credit]
 *                        more      [1, 3, credit]
 *                        ask       [1, 11, region, group]
 * peer → asking region   offer     [1, 4, source, index, machineVersion, [schema version, fingerprint]]
 *                        range     [1, 5, table, after | null, upTo | null, rows]
 *                        keys      [1, 6, table, width, prefixes, rows]
 *                        outcomes  [1, 7, after | null, upTo | null, rows]
 *                        mark      [1, 8, index]
 *                        end       [1, 9, index, logTimeMs, lastId | null, machineVersion, skipped,
 *                                   schema?]
 *                        refuse    [1, 10, error]
 *                        state     [1, 12, applied, machineVersion, digestKind, digests, skipped,
 *                                   stopped | null]
 * ```
 *
 * `machineVersion`: of `open` what the asking node supports, of `offer` and `end` what the log has
 * risen to; an `end` without it is of a peer that knows version 1 alone. `schema`: the bytes of the
 * control record that says the active schema, where the log has said one.
 *
 * Credit is in bytes of what follows `begin`. `rows` and `prefixes` are JSON lists of cells. `range`
 * and `outcomes` say what there is between two keys, `keys` what there is under some keys; whatever
 * the asking region has there besides is to go.
 */
import type { WireError } from '../../src/core/errors.ts'
import { packedArrays } from '../../src/protocol/packed-array.ts'
import type { ActiveSchema } from './active-schema.ts'
import { schemaBytes, schemaOfBytes } from './active-schema-store.ts'
import { FIRST_MACHINE_VERSION } from './machine-version.ts'
import type { Digest } from './digests/digest-tracker.ts'
import type { Cells } from './snapshot-tables.ts'

const { pack, unpack, malformed, list, text, count, wireError } = packedArrays({
  one: 'a snapshot message',
  many: 'snapshots',
  version: 1,
})

/** Which schema the rows are of: `CompiledSchema` is one. */
export interface SchemaOf {
  readonly version: number
  readonly fingerprint: string
}

/** From the region that asks. */
export type AskMessage =
  | {
      readonly kind: 'open'
      readonly region: string
      readonly group: string
      readonly machineVersion: number
      readonly schema: SchemaOf
    }
  | { readonly kind: 'begin' | 'more'; readonly credit: number }
  | AskState

/** Asks where a region is with a group, without wanting a snapshot: `state` is the answer. */
export interface AskState {
  readonly kind: 'ask'
  readonly region: string
  readonly group: string
}

/** Where a region is with a group. */
export interface GroupPeerState {
  readonly kind: 'state'
  readonly applied: number
  /** The version of the state machine that the node supports. */
  readonly machineVersion: number
  /** Digests of one kind can be compared. */
  readonly digestKind: string
  readonly digests: readonly Digest[]
  /** Records that were applied without effect. */
  readonly skipped: readonly number[]
  /** Why the group has stopped; `index`: of the record that its store or decoder refused. */
  readonly stopped: {
    readonly code: string
    readonly message: string
    readonly index: number | null
  } | null
}

/** What the peer has, before anything of it is sent. */
export interface SnapshotOffer {
  readonly kind: 'offer'
  /** `<region>.<incarnation>` of its store. */
  readonly source: string
  /** What it has applied; the snapshot's index is at or above it. */
  readonly index: number
  readonly machineVersion: number
  readonly schema: SchemaOf
}

/** A part of the rows. */
export type SnapshotPart =
  | {
      readonly kind: 'range'
      readonly table: string
      readonly after: Cells | null
      readonly upTo: Cells | null
      readonly rows: string
    }
  | {
      readonly kind: 'keys'
      readonly table: string
      /** Columns of the key that each prefix names. */
      readonly width: number
      readonly prefixes: string
      readonly rows: string
    }
  | {
      readonly kind: 'outcomes'
      /** Index and transaction. */
      readonly after: readonly [number, string] | null
      readonly upTo: readonly [number, string] | null
      readonly rows: string
    }

/** What was sent so far is the state at this index. */
export interface SnapshotMark {
  readonly kind: 'mark'
  readonly index: number
}

/** All was sent: it is the state at this index. */
export interface SnapshotEnd {
  readonly kind: 'end'
  readonly index: number
  readonly logTimeMs: number
  /** The id of the record at `index`, where the peer knows it. */
  readonly lastId: string | null
  /** The active version of the state machine at `index`. */
  readonly machineVersion: number
  /** The active schema at `index`; undefined: the log has not said it. */
  readonly schema: ActiveSchema | undefined
  /** Records that were applied without effect, ascending. */
  readonly skipped: readonly number[]
}

/** From the peer. */
export type PeerMessage =
  | SnapshotOffer
  | SnapshotPart
  | SnapshotMark
  | SnapshotEnd
  | GroupPeerState
  | { readonly kind: 'refuse'; readonly error: WireError }

const schemaWire = ({ version, fingerprint }: SchemaOf): readonly unknown[] => [
  version,
  fingerprint,
]

/** Encodes what the asking region says. */
export function encodeAskMessage(message: AskMessage): Uint8Array {
  if (message.kind === 'ask') return pack([11, message.region, message.group])
  if (message.kind !== 'open') {
    return pack([message.kind === 'begin' ? 2 : 3, message.credit])
  }
  const { region, group, machineVersion, schema } = message
  return pack([1, region, group, machineVersion, schemaWire(schema)])
}

/** Decodes what the asking region says. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeAskMessage(bytes: Uint8Array): AskMessage {
  const [, kind, ...rest] = unpack(bytes)
  switch (kind) {
    case 1:
      return {
        kind: 'open',
        region: text(rest[0]),
        group: text(rest[1]),
        machineVersion: count(rest[2]),
        schema: schemaOf(rest[3]),
      }
    case 2:
      return { kind: 'begin', credit: count(rest[0]) }
    case 3:
      return { kind: 'more', credit: count(rest[0]) }
    case 11:
      return { kind: 'ask', region: text(rest[0]), group: text(rest[1]) }
    default:
      throw malformed()
  }
}

/** Encodes what the peer says. */
export function encodePeerMessage(message: PeerMessage): Uint8Array {
  return pack(fieldsOf(message))
}

function fieldsOf(message: PeerMessage): readonly unknown[] {
  switch (message.kind) {
    case 'offer':
      return [4, message.source, message.index, message.machineVersion, schemaWire(message.schema)]
    case 'range':
      return [5, message.table, message.after, message.upTo, message.rows]
    case 'keys':
      return [6, message.table, message.width, message.prefixes, message.rows]
    case 'outcomes':
      return [7, message.after, message.upTo, message.rows]
    case 'mark':
      return [8, message.index]
    case 'end':
      return [
        9,
        message.index,
        message.logTimeMs,
        message.lastId,
        message.machineVersion,
        message.skipped,
        ...(message.schema === undefined ? [] : [schemaBytes(message.schema)]),
      ]
    case 'state':
      return stateWire(message)
    case 'refuse':
      return [10, message.error]
  }
}

/** Decodes what the peer says. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage {
  const [, kind, ...rest] = unpack(bytes)
  switch (kind) {
    case 4:
      return {
        kind: 'offer',
        source: text(rest[0]),
        index: count(rest[1]),
        machineVersion: count(rest[2]),
        schema: schemaOf(rest[3]),
      }
    case 5:
      return {
        kind: 'range',
        table: text(rest[0]),
        after: orNull(rest[1], list),
        upTo: orNull(rest[2], list),
        rows: text(rest[3]),
      }
    case 6:
      return {
        kind: 'keys',
        table: text(rest[0]),
        width: count(rest[1]),
        prefixes: text(rest[2]),
        rows: text(rest[3]),
      }
    case 7:
      return {
        kind: 'outcomes',
        after: orNull(rest[0], place),
        upTo: orNull(rest[1], place),
        rows: text(rest[2]),
      }
    case 8:
      return { kind: 'mark', index: count(rest[0]) }
    case 9:
      return {
        kind: 'end',
        index: count(rest[0]),
        logTimeMs: count(rest[1]),
        lastId: orNull(rest[2], text),
        machineVersion: count(rest[3] ?? FIRST_MACHINE_VERSION),
        skipped: list(rest[4] ?? []).map(count),
        schema: activeSchema(rest[5]),
      }
    case 10:
      return { kind: 'refuse', error: wireError(rest[0]) }
    case 12:
      return stateOf(rest)
    default:
      throw malformed()
  }
}

function stateWire(state: GroupPeerState): readonly unknown[] {
  const { applied, machineVersion, digestKind, digests, skipped, stopped } = state
  return [
    12,
    applied,
    machineVersion,
    digestKind,
    digests.map(({ index, parts }) => [index, parts]),
    skipped,
    stopped === null ? null : [stopped.code, stopped.message, stopped.index],
  ]
}

function stateOf(fields: readonly unknown[]): GroupPeerState {
  return {
    kind: 'state',
    applied: count(fields[0]),
    machineVersion: count(fields[1]),
    digestKind: text(fields[2]),
    digests: list(fields[3]).map((one) => {
      const [index, parts] = list(one)
      return { index: count(index), parts: list(parts).map(digestPart) }
    }),
    skipped: list(fields[4]).map(count),
    stopped: orNull(fields[5], (value) => {
      const [code, message, index] = list(value)
      return { code: text(code), message: text(message), index: orNull(index, count) }
    }),
  }
}

function digestPart(value: unknown): Digest['parts'][number] {
  const [name, digits] = list(value)
  return [text(name), text(digits)]
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value)
}

function place(value: unknown): readonly [number, string] {
  const [index, tx] = list(value)
  return [count(index), text(tx)]
}

function activeSchema(value: unknown): ActiveSchema | undefined {
  if (value === undefined) return undefined
  if (value instanceof Uint8Array) return schemaOfBytes(value)
  throw malformed()
}

function schemaOf(value: unknown): SchemaOf {
  const [version, fingerprint] = list(value)
  return { version: count(version), fingerprint: text(fingerprint) }
}
