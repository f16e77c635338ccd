/**
 * Trims the commit log behind the slowest region. Every region reports how far it has durably
 * applied each group; any of them may trim, and all do: it is idempotent. A region that holds back
 * more than the log may keep is left behind, and is seeded again from a peer when it returns. A
 * region that never reported needs all there is, within the same bound.
 *
 * The log's engine may forget the past of all groups together only. So a group where little happens
 * must hold back no more than a busy one: it is trimmed up to its last record, however few there
 * are, and a region that was left behind in one group is not waited for in any.
 */
import { asMeridianError, type MeridianError } from '../../src/core/errors.ts'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { LogRetention } from '../../src/core/ports/log-retention.ts'
import type { CancelTimer, Runtime } from '../../src/core/ports/runtime.ts'

/** A group of this region. */
export interface RetainedGroup {
  readonly group: string
  /** The log is needed here from this index on; undefined while that is not known. */
  retainFrom(): number | undefined
}

/** What a trimmer is made of. */
export interface TrimmerOptions {
  readonly region: string
  /** All regions of the configuration, this one too. */
  readonly regions: readonly string[]
  readonly groups: readonly RetainedGroup[]
  readonly log: Pick<CommitLog, 'trim' | 'readIndex'>
  readonly retention: LogRetention
  readonly runtime: Runtime
  /** Records of a group that a region which is away may hold back. */
  readonly maxRetainedRecords: number
  /**
   * Records that stay although every region has applied them: each asks for its last one again.
   * Default 1. More of them hold back a busy group for as long as a quiet one has not got as many.
   */
  readonly marginRecords?: number
  /** Default 3,000. */
  readonly reportIntervalMs?: number
  /** Default 30,000. */
  readonly trimIntervalMs?: number
  /** Fewer records than this are not worth a trim. Default 1: they may be all of a quiet group. */
  readonly minTrimRecords?: number
}

/** What of a group's log is kept. */
export interface RetentionStatus {
  readonly group: string
  /** The log may begin here; 0: this process has not trimmed it. */
  readonly retainedFrom: number
  /** Regions that the log does not wait for any more. */
  readonly leftBehind: readonly string[]
  /** Why the last report or trim failed; it is repeated. */
  readonly error: MeridianError | null
}

/** A running trimmer. */
export interface Trimmer {
  /** Tells the others how far this region is, now. */
  report(): Promise<void>
  /** Trims what no region needs, now. */
  trim(): Promise<void>
  status(): readonly RetentionStatus[]
  /** Reports once more, then ends. */
  stop(): Promise<void>
}

const MARGIN_RECORDS = 1
const REPORT_INTERVAL_MS = 3_000
const TRIM_INTERVAL_MS = 30_000
const MIN_TRIM_RECORDS = 1
/** Regions do not report and trim in step: each interval is longer or shorter by this share. */
const JITTER = 0.2

/** Starts to report and to trim. */
export function startTrimmer(options: TrimmerOptions): Trimmer {
  return new LogTrimmer(options)
}

/** How much of a group's log may be kept, and for whom. */
export interface TrimBounds {
  readonly regions: readonly string[]
  readonly maxRetainedRecords: number
  readonly marginRecords: number
  /** Regions that were left behind in another group. */
  readonly notWaitedFor?: ReadonlySet<string>
}

/** What regions said of a group, and where it ended afterwards. */
interface Reports {
  readonly reported: ReadonlyMap<string, number>
  readonly logEnd: number
}

/**
 * The index before which a group's records may go; `reported`: from where each region needs them.
 * 1: none may.
 */
export function trimPoint(
  { reported, logEnd }: Reports,
  bounds: TrimBounds,
): { readonly before: number; readonly leftBehind: readonly string[] } {
  const { regions, maxRetainedRecords, marginRecords, notWaitedFor } = bounds
  const needs = regions.map((region) => {
    const from = reported.get(region) ?? 1
    // Nobody has applied what is not there: believed, it would cost what others have yet to read.
    return { region, from: from >= 1 && from <= logEnd + 1 ? from : 1 }
  })
  // What nobody reported to have applied yet is needed by all of them.
  const newest = Math.max(1, ...needs.map(({ from }) => from))
  const oldest = Math.max(1, newest - maxRetainedRecords)
  const leftBehind = needs.filter(({ from }) => from < oldest).map(({ region }) => region)
  const waitedFor = needs.filter(({ region }) => notWaitedFor?.has(region) !== true)
  const slowest = Math.min(newest, ...waitedFor.map(({ from }) => from))
  return { before: Math.max(1, oldest, slowest - marginRecords), leftBehind }
}

interface GroupState {
  reported: number
  trimmed: number
  leftBehind: readonly string[]
  error: MeridianError | null
}

class LogTrimmer implements Trimmer {
  readonly #options: TrimmerOptions
  readonly #states: ReadonlyMap<string, GroupState>
  readonly #cancels = new Set<CancelTimer>()
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(options: TrimmerOptions) {
    this.#options = options
    this.#states = new Map(
      options.groups.map(({ group }) => [
        group,
        { reported: 0, trimmed: 0, leftBehind: [], error: null },
      ]),
    )
    this.#every(options.reportIntervalMs ?? REPORT_INTERVAL_MS, () => this.report())
    this.#every(options.trimIntervalMs ?? TRIM_INTERVAL_MS, () => this.trim())
  }

  async report(): Promise<void> {
    const { groups, retention, region } = this.#options
    await this.#each(groups, async (one, state) => {
      const from = one.retainFrom()
      if (from === undefined || from === state.reported) return
      await retention.report(one.group, region, from)
      state.reported = from
    })
  }

  async trim(): Promise<void> {
    const { groups, retention, log, region, regions, maxRetainedRecords } = this.#options
    const { marginRecords = MARGIN_RECORDS, minTrimRecords = MIN_TRIM_RECORDS } = this.#options
    const bounds = { regions, maxRetainedRecords, marginRecords }
    const reports = new Map<RetainedGroup, Reports>()
    await this.#each(groups, async (one, state) => {
      const reported = await retention.reported(one.group)
      // A node that held the region before this one may have said something older since.
      state.reported = reported.get(region) ?? 0
      reports.set(one, { reported, logEnd: await log.readIndex(one.group) })
    })
    const notWaitedFor = new Set(
      [...reports.values()].flatMap((of) => trimPoint(of, bounds).leftBehind),
    )
    await this.#each([...reports.keys()], async (one, state) => {
      const { before } = trimPoint(reports.get(one) as Reports, { ...bounds, notWaitedFor })
      state.leftBehind = regions.filter((region) => notWaitedFor.has(region))
      // The mark of a lone record says that nothing older is needed.
      if (before < state.trimmed + minTrimRecords) return
      await log.trim(one.group, before)
      state.trimmed = before
    })
  }

  status(): readonly RetentionStatus[] {
    return Array.from(this.#states, ([group, { trimmed, leftBehind, error }]) => {
      return { group, retainedFrom: trimmed, leftBehind, error }
    })
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    for (const cancel of this.#cancels) cancel()
    await Promise.all(this.#running)
    await this.report()
  }

  /** A log that does not answer now is told later. */
  async #each(
    groups: readonly RetainedGroup[],
    run: (group: RetainedGroup, state: GroupState) => Promise<void>,
  ): Promise<void> {
    const each = groups.map(async (one) => {
      const state = this.#states.get(one.group) as GroupState
      try {
        await run(one, state)
        state.error = null
      } catch (error) {
        state.error = asMeridianError(error)
      }
    })
    await Promise.all(each)
  }

  #every(intervalMs: number, run: () => Promise<void>): void {
    const { timers, random } = this.#options.runtime
    if (this.#isStopped) return
    const share = 1 + JITTER * (2 * random.fraction() - 1)
    const cancel = timers.after(intervalMs * share, () => {
      this.#cancels.delete(cancel)
      const running = run().then(() => {
        this.#running.delete(running)
        this.#every(intervalMs, run)
      })
      this.#running.add(running)
    })
    this.#cancels.add(cancel)
  }
}
