/** Runs a workload through clients of every region while faults happen, and records what they see. */
import { setMaxListeners } from 'node:events'
import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { encodeHistory, type HistoryEvent } from '../../../../replication/verify/history.ts'
import { isErrorCode, MeridianError } from '../../../core/errors.ts'
import { seededRandom } from '../../../core/seeded-random.ts'
import { runFaults } from '../faults/nemesis.ts'
import { planFaults, type FaultKind } from '../faults/plan.ts'
import type { RecordOptions } from '../options.ts'
import type { HistoryDatabase } from '../schema.ts'
import { WORKLOADS } from '../workloads/index.ts'
import type { Workload } from '../workloads/workload.ts'
import { Client, takeTurns } from './clients.ts'
import { endRun, readEverywhere } from './ending.ts'
import { FaultLog, faultsFileOf, type FaultCounts } from './fault-log.ts'
import { openLinesFile } from './lines-file.ts'
import { openDeployment, type HistoryDeployment } from './open.ts'
import { HistoryRecorder, type Counts } from './recorder.ts'
import { summaryFileOf } from './summary.ts'

/** What is told while it runs. */
export interface RecordHooks {
  readonly directory: string
  /** Ends it in order. */
  readonly signal: AbortSignal
  readonly onPhase: (phase: string) => void
  readonly onNotice: (notice: string) => void
  /** Told now and then while clients work. */
  readonly onProgress: (progress: RecordProgress) => void
}

/** How far it has come. */
export interface RecordProgress {
  readonly elapsedMs: number
  readonly operations: number
  readonly unknown: number
  readonly faults: number
  readonly underWay: readonly string[]
}

/** What was recorded. */
export interface Recorded {
  readonly events: readonly HistoryEvent[]
  readonly counts: ReadonlyMap<string, Counts>
  readonly errors: ReadonlyMap<string, number>
  readonly faults: ReadonlyMap<FaultKind, FaultCounts>
  readonly isComplete: boolean
  /** What did not come back after the faults. */
  readonly problem: string | undefined
}

/** A process for each so many operations a second: an operation takes some tenths of a second. */
const RATE_OF_PROCESS = 2
const MOST_PROCESSES = 40
const LEAST_PROCESSES = 3
const PROGRESS_MS = 200

/**
 * Records a history into its file, and its faults beside it.
 *
 * @throws MeridianError what the deployment is refused with; `INTERNAL` where a fault cannot be healed
 */
export async function recordHistory(options: RecordOptions, hooks: RecordHooks): Promise<Recorded> {
  // Every client listens.
  setMaxListeners(0, hooks.signal)
  await rm(summaryFileOf(options.out), { force: true })
  const history = await openLinesFile(options.out)
  const faults = await openLinesFile(faultsFileOf(options.out))
  try {
    hooks.onPhase('opening the deployment')
    const deployment = await openDeployment({ ...options, ...hooks })
    try {
      const recorder = new HistoryRecorder({
        nowNs: () => process.hrtime.bigint(),
        onEvent: (event) => history.add(encodeHistory([event])),
      })
      const log = new FaultLog(
        () => recorder.timeNs,
        (line) => faults.add(line),
      )
      return await new Run(options, hooks, deployment, recorder, log).record()
    } finally {
      hooks.onPhase('closing')
      await deployment.close()
    }
  } finally {
    await Promise.all([history.close(), faults.close()])
  }
}

class Run {
  readonly #options: RecordOptions
  readonly #hooks: RecordHooks
  readonly #deployment: HistoryDeployment
  readonly #recorder: HistoryRecorder
  readonly #log: FaultLog
  readonly #workload: Workload
  readonly #databases = new Map<string, HistoryDatabase>()

  constructor(
    options: RecordOptions,
    hooks: RecordHooks,
    deployment: HistoryDeployment,
    recorder: HistoryRecorder,
    log: FaultLog,
  ) {
    this.#options = options
    this.#hooks = hooks
    this.#deployment = deployment
    this.#recorder = recorder
    this.#log = log
    this.#workload = WORKLOADS[options.workload]()
  }

  async record(): Promise<Recorded> {
    const { topology } = this.#options
    const { signal, onPhase } = this.#hooks
    try {
      for (const region of topology.regions) {
        this.#databases.set(region, await this.#deployment.regions.connect(region))
      }
      onPhase('first rows')
      await this.#prepare()
      onPhase('')
      await this.#work()
      if (signal.aborted) return this.#recorded(undefined)
      onPhase('healed; last reads in every region')
      const problem = await endRun({ ...this.#recording(), ...this.#deployment })
      return this.#recorded(signal.aborted ? undefined : problem)
    } finally {
      for (const db of this.#databases.values()) await db.close()
    }
  }

  #recording(): Parameters<typeof readEverywhere>[0] {
    const { signal } = this.#hooks
    const { seed } = this.#options
    const [databases, recorder, workload] = [this.#databases, this.#recorder, this.#workload]
    return { databases, recorder, workload, signal, seed }
  }

  async #prepare(): Promise<void> {
    const first = this.#databases.get(this.#options.leader) as HistoryDatabase
    try {
      await this.#workload.prepare(first)
    } catch (error) {
      // A retry of it that found what the first try had written.
      if (!isErrorCode(error, 'ALREADY_EXISTS')) throw error
    }
    // What is there at the beginning is part of the history.
    await readEverywhere(this.#recording())
  }

  /** Clients and faults, until the time is over or somebody interrupts. */
  async #work(): Promise<void> {
    const { forMs, seed, nemeses, topology } = this.#options
    const { signal } = this.#hooks
    const over = new AbortController()
    setMaxListeners(0, over.signal)
    const planned = planFaults({ kinds: nemeses, regions: topology.regions, forMs, seed })
    this.#log.plan(planned)
    const { breaker } = this.#deployment
    const startedAtMs = performance.now()
    const progress = setInterval(() => this.#tell(startedAtMs), PROGRESS_MS)
    try {
      const running = [
        ...this.#clients(over.signal),
        runFaults({ planned, breaker, onEvent: this.#log.take, until: over.signal }),
      ]
      await interruptible(forMs, signal)
      over.abort()
      const results = await Promise.allSettled(running)
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    } finally {
      clearInterval(progress)
    }
  }

  #clients(until: AbortSignal): readonly Promise<void>[] {
    const { rate, seed } = this.#options
    const { signal } = this.#hooks
    const wanted = Math.ceil(rate / RATE_OF_PROCESS)
    const count = Math.min(MOST_PROCESSES, Math.max(LEAST_PROCESSES, wanted))
    const periodMs = (count / rate) * 1000
    return [...this.#databases.values()].flatMap((db, place) =>
      Array.from({ length: count }, (_, i) => {
        const client = new Client({ db, recorder: this.#recorder, signal })
        const random = seededRandom(seed * 1_000_003 + place * MOST_PROCESSES + i)
        return takeTurns({ client, workload: this.#workload, random, periodMs, until })
      }),
    )
  }

  #tell(startedAtMs: number): void {
    let operations = 0
    let unknown = 0
    for (const { ok, fail, info } of this.#recorder.counts.values()) {
      operations += ok + fail + info
      unknown += info
    }
    const elapsedMs = performance.now() - startedAtMs
    const { begun: faults, underWay } = this.#log
    this.#hooks.onProgress({ elapsedMs, operations, unknown, faults, underWay })
  }

  #recorded(problem: string | undefined): Recorded {
    const { events, counts, errors } = this.#recorder
    const isComplete = !this.#hooks.signal.aborted && problem === undefined
    if (events.length === 0) {
      throw new MeridianError('CANCELLED', 'It was interrupted before there was any history.')
    }
    return { events, counts, errors, faults: this.#log.counts, isComplete, problem }
  }
}

async function interruptible(forMs: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(forMs, undefined, { signal })
  } catch {
    // What there is so far is written.
  }
}
