/** What Kafka holds of a region, read by a client of its own. */
import { onTestFinished } from 'vitest'
import type { Change } from '../../../src/core/change.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openKafka } from '../../../src/drivers/kafka/kafka-engine.ts'
import { createKafkajsClient } from '../../../src/drivers/kafka/kafkajs-client.ts'
import { decodeChange } from '../../../src/protocol/change-codec.ts'
import { memoryLog } from '../../support/memory-log.ts'
import { parseRecord, type Envelope } from '../../support/topic-records.ts'

const PAGE = 1_000
const PAGE_BYTES = 4 * 1024 * 1024

/** All changes of the change log of a store, in its order. */
export async function changesOf(broker: string, topic: string): Promise<readonly Change[]> {
  const options = { brokers: [broker], clientId: 'reader', runtime: systemRuntime }
  const engine = openKafka({ ...options, log: memoryLog() })
  onTestFinished(() => engine.close())
  const log = engine.changeLog({ topic, replicationFactor: 1 })
  const changes: Change[] = []
  for (;;) {
    const records = await log.read(changes.length, PAGE)
    if (records.length === 0) return changes
    for (const { payload } of records) changes.push(decodeChange(payload))
  }
}

/** The envelopes in a table's topic, partition by partition. */
export async function envelopesOf(
  broker: string,
  topic: string,
  partitions: number,
): Promise<readonly Envelope[]> {
  const options = { brokers: [broker], clientId: 'reader', runtime: systemRuntime }
  const client = createKafkajsClient({ ...options, log: memoryLog() })
  onTestFinished(() => client.close())
  const envelopes: Envelope[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { end } = await client.offsets(topic, partition)
    let offset = 0
    while (offset < end) {
      const { records } = await client.fetch(topic, partition, offset, PAGE_BYTES)
      for (const record of records) {
        offset = record.offset + 1
        const content = parseRecord('json', record.value)
        // Besides changes there are words of how far the topic is.
        if (content !== null && 'key' in (content as object)) envelopes.push(content as Envelope)
      }
    }
  }
  return envelopes
}
