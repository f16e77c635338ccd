/** A deployment whose regions read through Redis: every mode and type, expiry, ciphertext, herds. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { defaultConfig, type Config } from '../../../src/config/parse-config.ts'
import { engines } from '../../support/engines.ts'
import { EU, openMarket, REGIONS, US, type OpenMarket } from '../../support/market.ts'
import { ownName } from '../../support/redis-cache.ts'
import { until } from '../../support/until.ts'

const LONG_MS = 120_000

function configWith(name: string): Config {
  const { address } = engines().redis
  return {
    ...defaultConfig(),
    name,
    caches: Object.fromEntries(REGIONS.map((region) => [region, { address }])),
  }
}

async function openCached(name = ownName()): Promise<OpenMarket> {
  const open = await openMarket({ config: configWith(name) })
  onTestFinished(() => open[Symbol.asyncDispose]())
  return open
}

interface Read {
  readonly value: unknown
  readonly receipt: { readonly source: string; readonly stalenessMs: number | null }
}

interface Call extends PromiseLike<unknown> {
  withReceipt(): PromiseLike<Read>
}

/** Reads until the cache answers, and returns the answer. */
async function fromCache(call: () => Call): Promise<unknown> {
  let value: unknown
  await until(async () => {
    const read = await call().withReceipt()
    expect(read.receipt.source).toBe('cache')
    value = read.value
  }, LONG_MS)
  return value
}

const values = {
  label: 'a label',
  note: 'ünïcode 🔑',
  amount: 7,
  wide: 2n ** 62n,
  weight: 5,
  paid: true,
  at: new Date(1_700_000_000_123),
  photo: new Uint8Array([0, 1, 255]),
  extra: { a: 1, b: ['x'] },
}

describe('rows come out of the cache as they come out of the store', () => {
  test('pinned at home and in a replica, with several keys, after changes and deletes', async () => {
    const { us, eu, meridian } = await openCached()
    const orders = us.tenant('acme').orders
    await orders.insert({ id: 'o', ...values })
    await orders.insert({ id: 'p', label: 'other' })
    await meridian.settle()
    for (const client of [us, eu]) {
      const table = client.tenant('acme').orders
      const stored = await table.get('o', { consistency: 'stale' })
      expect(stored).toMatchObject(values)
      expect(await fromCache(() => table.get('o'))).toEqual(stored)
      const many = (await fromCache(() => table.getMany(['o', 'none', 'p']))) as unknown[]
      expect(many).toMatchObject([values, undefined, { label: 'other' }])
      expect(await fromCache(() => table.get('none'))).toBeUndefined()
    }
    await orders.update('o', { amount: 8, weight: 0.1 })
    await orders.delete('p')
    // What this session has written it reads at once, whatever the cache holds.
    expect(await orders.get('o')).toMatchObject({ amount: 8, weight: 0.1 })
    expect(await orders.get('p')).toBeUndefined()
    await meridian.settle()
    for (const client of [us, eu]) {
      const table = client.tenant('acme').orders
      expect(await fromCache(() => table.get('o'))).toMatchObject({ amount: 8, weight: 0.1 })
      expect(await fromCache(() => table.get('p'))).toBeUndefined()
    }
  })

  test('strong and eventual, of a tenant and global', async () => {
    const { us, eu, meridian } = await openCached()
    await us.tenant('acme').accounts.insert({ id: 'r', ...values })
    await us.plans.insert({ id: 'r', ...values })
    await us.tenant('acme').carts.insert({ id: 'r', ...values, body: 'text', quantity: 3 })
    await us.posts.insert({ id: 'r', ...values, body: 'text', tags: ['x'] })
    await meridian.settle()
    const tablesOf = (client: typeof us): readonly { get(id: string): Call }[] => [
      client.tenant('acme').accounts,
      client.plans,
      client.tenant('acme').carts,
      client.posts,
    ]
    for (const client of [us, eu]) {
      for (const table of tablesOf(client)) {
        const first = await table.get('r')
        expect(first).toMatchObject(values)
        expect(await fromCache(() => table.get('r'))).toEqual(first)
      }
    }
    await us.tenant('acme').accounts.update('r', { amount: 100 })
    await us.plans.update('r', { amount: 100 })
    await us.tenant('acme').carts.update('r', { amount: 100 })
    await us.posts.delete('r')
    await meridian.settle()
    for (const client of [us, eu]) {
      const [accounts, plans, carts, posts] = tablesOf(client)
      for (const table of [accounts, plans, carts]) {
        await until(async () => expect(await table?.get('r')).toMatchObject({ amount: 100 }))
        expect(await fromCache(() => table?.get('r') as Call)).toMatchObject({ amount: 100 })
      }
      expect(await fromCache(() => posts?.get('r') as Call)).toBeUndefined()
    }
  })

  test('sampled against the store, they do not differ', async () => {
    const { us, meridian } = await openCached()
    const orders = us.tenant('acme').orders
    const ids = Array.from({ length: 20 }, (_, i) => `o${i}`)
    for (const id of ids) await orders.insert({ id, ...values })
    await meridian.settle()
    const node = meridian.deployment.node(US)
    await until(async () => {
      for (let i = 0; i < 10; i++) await Promise.all(ids.map((id) => orders.get(id)))
      await orders.update(ids[0] as string, { amount: 1 })
      expect(node.status().cache?.samples.compared).toBeGreaterThan(0)
    }, LONG_MS)
    expect(node.status().cache).toMatchObject({ samples: { mismatches: 0 }, inUse: true })
  })
})

describe('what a cache must not change', () => {
  test('an expired row is absent at the instant, and a renewed one is not', async () => {
    const { us, meridian } = await openCached()
    const orders = us.tenant('acme').orders
    const expiresAt = new Date(meridian.clock.nowMs() + 600_000)
    await orders.insert({ id: 'short', label: 'x', expiresAt })
    await orders.insert({ id: 'long', label: 'x', expiresAt })
    await meridian.settle()
    for (const id of ['short', 'long']) {
      expect(await fromCache(() => orders.get(id))).toMatchObject({ label: 'x' })
    }
    await orders.update('long', { expiresAt: new Date(meridian.clock.nowMs() + 1_200_000) })
    meridian.clock.advance(600_001)
    expect(await orders.get('short', { consistency: 'stale' })).toBeUndefined()
    expect(await orders.get('long')).toMatchObject({ label: 'x' })
  })

  test('a tenant sees its own rows alone, and levels that no cache serves go by it', async () => {
    const { us, meridian } = await openCached()
    await us.tenants.create({ id: 'acme2', home: US })
    await us.tenant('acme').orders.insert({ id: 'o', label: 'of acme' })
    await meridian.settle()
    const orders = us.tenant('acme').orders
    expect(await fromCache(() => orders.get('o'))).toMatchObject({ label: 'of acme' })
    expect(await fromCache(() => us.tenant('acme2').orders.get('o'))).toBeUndefined()
    const { receipt } = await orders.get('o', { consistency: 'strong' }).withReceipt()
    expect(receipt.source).toBe('home')
    const bounded = { consistency: { maxStalenessMs: 60_000 } } as const
    expect(await fromCache(() => orders.get('o', bounded))).toMatchObject({ label: 'of acme' })
    const read = await orders.get('o', bounded).withReceipt()
    expect(read.receipt.stalenessMs).toBeLessThanOrEqual(60_000)
  })

  test('many that miss one row at once read the store once', async () => {
    const { us, meridian } = await openCached()
    await us.tenant('acme').orders.insert({ id: 'hot', label: 'x' })
    await meridian.settle()
    const status = (): { loads: number; misses: number } | null =>
      meridian.deployment.node(US).status().cache
    await until(() =>
      expect(meridian.deployment.node(US).status().cache?.position).toBeTypeOf('number'),
    )
    const before = status()
    const readers = await Promise.all(Array.from({ length: 200 }, () => meridian.connect(US)))
    const rows = await Promise.all(readers.map((one) => one.tenant('acme').orders.get('hot')))
    expect(rows.every((row) => row?.label === 'x')).toBe(true)
    const after = status()
    const misses = (after?.misses ?? 0) - (before?.misses ?? 0)
    expect(misses).toBeGreaterThan(100)
    expect((after?.loads ?? 0) - (before?.loads ?? 0)).toBeLessThan(misses / 10)
  })
})

describe('what Redis holds', () => {
  let redis: Redis

  beforeAll(() => {
    redis = new Redis(`redis://${engines().redis.address}`)
  })
  afterAll(() => redis.disconnect())

  test('encrypted cells are ciphertext, and names begin with the deployment and the region', async () => {
    const name = ownName()
    const { us, meridian } = await openCached(name)
    const residents = us.tenant('acme').residents
    await residents.insert({ id: 'r', name: 'Ada Lovelace', street: 'plain street' })
    await meridian.settle()
    expect(await fromCache(() => residents.get('r'))).toMatchObject({ name: 'Ada Lovelace' })
    const keys = await redis.keys(`{${name}:${US}:*`)
    const held = await Promise.all(
      keys.filter((key) => key.includes('entry:')).map((key) => redis.getBuffer(key)),
    )
    const bytes = Buffer.concat(held.filter((one) => one !== null))
    expect(bytes.includes('plain street')).toBe(true)
    expect(bytes.includes('Ada')).toBe(false)
    expect(await redis.keys(`{${name}:${EU}:*`)).toEqual([`{${name}:${EU}:0}head`])
  })
})
