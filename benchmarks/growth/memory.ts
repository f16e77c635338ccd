/** What a node's memory does over ten minutes of load on data that does not grow. */
import { readFileSync } from 'node:fs'
import { runLoop } from '../measure/run-loop.ts'
import { seededRandom } from '../../src/core/seeded-random.ts'
import type { GrowthPoint } from '../measure/cell.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import type { TargetProcess } from '../target/target.ts'
import { GrowthLog } from './growth-log.ts'
import { createTenant } from './growth-tenant.ts'
import { rowKey } from './load-rows.ts'

const MINUTE_MS = 60_000
const DURATION_MS = 10 * MINUTE_MS
const SAMPLES = 40
const ROWS = 1_000

/** One step: every region writes and reads the same rows at a steady rate; memory is looked at. */
export function memorySteps({ rateOpsPerSecond, topology }: StepPlan): readonly BenchStep[] {
  return [
    {
      name: 'growth: memory of a node under load',
      durationMs: DURATION_MS,
      run: (context) => runMemory(topology.regions, rateOpsPerSecond, context),
    },
  ]
}

async function runMemory(
  regions: readonly string[],
  rateOpsPerSecond: number,
  context: BenchContext,
): Promise<StepResult> {
  const { signal, target } = context
  for (const home of regions) {
    await createTenant(context.client(home), { id: tenantId(home), home })
  }
  const watched = target.processes().filter(({ name }) => /^node |^this process$/.test(name))
  const log = new GrowthLog()
  if (watched.some(({ pid }) => pid === process.pid)) {
    log.note('Memory of a node: all regions and the generator share one process here.')
  }
  const durationMs = DURATION_MS * context.timeScale
  const sharesThread = target.engines === 'embedded'
  return log.collect(async () => {
    const sampler = startSampler(log, watched, durationMs / SAMPLES)
    try {
      const loops = regions.map((region, index) =>
        runLoop({
          operation: mixedCalls(context, region, index),
          load: { loop: 'open', rateOpsPerSecond },
          warmupMs: 0,
          ...{ durationMs, signal, sharesThread },
        }),
      )
      const failed = (await Promise.all(loops)).reduce((sum, loop) => sum + loop.failed, 0)
      if (failed > 0) log.note(`Memory of a node: ${failed} calls of the load failed.`)
    } finally {
      sampler.stop()
    }
  })
}

/** Looks at once, every period, and once more at the end. */
function startSampler(
  log: GrowthLog,
  watched: readonly TargetProcess[],
  periodMs: number,
): { readonly stop: () => void } {
  const startedAtMs = performance.now()
  const sample = (): void => {
    const minutes = (performance.now() - startedAtMs) / MINUTE_MS
    for (const one of watched) log.add(pointOf(one, minutes))
  }
  sample()
  const timer = setInterval(sample, periodMs)
  return {
    stop() {
      clearInterval(timer)
      sample()
    },
  }
}

/** A write, a read of it, and a merge, in turns. */
function mixedCalls(
  context: BenchContext,
  region: string,
  salt: number,
): (index: number) => Promise<undefined> {
  const tenant = context.client(region).tenant(tenantId(region))
  const random = seededRandom(context.seed + salt)
  return async (index) => {
    const id = rowKey(random.below(ROWS))
    if (index % 3 === 0) await tenant.pinnedRows.upsert({ id, value: `value ${index}` })
    else if (index % 3 === 1) await tenant.pinnedRows.get(id)
    else await tenant.eventualRows.upsert({ id, value: `value ${index}`, hits: 1 })
    return undefined
  }
}

/** No point for a process that has ended. */
function pointOf({ name, pid }: TargetProcess, minutes: number): readonly GrowthPoint[] {
  const bytes = residentBytes(pid)
  if (bytes === undefined) return []
  const y = bytes / 2 ** 20
  return [{ series: `memory of ${name}`, x: minutes, xUnit: 'minutes', y, yUnit: 'MiB' }]
}

function residentBytes(pid: number): number | undefined {
  if (pid === process.pid) return process.memoryUsage.rss()
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) * 1024
  } catch {
    return undefined
  }
}

function tenantId(home: string): string {
  return `growth-memory-${home}`
}
