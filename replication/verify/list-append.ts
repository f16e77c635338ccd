/**
 * Anomalies of transactions over lists, after Elle (Kingsbury and Alvaro, "Elle: inferring isolation
 * anomalies from experimental observations", VLDB 2020), in the names of Adya (1999).
 */

import { AnomalyList } from './anomalies.ts'
import { buildAppendGraph } from './append-graph.ts'
import { inferOrders } from './append-order.ts'
import { readAppendHistory, type Transaction } from './append-transactions.ts'
import { EDGE, type CycleEdge } from './dependency-graph.ts'
import type { HistoryEvent, Verdict } from './history.ts'
import { eventsOf } from './operations.ts'

/** Visits of nodes that the search for the shortest cycle of one component may take. */
const MAX_VISITS = 1_000_000
/** A cycle of this many edges is still easy to follow. */
const LONG_CYCLE = 4
/** Edges of a cycle that a message shows. */
const MAX_SHOWN = 12

/** All dependencies; real time is none. */
const DEPENDENCIES = EDGE.ww | EDGE.wr | EDGE.rw

/**
 * What cycles are looked for, gravest first: one edge of `first`, the others of `rest`, and where
 * `closing` is set perhaps one of real time.
 */
const SEARCHES: readonly {
  readonly first: number
  readonly rest: number
  readonly closing?: boolean
}[] = [
  { first: EDGE.ww, rest: EDGE.ww },
  { first: EDGE.wr, rest: EDGE.ww | EDGE.wr },
  { first: EDGE.rw, rest: EDGE.ww | EDGE.wr | EDGE.via },
  { first: EDGE.rw, rest: DEPENDENCIES | EDGE.via },
  { first: EDGE.ww, rest: EDGE.ww, closing: true },
  { first: EDGE.ww | EDGE.wr, rest: EDGE.ww | EDGE.wr, closing: true },
  { first: DEPENDENCIES, rest: DEPENDENCIES | EDGE.via, closing: true },
  { first: DEPENDENCIES, rest: DEPENDENCIES | EDGE.via | EDGE.rt },
]

/**
 * Checks that transactions over lists (`txn`: appends of elements unique per key, and reads of whole
 * lists) are strictly serializable, as far as the reads show it. Time and memory grow with the events
 * and with the transactions open at once.
 *
 * Anomalies: those of `inferOrders`, and cycles: `G0` (writes only), `G1c` (writes and reads of them),
 * `G-single` (one read was overwritten), `G2-item` (several were); with `-realtime` where the cycle
 * needs that one transaction ended before another began. One cycle is reported for a component of the
 * graph: the gravest, and of those the shortest; beside a long one, also shorter ones of lesser kinds.
 * Where the bound kept a shorter or graver one from being found, `undecided` says so.
 *
 * @throws MeridianError INVALID_ARGUMENT for a history of another workload, or a malformed one.
 */
export function checkListAppend(events: readonly HistoryEvent[]): Verdict {
  const anomalies = new AnomalyList()
  const history = readAppendHistory(events)
  const orders = inferOrders(history, anomalies)
  const graph = buildAppendGraph(history, orders)
  const undecided: string[] = []
  const known = new KnownCycles()
  const { transactions } = history
  const closes = (from: number, to: number): boolean =>
    (transactions[from]?.operation.endedAt ?? Infinity) <
    (transactions[to]?.operation.invokedAt ?? -Infinity)
  for (const { first, rest, closing = false } of SEARCHES) {
    for (const component of graph.components(first | rest | (closing ? EDGE.rt : 0))) {
      // A long cycle is worth a shorter one of a lesser kind: that is the one that a person follows.
      const maxLength = known.shortestIn(component) - 1
      if (maxLength < LONG_CYCLE) continue
      const limits = { maxLength, maxVisits: MAX_VISITS }
      const bounds = { first, rest, ...limits, ...(closing ? { closes } : {}) }
      const { cycle, complete } = graph.shortestCycle(component, bounds)
      if (!complete) {
        undecided.push(
          `a component of ${component.length} transactions: not every cycle was looked at, there may be a shorter or graver one`,
        )
      }
      if (cycle === undefined) continue
      known.add(cycle)
      reportCycle(withoutSteps(cycle), transactions, anomalies)
    }
  }
  const list = anomalies.list()
  return {
    ok: list.length === 0,
    checked: transactions.length,
    anomalies: list,
    undecided: [...new Set(undecided)],
  }
}

/** Cycles that were reported. */
class KnownCycles {
  /** By where they start. */
  readonly #cycles = new Map<number, (readonly CycleEdge[])[]>()

  add(cycle: readonly CycleEdge[]): void {
    const { from } = cycle[0] as CycleEdge
    this.#cycles.set(from, [...(this.#cycles.get(from) ?? []), cycle])
  }

  /** Edges of the shortest one that lies inside the component; Infinity without one. */
  shortestIn(component: readonly number[]): number {
    const inside = new Set(component)
    let shortest = Infinity
    for (const node of component) {
      for (const cycle of this.#cycles.get(node) ?? []) {
        if (cycle.every(({ from }) => inside.has(from))) shortest = Math.min(shortest, cycle.length)
      }
    }
    return shortest
  }
}

/** The cycle with real time in one edge where it went on from one transaction to the next. */
function withoutSteps(cycle: readonly CycleEdge[]): CycleEdge[] {
  return cycle.filter(({ type }, at) => type !== EDGE.rt || cycle.at(at - 1)?.type !== EDGE.rt)
}

function reportCycle(
  cycle: readonly CycleEdge[],
  transactions: readonly Transaction[],
  anomalies: AnomalyList,
): void {
  const nodes = [...new Set(cycle.map(({ from }) => from))].filter((id) => id < transactions.length)
  const taking = nodes
    .map((id) => transactions[id] as Transaction)
    .sort((a, b) => a.operation.invokedAt - b.operation.invokedAt)
  const names = new Map(taking.map(({ id }, at) => [id, `T${at + 1}`]))
  const first = cycle.findIndex(({ from }) => from === taking[0]?.id)
  const path = [...cycle.slice(first), ...cycle.slice(0, first)]
  const text = path.slice(0, MAX_SHOWN).map(({ from, type, key }) => {
    // A stand-in is no transaction, and the edge after it says nothing.
    if (type === EDGE.via) return ''
    return `${names.get(from)} ${EDGE_TEXTS[type]}${key === '' ? '' : ` ${key}`} → `
  })
  const hidden = path.length > MAX_SHOWN ? `… (${path.length - MAX_SHOWN} more) → ` : ''
  const who = taking.map(
    ({ id, operation }) => `${names.get(id)} is of process ${operation.process}`,
  )
  anomalies.add(
    kindOf(cycle),
    `${text.join('')}${hidden}T1, where ${who.slice(0, MAX_SHOWN).join(', ')}.`,
    eventsOf(taking.map(({ operation }) => operation)),
  )
}

const EDGE_TEXTS: Readonly<Record<number, string>> = {
  [EDGE.ww]: 'wrote before',
  [EDGE.wr]: 'was read at',
  [EDGE.rw]: 'did not see',
  [EDGE.rt]: 'ended before',
}

function kindOf(cycle: readonly CycleEdge[]): string {
  const count = (type: number): number => cycle.filter((edge) => edge.type === type).length
  const suffix = count(EDGE.rt) > 0 ? '-realtime' : ''
  if (count(EDGE.rw) > 1) return `G2-item${suffix}`
  if (count(EDGE.rw) === 1) return `G-single${suffix}`
  return `${count(EDGE.wr) > 0 ? 'G1c' : 'G0'}${suffix}`
}
