/** Calls every operation of a peer, in turns. */
import type { LoopOptions, LoopResult } from '../measure/loop.ts'
import { interleave } from '../measure/merge-loops.ts'
import { runLoop } from '../measure/run-loop.ts'
import { toPeerCell } from '../measure/to-cell.ts'
import type { BenchContext, NamedHistogram, StepResult } from '../step.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** How operations are called that leave it open. */
export interface PeerLoad {
  /** From each region. */
  readonly rateOpsPerSecond: number
}

const WARMUP_MS = 1_000
const WINDOW_MS = 5_000
const LONGEST_WINDOW_MS = 20_000
/** With these, and some that fail or come late, the p95 of one repetition is known. */
const ENOUGH_FOR_P95 = 230
/** With these, the p99 of all repetitions. */
const ENOUGH_FOR_P99 = 1_100
/** Repetitions that lengths are reckoned with. */
export const PLANNED_REPETITIONS = 3

/** How long one turn takes, about, at a time scale of 1. */
export function turnMs(load: PeerLoad): number {
  return WARMUP_MS + windowMs(load)
}

/** Long enough for a p95 of each repetition, which is what shows their spread, and a p99 of all. */
function windowMs({ rateOpsPerSecond }: PeerLoad): number {
  const calls = Math.max(ENOUGH_FOR_P95, ENOUGH_FOR_P99 / PLANNED_REPETITIONS)
  const neededMs = (calls * 1000) / rateOpsPerSecond
  return Math.min(LONGEST_WINDOW_MS, Math.max(WINDOW_MS, neededMs))
}

/**
 * Measures all operations, each for `context.repetitions` turns: whatever the machine does
 * meanwhile, it does to all.
 *
 * @throws MeridianError `CANCELLED` with the signal; `INVALID_ARGUMENT` as `runLoop`
 */
export async function measurePeer(
  peer: Peer,
  load: PeerLoad,
  context: BenchContext,
): Promise<StepResult> {
  const { repetitions } = context
  const turns = peer.operations.map((operation) => (repetition: number): Promise<LoopResult> => {
    const { op, origin } = operation
    context.note(`${peer.name}: ${op} from ${origin}, ${repetition + 1} of ${repetitions}`)
    return runLoop(loopOf(operation, load, context))
  })
  const loops = await interleave({ repetitions, turns })
  const measured = peer.operations.flatMap((operation, i) => {
    const loop = loops[i]
    return loop === undefined ? [] : [{ operation, loop }]
  })
  return {
    peers: measured.map(({ operation, loop }) => toPeerCell(peer, operation, loop)),
    histograms: measured.map(({ operation, loop }) => histogramOf(peer, operation, loop)),
  }
}

function loopOf(
  { operation, load, sharesThread = false }: PeerOperation,
  usual: PeerLoad,
  { timeScale, signal }: BenchContext,
): LoopOptions {
  return {
    operation,
    load: load ?? { loop: 'open', rateOpsPerSecond: usual.rateOpsPerSecond },
    warmupMs: WARMUP_MS * timeScale,
    durationMs: windowMs(usual) * timeScale,
    signal,
    sharesThread,
  }
}

function histogramOf(
  { name }: Peer,
  { op, origin }: PeerOperation,
  { encoded }: LoopResult,
): NamedHistogram {
  return { name: `peer-${name}-${op.replaceAll(/[^a-z0-9]+/gi, '-')}-${origin}`, encoded }
}
