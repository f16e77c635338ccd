/**
 * The idempotent producer. A broker that gets a batch again, by producer and sequence number,
 * answers with the offset of the first one and does not look at what it holds. So a number whose
 * batch may be stored is never given to other records: after a call that failed, the producer's
 * identity is given up.
 */
import type { TopicRecord } from '../../core/ports/topics.ts'
import type { KafkaClientFaults } from './faults.ts'
import type { PartitionBatch } from './kafka-client.ts'
import type { KafkajsConnection } from './kafkajs-connection.ts'

const ALL_IN_SYNC = -1
const NO_TRANSACTION_MS = 60_000
const MAX_SEQUENCE = 2 ** 31

interface Identity {
  readonly producerId: unknown
  readonly producerEpoch: number
  /** The number that the next record of a partition gets, by `topic/partition`. */
  readonly sequences: Map<string, number>
}

/** One call to produce, through all its attempts. */
export interface Sending {
  /** Sends what is not acknowledged yet; resolves to the offsets of all batches. */
  attempt(connection: KafkajsConnection, timeoutMs: number): Promise<readonly number[]>
  succeed(): void
  fail(): void
}

export class KafkajsProducer {
  readonly #faults: KafkaClientFaults
  readonly #turns = new Map<string, Promise<unknown>>()
  #identity: Promise<Identity> | undefined

  constructor(faults: KafkaClientFaults) {
    this.#faults = faults
  }

  /** Runs calls of one topic one after another: numbers must reach a broker in their order. */
  async inTurn<T>(topic: string, call: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(topic)
    const turn = before === undefined ? call() : before.then(call, call)
    this.#turns.set(topic, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(topic) === turn) this.#turns.delete(topic)
    }
  }

  begin(topic: string, batches: readonly PartitionBatch[]): Sending {
    const offsets = new Map<PartitionBatch, number>()
    let used: Identity | undefined
    return {
      attempt: async (connection, timeoutMs) => {
        used ??= await this.#identify(connection)
        const identity = used
        const leaders = new Map<number, PartitionBatch[]>()
        for (const batch of batches) {
          if (offsets.has(batch)) continue
          const leader = await connection.leaderOf(topic, batch.partition)
          leaders.set(leader, [...(leaders.get(leader) ?? []), batch])
        }
        const sends = [...leaders].map(async ([leader, own]) => {
          const request = produceRequest(identity, topic, own, timeoutMs)
          const broker = await connection.brokerOf(leader)
          const { topics } = await broker.produce(request)
          for (const { partition, baseOffset } of topics[0]?.partitions ?? []) {
            const batch = own.find((each) => each.partition === partition)
            if (batch !== undefined) offsets.set(batch, Number(baseOffset))
          }
        })
        // One that failed must not be repeated while another one is under way.
        const failed = (await Promise.allSettled(sends)).find((send) => send.status === 'rejected')
        if (failed !== undefined) throw failed.reason
        return batches.map((batch) => offsets.get(batch) as number)
      },
      succeed: () => {
        for (const { partition, records } of batches) {
          const place = `${topic}/${partition}`
          const next = (used?.sequences.get(place) ?? 0) + records.length
          used?.sequences.set(place, next % MAX_SEQUENCE)
        }
      },
      fail: () => {
        if (this.#faults.keepsIdentity !== true) this.#identity = undefined
      },
    }
  }

  async #identify(connection: KafkajsConnection): Promise<Identity> {
    this.#identity ??= connection
      .broker()
      .then((broker) => broker.initProducerId({ transactionTimeout: NO_TRANSACTION_MS }))
      .then((answer) => ({ ...answer, sequences: new Map<string, number>() }))
    const identity = this.#identity
    try {
      return await identity
    } catch (error) {
      if (this.#identity === identity) this.#identity = undefined
      throw error
    }
  }
}

type ProduceRequest = Parameters<Awaited<ReturnType<KafkajsConnection['broker']>>['produce']>[0]

function produceRequest(
  { producerId, producerEpoch, sequences }: Identity,
  topic: string,
  batches: readonly PartitionBatch[],
  timeoutMs: number,
): ProduceRequest {
  const partitions = batches.map(({ partition, records }) => ({
    partition,
    firstSequence: sequences.get(`${topic}/${partition}`) ?? 0,
    messages: records.map(toMessage),
  }))
  return {
    topicData: [{ topic, partitions }],
    producerId,
    producerEpoch,
    acks: ALL_IN_SYNC,
    timeout: timeoutMs,
  }
}

type Message = ProduceRequest['topicData'][number]['partitions'][number]['messages'][number]

function toMessage({ key, value, headers, timestampMs }: Omit<TopicRecord, 'partition'>): Message {
  const encoded = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const)
  return {
    key: toBuffer(key),
    value: toBuffer(value),
    headers: Object.fromEntries(encoded),
    timestamp: timestampMs,
  }
}

function toBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
