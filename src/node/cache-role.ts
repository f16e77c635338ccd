/**
 * Keeps a region's cache current: follows the change log from where the cache is, and applies what
 * it reads. The position is the cache's own and no one else's: a cache that was flushed, restored
 * or failed over knows less than this role remembers, and is believed (docs/spec/cache.md).
 */
import { createChangeConsumer, type ChangeConsumer } from '../../cdc/consumer/change-consumer.ts'
import { encodeRow, rowExpiryMs } from '../cache/row-codec.ts'
import { rowKey } from '../cache/row-key.ts'
import type { Change } from '../core/change.ts'
import { asMeridianError, isErrorCode, MeridianError } from '../core/errors.ts'
import type { Cache, CacheChange } from '../core/ports/cache.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { Log } from '../core/ports/log.ts'
import type { CancelTimer, Runtime } from '../core/ports/runtime.ts'
import type { CompiledSchema } from '../schema/compiled.ts'

/** What the role is made of. */
export interface CacheRoleOptions {
  readonly cache: Cache
  readonly changeLog: ChangeLog
  readonly schema: CompiledSchema
  /** The source id of the store: the region and the store's incarnation. */
  readonly source: string
  readonly runtime: Runtime
  readonly log?: Log | undefined
}

/** How the role stands. */
export interface CacheRoleStatus {
  /** The cache holds the store's changes up to here; undefined while it cannot be asked. */
  readonly position: number | undefined
  readonly error: MeridianError | null
}

/** The running role. */
export interface CacheRole {
  status(): CacheRoleStatus
  stop(): Promise<void>
}

/** Starts the role. It needs neither the cache nor the log to be there yet. */
export function startCacheRole(options: CacheRoleOptions): CacheRole {
  return new Role(options)
}

/** The cache is asked where it is this often, also while nothing changes. */
const LOOK_MS = 1_000

class Role implements CacheRole {
  readonly #options: CacheRoleOptions
  #consumer: ChangeConsumer | undefined
  /** The cache is not where the consumer is: it must begin again. */
  #isAstray = false
  #error: MeridianError | null = null
  #looking: Promise<void>
  #cancelTimer: CancelTimer | undefined
  #isStopped = false

  constructor(options: CacheRoleOptions) {
    this.#options = options
    this.#looking = this.#look()
  }

  status(): CacheRoleStatus {
    return {
      position: this.#error === null ? this.#consumer?.position() : undefined,
      error: this.#error ?? this.#consumer?.status().error ?? null,
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await this.#looking
    await this.#consumer?.stop()
  }

  async #look(): Promise<void> {
    try {
      await this.#follow()
      this.#error = null
    } catch (error) {
      this.#error = asMeridianError(error)
    }
    if (this.#isStopped) return
    const delayMs = LOOK_MS * (0.5 + this.#options.runtime.random.fraction())
    this.#cancelTimer = this.#options.runtime.timers.after(delayMs, () => {
      this.#looking = this.#look()
    })
  }

  /** Asks the cache where it is, and sees to it that a consumer goes on from there. */
  async #follow(): Promise<void> {
    const { cache, changeLog, source } = this.#options
    const running = this.#consumer
    const hasEnded = running?.status().error?.retry === 'never'
    const from = running?.position() ?? (await changeLog.end())
    let position = await cache.begin(source, from)
    // Asking took time, in which the consumer went on: only less than it had before counts.
    if (running !== undefined && !hasEnded && !this.#isAstray && position >= from) return
    this.#isAstray = false
    await running?.stop()
    this.#consumer = undefined
    if (hasEnded || !(await this.#isOfLog(position)) || !(await this.#canReadFrom(position))) {
      await cache.clear()
      position = await cache.begin(source, await changeLog.end())
    }
    if (this.#isStopped) return
    this.#options.log?.write('info', 'cache begins', { source, position })
    this.#consumer = this.#consume(position)
  }

  /** Beyond the log nothing was applied: somebody else has written there. */
  async #isOfLog(position: number): Promise<boolean> {
    return position <= (await this.#options.changeLog.end())
  }

  /** A cache that was away for long needs changes that the log has dropped. */
  async #canReadFrom(position: number): Promise<boolean> {
    try {
      await this.#options.changeLog.read(position, 1)
      return true
    } catch (error) {
      if (isErrorCode(error, 'LOG_COMPACTED')) return false
      throw error
    }
  }

  #consume(position: number): ChangeConsumer {
    const { changeLog, schema, runtime } = this.#options
    const { timers, random } = runtime
    return createChangeConsumer({
      changeLog,
      schema,
      position,
      handler: (changes, end) => this.#apply(changes, end),
      timers,
      random,
    })
  }

  async #apply(changes: readonly Change[], position: number): Promise<void> {
    const { cache, schema, source } = this.#options
    const after = position - changes.length
    const isNewer = changes.some((change) => !schema.tableById.has(change.tableId))
    if (isNewer) {
      // Nodes of a newer schema may have filled rows whose names cannot be told here.
      await cache.clear()
      await cache.begin(source, position)
    }
    const applied = changes.flatMap((change) => cacheChange(schema, change))
    const reached = await cache.apply(applied, after, position)
    if (reached !== undefined && reached >= position) return
    this.#isAstray = true
    throw new MeridianError('CACHE_UNAVAILABLE', `The cache is not at ${after} any more.`, {
      fix: 'It is brought up again from where it is.',
      details: { after, reached },
    })
  }
}

/** What a change means for its row's entry; nothing for a row that has no name in a cache. */
export function cacheChange(schema: CompiledSchema, change: Change): readonly CacheChange[] {
  const table = schema.tableById.get(change.tableId)
  if (table === undefined) return []
  const key = rowKey(table, change.tenant, change.key)
  if (key === undefined) return []
  const position = change.localSeq
  if (change.after === null) return [{ key, position, value: null, expiresAtMs: null }]
  const row = { image: change.after.slice(0, table.physical.length), version: change.version }
  return [{ key, position, value: encodeRow(schema, row), expiresAtMs: rowExpiryMs(table, row) }]
}
