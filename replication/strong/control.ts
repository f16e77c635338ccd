/**
 * Control records change the log itself, not rows: MessagePack of `[0, version]` (machine version),
 * `[1, version, tables]` (schema, see `schemaToWire`), `[2, index]` (skip) or `[3, record]` (lease).
 */
import { Packr } from 'msgpackr'
import { MeridianError } from '../../src/core/errors.ts'
import { schemaFromWire, schemaToWire, type ActiveSchema } from './active-schema.ts'
import type { LogRecord } from './record.ts'

/** The version of the state machine from which on logs hold control records. */
export const CONTROL_VERSION = 3

/** What a control record says. It has its effect at its index, the same in every region. */
export type Control =
  /** From here on records may need this version of the state machine (protocol rule 13). */
  | { readonly type: 'machine-version'; readonly version: number }
  /** From here on records are evaluated by this schema (protocol rule 13). */
  | { readonly type: 'schema'; readonly schema: ActiveSchema }
  /** The record at `index` has no effect (protocol rule 25). */
  | { readonly type: 'skip'; readonly index: number }
  /** A lease is held, renewed or released; the bytes are those of `encodeLeaseRecord`. */
  | { readonly type: 'lease'; readonly record: Uint8Array }

const packr = new Packr({ useRecords: false, copyBuffers: true })

/** The record of a control: it needs what all nodes must have to follow the log behind it. */
export function controlRecord(control: Control, nowMs: number): LogRecord {
  return {
    machineVersion:
      control.type === 'machine-version'
        ? Math.max(CONTROL_VERSION, control.version)
        : CONTROL_VERSION,
    // What others do depends on no schema.
    schemaVersion: control.type === 'schema' ? control.schema.version : 0,
    nowMs,
    kind: 'control',
    commands: [encodeControl(control)],
  }
}

/** Encodes a control. */
export function encodeControl(control: Control): Uint8Array {
  return Uint8Array.from(packr.pack(toWire(control)))
}

function toWire(control: Control): readonly unknown[] {
  switch (control.type) {
    case 'machine-version':
      return [0, control.version]
    case 'schema':
      return [1, ...schemaToWire(control.schema)]
    case 'skip':
      return [2, control.index]
    case 'lease':
      return [3, control.record]
  }
}

/**
 * Decodes a control.
 *
 * @throws MeridianError `PROTOCOL_MALFORMED`
 */
export function decodeControl(bytes: Uint8Array): Control {
  const [code, first, second] = unpack(bytes)
  if (code === 0 && isCount(first)) return { type: 'machine-version', version: first }
  const schema = code === 1 ? schemaFromWire(first, second) : undefined
  if (schema !== undefined) return { type: 'schema', schema }
  if (code === 2 && isCount(first)) return { type: 'skip', index: first }
  if (code === 3 && first instanceof Uint8Array) {
    return { type: 'lease', record: Uint8Array.from(first) }
  }
  throw malformed()
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function unpack(bytes: Uint8Array): readonly unknown[] {
  let body: unknown
  try {
    body = packr.unpack(bytes)
  } catch (error) {
    throw malformed(error)
  }
  if (Array.isArray(body)) return body
  throw malformed()
}

function malformed(cause?: unknown): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The control record cannot be decoded.', { cause })
}
