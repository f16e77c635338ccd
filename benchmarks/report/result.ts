/** The result of a run of benchmarks: what `--json` writes. Field by field: docs/spec/bench-result.md. */
import type { Topology } from '../../src/config/topology.ts'
import type { WanSelfTest } from '../../src/cluster/wan/self-test.ts'
import { budgetRows, type BudgetRow } from './budget/budget-rows.ts'
import type { Cell, GrowthPoint, PeerCell } from '../measure/cell.ts'
import type { Environment } from '../measure/environment.ts'
import type { EnginesKind } from '../target/target.ts'
import type { NamedHistogram } from '../step.ts'

/** The version of the format; a field that changes its meaning raises it, a new field does not. */
const RESULT_VERSION = 1

/** Where one histogram lies. */
export interface HistogramFile {
  readonly name: string
  /** Relative to the folder of the JSON file. */
  readonly file: string
}

/** How the run was asked for and where it ran. */
export interface RunFacts {
  readonly profile: string
  readonly engines: EnginesKind
  /** The command line that makes this result again. */
  readonly command: string
  /** The deployment in words. */
  readonly deployment: string
  /** The topology's name or file. */
  readonly topologyName: string
  readonly topology: Topology
  /** The region that led the commit log. */
  readonly leader: string
  readonly seed: number
  /** Windows and warm-ups were this many times their usual length. */
  readonly timeScale: number
  readonly repetitions: number
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly elapsedMs: number
  /** Every step that was planned gave a result; otherwise the first of `notes` says why not. */
  readonly isComplete: boolean
  readonly environment: Environment
  /** Share of CPU time, 0 to 1, that the host took from this machine during the run; `null` unknown. */
  readonly cpuStealShare: number | null
  /** What the emulated network adds by itself; `null` where it was not measured. */
  readonly wan: WanSelfTest | null
  readonly cells: readonly Cell[]
  readonly peers: readonly PeerCell[]
  readonly growth: readonly GrowthPoint[]
  /** What could not be measured, and why. */
  readonly notes: readonly string[]
}

/** The result of a run. */
export interface BenchResult extends RunFacts {
  readonly version: typeof RESULT_VERSION
  /** Every row of the performance budget, in its order. */
  readonly budget: readonly BudgetRow[]
  /** The raw logs beside the JSON file; empty until it is written. */
  readonly histograms: readonly HistogramFile[]
}

/** The result of a run, held against the performance budget. */
export function makeResult(facts: RunFacts): BenchResult {
  return { version: RESULT_VERSION, ...facts, budget: budgetRows(facts), histograms: [] }
}

/** The result, and the latencies in full that its cells were read from. */
export interface MeasuredRun {
  readonly result: BenchResult
  readonly histograms: readonly NamedHistogram[]
}
