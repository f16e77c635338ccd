/**
 * A cache that tells what is applied to it, as Redis does, but when and whether a test says so:
 * messages wait until they are handed on, are lost without a word, or with the subscription; answers
 * to reads can be held back.
 */
import type {
  AppliedChanges,
  AppliedFeed,
  AppliedListener,
} from '../../src/core/ports/applied-changes.ts'
import type { Cache, CacheChange, CacheEntry, CacheRead } from '../../src/core/ports/cache.ts'

type Message = AppliedChanges | 'reset'

export interface ToldCacheOptions {
  /** Messages are handed on as soon as they are there. */
  readonly atOnce?: boolean
  /** Changes of a message; a batch of more comes in pieces. Default: all. */
  readonly changesPerPiece?: number
}

export class ToldCache implements Cache {
  readonly #cache: Cache
  readonly #options: ToldCacheOptions
  readonly #messages: Message[] = []
  readonly #held: (() => void)[] = []
  #listener: AppliedListener | undefined
  #isUp = false
  #incarnation = ''
  #lives = 0
  #holds = false
  #failure: Error | undefined
  /** Reads that it was asked for, and how often it was told to subscribe anew. */
  reads = 0
  renewals = 0

  readonly feed: AppliedFeed = {
    parts: 1,
    partOf: () => 0,
    idOf: (key) => key,
    subscribe: (listener) => {
      this.#listener = listener
      return {
        renew: () => {
          this.renewals++
        },
        close: () => {
          this.#listener = undefined
        },
      }
    },
  }

  constructor(cache: Cache, options: ToldCacheOptions = {}) {
    this.#cache = cache
    this.#options = options
  }

  up(): void {
    if (this.#isUp) return
    this.#isUp = true
    this.#messages.length = 0
    this.#listener?.onUp()
  }

  down(): void {
    if (!this.#isUp) return
    this.#isUp = false
    this.#messages.length = 0
    this.#listener?.onDown()
  }

  /** Hands on so many messages. */
  deliver(count = Infinity): void {
    for (let i = 0; i < count; i++) {
      const message = this.#messages.shift()
      if (message === undefined) return
      if (message === 'reset') this.#listener?.onReset()
      else this.#listener?.onApplied(message)
    }
  }

  /** Loses the next message without a word. */
  lose(): void {
    this.#messages.shift()
  }

  /** Holds back the answers to what `ask` reads, until they are released. */
  holding(ask: () => void): void {
    this.#holds = true
    ask()
    this.#holds = false
  }

  /** Lets the answer go that has been held back the longest. */
  async release(): Promise<void> {
    this.#held.shift()?.()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** The next read fails with this. */
  failNext(failure: Error): Error {
    this.#failure = failure
    return failure
  }

  async begin(incarnation: string, position: number): Promise<number> {
    const { applied } = await this.#cache.read([])
    const goesOn = applied !== undefined && this.#incarnation === incarnation
    const reached = await this.#cache.begin(incarnation, position)
    this.#incarnation = incarnation
    if (goesOn) return reached
    this.#lives++
    this.#tell('reset')
    return reached
  }

  async read(keys: readonly string[]): Promise<CacheRead> {
    const isHeld = this.#holds
    this.reads++
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    const read = await this.#cache.read(keys)
    if (isHeld) await new Promise<void>((resolve) => this.#held.push(resolve))
    return read
  }

  acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    return this.#cache.acquireLease(key, ttlMs)
  }

  fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    return this.#cache.fill(key, lease, entry, ttlMs)
  }

  async apply(
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined> {
    const { applied: before } = await this.#cache.read([])
    const reached = await this.#cache.apply(changes, after, position)
    const isNew = reached !== undefined && before !== undefined && before < position
    if (isNew && reached >= position) this.#tellPieces(changes, after, position)
    return reached
  }

  async clear(): Promise<void> {
    await this.#cache.clear()
    this.#tell('reset')
  }

  async close(): Promise<void> {
    await this.#cache.close()
  }

  #tellPieces(changes: readonly CacheChange[], after: number, position: number): void {
    const size = this.#options.changesPerPiece ?? Math.max(1, changes.length)
    for (let at = 0, piece = 0; piece === 0 || at < changes.length; at += size, piece++) {
      this.#tell({
        incarnation: this.#incarnation,
        life: String(this.#lives),
        part: 0,
        after,
        position,
        piece,
        isLast: at + size >= changes.length,
        ids: changes.slice(at, at + size).map(({ key }) => key),
      })
    }
  }

  #tell(message: Message): void {
    if (!this.#isUp) return
    this.#messages.push(message)
    if (this.#options.atOnce === true) this.deliver()
  }
}
