/**
 * Bytes of a log record, format 1: one byte of format, then MessagePack of
 * `[machineVersion, schemaVersion, nowMs, kind, commands]`, each command as bytes of its own.
 */
import { Packr } from 'msgpackr'
import { MeridianError } from '../../src/core/errors.ts'

/** One record of a log group. */
export interface LogRecord {
  /** The least version of the state machine that evaluates it as meant. */
  readonly machineVersion: number
  readonly schemaVersion: number
  /** Wall-clock milliseconds of whoever appended it. */
  readonly nowMs: number
  /**
   * `tick`: raises the log's time and sweeps expired rows; has no commands. `control`: changes the
   * log itself; has one command, the bytes of a `Control`.
   */
  readonly kind: 'commands' | 'tick' | 'control'
  readonly commands: readonly Uint8Array[]
}

/** Places of a record's commands have 16 bits in row versions. */
export const MAX_COMMANDS_PER_RECORD = 0xffff

const FORMAT = 1
const KINDS = ['commands', 'tick', 'control'] as const
const packr = new Packr({ useRecords: false, copyBuffers: true })

/** Encodes a record. */
export function encodeRecord(record: LogRecord): Uint8Array {
  const { machineVersion, schemaVersion, nowMs, kind, commands } = record
  const body = packr.pack([machineVersion, schemaVersion, nowMs, KINDS.indexOf(kind), commands])
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = FORMAT
  bytes.set(body, 1)
  return bytes
}

/**
 * Decodes a record.
 *
 * @throws MeridianError `PROTOCOL_VERSION` (a newer format), `PROTOCOL_MALFORMED`
 */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  if (bytes[0] !== FORMAT) {
    throw new MeridianError('PROTOCOL_VERSION', `Log record of unknown format ${bytes[0]}.`, {
      fix: 'Upgrade this node to the version of the others.',
    })
  }
  const body = unpack(bytes.subarray(1))
  if (!Array.isArray(body) || body.length < 5 || !Array.isArray(body[4])) throw malformed()
  const [machineVersion, schemaVersion, nowMs, kindCode, commands] = body as [
    number,
    number,
    number,
    number,
    Uint8Array[],
  ]
  const kind = KINDS[kindCode]
  if (kind === undefined) throw malformed()
  return { machineVersion, schemaVersion, nowMs, kind, commands }
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw malformed(error)
  }
}

function malformed(cause?: unknown): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The log record cannot be decoded.', { cause })
}
