/** What each session saw of each register, in its own order. */

import type { HistoryEvent } from './history.ts'
import { malformedEvent, pairOperations, type Operation } from './operations.ts'
import { canonical, casPair, versioned, type Versioned } from './values.ts'

/** One value that a session saw, or wrote. */
export interface Sighting {
  /** The session: a process, or a change stream's consumer. */
  readonly session: string
  /** Canonical JSON. */
  readonly value: string
  readonly version: readonly number[] | undefined
  /** The session wrote it itself. */
  readonly own: boolean
  readonly event: HistoryEvent
}

/** One register. */
export interface SeenRegister {
  readonly key: string
  /** For each session, what it saw, in its order. */
  readonly sessions: readonly (readonly Sighting[])[]
  /** No value was written by two operations, and none writes the initial one, null. */
  readonly distinct: boolean
}

/** The registers of a history, and how many sightings there are. */
export interface SeenHistory {
  readonly registers: readonly SeenRegister[]
  readonly count: number
}

/** @throws MeridianError INVALID_ARGUMENT for a history of another workload, or a malformed one. */
export function readSightings(events: readonly HistoryEvent[]): SeenHistory {
  const { operations, failed, standalone } = pairOperations(events, ['read', 'write', 'cas'])
  const sightings = new Map<string, Map<string, Sighting[]>>()
  let count = 0
  const see = (key: string, sighting: Sighting): void => {
    const ofKey = sightings.get(key) ?? new Map<string, Sighting[]>()
    sightings.set(key, ofKey)
    const ofSession = ofKey.get(sighting.session) ?? []
    ofKey.set(sighting.session, ofSession)
    ofSession.push(sighting)
    count++
  }
  for (const operation of operations) {
    if (operation.outcome !== 'ok') continue
    for (const sighting of sightingsOf(operation))
      see(keyOf(operation.invoke, operation.invokedAt), sighting)
  }
  for (const event of standalone) {
    if (event.f !== 'emit' || event.key === null) continue
    const session = `change stream of process ${event.process}`
    see(event.key, sighting(session, event, { ...versioned(event.value), own: false }))
  }
  const written = [...operations.map(({ invoke }) => invoke), ...failed]
  const ambiguous = ambiguousKeys(written)
  const registers = [...sightings].map(([key, ofKey]) => ({
    key,
    sessions: [...ofKey.values()],
    distinct: !ambiguous.has(key),
  }))
  return { registers, count }
}

function sightingsOf({ process, f, invoke, end, invokedAt }: Operation): Sighting[] {
  const event = end as HistoryEvent
  const session = `process ${process}`
  if (f === 'read') return [sighting(session, event, { ...versioned(event.value), own: false })]
  const { version } = versioned(event.value)
  if (f === 'write') {
    const { value } = versioned(invoke.value)
    return [sighting(session, event, { value, version, own: true })]
  }
  const pair = casPair(invoke.value)
  if (pair === undefined) throw malformedEvent(invokedAt, 'the value of `cas` is not [old,new]')
  const after = sighting(session, event, { value: pair.new, version, own: true })
  // The version of what it replaced was not told: only its value was seen.
  if (version !== undefined) return [after]
  return [sighting(session, event, { value: pair.old, version: undefined, own: false }), after]
}

function sighting(
  session: string,
  event: HistoryEvent,
  seen: Versioned & { readonly own: boolean },
): Sighting {
  const { value, version, own } = seen
  return { session, value: canonical(value), version, own, event }
}

/** Keys of which a value does not tell who wrote it. */
function ambiguousKeys(invokes: readonly HistoryEvent[]): Set<string | null> {
  const values = new Map<string | null, Set<string>>()
  const ambiguous = new Set<string | null>()
  for (const { f, key, value } of invokes) {
    if (f === 'read') continue
    const left = f === 'cas' ? casPair(value)?.new : versioned(value).value
    const ofKey = values.get(key) ?? new Set([canonical(null)])
    values.set(key, ofKey)
    if (ofKey.has(canonical(left))) ambiguous.add(key)
    ofKey.add(canonical(left))
  }
  return ambiguous
}

function keyOf({ f, key }: HistoryEvent, at: number): string {
  if (key === null) throw malformedEvent(at, `\`${f}\` names no register`)
  return key
}
