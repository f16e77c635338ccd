/**
 * Histories: what the clients of a run asked and were answered, in the order in which it happened,
 * and what a checker says of one. The format is written down in `docs/spec/histories.md`.
 */

import { MeridianError } from '../../src/core/errors.ts'
import { HistoryProtocol } from './history-protocol.ts'

/** How an event stands to its operation: begun, took effect, surely had no effect, or unknown. */
export type EventType = 'invoke' | 'ok' | 'fail' | 'info'

/** One line of a history. */
export interface HistoryEvent {
  /** The client, which has one operation open at a time. */
  readonly process: number
  readonly type: EventType
  /** The operation's name: `read`, `write`, `cas`, `txn`, `transfer`, `emit`, `state`. */
  readonly f: string
  /** What it is about: a register, an account, a region; null where `value` says it. */
  readonly key: string | null
  /** Its arguments at `invoke`, its result at `ok`. Plain JSON. */
  readonly value: unknown
  /** When it happened, in ns since the start of the run, on one clock for all processes. */
  readonly timeNs: number
}

/** Something that no correct execution can contain, with the events that show it. */
export interface Anomaly {
  /** A stable name, such as `not-linearizable` or `G-single`. */
  readonly kind: string
  /** What is wrong, in one sentence for a person. */
  readonly message: string
  /** The events that show it, in the order of the history. */
  readonly events: readonly HistoryEvent[]
}

/** What a checker found. `ok` says only that it found nothing: `undecided` says what it left out. */
export interface Verdict {
  /** No anomaly was found. */
  readonly ok: boolean
  /** Operations that were looked at. */
  readonly checked: number
  readonly anomalies: readonly Anomaly[]
  /** What could not be decided within the checker's bounds, in one phrase each. */
  readonly undecided: readonly string[]
}

/**
 * The history as JSON lines, one event a line.
 *
 * @throws MeridianError INVALID_ARGUMENT when a value is not plain JSON (NaN, a bigint, a cycle).
 */
export function encodeHistory(events: Iterable<HistoryEvent>): string {
  const lines: string[] = []
  for (const event of events) lines.push(encodeEvent(event, lines.length + 1))
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/**
 * Reads JSON lines; empty lines are skipped, fields it does not know are dropped.
 *
 * @throws MeridianError INVALID_ARGUMENT, naming the line: not JSON, a field of another type, time
 * that runs back, or a process that breaks the rule of one open operation.
 */
export function parseHistory(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = []
  const protocol = new HistoryProtocol()
  let number = 0
  for (const line of text.split('\n')) {
    number++
    if (line.trim() === '') continue
    const event = parseEvent(line, number)
    const complaint = protocol.add(event)
    if (complaint !== undefined) throw malformed(number, complaint)
    events.push(event)
  }
  return events
}

function encodeEvent(event: HistoryEvent, number: number): string {
  const { process, type, f, key, value, timeNs } = event
  try {
    return JSON.stringify({ process, type, f, key, value: value ?? null, timeNs }, plainOnly)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw malformed(number, `its value is not plain JSON: ${why}`)
  }
}

/** `JSON.stringify` writes NaN and the infinities as null: another value, so they are refused. */
function plainOnly(_name: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(String(value))
  return value
}

const TYPES: readonly unknown[] = ['invoke', 'ok', 'fail', 'info']

function parseEvent(line: string, number: number): HistoryEvent {
  const { process, type, f, key = null, value = null, timeNs } = parseObject(line, number)
  if (!isCount(process)) throw malformed(number, '`process` is not a whole number from 0')
  if (!TYPES.includes(type)) {
    throw malformed(number, '`type` is none of invoke, ok, fail, info')
  }
  if (typeof f !== 'string' || f === '') throw malformed(number, '`f` is not a name')
  if (key !== null && typeof key !== 'string') {
    throw malformed(number, '`key` is neither a text nor null')
  }
  if (!isCount(timeNs)) throw malformed(number, '`timeNs` is not a whole number from 0')
  return { process, type: type as EventType, f, key, value, timeNs }
}

function parseObject(line: string, number: number): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    throw malformed(number, 'it is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw malformed(number, 'it is not an object')
  }
  return parsed as Record<string, unknown>
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function malformed(line: number, why: string): MeridianError {
  return new MeridianError(
    'INVALID_ARGUMENT',
    `Line ${line} of the history is malformed: ${why}.`,
    {
      details: { line },
    },
  )
}
