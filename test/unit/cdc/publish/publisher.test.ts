import { describe, expect, test } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { hlcMs } from '../../../../src/core/hlc.ts'
import {
  isChange,
  openPublishWorld as open,
  PARTITIONS,
  SOURCE,
} from '../../../support/publish-world.ts'
import { topicSchema } from '../../../support/topic-schema.ts'

const ORDERS_TOPIC = 'shop.eu-west.orders'
const DEAD = 'shop.eu-west.dead-letter'
const DAY_MS = 24 * 60 * 60 * 1000

const sorted = (seqs: readonly number[]): number[] => seqs.toSorted((a, b) => a - b)

describe('topics', () => {
  test('every table has one from the start, and the dead letters, with what they must be like', async () => {
    const world = await open({ replicationFactor: 3 })
    await world.start()
    await world.turns()
    const names = ['orders', 'plans', 'carts', 'samples'].map((name) => `shop.eu-west.${name}`)
    expect([...world.topics.shapes.keys()].toSorted()).toEqual([...names, DEAD].toSorted())
    const settings = {
      'cleanup.policy': 'delete',
      'retention.ms': String(7 * DAY_MS),
      'max.message.bytes': String(13 * 1024 * 1024),
      'message.timestamp.type': 'LogAppendTime',
      'min.insync.replicas': '2',
    }
    expect(world.topics.shapes.get(ORDERS_TOPIC)).toEqual({
      name: ORDERS_TOPIC,
      partitions: PARTITIONS,
      replicationFactor: 3,
      settings,
    })
    expect(world.topics.shapes.get(DEAD)).toMatchObject({ partitions: 1, settings })
  })

  test('a table of a newer schema gets its topic when the node starts with that', async () => {
    const world = await open()
    const tables = topicSchema.tables.filter(({ name }) => name !== 'plans')
    await world.start({ schema: { ...topicSchema, tables } })
    await world.turns()
    expect(world.topics.shapes.has('shop.eu-west.plans')).toBe(false)
    await world.kill()
    await world.start()
    await world.turns()
    expect(world.topics.shapes.has('shop.eu-west.plans')).toBe(true)
  })

  test('one that is not as it must be holds the publisher until it is put right', async () => {
    const world = await open()
    world.topics.shapes.set(ORDERS_TOPIC, {
      name: ORDERS_TOPIC,
      partitions: 9,
      replicationFactor: 1,
      settings: {},
    })
    await world.append({})
    await world.start()
    await world.runtime.advance(20_000)
    expect(world.publisher.status()).toMatchObject({
      position: 0,
      error: { code: 'LOG_MISCONFIGURED', retry: 'safe' },
    })
    expect(world.stopped).toEqual([])
    world.topics.shapes.delete(ORDERS_TOPIC)
    await world.settle()
    expect(world.seqs(ORDERS_TOPIC)).toEqual([1])
  })

  test('one that somebody deleted is made again', async () => {
    const world = await open()
    await world.start()
    await world.turns()
    world.topics.shapes.delete(ORDERS_TOPIC)
    world.topics.failures.push('before')
    await world.append({})
    await world.settle()
    expect(world.seqs(ORDERS_TOPIC)).toEqual([1])
  })
})

describe('records', () => {
  test('carry key, envelope and headers, in the partition of the key', async () => {
    const world = await open()
    await world.append({ key: ['a'] }, { key: ['b'] }, { key: ['a'], op: 'update' })
    await world.start()
    await world.turns()
    const records = world.topics.records(ORDERS_TOPIC).filter(isChange)
    const keys = records.map(({ key }) => new TextDecoder().decode(key ?? undefined))
    expect(keys.toSorted()).toEqual(['["acme","a"]', '["acme","a"]', '["acme","b"]'])
    const [last] = records.filter(({ headers }) => headers['meridian-local-seq'] === '3')
    expect(last?.headers).toEqual({
      'content-type': 'application/json',
      'meridian-store': SOURCE,
      'meridian-origin': `${SOURCE}:3`,
      'meridian-local-seq': '3',
      'meridian-prev-seq': last?.headers['meridian-prev-seq'],
    })
    expect(['1', '2']).toContain(last?.headers['meridian-prev-seq'])
    expect(last?.timestampMs).toBe(hlcMs(world.changes[2]?.hlc ?? ''))
  })

  test('name the record before them in their partition, also after a crash', async () => {
    const world = await open()
    await world.start()
    for (let i = 0; i < 20; i++) await world.append({})
    await world.settle()
    await world.kill()
    await world.start()
    for (let i = 0; i < 20; i++) await world.append({})
    await world.settle()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const records = world.topics.partition(ORDERS_TOPIC, partition).filter(isChange)
      expect(records.length).toBeGreaterThan(4)
      expect(records.map(({ headers }) => headers['meridian-prev-seq'])).toEqual([
        '0',
        ...records.slice(0, -1).map(({ headers }) => headers['meridian-local-seq']),
      ])
    }
  })

  test('of tables that the schema does not have any more are left out and counted', async () => {
    const world = await open()
    await world.append({}, { tableId: 999 }, {})
    await world.start()
    await world.settle()
    expect(sorted(world.seqs(ORDERS_TOPIC))).toEqual([1, 3])
    expect(world.publisher.status()).toMatchObject({ position: 3, skipped: 1, published: 2 })
  })

  test('of a newer schema end the publisher where it stands: a column would be lost', async () => {
    const world = await open()
    await world.append({})
    await world.start()
    await world.turns()
    await world.append({ schemaVersion: topicSchema.version + 1 })
    await world.runtime.advance(60_000)
    expect(world.stopped).toMatchObject([{ code: 'SCHEMA_INCOMPATIBLE' }])
    expect(world.publisher.status()).toMatchObject({
      position: 1,
      error: { code: 'SCHEMA_INCOMPATIBLE' },
    })
    await expect(world.publisher.waitPublished(2, 1000)).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
    })
  })
})

describe('dead letters', () => {
  test('stand in for a record that is too large, and the publisher goes on', async () => {
    const world = await open({ maxRecordBytes: 2000 })
    await world.append({ key: ['a'] })
    await world.append({
      key: ['a'],
      op: 'update',
      after: ['a', 1, new Uint8Array(3000), null, null],
    })
    await world.append({ key: ['a'], op: 'update' })
    await world.start()
    await world.settle()
    expect(world.seqs(ORDERS_TOPIC)).toEqual([1, 3])
    expect(world.values(DEAD)).toMatchObject([
      { reason: 'too-large', table: 'orders', localSeq: 2, op: 'update', cause: 'user' },
    ])
    const [letter] = world.topics.records(DEAD)
    expect(letter?.headers).toMatchObject({
      'meridian-reason': 'too-large',
      'meridian-local-seq': '2',
      'meridian-origin': `${SOURCE}:2`,
    })
    expect(new TextDecoder().decode(letter?.key ?? undefined)).toBe('["acme","a"]')
    // Who reads the table's topic sees that something is missing.
    const last = world.topics.records(ORDERS_TOPIC).filter(isChange).at(-1)
    expect(last?.headers['meridian-prev-seq']).toBe('2')
    expect(world.publisher.status()).toMatchObject({ deadLetters: 1, published: 2, position: 3 })
    expect(world.topics.shapes.get(ORDERS_TOPIC)?.settings['max.message.bytes']).toBe('1050576')
  })

  test('stand in for a value that cannot be written, and hold no value', async () => {
    const world = await open()
    // An instant that no Date holds, and a key that is larger than a dead letter should be.
    await world.append({ after: ['a', 1, null, null, 9e15] }, { key: ['k'.repeat(2000)] })
    await world.append({ key: ['k'.repeat(2000)], after: ['a', 1, null, null, 9e15] })
    await world.start()
    await world.settle()
    expect(world.seqs(ORDERS_TOPIC)).toEqual([2])
    expect(world.values(DEAD)).toMatchObject([
      { reason: 'not-encodable', localSeq: 1 },
      { reason: 'not-encodable', localSeq: 3 },
    ])
    expect(JSON.stringify(world.values(DEAD))).not.toContain('9000000000000000')
    expect(world.topics.records(DEAD)[1]?.key).toBeNull()
  })

  test('are acknowledged before the position moves', async () => {
    const world = await open({ maxRecordBytes: 10 })
    await world.append({})
    world.topics.failures.push('before')
    await world.start()
    await world.turns()
    expect(world.publisher.position()).toBe(0)
    await world.settle()
    expect(world.values(DEAD)).toHaveLength(1)
  })
})

describe('resolved records', () => {
  test('go to every partition of every topic, behind what they speak of', async () => {
    const world = await open()
    await world.append({})
    await world.append({
      origin: { source: 'us-east.9', epoch: 1, seq: 4 },
      hlc: 'ffff000000000000',
    })
    await world.start()
    await world.settle()
    for (const { name } of topicSchema.tables) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const [record, ...more] = world.topics
          .partition(`shop.eu-west.${name}`, partition)
          .filter((one) => !isChange(one))
        expect(more).toEqual([])
        expect(record?.key).toBeNull()
        expect(record?.headers).toEqual({
          'content-type': 'application/json',
          'meridian-store': SOURCE,
          'meridian-resolved': '2',
          'meridian-prev-seq': String(world.seqs(`shop.eu-west.${name}`, partition).at(-1) ?? 0),
        })
        // The stamp is one that this store drew: the import's says nothing of later changes.
        expect(JSON.parse(new TextDecoder().decode(record?.value ?? undefined))).toEqual({
          version: 1,
          source: SOURCE,
          localSeq: 2,
          hlc: world.changes[0]?.hlc,
        })
      }
    }
    expect(world.topics.records(DEAD)).toEqual([])
  })

  test('come once a second while there is progress, and not without', async () => {
    const world = await open()
    await world.start()
    const resolved = (): number =>
      world.topics.partition(ORDERS_TOPIC, 0).filter((one) => !isChange(one)).length
    for (let i = 0; i < 100; i++) {
      await world.append({})
      await world.runtime.advance(100)
    }
    const busy = resolved()
    expect(busy).toBeGreaterThanOrEqual(9)
    expect(busy).toBeLessThanOrEqual(11)
    await world.settle()
    const end = resolved()
    await world.runtime.advance(600_000)
    expect(resolved()).toBe(end)
  })

  test('wait for what is on its way', async () => {
    const world = await open()
    await world.append({})
    await world.start()
    await world.settle()
    world.topics.problem = new MeridianError('LOG_UNAVAILABLE', 'The broker is away.')
    await world.append({})
    await world.runtime.advance(30_000)
    expect(world.publisher.status()).toMatchObject({ position: 1, resolvedPosition: 1 })
    world.topics.problem = undefined
    await world.settle()
    expect(world.publisher.status().resolvedPosition).toBe(2)
  })
})

describe('a broker that is away', () => {
  test('is tried again for ever, less and less often, and the status shows the lag', async () => {
    const world = await open()
    await world.start()
    await world.turns()
    world.topics.problem = new MeridianError('LOG_UNAVAILABLE', 'The broker is away.')
    await world.append({})
    await world.runtime.advance(60_000)
    expect(world.publisher.status()).toMatchObject({
      position: 0,
      lagMs: 60_000,
      error: { code: 'LOG_UNAVAILABLE' },
    })
    world.topics.problem = undefined
    await world.settle()
    expect(world.publisher.status()).toMatchObject({ position: 1, lagMs: 0, error: null })
    expect(world.seqs(ORDERS_TOPIC)).toEqual([1])
  })

  test('at the start holds up nothing', async () => {
    const world = await open()
    world.topics.problem = new MeridianError('LOG_UNAVAILABLE', 'The broker is away.')
    const publisher = await world.start()
    await world.append({})
    const waited = publisher.waitPublished(1, 10_000)
    await world.runtime.advance(1000)
    world.topics.problem = undefined
    await world.runtime.advance(5000)
    await expect(waited).resolves.toBeUndefined()
  })

  test('lets those who wait know why', async () => {
    const world = await open()
    const publisher = await world.start()
    await world.turns()
    const late = publisher.waitPublished(1, 50).catch((error: unknown) => error)
    await world.runtime.advance(100)
    expect(await late).toMatchObject({ code: 'SESSION_NOT_MET' })
    world.topics.problem = new MeridianError('LOG_FULL', 'The disk is full.')
    await world.append({})
    const full = publisher.waitPublished(1, 50).catch((error: unknown) => error)
    await world.runtime.advance(100)
    expect(await full).toMatchObject({ code: 'LOG_FULL' })
    const closed = publisher.waitPublished(1, 50_000).catch((error: unknown) => error)
    await publisher.stop()
    expect(await closed).toMatchObject({ code: 'CLOSED' })
  })
})
