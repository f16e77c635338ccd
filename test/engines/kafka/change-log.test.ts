import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ChangeLog } from '../../../src/core/ports/change-log.ts'
import type { KafkaLogFaults } from '../../../src/drivers/kafka/faults.ts'
import { describeChangeLogSuite, records } from '../../conformance/change-log-suite.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { engines } from '../../support/engines.ts'
import { freshTopic, openClient, openEngine, openLog } from './support/open-engine.ts'

const broker = (): string => engines().kafka.broker

/** `windowBytes` 0: every read goes to the brokers. */
const open = (topic = freshTopic(), windowBytes?: number, faults?: KafkaLogFaults): ChangeLog =>
  openEngine(broker()).changeLog({ topic, replicationFactor: 1, windowBytes, faults })

describeChangeLogSuite('kafka change log', async () => open())
describeChangeLogSuite('kafka change log read from the brokers', async () => open(undefined, 0))

/** Everything from a position on, by small reads. */
async function readAll(log: ChangeLog, from = 0): Promise<readonly number[]> {
  const positions: number[] = []
  for (;;) {
    const read = await log.read(positions.at(-1) ?? from, 7)
    if (read.length === 0) return positions
    expect(read).toStrictEqual(records(read[0]?.position ?? 0, read.at(-1)?.position ?? 0))
    positions.push(...read.map((record) => record.position))
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

describe('kafka change log: durability', () => {
  test('goes on where it was after a close and an open, trimmed or not', async () => {
    const topic = freshTopic()
    const first = open(topic)
    await first.append(records(1, 10))
    await first.append(records(11, 15))
    await first.trim(12)
    await first.close()
    const second = open(topic)
    expect(await second.end()).toBe(15)
    expect(await second.read(12, 100)).toStrictEqual(records(13, 15))
    expect(await failureOf(second.read(9, 1))).toMatchObject({ code: 'LOG_COMPACTED' })
    await second.append(records(14, 17))
    await second.trim(17)
    await second.close()
    const third = open(topic)
    expect(await third.end()).toBe(17)
    expect(await third.read(17, 1)).toEqual([])
    await third.append(records(18, 18))
    expect(await third.read(17, 1)).toStrictEqual(records(18, 18))
  })

  test('a reader resumes from any position of a log that another process wrote', async () => {
    const topic = freshTopic()
    const writer = open(topic)
    for (let position = 1; position <= 150; position += 3) {
      await writer.append(records(position, position + 2))
    }
    await writer.close()
    const log = open(topic)
    for (const position of [0, 1, 2, 3, 74, 75, 76, 148, 149, 150]) {
      expect(await readAll(log, position)).toEqual(range(position + 1, 150))
    }
  })

  test('changes that are larger than what is stored together come back whole', async () => {
    const log = open(undefined, 0)
    const large = [1, 2, 3].map((position) => ({
      position,
      payload: new Uint8Array(5 * 1024 * 1024).fill(position),
    }))
    await log.append([...large, ...records(4, 5)])
    expect((await log.read(0, 9)).map(({ payload }) => payload.length)).toEqual([
      ...large.map(({ payload }) => payload.length),
      ...records(4, 5).map(({ payload }) => payload.length),
    ])
    expect((await log.read(1, 1))[0]?.payload.at(-1)).toBe(2)
  })

  test('what another program wrote into the topic is refused by name, and not skipped', async () => {
    const topic = freshTopic()
    await open(topic).append(records(1, 3))
    const client = openClient(broker())
    const value = new TextEncoder().encode('{"not": "a change of this store"}')
    const foreign = { key: null, value, headers: {}, timestampMs: 1 }
    await client.produce(topic, [{ partition: 0, records: [foreign] }])
    const failure = await failureOf(open(topic).end())
    expect(failure).toMatchObject({ code: 'LOG_FOREIGN', details: { topic, offset: 1 } })
  })
})

/** How much of a store each of several writers has appended, in the order in which they do it. */
const turns = fc.array(fc.record({ writer: fc.nat(2), count: fc.integer({ min: 1, max: 9 }) }), {
  minLength: 4,
  maxLength: 14,
})

/** Writers of one store: each knows the end as it was when it looked last, as relays do. */
async function writeByTurns(
  topic: string,
  plan: readonly { readonly writer: number; readonly count: number }[],
): Promise<number> {
  const writers = [open(topic), open(topic), open(topic)]
  const ends = await Promise.all(writers.map((log) => log.end()))
  let last = 0
  for (const { writer, count } of plan) {
    const log = writers[writer] as ChangeLog
    const from = (ends[writer] ?? 0) + 1
    await log.append(records(from, from + count - 1))
    ends[writer] = await log.end()
    last = Math.max(last, from + count - 1)
  }
  await Promise.all(writers.map((log) => log.close()))
  return last
}

describe('kafka change log: several writers, as when a leader was thought dead', () => {
  test('whoever appends to what it knows, readers get each change once, without a gap', async () => {
    await fc.assert(
      fc.asyncProperty(turns, async (plan) => {
        const topic = freshTopic()
        const last = await writeByTurns(topic, plan)
        const log = open(topic, 0)
        expect(await log.end()).toBe(last)
        expect(await readAll(log)).toEqual(range(1, last))
        for (const from of [Math.floor(last / 2), last - 1]) {
          expect(await readAll(log, from)).toEqual(range(from + 1, last))
        }
        const half = Math.floor(last / 2)
        await log.trim(half)
        await log.close()
        const reopened = open(topic)
        expect(await reopened.end()).toBe(last)
        expect(await readAll(reopened, half)).toEqual(range(half + 1, last))
        await reopened.close()
      }),
      { numRuns: 12 },
    )
  })

  /** 1 to 9 by one, then 1 to 6 once more by one that knew of nothing. */
  const stale = [
    { writer: 0, count: 4 },
    { writer: 0, count: 5 },
    { writer: 1, count: 6 },
  ]

  test('must fail: a reader that keeps what was stored twice gives changes again', async () => {
    const topic = freshTopic()
    await writeByTurns(topic, stale)
    expect(await readAll(open(topic, 0))).toEqual(range(1, 9))
    const log = open(topic, 0, { keepsDuplicates: true })
    const read = await log.read(0, 100)
    expect(read.map(({ position }) => position)).not.toEqual(range(1, 9))
  })

  test('must fail: a log that looks at its last record alone goes back', async () => {
    const topic = freshTopic()
    await writeByTurns(topic, stale)
    expect(await open(topic).end()).toBe(9)
    expect(await open(topic, 0, { ignoresOthers: true }).end()).toBe(6)
  })

  test('a writer whose records another one has stored meanwhile stores nothing', async () => {
    const topic = freshTopic()
    const [mine, theirs] = [open(topic), open(topic)]
    await Promise.all([mine.end(), theirs.end()])
    await theirs.append(records(1, 20))
    await mine.append(records(1, 5))
    // It has learned of the others by that.
    expect(await mine.end()).toBe(20)
    await mine.append(records(6, 20))
    await mine.append(records(21, 21))
    const { end } = await openClient(broker()).offsets(topic, 0)
    expect(end).toBe(3)
    expect(await readAll(mine)).toEqual(range(1, 21))
  })
})

describe('kafka change log: an append whose answer was lost', () => {
  const openDoubtful = (topic: string, faults: KafkaLogFaults): ChangeLog => {
    const client = openClient(broker())
    let isLost = true
    return openLog(topic, {
      faults,
      client: {
        ...client,
        address: client.address,
        describeTopic: (name) => client.describeTopic(name),
        createTopic: (shape) => client.createTopic(shape),
        fetch: (...args) => client.fetch(...args),
        offsets: (...args) => client.offsets(...args),
        deleteRecordsBefore: (...args) => client.deleteRecordsBefore(...args),
        status: () => client.status(),
        close: () => client.close(),
        produce: async (...args) => {
          const offsets = await client.produce(...args)
          if (!isLost) return offsets
          isLost = false
          throw new Error('the answer was lost')
        },
      },
    })
  }

  /** Records of Kafka after the append was repeated as a relay does it. */
  async function storedRecords(faults: KafkaLogFaults): Promise<number> {
    const topic = freshTopic()
    const log = openDoubtful(topic, faults)
    onTestFinished(() => log.close())
    await expect(log.append(records(1, 5))).rejects.toThrow('the answer was lost')
    const end = await log.end()
    if (end < 5) await log.append(records(end + 1, 5))
    await log.append(records(6, 7))
    expect(await readAll(open(topic))).toEqual(range(1, 7))
    return (await openClient(broker()).offsets(topic, 0)).end
  }

  test('the end is asked anew, and nothing is stored twice', async () => {
    expect(await storedRecords({})).toBe(2)
  })

  test('must fail: an end that is trusted stores the changes again', async () => {
    expect(await storedRecords({ trustsOldEnd: true })).toBe(3)
  })
})
