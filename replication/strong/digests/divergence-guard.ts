/**
 * Finds out that a region's copy of a log group is not what it should be: by comparing its digests with
 * those of other regions, and by recomputing them from the rows. What is found is told; a region that is
 * wrong is seeded again by its group.
 */
import type { MeridianError } from '../../../src/core/errors.ts'
import type { CancelTimer, Runtime } from '../../../src/core/ports/runtime.ts'
import type { Statement, StatementResult, Store } from '../../../src/core/ports/store.ts'
import type { StrongFaults } from '../faults.ts'
import { positionGuard, type LogPosition } from '../log-batch.ts'
import { divergedFromOthers, divergedFromRows } from '../log-group-errors.ts'
import type { Seeding } from '../reseeder.ts'
import type { GroupPeerState } from '../snapshot-messages.ts'
import type { SnapshotTable } from '../snapshot-tables.ts'
import { askStates } from './ask-state.ts'
import { DigestScan } from './digest-scan.ts'
import { DIGEST_FORMAT, readStoredSums, type DigestKind } from './digest-store.ts'
import { digestedTables, digestTable, type DigestTable } from './digest-tables.ts'
import { DigestTracker } from './digest-tracker.ts'
import { GroupSums } from './group-sums.ts'
import { differing, judge, type Verdict } from './judge.ts'

/** How often a copy is looked at. */
export interface DigestLimits {
  /** Between two comparisons with other regions. */
  readonly compareEveryMs: number
  /** Between two recomputations from the rows. */
  readonly verifyEveryMs: number
  /** Rows that a recomputation reads at once. */
  readonly maxPageRows: number
  /** Of the time, how much a recomputation works. */
  readonly share: number
}

/** What is left out. */
const DEFAULT_DIGEST_LIMITS: DigestLimits = {
  compareEveryMs: 10_000,
  verifyEveryMs: 60 * 60 * 1000,
  maxPageRows: 500,
  share: 0.05,
}

/** What is known of a copy. */
export interface DigestStatus {
  /** The last index at which every region that could be compared was equal; null: none was. */
  readonly agreedIndex: number | null
  /** The last index at which the rows gave the digest that was carried along; null: not yet. */
  readonly verifiedIndex: number | null
  /** Regions that are not equal to this one, while no reseed mends it. */
  readonly differs: {
    readonly index: number
    /** Tables, `outcomes` and `head`. */
    readonly parts: readonly string[]
    readonly peers: readonly string[]
    /** This region is one of a majority: the others are wrong. */
    readonly isMajorityHere: boolean
  } | null
  /** How often this copy was found wrong since the process started. */
  readonly divergences: number
}

/** What a guard is made of. */
export interface GuardOptions {
  readonly group: string
  readonly store: Store
  readonly runtime: Runtime
  readonly state: {
    readonly tables: readonly SnapshotTable[]
    readonly schema: { readonly fingerprint: string }
  }
  readonly outcomeWindowRecords: number
  readonly seeding?: Seeding
  readonly digests?: Partial<DigestLimits>
  readonly faults?: StrongFaults
  /** Told of what is found, and of a difference that is gone (`null`). */
  readonly onDivergence?: (error: MeridianError | null) => void
}

export class DivergenceGuard {
  readonly #options: GuardOptions
  readonly #limits: DigestLimits
  readonly #kind: DigestKind
  readonly #tables: readonly DigestTable[]
  readonly #onDiverged: (error: MeridianError, peers: readonly string[] | undefined) => void
  #tracker: DigestTracker
  #scan: DigestScan | undefined
  #cancelTimer: CancelTimer | undefined
  #isStopped = false
  #agreedIndex: number | null = null
  #verifiedIndex: number | null = null
  #verifyAtMs = 0
  #differs: DigestStatus['differs'] = null
  #divergences = 0
  #working: Promise<void> | undefined

  /** `onDiverged`: the copy is wrong; `peers` are those that are known to be right. */
  constructor(
    options: GuardOptions,
    onDiverged: (error: MeridianError, peers: readonly string[] | undefined) => void,
    position: LogPosition,
    stored: StatementResult | undefined,
  ) {
    this.#options = options
    this.#limits = { ...DEFAULT_DIGEST_LIMITS, ...options.digests }
    this.#onDiverged = onDiverged
    const { group, state, outcomeWindowRecords: windowRecords, faults } = options
    const keepsPruned = faults?.digestWithoutPruning === true
    this.#kind = { group, fingerprint: state.schema.fingerprint, windowRecords, keepsPruned }
    this.#tables = digestedTables(state.tables).map(digestTable)
    this.#tracker = this.#newTracker(position, stored)
  }

  tracker(): DigestTracker {
    return this.#tracker
  }

  /** Begins to compare and to recompute. */
  start(): void {
    if (this.#isStopped || this.#cancelTimer !== undefined) return
    const { runtime } = this.#options
    const jitter = 0.8 + 0.4 * runtime.random.fraction()
    this.#cancelTimer = runtime.timers.after(this.#limits.compareEveryMs * jitter, () => {
      this.#cancelTimer = undefined
      this.#working = this.#look().finally(() => {
        this.#working = undefined
        this.start()
      })
    })
  }

  /** The copy was replaced, or is followed anew from its store. */
  reset(position: LogPosition, stored?: StatementResult): void {
    this.#scan?.stop()
    this.#tracker = this.#newTracker(position, stored)
    this.#agreedIndex = null
    this.#verifiedIndex = null
    this.#verifyAtMs = 0
    this.#tell(null)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    this.#scan?.stop()
    await this.#working
  }

  status(): DigestStatus {
    return {
      agreedIndex: this.#agreedIndex,
      verifiedIndex: this.#verifiedIndex,
      differs: this.#differs,
      divergences: this.#divergences,
    }
  }

  /** Which digests can be compared with these. */
  kind(): string {
    const { fingerprint, windowRecords } = this.#kind
    return `${DIGEST_FORMAT} ${windowRecords} ${fingerprint}`
  }

  async #look(): Promise<void> {
    const { clock } = this.#options.runtime
    try {
      await this.#compare()
      const isDue = clock.monotonicMs() >= this.#verifyAtMs || !this.#tracker.isKnown()
      if (isDue && !this.#isStopped) await this.#verify()
    } catch {
      // A store or a region that is away: the next look will tell.
    }
  }

  async #compare(): Promise<void> {
    const { seeding, group, runtime } = this.#options
    const tracker = this.#tracker
    if (seeding === undefined || seeding.peers.length === 0) return
    const answers = await askStates(seeding, runtime.timers, group)
    if (this.#isStopped || tracker !== this.#tracker) return
    const kind = this.kind()
    const comparable = [...answers].filter(
      (answer): answer is [string, GroupPeerState] =>
        !(answer[1] instanceof Error) && answer[1].digestKind === kind,
    )
    const peers = new Map(comparable.map(([name, { digests }]) => [name, digests]))
    this.#take(judge(tracker.digests(), peers, seeding.peers.length + 1))
  }

  #take(verdict: Verdict): void {
    switch (verdict.kind) {
      case 'unknown':
        return
      case 'agreed':
        this.#agreedIndex = verdict.index
        return this.#tell(null)
      case 'differs': {
        const isNews = this.#differs === null
        this.#tell(verdict)
        // Rows that are not what was carried along say who is wrong.
        if (isNews) this.#verifyAtMs = 0
        return
      }
      case 'diverged':
        this.#found(
          divergedFromOthers(this.#options.group, verdict.index, verdict.parts, verdict.peers),
          verdict.peers,
        )
    }
  }

  /** Reads all rows and compares; where nothing is known of them, takes what they give. */
  async #verify(): Promise<void> {
    const { group, store, runtime } = this.#options
    const { maxPageRows, share, verifyEveryMs } = this.#limits
    const tracker = this.#tracker
    const scan = new DigestScan(
      {
        group,
        store,
        runtime,
        kind: this.#kind,
        tables: this.#tables,
        maxPageRows,
        share,
      },
      tracker,
    )
    this.#scan = scan
    const found = await scan
      .run((sums) => this.#compareRows(tracker, sums))
      .finally(() => {
        this.#scan = undefined
      })
    if (this.#isStopped || tracker !== this.#tracker) return
    this.#verifyAtMs = runtime.clock.monotonicMs() + verifyEveryMs
    if (found.parts.length === 0) {
      this.#verifiedIndex = found.index
      if (found.store.length > 0) await store.write([...found.store])
      return
    }
    this.#found(divergedFromRows(group, found.index, found.parts), undefined)
  }

  #compareRows(
    tracker: DigestTracker,
    sums: GroupSums,
  ): { readonly index: number; readonly parts: readonly string[]; readonly store: Statement[] } {
    const index = tracker.index()
    const carried = tracker.current()
    if (carried === undefined) {
      tracker.adopt(sums)
      // It is of this index alone: where records were applied since, the next batch stores it.
      const { group } = this.#kind
      return { index, parts: [], store: [positionGuard(group, index), ...tracker.statements()] }
    }
    return { index, parts: differing(carried, tracker.digestOf(sums)), store: [] }
  }

  #found(error: MeridianError, peers: readonly string[] | undefined): void {
    if (this.#options.faults?.divergenceIgnored === true) return
    this.#divergences += 1
    this.#options.onDivergence?.(error)
    this.#onDiverged(error, peers)
  }

  #tell(verdict: (Verdict & { readonly kind: 'differs' }) | null): void {
    const before = this.#differs
    this.#differs = null
    if (verdict === null) {
      if (before !== null) this.#options.onDivergence?.(null)
      return
    }
    const { index, parts, peers, isMajorityHere } = verdict
    this.#differs = { index, parts, peers, isMajorityHere }
    if (before !== null && before.peers.join() === peers.join()) return
    const { group, onDivergence } = this.#options
    onDivergence?.(divergedFromOthers(group, index, parts, peers, isMajorityHere))
  }

  #newTracker(
    { index, lastId, logTimeMs, machineVersion, schema, skipped }: LogPosition,
    stored: StatementResult | undefined,
  ): DigestTracker {
    const { state } = this.#options
    const tables = digestedTables(state.tables).map(({ name }) => name)
    const schemaVersion = schema?.version ?? 0
    const head = { index, lastId, logTimeMs, machineVersion, schemaVersion, skipped }
    // A group that has applied nothing has no rows.
    const empty = index === 0 ? new GroupSums(this.#kind, 0) : undefined
    const sums = readStoredSums(this.#kind, index, stored) ?? empty
    return new DigestTracker({ ...this.#kind, tables }, head, sums)
  }
}
