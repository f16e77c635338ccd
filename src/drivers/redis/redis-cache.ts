/**
 * Driver: a cache in Redis, shared by the nodes of a region. All rules are in the scripts; this
 * says which keys they touch.
 *
 * The cache has parts; each has its head, and the keys of a part share its hash tag and so, in a
 * Cluster, its slot. One server has one part. In a Cluster, where each shard fails over by itself,
 * what a shard loses is lost with the position that said that it was applied (scripts.ts).
 */
import { createHash } from 'node:crypto'
import type { AppliedFeed } from '../../core/ports/applied-changes.ts'
import type { Cache, CacheChange, CacheEntry, CacheRead } from '../../core/ports/cache.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import { bucketOf } from '../cache/buckets.ts'
import type { CacheFaults } from '../cache/faults.ts'
import type { RedisEndpoint } from './redis-client.ts'
import { RedisConnection, type RedisArgument, type RedisStatus } from './redis-connection.ts'
import { subscribeToRedis } from './redis-subscriber.ts'
import { DIGITS, ENTRY_HEAD_BYTES, EXPIRES_AT, KIND_AT, POSITION_AT, scripts } from './scripts.ts'

/** What a cache is made of. */
export interface RedisCacheOptions {
  /** Name of the deployment. Keys begin with it and the region. */
  readonly name: string
  readonly region: string
  readonly config: RedisEndpoint
  readonly runtime: Runtime
  readonly log: Log
  /** Milliseconds that a call may take. Default 100. */
  readonly commandTimeoutMs?: number
  /** Test-only. */
  readonly faults?: CacheFaults
}

/** A cache, how its connection stands, and what is applied to it. */
export interface RedisCache extends Cache {
  /** Told over a connection of its own, which is made when somebody subscribes. */
  readonly feed: AppliedFeed
  status(): RedisStatus
}

/** Every batch of changes moves the position of every part: a few times the shards of a Cluster. */
const CLUSTER_PARTS = 16
/** Redis does nothing else while a script runs: about a millisecond. */
const CHANGES_PER_SCRIPT = 100
/** Longer values are not worth their way. */
const MAX_VALUE_BYTES = 1 << 20
const MAX_KEY_CHARACTERS = 200
const LIFE_BYTES = 8
const LEASE_BYTES = 12
const NEVER = '-'.repeat(DIGITS)
const PRESENT = 'v'
const ABSENT = 'a'
const EMPTY = Buffer.alloc(0)

/** Opens a cache; it need not be there yet. */
export function openRedisCache(options: RedisCacheOptions): RedisCache {
  return new Driver(options)
}

class Driver implements RedisCache {
  readonly #connection: RedisConnection
  readonly #runtime: Runtime
  readonly #tags: readonly string[]
  readonly #channel: string
  readonly feed: AppliedFeed
  #incarnation = ''

  constructor(options: RedisCacheOptions) {
    const { config, runtime, log, commandTimeoutMs } = options
    this.#runtime = runtime
    this.#connection = new RedisConnection({
      endpoint: config,
      scripts: scripts(options.faults),
      runtime,
      log,
      ...(commandTimeoutMs === undefined ? {} : { commandTimeoutMs }),
    })
    const parts = this.#connection.isCluster ? CLUSTER_PARTS : 1
    const tagOf = (part: number): string => `{${options.name}:${options.region}:${part}}`
    this.#tags = Array.from({ length: parts }, (_, part) => tagOf(part))
    this.#channel = `${options.name}:${options.region}:applied`
    const channel = this.#channel
    this.feed = {
      parts,
      partOf: (key) => partOf(key, parts),
      idOf: shortKey,
      subscribe: (listener) =>
        subscribeToRedis({ endpoint: config, channel, runtime, log, listener }),
    }
  }

  status(): RedisStatus {
    return this.#connection.status()
  }

  async begin(incarnation: string, position: number): Promise<number> {
    const beginPart = (tag: string, part: number): Promise<unknown> =>
      this.#connection.script(
        'begin',
        [headKey(tag)],
        [incarnation, this.#draw(LIFE_BYTES), digits(position), this.#channel, String(part)],
      )
    const positions = await Promise.all(this.#tags.map(beginPart))
    this.#incarnation = incarnation
    return Math.min(...positions.map(Number))
  }

  async read(keys: readonly string[]): Promise<CacheRead> {
    // Without keys the question is how far the whole cache is.
    const byTag = new Map<string, number[]>(
      keys.length === 0 ? this.#tags.map((tag) => [tag, []]) : [],
    )
    keys.forEach((key, index) => {
      const tag = this.#tagOf(key)
      const indexes = byTag.get(tag)
      if (indexes === undefined) byTag.set(tag, [index])
      else indexes.push(index)
    })
    const entries: (CacheEntry | undefined)[] = keys.map(() => undefined)
    let applied: number | undefined = Infinity
    const readPart = async (tag: string, indexes: readonly number[]): Promise<void> => {
      const names = indexes.map((i) => entryKey(tag, keys[i] as string))
      const reply = await this.#connection.script(
        'read',
        [headKey(tag), ...names],
        [this.#incarnation],
      )
      const [position, ...values] = reply as (Buffer | null)[]
      const reached = positionOf(position)
      if (reached === undefined) applied = undefined
      else if (applied !== undefined) applied = Math.min(applied, reached)
      indexes.forEach((index, i) => (entries[index] = decodeEntry(values[i] ?? null)))
    }
    await Promise.all([...byTag].map(([tag, indexes]) => readPart(tag, indexes)))
    return applied === undefined
      ? { entries: keys.map(() => undefined), applied }
      : { entries, applied }
  }

  async acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    const token = this.#draw(LEASE_BYTES)
    const isOurs = await this.#connection.setNew(leaseKey(this.#tagOf(key), key), token, ttlMs)
    return isOurs ? token : undefined
  }

  async fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    if (isTooLong(entry.value)) return false
    const tag = this.#tagOf(key)
    const stored = await this.#connection.script(
      'fill',
      [headKey(tag), entryKey(tag, key), leaseKey(tag, key)],
      [
        this.#incarnation,
        String(bucketOf(key)),
        lease,
        digits(entry.position),
        encodeRest(entry.value, entry.expiresAtMs),
        String(Math.max(1, Math.ceil(ttlMs))),
      ],
    )
    return stored === 1
  }

  async apply(
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined> {
    // A row that changed twice never was, for a reader of the store, what it was in between.
    const last = new Map(changes.map((change) => [change.key, change]))
    const byTag = new Map<string, CacheChange[]>(this.#tags.map((tag) => [tag, []]))
    for (const change of last.values()) byTag.get(this.#tagOf(change.key))?.push(change)
    const reached = await Promise.all(
      [...byTag].map(([tag, own]) => this.#applyPart(tag, own, after, position)),
    )
    const known = reached.filter((one) => one !== undefined)
    return known.length < reached.length ? undefined : Math.min(...known)
  }

  /** `applied` moves with the last piece: it is never within the changes of one transaction. */
  async #applyPart(
    tag: string,
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined> {
    const part = String(this.#tags.indexOf(tag))
    for (let at = 0, number = 0; ; at += CHANGES_PER_SCRIPT, number++) {
      const piece = changes.slice(at, at + CHANGES_PER_SCRIPT)
      const isLast = at + CHANGES_PER_SCRIPT >= changes.length
      const keys = piece.flatMap(({ key }) => [entryKey(tag, key), leaseKey(tag, key)])
      const args = piece.flatMap((change): RedisArgument[] => [
        String(bucketOf(change.key)),
        digits(change.position),
        change.value === undefined || isTooLong(change.value)
          ? EMPTY
          : encodeRest(change.value, change.expiresAtMs),
      ])
      const reply = await this.#connection.script(
        'apply',
        [headKey(tag), ...keys],
        [
          this.#incarnation,
          digits(after),
          digits(position),
          isLast ? 'last' : '',
          this.#channel,
          part,
          String(number),
          String(entryKey(tag, '').length),
          ...args,
        ],
      )
      if (reply === null) return undefined
      const applied = positionOf(reply)
      if (applied === undefined) return undefined
      if (isLast || applied < after) return applied
    }
  }

  async clear(): Promise<void> {
    const clearPart = (tag: string, part: number): Promise<unknown> =>
      this.#connection.script('clear', [headKey(tag)], [this.#channel, String(part)])
    await Promise.all(this.#tags.map(clearPart))
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  #tagOf(key: string): string {
    return this.#tags[partOf(key, this.#tags.length)] as string
  }

  /** Text without a meaning, of this many characters times two. */
  #draw(bytes: number): string {
    return Buffer.from(this.#runtime.random.bytes(bytes)).toString('hex')
  }
}

function partOf(key: string, parts: number): number {
  return parts === 1 ? 0 : bucketOf(key) % parts
}

function headKey(tag: string): string {
  return `${tag}head`
}

function entryKey(tag: string, key: string): string {
  return `${tag}entry:${shortKey(key)}`
}

function leaseKey(tag: string, key: string): string {
  return `${tag}lease:${shortKey(key)}`
}

/** A key of a row can be long; two of one digest would be a collision of SHA-256. */
function shortKey(key: string): string {
  if (key.length <= MAX_KEY_CHARACTERS) return key
  return `#${createHash('sha256').update(key).digest('base64url')}`
}

function digits(value: number): string {
  return String(value).padStart(DIGITS, '0')
}

function isTooLong(value: Uint8Array | null): boolean {
  return value !== null && value.length > MAX_VALUE_BYTES
}

/** What stands behind the position of an entry. */
function encodeRest(value: Uint8Array | null, expiresAtMs: number | null): Buffer {
  const isNever = expiresAtMs === null || expiresAtMs >= 10 ** DIGITS
  const expiry = isNever ? NEVER : digits(Math.max(0, Math.ceil(expiresAtMs)))
  const head = Buffer.from(expiry + (value === null ? ABSENT : PRESENT), 'latin1')
  return value === null ? head : Buffer.concat([head, value])
}

function decodeEntry(raw: Buffer | null): CacheEntry | undefined {
  if (raw === null || raw.length < ENTRY_HEAD_BYTES) return undefined
  const expiry = raw.toString('latin1', EXPIRES_AT, KIND_AT)
  const isPresent = raw.toString('latin1', KIND_AT, ENTRY_HEAD_BYTES) === PRESENT
  const position = positionOf(raw.subarray(POSITION_AT, EXPIRES_AT))
  const isExpiry = expiry === NEVER || positionOf(expiry) !== undefined
  if (position === undefined || !isExpiry) return undefined
  return {
    position,
    value: isPresent ? raw.subarray(ENTRY_HEAD_BYTES) : null,
    expiresAtMs: expiry === NEVER ? null : Number(expiry),
  }
}

/** A number of digits alone; `undefined` for what somebody else wrote there. */
function positionOf(raw: unknown): number | undefined {
  const text = String(raw)
  const value = Number(text)
  return /^\d{16}$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}
