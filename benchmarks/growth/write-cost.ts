/** What a write costs at one size of the data: latency and the deployment's CPU. */
import { cpuMs } from '../measure/process-cpu.ts'
import { runLoop } from '../measure/run-loop.ts'
import type { GrowthPoint } from '../measure/cell.ts'
import type { Operation } from '../measure/loop.ts'
import type { BenchContext } from '../step.ts'

const WARMUP_MS = 1_000
const WINDOW_MS = 10_000
/** With fewer a strong write, which waits for distances, would not be made often enough to judge. */
const CALLERS = 8

/** The size that a cost is measured at. */
export interface GrowthSize {
  /** `pinned write, rows in the table`. */
  readonly series: string
  readonly x: number
  readonly xUnit: string
}

/** How long `measureWriteCost` takes at a time scale of 1, for the plan. */
export const WRITE_COST_MS: number = WARMUP_MS + WINDOW_MS

/** Points for p50, p95 and CPU of a write; a quantile that too few calls tell gives no point. */
export async function measureWriteCost(
  context: BenchContext,
  size: GrowthSize,
  operation: Operation,
): Promise<{ readonly points: readonly GrowthPoint[]; readonly notes: readonly string[] }> {
  const { signal, timeScale, target } = context
  const pids = target.processes().map(({ pid }) => pid)
  let calls = 0
  const counted: Operation = (index) => {
    calls++
    return operation(index)
  }
  const before = cpuMs(pids)
  const loop = await runLoop({
    operation: counted,
    load: { loop: 'closed', concurrency: CALLERS },
    warmupMs: WARMUP_MS * timeScale,
    durationMs: WINDOW_MS * timeScale,
    signal,
  })
  // Of warm-up calls too: the processes do not tell the two apart.
  const cpuMsPerOp = (cpuMs(pids) - before) / calls
  const values: readonly (readonly [string, number | null])[] = [
    ['p50', loop.p50Ms],
    ['p95', loop.p95Ms],
    ['CPU', Number.isFinite(cpuMsPerOp) ? cpuMsPerOp : null],
  ]
  const points = values.flatMap(([name, y]): readonly GrowthPoint[] =>
    y === null ? [] : [{ ...size, series: `${size.series}: ${name}`, y, yUnit: 'ms' }],
  )
  const { failed, attempted, errors } = loop
  const notes =
    failed === 0
      ? []
      : [
          `${size.series}, ${size.x} ${size.xUnit}: ${failed} of ${attempted} writes failed ` +
            `(${Object.keys(errors).join(', ')}).`,
        ]
  return { points, notes }
}
