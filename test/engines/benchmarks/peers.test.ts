/** Raw engines as peers: each call does its work, and nothing is left behind. */
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import { Redis } from 'ioredis'
import { ConfigResourceTypes, Kafka, logLevel, type Admin } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { anyReadId } from '../../../benchmarks/cells/rows.ts'
import { openEtcdPeer, type EtcdPeer } from '../../../benchmarks/peers/etcd.ts'
import { openHttpPeer } from '../../../benchmarks/peers/http-server.ts'
import { openKafkaPeer } from '../../../benchmarks/peers/kafka.ts'
import type { Peer, PeerOperation } from '../../../benchmarks/peers/peer.ts'
import { openRedisPeer } from '../../../benchmarks/peers/redis.ts'
import type { Topology } from '../../../src/config/topology.ts'
import { engines } from '../../support/engines.ts'
import { freePorts } from '../../support/free-ports.ts'
import { until } from '../../support/until.ts'

const US = 'us-east'
const EU = 'eu-west'
const topology: Topology = { regions: [US, EU], oneWayMs: { 'eu-west/us-east': 40 } }

function closing<P extends Peer>(peer: P): P {
  onTestFinished(() => peer.close())
  return peer
}

async function call({ operation }: PeerOperation, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await operation(i)
}

async function awayAddress(): Promise<string> {
  const [port] = await freePorts(1)
  return `127.0.0.1:${port}`
}

describe('etcd', () => {
  async function openPeer(): Promise<{ readonly peer: EtcdPeer; readonly etcd: Etcd3 }> {
    const { endpoint } = engines().etcd
    const addresses = new Map([US, EU].map((region) => [region, endpoint]))
    const etcd = new Etcd3({ hosts: endpoint })
    onTestFinished(() => etcd.close())
    return { peer: closing(await openEtcdPeer({ addresses, topology, leader: US })), etcd }
  }

  test('a transaction puts a value of the stated size, each time anew', async () => {
    const { peer, etcd } = await openPeer()
    const key = `${peer.prefix}${EU}`
    const versionOf = async (): Promise<number> => {
      const { kvs } = await etcd.get(key).exec()
      expect(kvs[0]?.value.length).toBe(256)
      return Number(kvs[0]?.version)
    }
    const before = await versionOf()
    await call(peer.transaction(EU), 5)
    expect(await versionOf()).toBe(before + 5)
    expect(await etcd.getAll().prefix(peer.prefix).keys()).toHaveLength(2)
  })

  test('a linearizable read sees what was deleted a moment before', async () => {
    const { peer, etcd } = await openPeer()
    const read = peer.linearizableRead(US)
    await call(read, 3)
    await etcd.delete().key(`${peer.prefix}${US}`)
    await expect(read.operation(3)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })

  test('its operations say what they cost at least', async () => {
    const { peer } = await openPeer()
    expect(peer.version).toMatch(/^3\./)
    expect(peer.transaction(US)).toMatchObject({
      networkMs: 80,
      home: US,
      durability: 'fsync on a majority',
    })
    expect(peer.transaction(EU).networkMs).toBe(160)
  })

  test('nothing of it is left when it is closed', async () => {
    const { endpoint } = engines().etcd
    const etcd = new Etcd3({ hosts: endpoint })
    onTestFinished(() => etcd.close())
    const own = new Map([[US, endpoint]])
    const peer = await openEtcdPeer({ addresses: own, topology, leader: US })
    expect(await etcd.getAll().prefix(peer.prefix).keys()).toHaveLength(1)
    await peer.close()
    expect(await etcd.getAll().prefix(peer.prefix).keys()).toEqual([])
  })

  test('a member that is away is named', async () => {
    const address = await awayAddress()
    const addresses = new Map([
      [US, engines().etcd.endpoint],
      [EU, address],
    ])
    await expect(openEtcdPeer({ addresses, topology, leader: US })).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      details: { engine: 'etcd', address },
      message: expect.stringContaining(`etcd at ${address}`) as string,
    })
  })
})

describe('kafka', () => {
  async function openAdmin(): Promise<Admin> {
    const { broker } = engines().kafka
    const kafka = new Kafka({ brokers: [broker], clientId: 'peers', logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    return admin
  }

  test('what is produced is stored, and the consumer has it; then topic and group are gone', async () => {
    const admin = await openAdmin()
    const { broker } = engines().kafka
    const peer = await openKafkaPeer({ addresses: new Map([[US, broker]]) })
    const topic = peer.topics.get(US) ?? ''
    try {
      const before = peer.consumed(US)
      await call(peer.produceConsume(US), 7)
      expect(peer.consumed(US)).toBe(before + 7)
      await call(peer.produce(US), 3)
      await until(() => expect(peer.consumed(US)).toBe(before + 10))
      const [partition] = await admin.fetchTopicOffsets(topic)
      expect(Number(partition?.offset)).toBe(before + 10)
    } finally {
      await peer.close()
    }
    // The first one goes on asking for the topic that it has seen.
    const later = await openAdmin()
    expect(await later.listTopics()).not.toContain(topic)
    const { groups } = await later.listGroups()
    expect(groups.map(({ groupId }) => groupId)).not.toContain(topic)
  })

  test('calls at once all come through', async () => {
    const { broker } = engines().kafka
    const peer = closing(await openKafkaPeer({ addresses: new Map([[US, broker]]) }))
    const { operation } = peer.produceConsume(US)
    await Promise.all(Array.from({ length: 50 }, (_, i) => operation(i)))
    expect(peer.consumed(US)).toBe(51)
  })

  test('the broker does not force records to the disk, as is said of it', async () => {
    const admin = await openAdmin()
    const { broker } = engines().kafka
    const peer = closing(await openKafkaPeer({ addresses: new Map([[US, broker]]) }))
    expect(peer.produce(US).durability).toBe('memory of the broker (no fsync)')
    const name = peer.topics.get(US) ?? ''
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['flush.messages'] }],
    })
    expect(resources[0]?.configEntries[0]?.configValue).toBe(`${2n ** 63n - 1n}`)
  })

  test('a broker that is away is named', async () => {
    const address = await awayAddress()
    await expect(openKafkaPeer({ addresses: new Map([[US, address]]) })).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining(`Kafka at ${address}`) as string,
    })
  })
})

describe('redis', () => {
  function openClient(): Redis {
    const redis = new Redis(`redis://${engines().redis.address}`)
    onTestFinished(() => redis.disconnect())
    return redis
  }

  test('SET sets, GET gets, and the keys are gone when it is closed', async () => {
    const redis = openClient()
    const peer = await openRedisPeer({ addresses: new Map([[US, engines().redis.address]]) })
    const keys = (): Promise<string[]> => redis.keys(`${peer.prefix}*`)
    try {
      expect(await keys()).toHaveLength(100)
      await redis.del(...(await keys()))
      await call(peer.set(US), 10)
      expect(await keys()).toHaveLength(10)
      expect((await redis.getBuffer((await keys())[0] ?? ''))?.length).toBe(256)
      await call(peer.get(US), 10)
      await expect(peer.get(US).operation(10)).rejects.toMatchObject({ code: 'CACHE_UNAVAILABLE' })
    } finally {
      await peer.close()
    }
    expect(await keys()).toEqual([])
  })

  test('it says `memory` of a server that has no append-only file', async () => {
    const peer = closing(
      await openRedisPeer({ addresses: new Map([[US, engines().redis.address]]) }),
    )
    const hasFile = /aof_enabled:1/.test(await openClient().info('persistence'))
    expect(peer.get(US).durability === 'memory').toBe(!hasFile)
  })

  test('a server that is away is named', async () => {
    const address = await awayAddress()
    await expect(openRedisPeer({ addresses: new Map([[US, address]]) })).rejects.toMatchObject({
      code: 'CACHE_UNAVAILABLE',
      details: { engine: 'redis', address },
      message: expect.stringContaining(`Redis at ${address}`) as string,
    })
  })
})

test('a bare HTTP server answers in a process of its own, which ends with it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peers-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const peer = await openHttpPeer({ directory, region: US })
  try {
    expect(existsSync(`/proc/${peer.pid}`)).toBe(true)
    expect(peer.pid).not.toBe(process.pid)
    await call(peer.pointRead(), 100)
    const answer = await fetch(`http://${peer.address}`, { method: 'POST', body: anyReadId(7) })
    expect(await answer.json()).toMatchObject([expect.arrayContaining([anyReadId(7)])])
    const none = await fetch(`http://${peer.address}`, { method: 'POST', body: 'no such row' })
    expect(await none.json()).toEqual([])
  } finally {
    await peer.close()
  }
  expect(existsSync(`/proc/${peer.pid}`)).toBe(false)
  expect(readdirSync(directory)).toEqual([])
  await expect(peer.pointRead().operation(0)).rejects.toMatchObject({
    code: 'REGION_UNREACHABLE',
  })
})
