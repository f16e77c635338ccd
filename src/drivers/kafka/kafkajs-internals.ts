/**
 * The parts of kafkajs 2.2.4 that speak Kafka's protocol, without its consumer groups: those make a
 * reader wait for the whole group and keep positions in the brokers, where the store keeps them here.
 * The version is pinned, and there will be no other. Two faults of its connections are mended here,
 * in memory.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Partitioners } from 'kafkajs'

/** What a broker answers, as far as it is used. */
export interface Metadata {
  readonly clusterId?: string
  readonly controllerId?: number
  readonly topicMetadata: readonly {
    readonly topic: string
    readonly partitionMetadata: readonly {
      readonly partitionId: number
      readonly leader: number
      readonly replicas: readonly number[]
    }[]
  }[]
}

interface Message {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer>>
  readonly timestamp: number
}

interface TopicData {
  readonly topic: string
  readonly partitions: readonly {
    readonly partition: number
    readonly firstSequence: number
    readonly messages: readonly Message[]
  }[]
}

/** One broker: a method a request of the protocol. */
export interface Broker {
  readonly nodeId: number | null
  createTopics(request: {
    readonly topics: readonly {
      readonly topic: string
      readonly numPartitions: number
      readonly replicationFactor: number
      readonly configEntries: readonly { readonly name: string; readonly value: string }[]
    }[]
    readonly timeout: number
  }): Promise<unknown>
  describeConfigs(request: {
    readonly resources: readonly { readonly type: number; readonly name: string }[]
  }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly {
        readonly configName: string
        readonly configValue: string | null
      }[]
    }[]
  }>
  initProducerId(request: { readonly transactionTimeout: number }): Promise<{
    readonly producerId: unknown
    readonly producerEpoch: number
  }>
  produce(request: {
    readonly topicData: readonly TopicData[]
    readonly producerId: unknown
    readonly producerEpoch: number
    readonly acks: number
    readonly timeout: number
  }): Promise<{
    readonly topics: readonly {
      readonly partitions: readonly { readonly partition: number; readonly baseOffset: string }[]
    }[]
  }>
  fetch(request: {
    readonly isolationLevel: number
    readonly maxWaitTime: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly {
        readonly partition: number
        readonly fetchOffset: string
        readonly maxBytes: number
      }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly {
        readonly messages: readonly { readonly offset: string; readonly value: Buffer | null }[]
      }[]
    }[]
  }>
  listOffsets(request: {
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly offset: string }[]
    }[]
  }>
  deleteRecords(request: {
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
    }[]
  }): Promise<unknown>
}

/** Connections to the brokers of a cluster. */
export interface BrokerPool {
  metadata: Metadata | null
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(topics: readonly string[]): Promise<void>
  findConnectedBroker(): Promise<Broker>
  findBroker(node: { readonly nodeId: number }): Promise<Broker>
}

/** Opens a socket towards a broker. */
export type SocketFactory = (to: {
  readonly host: string
  readonly port: number
  readonly ssl: object | null | undefined
  readonly onConnect: () => void
}) => Socket

/** How a pool of connections is made. */
export interface PoolOptions {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly sasl:
    | { readonly mechanism: string; readonly username: string; readonly password: string }
    | undefined
  readonly ssl: object | null | undefined
  readonly socketFactory: SocketFactory
  readonly connectionTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Told of what kafkajs would print to the console. */
  readonly onLog: (line: string) => void
}

interface Connection {
  readonly socket: Socket | undefined
  readonly bytesNeeded: number
  processData: (this: Connection, data: Buffer) => void
}

interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

type LogEntry = { readonly namespace: string; readonly log: { readonly message: string } }

const load = createRequire(import.meta.url)
const { Partitioners: partitioners } = load('kafkajs') as { Partitioners: typeof Partitioners }
const BrokerPoolClass = load('kafkajs/src/cluster/brokerPool.js') as new (
  options: object,
) => BrokerPool
const connectionPoolBuilder = load('kafkajs/src/cluster/connectionPoolBuilder.js') as (
  options: object,
) => object
const { createLogger } = load('kafkajs/src/loggers/index.js') as {
  createLogger: (options: object) => object
}
const ConnectionClass = load('kafkajs/src/network/connection.js') as { prototype: Connection }
const RequestQueueClass = load('kafkajs/src/network/requestQueue/index.js') as {
  prototype: RequestQueue
}

const LOG_EVERYTHING_BUT_DEBUG = 4
const PENDING_CHECK_MS = 10
/** No answer that is asked for here is as large: what begins so is not Kafka's protocol. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

mendConnections()

/** Makes a pool whose calls fail at once where they cannot succeed: it repeats nothing by itself. */
export function createBrokerPool(options: PoolOptions): BrokerPool {
  const logger = createLogger({
    level: LOG_EVERYTHING_BUT_DEBUG,
    logCreator: () => (entry: LogEntry) => {
      options.onLog(`${entry.namespace}: ${entry.log.message}`)
    },
  })
  return new BrokerPoolClass({
    connectionPoolBuilder: connectionPoolBuilder({
      ...options,
      logger,
      connectionTimeout: options.connectionTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      enforceRequestTimeout: true,
    }),
    logger,
    retry: { retries: 0 },
    allowAutoTopicCreation: false,
    authenticationTimeout: options.requestTimeoutMs,
  })
}

/** The partition of a key as Kafka's own clients choose it: murmur2. */
export const partitionOf: (topic: string, key: Uint8Array, partitions: number) => number =
  createPartitioner()

function createPartitioner(): typeof partitionOf {
  const choose = partitioners.DefaultPartitioner()
  return (topic, key, partitions) =>
    choose({
      topic,
      partitionMetadata: new Array<never>(partitions),
      message: { key: Buffer.from(key), value: null },
    })
}

function mendConnections(): void {
  const queue = RequestQueueClass.prototype
  // It armed a timer with a negative delay at every answer, for as long as the connection lived.
  queue.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return
    const throttledMs = this.throttledUntil - Date.now()
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null
        this.checkPendingRequests()
      },
      throttledMs > 0 ? throttledMs : PENDING_CHECK_MS,
    )
  }
  const connection = ConnectionClass.prototype
  const { processData } = connection
  // Bytes that are no answer of Kafka's threw in the socket's event, which ends the process.
  connection.processData = function (this: Connection, data: Buffer): void {
    try {
      processData.call(this, data)
      if (this.bytesNeeded <= MAX_ANSWER_BYTES) return
      throw new Error('what answers does not speak the protocol of Kafka')
    } catch (error) {
      this.socket?.destroy(error as Error)
    }
  }
}
