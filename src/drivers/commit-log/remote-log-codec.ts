/**
 * The messages between a commit log and a region that uses it from afar: MessagePack maps, each
 * with the version of this format. What is not exactly one of them is malformed.
 */
import { Packr } from 'msgpackr'
import { MeridianError, type WireError } from '../../core/errors.ts'
import { MAX_MESSAGE_BYTES } from '../../core/limits.ts'

const REMOTE_LOG_VERSION = 1
/** Bytes of a payload: an entry holds at most the transactions of one message. */
export const MAX_PAYLOAD_BYTES: number = MAX_MESSAGE_BYTES
/** UTF-16 units of a group's name, and of an entry's id. */
export const MAX_GROUP_LENGTH = 256
export const MAX_ID_LENGTH = 256

/** What a region says with a question for what all support. */
export interface SupportReport {
  readonly region: string
  readonly version: number
}

/** Asked once, answered once, under a number that the asking side draws. */
export type LogRequest =
  | {
      readonly kind: 'append'
      readonly call: number
      readonly group: string
      readonly id: string
      readonly payload: Uint8Array
    }
  | {
      readonly kind: 'read-index'
      readonly call: number
      readonly group: string
      /** Asks what regions support of the group's state machine. Logs of before pass over it. */
      readonly support?: SupportReport | null
    }
  | {
      readonly kind: 'trim'
      readonly call: number
      readonly group: string
      readonly beforeIndex: number
    }

/** From the region to the log. `creditBytes`: how much more of a tail may be under way. */
export type ToLog =
  | LogRequest
  | {
      readonly kind: 'tail'
      readonly tail: number
      readonly group: string
      readonly fromIndex: number
      readonly creditBytes: number
    }
  | { readonly kind: 'credit'; readonly tail: number; readonly creditBytes: number }
  | { readonly kind: 'stop-tail'; readonly tail: number }

/** An entry of a batch; its index follows from its place. */
export interface WireEntry {
  readonly id: string
  readonly payload: Uint8Array
}

/** From the log to the region. */
export type FromLog =
  | {
      readonly kind: 'done'
      readonly call: number
      readonly index: number
      /** What each region supports, where it was asked for. */
      readonly supported?: Readonly<Record<string, number>>
    }
  | { readonly kind: 'failed'; readonly call: number; readonly error: WireError }
  | {
      readonly kind: 'entries'
      readonly tail: number
      readonly firstIndex: number
      readonly entries: readonly WireEntry[]
    }
  | { readonly kind: 'tail-failed'; readonly tail: number; readonly error: WireError }
  /** The last message of a channel that the log closes for what its peer sent. */
  | { readonly kind: 'refused'; readonly error: WireError }

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** The bytes of a message. */
export function encodeLogMessage(message: ToLog | FromLog): Uint8Array {
  return packr.pack({ version: REMOTE_LOG_VERSION, ...message })
}

/** @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeToLog(bytes: Uint8Array): ToLog {
  const message = unpack(bytes)
  if (isToLog(message)) return message as ToLog
  throw malformed()
}

/** @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeFromLog(bytes: Uint8Array): FromLog {
  const message = unpack(bytes)
  if (isFromLog(message)) return message as FromLog
  throw malformed()
}

/** What an entry counts against a tail's credit: its bytes and what surrounds them. */
export function entryCostBytes(entry: WireEntry): number {
  return entry.payload.length + entry.id.length + ENTRY_OVERHEAD_BYTES
}
const ENTRY_OVERHEAD_BYTES = 64

type Fields = Readonly<Record<string, unknown>>

function unpack(bytes: Uint8Array): Fields {
  let message: unknown
  try {
    // Over Node's Buffer, byte strings would come back as Buffers.
    message = packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (error) {
    throw malformed(error)
  }
  if (!isFields(message)) throw malformed()
  const { version } = message
  if (version === REMOTE_LOG_VERSION) return message
  if (!isCount(version)) throw malformed()
  throw new MeridianError(
    'PROTOCOL_VERSION',
    `Version ${version} of the commit log's messages is not spoken here (${REMOTE_LOG_VERSION}).`,
    { fix: 'Bring the nodes to versions that are at most one apart.' },
  )
}

function isToLog(message: Fields): boolean {
  switch (message['kind']) {
    case 'append':
      return (
        isCount(message['call']) &&
        isGroup(message['group']) &&
        isText(message['id'], MAX_ID_LENGTH) &&
        isPayload(message['payload'])
      )
    case 'read-index':
      return (
        isCount(message['call']) && isGroup(message['group']) && isSupportAsked(message['support'])
      )
    case 'trim':
      return (
        isCount(message['call']) && isGroup(message['group']) && isCount(message['beforeIndex'])
      )
    case 'tail':
      return (
        isCount(message['tail']) &&
        isGroup(message['group']) &&
        isCount(message['fromIndex']) &&
        isCount(message['creditBytes'])
      )
    case 'credit':
      return isCount(message['tail']) && isCount(message['creditBytes'])
    case 'stop-tail':
      return isCount(message['tail'])
    default:
      return false
  }
}

function isFromLog(message: Fields): boolean {
  switch (message['kind']) {
    case 'done':
      return (
        isCount(message['call']) &&
        isCount(message['index']) &&
        (message['supported'] === undefined || isSupported(message['supported']))
      )
    case 'failed':
      return isCount(message['call']) && isWireError(message['error'])
    case 'entries': {
      const { entries } = message
      return (
        isCount(message['tail']) &&
        isCount(message['firstIndex']) &&
        Array.isArray(entries) &&
        entries.length > 0 &&
        entries.every(isEntry)
      )
    }
    case 'tail-failed':
      return isCount(message['tail']) && isWireError(message['error'])
    case 'refused':
      return isWireError(message['error'])
    default:
      return false
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isText(value: unknown, maxLength: number): boolean {
  return typeof value === 'string' && value.length <= maxLength
}

function isGroup(value: unknown): boolean {
  return isText(value, MAX_GROUP_LENGTH)
}

function isPayload(value: unknown): boolean {
  return value instanceof Uint8Array && value.length <= MAX_PAYLOAD_BYTES
}

function isSupportAsked(value: unknown): boolean {
  if (value === undefined || value === null) return true
  return isFields(value) && isText(value['region'], MAX_GROUP_LENGTH) && isCount(value['version'])
}

function isSupported(value: unknown): boolean {
  return isFields(value) && Object.values(value).every(isCount)
}

function isEntry(value: unknown): boolean {
  return isFields(value) && isText(value['id'], MAX_ID_LENGTH) && isPayload(value['payload'])
}

function isWireError(value: unknown): boolean {
  return (
    isFields(value) &&
    typeof value['code'] === 'string' &&
    typeof value['message'] === 'string' &&
    ['safe', 'never', 'unknown-outcome'].includes(value['retry'] as string) &&
    ['string', 'undefined'].includes(typeof value['fix']) &&
    (value['details'] === undefined || isFields(value['details']))
  )
}

function malformed(cause?: unknown): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'This is no message of a commit log.', {
    fix: 'Bring the nodes to the same version.',
    cause,
  })
}
