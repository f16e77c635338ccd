/** Operations of a history: what was asked with what became of it. */

import { MeridianError } from '../../src/core/errors.ts'
import { HistoryProtocol, isStandalone } from './history-protocol.ts'
import type { HistoryEvent } from './history.ts'

/** One operation. Instants are places in the history: two events never share one. */
export interface Operation {
  readonly process: number
  readonly f: string
  readonly key: string | null
  readonly invoke: HistoryEvent
  /** How it ended; undefined when the history ends before it. */
  readonly end: HistoryEvent | undefined
  /**
   * `ok`: took effect between `invokedAt` and `endedAt`. `unknown`: takes effect at any time after
   * `invokedAt`, or never. Operations that failed are not among them: they had no effect.
   */
  readonly outcome: 'ok' | 'unknown'
  readonly invokedAt: number
  /** When it surely had taken effect; Infinity for an unknown outcome. */
  readonly endedAt: number
}

/** A history, paired. */
export interface PairedHistory {
  /** In the order in which they were begun. */
  readonly operations: readonly Operation[]
  /** Operations that surely had no effect. */
  readonly failed: readonly HistoryEvent[]
  /** Events that stand alone, in order. */
  readonly standalone: readonly HistoryEvent[]
}

/**
 * Pairs the events of a history whose operations have these names.
 *
 * @throws MeridianError INVALID_ARGUMENT, naming the event: the rule of one open operation is broken,
 * or the operation is of another workload.
 */
export function pairOperations(
  events: readonly HistoryEvent[],
  names: readonly string[],
): PairedHistory {
  const protocol = new HistoryProtocol()
  const open = new Map<number, number>()
  const ends = new Map<number, number>()
  const standalone: HistoryEvent[] = []
  events.forEach((event, at) => {
    const complaint = protocol.add(event) ?? foreignName(event, names)
    if (complaint !== undefined) throw malformedEvent(at, complaint)
    if (isStandalone(event)) standalone.push(event)
    else if (event.type === 'invoke') open.set(event.process, at)
    else ends.set(open.get(event.process) as number, at)
  })
  const operations: Operation[] = []
  const failed: HistoryEvent[] = []
  events.forEach((event, at) => {
    if (event.type !== 'invoke') return
    const endedAt = ends.get(at)
    const end = endedAt === undefined ? undefined : events[endedAt]
    if (end?.type === 'fail') failed.push(event)
    else operations.push(operationOf(event, at, end, endedAt))
  })
  return { operations, failed, standalone }
}

/** The error for a history that a checker cannot read; `at`: the event's place, from 0. */
export function malformedEvent(at: number, why: string): MeridianError {
  return new MeridianError(
    'INVALID_ARGUMENT',
    `Event ${at + 1} of the history is malformed: ${why}.`,
    { details: { event: at + 1 } },
  )
}

/** The events of these operations, each once, in the order of the history. */
export function eventsOf(operations: Iterable<Operation>): HistoryEvent[] {
  const placed: { at: number; event: HistoryEvent }[] = []
  for (const { invoke, invokedAt, end, endedAt } of new Set(operations)) {
    placed.push({ at: invokedAt, event: invoke })
    if (end !== undefined) placed.push({ at: endedAt, event: end })
  }
  return placed
    .sort((a, b) => a.event.timeNs - b.event.timeNs || a.at - b.at)
    .map(({ event }) => event)
}

function operationOf(
  invoke: HistoryEvent,
  invokedAt: number,
  end: HistoryEvent | undefined,
  endedAt: number | undefined,
): Operation {
  const { process, f, key } = invoke
  const known = end?.type === 'ok' && endedAt !== undefined
  return {
    ...{ process, f, key, invoke, end, invokedAt },
    outcome: known ? 'ok' : 'unknown',
    endedAt: known ? endedAt : Infinity,
  }
}

function foreignName(event: HistoryEvent, names: readonly string[]): string | undefined {
  if (isStandalone(event) || names.includes(event.f)) return undefined
  return `\`${event.f}\` is none of ${names.join(', ')}`
}
