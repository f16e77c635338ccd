/**
 * Session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994)
 * over registers: what a session saw or wrote, it never sees older.
 */

import { AnomalyList } from './anomalies.ts'
import { DependencyGraph } from './dependency-graph.ts'
import type { HistoryEvent, Verdict } from './history.ts'
import { readSightings, type SeenRegister, type Sighting } from './session-sightings.ts'

/** The only type of edge here: seen before, in one session. */
const SEEN_BEFORE = 1
/** Every component has a cycle of such edges; beyond the bound it is not the shortest. */
const SEARCH = {
  ...{ first: SEEN_BEFORE, rest: SEEN_BEFORE },
  ...{ maxLength: Infinity, maxVisits: 200_000 },
} as const

/**
 * Checks that every process, taken as a session, sees each register move forward only. Change streams
 * (`emit`) are sessions too: each must emit a register's values in the order of its versions.
 *
 * Where every value came with a version (`{"value":V,"version":N}`), versions are compared. Else, if
 * no value was written twice, a session must not come back to a value that it saw replaced, and what
 * all sessions saw must fit one order of the register's values. Registers with neither are named in
 * `undecided`.
 *
 * Anomalies: `read-your-writes`, `monotonic-reads`, `writes-follow-reads`, `monotonic-writes`,
 * `version-reused` (two values with one version), `session-order` (sessions saw values in orders that
 * contradict each other).
 *
 * @throws MeridianError INVALID_ARGUMENT for a history of another workload, or a malformed one.
 */
export function checkSessions(events: readonly HistoryEvent[]): Verdict {
  const { registers, count } = readSightings(events)
  const anomalies = new AnomalyList()
  const undecided: string[] = []
  for (const register of registers) {
    if (hasVersions(register)) checkVersions(register, anomalies)
    else if (register.distinct) checkValues(register, anomalies)
    else undecided.push(`register ${register.key}: values were written twice and have no versions`)
  }
  const list = anomalies.list()
  return { ok: list.length === 0, checked: count, anomalies: list, undecided }
}

const INITIAL = 'null'

/** Whether each value came with its version; the initial one, of an absent row, is before all. */
function hasVersions({ sessions }: SeenRegister): boolean {
  const all = sessions.flat()
  return (
    all.some(({ version }) => version !== undefined) &&
    all.every(({ version, value }) => version !== undefined || value === INITIAL)
  )
}

function checkVersions({ key, sessions }: SeenRegister, anomalies: AnomalyList): void {
  const owners = new Map<string, Sighting>()
  for (const session of sessions) {
    let newest: Sighting | undefined
    for (const seen of session) {
      const name = (seen.version ?? []).join(' ')
      const owner = owners.get(name)
      if (owner === undefined) owners.set(name, seen)
      else if (owner.value !== seen.value) {
        const message = `Register ${key}: version ${name} is ${owner.value} and ${seen.value}.`
        anomalies.add('version-reused', message, inOrder([owner, seen]))
      }
      if (newest !== undefined && compareVersions(seen.version, newest.version) < 0) {
        reportBackwards(key, newest, seen, anomalies)
      } else newest = seen
    }
  }
}

function compareVersions(a: readonly number[] = [], b: readonly number[] = []): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = (a[at] as number) - (b[at] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function checkValues({ key, sessions }: SeenRegister, anomalies: AnomalyList): void {
  const numbers = new Map<string, number>([[INITIAL, 0]])
  const steps: { readonly from: number; readonly to: number; readonly sightings: Sighting[] }[] = []
  for (const session of sessions) {
    const known = new Set<string>()
    let last: Sighting | undefined
    for (const seen of session) {
      if (last?.value === seen.value) continue
      const returns = known.has(seen.value) || seen.value === INITIAL
      if (last !== undefined && returns) {
        reportBackwards(key, last, seen, anomalies)
        continue
      }
      known.add(seen.value)
      if (!numbers.has(seen.value)) numbers.set(seen.value, numbers.size)
      if (last !== undefined) {
        const [from, to] = [last, seen].map(({ value }) => numbers.get(value) as number)
        steps.push({ from: from as number, to: to as number, sightings: [last, seen] })
      }
      last = seen
    }
  }
  const graph = new DependencyGraph(numbers.size)
  for (const { from, to } of steps) graph.add(from, to, SEEN_BEFORE)
  for (const component of graph.components(SEEN_BEFORE)) {
    const { cycle } = graph.shortestCycle(component, SEARCH)
    if (cycle === undefined) continue
    const shown = cycle.map(({ from }, at) => {
      const to = cycle[(at + 1) % cycle.length]?.from
      return steps.find((step) => step.from === from && step.to === to)?.sightings ?? []
    })
    const parts = shown.map(([a, b]) => `${a?.session} saw ${a?.value} before ${b?.value}`)
    const message = `Register ${key}: no order of its values fits: ${parts.join(', ')}.`
    anomalies.add('session-order', message, inOrder(shown.flat()))
  }
}

function reportBackwards(
  key: string,
  newer: Sighting,
  older: Sighting,
  anomalies: AnomalyList,
): void {
  const kind = older.own
    ? (newer.own && 'monotonic-writes') || 'writes-follow-reads'
    : (newer.own && 'read-your-writes') || 'monotonic-reads'
  const [before, after] = [newer, older].map(({ own }) => (own ? 'wrote' : 'saw'))
  anomalies.add(
    kind,
    `Register ${key}: ${older.session} ${before} ${newer.value} and then ${after} the older ${older.value}.`,
    inOrder([newer, older]),
  )
}

function inOrder(sightings: readonly Sighting[]): HistoryEvent[] {
  const events = [...new Set(sightings.map(({ event }) => event))]
  return events.sort((a, b) => a.timeNs - b.timeNs)
}
