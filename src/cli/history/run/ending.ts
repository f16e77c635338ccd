/**
 * The end of a run, when nothing is broken any more: writes go through from every region, every key
 * is read from every region, and what each region holds is noted.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom } from '../../../core/seeded-random.ts'
import type { RunningRegions } from '../../../cluster/regions/running-regions.ts'
import { asMeridianError } from '../../../core/errors.ts'
import type { HistoryDatabase, HistorySchema } from '../schema.ts'
import type { Operation, Workload } from '../workloads/workload.ts'
import { Client, type Caller } from './clients.ts'
import type { HistoryRecorder } from './recorder.ts'

/** Nodes start again and apply what they have missed; the machine may be busy. */
const RECOVERY_MS = 120_000
const POLL_MS = 100
const READERS = 4
const READ_DEADLINE_MS = 15_000

/** What the end of a run takes. */
export interface EndingOptions {
  readonly regions: RunningRegions<HistorySchema>
  readonly databases: ReadonlyMap<string, HistoryDatabase>
  readonly recorder: HistoryRecorder
  readonly workload: Workload
  readonly signal: AbortSignal
  readonly seed: number
}

/** Resolves to what did not come back in time, in words; `undefined`: all did. */
export async function endRun(options: EndingOptions): Promise<string | undefined> {
  const { regions, databases, recorder, workload } = options
  const untilMs = performance.now() + RECOVERY_MS
  const names = [...databases.keys()]
  const writes = await everywhere(names, (region) => writeOnce(options, region, untilMs))
  if (writes !== undefined) return `no write went through from ${writes} after the faults`
  const reads = await everywhere(names, (region) =>
    readAll(options, region, workload.finalReads(), untilMs),
  )
  if (reads !== undefined) return `not every key could be read from ${reads} after the faults`
  const apart = await untilLevel(regions, untilMs)
  if (apart !== undefined) return `the regions did not apply the log to one index: ${apart}`
  for (const [region, db] of databases) {
    try {
      recorder.report('state', region, Object.fromEntries(await workload.localState(db)))
    } catch (error) {
      return `what ${region} holds could not be read: ${asMeridianError(error).message}`
    }
  }
  return undefined
}

/** Waits until every region has applied the log to one index. Resolves to how far they came, if not. */
async function untilLevel(
  regions: EndingOptions['regions'],
  untilMs: number,
): Promise<string | undefined> {
  for (;;) {
    let seen: string
    try {
      const progress = await regions.progress()
      if (new Set(progress.map(({ strongIndex }) => strongIndex)).size === 1) return undefined
      seen = progress.map(({ region, strongIndex }) => `${region} ${strongIndex}`).join(', ')
    } catch (error) {
      seen = asMeridianError(error).message
    }
    if (performance.now() > untilMs) return seen
    await pause(POLL_MS)
  }
}

/** Reads every key once from every region, before there is anything to recover from. */
export async function readEverywhere(options: Omit<EndingOptions, 'regions'>): Promise<void> {
  const untilMs = performance.now() + RECOVERY_MS
  await everywhere([...options.databases.keys()], (region) =>
    readAll(options, region, options.workload.finalReads(), untilMs),
  )
}

/** The regions where `work` comes to nothing; `undefined`: none. */
async function everywhere(
  regions: readonly string[],
  work: (region: string) => Promise<boolean>,
): Promise<string | undefined> {
  const done = await Promise.all(regions.map(work))
  const missing = regions.filter((_, i) => done[i] !== true)
  return missing.length === 0 ? undefined : missing.join(', ')
}

type Recording = Omit<EndingOptions, 'regions'>

function callerIn({ databases, recorder, signal }: Recording, region: string): Caller {
  return { db: databases.get(region) as HistoryDatabase, recorder, signal }
}

/** The system must make progress again, in every region. */
async function writeOnce(options: Recording, region: string, untilMs: number): Promise<boolean> {
  const client = new Client(callerIn(options, region))
  const random = seededRandom(options.seed ^ 0x5eed)
  while (performance.now() < untilMs && !options.signal.aborted) {
    const operation = options.workload.next(random)
    if ((await client.run(operation)) === 'ok' && !operation.isRead) return true
  }
  return false
}

async function readAll(
  options: Recording,
  region: string,
  reads: readonly Operation[],
  untilMs: number,
): Promise<boolean> {
  const left = reads.toReversed()
  const reader = async (): Promise<boolean> => {
    const client = new Client(callerIn(options, region))
    for (let read = left.pop(); read !== undefined; read = left.pop()) {
      while ((await client.run(read, READ_DEADLINE_MS)) !== 'ok') {
        if (performance.now() > untilMs || options.signal.aborted) return false
      }
    }
    return true
  }
  const done = await Promise.all(Array.from({ length: READERS }, reader))
  return done.every(Boolean)
}
