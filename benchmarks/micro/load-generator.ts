/**
 * What the loops of benchmarks cost by themselves, with nothing to call: how late calls begin and
 * how long they seem to take in an open loop, what part of a core the loop takes for it, and how
 * many calls a second a closed loop makes.
 *
 *   npx tsx benchmarks/micro/load-generator.ts [seconds each, default 5]
 */
import type { LoopOptions, LoopResult } from '../measure/loop.ts'
import { systemTime } from '../measure/loop-time.ts'
import { runLoop } from '../measure/run-loop.ts'

const [seconds = '5'] = process.argv.slice(2)
const durationMs = Number(seconds) * 1000
const WARMUP_MS = 500
/** As long as a call to another continent, answered by a timer. */
const LONG_MS = 100

const nothing: LoopOptions['operation'] = async () => undefined
const long: LoopOptions['operation'] = async () => {
  await new Promise<void>((resolve) => systemTime.after(LONG_MS, resolve))
  return undefined
}

for (const rateOpsPerSecond of [20, 100, 500, 2000]) {
  await measure(`open, ${rateOpsPerSecond}/s`, nothing, { loop: 'open', rateOpsPerSecond })
}
await measure('open, 100/s, long calls', long, { loop: 'open', rateOpsPerSecond: 100 })
for (const concurrency of [1, 10]) {
  await measure(`closed, ${concurrency} at once`, nothing, { loop: 'closed', concurrency })
}

async function measure(
  name: string,
  operation: LoopOptions['operation'],
  load: LoopOptions['load'],
): Promise<void> {
  const cpuBefore = process.cpuUsage()
  const startMs = performance.now()
  const found = await runLoop({
    operation,
    load,
    warmupMs: WARMUP_MS,
    durationMs,
    // Told as it is: lateness is what is measured here.
    sharesThread: true,
  })
  const { user, system } = process.cpuUsage(cpuBefore)
  const cpuShare = (user + system) / 1000 / (performance.now() - startMs)
  console.log(`${name}: ${describe(found)}, ${(100 * cpuShare).toFixed(0)} % of a core`)
}

function describe({ n, rateOpsPerSecond, p50Ms, p99Ms, generator }: LoopResult): string {
  const us = (ms: number | null): string => (ms === null ? '?' : (1000 * ms).toFixed(0))
  return (
    `n ${n}, ${Math.round(rateOpsPerSecond)}/s, p50 ${us(p50Ms)} us, p99 ${us(p99Ms)} us, ` +
    `late p95 ${us(generator.lateP95Ms)} us`
  )
}
