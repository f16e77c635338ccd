/** What somebody else wrote over the cache's keys: reads go on, right, and the node with them. */
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { packMessage } from '../../../src/protocol/message-pack.ts'
import { defaultConfig } from '../../../src/config/parse-config.ts'
import { openRedisCache } from '../../../src/drivers/redis/redis-cache.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { engines } from '../../support/engines.ts'
import { freePorts } from '../../support/free-ports.ts'
import { openMarket, REGIONS, US } from '../../support/market.ts'
import { memoryLog } from '../../support/memory-log.ts'
import { ownName } from '../../support/redis-cache.ts'
import { until } from '../../support/until.ts'

const LONG_MS = 120_000

async function openRow() {
  const { address } = engines().redis
  const name = ownName()
  const caches = Object.fromEntries(REGIONS.map((region) => [region, { address }]))
  const open = await openMarket({ config: { ...defaultConfig(), name, caches } })
  onTestFinished(() => open[Symbol.asyncDispose]())
  const redis = new Redis(`redis://${address}`)
  onTestFinished(() => redis.disconnect())
  const orders = open.us.tenant('acme').orders
  await orders.insert({ id: 'o', label: 'a label', wide: 2n ** 60n, paid: true, extra: { a: 1 } })
  await open.meridian.settle()
  const tag = `{${name}:${US}:0}`
  const filled = async (): Promise<string> => {
    let key = ''
    await until(async () => {
      const { receipt } = await orders.get('o').withReceipt()
      expect(receipt.source).toBe('cache')
      ;[key = ''] = (await redis.keys(`${tag}entry:*`)).filter((one) => one.includes('4:acme'))
      expect(key).not.toBe('')
    }, LONG_MS)
    return key
  }
  return { orders, redis, name, tag, filled }
}

const row = { id: 'o', label: 'a label', wide: 2n ** 60n, paid: true, extra: { a: 1 } }

test(
  'an entry of anything is a miss',
  async () => {
    const { orders, redis, filled } = await openRow()
    const key = await filled()
    const good = (await redis.getBuffer(key)) as Buffer
    const head = good.subarray(0, 49)
    const packed = good.subarray(49)
    const columns = packed[0] === 0xdc ? packed.readUInt16BE(1) : (packed[0] as number) & 15
    const cells = (cell: unknown): Buffer =>
      Buffer.concat([
        head,
        packMessage([1, '1.0', ...Array.from({ length: columns - 2 }, () => cell)]),
      ])
    const position = (text: string): Buffer =>
      Buffer.concat([head.subarray(0, 16), Buffer.from(text), good.subarray(32)])
    const entries: readonly (readonly [string, Buffer])[] = [
      ['nothing', Buffer.alloc(0)],
      ['noise', Buffer.alloc(500, 0xa7)],
      ['a head alone', head],
      ['noise behind a head', Buffer.concat([head, Buffer.alloc(200, 0xc1)])],
      ['deep lists', Buffer.concat([head, Buffer.alloc(100_000, 0x91)])],
      ['a long list', Buffer.concat([head, Buffer.from([0xdd, 255, 255, 255, 255])])],
      ['cells that are lists', cells([1, [2]])],
      ['cells that are objects', cells({ a: 1 })],
      ['cells that are true', cells(true)],
      ['cells that are text', cells('text')],
      ['cells that are numbers', cells(1.5)],
      ['cells that are bytes', cells(new Uint8Array(3))],
      ['a position of letters', position('not-a-position!!')],
      ['a position beyond all', position('9999999999999999')],
    ]
    for (const [what, entry] of entries) {
      await redis.set(key, entry, 'KEEPTTL')
      for (let i = 0; i < 3; i++) expect(await orders.get('o'), what).toMatchObject(row)
      expect((await orders.getMany(['o', 'none']))[0], what).toMatchObject(row)
      await redis.set(key, good, 'PX', 600_000)
    }
  },
  LONG_MS,
)

test(
  'a head, entries and leases of another kind cost the cache, not the answer',
  async () => {
    const { orders, redis, tag, filled } = await openRow()
    const key = await filled()
    await redis.hset(`${tag}head`, 'applied', 'letters')
    for (let i = 0; i < 5; i++) expect(await orders.get('o')).toMatchObject(row)
    await orders.update('o', { label: 'new' })
    for (let i = 0; i < 5; i++) expect(await orders.get('o')).toMatchObject({ label: 'new' })
    await redis.del(`${tag}head`, key)
    await redis.set(`${tag}head`, 'text')
    await redis.rpush(key, 'a', 'b')
    for (let i = 0; i < 5; i++) expect(await orders.get('o')).toMatchObject({ label: 'new' })
    await orders.update('o', { label: 'newer' })
    for (let i = 0; i < 5; i++) expect(await orders.get('o')).toMatchObject({ label: 'newer' })
  },
  LONG_MS,
)

test(
  'what somebody else says of changes costs copies, not the answer',
  async () => {
    const { orders, redis, name, filled } = await openRow()
    await filled()
    const channel = `${name}:${US}:applied`
    const head = (position: string): string[] => ['0', 'i', 'l', '0', position, '0', 'last', 'k']
    const messages: readonly unknown[] = [
      'no JSON',
      '{}',
      [],
      ['applied'],
      ['applied', 0, 1],
      ['applied', ...head('letters')],
      ['applied', ...head('9'.repeat(16))],
      ['applied', '99', ...head('1').slice(1)],
      ['unknown', ...head('1')],
      ['reset'],
    ]
    for (const message of messages) {
      const text = typeof message === 'string' ? message : JSON.stringify(message)
      expect(await redis.publish(channel, text)).toBeGreaterThan(0)
      for (let i = 0; i < 3; i++) expect(await orders.get('o')).toMatchObject(row)
    }
    await orders.update('o', { label: 'new' })
    for (let i = 0; i < 3; i++) expect(await orders.get('o')).toMatchObject({ label: 'new' })
    await filled()
  },
  LONG_MS,
)

test(
  'a Redis that is away is spoken of once, not with every attempt',
  async () => {
    const log = memoryLog()
    const [port] = await freePorts(1)
    const { timers } = systemRuntime
    let pauses = 0
    const after: typeof timers.after = (delayMs, run) => {
      pauses++
      return timers.after(Math.min(delayMs, 50), run)
    }
    const cache = openRedisCache({
      name: ownName(),
      region: US,
      config: { address: `127.0.0.1:${port}` },
      runtime: { ...systemRuntime, timers: { ...timers, after } },
      log,
    })
    onTestFinished(() => cache.close())
    const listener = { onUp: noop, onReset: noop, onApplied: noop, onDown: noop }
    const subscription = cache.feed.subscribe(listener)
    onTestFinished(() => subscription.close())
    // Each attempt fails in two ways, and then waits.
    await until(() => expect(pauses).toBeGreaterThan(8), LONG_MS)
    const failures = log.lines.filter(({ event }) => event === 'cache subscription failed')
    const reasons = failures.map(({ fields }) => fields['reason'])
    expect(reasons.length).toBeGreaterThan(0)
    expect(new Set(reasons).size).toBe(reasons.length)
  },
  LONG_MS,
)

function noop(): void {
  // Nothing is kept.
}
