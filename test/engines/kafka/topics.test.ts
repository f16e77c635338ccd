import { describe, expect, test } from 'vitest'
import type { MeridianError } from '../../../src/core/errors.ts'
import type { TopicRecord, Topics, TopicShape } from '../../../src/core/ports/topics.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { engines } from '../../support/engines.ts'
import { consoleConsume } from '../support/console-consumer.ts'
import { freshTopic, openClient, openEngine } from './support/open-engine.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const record = (
  key: string | null,
  value: string,
  rest: Partial<TopicRecord> = {},
): TopicRecord => ({
  key: key === null ? null : text(key),
  value: text(value),
  headers: {},
  timestampMs: 1_700_000_000_000,
  ...rest,
})

async function refusalOf(call: Promise<unknown>): Promise<MeridianError> {
  return (await failureOf(call)) as MeridianError
}

function openTopics(): Topics {
  return openEngine(engines().kafka.broker).topics()
}

function shapeOf(name: string, rest: Partial<TopicShape> = {}): TopicShape {
  return {
    name,
    partitions: 4,
    replicationFactor: 1,
    settings: { 'cleanup.policy': 'delete', 'retention.ms': '-1' },
    ...rest,
  }
}

describe('kafka topics: what is there', () => {
  test('a topic is made as it is asked for, and found right the next time', async () => {
    const name = freshTopic('orders')
    const topics = openTopics()
    await topics.ensure(shapeOf(name))
    await openTopics().ensure(shapeOf(name))
    const found = await openClient(engines().kafka.broker).describeTopic(name)
    expect(found).toMatchObject({ partitions: 4, replicationFactor: 1 })
    expect(found?.settings.get('retention.ms')).toBe('-1')
  })

  test('makes that meet find one topic, and both succeed', async () => {
    const name = freshTopic('orders')
    const made = [1, 2, 3].map(() => openTopics().ensure(shapeOf(name)))
    expect(await Promise.all(made)).toHaveLength(3)
  })

  test('a topic with another setting is refused: which, its value, the wish, and what mends it', async () => {
    const name = freshTopic('orders')
    await openTopics().ensure(shapeOf(name, { settings: { 'retention.ms': '60000' } }))
    const failure = await refusalOf(openTopics().ensure(shapeOf(name)))
    expect(failure).toMatchObject({
      code: 'LOG_MISCONFIGURED',
      details: { topic: name, setting: 'retention.ms', value: '60000', wish: '-1' },
    })
    expect(failure.message).toContain(`--entity-name ${name} --add-config retention.ms=-1`)
    expect(failure.message).toContain(engines().kafka.broker)
  })

  test('a topic with other partitions or copies is refused', async () => {
    const name = freshTopic('orders')
    await openTopics().ensure(shapeOf(name))
    for (const [wish, setting] of [
      [{ partitions: 8 }, 'the number of partitions'],
      [{ partitions: 2 }, 'the number of partitions'],
      [{ replicationFactor: 3 }, 'the number of copies'],
    ] as const) {
      expect(await failureOf(openTopics().ensure(shapeOf(name, wish)))).toMatchObject({
        code: 'LOG_MISCONFIGURED',
        details: { setting },
      })
    }
  })

  test('more copies than there are brokers are refused, naming the broker and the setting', async () => {
    const wish = shapeOf(freshTopic('orders'), { replicationFactor: 3 })
    const failure = await refusalOf(openTopics().ensure(wish))
    expect(failure).toMatchObject({
      code: 'LOG_MISCONFIGURED',
      details: { brokers: engines().kafka.broker },
    })
    expect(failure.fix).toContain('changeLogs')
  })
})

describe('kafka topics: what is sent', () => {
  test('keys go to the partitions to which the clients of Java send them', async () => {
    const name = freshTopic('orders')
    const topics = openTopics()
    await topics.ensure(shapeOf(name, { partitions: 32 }))
    // Kafka's own test vectors of murmur2, without the sign, modulo the partitions.
    const vectors: Readonly<Record<string, number>> = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
      abc: 479470107,
    }
    await topics.send(
      name,
      Object.keys(vectors).map((key) => record(key, key)),
    )
    const client = openClient(engines().kafka.broker)
    for (const [key, hash] of Object.entries(vectors)) {
      const partition = (hash & 0x7fffffff) % 32
      const { records } = await client.fetch(name, partition, 0, 1024)
      expect(records.map(({ value }) => new TextDecoder().decode(value ?? text('')))).toEqual([key])
    }
  })

  test('records of a key keep their order, however many are sent at once', async () => {
    const name = freshTopic('orders')
    const topics = openTopics()
    await topics.ensure(shapeOf(name))
    const padding = 'x'.repeat(2_000)
    const records = Array.from({ length: 2_000 }, (_, i) =>
      record(`key ${i % 7}`, `${i} ${padding}`),
    )
    await Promise.all([
      topics.send(name, records.slice(0, 1_200)),
      topics.send(name, records.slice(1_200)),
    ])
    const client = openClient(engines().kafka.broker)
    const seen: number[] = []
    for (let partition = 0; partition < 4; partition++) {
      const last = new Map<number, number>()
      for (let offset = 0; ;) {
        const { records: found } = await client.fetch(name, partition, offset, 1024 * 1024)
        if (found.length === 0) break
        for (const { value } of found) {
          const number = Number.parseInt(new TextDecoder().decode(value ?? text('')), 10)
          expect(number).toBeGreaterThan(last.get(number % 7) ?? -1)
          last.set(number % 7, number)
          seen.push(number)
        }
        offset = (found.at(-1)?.offset ?? 0) + 1
      }
    }
    expect(seen.sort((a, b) => a - b)).toEqual(records.map((_, i) => i))
  })

  test('the console consumer of Kafka reads keys, values, headers and times', async () => {
    const name = freshTopic('orders')
    const topics = openTopics()
    await topics.ensure(shapeOf(name, { partitions: 1 }))
    await topics.send(name, [
      record('order 1', '{"total": 5}', { headers: { op: 'insert', table: 'orders' } }),
      record('order 1', 'ä', { timestampMs: 1_700_000_000_001 }),
      record(null, 'no key', { partition: 0 }),
      { ...record('order 1', ''), value: null },
    ])
    const lines = await consoleConsume(engines().kafka.broker, name, 4)
    expect(lines).toEqual([
      {
        key: 'order 1',
        value: '{"total": 5}',
        headers: 'op:insert,table:orders',
        timestampMs: 1_700_000_000_000,
      },
      { key: 'order 1', value: 'ä', headers: '', timestampMs: 1_700_000_000_001 },
      { key: null, value: 'no key', headers: '', timestampMs: 1_700_000_000_000 },
      { key: 'order 1', value: null, headers: '', timestampMs: 1_700_000_000_000 },
    ])
  })

  test('a record that the topic does not take names the setting that is too small', async () => {
    const name = freshTopic('orders')
    const topics = openTopics()
    await topics.ensure(shapeOf(name, { settings: { 'max.message.bytes': '2000' } }))
    const failure = await refusalOf(topics.send(name, [record('key', 'x'.repeat(5_000))]))
    expect(failure).toMatchObject({ code: 'LOG_MISCONFIGURED' })
    expect(failure.message).toContain('max.message.bytes')
    await topics.send(name, [record('key', 'small')])
  })

  test('a topic that is not there is not made by sending to it', async () => {
    const topics = openTopics()
    const name = freshTopic('orders')
    expect(await failureOf(topics.send(name, [record('key', 'value')]))).toMatchObject({
      code: 'LOG_UNAVAILABLE',
    })
    expect(await openClient(engines().kafka.broker).describeTopic(name)).toBeNull()
  })

  test('a closed one refuses', async () => {
    const topics = openTopics()
    await topics.close()
    expect(await failureOf(topics.send('orders', [record('key', 'value')]))).toMatchObject({
      code: 'CLOSED',
    })
  })
})
