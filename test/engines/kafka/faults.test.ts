import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigResourceTypes, Kafka, logLevel, type Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { freePorts } from '../../../src/cluster/engines/free-ports.ts'
import { startKafka, type KafkaEngine as Broker } from '../../../src/cluster/engines/kafka.ts'
import type { MeridianError } from '../../../src/core/errors.ts'
import type { ChangeLog } from '../../../src/core/ports/change-log.ts'
import type { KafkaTls, KafkaUser } from '../../../src/drivers/kafka/kafkajs-connection.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openKafka } from '../../../src/drivers/kafka/kafka-engine.ts'
import { records } from '../../conformance/change-log-suite.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { startProgram } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { freshTopic, memoryLog, openClient, openEngine } from './support/open-engine.ts'

const WAIT_MS = 120_000
const USERS: readonly KafkaUser[] = [
  { mechanism: 'plain', user: 'anna', password: 'plain-secret' },
  { mechanism: 'scram-sha-256', user: 'berta', password: 'short-secret' },
  { mechanism: 'scram-sha-512', user: 'clara', password: 'long-secret' },
]

/** One broker for the whole file, with TLS and users on its clients' port; tests come in turn. */
let broker: Broker
let folder: string
let tls: KafkaTls
let port: number
/** Opened, and asked, before the broker ran. */
const early = { log: undefined as ChangeLog | undefined, failure: undefined as unknown }
const earlyTopic = freshTopic()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-faults-'))
  const own = await selfSignedCertificate()
  tls = { ca: own.certificate }
  const files = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') }
  await writeFile(files.certificate, own.certificate)
  await writeFile(files.key, own.key)
  const [free = 0] = await freePorts(1)
  port = free
  const engine = openKafka({
    brokers: [`127.0.0.1:${port}`],
    clientId: 'early',
    runtime: systemRuntime,
    log: memoryLog(),
    tls,
    sasl: USERS[0],
  })
  early.log = engine.changeLog({ topic: earlyTopic, replicationFactor: 1 })
  early.failure = await failureOf(early.log.append(records(1, 3)))
  broker = await startKafka({ port, users: USERS, tls: { ...files, ca: files.certificate } })
}, WAIT_MS * 2)

afterAll(async () => {
  await early.log?.close()
  await broker.close()
  rmSync(folder, { recursive: true, force: true })
}, WAIT_MS)

async function refusalOf(call: Promise<unknown>): Promise<MeridianError> {
  return (await failureOf(call)) as MeridianError
}

/** Of a log on the broker's clients' port. */
function refusalWith(options: Parameters<typeof openEngine>[1]): Promise<MeridianError> {
  const engine = openEngine(broker.address, options)
  return refusalOf(engine.changeLog({ topic: freshTopic(), replicationFactor: 1 }).end())
}

/** Something that is not Kafka, on a port of its own. */
async function listen(server: Server): Promise<string> {
  onTestFinished(() => {
    server.close()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

function openAdmin(): Admin {
  const kafka = new Kafka({
    brokers: [broker.internalAddress],
    logLevel: logLevel.NOTHING,
    retry: { retries: 20 },
  })
  const admin = kafka.admin()
  onTestFinished(() => admin.disconnect())
  return admin
}

describe('kafka that is not there, or not as it is wanted', () => {
  test('a log that opens before its broker says which is away, and works once it is there', async () => {
    expect(early.failure).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
    expect((early.failure as Error).message).toContain(`127.0.0.1:${port}`)
    const log = early.log as ChangeLog
    await until(() => log.append(records(1, 3)), WAIT_MS)
    expect(await log.read(0, 9)).toStrictEqual(records(1, 3))
  })

  test('each kind of user comes in with its password over TLS, and not with another', async () => {
    for (const sasl of USERS) {
      const log = openEngine(broker.address, { tls, sasl }).changeLog({
        topic: freshTopic(),
        replicationFactor: 1,
      })
      await until(() => log.append(records(1, 1)), WAIT_MS)
      const refusal = await refusalWith({ tls, sasl: { ...sasl, password: 'wrong' } })
      expect(refusal).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
      expect(refusal.message).toContain(broker.address)
      expect(refusal.message).toContain('refused the user or the password')
      expect(refusal.message).not.toContain('wrong')
    }
  })

  test('TLS on one side alone, or of an unknown authority, is refused in time', async () => {
    const [sasl] = USERS
    for (const options of [
      { sasl },
      { sasl, tls: {} },
      { sasl, tls: { ca: (await selfSignedCertificate()).certificate } },
    ]) {
      const refusal = await refusalWith({ ...options, timeoutMs: 5_000 })
      expect(refusal).toMatchObject({ code: 'LOG_UNAVAILABLE' })
      expect(refusal.message).toContain(broker.address)
    }
    const plain = openEngine(broker.internalAddress, { tls, timeoutMs: 5_000 })
    const log = plain.changeLog({ topic: freshTopic(), replicationFactor: 1 })
    expect(await failureOf(log.end())).toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })

  test('what answers in another protocol is refused in time, and ends nothing', async () => {
    const http = await listen(createHttpServer((_, response) => response.end('hello')))
    const answers = [
      '-ERR unknown command\r\n',
      '\0\0\0\u0001x',
      '\u00ff\u00ff\u00ff\u00ff',
      '\0\0\0\0',
    ]
    const others = await Promise.all(
      answers.map((answer) =>
        listen(
          createServer((socket) => {
            socket.on('error', () => undefined)
            socket.once('data', () => socket.write(Buffer.from(answer, 'latin1')))
          }),
        ),
      ),
    )
    for (const address of [http, ...others]) {
      const engine = openEngine(address, { timeoutMs: 3_000 })
      const log = engine.changeLog({ topic: freshTopic(), replicationFactor: 1 })
      const refusal = await refusalOf(log.end())
      expect(refusal).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
      expect(refusal.message).toContain(address)
      expect(engine.status()).toMatchObject({ isReachable: false, problem: refusal.message })
    }
  })

  test('a topic with wrong settings is named with what mends it, and used once it is mended', async () => {
    const topic = freshTopic()
    const client = openClient(broker.internalAddress)
    const settings = { 'retention.ms': '1000', 'cleanup.policy': 'compact' }
    await client.createTopic({ name: topic, partitions: 1, replicationFactor: 1, settings })
    const engine = openEngine(broker.internalAddress)
    const log = engine.changeLog({ topic, replicationFactor: 1 })
    const refusal = await refusalOf(until(() => log.append(records(1, 2)), 1_000))
    expect(refusal).toMatchObject({ code: 'LOG_MISCONFIGURED', details: { topic } })
    for (const wish of ['cleanup.policy=delete', 'retention.ms=-1', 'flush.messages=1']) {
      expect(refusal.fix).toContain(wish)
    }
    const admin = openAdmin()
    await admin.connect()
    const pairs = /--add-config ([^`]*)`/.exec(refusal.fix ?? '')?.[1]?.split(',') ?? []
    const configEntries = pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=')
      return { name, value }
    })
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }]
    await admin.alterConfigs({ validateOnly: false, resources })
    await until(() => log.append(records(1, 2)), WAIT_MS)
    expect(await log.read(0, 9)).toStrictEqual(records(1, 2))
  })

  test('a topic that was deleted is made again; what the log still gets is kept from the start', async () => {
    const topic = freshTopic()
    const lines = memoryLog()
    const engine = openEngine(broker.internalAddress, { log: lines })
    const log = engine.changeLog({ topic, replicationFactor: 1 })
    await log.append(records(1, 5))
    const admin = openAdmin()
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
    await until(async () => {
      // As a relay does: it goes on from the end, with what the outbox holds.
      const end = await log.end()
      if (end < 7) await log.append(records(end + 1, 7))
      expect(await log.end()).toBe(7)
    }, WAIT_MS)
    expect(lines.lines.map(({ event }) => event)).toContain('change log lost records')
    expect(await log.read(0, 9)).toStrictEqual(records(1, 7))
  })
})

describe('kafka that ends in the midst of appends', () => {
  test('what was acknowledged is there after two crashes, without a gap, and the writer goes on', async () => {
    const topic = freshTopic()
    const program = 'test/engines/programs/kafka-log-writer.ts'
    const writer = startProgram(program, [broker.internalAddress, topic], { hasInput: true })
    const acknowledged = (): number => {
      const lines = writer.stdout().trimEnd().split('\n')
      return Number(lines.findLast((line) => line.startsWith('acknowledged'))?.split(' ')[1] ?? 0)
    }
    const progress = async (): Promise<void> => {
      const before = acknowledged()
      await until(() => expect(acknowledged()).toBeGreaterThan(before + 20), WAIT_MS)
    }
    await progress()
    for (let crash = 0; crash < 2; crash++) {
      await broker.kill()
      await broker.restart()
      await progress()
    }
    writer.endInput()
    const { code, stderr } = await writer.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const last = acknowledged()
    const log = openEngine(broker.internalAddress).changeLog({ topic, replicationFactor: 1 })
    await until(async () => expect(await log.end()).toBeGreaterThanOrEqual(last), WAIT_MS)
    for (let position = 0; position < last;) {
      const read = await log.read(position, 1000)
      expect(read).toStrictEqual(records(position + 1, position + read.length))
      expect(read.length).toBeGreaterThan(0)
      position += read.length
    }
  })

  test('readers at the tail are served while the broker is away', async () => {
    const log = openEngine(broker.internalAddress).changeLog({
      topic: freshTopic(),
      replicationFactor: 1,
    })
    await until(() => log.append(records(1, 9)), WAIT_MS)
    await broker.kill()
    try {
      expect(await log.read(3, 9)).toStrictEqual(records(4, 9))
      expect(await log.read(9, 9)).toEqual([])
      expect(await failureOf(log.append(records(10, 10)))).toMatchObject({
        code: 'LOG_UNAVAILABLE',
      })
    } finally {
      await broker.restart()
    }
    await until(() => log.append(records(10, 10)), WAIT_MS)
    expect(await log.read(9, 9)).toStrictEqual(records(10, 10))
  })
})
