/** What a run is asked for, and what it tells while it runs. */
import type { Topology } from '../../src/config/topology.ts'
import type { Cell, PeerCell } from '../measure/cell.ts'
import type { Profile } from '../profiles/index.ts'
import type { BenchTarget, EnginesKind } from '../target/target.ts'
import type { BenchSchema } from '../workloads/schema.ts'
import type { Thresholds } from './thresholds.ts'
import type { TargetOptions } from './open-target.ts'

/** What happens, for whoever watches. */
export type BenchEvent =
  | { readonly kind: 'phase'; readonly phase: 'open' | 'prepare' | 'measure' | 'again' | 'close' }
  | {
      readonly kind: 'step'
      readonly name: string
      readonly index: number
      readonly count: number
      /** About how long it takes. */
      readonly expectedMs: number
      /** About how long the steps after it take. */
      readonly afterMs: number
    }
  | {
      readonly kind: 'measured'
      readonly cells: readonly Cell[]
      readonly peers: readonly PeerCell[]
    }
  /** What a step says of its progress. */
  | { readonly kind: 'doing'; readonly text: string }
  /** What somebody should know: of the deployment. */
  | { readonly kind: 'notice'; readonly text: string }

/** A run. */
export interface BenchRunOptions {
  readonly profile: Profile
  /** Names of `PARTS`; the profile's when left out. */
  readonly parts?: readonly string[] | undefined
  /** Leaves the other steps of its parts out. */
  readonly only?: ((stepName: string) => boolean) | undefined
  readonly engines: EnginesKind
  readonly topology: Topology
  /** Its name or file. */
  readonly topologyName: string
  /** The region that leads the commit log. */
  readonly leader: string
  /** Calls a second of each origin; the profile's when left out. */
  readonly rateOpsPerSecond?: number | undefined
  /** How long all steps take together; the profile's when left out. */
  readonly measuringMs?: number | undefined
  readonly seed: number
  /** The profile's when left out. */
  readonly repetitions?: number | undefined
  /** Empty; everything of the deployment is in it. */
  readonly directory: string
  /** The command line that makes this result again. */
  readonly command: string
  /** Bounds; steps whose cells break one are measured once more, twice as long. */
  readonly thresholds?: Thresholds | undefined
  /** Ends the run in order; what was measured until then is the result. */
  readonly signal: AbortSignal
  readonly onEvent: (event: BenchEvent) => void
  /** In place of the deployments that there are. */
  readonly openTarget?: ((options: TargetOptions) => Promise<BenchTarget<BenchSchema>>) | undefined
}
