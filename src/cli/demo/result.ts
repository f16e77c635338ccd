/** What a run of the demo finds out. `--json` writes it as it is. */
import type { Topology } from '../../config/topology.ts'

/** The outcome of a check. */
export interface CheckResult {
  /** A claim. */
  readonly name: string
  readonly passed: boolean
  /** What was seen. */
  readonly detail: string
}

/** Latencies of one kind of call, from one region, for rows at home in one region. */
export interface CellResult {
  readonly op: string
  readonly mode: 'strong' | 'pinned' | 'eventual' | 'view'
  readonly origin: string
  /** Pinned: of the tenant. Strong: the log's leader. Eventual and views: the origin. */
  readonly home: string
  readonly n: number
  /** `null`, as the others: too few calls to say. */
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  /** What the call must spend between regions. */
  readonly networkMs: number
  /** p50 without the network. */
  readonly overheadMs: number | null
}

/** How far the load had come at an instant. */
export interface LoadPoint {
  readonly atMs: number
  /** Rows that were acknowledged. */
  readonly acknowledged: number
  /** Rows that every permitted region and its views held. */
  readonly everywhere: number
}

/** How the load went. */
export interface LoadResult {
  readonly rows: number
  /** From the first insert to the last acknowledgement. */
  readonly acknowledgedMs: number
  /** From the first insert until every replica and view had caught up. */
  readonly settledMs: number
  readonly curve: readonly LoadPoint[]
}

/** A row of the view of the largest cities. */
export interface LargeCity {
  readonly name: string
  readonly country: string
  readonly population: number
}

/** A row of the view by country. */
export interface CountryTotal {
  readonly country: string
  readonly name: string
  readonly population: number
  readonly cities: number
}

/** Where it ran. */
export interface Environment {
  readonly meridian: string
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly processor: string
}

/** The results. */
export interface DemoResult {
  readonly rowsLoaded: number
  /** Rows / (first insert → every replica and view caught up). */
  readonly loadRowsPerSecond: number
  readonly checks: readonly CheckResult[]
  readonly cells: readonly CellResult[]
  readonly load: LoadResult
  readonly largestCities: readonly LargeCity[]
  readonly countries: readonly CountryTotal[]
  /** The delays as they were, `scale` applied. */
  readonly topology: Topology
  readonly scale: number
  readonly leader: string
  readonly startedAt: string
  readonly elapsedMs: number
  readonly environment: Environment
  /** How the regions ran: `all regions in one process`, `3 node processes, clients over HTTP`. */
  readonly deployment: string
}
