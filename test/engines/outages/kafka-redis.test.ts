/**
 * Kafka and Redis are away for 30 s, both at once, under load; then Redis loses all it had. Writes of
 * all modes go on and are kept, sessions stay whole, and everything heals by itself.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEtcd, type EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { startKafka, type KafkaEngine } from '../../../src/cluster/engines/kafka.ts'
import { startRedis, type RedisEngine } from '../../../src/cluster/engines/redis.ts'
import { increment } from '../../../src/client/index.ts'
import { until } from '../../support/until.ts'
import {
  DEADLINE_MS,
  HOME,
  LONG_MS,
  NodePlace,
  prepare,
  TENANT,
  type Client,
  type OutageNode,
} from './outage-node.ts'
import { changesOf, envelopesOf } from './topic-contents.ts'

const OTHER = 'us-east'
const OUTAGE_MS = 30_000
const TABLE_PARTITIONS = 2
const WAIT_MS = 900_000
/** Reads never wait for an engine that is away: far less than the outage, however busy the machine. */
const SLOWEST_MS = 20_000
const MODES = ['pinned', 'strong', 'eventual'] as const
const VISIT = 'v'
const options = { deadlineMs: DEADLINE_MS }

let etcd: EtcdEngine
let kafka: KafkaEngine
let redis: RedisEngine
let place: NodePlace

beforeAll(async () => {
  ;[etcd, kafka, redis] = await Promise.all([startEtcd(), startKafka(), startRedis()])
  place = new NodePlace([HOME, OTHER])
}, WAIT_MS)

afterAll(async () => {
  await Promise.all([etcd, kafka, redis].map((engine) => engine?.close()))
  place?.remove()
}, WAIT_MS)

/** Writes of all modes, one after the other of each; none is ever repeated, and none may fail. */
class Load {
  readonly acknowledged = { pinned: 0, strong: 0, eventual: 0 }
  reads = 0
  slowestReadMs = 0
  readonly #running: Promise<unknown>
  #isOver = false

  constructor(writer: Client, sessions: readonly Client[]) {
    this.#running = Promise.all([
      ...MODES.map((mode) => this.#write(writer, mode)),
      ...sessions.map((session, i) => this.#session(session, `s${i}`)),
    ])
  }

  /** Resolves once every mode has acknowledged `count` more writes. */
  async further(count: number): Promise<void> {
    const goals = MODES.map((mode) => this.acknowledged[mode] + count)
    const reads = this.reads + count
    await this.during(
      until(() => {
        const isThere = MODES.every((mode, i) => this.acknowledged[mode] >= (goals[i] ?? 0))
        if (isThere && this.reads >= reads) return
        throw new Error(`acknowledged: ${JSON.stringify(this.acknowledged)}`)
      }, LONG_MS),
    )
  }

  /** What `work` comes to, unless the load fails first. */
  async during<T>(work: Promise<T>): Promise<T> {
    const failed = this.#running.then(() => {
      throw new Error('The load has ended.')
    })
    return Promise.race([work, failed])
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  async #write(db: Client, mode: (typeof MODES)[number]): Promise<void> {
    const { orders, visits } = db.tenant(TENANT)
    for (let n = 0; !this.#isOver; n++) {
      if (mode === 'pinned') await orders.insert({ id: `p${n}`, amount: n }, options)
      else if (mode === 'strong') await db.plans.insert({ id: `p${n}`, seats: n }, options)
      else await visits.update(VISIT, { times: increment(1) }, options)
      this.acknowledged[mode]++
    }
  }

  /** A session counts its own row up; what it reads is never less than what it wrote. */
  async #session(db: Client, id: string): Promise<void> {
    const { orders } = db.tenant(TENANT)
    for (let amount = 1; !this.#isOver; amount++) {
      await orders.update(id, { amount }, options)
      for (let times = 0; times < 3; times++) {
        const startMs = performance.now()
        const row = await orders.get(id, options)
        this.slowestReadMs = Math.max(this.slowestReadMs, performance.now() - startMs)
        this.reads++
        if (row?.amount !== amount) throw new Error(`${id} is ${row?.amount}, not ${amount}`)
      }
    }
  }
}

/** Resolves once reads come out of the cache again. */
function servesFromCache(node: OutageNode): Promise<void> {
  let before: number | undefined
  return until(async () => {
    const { cache } = await node.region()
    expect(cache).toMatchObject({ inUse: true, error: null })
    before ??= cache?.hits ?? 0
    expect(cache?.hits).toBeGreaterThan(before)
  }, LONG_MS)
}

test('30 s without Kafka and Redis lose nothing, and heal', { timeout: WAIT_MS }, async () => {
  const node = await place.start({
    etcd: { members: { [HOME]: [etcd.address] } },
    kafka: { brokers: [kafka.address], tablePartitions: TABLE_PARTITIONS },
    redis: { address: redis.address },
  })
  await node.ready()
  const db = await node.client()
  await prepare(db)
  const sessions = await Promise.all([node.client(), node.client()])
  for (const i of sessions.keys()) {
    await db.tenant(TENANT).orders.insert({ id: `s${i}`, amount: 0 }, options)
  }
  await db.tenant(TENANT).visits.insert({ id: VISIT, times: 0 }, options)
  const load = new Load(db, sessions)
  await load.further(5)
  await load.during(servesFromCache(node))

  await Promise.all([kafka.kill(), redis.kill()])
  const goneMs = performance.now()
  await load.during(node.says('role waits', '"relay"', 'LOG_UNAVAILABLE', kafka.address))
  await load.during(node.says('cache connection failed', redis.address))
  await load.further(20)
  const away = await node.region()
  expect(away).toMatchObject({ relayError: 'LOG_UNAVAILABLE', cache: { inUse: false } })
  expect(await node.isReady()).toBe(true)
  await load.during(pause(Math.max(0, OUTAGE_MS - (performance.now() - goneMs))))
  await load.further(5)
  await load.during(Promise.all([kafka.restart(), redis.restart()]))
  await load.during(node.says('role goes on', '"relay"'))
  await load.during(servesFromCache(node))
  await load.further(5)
  await redis.ask('FLUSHALL')
  await load.further(5)
  await load.during(servesFromCache(node))
  await load.end()
  expect(load.slowestReadMs).toBeLessThan(SLOWEST_MS)

  await node.whole()
  await expectAll(node, load, sessions.length)
  expect((await node.region()).cache?.samples.mismatches).toBe(0)
  await node.stop()
})

async function expectAll(node: OutageNode, load: Load, sessions: number): Promise<void> {
  const { pinned, strong, eventual } = load.acknowledged
  const db = await node.client()
  const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}`).sort()
  const now = { consistency: 'strong', limit: 10_000, ...options } as const
  const { rows: plans } = await db.plans.list(now)
  expect(plans.map(({ id }) => id).sort()).toEqual(ids(strong))
  const { rows: orders } = await db.tenant(TENANT).orders.list(now)
  const ownIds = Array.from({ length: sessions }, (_, i) => `s${i}`)
  const expected = [...ids(pinned), ...ownIds].sort()
  expect(orders.map(({ id }) => id).sort()).toEqual(expected)
  const amount = orders.reduce((sum, row) => sum + row.amount, 0)
  const [view] = await db.tenant(TENANT).view('revenue').list(options)
  expect(view).toEqual({ orders: orders.length, amount })
  expect((await db.tenant(TENANT).visits.get(VISIT, options))?.times).toBe(eventual)
  // The other region has all of it, too.
  const other = await node.client(OTHER)
  await until(async () => {
    const stale = { consistency: 'stale', ...options } as const
    expect(await other.tenant(TENANT).view('revenue').list(stale)).toEqual([view])
    expect((await other.tenant(TENANT).visits.get(VISIT, stale))?.times).toBe(eventual)
    expect((await other.plans.list({ ...stale, limit: 10_000 })).rows).toHaveLength(strong)
  }, LONG_MS)
  await node.whole(OTHER)
  for (const region of [HOME, OTHER]) await expectTopics(node, region, { orders, plans })
}

/** Each change is in the change log once, and in the topic of its table at least once. */
async function expectTopics(
  node: OutageNode,
  region: string,
  rows: Readonly<Record<'orders' | 'plans', readonly { readonly id: string }[]>>,
): Promise<void> {
  const { source, relayPosition } = await node.region(region)
  const changes = await changesOf(kafka.address, `${place.name}.${source}.changes`)
  expect(changes.map(({ localSeq }) => localSeq)).toEqual(
    Array.from({ length: relayPosition }, (_, i) => i + 1),
  )
  const inLog = new Set(changes.map(({ key }) => key.at(-1)))
  for (const table of ['orders', 'plans'] as const) {
    const topic = `${place.name}.${region}.${table}`
    const envelopes = await envelopesOf(kafka.address, topic, TABLE_PARTITIONS)
    const inTopic = new Set(envelopes.map(({ key }) => key['id']))
    for (const { id } of rows[table]) {
      expect(inLog, `change log of ${region}`).toContain(id)
      expect(inTopic, topic).toContain(id)
    }
  }
}
