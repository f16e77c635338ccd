/**
 * An L1 over a real Redis that others apply changes to: what it answers is right for the position it
 * claims, also while its subscription is cut, the server is silent, or starts again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { L1Cache, L1Faults } from '../../../src/cache/l1-cache.ts'
import { startRedis, type RedisEngine } from '../../../src/cluster/engines/redis.ts'
import type { CacheRead } from '../../../src/core/ports/cache.ts'
import type { RedisCache } from '../../../src/drivers/redis/redis-cache.ts'
import { openTestCache, ownName, withL1 } from '../../support/redis-cache.ts'
import { until } from '../../support/until.ts'

const LIFE = 'store.1'
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4']
const TTL_MS = 600_000
const LONG_MS = 120_000
const SILENCE_MS = 4_000

/** The store: change p is of key p % 5, and makes it p. */
function textAt(key: number, position: number): string {
  const last = position - ((((position - key) % KEYS.length) + KEYS.length) % KEYS.length)
  return String(Math.max(0, last))
}

/** Another process: it changes the store, and applies the changes, as a role does. */
class Applier {
  readonly #cache: RedisCache
  position = 0
  #at = 0
  #isOver = false

  constructor(cache: RedisCache) {
    this.#cache = cache
  }

  async run(): Promise<void> {
    while (!this.#isOver) {
      this.position++
      try {
        const changes = Array.from({ length: this.position - this.#at }, (_, i) => {
          const at = this.#at + i + 1
          const value = Buffer.from(String(at))
          return { key: KEYS[at % KEYS.length] as string, position: at, value, expiresAtMs: null }
        })
        const reached = await this.#cache.apply(changes, this.#at, this.position)
        this.#at = reached ?? (await this.#cache.begin(LIFE, this.position))
      } catch {
        // The server is not there, or does not answer.
      }
      await pause(2)
    }
  }

  stop(): void {
    this.#isOver = true
  }
}

/** What an entry says must be so. Returns up to where it is good; `undefined`: there is none. */
function check(key: number, { entries, applied }: CacheRead): number | undefined {
  const [entry] = entries
  if (entry === undefined || applied === undefined) return undefined
  const position = Math.max(entry.position, applied)
  expect(Buffer.from(entry.value ?? []).toString(), `k${key} at ${position}`).toBe(
    textAt(key, position),
  )
  return position
}

/** A session: it takes what is at least as new as what it has seen, and never sees its past. */
async function read(l1: L1Cache, applier: Applier, isOver: () => boolean): Promise<void> {
  const seen = KEYS.map(() => 0)
  let session = 0
  for (let turn = 0; !isOver(); turn++) {
    const index = turn % KEYS.length
    const key = KEYS[index] as string
    try {
      const { position } = applier
      const good = check(index, await l1.read([key]))
      if (good !== undefined && good >= session) {
        session = good
        expect(Number(textAt(index, good))).toBeGreaterThanOrEqual(seen[index] as number)
        seen[index] = Number(textAt(index, good))
      } else if (good === undefined) {
        const lease = await l1.acquireLease(key, TTL_MS)
        const value = Buffer.from(textAt(index, position))
        if (lease !== undefined)
          await l1.fill(key, lease, { position, value, expiresAtMs: null }, TTL_MS)
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'CACHE_UNAVAILABLE'))
        throw error
    }
    if (turn % 20 === 0) await pause(1)
  }
}

interface Stand {
  readonly redis: RedisEngine
  readonly l1: L1Cache
  readonly applier: Applier
}

/** Readers and an applier work while `during` does; rejects when a reader was told what is not so. */
async function underLoad(faults: L1Faults, during: (stand: Stand) => Promise<void>): Promise<void> {
  const redis = await startRedis()
  onTestFinished(() => redis.close())
  const config = { address: redis.address }
  const name = ownName()
  const options = { name, commandTimeoutMs: 500 }
  const applier = new Applier(await openTestCache(config, options))
  const l1 = await withL1(await openTestCache(config, options), { faults })
  await until(async () => expect(await l1.begin(LIFE, 0)).toBe(0))
  let isOver = false
  const beginning = async (): Promise<void> => {
    // As the role does.
    while (!isOver) {
      await l1.begin(LIFE, applier.position).catch(() => {})
      await pause(200)
    }
  }
  const working = Promise.all([applier.run(), beginning()])
  const readers = Promise.all([1, 2, 3].map(() => read(l1, applier, () => isOver)))
  try {
    await Promise.race([during({ redis, l1, applier }), readers])
  } finally {
    isOver = true
    applier.stop()
    await working
  }
  await readers
}

/** Resolves once it answers again by itself. */
async function answers(l1: L1Cache): Promise<void> {
  const { hits } = l1.status()
  await until(() => expect(l1.status().hits).toBeGreaterThan(hits + 100), LONG_MS)
}

/** Its subscription is cut while it answers; it is told of nothing until it has subscribed again. */
async function cutOff({ redis, l1 }: Stand): Promise<void> {
  for (let times = 0; times < 10; times++) {
    const { drops } = l1.status()
    await answers(l1)
    await redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until(() => expect(l1.status().drops).toBeGreaterThan(drops), LONG_MS)
    await until(() => expect(l1.status().subscribed).toBe(true), LONG_MS)
  }
  await answers(l1)
}

describe('what an L1 answers is right for the position that it claims', () => {
  test.for<readonly [string, (stand: Stand) => Promise<void>]>([
    ['while its subscription is cut', cutOff],
    [
      'while the server is silent',
      async ({ redis, l1 }) => {
        await answers(l1)
        redis.signal('SIGSTOP')
        await until(() => expect(l1.status().inUse).toBe(false), LONG_MS)
        await pause(SILENCE_MS)
        redis.signal('SIGCONT')
        await answers(l1)
      },
    ],
    [
      'while the server starts again, empty',
      async ({ redis, l1 }) => {
        await answers(l1)
        await redis.kill()
        await until(() => expect(l1.status()).toMatchObject({ subscribed: false, entries: 0 }))
        await redis.restart()
        await answers(l1)
      },
    ],
    [
      'while the server is flushed',
      async ({ redis, l1 }) => {
        for (let times = 0; times < 5; times++) {
          await answers(l1)
          await redis.ask('FLUSHALL')
        }
        await answers(l1)
      },
    ],
  ])('%s', async ([, fault]) => {
    await expect(underLoad({}, fault)).resolves.toBeUndefined()
  })

  test('must fail: entries stay when the subscription drops', async () => {
    await expect(underLoad({ keepsOnDrop: true }, cutOff)).rejects.toThrow(/^k\d at \d+/)
  })
})
