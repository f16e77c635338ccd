/** Topics of tables on a real broker, read by clients that know nothing of Meridian. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ConfigResourceTypes, Kafka, logLevel, type KafkaMessage } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startKafka } from '../../../src/cluster/engines/kafka.ts'
import { engines } from '../../support/engines.ts'
import { changeOf, parseRecord, type Envelope } from '../../support/topic-records.ts'
import { SAMPLES } from '../../support/topic-schema.ts'
import { until } from '../../support/until.ts'
import { consoleConsume } from '../support/console-consumer.ts'
import { order, PARTITIONS, PublishedStore, SOURCE } from './support.ts'

const WAIT_MS = 120_000

function clientOf(broker: string): Kafka {
  return new Kafka({ clientId: 'reader', brokers: [broker], logLevel: logLevel.NOTHING })
}

/** A record with its partition. */
type Consumed = KafkaMessage & { readonly partition: number }

/** How many records a topic has: more than were meant where an answer of the broker was late. */
async function countRecords(broker: string, topic: string): Promise<number> {
  const admin = clientOf(broker).admin()
  await admin.connect()
  const offsets = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
}

/** Every record of a topic, by a consumer of kafkajs. */
async function consume(broker: string, topic: string): Promise<Consumed[]> {
  const count = await countRecords(broker, topic)
  const consumer = clientOf(broker).consumer({ groupId: `${topic}-${Date.now()}` })
  const messages: Consumed[] = []
  await consumer.connect()
  onTestFinished(() => consumer.disconnect())
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: ({ partition, message }) => {
      messages.push({ ...message, partition })
      return Promise.resolve()
    },
  })
  await until(() => expect(messages).toHaveLength(count), WAIT_MS)
  return messages
}

/** The localSeq of a change; 0 of another record. */
function seqOf({ headers }: Consumed): number {
  return Number(headers?.['meridian-local-seq'] ?? 0)
}

/** As the console consumer shows them: `name:value`, comma-separated. */
function headersOf(shown: string): Record<string, string> {
  return Object.fromEntries(
    shown.split(',').map((one) => {
      const at = one.indexOf(':')
      return [one.slice(0, at), one.slice(at + 1)]
    }),
  )
}

describe('topics of tables', () => {
  test("Kafka's console consumer reads keys, values and headers as they are specified", async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    const email = new Uint8Array([1, 2, 3, 255])
    const expiresAt = store.world.nowMs + 1000
    await store.write(order('o1', 900, { email }), order('o2', 5))
    await store.write(order('o1', 950, { email }))
    await store.write(order('o3', 1, { expiresAt }))
    store.world.nowMs = expiresAt
    await store.world.sweep()
    await store.world.relay(Infinity)
    await store.start()
    expect(await store.published()).toBe(5)

    const topic = store.topic('orders')
    const records = await consoleConsume(broker, topic, await countRecords(broker, topic))
    const bySeq = new Map(
      records
        .filter(({ key }) => key !== null)
        .map(({ key, value, headers }) => ({ key, value, headers: headersOf(headers) }))
        .map((record) => [Number(record.headers['meridian-local-seq']), record]),
    )
    const changes = [1, 2, 3, 4, 5].map((seq) => bySeq.get(seq))
    expect(changes.map((change) => change?.key)).toEqual([
      '["acme","o1"]',
      '["acme","o2"]',
      '["acme","o1"]',
      '["acme","o3"]',
      '["acme","o3"]',
    ])
    const envelopes = changes.map((change) => JSON.parse(change?.value ?? '') as Envelope)
    expect(envelopes).toMatchObject([
      {
        localSeq: 1,
        op: 'insert',
        cause: 'user',
        before: null,
        transaction: { index: 0, size: 2 },
      },
      { localSeq: 2, op: 'insert', after: { id: 'o2', amountCents: 5 } },
      {
        localSeq: 3,
        origin: { source: SOURCE, epoch: 1, seq: 3 },
        op: 'update',
        before: { amountCents: 900 },
        after: { id: 'o1', amountCents: 950, email: { encrypted: 'AQID/w==' }, expiresAt: null },
      },
      { localSeq: 4, after: { id: 'o3', expiresAt: new Date(expiresAt).toISOString() } },
      { localSeq: 5, op: 'delete', cause: 'ttl', key: { id: 'o3' }, after: null },
    ])
    expect(changes[2]?.headers).toMatchObject({
      'content-type': 'application/json',
      'meridian-store': SOURCE,
      'meridian-origin': `${SOURCE}:3`,
      'meridian-local-seq': '3',
    })
    const resolved = records.filter(({ key }) => key === null)
    expect(resolved.length).toBeGreaterThanOrEqual(PARTITIONS)
    for (const { value } of resolved) {
      expect(JSON.parse(value ?? '')).toMatchObject({ source: SOURCE, localSeq: 5 })
    }
  })

  test('end in every partition with what tells that nothing is missing', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    await store.start()
    for (let i = 0; i < 10; i++) await store.write(order(`o${i}`, i))
    const end = await store.published()
    const messages = await consume(broker, store.topic('orders'))
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = messages.filter((message) => message.partition === partition)
      const { headers } = own.at(-1) ?? {}
      expect(String(headers?.['meridian-resolved'])).toBe(String(end))
      const last = Math.max(0, ...own.map(seqOf))
      expect(String(headers?.['meridian-prev-seq'])).toBe(String(last))
    }
    expect(new Set(messages.map(seqOf)).size).toBe(11)
  })

  test('are made with the settings that are specified', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    await store.start()
    const admin = clientOf(broker).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    await until(async () => {
      const topics = await admin.listTopics()
      expect(topics.filter((topic) => topic.startsWith(`${store.name}.`)).toSorted()).toEqual(
        ['carts', 'dead-letter', 'orders', 'plans', 'samples'].map((name) => store.topic(name)),
      )
    }, WAIT_MS)
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: store.topic('orders') }],
    })
    const entries = resources[0]?.configEntries ?? []
    const settings = Object.fromEntries(
      entries.map(({ configName, configValue }) => [configName, configValue]),
    )
    expect(settings).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': '604800000',
      'max.message.bytes': String(13 * 1024 * 1024),
      'message.timestamp.type': 'LogAppendTime',
    })
  })

  test('in MessagePack keep every value, read by kafkajs', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    await store.start({ format: 'msgpack' })
    const at = Date.UTC(2026, 0, 2)
    const key = ['x', 2n ** 60n, at, 2 ** 40] as const
    const rest = ['é', -1, -(2n ** 63n), 0.1, 1, -5, new Uint8Array([0, 255]), '{"a":[1]}', null]
    const image = [...key, ...rest]
    await store.write({ table: 'samples', tenant: 'acme', key, image })
    await store.published()
    const messages = await consume(broker, store.topic('samples'))
    const message = messages.find((one) => seqOf(one) === 1)
    expect(String(message?.headers?.['content-type'])).toBe('application/vnd.msgpack')
    expect(changeOf('msgpack', SAMPLES, message?.value as Buffer)).toMatchObject({
      key,
      after: image,
    })
    expect(parseRecord('msgpack', message?.key as Buffer)).toEqual([
      'acme',
      'x',
      2n ** 60n,
      new Date(at),
      2n ** 40n,
    ])
  })

  test('take the largest row that there can be', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    await store.start()
    const email = new Uint8Array(4 * 1024 * 1024 - 100).fill(7)
    await store.write(order('large', 1, { email }))
    await store.write(order('large', 2, { email }))
    await store.published()
    expect(store.publisher.status()).toMatchObject({ published: 2, deadLetters: 0 })
    const messages = await consume(broker, store.topic('orders'))
    const update = messages.find((one) => seqOf(one) === 2)
    const { before, after } = parseRecord('json', update?.value as Buffer) as Envelope
    expect([before?.['amountCents'], after?.['amountCents']]).toEqual([1, 2])
    const cell = before?.['email'] as { readonly encrypted: string } | undefined
    expect(Buffer.from(cell?.encrypted ?? '', 'base64').equals(email)).toBe(true)
  })

  test('a row that is too large becomes a dead letter, and the rest goes on', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    await store.start({ maxRecordBytes: 2000 })
    await store.write(order('o1', 1, { email: new Uint8Array(3000) }))
    await store.write(order('o2', 2))
    await store.published()
    const [letter] = await consoleConsume(broker, store.topic('dead-letter'), 1)
    expect(letter?.key).toBe('["acme","o1"]')
    expect(headersOf(letter?.headers ?? '')).toMatchObject({ 'meridian-reason': 'too-large' })
    expect(JSON.parse(letter?.value ?? '')).toMatchObject({ localSeq: 1, reason: 'too-large' })
  })
})

describe('a broker', () => {
  test('that is killed and comes back gets everything, and no write waited for it', async () => {
    const kafka = await startKafka()
    onTestFinished(() => kafka.close())
    const store = await PublishedStore.open(kafka.address)
    await store.start()
    await store.write(order('o1', 1))
    await store.published()
    await kafka.kill()
    for (let i = 0; i < 20; i++) await store.write(order(`o${i % 4}`, i))
    await until(() => {
      const { error, lagMs } = store.publisher.status()
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
      expect(error?.message).toContain(kafka.address)
      expect(lagMs).toBeGreaterThan(0)
    }, WAIT_MS)
    await kafka.restart()
    expect(await store.published()).toBe(21)
    expect(store.publisher.status()).toMatchObject({ error: null, lagMs: 0 })
    const messages = await consume(kafka.address, store.topic('orders'))
    const seqs = messages.map(seqOf)
    const expected = Array.from({ length: 21 }, (_, i) => i + 1)
    expect([...new Set(seqs.filter((seq) => seq > 0))].toSorted((a, b) => a - b)).toEqual(expected)
  })
})

describe('the example', () => {
  test('prints every change once, although some came twice, and ends at the position', async () => {
    const { broker } = engines().kafka
    const store = await PublishedStore.open(broker)
    const first = await store.start()
    await store.write(order('o1', 1), order('o2', 2))
    await store.published()
    await first.stop()
    // As after a crash before the position was kept.
    await store.world.store.write([{ sql: `DELETE FROM _meta WHERE key LIKE 'topics%'`, args: [] }])
    await store.start()
    await store.write(order('o1', 3))
    const end = await store.published()
    const program = 'examples/kafka-consumer/consume.ts'
    const args = ['--import', 'tsx', program, broker, store.topic('orders'), String(end)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    const [code] = (await once(child, 'close')) as [number | null]
    expect(output).not.toContain('missing')
    const lines = output.trim().split('\n')
    expect(lines.slice(0, -1).toSorted()).toEqual([
      '1 insert user "acme" {"id":"o1"} {"id":"o1","amountCents":1,"email":null,"expiresAt":null}',
      '2 insert user "acme" {"id":"o2"} {"id":"o2","amountCents":2,"email":null,"expiresAt":null}',
      '3 update user "acme" {"id":"o1"} {"id":"o1","amountCents":3,"email":null,"expiresAt":null}',
    ])
    expect(lines.at(-1)).toBe('complete up to 3')
    expect(code).toBe(0)
  })
})
