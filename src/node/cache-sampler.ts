/**
 * Compares answers of the cache with the store, one in so many, in the background (after Polaris in
 * "Cache made consistent", Meta 2022). A difference is a defect of this program or of what it was
 * told to trust: it is counted, logged, and the cache begins anew.
 */
import type { GuardedCache } from '../cache/guarded-cache.ts'
import { decodeRow } from '../cache/row-codec.ts'
import type { Log } from '../core/ports/log.ts'
import type { CancelTimer, Runtime } from '../core/ports/runtime.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import type { StoredRow } from '../sql/select.ts'
import type { CacheLoader, NamedRows } from './cache-loader.ts'

/** What samples. */
export interface CacheSamplerParts {
  readonly cache: GuardedCache
  readonly loader: Pick<CacheLoader, 'read'>
  readonly schema: CompiledSchema
  readonly runtime: Runtime
  readonly log?: Log | undefined
  readonly every: number
}

/** What samples have shown. */
export interface SamplerStatus {
  /** Rows that were compared. */
  readonly compared: number
  /** Rows that the cache held otherwise than the store at the same position. */
  readonly mismatches: number
  /** Rows that changed, or left the cache, before they could be compared. */
  readonly undecided: number
}

const LOOK_MS = 50
const MAX_LOOKS = 100

export class CacheSampler {
  readonly #parts: CacheSamplerParts
  readonly #status = { compared: 0, mismatches: 0, undecided: 0 }
  #isBusy = false
  #isStopped = false
  #cancelTimer: CancelTimer | undefined

  constructor(parts: CacheSamplerParts) {
    this.#parts = parts
  }

  status(): SamplerStatus {
    return { ...this.#status }
  }

  /** Takes note of an answer; now and then it compares its first row. Never throws. */
  sample(rows: NamedRows): void {
    const { runtime, every } = this.#parts
    if (this.#isBusy || this.#isStopped || runtime.random.fraction() * every >= 1) return
    this.#isBusy = true
    void this.#compare(rows)
      .catch(() => {
        this.#status.undecided++
      })
      .finally(() => {
        this.#isBusy = false
      })
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer?.()
  }

  /**
   * The store first; then the entry, once the cache has applied all that the store had: it holds
   * what the store held at that position, unless it is of a later one.
   */
  async #compare({ table, tenant, keys, names, ownOnly }: NamedRows): Promise<void> {
    const { cache, loader, log } = this.#parts
    const [key] = keys
    const [name] = names
    if (key === undefined || name === undefined) return
    const { rows, position } = await loader.read({ table, tenant, keys: [key], names, ownOnly })
    for (let look = 0; look < MAX_LOOKS && !this.#isStopped; look++) {
      const read = await cache.read([name])
      const entry = read?.entries[0]
      if (entry === undefined || read?.applied === undefined || entry.position > position) break
      if (read.applied >= position) {
        this.#status.compared++
        if (this.#isSame(rows[0], entry.value, table)) return
        this.#status.mismatches++
        log?.write('error', 'cache differs from store', { table: table.name, position })
        await cache.clear()
        return
      }
      await new Promise<void>((resolve) => {
        this.#cancelTimer = this.#parts.runtime.timers.after(LOOK_MS, resolve)
      })
    }
    this.#status.undecided++
  }

  #isSame(
    stored: StoredRow | undefined,
    cached: Uint8Array | null,
    table: NamedRows['table'],
  ): boolean {
    if (cached === null || stored === undefined) return cached === null && stored === undefined
    const row = decodeRow(this.#parts.schema, table, cached)
    // Of another schema version: nobody reads it here.
    if (row === undefined) return true
    return row.version === stored.version && isEqual(row.image, stored.image)
  }
}

function isEqual(a: StoredRow['image'], b: StoredRow['image']): boolean {
  return (
    a.length === b.length &&
    a.every((cell, i) => {
      const other = b[i] ?? null
      if (!(cell instanceof Uint8Array) || !(other instanceof Uint8Array)) return cell === other
      return cell.length === other.length && cell.every((byte, at) => byte === other[at])
    })
  )
}
