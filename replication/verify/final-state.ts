/** Whether all regions hold the same in the end. */

import { AnomalyList } from './anomalies.ts'
import type { HistoryEvent, Verdict } from './history.ts'
import { malformedEvent } from './operations.ts'
import { canonical } from './values.ts'

/** Keys that a message names. */
const MAX_NAMED = 5

/**
 * Checks that the last `state` of every region (`key`: the region; `value`: a map of what it holds, or
 * a digest) is the same. Other events are passed over.
 *
 * Anomalies: `diverged`, once for each region that differs from what most hold. With fewer than two
 * regions nothing can be compared, and `undecided` says so.
 *
 * @throws MeridianError INVALID_ARGUMENT: a `state` names no region.
 */
export function checkFinalState(events: readonly HistoryEvent[]): Verdict {
  const states = new Map<string, HistoryEvent>()
  events.forEach((event, at) => {
    if (event.f !== 'state') return
    if (event.key === null) throw malformedEvent(at, '`state` names no region')
    states.set(event.key, event)
  })
  if (states.size < 2) {
    const undecided = [`${states.size} regions told their final state: nothing to compare`]
    return { ok: true, checked: states.size, anomalies: [], undecided }
  }
  const texts = new Map([...states].map(([region, { value }]) => [region, canonical(value)]))
  const usualRegion = regionOfMost(texts)
  const usual = states.get(usualRegion) as HistoryEvent
  const anomalies = new AnomalyList()
  for (const [region, event] of states) {
    if (texts.get(region) === texts.get(usualRegion)) continue
    anomalies.add(
      'diverged',
      `Region ${region} ended with another state than ${usualRegion}${differenceOf(event.value, usual.value)}.`,
      [usual, event],
    )
  }
  const list = anomalies.list()
  return { ok: list.length === 0, checked: states.size, anomalies: list, undecided: [] }
}

/** The first region among those that agree with the most. */
function regionOfMost(texts: ReadonlyMap<string, string>): string {
  const all = [...texts.values()]
  const agreeing = (text: string): number => all.filter((other) => other === text).length
  return [...texts].reduce((best, each) => (agreeing(each[1]) > agreeing(best[1]) ? each : best))[0]
}

/** Which keys differ, where both states are maps. */
function differenceOf(a: unknown, b: unknown): string {
  if (!isMap(a) || !isMap(b)) return ''
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  const differing = keys.filter((key) => canonical(a[key]) !== canonical(b[key]))
  const named = differing.slice(0, MAX_NAMED).join(', ')
  return `: ${differing.length} keys differ (${named}${differing.length > MAX_NAMED ? ', …' : ''})`
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
