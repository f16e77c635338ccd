/** A topic that lost its tail while nobody wrote: what is appended next must not leave a gap (K12). */
import { expect, test } from 'vitest'
import type { ChangeLogRecord } from '../../../../src/core/ports/change-log.ts'
import { systemRuntime as runtime } from '../../../../src/drivers/runtime/system-runtime.ts'
import type { KafkaLogFaults } from '../../../../src/drivers/kafka/faults.ts'
import {
  changeLogTopic,
  openKafkaChangeLog,
} from '../../../../src/drivers/kafka/kafka-change-log.ts'
import type { KafkaClient, StoredRecord } from '../../../../src/drivers/kafka/kafka-client.ts'
import { memoryLog } from '../../../support/memory-log.ts'

const TOPIC = 'd.eu-west.i1.changes'

/** Brokers in memory, of one partition. */
function memoryBrokers(): { client: KafkaClient; stored: StoredRecord[] } {
  const stored: StoredRecord[] = []
  const { settings, partitions, replicationFactor } = changeLogTopic(TOPIC, 1)
  const shape = { partitions, replicationFactor, settings: new Map(Object.entries(settings)) }
  const client: KafkaClient = {
    address: 'memory',
    describeTopic: async () => shape,
    createTopic: async () => undefined,
    async produce(_topic, batches) {
      const offset = stored.length
      for (const { records } of batches) {
        for (const { value } of records) stored.push({ offset: stored.length, value })
      }
      return [offset]
    },
    fetch: async (_topic, _partition, offset) => ({
      records: stored.slice(offset),
      isOutOfRange: false,
    }),
    offsets: async () => ({ earliest: 0, end: stored.length }),
    deleteRecordsBefore: async () => undefined,
    status: () => ({ isReachable: true, clusterId: 'c', problem: null }),
    close: async () => undefined,
  }
  return { client, stored }
}

function changes(from: number, to: number): ChangeLogRecord[] {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    return { position: from + i, payload: Uint8Array.of(from + i) }
  })
}

/** What a new reader gets of a log whose writer did not notice that the tail went. */
async function readAfterLoss(faults: KafkaLogFaults = {}): Promise<readonly number[]> {
  const { client, stored } = memoryBrokers()
  const open = (): ReturnType<typeof openKafkaChangeLog> =>
    openKafkaChangeLog({
      client,
      topic: TOPIC,
      replicationFactor: 1,
      runtime,
      log: memoryLog(),
      faults,
    })
  const log = open()
  for (const at of [1, 11, 21]) await log.append(changes(at, at + 9))
  // The brokers come back without what was in no disk's hands; the connection does not tell.
  stored.length = 1
  for (let next = 31; next <= 40;) {
    try {
      await log.append(changes(next, 40))
      break
    } catch (error) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE' })
      // As the relay does.
      next = (await log.end()) + 1
      expect(next).toBe(11)
    }
  }
  const positions: number[] = []
  const reader = open()
  const end = await reader.end()
  while (positions.length < end) {
    for (const { position } of await reader.read(positions.length, 7)) positions.push(position)
  }
  return positions
}

test('the writer goes on from the true end, and readers get every position', async () => {
  expect(await readAfterLoss()).toEqual(changes(1, 40).map(({ position }) => position))
})

test('a log that lets a record follow what is gone has a gap, and this check sees it', async () => {
  await expect(readAfterLoss({ followsGaps: true })).rejects.toMatchObject({ code: 'LOG_GAP' })
})
