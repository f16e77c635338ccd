/** How long a region takes to catch up with the changes that it missed while it was cut off. */
import { setTimeout as pause } from 'node:timers/promises'
import { oneWayMs, type Topology } from '../../src/config/topology.ts'
import type { GrowthPoint } from '../measure/cell.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import type { BenchDatabase } from '../workloads/schema.ts'
import { GrowthLog } from './growth-log.ts'
import { createTenant } from './growth-tenant.ts'
import { loadRows } from './load-rows.ts'

const CHANGES: readonly number[] = [1_000, 10_000, 100_000]
const BATCH_ROWS = 200
const BATCHES_AT_ONCE = 4
const DURATION_MS = 4 * 60_000
const POLL_MS = 5
const CALL_DEADLINE_MS = 60_000
const TENANT = 'growth-backlog'
const SERIES = 'stream backlog'

/** One step: cut the farthest region off, write, let it catch up; with more changes each time. */
export function backlogSteps({ leader, topology }: StepPlan): readonly BenchStep[] {
  return [
    {
      name: `growth: ${SERIES}`,
      durationMs: DURATION_MS,
      run: (context) => runBacklog(leader, farthest(topology, leader), context),
    },
  ]
}

function farthest(topology: Topology, from: string): string {
  return topology.regions.reduce((best, region) =>
    oneWayMs(topology, from, region) > oneWayMs(topology, from, best) ? region : best,
  )
}

async function runBacklog(home: string, away: string, context: BenchContext): Promise<StepResult> {
  const { target } = context
  if (target.partition === undefined || target.heal === undefined) {
    return { notes: [`${SERIES}: not measured; this deployment has no way to cut a region off.`] }
  }
  const deadlineMs = performance.now() + DURATION_MS * context.timeScale
  await createTenant(context.client(home), { id: TENANT, home })
  await target.settle()
  const log = new GrowthLog()
  return log.collect(async () => {
    for (const changes of CHANGES) {
      context.note(`${changes.toLocaleString('en')} changes while ${away} is cut off`)
      const elapsedMs = await catchUpMs({ home, away, changes, deadlineMs, context })
      if (elapsedMs === undefined) {
        const count = changes.toLocaleString('en')
        log.note(`${SERIES}: not measured at ${count} changes; the time of the step ended.`)
        return
      }
      log.add(pointsOf(changes, elapsedMs))
    }
  })
}

function pointsOf(changes: number, elapsedMs: number): readonly GrowthPoint[] {
  const size = { x: changes, xUnit: 'changes' }
  const ofOneUs = (elapsedMs * 1000) / changes
  return [
    { ...size, series: `${SERIES}: time to catch up`, y: elapsedMs, yUnit: 'ms' },
    { ...size, series: `${SERIES}: time per change`, y: ofOneUs, yUnit: 'us' },
  ]
}

interface Backlog {
  readonly home: string
  readonly away: string
  readonly changes: number
  readonly deadlineMs: number
  readonly context: BenchContext
}

/** From the moment that the region is back until it shows the last change. */
async function catchUpMs(backlog: Backlog): Promise<number | undefined> {
  const { home, away, changes, deadlineMs, context } = backlog
  const { target, signal } = context
  const others = target.topology.regions.filter((region) => region !== away)
  const db = context.client(home)
  try {
    for (const other of others) await target.partition?.(away, other)
    const load = { from: 0, to: changes, batchRows: BATCH_ROWS, atOnce: BATCHES_AT_ONCE }
    const insert = (from: number, to: number): Promise<unknown> =>
      db
        .tenant(TENANT)
        .pinnedRows.insertMany(rowsOf(changes, from, to), { deadlineMs: CALL_DEADLINE_MS })
    const written = await loadRows({ ...load, deadlineMs, signal, insert })
    if (written < changes) return undefined
    await db.tenant(TENANT).pinnedRows.insert({ id: lastKey(changes), value: 'last' })
  } finally {
    for (const other of others) await target.heal?.(away, other)
  }
  const healedAtMs = performance.now()
  if (!(await untilSeen(context.client(away), lastKey(changes), deadlineMs, signal))) {
    return undefined
  }
  return performance.now() - healedAtMs
}

async function untilSeen(
  db: BenchDatabase,
  id: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { pinnedRows } = db.tenant(TENANT)
  while (!signal.aborted && performance.now() < deadlineMs) {
    // A replica that has not heard of the tenant's rows yet may refuse; it is asked again.
    const row = await pinnedRows.get(id, { consistency: 'stale' }).catch(() => undefined)
    if (row !== undefined) return true
    await pause(POLL_MS)
  }
  return false
}

function rowsOf(changes: number, from: number, to: number): { id: string; value: string }[] {
  return Array.from({ length: to - from }, (_, i) => ({
    id: `b${changes}-${from + i}`,
    value: 'value',
  }))
}

function lastKey(changes: number): string {
  return `b${changes}-last`
}
