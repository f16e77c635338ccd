/** Driver: topics of Kafka for consumers outside, through the narrow client. */
import type { Runtime } from '../../core/ports/runtime.ts'
import type { TopicRecord, Topics, TopicShape } from '../../core/ports/topics.ts'
import type { KafkaClient, PartitionBatch } from './kafka-client.ts'
import { partitionOf } from './kafkajs-internals.ts'
import { ensureTopic } from './topic-check.ts'

const TOPIC_PAUSE_MS = 100
/** Bytes of one partition's records that are sent at once; brokers take 1 MiB unless told else. */
const MAX_BATCH_BYTES = 512 * 1024
/** What a record takes besides its key, its value and its headers, at most. */
const RECORD_OVERHEAD_BYTES = 64

/** What the topics are made of. */
export interface KafkaTopicsOptions {
  /** Closed with the topics. */
  readonly client: KafkaClient
  readonly runtime: Runtime
}

/** Makes the topics' driver. */
export function createKafkaTopics(options: KafkaTopicsOptions): Topics {
  return new KafkaTopics(options)
}

class KafkaTopics implements Topics {
  readonly #client: KafkaClient
  readonly #runtime: Runtime
  readonly #partitions = new Map<string, number>()
  /** The last call to send of each topic, settled. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor({ client, runtime }: KafkaTopicsOptions) {
    this.#client = client
    this.#runtime = runtime
  }

  async ensure(shape: TopicShape): Promise<void> {
    const pause = (): Promise<void> =>
      new Promise((resolve) => {
        this.#runtime.timers.after(TOPIC_PAUSE_MS, resolve)
      })
    await ensureTopic(this.#client, shape, pause)
    this.#partitions.set(shape.name, shape.partitions)
  }

  async send(topic: string, records: readonly TopicRecord[]): Promise<void> {
    if (records.length === 0) return
    // Whole calls in turn: the parts of two would mix, and a key's records lose their order.
    const before = this.#turns.get(topic) ?? Promise.resolve()
    const turn = before.then(() => this.#sendParts(topic, records))
    const settled = turn.catch(() => undefined)
    this.#turns.set(topic, settled)
    try {
      await turn
    } finally {
      if (this.#turns.get(topic) === settled) this.#turns.delete(topic)
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #sendParts(topic: string, records: readonly TopicRecord[]): Promise<void> {
    const partitions = await this.#partitionsOf(topic)
    for (const batches of cut(topic, records, partitions)) {
      await this.#client.produce(topic, batches)
    }
  }

  async #partitionsOf(topic: string): Promise<number> {
    const known = this.#partitions.get(topic)
    if (known !== undefined) return known
    const partitions = (await this.#client.describeTopic(topic))?.partitions ?? 1
    this.#partitions.set(topic, partitions)
    return partitions
  }
}

/** What is sent one after another: a batch a partition, none of them too large. */
function cut(
  topic: string,
  records: readonly TopicRecord[],
  partitions: number,
): readonly (readonly PartitionBatch[])[] {
  const sends: Map<number, TopicRecord[]>[] = []
  /** The send that a partition's next record goes with, and the bytes that are in it. */
  const places = new Map<number, { index: number; bytes: number }>()
  for (const record of records) {
    const { key } = record
    const partition = record.partition ?? (key === null ? 0 : partitionOf(topic, key, partitions))
    const bytes = sizeOf(record)
    const place = places.get(partition) ?? { index: 0, bytes: 0 }
    if (place.bytes > 0 && place.bytes + bytes > MAX_BATCH_BYTES) {
      place.index++
      place.bytes = 0
    }
    place.bytes += bytes
    places.set(partition, place)
    const send = (sends[place.index] ??= new Map<number, TopicRecord[]>())
    const batch = send.get(partition)
    if (batch === undefined) send.set(partition, [record])
    else batch.push(record)
  }
  return sends.map((send) => [...send].map(([partition, own]) => ({ partition, records: own })))
}

function sizeOf({ key, value, headers }: TopicRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, text] of Object.entries(headers)) bytes += 3 * (name.length + text.length)
  return bytes
}
