/**
 * The edge of the lease core: one life of a store's process, with its timers, its part in the mesh
 * and its rows in the store (`docs/spec/strong-leases.md`, "What the caller does"). A log group
 * begins one before it follows the log, and another after it was seeded again.
 */
import { MeridianError } from '../../../src/core/errors.ts'
import type { CancelTimer, Runtime } from '../../../src/core/ports/runtime.ts'
import type { Statement, StatementResult, Store } from '../../../src/core/ports/store.ts'
import { holderElapsedMs, readClocks, type ClockReading } from './lease-clock.ts'
import { LeaseCore, type EvaluatedRecord, type OutgoingTransaction } from './lease-core.ts'
import type { LeaseFaults } from './lease-faults.ts'
import type { LeaseMesh } from './lease-mesh.ts'
import type { LeaseRecord } from './lease-record.ts'
import type { LeaseTop, StoreId } from './lease-table.ts'
import {
  beginLife,
  putLeaseRow,
  putLeaseTop,
  readLeaseRow,
  readLeases,
  readStableIndex,
  SELECT_LEASES,
  selectLeaseRow,
  selectStableIndex,
} from './lease-store.ts'
import { MARK_WAIT_MS } from './local-read.ts'
import { decodeMeshMessage, encodeMeshMessage, type MeshMessage } from './mesh-messages.ts'
import type { LeaseRow } from './own-lease.ts'
import type { ReadScope } from './read-scope.ts'

/** How leases are counted; the same in every region, or waiters would wait too short a time. */
export interface LeaseSettings {
  /** How long a lease lasts, ms. */
  readonly durationMs: number
  /** By how much the rate of any clock may be wrong, as a fraction. */
  readonly driftRate: number
  /** Whether writers send hints in parallel with the append. */
  readonly usesHints: boolean
}

/** What a life needs. */
export interface LeaseRuntimeOptions extends StoreId {
  readonly settings: LeaseSettings
  /** False: this store only waits for others' leases and takes none of its own. */
  readonly takesLeases: boolean
  readonly store: Store
  readonly runtime: Runtime
  readonly mesh: LeaseMesh
  /** Appends a LEASE or RELEASE to the log; rejects where it could not. */
  readonly append: (record: LeaseRecord) => Promise<unknown>
  /** Resolves once this store has applied all that is in the log now. */
  readonly catchUp: () => Promise<void>
  /** The stable index has risen. */
  readonly onStable: (index: number) => void
  /** Test-only. */
  readonly faults?: LeaseFaults
}

/** How a store's leases stand. */
export interface LeaseStatus {
  readonly stableIndex: number
  /** Transactions whose rows local reads wait for. */
  readonly markedTransactions: number
  /** How long local reads are still answered from here, ms; 0: they go to the log. */
  readonly remainingMs: number
  /** The replicated lease table. */
  readonly holders: readonly LeaseTop[]
}

/** A lease is renewed so many times in its duration. */
const RENEWALS_PER_LEASE = 3
/** Leases run out and messages get lost: while something is not stable, it is looked at again. */
const POLL_MS = 25
const RESEND_ACK_MS = 200
const RETRY_CATCH_UP_MS = 500

export class LeaseRuntime {
  readonly #options: LeaseRuntimeOptions
  readonly #core: LeaseCore
  readonly #tops = new Map<string, LeaseTop>()
  readonly #leave: () => void
  #row: LeaseRow | undefined
  #applied: number
  #stable: number
  #appliedWaiters: (() => void)[] = []
  #cancelRenewal: CancelTimer = () => undefined
  #cancelPoll: CancelTimer | undefined
  #ackedAtMs = 0
  /** The clocks before the last LEASE that was sent and is not yet applied. */
  #sentUnapplied: ClockReading | undefined
  #isEnded = false
  #isReleased = false

  /**
   * Begins a life: the row is written before anything else is read (L4). `readPosition` reads how
   * far the store has applied the group, in the same snapshot as the leases.
   */
  static async begin(
    options: LeaseRuntimeOptions,
    position: { readonly select: Statement; readonly read: (result: StatementResult) => number },
  ): Promise<LeaseRuntime> {
    const { store, databaseId, runtime } = options
    const [begun] = await store.write([beginLife(databaseId)])
    const incarnation = Number(begun?.rows[0]?.[0])
    const [at, leases, stable] = await store.read([
      position.select,
      SELECT_LEASES,
      selectStableIndex(databaseId),
    ])
    const appliedIndex = position.read(at as StatementResult)
    const core = new LeaseCore({
      ...options,
      ...options.settings,
      incarnation,
      leases: readLeases(leases),
      appliedIndex,
      stableIndex: readStableIndex(stable),
      now: readClocks(runtime.clock),
    })
    return new LeaseRuntime(options, core, appliedIndex, readLeases(leases))
  }

  private constructor(
    options: LeaseRuntimeOptions,
    core: LeaseCore,
    applied: number,
    leases: readonly LeaseTop[],
  ) {
    this.#options = options
    this.#core = core
    this.#applied = applied
    this.#stable = core.stableIndex
    for (const top of leases) this.#tops.set(`${top.region} ${top.databaseId}`, top)
    this.#leave = options.mesh.join({
      onMessage: (from, message) => this.#receive(from, message),
      onPeer: () => this.#acknowledge(),
      onDisagreement: () => void this.release().catch(() => undefined),
    })
  }

  /** The group follows the log from here on: leases are taken, and what is applied is told. */
  start(): void {
    this.#acknowledge()
    this.#advance()
    if (this.#options.takesLeases) void this.#takeLeases()
  }

  get stableIndex(): number {
    return this.#stable
  }

  /** Whether no lease holder can answer a read with rows from before this record. */
  covers(index: number): boolean {
    return this.#stable >= index
  }

  /** A record is appended right after this call. */
  beforeAppend(transactions: readonly OutgoingTransaction[]): void {
    if (this.#isEnded) return
    const hints = this.#core.beforeAppend(transactions)
    if (hints !== undefined) this.#send(hints)
  }

  /** Records were evaluated: what goes into their store transaction besides rows. */
  evaluated(records: readonly EvaluatedRecord[]): Statement[] {
    const { runtime, databaseId } = this.#options
    const now = readClocks(runtime.clock)
    const statements: Statement[] = []
    for (const record of records) {
      const { top, row } = this.#core.beforeCommit(record, now)
      if (top !== undefined) {
        statements.push(putLeaseTop(top))
        this.#tops.set(`${top.region} ${top.databaseId}`, top)
      }
      if (row === undefined) continue
      statements.push(putLeaseRow(databaseId, row))
      this.#row = row
      this.#sentUnapplied = undefined
    }
    return statements
  }

  /** The records through `index` are durable, and readers see them. */
  committed(index: number): void {
    if (this.#isEnded) return
    const ack = this.#core.afterCommit(index)
    this.#applied = index
    if (this.#options.takesLeases) this.#send(ack)
    this.#ackedAtMs = this.#options.runtime.clock.monotonicMs()
    this.#wakeReaders()
    this.#advance()
  }

  /**
   * The answer of a strong read of the own store under its lease, and the stable index that it has
   * to wait for; undefined: it goes to the log. `statements` and the lease row are one snapshot.
   */
  async readLocally(
    scopes: readonly ReadScope[],
    statements: readonly Statement[],
  ): Promise<{ results: readonly StatementResult[]; needs: number } | undefined> {
    const { runtime, store, databaseId } = this.#options
    if (this.#isEnded || this.#isReleased || this.remainingMs() === 0) return undefined
    const read = this.#core.beginRead(scopes, readClocks(runtime.clock))
    for (let look = read.look(readClocks(runtime.clock)); look !== 'snapshot';) {
      if (look === 'read-index' || this.#isEnded) return undefined
      await this.#nextApplied()
      look = read.look(readClocks(runtime.clock))
    }
    const results = await store.read([...statements, selectLeaseRow(databaseId)])
    // The dirty rows name all that was written above the stable index: rows' own versions add nothing.
    const snapshot = { leaseRow: readLeaseRow(results.at(-1)), newestRowIndex: 0 }
    const judged = read.judge(snapshot, readClocks(runtime.clock))
    if (judged.kind === 'read-index' || this.#isEnded) return undefined
    return { results: results.slice(0, -1), needs: judged.index }
  }

  /** The stable index that a read which went to the log waits for, once its rows were read. */
  readIndexNeeds(scopes: readonly ReadScope[]): number {
    const { runtime } = this.#options
    return this.#core
      .beginRead(scopes, readClocks(runtime.clock))
      .readIndexNeeds({ newestRowIndex: 0 })
  }

  /** How long the lease still runs by what was last committed here, ms; for operators and a first look. */
  remainingMs(): number {
    const { runtime, settings } = this.#options
    const sent = this.#row?.sent ?? null
    if (sent === null || this.#isReleased) return 0
    return Math.max(0, settings.durationMs - holderElapsedMs(sent, readClocks(runtime.clock)))
  }

  status(): LeaseStatus {
    return {
      stableIndex: this.#stable,
      markedTransactions: this.#core.markedTransactions,
      remainingMs: this.remainingMs(),
      holders: [...this.#tops].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, top]) => top),
    }
  }

  /**
   * Returns the lease, so that nobody waits for it: local reads end here. Resolves once the log has
   * the RELEASE; rejects where store or log did not take it, then the lease runs out by itself.
   */
  async release(): Promise<void> {
    if (this.#isEnded || this.#isReleased || !this.#options.takesLeases) return
    this.#isReleased = true
    this.#cancelRenewal()
    const { row, record } = this.#core.release()
    // In this order: a RELEASE that others see while the row still stands would let readers be stale.
    if (row !== undefined) {
      await this.#options.store.write([putLeaseRow(this.#options.databaseId, row)])
    }
    await this.#options.append(record)
  }

  /** Ends the life without a word to others; a record that is being applied is still evaluated. */
  stop(): void {
    this.#isEnded = true
    this.#leave()
    this.#cancelRenewal()
    this.#cancelPoll?.()
    this.#wakeReaders()
  }

  /** A store that is behind takes no lease: others would wait for it. */
  async #takeLeases(): Promise<void> {
    try {
      await this.#options.catchUp()
      this.#renew()
    } catch {
      if (this.#isEnded || this.#isReleased) return
      this.#cancelRenewal = this.#options.runtime.timers.after(
        RETRY_CATCH_UP_MS,
        () => void this.#takeLeases(),
      )
    }
  }

  #renew(): void {
    if (this.#isEnded || this.#isReleased) return
    const { runtime, settings, append } = this.#options
    const now = readClocks(runtime.clock)
    // The last LEASE was not applied in its time: this store, or the log, is behind.
    const isBehind =
      this.#sentUnapplied !== undefined &&
      holderElapsedMs(this.#sentUnapplied, now) >= settings.durationMs
    if (isBehind) {
      this.#sentUnapplied = undefined
      void this.#takeLeases()
      return
    }
    const record = this.#core.renew(now)
    if (record === undefined) return
    this.#sentUnapplied ??= now
    // Lost or late, it is one renewal less.
    append(record).catch(() => undefined)
    this.#acknowledge()
    const intervalMs = settings.durationMs / RENEWALS_PER_LEASE
    this.#cancelRenewal = runtime.timers.after(intervalMs, () => this.#renew())
  }

  #receive(from: string, bytes: Uint8Array): void {
    if (this.#isEnded) return
    let message: MeshMessage
    try {
      message = decodeMeshMessage(bytes)
    } catch (error) {
      // Of a newer version, or damaged: as good as lost.
      if (error instanceof MeridianError) return
      throw error
    }
    // A region speaks for its own stores.
    if (message.region !== from) return
    if (message.kind === 'hints') {
      const ack = this.#core.onHints(message)
      if (ack !== undefined && this.#options.takesLeases) this.#send(ack)
    } else if (message.kind === 'hint-ack') this.#core.onHintAck(message)
    else this.#core.onApplied(message)
    this.#advance()
  }

  #advance(): void {
    if (this.#isEnded) return
    const { clock } = this.#options.runtime
    const stable = this.#core.advance(readClocks(clock))
    if (stable > this.#stable) {
      this.#stable = stable
      this.#options.onStable(stable)
    }
    if (stable >= this.#applied || this.#isEnded) return
    this.#cancelPoll ??= this.#options.runtime.timers.after(POLL_MS, () => {
      this.#cancelPoll = undefined
      // Whoever waits for others may be one that others wait for: a message of it was lost.
      if (clock.monotonicMs() - this.#ackedAtMs >= RESEND_ACK_MS) this.#acknowledge()
      this.#advance()
    })
  }

  #acknowledge(): void {
    if (this.#isEnded || !this.#options.takesLeases) return
    this.#ackedAtMs = this.#options.runtime.clock.monotonicMs()
    this.#send(this.#core.acknowledgement())
  }

  #send(message: MeshMessage): void {
    this.#options.mesh.broadcast(encodeMeshMessage(message))
  }

  #wakeReaders(): void {
    for (const wake of this.#appliedWaiters.splice(0)) wake()
  }

  /** Resolves when something is applied, or when a marked read has waited long enough to look again. */
  #nextApplied(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.runtime.timers.after(MARK_WAIT_MS + 1, resolve)
      this.#appliedWaiters.push(() => {
        cancel()
        resolve()
      })
    })
  }
}
