/**
 * A home region that reads through a cache, with sessions, beside what its outbox says of every
 * moment of the store: each answer must be of one moment that is not before what the session has
 * read or written.
 */
import { createL1Cache, type L1Faults } from '../../src/cache/l1-cache.ts'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
import type { Change } from '../../src/core/change.ts'
import type { Cache } from '../../src/core/ports/cache.ts'
import type { ReadLevel } from '../../src/protocol/messages.ts'
import { cacheChange } from '../../src/node/cache-role.ts'
import { CachedReads, type CachedReadFaults } from '../../src/node/cached-reads.ts'
import type { StoredRow } from '../../src/sql/select.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { openPinnedRegion, request, SOURCE, type PinnedRegion } from './pinned-region.ts'
import { imageOf, shop, shopTable } from './shop.ts'
import { ToldCache } from './told-cache.ts'

/** One step; numbers choose among what there is. */
export type CachedStep =
  | {
      readonly kind: 'write'
      readonly session: number
      readonly key: number
      /** Of life; null: for ever. */
      readonly ttlMs: number | null
    }
  | { readonly kind: 'delete'; readonly session: number; readonly key: number }
  | {
      readonly kind: 'read'
      readonly session: number
      readonly keys: readonly number[]
      readonly level: ReadLevel
    }
  | { readonly kind: 'apply'; readonly count: number }
  | { readonly kind: 'pass'; readonly ms: number }
  /** What is told of the cache is cut off for a moment. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'lose' }

interface Session {
  /** What it passes with its reads. */
  position: number
  /** The earliest moment that explains all it has read and written. */
  moment: number
}

const TENANT = 'a'
const KEYS = 3
const SESSIONS = 3
const EXPIRES = 'expiresAt'

export class CachedWorld {
  readonly cached: CachedReads
  readonly region: PinnedRegion
  /** What is read through, and what changes are applied to: another process does that. */
  readonly #cache: Cache
  readonly #shared: ToldCache
  readonly #runtime: ManualRuntime
  readonly #table = shopTable('alerts')
  readonly #sessions: Session[] = []
  #at = 0
  #level = 0

  private constructor(region: PinnedRegion, faults: CachedReadFaults, l1?: L1Faults) {
    this.region = region
    this.#runtime = new ManualRuntime()
    region.wall.nowMs = this.#runtime.clock.nowMs()
    const { clock } = this.#runtime
    const shared = new ToldCache(createMemoryCache({ clock, maxEntries: KEYS }))
    this.#shared = shared
    this.#cache =
      l1 === undefined ? shared : createL1Cache({ shared, feed: shared.feed, clock, faults: l1 })
    shared.up()
    this.cached = new CachedReads({
      cache: this.#cache,
      store: region.store,
      schema: shop,
      source: SOURCE,
      runtime: this.#runtime,
      faults,
    })
    for (let i = 0; i < SESSIONS; i++) this.#sessions.push({ position: 0, moment: 0 })
  }

  /** `l1`: with a level in the memory of the process before the cache. */
  static async open(faults: CachedReadFaults = {}, l1?: L1Faults): Promise<CachedWorld> {
    const world = new CachedWorld(await openPinnedRegion(), faults, l1)
    await world.#cache.begin(SOURCE, 0)
    return world
  }

  async take(step: CachedStep): Promise<void> {
    switch (step.kind) {
      case 'write':
        return this.#write(step.session, step.key, step.ttlMs)
      case 'delete':
        return this.#delete(step.session, step.key)
      case 'read':
        return this.#read(this.#session(step.session), step.keys, step.level)
      case 'apply':
        return this.#apply(step.count)
      case 'pass':
        this.#shared.deliver()
        await this.#runtime.advance(step.ms)
        this.region.wall.nowMs = this.#runtime.clock.nowMs()
        return
      case 'cut':
        this.#shared.down()
        this.#shared.up()
        return
      case 'lose':
        await this.#shared.clear()
        await this.#cache.begin(SOURCE, this.#at)
    }
  }

  async #write(session: number, key: number, ttlMs: number | null): Promise<void> {
    const row = {
      id: key % KEYS,
      level: ++this.#level,
      ...(ttlMs === null ? {} : { [EXPIRES]: new Date(this.#nowMs() + ttlMs) }),
    }
    const rows = [imageOf('alerts', row)]
    await this.#commit(session, { kind: 'upsert', table: this.#table.id, rows })
  }

  async #delete(session: number, key: number): Promise<void> {
    await this.#commit(session, {
      kind: 'delete',
      table: this.#table.id,
      key: [key % KEYS],
      conditions: [],
    })
  }

  async #commit(session: number, op: Parameters<typeof request>[0][number]): Promise<void> {
    const { position } = await this.region.engine.commit(
      request([op], { issuedAtMs: this.#nowMs() }),
    )
    const own = this.#session(session)
    own.position = Math.max(own.position, position.seq)
    own.moment = Math.max(own.moment, position.seq)
  }

  async #apply(count: number): Promise<void> {
    const changes = await this.region.changes()
    // Whole transactions, as the change log hands them out.
    let to = Math.min(changes.length, this.#at + count)
    while (to < changes.length && changes[to]?.txId === changes[to - 1]?.txId) to++
    const taken = changes.slice(this.#at, to).flatMap((change) => cacheChange(shop, change))
    this.#at = (await this.#shared.apply(taken, this.#at, to)) ?? this.#at
  }

  async #read(session: Session, which: readonly number[], level: ReadLevel): Promise<void> {
    const ids = [...new Set(which.map((key) => key % KEYS))]
    const nowMs = this.#nowMs()
    const got = await this.cached.get({
      table: this.#table,
      tenant: TENANT,
      keys: ids.map((id) => [id]),
      level,
      required: { [SOURCE]: session.position },
      kinds: { own: true, imported: 'none', logs: false },
      nowMs,
    })
    if (got === undefined) throw new Error('The read went by the cache.')
    const changes = await this.region.changes()
    const from = level === 'stale' ? 0 : session.moment
    const moment = this.#moments(changes).find(
      (at) => at >= from && ids.every((id, i) => this.#isAt(changes, id, at, nowMs, got.rows[i])),
    )
    if (moment === undefined) {
      const levels = got.rows.map((row) => row?.image[2])
      throw new Error(
        `${ids.join()} read as ${levels.join()}, which they never were from ${from} on`,
      )
    }
    if (level === 'stale') return
    session.moment = moment
    session.position = Math.max(session.position, got.seen[SOURCE] ?? 0)
  }

  /** Ends of transactions, and before all of them. */
  #moments(changes: readonly Change[]): number[] {
    const ends = changes.filter((change, i) => changes[i + 1]?.txId !== change.txId)
    return [0, ...ends.map((change) => change.localSeq)]
  }

  #isAt(
    changes: readonly Change[],
    id: number,
    at: number,
    nowMs: number,
    row: StoredRow | undefined,
  ): boolean {
    const last = changes.findLast(
      ({ localSeq, tableId, key }) =>
        localSeq <= at && tableId === this.#table.id && Number(key[0]) === id,
    )
    const image = last?.after ?? null
    const expiresAtMs = image?.at(-1) ?? null
    const isLive = image !== null && (expiresAtMs === null || Number(expiresAtMs) > nowMs)
    if (!isLive || row === undefined) return !isLive && row === undefined
    return row.version === last?.version && JSON.stringify(row.image) === JSON.stringify(image)
  }

  #session(index: number): Session {
    return this.#sessions[index % SESSIONS] as Session
  }

  #nowMs(): number {
    return this.#runtime.clock.nowMs()
  }
}
