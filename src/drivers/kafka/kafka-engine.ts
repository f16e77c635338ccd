/**
 * The Kafka of a region as a whole: the change log of its store, topics for others, and how it is.
 * It opens whether or not Kafka runs; calls fail with typed errors until it does.
 */
import { MeridianError } from '../../core/errors.ts'
import type { ChangeLog } from '../../core/ports/change-log.ts'
import type { Topics } from '../../core/ports/topics.ts'
import { openKafkaChangeLog, type KafkaChangeLogOptions } from './kafka-change-log.ts'
import type { KafkaClient, KafkaStatus } from './kafka-client.ts'
import { createKafkaTopics } from './kafka-topics.ts'
import { createKafkajsClient, type KafkajsClientOptions } from './kafkajs-client.ts'

/** How Kafka is reached. */
export type KafkaOptions = KafkajsClientOptions

/** A region's Kafka. */
export interface KafkaEngine {
  /** `host:port` of the brokers that it begins with. */
  readonly address: string
  /**
   * The change log in a topic, which belongs to one life of one store. Asks the brokers by its first
   * call, and makes and checks the topic then.
   */
  changeLog(
    options: Pick<KafkaChangeLogOptions, 'topic' | 'replicationFactor' | 'windowBytes' | 'faults'>,
  ): ChangeLog
  /** Topics, over connections of their own: the change log does not wait for them. */
  topics(): Topics
  /** What is known from the last calls. */
  status(): KafkaStatus
  /** Closes the logs and topics that are still open, too. */
  close(): Promise<void>
}

/** Opens it, without asking the brokers. */
export function openKafka(options: KafkaOptions): KafkaEngine {
  return new Engine(options)
}

class Engine implements KafkaEngine {
  readonly address: string
  readonly #options: KafkaOptions
  readonly #clients: KafkaClient[] = []
  #isClosed = false

  constructor(options: KafkaOptions) {
    this.#options = options
    this.address = options.brokers.join(', ')
  }

  changeLog(options: Parameters<KafkaEngine['changeLog']>[0]): ChangeLog {
    const { runtime, log } = this.#options
    return openKafkaChangeLog({ ...options, client: this.#client('log'), runtime, log })
  }

  topics(): Topics {
    return createKafkaTopics({ client: this.#client('topics'), runtime: this.#options.runtime })
  }

  status(): KafkaStatus {
    const all = this.#clients.map((client) => client.status())
    return {
      isReachable: all.length > 0 && all.every((status) => status.isReachable),
      clusterId: all.find((status) => status.clusterId !== null)?.clusterId ?? null,
      problem: all.find((status) => status.problem !== null)?.problem ?? null,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  #client(role: string): KafkaClient {
    if (this.#isClosed) throw new MeridianError('CLOSED', 'The connection to Kafka is closed.')
    const { clientId } = this.#options
    const client = createKafkajsClient({ ...this.#options, clientId: `${clientId}.${role}` })
    this.#clients.push(client)
    return client
  }
}
