/** What is planned before anything runs: cells, the raw engine beside them, and for how long. */
import type { CellKey } from '../measure/cell.ts'
import type { LoopOptions, Operation } from '../measure/loop.ts'
import type { Peer, PeerOperation } from '../peers/peer.ts'
import type { BenchContext, StepPlan } from '../step.ts'
import type { BudgetName } from './budgets.ts'

/** A cell before it is measured. */
export interface CellPlan {
  readonly key: CellKey
  /** What the topology alone costs. */
  readonly networkMs: number
  /** The physical limit between regions; `null` where the call need not leave its region. */
  readonly limitMs: number | null
  /** What the raw engine's way would cost besides: its loop stays in a region where the cell's does not. */
  readonly rawExtraMs: number
  /** The row of the budget that it answers to. */
  readonly budget: BudgetName | null
  readonly load: LoopOptions['load']
  /** Opens what the calls need. Called once, before the first turn. */
  open(context: BenchContext): Promise<OpenCell>
}

/** A cell whose calls can begin. */
export interface OpenCell {
  readonly operation: Operation
  /** The cell has a deployment of its own, and whether that runs in the thread of the calls. */
  readonly ownDeployment?: { readonly sharesThread: boolean }
  /** @throws MeridianError `INTERNAL` where something was delivered that had not been asked for */
  check?(): void
  close?(): Promise<void>
}

/** A call of a raw engine, with the load that it is measured under. */
export interface RawLoop {
  readonly peer: Pick<Peer, 'name' | 'version'>
  readonly operation: PeerOperation
  readonly load: LoopOptions['load']
}

/** Raw engines that are open. */
export interface OpenRaw {
  readonly loops: readonly RawLoop[]
  close(): Promise<void>
}

/** The raw engine beside a step. */
export interface RawPlan {
  /** What it does, in words. */
  readonly what: string
  /** What a reader of its figures must know. */
  readonly note?: string
  /** Opens it, or says in words why there is none. */
  open(context: BenchContext): Promise<OpenRaw | string>
}

/** How long one turn is. */
export interface TurnLength {
  readonly warmupMs: number
  readonly windowMs: number
}

/** Cells that are called at once, one turn of a step. */
export interface TurnPlan extends TurnLength {
  readonly cells: readonly CellPlan[]
}

/** A step: its turns and the raw engine's, one after another, again and again. */
export interface CellStepPlan {
  readonly name: string
  readonly turns: readonly TurnPlan[]
  readonly raw: (RawPlan & TurnLength) | null
  /** Rounds of all turns for each repetition, each a repetition of its own; 1 when left out. */
  readonly rounds?: number
  /** About how long it takes to open and to close, beside the turns. */
  readonly setupMs?: number
  /** What a reader of the cells must know. */
  readonly notes?: readonly string[]
}

/** Repetitions that lengths are reckoned with. */
export const PLANNED_REPETITIONS = 3
/** With these, and some that fail or come late, p95 is known. */
const ENOUGH_FOR_P95 = 208
/** The same for p99. */
const ENOUGH_FOR_P99 = 1030
/** About how long what a turn leaves behind takes to arrive. */
const SETTLE_MS = 250

/**
 * Calls a second of each origin: what leaves two cores, with all regions and their engines on them,
 * about half idle, so that a latency is that of a call and not of a queue.
 */
export const STRONG_WRITE_RATE = 8
export const PINNED_WRITE_RATE = 9
export const EVENTUAL_WRITE_RATE = 14
/** Of reads that ask the commit log. */
export const INDEX_READ_RATE = 20
/** Of reads of the region's own copy. */
export const READ_RATE = 30

/** Of nodes that are processes. */
const CACHED_READS =
  "Session and stale reads through a node may be answered from the cache in the node's memory; the raw engine beside them reads its file."

/** The lengths of a profile's turns. */
export interface Pace {
  readonly warmupMs: number
  /** No window is longer: where it would have to be, calls come faster instead. */
  readonly longestWindowMs: number
  /** Of calls at a rate that makes a latency no matter. */
  readonly loadedWindowMs: number
  /** Of point reads where nothing is between: a turn of a fraction of a second has thousands. */
  readonly pointReads: TurnLength & { readonly rounds: number }
  /** Whether windows are meant to give p99 where the budget speaks of it. */
  readonly knowsP99: boolean
}

/** What plans of one mode are made from. */
export interface CellsPlan extends StepPlan {
  readonly pace: Pace
  /** Homes of the tenants that are called, and where what is waited for elsewhere is written. */
  readonly homes: readonly string[]
}

/** A turn's length, with the load that makes it long enough. */
export interface PacedTurn {
  readonly turn: TurnLength
  readonly load: { readonly loop: 'open'; readonly rateOpsPerSecond: number }
}

/**
 * A turn that is as long as its rate takes to give a p95 (with `'p99'` a p99, in profiles that are
 * meant to know it); where the profile has no window that long, the rate is higher. A rate that was
 * asked for is the origin's, whatever it gives. `share`: the part of its origin's rate that a cell has.
 */
export function paced(
  plan: CellsPlan,
  ofOrigin: number,
  { share = 1, needs = 'p95' }: { readonly share?: number; readonly needs?: 'p95' | 'p99' } = {},
): PacedTurn {
  const { pace, askedRateOpsPerSecond: asked } = plan
  const calls = needs === 'p99' && pace.knowsP99 ? ENOUGH_FOR_P99 : ENOUGH_FOR_P95
  const rate = (asked ?? ofOrigin) * share
  const neededMs = Math.ceil((calls * 1000) / (PLANNED_REPETITIONS * rate))
  const windowMs = Math.min(pace.longestWindowMs, neededMs)
  const least = (calls * 1000) / (PLANNED_REPETITIONS * windowMs)
  return {
    turn: { warmupMs: pace.warmupMs, windowMs },
    load: { loop: 'open', rateOpsPerSecond: asked === undefined ? Math.max(rate, least) : rate },
  }
}

/** A raw engine's turn: one loop for what several cells ask of it, as long as its p95 takes. */
export function pacedTogether(plan: CellsPlan, { load }: PacedTurn, cells: number): PacedTurn {
  const rate = load.rateOpsPerSecond * cells
  return paced({ ...plan, askedRateOpsPerSecond: undefined }, rate)
}

/** What readers of levels that a region answers by itself must know. */
export function cacheNotes({ engines }: Pick<StepPlan, 'engines'>): readonly string[] {
  const together = 'Session and stale reads of one kind of table are called at once.'
  if (engines === 'embedded') return [together]
  return [together, CACHED_READS]
}

/** About how long a step takes at a time scale of 1. */
export function durationOf({ turns, raw, rounds = 1, setupMs = 0 }: CellStepPlan): number {
  const lengths: readonly TurnLength[] = raw === null ? turns : [...turns, raw]
  const lengthsMs = lengths.reduce((sum, { warmupMs, windowMs }) => sum + warmupMs + windowMs, 0)
  const settlingMs = turns.length * SETTLE_MS
  return PLANNED_REPETITIONS * rounds * (lengthsMs + settlingMs) + setupMs
}
