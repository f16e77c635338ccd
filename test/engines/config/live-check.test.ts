/** `meridian config check --live` on engines that run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import { startSentinel } from '../../../src/cluster/engines/redis-groups.ts'
import { startRedis } from '../../../src/cluster/engines/redis.ts'
import type { Probe } from '../../../src/cli/config/live/probe.ts'
import { runCli } from '../../../src/cli/run-cli.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { engines } from '../../support/engines.ts'

const folder = mkdtempSync(join(tmpdir(), 'meridian-live-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function check(text: string): Promise<{ code: number; engines: readonly Probe[] }> {
  const file = join(folder, 'meridian.yaml')
  writeFileSync(file, text)
  let stdout = ''
  const code = await runCli(['config', 'check', '--live', '--json', '--config', file], {
    stdout: { write: (chunk) => (stdout += chunk) },
    stderr: { write: () => undefined },
  })
  return { code, engines: (JSON.parse(stdout) as { engines: readonly Probe[] }).engines }
}

test('says of each engine that it answers, and what it is', async () => {
  const { etcd, kafka, redis } = engines()
  const found = await check(`regions: [a]
commitLog: { etcd: { members: { a: ['${etcd.endpoint}'] } } }
changeLogs: { a: { brokers: ['${kafka.broker}'] } }
caches: { a: { address: '${redis.address}' } }`)
  expect(
    found.engines.map(({ engine, isReachable, problems }) => [engine, isReachable, problems]),
  ).toEqual([
    ['etcd', true, []],
    ['Kafka of a', true, []],
    ['Redis of a', true, []],
  ])
  const [of, kafkaSays, redisSays] = found.engines.map(({ says }) => says)
  expect(of).toMatch(/^etcd 3\.[456]\.\d+, cluster \d+, 1 member, /)
  expect(kafkaSays).toMatch(/^Kafka, cluster \S+, 1 broker, messages up to \d+ bytes$/)
  expect(redisSays).toMatch(/^Redis \d+\.\d+\.\d+, standalone, .*, volatile-lru$/)
  expect(found.code).toBe(0)
})

test('refuses more copies than there are brokers', async () => {
  const { broker } = engines().kafka
  const { code, engines: found } = await check(
    `regions: [a]\nchangeLogs: { a: { brokers: ['${broker}'], replicationFactor: 3 } }`,
  )
  expect(code).toBe(1)
  expect(found[0]?.problems).toEqual(['3 copies of a partition need 3 brokers: 1 broker'])
})

test('refuses members of two clusters of etcd, and names both', async () => {
  const foreign = await startEtcd()
  onTestFinished(() => foreign.close())
  const { endpoint } = engines().etcd
  const { code, engines: found } = await check(
    `regions: [a]\ncommitLog: { etcd: { members: { a: ['${endpoint}', '${foreign.address}'] } } }`,
  )
  expect(code).toBe(1)
  expect(found.map(({ isReachable }) => isReachable)).toEqual([true, true])
  for (const { problems } of found) expect(problems.join()).toContain('belongs to another cluster')
})

test('names a wrong password of Redis, and a policy that evicts', async () => {
  const redis = await startRedis({
    password: 'right',
    settings: ['maxmemory-policy allkeys-lru'],
  })
  onTestFinished(() => redis.close())
  const secret = (name: string, value: string): string => {
    writeFileSync(join(folder, name), value, { mode: 0o600 })
    return `{ file: ${name} }`
  }
  const text = (password: string): string =>
    `regions: [a]\ncaches: { a: { address: '${redis.address}', password: ${password} } }`
  const wrong = await check(text(secret('wrong', 'wrong')))
  expect(wrong.code).toBe(1)
  expect(wrong.engines[0]?.says).toMatch(/WRONGPASS/)
  const right = await check(text(secret('right', 'right')))
  expect(right.code).toBe(0)
  expect(right.engines[0]?.warnings.join()).toContain('maxmemory-policy is allkeys-lru')
})

test('asks the Sentinels of a Redis over TLS, as nodes do', async () => {
  const { certificate, key } = await selfSignedCertificate()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const paths = { certificate: file('own.pem', certificate), key: file('own.key', key) }
  const tls = { ...paths, ca: paths.certificate }
  const primary = await startRedis({ tls })
  onTestFinished(() => primary.close())
  const sentinel = await startSentinel({ primary: primary.address, tls })
  onTestFinished(() => sentinel.close())
  const { engines: found } = await check(
    `regions: [a]
caches: { a: { sentinels: { addresses: ['${sentinel.address}'], name: meridian }, tls: { ca: own.pem } } }`,
  )
  expect(found).toMatchObject([{ isReachable: true, problems: [] }])
})

test('warns of a Redis that is full one day and evicts nothing', async () => {
  const redis = await startRedis({
    settings: ['maxmemory-policy noeviction', 'maxmemory 100mb'],
  })
  onTestFinished(() => redis.close())
  const { engines: found } = await check(
    `regions: [a]\ncaches: { a: { address: '${redis.address}' } }`,
  )
  expect(found[0]?.warnings.join()).toContain('use volatile-lru')
})
