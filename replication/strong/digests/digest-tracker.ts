/**
 * Follows the digests of a log group as its records are applied. The sums move with the batch that is
 * being written and are stored with it; digests are taken behind every `CHECKPOINT_RECORDS`-th record,
 * which is the same one in every region however it cuts the log into batches, and of what is applied
 * now, which is the same once the log is idle.
 */
import type { Statement } from '../../../src/core/ports/store.ts'
import { storeAll, storeChanged, type DigestKind } from './digest-store.ts'
import { GroupSums, type DigestPart, type RecordEffects } from './group-sums.ts'
import { hashValues, type HashSum } from './row-hash.ts'

/** The state at an index, in sums. Regions of one kind have the same at the same index. */
export interface Digest {
  readonly index: number
  readonly parts: readonly DigestPart[]
}

/** Where a store is, as far as it belongs to the digest. */
export interface DigestHead {
  readonly index: number
  readonly lastId: string | undefined
  readonly logTimeMs: number
  readonly machineVersion: number
  /** The version of the active schema; 0: the log has not said it. */
  readonly schemaVersion: number
  /** Records that have no effect (protocol rule 25), ascending. */
  readonly skipped: readonly number[]
}

/** What a tracker is made of. */
export interface DigestTrackerOptions extends DigestKind {
  /** The group's tables. */
  readonly tables: readonly string[]
}

/** Told of what was applied, record by record, once it is durable. */
export type OnEffects = (effects: readonly RecordEffects[]) => void

/** Digests are taken behind every so many records. */
export const CHECKPOINT_RECORDS = 256
/** Older ones are forgotten: a region that is further behind than this is compared when it is nearer. */
const KEPT_CHECKPOINTS = 32

interface Pending {
  readonly head: DigestHead
  readonly checkpoints: readonly Digest[]
  readonly effects: readonly RecordEffects[]
}

export class DigestTracker {
  readonly #options: DigestTrackerOptions
  readonly #names: readonly string[]
  #head: DigestHead
  #sums: GroupSums | undefined
  #isStored: boolean
  #checkpoints: Digest[] = []
  #pending: Pending | undefined
  readonly #listeners = new Set<OnEffects>()
  #waiting: (() => void)[] = []

  /** `sums`: what is known of the rows at `head`; undefined: a recomputation tells it. */
  constructor(options: DigestTrackerOptions, head: DigestHead, sums: GroupSums | undefined) {
    this.#options = options
    this.#names = [...options.tables].sort()
    this.#head = head
    this.#sums = sums
    this.#isStored = sums !== undefined && head.index > 0
  }

  /** The last index whose effects are durable. */
  index(): number {
    return this.#head.index
  }

  isKnown(): boolean {
    return this.#sums !== undefined
  }

  /**
   * Moves over the records of a batch that is about to be written. What it returns goes into the
   * batch's transaction; `settle` or `forget` follows.
   */
  advance(effects: readonly RecordEffects[]): Statement[] {
    const checkpoints: Digest[] = []
    let head = this.#head
    for (const one of effects) {
      this.#sums?.apply(one)
      head = headBehind(head, one)
      if (one.index % CHECKPOINT_RECORDS !== 0) continue
      const taken = this.#take(head)
      if (taken !== undefined) checkpoints.push(taken)
    }
    this.#pending = { head, checkpoints, effects }
    if (this.#sums === undefined) return []
    const store = this.#isStored ? storeChanged : storeAll
    return store(this.#options, head.index, this.#sums)
  }

  /** The batch is durable. */
  settle(): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    this.#head = pending.head
    this.#isStored = this.#sums !== undefined
    this.#checkpoints = [...this.#checkpoints, ...pending.checkpoints].slice(-KEPT_CHECKPOINTS)
    for (const listener of this.#listeners) listener(pending.effects)
    for (const run of this.#waiting.splice(0)) run()
  }

  /** The batch was not written: what the rows' sums are is not known any more. */
  forget(): void {
    if (this.#pending === undefined) return
    this.#pending = undefined
    this.#sums = undefined
    this.#isStored = false
    for (const run of this.#waiting.splice(0)) run()
  }

  /** The digests that are known, oldest first. */
  digests(): readonly Digest[] {
    const now = this.#pending === undefined ? this.#take(this.#head) : undefined
    const isTaken = this.#checkpoints.at(-1)?.index === now?.index
    return now === undefined || isTaken ? this.#checkpoints : [...this.#checkpoints, now]
  }

  /** Runs when the sums are of `index()`: no batch is being written. */
  whenSettled(run: () => void): void {
    if (this.#pending === undefined) run()
    else this.#waiting.push(run)
  }

  /** The digest now. Only within `whenSettled`. */
  current(): Digest | undefined {
    return this.#take(this.#head)
  }

  /** The digest that these sums would be. Only within `whenSettled`. */
  digestOf(sums: GroupSums): Digest {
    return this.#digest(this.#head, sums)
  }

  /** Takes what a recomputation found at `index()`. Only within `whenSettled`. */
  adopt(sums: GroupSums): void {
    this.#sums = sums
    this.#isStored = false
  }

  /** What stores the sums by themselves; it holds at `index()` alone. Only within `whenSettled`. */
  statements(): Statement[] {
    return this.#sums === undefined ? [] : storeAll(this.#options, this.index(), this.#sums)
  }

  /** Returns its removal. */
  onEffects(listener: OnEffects): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #take(head: DigestHead): Digest | undefined {
    return this.#sums === undefined ? undefined : this.#digest(head, this.#sums)
  }

  #digest(head: DigestHead, sums: GroupSums): Digest {
    const { index } = head
    return { index, parts: sums.parts(this.#names, hashHead(head)) }
  }
}

function headBehind(before: DigestHead, effects: RecordEffects): DigestHead {
  const { index, id, logTimeMs, raisesTo, schemaVersion, isSkipped } = effects
  return {
    index,
    lastId: id,
    logTimeMs,
    machineVersion: Math.max(before.machineVersion, raisesTo),
    schemaVersion: Math.max(before.schemaVersion, schemaVersion),
    skipped: isSkipped ? [...before.skipped, index] : before.skipped,
  }
}

function hashHead(head: DigestHead): HashSum {
  const { lastId, logTimeMs, machineVersion, schemaVersion, skipped } = head
  return hashValues([lastId ?? null, logTimeMs, machineVersion, schemaVersion, skipped.join()])
}
