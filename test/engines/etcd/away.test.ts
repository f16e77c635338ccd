/** What is not there, or not what was configured: the error names it, and everything heals by itself. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd, type EtcdOptions } from '../../../src/cluster/engines/etcd.ts'
import { startRedis } from '../../../src/cluster/engines/redis.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { freePorts } from '../../support/free-ports.ts'
import { until } from '../../support/until.ts'
import { newName, openEngine } from './support/open-engine.ts'

const LONG_MS = 120_000
const payload = new Uint8Array([1])

async function start(options: EtcdOptions = {}): Promise<Awaited<ReturnType<typeof startEtcd>>> {
  const etcd = await startEtcd(options)
  onTestFinished(() => etcd.close())
  return etcd
}

test('opens while etcd is down, says so by name, and goes on once it is there', async () => {
  const [port = 0] = await freePorts(1)
  const address = `127.0.0.1:${port}`
  const engine = await openEngine([address])
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  const failure = await failureOf(log.append('g', 'one', payload))
  expect(failure).toMatchObject({
    code: 'LOG_UNAVAILABLE',
    retry: 'safe',
    details: { engine: 'etcd', addresses: [address] },
  })
  expect((failure as Error).message).toContain(address)
  expect(await engine.status()).toMatchObject([{ address, reachable: false }])
  expect(await failureOf(engine.deploymentId())).toMatchObject({ code: 'LOG_UNAVAILABLE' })
  await start({ port })
  await until(async () => expect(await log.append('g', 'one', payload)).toBe(1), LONG_MS)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  expect(seen.failures).toEqual([])
})

test.each(['an HTTP server', 'Redis'])('%s at the address is not etcd', async (what) => {
  const address = what === 'Redis' ? await startOtherEngine() : await startHttp()
  const engine = await openEngine([address])
  const log = engine.commitLog()
  const failures = await Promise.all([
    failureOf(log.append('g', 'one', payload)),
    failureOf(log.readIndex('g')),
    failureOf(engine.deploymentId()),
  ])
  for (const failure of failures) {
    expect(failure).toMatchObject({ code: 'LOG_MISCONFIGURED', details: { addresses: [address] } })
    expect((failure as Error).message).toContain(address)
  }
})

async function startOtherEngine(): Promise<string> {
  const redis = await startRedis()
  onTestFinished(() => redis.close())
  return redis.address
}

async function startHttp(): Promise<string> {
  const server = createServer((_, response) => response.end('hello'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a wrong password is told as such; the right one works, over restarts too', async () => {
  const etcd = await start({ root: { user: 'root', password: 'right' } })
  const name = newName()
  const wrong = await openEngine([etcd.address], { name, user: 'root', password: 'wrong' })
  const failure = await failureOf(wrong.commitLog().append('g', 'one', payload))
  expect(failure).toMatchObject({
    code: 'LOG_MISCONFIGURED',
    details: { addresses: [etcd.address] },
  })
  expect((failure as Error).message).toContain(etcd.address)
  expect((failure as Error).message).not.toContain('wrong')
  const none = await openEngine([etcd.address], { name })
  expect(await failureOf(none.commitLog().readIndex('g'))).toMatchObject({
    code: 'LOG_MISCONFIGURED',
  })
  const right = await openEngine([etcd.address], { name, user: 'root', password: 'right' })
  const log = right.commitLog()
  const seen = watch(log, 'g', 1)
  expect(await log.append('g', 'one', payload)).toBe(1)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  // Its tokens are gone with the process.
  await etcd.restart()
  await until(async () => expect(await log.append('g', 'two', payload)).toBe(2), LONG_MS)
  await until(() => expect(seen.entries).toHaveLength(2), LONG_MS)
  expect(seen.failures).toEqual([])
})

test('TLS with certificates of clients: works with one, and says what is wrong without', async () => {
  const { certificate, key } = await selfSignedCertificate()
  const folder = mkdtempSync(join(tmpdir(), 'meridian-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const files = {
    ca: join(folder, 'ca.pem'),
    certificate: join(folder, 'ca.pem'),
    key: join(folder, 'key.pem'),
  }
  writeFileSync(files.ca, certificate)
  writeFileSync(files.key, key)
  const etcd = await start({
    tls: { ...files, requireClientCertificate: true },
    root: { user: 'root', password: 'right' },
  })
  const access = { user: 'root', password: 'right', name: newName() }
  const good = await openEngine([etcd.address], {
    ...access,
    tls: { ca: certificate, certificate, key },
  })
  const log = good.commitLog()
  const seen = watch(log, 'g', 1)
  expect(await log.append('g', 'one', payload)).toBe(1)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  const stranger = await openEngine([etcd.address], { ...access, tls: {} })
  const plain = await openEngine([etcd.address], access)
  const noCertificate = await openEngine([etcd.address], { ...access, tls: { ca: certificate } })
  expect(await failureOf(stranger.commitLog().readIndex('g'))).toMatchObject({
    code: 'LOG_MISCONFIGURED',
  })
  for (const engine of [plain, noCertificate]) {
    const failure = await failureOf(engine.commitLog().readIndex('g'))
    expect(failure).toMatchObject({ details: { addresses: [etcd.address] } })
    expect((failure as { code: string }).code).toMatch(/^LOG_(MISCONFIGURED|UNAVAILABLE)$/)
  }
})

test('a record that is larger than etcd takes is too large; the largest of ours is not', async () => {
  const etcd = await start()
  const log = (await openEngine([etcd.address])).commitLog()
  const large = new Uint8Array(4 * 1024 * 1024).fill(7)
  const seen = watch(log, 'g', 1)
  expect(await log.append('g', 'large', large)).toBe(1)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  expect(Buffer.compare(seen.entries[0]?.payload ?? payload, large)).toBe(0)
  for (const megabytes of [9, 70]) {
    const failure = await failureOf(
      log.append('g', `${megabytes}`, new Uint8Array(megabytes * 1024 * 1024)),
    )
    expect(failure).toMatchObject({ code: 'TRANSACTION_TOO_LARGE' })
  }
  expect(await log.append('g', 'next', payload)).toBe(2)
})
