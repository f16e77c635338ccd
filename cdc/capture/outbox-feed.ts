/**
 * The changes of one store as a feed. Relay and exporters read the same range at about the same
 * time, so what was read last stays decoded in a bounded tail: a commit costs one read of the
 * store, however many readers there are. A reader behind the tail reads the store by itself.
 */
import type { Change } from '../../src/core/change.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { lastSeqOf, readOutbox, type OutboxEntry, type OutboxName } from './outbox-reader.ts'

const READ_CHANGES = 1000
const DEFAULT_TAIL_CHANGES = 20_000
const DEFAULT_TAIL_BYTES = 32 * 1024 * 1024
/** What is left of the tail's bounds when one is exceeded. */
const TRIMMED_SHARE = 0.75

/** What a feed is made of. */
export interface OutboxFeedOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
  /** Default: that of the store's changes. */
  readonly outbox?: OutboxName
  /** Bounds of the decoded tail: changes (default 20,000) and bytes (default 32 MiB). */
  readonly tailChanges?: number
  readonly tailBytes?: number
}

/** The feed of a store's outbox. Readers registered with `onChange` run after every commit. */
export function createOutboxFeed(options: OutboxFeedOptions): ChangeFeed {
  return new OutboxFeed(options)
}

class OutboxFeed implements ChangeFeed {
  readonly source: string
  readonly #store: Store
  readonly #schema: CompiledSchema
  readonly #outbox: OutboxName
  readonly #maxChanges: number
  readonly #maxBytes: number
  /** The last changes that were read, without a gap; `#tailEnd` is the last one's localSeq. */
  #tail: OutboxEntry[] = []
  #tailEnd = 0
  #tailBytes = 0
  #filling:
    | { readonly afterSeq: number; readonly entries: Promise<readonly OutboxEntry[]> }
    | undefined
  /** Commits of the store so far. Nothing but a commit moves the end of the outbox. */
  #commits = 0
  /** localSeq of the last change, as a read found it, and the commits that there were before it. */
  #foundEnd = { seq: -1, commits: -1 }

  constructor(options: OutboxFeedOptions) {
    this.source = options.source
    this.#store = options.store
    this.#schema = options.schema
    this.#outbox = options.outbox ?? '_outbox'
    this.#maxChanges = options.tailChanges ?? DEFAULT_TAIL_CHANGES
    this.#maxBytes = options.tailBytes ?? DEFAULT_TAIL_BYTES
    // A read that began before a commit may miss it: whoever the commit woke must not share it.
    options.store.onCommit(() => {
      this.#filling = undefined
      this.#commits += 1
    })
  }

  async read(afterSeq: number, maxChanges: number): Promise<readonly Change[]> {
    const place = this.#tail.length - (this.#tailEnd - afterSeq)
    if (place >= 0 && place < this.#tail.length) return take(this.#tail, place, maxChanges)
    if (afterSeq === this.#knownEnd()) return []
    if (afterSeq < this.#tailEnd) return take(await this.#load(afterSeq, maxChanges), 0, maxChanges)
    return take(await this.#fill(afterSeq), 0, maxChanges)
  }

  async end(): Promise<number> {
    const known = this.#knownEnd()
    if (known !== undefined) return known
    const commits = this.#commits
    const [result] = await this.#store.read([lastSeqOf(this.#outbox)])
    const seq = Number(result?.rows[0]?.[0])
    this.#foundEnd = { seq, commits }
    return seq
  }

  onChange(listener: () => void): () => void {
    return this.#store.onCommit(listener)
  }

  /** The end of the outbox where nothing was committed since a read found it. */
  #knownEnd(): number | undefined {
    return this.#foundEnd.commits === this.#commits ? this.#foundEnd.seq : undefined
  }

  #load(afterSeq: number, maxChanges: number): Promise<readonly OutboxEntry[]> {
    return readOutbox(this.#store, this.#schema, this.source, afterSeq, maxChanges, this.#outbox)
  }

  /** Reads on from the tail's end, once for all readers that stand there. */
  #fill(afterSeq: number): Promise<readonly OutboxEntry[]> {
    if (this.#filling?.afterSeq === afterSeq) return this.#filling.entries
    const commits = this.#commits
    const entries = this.#load(afterSeq, READ_CHANGES).then(
      (read) => {
        if (this.#filling === filling) this.#filling = undefined
        this.#append(afterSeq, read)
        // A page that is not full ends where the outbox did.
        if (read.length < READ_CHANGES) {
          this.#foundEnd = { seq: read.at(-1)?.change.localSeq ?? afterSeq, commits }
        }
        return read
      },
      (error: unknown) => {
        if (this.#filling === filling) this.#filling = undefined
        throw error
      },
    )
    const filling = { afterSeq, entries }
    this.#filling = filling
    return entries
  }

  #append(afterSeq: number, entries: readonly OutboxEntry[]): void {
    const last = entries.at(-1)
    if (last === undefined || afterSeq < this.#tailEnd) return
    if (afterSeq > this.#tailEnd) {
      // The most advanced reader decides where the tail is.
      this.#tail = []
      this.#tailBytes = 0
    }
    for (const entry of entries) {
      this.#tail.push(entry)
      this.#tailBytes += entry.bytes
    }
    this.#tailEnd = last.change.localSeq
    if (this.#tail.length > this.#maxChanges || this.#tailBytes > this.#maxBytes) this.#trim()
  }

  /** Drops the oldest quarter: dropping one at every commit would move the whole tail each time. */
  #trim(): void {
    let dropped = 0
    while (
      this.#tail.length - dropped > this.#maxChanges * TRIMMED_SHARE ||
      this.#tailBytes > this.#maxBytes * TRIMMED_SHARE
    ) {
      this.#tailBytes -= this.#tail[dropped]?.bytes ?? 0
      dropped++
    }
    this.#tail.splice(0, dropped)
  }
}

/** Changes from `start`, about `maxChanges` of them, to the end of the last one's transaction. */
function take(entries: readonly OutboxEntry[], start: number, maxChanges: number): Change[] {
  let end = Math.min(start + maxChanges, entries.length)
  const last = entries[end - 1]?.change
  if (last !== undefined) end += last.size - 1 - last.index
  return entries.slice(start, end).map((entry) => entry.change)
}
