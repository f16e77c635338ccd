/** What a loop found and what is known besides, as a cell of the result. */
import type { Peer, PeerOperation } from '../peers/peer.ts'
import type {
  Cell,
  CellBudget,
  CellCounts,
  CellKey,
  CellLoad,
  CellQuantiles,
  PeerCell,
} from './cell.ts'
import { addEncoded, valueAtMs } from './histogram.ts'
import type { LoopResult } from './loop.ts'
import { isEnoughFor, quantileRank } from './quantiles.ts'

const QUANTILES = { p50: 0.5, p95: 0.95, p99: 0.99 } as const

/** A bound of the performance budget, not judged yet. */
export type BudgetBound = Omit<CellBudget, 'holds'>

/** What is known of a cell besides its loop. */
export interface CellFacts {
  /** What the topology alone costs. */
  readonly networkMs: number
  /** The raw engine doing that step in the same run, p95. */
  readonly rawEngineP95Ms?: number | null
  /** The physical limit between regions; none where the call need not leave its region. */
  readonly limitMs?: number | null
  /** Bytes that left a region for another while the loop ran, its warm-up and all repetitions included. */
  readonly crossRegionBytes?: number | null
  /** CPU that the deployment's processes used in the same time; NaN where it is not to be had. */
  readonly cpuMs?: number | null
  readonly budgets?: readonly BudgetBound[]
}

/** The cell of a mode. Bytes and CPU are divided among all calls made, those of the warm-up too. */
export function toCell(key: CellKey, loop: LoopResult, facts: CellFacts): Cell {
  const { op, mode, origin, home, level } = key
  const { networkMs, rawEngineP95Ms = null, limitMs = null, budgets = [] } = facts
  const callsMade = loop.callsMade ?? loop.attempted
  return {
    op,
    mode,
    origin,
    home,
    level,
    ...measured(loop),
    networkMs,
    rawEngineP95Ms,
    limitMs,
    p95OverLimit: over(loop.p95Ms, limitMs),
    stalenessP95Ms: loop.stalenessP95Ms,
    crossRegionBytesPerOp: perCall(facts.crossRegionBytes, callsMade),
    cpuMsPerOp: perCall(facts.cpuMs, callsMade),
    budgets: budgets.map((budget) => judge(budget, loop)),
  }
}

/** The cell of a peer. */
export function toPeerCell(
  peer: Pick<Peer, 'name' | 'version'>,
  operation: Omit<PeerOperation, 'operation'>,
  loop: LoopResult,
): PeerCell {
  const { op, origin, home, durability, networkMs } = operation
  return {
    peer: peer.name,
    version: peer.version,
    op,
    origin,
    home,
    durability,
    networkMs,
    ...measured(loop),
  }
}

type Measured = CellLoad & CellCounts & CellQuantiles & Pick<Cell, 'generator' | 'repetitionP95Ms'>

/** What cells of both kinds take from a loop as it is. */
function measured(loop: LoopResult): Measured {
  return {
    loop: loop.loop,
    rateOpsPerSecond: loop.rateOpsPerSecond,
    concurrency: loop.concurrency,
    attempted: loop.attempted,
    succeeded: loop.succeeded,
    failed: loop.failed,
    retried: loop.retried,
    errors: loop.errors,
    levels: loop.levels,
    n: loop.n,
    p50Ms: loop.p50Ms,
    p95Ms: loop.p95Ms,
    p99Ms: loop.p99Ms,
    p999Ms: loop.p999Ms,
    generator: loop.generator,
    repetitionP95Ms: loop.repetitionP95Ms ?? [],
  }
}

function over(p95Ms: number | null, limitMs: number | null): number | null {
  // At home the limit is no distance: there is nothing to divide by.
  return p95Ms === null || limitMs === null || limitMs <= 0 ? null : p95Ms / limitMs
}

function perCall(total: number | null | undefined, callsMade: number): number | null {
  return Number.isFinite(total) && callsMade > 0 ? (total as number) / callsMade : null
}

/** A failed call is slower than any that succeeded: what fails often enough breaks the bound. */
function judge(budget: BudgetBound, loop: LoopResult): CellBudget {
  const { text, quantile, boundMs } = budget
  const q = QUANTILES[quantile]
  const { attempted, succeeded, failed } = loop
  const foundMs = { p50: loop.p50Ms, p95: loop.p95Ms, p99: loop.p99Ms }[quantile]
  const isKnown = isEnoughFor(attempted, q) && !loop.generator.isLate
  if (isKnown && quantileRank(attempted, q) > succeeded) {
    return { text, quantile, boundMs, holds: false }
  }
  if (foundMs === null) return { text, quantile, boundMs, holds: null }
  const ofAllMs = failed === 0 ? foundMs : latencyOfAllMs(loop, q)
  return { text, quantile, boundMs, holds: ofAllMs <= boundMs }
}

/** The quantile of all attempted calls, where so few failed that a call that succeeded has it. */
function latencyOfAllMs({ attempted, succeeded, encoded }: LoopResult, q: number): number {
  return valueAtMs(addEncoded([encoded]), (q * attempted) / succeeded)
}
