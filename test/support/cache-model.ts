/**
 * A cache under random steps beside a model of the store: every change of its rows, by position.
 * An entry must be what the store held at each position that it is said to be good for.
 */
import type { Cache, CacheChange, CacheEntry } from '../../src/core/ports/cache.ts'

/** One step; numbers choose among what there is. */
export type CacheStep =
  | { readonly kind: 'change'; readonly key: number; readonly isDelete: boolean }
  | { readonly kind: 'apply'; readonly count: number }
  /** Another applier, which remembers more than the cache may know. */
  | { readonly kind: 'stray' }
  /** Whoever gets it reads the store, or did so `behind` changes ago. */
  | { readonly kind: 'lease'; readonly key: number; readonly behind: number }
  /** A lease's holder reads the store again. */
  | { readonly kind: 'load'; readonly lease: number }
  | { readonly kind: 'fill'; readonly lease: number }
  | { readonly kind: 'read'; readonly keys: readonly number[] }
  /** A reader that misses, reads the store, fills and reads again. */
  | { readonly kind: 'warm'; readonly key: number }
  /** Something that happens to the server: what `happen` makes of it. */
  | { readonly kind: 'fault'; readonly which: number }

interface Lease {
  readonly key: string
  readonly token: string
  entry?: CacheEntry
}

const INCARNATION = 'eu-west.1'
const TTL_MS = 600_000
const MAX_LEASES = 4

export const MODEL_KEYS: readonly string[] = ['a', 'b', 'c', 'd']

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class CacheModel {
  readonly #cache: Cache
  readonly #happen: (which: number) => Promise<void>
  /** The row's text after each change, by position less one. */
  readonly #history: { readonly key: string; readonly text: string | null }[] = []
  readonly #leases: Lease[] = []
  /** Where the applier goes on. */
  #at = 0
  /** Entries that were read, and fills that were stored: a check of nothing proves nothing. */
  seen = 0
  filled = 0

  /** `happen` does something to the cache that a server may suffer. */
  constructor(cache: Cache, happen: (which: number) => Promise<void>) {
    this.#cache = cache
    this.#happen = happen
  }

  async begin(): Promise<void> {
    this.#at = await this.#cache.begin(INCARNATION, this.#at)
  }

  /** As a role does for which the log no longer has what the cache lacks. */
  async beginAtEnd(): Promise<void> {
    await this.#cache.clear()
    this.#at = this.#history.length
    await this.begin()
  }

  async take(step: CacheStep): Promise<void> {
    switch (step.kind) {
      case 'change': {
        const position = this.#history.length + 1
        this.#history.push({
          key: keyAt(step.key),
          text: step.isDelete ? null : `value ${position}`,
        })
        return
      }
      case 'apply':
        return this.#apply(step.count)
      case 'stray':
        await this.#applyRange(Math.max(this.#at, this.#history.length - 1), this.#history.length)
        return
      case 'lease':
        return this.#lease(keyAt(step.key), step.behind)
      case 'load': {
        const lease = this.#leases[step.lease % Math.max(1, this.#leases.length)]
        if (lease !== undefined) lease.entry = this.#entry(lease.key, 0)
        return
      }
      case 'fill':
        return this.#fill(step.lease)
      case 'read':
        return this.#read(step.keys.map(keyAt))
      case 'warm':
        return this.#warm(keyAt(step.key))
      case 'fault':
        return this.#happen(step.which)
    }
  }

  /** As a role does: where the cache is not where it was, it goes on from where the cache is. */
  async #apply(count: number): Promise<void> {
    const to = Math.min(this.#history.length, this.#at + count)
    const reached = await this.#applyRange(this.#at, to)
    this.#at = reached ?? (await this.#cache.begin(INCARNATION, this.#at))
    this.#at = Math.min(this.#at, this.#history.length)
  }

  #applyRange(after: number, to: number): Promise<number | undefined> {
    const changes = this.#history.slice(after, to).map(({ key, text }, i): CacheChange => ({
      key,
      position: after + i + 1,
      value: text === null ? null : encoder.encode(text),
      expiresAtMs: null,
    }))
    return this.#cache.apply(changes, after, to)
  }

  async #lease(key: string, behind: number): Promise<void> {
    const token = await this.#cache.acquireLease(key, TTL_MS)
    if (token === undefined) return
    this.#leases.push({ key, token, entry: this.#entry(key, behind) })
    if (this.#leases.length > MAX_LEASES) this.#leases.shift()
  }

  async #fill(which: number): Promise<void> {
    const [lease] = this.#leases.splice(which % Math.max(1, this.#leases.length), 1)
    if (lease?.entry === undefined) return
    const { key, token, entry } = lease
    if (await this.#cache.fill(key, token, entry, TTL_MS)) this.filled++
  }

  async #warm(key: string): Promise<void> {
    const token = await this.#cache.acquireLease(key, TTL_MS)
    if (token !== undefined) await this.#cache.fill(key, token, this.#entry(key, 0), TTL_MS)
    await this.#read([key])
  }

  /** What a reader of the store finds now, or found before its last changes. */
  #entry(key: string, behind: number): CacheEntry {
    const position = Math.max(0, this.#history.length - behind)
    const text = this.#textAt(key, position)
    return { position, value: text === null ? null : encoder.encode(text), expiresAtMs: null }
  }

  #textAt(key: string, position: number): string | null {
    const last = this.#history.slice(0, position).findLast((change) => change.key === key)
    return last?.text ?? null
  }

  async #read(keys: readonly string[]): Promise<void> {
    const { entries, applied } = await this.#cache.read(keys)
    if (applied !== undefined && applied > this.#history.length) {
      throw new Error(`The cache is at ${applied}, the store at ${this.#history.length}.`)
    }
    keys.forEach((key, i) => this.#check(key, entries[i], applied))
  }

  #check(key: string, entry: CacheEntry | undefined, applied: number | undefined): void {
    if (entry === undefined) return
    if (applied === undefined) throw new Error('There are entries of nothing known.')
    this.seen++
    const text = entry.value === null ? null : decoder.decode(entry.value)
    for (let at = entry.position; at <= Math.max(entry.position, applied); at++) {
      const stored = this.#textAt(key, at)
      if (stored === text) continue
      throw new Error(
        `${key} is ${text} of ${entry.position} up to ${applied}; at ${at}: ${stored}`,
      )
    }
  }
}

function keyAt(index: number): string {
  return MODEL_KEYS[index % MODEL_KEYS.length] as string
}
