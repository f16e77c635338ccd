/** What a deployment spends on calls: CPU and bytes between regions, less what it spends on none. */
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext } from '../step.ts'
import { cpuMs } from './process-cpu.ts'

/** What was spent. */
export interface Spent {
  /** Of one core; NaN where the system does not tell. */
  readonly cpuMs: number
  /** That left a region for another. */
  readonly bytes: number
}

/** Counts from when it was started. */
export interface Meter {
  /** Waits, for a while, for what the calls have caused elsewhere: that is their cost too. */
  read(): Promise<Spent>
}

type Measured = Pick<BenchContext, 'target' | 'signal'>
type Target = BenchContext['target']

/** How long what calls leave behind is waited for. */
const SETTLE_WAIT_MS = 10_000
/** How long a deployment is watched that nobody calls. */
const IDLE_MS = 2_000

const idleSpending = new WeakMap<Target, Promise<Spent>>()
const unsettled = new WeakMap<Target, number>()

/**
 * Waits until every change has arrived wherever it may go, for ten seconds at most: `false` where it
 * has not by then. Never rejects.
 */
export async function settleInTime(
  { target, signal }: Measured,
  waitMs = SETTLE_WAIT_MS,
): Promise<boolean> {
  if (signal.aborted) return false
  const giveUp = new AbortController()
  const settled = target.settle().then(
    () => true,
    () => false,
  )
  const timeUp = pause(waitMs, false, { signal: AbortSignal.any([signal, giveUp.signal]) })
  const isSettled = await Promise.race([settled, timeUp.catch(() => false)])
  giveUp.abort()
  if (!isSettled) unsettled.set(target, (unsettled.get(target) ?? 0) + 1)
  return isSettled
}

/** Starts to count. The first time for a target, it is watched idle for two seconds before. */
export async function startMeter(context: Measured): Promise<Meter> {
  const { target } = context
  const idle = await idleOf(context)
  const before = await reading(target)
  return {
    async read() {
      await settleInTime(context)
      return lessIdle(since(before, await reading(target)), idle)
    },
  }
}

/** What readers of costs must know; the same for all steps of a run where all has settled. */
export async function spendingNotes(
  context: Measured,
  { since: unsettledBefore }: { readonly since: number },
): Promise<readonly string[]> {
  const { target } = context
  const idle = await idleOf(context)
  const late = unsettledCount(target) - unsettledBefore
  const cpu = Number.isFinite(idle.cpuMs) ? `${idle.cpuMs.toFixed(1)} ms of CPU and ` : ''
  return [
    `CPU and bytes between regions of a call: with what it leaves behind, less what the deployment spends idle (${cpu}${Math.round(idle.bytes)} bytes a second).`,
    ...(target.engines === 'embedded'
      ? ["CPU of a call: the generator runs in the deployment's process, its CPU is in the figure."]
      : []),
    ...(late === 0
      ? []
      : [
          `Not all changes had arrived ${SETTLE_WAIT_MS / 1000} s after the calls, ${late} times: the rest of that work is in no figure of them and may fall on those after.`,
        ]),
  ]
}

/** Times that a target has not settled in time so far. */
export function unsettledCount(target: Target): number {
  return unsettled.get(target) ?? 0
}

/** A second of no calls. */
function idleOf(context: Measured): Promise<Spent> {
  const { target } = context
  let idle = idleSpending.get(target)
  if (idle === undefined) {
    idle = watchIdle(context)
    idleSpending.set(target, idle)
    // After a failure the next one tries again.
    idle.catch(() => idleSpending.delete(target))
  }
  return idle
}

async function watchIdle(context: Measured): Promise<Spent> {
  await settleInTime(context)
  const before = await reading(context.target)
  await pause(IDLE_MS, undefined, { signal: context.signal })
  const { cpuMs: usedMs, bytes, elapsedMs } = since(before, await reading(context.target))
  return { cpuMs: (usedMs * 1000) / elapsedMs, bytes: (bytes * 1000) / elapsedMs }
}

/** What calls have spent of all that was spent. */
export function lessIdle(spent: Spent & { readonly elapsedMs: number }, idle: Spent): Spent {
  const seconds = spent.elapsedMs / 1000
  return {
    cpuMs: Math.max(0, spent.cpuMs - idle.cpuMs * seconds),
    bytes: Math.max(0, spent.bytes - idle.bytes * seconds),
  }
}

interface Reading extends Spent {
  readonly atMs: number
}

async function reading(target: Target): Promise<Reading> {
  let bytes = 0
  for (const count of (await target.crossRegionBytes()).values()) bytes += count
  const pids = target.processes().map(({ pid }) => pid)
  return { bytes, cpuMs: cpuMs(pids), atMs: performance.now() }
}

function since(before: Reading, after: Reading): Spent & { readonly elapsedMs: number } {
  return {
    cpuMs: after.cpuMs - before.cpuMs,
    bytes: after.bytes - before.bytes,
    elapsedMs: after.atMs - before.atMs,
  }
}
