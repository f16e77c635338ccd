/**
 * Control records change the log itself, not rows: format 1, MessagePack of `[0, version]` (machine
 * version), `[1, version, hash]` (schema), `[2, index]` (skip) or `[3, record]` (lease).
 */
import { Packr } from 'msgpackr'
import { MeridianError } from '../../src/core/errors.ts'

/** The version of the state machine from which on logs hold control records. */
export const CONTROL_VERSION = 3

/** What a control record says. It has its effect at its index, the same in every region. */
export type Control =
  /** From here on records may need this version of the state machine (protocol rule 13). */
  | { readonly type: 'machine-version'; readonly version: number }
  /** From here on this schema of the group's tables holds; `hash`: of what the log depends on. */
  | { readonly type: 'schema'; readonly version: number; readonly hash: string }
  /** The record at `index` has no effect (protocol rule 25). */
  | { readonly type: 'skip'; readonly index: number }
  /** A lease is held, renewed or released; the bytes are those of `encodeLeaseRecord`. */
  | { readonly type: 'lease'; readonly record: Uint8Array }

const packr = new Packr({ useRecords: false, copyBuffers: true })

/** Encodes a control. */
export function encodeControl(control: Control): Uint8Array {
  return Uint8Array.from(packr.pack(toWire(control)))
}

function toWire(control: Control): readonly unknown[] {
  switch (control.type) {
    case 'machine-version':
      return [0, control.version]
    case 'schema':
      return [1, control.version, control.hash]
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
  if (code === 1 && isCount(first) && typeof second === 'string') {
    return { type: 'schema', version: first, hash: second }
  }
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
