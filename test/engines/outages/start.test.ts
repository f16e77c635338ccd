/**
 * A node that starts while its engines are away, refuse it, are something else, or are not as they
 * should be: it names them and what to do, serves what it has, and goes on by itself.
 */
import { ConfigResourceTypes, Kafka, logLevel, type Admin } from 'kafkajs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startEtcd, type EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { startKafka, type KafkaEngine } from '../../../src/cluster/engines/kafka.ts'
import { startRedis, type RedisEngine } from '../../../src/cluster/engines/redis.ts'
import { until } from '../../support/until.ts'
import {
  DEADLINE_MS,
  HOME,
  LONG_MS,
  NodePlace,
  prepare,
  strongWriteSays,
  TENANT,
  type Client,
  type EngineSections,
  type OutageNode,
} from './outage-node.ts'
import { openSwitchboard } from './switchboard.ts'
import { changesOf } from './topic-contents.ts'

const WAIT_MS = 600_000
const options = { deadlineMs: DEADLINE_MS }
const TABLE_PARTITIONS = 1
const SECRETS = {
  ETCD_PASSWORD: 'etcd-secret',
  KAFKA_PASSWORD: 'kafka-secret',
  REDIS_PASSWORD: 'redis-secret',
}

/** One of each for the whole file; tests come in turn, each on the data of the one before. */
let etcd: EtcdEngine
let kafka: KafkaEngine
let redis: RedisEngine
let place: NodePlace
/** Orders that were acknowledged so far. */
let orders = 0

beforeAll(async () => {
  place = new NodePlace()
  const user = {
    mechanism: 'scram-sha-256',
    user: 'node',
    password: SECRETS.KAFKA_PASSWORD,
  } as const
  ;[etcd, kafka, redis] = await Promise.all([
    startEtcd({ root: { user: 'root', password: SECRETS.ETCD_PASSWORD } }),
    startKafka({ users: [user] }),
    startRedis({ password: SECRETS.REDIS_PASSWORD }),
  ])
}, WAIT_MS)

afterAll(async () => {
  await Promise.all([etcd, kafka, redis].map((engine) => engine?.close()))
  place?.remove()
}, WAIT_MS)

/** The engines as they are, at other addresses where these are given. */
function sections(at: Partial<Record<'etcd' | 'kafka' | 'redis', string>> = {}): EngineSections {
  const sasl = { mechanism: 'scram-sha-256', user: 'node', password: { env: 'KAFKA_PASSWORD' } }
  return {
    etcd: {
      members: { [HOME]: [at.etcd ?? etcd.address] },
      user: 'root',
      password: { env: 'ETCD_PASSWORD' },
    },
    kafka: { brokers: [at.kafka ?? kafka.address], sasl, tablePartitions: TABLE_PARTITIONS },
    redis: { address: at.redis ?? redis.address, password: { env: 'REDIS_PASSWORD' } },
  }
}

/** Writes and reads what a region needs no other engine for. */
async function servesItsOwn(db: Client): Promise<void> {
  const id = `o${orders}`
  const tenant = db.tenant(TENANT)
  await tenant.orders.insert({ id, amount: 1 }, options)
  orders++
  expect(await tenant.orders.get(id, options)).toEqual({ id, amount: 1 })
  await tenant.visits.upsert({ id, times: 0 }, options)
  expect((await tenant.orders.list({ limit: 1_000, ...options })).rows).toHaveLength(orders)
}

/** All that was acknowledged is everywhere, and all kinds of calls are served. */
async function isWhole(node: OutageNode, db: Client): Promise<void> {
  await node.ready()
  await db.plans.insert({ id: `p${orders}`, seats: 1 }, options)
  await servesItsOwn(db)
  await node.whole()
  expect(await db.tenant(TENANT).view('revenue').list(options)).toEqual([
    { orders, amount: orders },
  ])
  const { source, relayPosition } = await node.region()
  const changes = await changesOf(kafka.internalAddress, `${place.name}.${source}.changes`)
  expect(changes).toHaveLength(relayPosition)
}

function openAdmin(): Admin {
  const brokers = [kafka.internalAddress]
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 20 } }).admin()
  onTestFinished(() => admin.disconnect())
  return admin
}

/** Settings that are left out get their defaults again. */
async function setTopic(topic: string, settings: string): Promise<void> {
  const configEntries = settings.split(',').map((setting) => {
    const [name = '', value = ''] = setting.split('=')
    return { name, value }
  })
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries }
  await openAdmin().alterConfigs({ validateOnly: false, resources: [resource] })
}

test(
  'a topic that was made with wrong settings is named, and used once it is mended',
  { timeout: WAIT_MS },
  async () => {
    const topic = `${place.name}.${HOME}.orders`
    await openAdmin().createTopics({
      topics: [
        {
          topic,
          numPartitions: TABLE_PARTITIONS,
          configEntries: [{ name: 'retention.ms', value: '1000' }],
        },
      ],
    })
    const node = await place.start(sections(), SECRETS)
    const db = await node.client()
    await node.ready()
    await prepare(db)
    await servesItsOwn(db)
    await node.says(
      'role waits',
      '"publisher"',
      'LOG_MISCONFIGURED',
      topic,
      'retention.ms',
      'kafka-configs.sh',
    )
    // The rest does not wait for it.
    await until(async () => {
      const { relayError, relayPosition, viewPosition, publisher } = await node.region()
      expect(relayError).toBeNull()
      expect(viewPosition).toBe(relayPosition)
      expect(publisher?.error).toBe('LOG_MISCONFIGURED')
    }, LONG_MS)
    const [, fix = ''] = /--add-config ([^` ]+)/.exec(node.program.stderr()) ?? []
    await setTopic(topic, fix)
    await isWhole(node, db)
    await node.says('role goes on', '"publisher"')
    await node.stop()
  },
)

test('everything is away at the start', { timeout: WAIT_MS }, async () => {
  await Promise.all([etcd, kafka, redis].map((engine) => engine.kill()))
  const node = await place.start(sections(), SECRETS)
  const db = await node.client()
  await servesItsOwn(db)
  await strongWriteSays(db, 'no', 'LOG_UNAVAILABLE', `etcd does not answer: ${etcd.address}`)
  await node.says('waiting for the commit log', `etcd does not answer: ${etcd.address}`)
  await node.says('etcd-member-away', etcd.address)
  await node.says('role waits', '"relay"', `Kafka at ${kafka.address}`)
  await node.says('cache connection failed', redis.address)
  const { checks, ready } = await node.report()
  expect(ready).toBe(false)
  expect(checks.filter(({ ok }) => !ok)).toMatchObject([{ name: `log ${HOME}` }])
  expect(await node.region()).toMatchObject({ relayError: 'LOG_UNAVAILABLE' })
  await servesItsOwn(db)
  await Promise.all([etcd, kafka, redis].map((engine) => engine.restart()))
  await isWhole(node, db)
  await node.stop()
})

test('every password is wrong', { timeout: WAIT_MS }, async () => {
  const wrong = Object.fromEntries(Object.keys(SECRETS).map((name) => [name, 'not-this-one']))
  const node = await place.start(sections(), wrong)
  const db = await node.client()
  await servesItsOwn(db)
  await strongWriteSays(
    db,
    'no',
    'LOG_MISCONFIGURED',
    `etcd at ${etcd.address}`,
    'commitLog.etcd.user',
  )
  await node.says('waiting for the commit log', `etcd at ${etcd.address} refuses this user`)
  await node.says('role waits', '"relay"', `Kafka at ${kafka.address} refused the user`, 'sasl')
  await node.says('cache connection failed', redis.address, 'WRONGPASS')
  expect(node.program.stderr()).not.toContain('not-this-one')
  await servesItsOwn(db)
  expect(await node.isReady()).toBe(false)
  await node.stop(/LOG_MISCONFIGURED/)
})

test(
  'something else listens at every address, then what should',
  { timeout: WAIT_MS },
  async () => {
    const boards = {
      etcd: await openSwitchboard(redis.address),
      kafka: await openSwitchboard(etcd.address),
      redis: await openSwitchboard(kafka.address),
    }
    const at = {
      etcd: boards.etcd.address,
      kafka: boards.kafka.address,
      redis: boards.redis.address,
    }
    const node = await place.start(sections(at), SECRETS)
    const db = await node.client()
    await servesItsOwn(db)
    await strongWriteSays(db, 'no', 'LOG_MISCONFIGURED', at.etcd, 'commitLog.etcd.members')
    await node.says('waiting for the commit log', at.etcd, 'commitLog.etcd.members')
    await node.says('role waits', '"relay"', `Kafka at ${at.kafka}`)
    await node.says('cache connection failed', at.redis)
    await servesItsOwn(db)
    expect(await node.isReady()).toBe(false)
    boards.etcd.lead(etcd.address)
    boards.kafka.lead(kafka.address)
    boards.redis.lead(redis.address)
    await isWhole(node, db)
    await node.stop(/LOG_MISCONFIGURED/)
  },
)
