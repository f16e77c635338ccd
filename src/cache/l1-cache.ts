/**
 * A level in the memory of a process before a cache that processes share: what is hot is answered
 * without a round trip. It keeps copies of entries, is told which keys changed, and drops everything
 * when it cannot be sure that it was told. Rules and proofs: docs/spec/cache.md, L1.
 */
import { Lru } from '../core/lru.ts'
import type {
  AppliedChanges,
  AppliedFeed,
  AppliedListener,
  AppliedSubscription,
} from '../core/ports/applied-changes.ts'
import type { Cache, CacheChange, CacheEntry, CacheRead } from '../core/ports/cache.ts'
import type { Clock } from '../core/ports/runtime.ts'
import { L1Part } from './l1-part.ts'

/** What it is made of. */
export interface L1CacheOptions {
  /** The cache that is shared. Closed with this one. */
  readonly shared: Cache
  /** What is applied to it, by whichever process. */
  readonly feed: AppliedFeed
  readonly clock: Clock
  readonly maxEntries?: number
  /** Bytes of keys and values, about. */
  readonly maxBytes?: number
  /** How long an entry is kept; the shared cache is then asked again. Default 10 s. */
  readonly maxAgeMs?: number
  /** Test-only. */
  readonly faults?: L1Faults
}

/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */
export interface L1Faults {
  /** Entries stay when the subscription drops. */
  readonly keepsOnDrop?: boolean
  /** Entries are kept although a change after them has been told already. */
  readonly fillsWithoutFloor?: boolean
  /** What is told goes on from what was told before, whether or not something is missing. */
  readonly ignoresGaps?: boolean
  /** What was asked for before everything was dropped is kept. */
  readonly keepsFormerAnswers?: boolean
}

/** How it stands. */
export interface L1Status {
  /** It is told of changes. */
  readonly subscribed: boolean
  /** It answers what it has, of one part at least. */
  readonly inUse: boolean
  readonly entries: number
  readonly bytes: number
  /** Reads that it answered. */
  readonly hits: number
  /** How often it dropped everything. */
  readonly drops: number
}

export interface L1Cache extends Cache {
  status(): L1Status
}

interface Held {
  readonly entry: CacheEntry
  readonly untilMs: number
  readonly bytes: number
}

const DEFAULT_MAX_ENTRIES = 100_000
const DEFAULT_MAX_BYTES = 16 << 20
const DEFAULT_MAX_AGE_MS = 10_000
/** An entry that takes more of the bytes would drive out too many others. */
const MAX_SHARE = 1 / 16
const ENTRY_OVERHEAD_BYTES = 300
/** What was applied so long ago and has not been told is missing. */
const PATIENCE_MS = 1_000

export function createL1Cache(options: L1CacheOptions): L1Cache {
  return new Level(options)
}

class Level implements L1Cache, AppliedListener {
  readonly #shared: Cache
  readonly #feed: AppliedFeed
  readonly #clock: Clock
  readonly #maxAgeMs: number
  readonly #maxEntryBytes: number
  readonly #faults: L1Faults
  readonly #parts: readonly L1Part[]
  readonly #entries: Lru<Held>
  readonly #subscription: AppliedSubscription
  #incarnation: string | undefined
  #isUp = false
  /** The shared cache did not answer: who asks must learn that, not be spared it by a hit. */
  #isFailing = false
  /** Answers to what was asked in a former epoch are not kept. */
  #epoch = 0
  #hits = 0
  #drops = 0

  constructor(options: L1CacheOptions) {
    const { maxBytes = DEFAULT_MAX_BYTES, maxEntries = DEFAULT_MAX_ENTRIES } = options
    this.#shared = options.shared
    this.#feed = options.feed
    this.#clock = options.clock
    this.#maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS
    this.#maxEntryBytes = maxBytes * MAX_SHARE
    this.#faults = options.faults ?? {}
    this.#parts = Array.from({ length: options.feed.parts }, () => new L1Part())
    this.#entries = new Lru(maxEntries, { max: maxBytes, of: (held) => held.bytes })
    this.#subscription = options.feed.subscribe(this)
  }

  status(): L1Status {
    return {
      subscribed: this.#isUp,
      inUse: this.#isUp && !this.#isFailing && this.#parts.some((part) => part.isKnown),
      entries: this.#entries.size,
      bytes: this.#entries.weight,
      hits: this.#hits,
      drops: this.#drops,
    }
  }

  async begin(incarnation: string, position: number): Promise<number> {
    if (incarnation === this.#incarnation) {
      const reached = await this.#shared.begin(incarnation, position)
      this.#expect(reached)
      return reached
    }
    // Answers of the former incarnation can arrive until the shared cache has begun with this one.
    this.#incarnation = undefined
    this.#drop()
    const reached = await this.#shared.begin(incarnation, position)
    this.#drop()
    this.#incarnation = incarnation
    return reached
  }

  async read(keys: readonly string[]): Promise<CacheRead> {
    const held = this.#held(keys)
    if (held !== undefined) {
      this.#hits++
      return held
    }
    const epoch = this.#epoch
    try {
      const read = await this.#shared.read(keys)
      this.#isFailing = false
      if (this.#isOfNow(epoch)) this.#take(keys, read)
      return read
    } catch (error) {
      this.#isFailing = true
      throw error
    }
  }

  acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    return this.#shared.acquireLease(key, ttlMs)
  }

  async fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    const epoch = this.#epoch
    const stored = await this.#shared.fill(key, lease, entry, ttlMs)
    if (stored && this.#isOfNow(epoch)) this.#keep(key, entry, entry.position)
    return stored
  }

  async apply(
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined> {
    // They are the store's, whatever the shared cache then does with them.
    this.#renew(changes, after, position)
    return this.#shared.apply(changes, after, position)
  }

  async clear(): Promise<void> {
    this.#drop()
    try {
      await this.#shared.clear()
    } finally {
      // What was read in between is of before.
      this.#drop()
    }
  }

  async close(): Promise<void> {
    this.#isUp = false
    this.#drop()
    this.#subscription.close()
    await this.#shared.close()
  }

  onUp(): void {
    this.#drop(this.#faults.keepsOnDrop)
    this.#isUp = true
  }

  onDown(): void {
    this.#isUp = false
    this.#drop(this.#faults.keepsOnDrop)
  }

  onReset(): void {
    this.#drop()
  }

  onApplied(message: AppliedChanges): void {
    const part = this.#parts[message.part]
    if (!this.#isUp || part === undefined) return
    if (message.incarnation !== this.#incarnation) {
      this.#drop()
      return
    }
    const heard = part.hear(message, this.#faults.ignoresGaps === true)
    if (heard === 'gap') this.#drop()
    else if (heard === 'changed') for (const id of message.ids) this.#entries.delete(id)
  }

  /** The answer, where all of it is here. */
  #held(keys: readonly string[]): CacheRead | undefined {
    if (!this.#isUp || this.#isFailing || keys.length === 0) return undefined
    const nowMs = this.#clock.monotonicMs()
    let applied = Infinity
    const entries: CacheEntry[] = []
    for (const key of keys) {
      const part = this.#partOf(key)
      if (!part.isKnown) return undefined
      if (part.isOverdue(nowMs, PATIENCE_MS)) {
        this.#drop()
        this.#subscription.renew()
        return undefined
      }
      const held = this.#entries.get(this.#feed.idOf(key))
      if (held === undefined || held.untilMs <= nowMs) return undefined
      applied = Math.min(applied, part.applied)
      entries.push(held.entry)
    }
    return { entries, applied }
  }

  /** What the shared cache said: where it is, and entries that are worth keeping. */
  #take(keys: readonly string[], { entries, applied }: CacheRead): void {
    if (applied === undefined) return
    const nowMs = this.#clock.monotonicMs()
    const parts = keys.length === 0 ? this.#parts : keys.map((key) => this.#partOf(key))
    for (const part of parts) part.learn(applied, nowMs)
    keys.forEach((key, i) => {
      const entry = entries[i]
      if (entry !== undefined) this.#keep(key, entry, Math.max(entry.position, applied))
    })
  }

  /** Keeps an entry that is good up to `goodUpTo`, unless what may have changed since was told already. */
  #keep(key: string, entry: CacheEntry, goodUpTo: number): void {
    const part = this.#partOf(key)
    if (!part.isKnown) return
    if (goodUpTo < part.floor && this.#faults.fillsWithoutFloor !== true) return
    const id = this.#feed.idOf(key)
    const current = this.#entries.get(id)
    if (current !== undefined && current.entry.position > entry.position) return
    this.#put(id, entry, this.#clock.monotonicMs() + this.#maxAgeMs)
  }

  #put(id: string, entry: CacheEntry, untilMs: number): void {
    const { value } = entry
    const bytes = ENTRY_OVERHEAD_BYTES + 2 * id.length + (value?.length ?? 0)
    if (bytes > this.#maxEntryBytes) this.#entries.delete(id)
    else this.#entries.set(id, { entry: { ...entry, value: alone(value) }, untilMs, bytes })
  }

  /** Changes that this process applies renew entries, as they do in the shared cache. */
  #renew(changes: readonly CacheChange[], after: number, position: number): void {
    if (!this.#isUp || this.#incarnation === undefined) return
    const advanced = new Set(this.#parts.filter((part) => part.advance(after, position)))
    if (advanced.size === 0) return
    for (const { key, ...change } of changes) {
      if (!advanced.has(this.#partOf(key))) continue
      const id = this.#feed.idOf(key)
      const held = this.#entries.get(id)
      if (held === undefined || held.entry.position >= change.position) continue
      if (change.value === undefined) this.#entries.delete(id)
      else this.#put(id, { ...change, value: change.value }, held.untilMs)
    }
  }

  /** Where the shared cache is; what is told must follow. */
  #expect(position: number): void {
    const nowMs = this.#clock.monotonicMs()
    for (const part of this.#parts) if (part.isKnown) part.learn(position, nowMs)
  }

  #isOfNow(epoch: number): boolean {
    if (!this.#isUp || this.#incarnation === undefined) return false
    return epoch === this.#epoch || this.#faults.keepsFormerAnswers === true
  }

  #drop(keepsEntries = false): void {
    this.#epoch++
    if (this.#parts.some((part) => part.isKnown)) this.#drops++
    for (const part of this.#parts) part.forget()
    if (!keepsEntries) this.#entries.clear()
  }

  #partOf(key: string): L1Part {
    return this.#parts[this.#feed.partOf(key)] as L1Part
  }
}

/** A view of what came over the network in one piece would keep all of it. */
function alone(value: Uint8Array | null): Uint8Array | null {
  if (value === null || value.buffer.byteLength <= 2 * value.length) return value
  return new Uint8Array(value)
}
