/** Runs all kinds of call of a step at once, for as long as it says, and makes their cells. */
import type { Cell, CellMode } from '../measure/cell.ts'
import type { LoopResult } from '../measure/loop.ts'
import { interleave } from '../measure/merge-loops.ts'
import { runLoop } from '../measure/run-loop.ts'
import { settleInTime, spendingNotes, startMeter, unsettledCount } from '../measure/spending.ts'
import type { Spent } from '../measure/spending.ts'
import { toCell } from '../measure/to-cell.ts'
import type { BenchContext, NamedHistogram, StepResult } from '../step.ts'
import { throwIfInterrupted } from '../concurrency.ts'
import type { Tally } from './tally.ts'
import type { CallKind } from './workload.ts'

/** Of the first warm-up, before each further repetition: what was warm is warm still. */
const LATER_WARMUP = 0.2

/** The same for every step, so that a report can say it once. */
const SHARED_COSTS =
  'Workloads: CPU and bytes between regions of a call are means over all calls of its step.'

/** How long calls are made. */
export interface KindsOptions {
  readonly step: string
  readonly kinds: readonly CallKind[]
  /** At a time scale of 1. */
  readonly warmupMs: number
  /** At a time scale of 1; repetitions share it. */
  readonly durationMs: number
  readonly tally: Tally
}

/**
 * Runs the kinds side by side, each in a loop of its own: of a mix every kind has exactly its share
 * of the calls. Resolves once every call has ended.
 *
 * CPU and bytes between regions are counted for the whole step, replication included, and stand in
 * each of its cells as the mean over all of its calls; a note says so.
 */
export async function runKinds(context: BenchContext, options: KindsOptions): Promise<StepResult> {
  const { kinds } = options
  const unsettledBefore = unsettledCount(context.target)
  await settleInTime(context)
  const meter = await startMeter(context)
  const [loops] = await interleave({
    repetitions: context.repetitions,
    turns: [(repetition: number) => runOnce(context, options, repetition)],
  })
  const spent = await meter.read()
  const calls = loops.reduce((sum, loop) => sum + callsOf(loop), 0)
  const cells = kinds.map((kind, i) => {
    const loop = loops[i] as LoopResult
    const share = calls === 0 ? 0 : callsOf(loop) / calls
    return toWorkloadCell(kind, loop, {
      cpuMs: spent.cpuMs * share,
      bytes: spent.bytes * share,
    })
  })
  const histograms = kinds.map((kind, i): NamedHistogram => ({
    name: histogramName(kind),
    encoded: (loops[i] as LoopResult).encoded,
  }))
  const notes = [
    ...(kinds.length < 2 ? [] : [SHARED_COSTS]),
    ...(await spendingNotes(context, { since: unsettledBefore })),
  ]
  return { cells, histograms, notes }
}

/** The name of a workload's step in one mode. */
export function stepName(workload: string, mode: CellMode): string {
  return `${workload} ${mode}`
}

async function runOnce(
  context: BenchContext,
  options: KindsOptions,
  repetition: number,
): Promise<readonly LoopResult[]> {
  const { target, timeScale, repetitions, signal } = context
  const { kinds, step, tally } = options
  throwIfInterrupted(signal)
  if (repetitions > 1) context.note(`${step}: repetition ${repetition + 1} of ${repetitions}`)
  const shape = {
    warmupMs: options.warmupMs * timeScale * (repetition === 0 ? 1 : LATER_WARMUP),
    durationMs: (options.durationMs * timeScale) / repetitions,
    sharesThread: target.engines === 'embedded',
  }
  const seed = (context.seed * repetitions + repetition) * kinds.length
  try {
    return await Promise.all(
      kinds.map(({ load, operation }, i) =>
        runLoop({
          ...shape,
          operation: tally.watch(operation),
          load,
          seed: seed + i,
          // One of its own: Node warns of a signal that many listen to.
          signal: AbortSignal.any([signal]),
        }),
      ),
    )
  } finally {
    // What a loop has given up on may still write.
    await tally.idle()
  }
}

function callsOf({ callsMade, attempted }: LoopResult): number {
  return callsMade ?? attempted
}

function toWorkloadCell(kind: CallKind, loop: LoopResult, spent: Spent): Cell {
  const { networkMs } = kind
  return toCell(kind, loop, {
    networkMs,
    limitMs: networkMs > 0 ? networkMs : null,
    crossRegionBytes: spent.bytes,
    cpuMs: spent.cpuMs,
  })
}

function histogramName({ op, mode, origin, home, level }: CallKind): string {
  const parts = [op, mode, origin, home ?? '', typeof level === 'string' ? level : '']
  return parts
    .filter((part) => part !== '')
    .join('-')
    .replaceAll(/[^\w.-]+/g, '-')
}
