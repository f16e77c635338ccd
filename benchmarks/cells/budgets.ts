/**
 * The performance budget, row by row, in its own words, and the bounds that a cell is held against.
 * A bound is physics or the raw engine in the same run: there is none where neither is known.
 */
import type { BudgetBound } from '../measure/to-cell.ts'

/** The rows, by name. */
export type BudgetName =
  | 'point-read-in-process'
  | 'point-read-through-node'
  | 'pinned-write-at-home'
  | 'pinned-write-remote'
  | 'strong-write'
  | 'strong-read-index'
  | 'local-strong-read'
  | 'strong-write-local-reads'
  | 'eventual-write'
  | 'eventual-convergence'
  | 'publish'
  | 'view-local'
  | 'view-remote'
  | 'crdt-merge'
  | 'view-maintenance'

/** A row of the budget. */
export interface BudgetRow {
  readonly name: BudgetName
  /** The path of a call that it is about. */
  readonly path: string
  /** What nothing can be faster than, in words. */
  readonly limit: string
  /** The bound, in words; of p95 where they name no quantile. */
  readonly budget: string
  /**
   * `cells`: by the latency cells. `micro`: a rate, which `benchmarks/micro` measures. `not built`:
   * what it speaks of does not exist yet.
   */
  readonly measuredBy: 'cells' | 'micro' | 'not built'
}

/** Every row, in the budget's order. Delays in it are those of the topology `triangle`. */
export const BUDGET_ROWS: readonly BudgetRow[] = [
  {
    name: 'point-read-in-process',
    path: 'point read, in-process',
    limit: 'the same statement on @libsql/client',
    budget: '≤ 1.3 ×',
    measuredBy: 'cells',
  },
  {
    name: 'point-read-through-node',
    path: 'point read through a node on loopback',
    limit: 'a bare HTTP server doing the same statement',
    budget: '≤ 1.3 ×, ≤ 1 ms',
    measuredBy: 'cells',
  },
  {
    name: 'pinned-write-at-home',
    path: 'pinned write at home, with outbox and fencing',
    limit: 'the same statements in one raw batch, same durability',
    budget: '≤ 1.5 ×',
    measuredBy: 'cells',
  },
  {
    name: 'pinned-write-remote',
    path: 'pinned write from another region',
    limit: '1 round trip',
    budget: '≤ 1.05 × + 5 ms',
    measuredBy: 'cells',
  },
  {
    name: 'strong-write',
    path: 'strong write, us / eu / ap',
    limit: '160 / 80 / 200 ms',
    budget: '≤ 1.1 × (176 / 88 / 220), also at 500 tx/s',
    measuredBy: 'cells',
  },
  {
    name: 'strong-read-index',
    path: 'strong read by read index',
    limit: '160 / 80 / 200 ms',
    budget: '≤ 1.1 ×',
    measuredBy: 'cells',
  },
  {
    name: 'local-strong-read',
    path: 'local strong read',
    limit: '0 round trips',
    budget: '≤ 2 ms at ≤ 0.3 writes/s a key',
    measuredBy: 'not built',
  },
  {
    name: 'strong-write-local-reads',
    path: 'strong write where reads are local',
    limit: 'phase 1: 275 / 200 / 275 ms; phase 2: 190 / 120 / 200',
    budget: '≤ 1.17 ×',
    measuredBy: 'not built',
  },
  {
    name: 'eventual-write',
    path: 'eventual write, local acknowledgement',
    limit: 'one durable libSQL transaction',
    budget: 'p50 ≤ 1 ms, p99 ≤ 8 ms',
    measuredBy: 'cells',
  },
  {
    name: 'eventual-convergence',
    path: 'eventual convergence',
    limit: 'one way',
    budget: 'p50 ≤ one way + 8 ms, p95 ≤ one way + 20 ms',
    measuredBy: 'cells',
  },
  {
    name: 'publish',
    path: "commit → visible in the region's Kafka",
    limit: 'acks=all produce in region',
    budget: '≤ 15 ms',
    measuredBy: 'cells',
  },
  {
    name: 'view-local',
    path: 'commit → local view',
    limit: 'Kafka end to end',
    budget: '≤ 25 ms',
    measuredBy: 'cells',
  },
  {
    name: 'view-remote',
    path: 'commit → remote view',
    limit: 'Kafka end to end + one way',
    budget: '≤ one way + 40 ms',
    measuredBy: 'cells',
  },
  {
    name: 'crdt-merge',
    path: 'CRDT merge, column changes a second a core',
    limit: 'libSQL bulk insert',
    budget: '≥ 100,000',
    measuredBy: 'micro',
  },
  {
    name: 'view-maintenance',
    path: 'view maintenance, changes a second',
    limit: 'libSQL bulk upsert',
    budget: '≥ 20,000',
    measuredBy: 'micro',
  },
]

/** What bounds are made of. */
export interface BudgetFacts {
  readonly networkMs: number
  /** `null` where there is no such engine: bounds that are multiples of it do not exist then. */
  readonly rawEngineP95Ms: number | null
  /** The same at p50, for rows that are judged by it too. */
  readonly rawEngineP50Ms?: number | null
}

/**
 * The bounds of a row for one cell. Empty where the raw engine that they are multiples of was not
 * there, and for rows that no cell measures.
 */
export function budgetBounds(name: BudgetName, facts: BudgetFacts): readonly BudgetBound[] {
  const { networkMs, rawEngineP95Ms, rawEngineP50Ms = null } = facts
  switch (name) {
    case 'point-read-in-process':
      return [...ofRaw(1.3, rawEngineP95Ms), ...ofRawMedian(1.3, rawEngineP50Ms)]
    case 'point-read-through-node':
      return [...ofRaw(1.3, rawEngineP95Ms), ...ofRawMedian(1.3, rawEngineP50Ms), within('p95', 1)]
    case 'pinned-write-at-home':
      return ofRaw(1.5, rawEngineP95Ms)
    case 'pinned-write-remote': {
      const text = `<= 1.05 x ${milliseconds(networkMs)} + 5 ms`
      return [{ text, quantile: 'p95', boundMs: 1.05 * networkMs + 5 }]
    }
    case 'strong-write':
    case 'strong-read-index': {
      const text = `<= 1.1 x ${milliseconds(networkMs)}`
      return [{ text, quantile: 'p95', boundMs: 1.1 * networkMs }]
    }
    case 'eventual-write':
      return [within('p50', 1), within('p99', 8)]
    case 'eventual-convergence':
      return [beyondOneWay('p50', networkMs, 8), beyondOneWay('p95', networkMs, 20)]
    case 'publish':
      return [within('p95', 15)]
    case 'view-local':
      return [within('p95', 25)]
    case 'view-remote':
      return [beyondOneWay('p95', networkMs, 40)]
    case 'local-strong-read':
    case 'strong-write-local-reads':
    case 'crdt-merge':
    case 'view-maintenance':
      return []
  }
}

function ofRaw(factor: number, rawEngineP95Ms: number | null): readonly BudgetBound[] {
  if (rawEngineP95Ms === null) return []
  const text = `<= ${factor} x the raw engine's ${milliseconds(rawEngineP95Ms)}`
  return [{ text, quantile: 'p95', boundMs: factor * rawEngineP95Ms }]
}

/** A tail is much alike for both where the machine makes it: the usual call tells them apart. */
function ofRawMedian(factor: number, rawEngineP50Ms: number | null): readonly BudgetBound[] {
  if (rawEngineP50Ms === null) return []
  const text = `p50 <= ${factor} x the raw engine's p50 of ${milliseconds(rawEngineP50Ms)}`
  return [{ text, quantile: 'p50', boundMs: factor * rawEngineP50Ms }]
}

function within(quantile: BudgetBound['quantile'], boundMs: number): BudgetBound {
  return { text: `<= ${milliseconds(boundMs)}`, quantile, boundMs }
}

function beyondOneWay(
  quantile: BudgetBound['quantile'],
  oneWayMs: number,
  moreMs: number,
): BudgetBound {
  const text = `<= one way ${milliseconds(oneWayMs)} + ${moreMs} ms`
  return { text, quantile, boundMs: oneWayMs + moreMs }
}

/** To three figures: `0.0412 ms`, `160 ms`. */
function milliseconds(valueMs: number): string {
  return `${Number(valueMs.toPrecision(3))} ms`
}
