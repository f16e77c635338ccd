/** Engines as processes: they serve once they are started, keep their data, and never stay behind. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Engine } from '../../../src/cluster/engines/engine.ts'
import { startEtcd, startEtcdCluster } from '../../../src/cluster/engines/etcd.ts'
import { isFree } from '../../../src/cluster/engines/free-ports.ts'
import { startKafka } from '../../../src/cluster/engines/kafka.ts'
import { startRedisCluster, startSentinel } from '../../../src/cluster/engines/redis-groups.ts'
import { startRedis } from '../../../src/cluster/engines/redis.ts'
import { startProgram } from '../../support/program.ts'
import { until } from '../../support/until.ts'

const LONG_MS = 120_000

function closedAfterwards<T extends { close(): Promise<void> }>(engine: T): T {
  onTestFinished(() => engine.close())
  return engine
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-launchers-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A zombie is gone, too: it has only not been buried yet. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function portOf({ address }: Engine): number {
  return Number(address.split(':')[1])
}

async function expectGone(engine: Engine, pid: number): Promise<void> {
  expect(isAlive(pid)).toBe(false)
  expect(await isFree(portOf(engine))).toBe(true)
}

async function etcdCall(url: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
  return response.json()
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('etcd', () => {
  it('keeps its data and its address when it is killed and started again', async () => {
    const etcd = closedAfterwards(await startEtcd({ directory: temporaryFolder() }))
    await etcdCall(etcd.url, 'kv/put', { key: base64('k'), value: base64('v') })
    const { pid, address } = etcd
    await etcd.kill()
    await expectGone(etcd, pid)
    await etcd.restart()
    expect(etcd.address).toBe(address)
    expect(etcd.pid).not.toBe(pid)
    expect(await etcdCall(etcd.url, 'kv/range', { key: base64('k') })).toMatchObject({
      kvs: [{ value: base64('v') }],
    })
    const second = etcd.pid
    await etcd.close()
    await expectGone(etcd, second)
  })

  it('of three members goes on without one, and takes it back', async () => {
    const cluster = closedAfterwards(await startEtcdCluster({ names: ['a', 'b', 'c'] }))
    const [first, second] = cluster.members
    await first?.kill()
    await until(async () => {
      expect(
        await etcdCall(second?.url ?? '', 'kv/put', { key: base64('k'), value: base64('v') }),
      ).toHaveProperty('header')
    }, LONG_MS)
    await first?.restart()
    expect(await etcdCall(first?.url ?? '', 'kv/range', { key: base64('k') })).toHaveProperty('kvs')
  })

  it('asks for a password when it has a root user', async () => {
    const root = { user: 'root', password: 'a password' } as const
    const etcd = closedAfterwards(await startEtcd({ root }))
    const refused = await etcdCall(etcd.url, 'kv/range', { key: base64('k') })
    expect(refused).toMatchObject({ error: expect.stringContaining('user name is empty') })
    const login = { name: root.user, password: root.password }
    expect(await etcdCall(etcd.url, 'auth/authenticate', login)).toHaveProperty('token')
  })

  it('that refuses its settings is an error with what it said', async () => {
    const starting = startEtcd({ electionMs: 1 })
    await expect(starting).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining('should be at least as 5 times'),
    })
  })
})

describe('Kafka', () => {
  it('keeps its topics and its address when it is killed and started again', async () => {
    const kafka = closedAfterwards(await startKafka({ directory: temporaryFolder() }))
    const { address, pid } = kafka
    const client = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'kept' }] })
    await admin.disconnect()
    await kafka.kill()
    await expectGone(kafka, pid)
    await kafka.restart()
    expect(kafka.address).toBe(address)
    const again = client.admin()
    await again.connect()
    expect(await again.listTopics()).toContain('kept')
    await again.disconnect()
  })

  it('lets in those with a password, plain or SCRAM, and nobody else', async () => {
    const user = { user: 'alice', password: 'right' }
    const kafka = closedAfterwards(
      await startKafka({
        users: [
          { mechanism: 'plain', ...user },
          { mechanism: 'scram-sha-512', ...user },
        ],
      }),
    )
    const connect = async (mechanism: 'plain' | 'scram-sha-512', password: string) => {
      const admin = new Kafka({
        brokers: [kafka.address],
        sasl: { mechanism: mechanism as 'plain', username: 'alice', password },
        logLevel: logLevel.NOTHING,
        retry: { retries: 0 },
      }).admin()
      await admin.connect()
      await admin.listTopics()
      await admin.disconnect()
    }
    await connect('plain', 'right')
    await connect('scram-sha-512', 'right')
    await expect(connect('plain', 'wrong')).rejects.toThrow(/authenticat/i)
    await expect(connect('scram-sha-512', 'wrong')).rejects.toThrow(/authenticat/i)
  })
})

describe('Redis', () => {
  it('asks for its password, and forgets all when it is started again', async () => {
    const redis = closedAfterwards(await startRedis({ password: 'with "quotes" and spaces' }))
    expect(await redis.ask('SET', 'k', 'v')).toBe('OK')
    await redis.restart()
    expect(await redis.ask('DBSIZE')).toBe('0')
    // The configuration holds the password.
    expect(statSync(join(redis.directory, 'redis.conf')).mode & 0o077).toBe(0)
  })

  it('has a Sentinel that makes the replica the primary', async () => {
    const primary = closedAfterwards(await startRedis({ password: 'secret' }))
    const replica = closedAfterwards(
      await startRedis({ password: 'secret', replicaOf: primary.address }),
    )
    const sentinel = closedAfterwards(
      await startSentinel({ primary: primary.address, password: 'secret', downAfterMs: 500 }),
    )
    await until(async () => {
      expect(await replica.ask('INFO', 'replication')).toContain('master_link_status:up')
      expect(await sentinel.ask('INFO', 'sentinel')).toContain('slaves=1')
    }, LONG_MS)
    await primary.kill()
    await until(async () => {
      expect(await replica.ask('INFO', 'replication')).toContain('role:master')
    }, LONG_MS)
  })

  it('forms a cluster in which every slot has a server', async () => {
    const cluster = closedAfterwards(await startRedisCluster())
    for (const server of cluster.servers) {
      expect(await server.ask('CLUSTER', 'INFO')).toContain('cluster_slots_ok:16384')
    }
  })
})

describe('no engine stays behind', () => {
  it.each([
    ['SIGKILL', ['etcd', 'kafka', 'redis']],
    ['SIGTERM', ['etcd', 'redis']],
    ['SIGINT', ['etcd', 'redis']],
  ] as const)('when its parent ends by %s', async (signal, kinds) => {
    const program = 'test/engines/programs/engine-parent.ts'
    const parent = startProgram(program, kinds, { hasInput: true })
    await parent.prints('ready')
    const started = parent
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { name: string; pid: number; directory: string })
    expect(started.map(({ name }) => name).sort()).toEqual(kinds)
    for (const { pid } of started) expect(isAlive(pid)).toBe(true)
    parent.kill(signal)
    await parent.ended
    await until(() => {
      for (const { name, pid, directory } of started) {
        expect(isAlive(pid), name).toBe(false)
        expect(existsSync(directory), directory).toBe(false)
      }
    }, LONG_MS)
  })

  it('not even one that is stopped', async () => {
    const redis = await startRedis()
    const { pid, directory } = redis
    redis.signal('SIGSTOP')
    await redis.close()
    await expectGone(redis, pid)
    expect(existsSync(directory)).toBe(false)
  })
})

describe('a program', () => {
  it.each([
    ['MERIDIAN_ETCD', '/nowhere/etcd', startEtcd],
    ['MERIDIAN_ETCD', process.execPath, startEtcd],
    ['MERIDIAN_REDIS', '/nowhere/redis-server', startRedis],
    ['MERIDIAN_JAVA', process.execPath, startKafka],
    ['MERIDIAN_KAFKA_JARS', tmpdir(), startKafka],
  ])('that %s names wrongly is an error that says so', async (variable, value, start) => {
    const before = process.env[variable]
    process.env[variable] = value
    onTestFinished(() => {
      if (before === undefined) Reflect.deleteProperty(process.env, variable)
      else process.env[variable] = before
    })
    await expect(start()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(value),
      fix: expect.stringContaining(variable),
    })
  })

  it('says which port of its own is taken', async () => {
    const redis = closedAfterwards(await startRedis())
    const second = startRedis({ port: redis.port })
    await expect(second).rejects.toMatchObject({
      code: 'CACHE_UNAVAILABLE',
      message: expect.stringContaining('Address already in use'),
    })
  })
})
