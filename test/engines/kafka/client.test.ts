import { describe, expect, test } from 'vitest'
import type { KafkaClientFaults } from '../../../src/drivers/kafka/faults.ts'
import type { KafkajsClientOptions } from '../../../src/drivers/kafka/kafkajs-client.ts'
import type { KafkaClient, PartitionBatch } from '../../../src/drivers/kafka/kafka-client.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { engines } from '../../support/engines.ts'
import { openGate, type TcpGate } from '../../support/tcp-gate.ts'
import { until } from '../../support/until.ts'
import { freshTopic, openClient } from './support/open-engine.ts'

interface World {
  readonly gate: TcpGate
  readonly topic: string
  /** Reaches the broker through the gate. */
  readonly gated: KafkaClient
  /** Reaches it without. */
  readonly direct: KafkaClient
}

async function openWorld(options: Partial<KafkajsClientOptions> = {}): Promise<World> {
  const { broker } = engines().kafka
  const gate = await openGate(Number(broker.split(':')[1]))
  const direct = openClient(broker)
  const topic = freshTopic()
  await direct.createTopic({ name: topic, partitions: 1, replicationFactor: 1, settings: {} })
  await until(async () => expect(await direct.describeTopic(topic)).not.toBeNull())
  const route = (): { host: string; port: number } => ({ host: '127.0.0.1', port: gate.port })
  return { gate, topic, gated: openClient(broker, { route, ...options }), direct }
}

function batchOf(text: string): readonly PartitionBatch[] {
  const value = new TextEncoder().encode(text)
  return [{ partition: 0, records: [{ key: null, value, headers: {}, timestampMs: 1 }] }]
}

async function stored({ direct, topic }: World): Promise<readonly string[]> {
  const { records } = await direct.fetch(topic, 0, 0, 1024 * 1024)
  return records.map(({ value }) => new TextDecoder().decode(value ?? new Uint8Array()))
}

describe('kafka client: appends', () => {
  test('an append whose answer is lost is repeated, and stored once', async () => {
    const world = await openWorld({ timeoutMs: 60_000, repeatForMs: 60_000 })
    const { gate, gated, topic } = world
    await gated.produce(topic, batchOf('first'))
    gate.cutAnswers()
    const append = gated.produce(topic, batchOf('second'))
    await until(async () => expect(await stored(world)).toContain('second'))
    gate.open()
    await append
    expect(await gated.produce(topic, batchOf('third'))).toEqual([2])
    expect(await stored(world)).toEqual(['first', 'second', 'third'])
  })

  /** What is stored after one append failed, stored all the same, and another one was acknowledged. */
  async function afterLostAppend(faults: KafkaClientFaults): Promise<World> {
    const world = await openWorld({ faults })
    const { gate, gated, topic } = world
    await gated.produce(topic, batchOf('first'))
    gate.cutAnswers()
    expect(await failureOf(gated.produce(topic, batchOf('lost')))).toMatchObject({
      code: 'LOG_UNAVAILABLE',
    })
    gate.open()
    await gated.produce(topic, batchOf('acknowledged'))
    return world
  }

  test('an acknowledged append is stored, whatever became of the one before', async () => {
    const world = await afterLostAppend({})
    await until(async () => {
      expect(await stored(world)).toEqual(['first', 'lost', 'acknowledged'])
    })
  })

  test('must fail: sequence numbers that are given out again swallow an append', async () => {
    const world = await afterLostAppend({ keepsIdentity: true })
    await until(async () => expect(await stored(world)).toEqual(['first', 'lost']))
    expect((await world.direct.offsets(world.topic, 0)).end).toBe(2)
  })

  test('appends at the same time are stored in the order of their calls', async () => {
    const world = await openWorld()
    const texts = Array.from({ length: 50 }, (_, i) => `record ${i}`)
    const offsets = await Promise.all(
      texts.map((text) => world.gated.produce(world.topic, batchOf(text))),
    )
    expect(offsets.flat()).toEqual(texts.map((_, i) => i))
    expect(await stored(world)).toEqual(texts)
  })
})

describe('kafka client: time', () => {
  test('a broker that has gone silent fails the call in time, and the next one succeeds', async () => {
    const world = await openWorld({ timeoutMs: 1_500 })
    const { gate, gated, topic } = world
    await until(async () => {
      await gated.produce(topic, batchOf('first'))
    })
    gate.stall()
    expect(await failureOf(gated.produce(topic, batchOf('second')))).toMatchObject({
      code: 'LOG_UNAVAILABLE',
      retry: 'safe',
    })
    expect(gated.status()).toMatchObject({ isReachable: false })
    gate.open()
    await until(async () => {
      await gated.offsets(topic, 0)
      expect(gated.status()).toMatchObject({ isReachable: true, problem: null })
    })
    expect(gated.status().clusterId).toMatch(/^.{10,}$/)
  })

  test('closing ends a call that waits for a silent broker', async () => {
    const { gate, gated, topic } = await openWorld()
    await gated.offsets(topic, 0)
    gate.stall()
    const call = failureOf(gated.offsets(topic, 0))
    await gated.close()
    expect(await call).toMatchObject({ code: 'CLOSED' })
    expect(await failureOf(gated.offsets(topic, 0))).toMatchObject({ code: 'CLOSED' })
  })
})
