/** Driver: the port to Kafka on kafkajs. Repeats what may pass soon, and ends every call in time. */
import { MeridianError } from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import type { TopicShape } from '../../core/ports/topics.ts'
import type { KafkaClientFaults } from './faults.ts'
import type {
  Fetched,
  KafkaClient,
  KafkaStatus,
  OffsetRange,
  PartitionBatch,
  StoredRecord,
  TopicDescription,
} from './kafka-client.ts'
import {
  isBroken,
  isMoved,
  isTransient,
  kafkaError,
  noAnswerError,
  rootOf,
} from './kafka-errors.ts'
import {
  KafkajsConnection,
  type ConnectionOptions,
  type KafkaTls,
  type KafkaUser,
} from './kafkajs-connection.ts'
import { KafkajsProducer } from './kafkajs-producer.ts'

/** How the client reaches Kafka. */
export interface KafkajsClientOptions {
  /** `host:port` to begin with. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly sasl?: KafkaUser | undefined
  readonly tls?: KafkaTls | undefined
  readonly runtime: Runtime
  readonly log: Log
  /** The longest that a call takes. Default 10 s. */
  readonly timeoutMs?: number | undefined
  /** What fails at once is repeated for so long; whoever calls repeats it more slowly. Default 1 s. */
  readonly repeatForMs?: number | undefined
  /** Test-only: where the addresses of brokers lead instead. */
  readonly route?: ConnectionOptions['route']
  /** Test-only. */
  readonly faults?: KafkaClientFaults | undefined
}

const DEFAULT_TIMEOUT_MS = 10_000
const DEFAULT_REPEAT_FOR_MS = 1_000
/** A partition of a new topic, or of a broker that is lost, has a leader after so long. */
const ELECTION_MS = 5_000
const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 1_000
/** The brokers answer at once where there is something to read. */
const MAX_WAIT_MS = 200
const READ_UNCOMMITTED = 0
const EARLIEST = -2
const LATEST = -1
const TOPIC_RESOURCE = 2

/** Makes a client; it connects by its first call. */
export function createKafkajsClient(options: KafkajsClientOptions): KafkaClient {
  return new KafkajsClient(options)
}

type Attempt<T> = (connection: KafkajsConnection) => Promise<T>

class KafkajsClient implements KafkaClient {
  readonly address: string
  readonly #options: KafkajsClientOptions
  readonly #timeoutMs: number
  readonly #repeatForMs: number
  readonly #producer: KafkajsProducer
  /** Calls that wait, ended by `close`. */
  readonly #waiting = new Set<(error: MeridianError) => void>()
  #connection: Promise<KafkajsConnection> | undefined
  #opened: KafkajsConnection | undefined
  /** Brokers to begin with are tried in turn. */
  #attempts = 0
  #clusterId: string | null = null
  #isReachable = false
  #problem: string | null = null
  #isClosed = false

  constructor(options: KafkajsClientOptions) {
    this.#options = options
    this.#producer = new KafkajsProducer(options.faults ?? {})
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#repeatForMs = options.repeatForMs ?? DEFAULT_REPEAT_FOR_MS
    this.address = options.brokers.join(', ')
  }

  status(): KafkaStatus {
    return {
      isReachable: this.#isReachable,
      clusterId: this.#clusterId,
      problem: this.#problem,
    }
  }

  async describeTopic(topic: string): Promise<TopicDescription | null> {
    return this.#call(`describe topic ${topic}`, topic, async (connection) => {
      try {
        const { partitions, replicas } = await connection.shapeOf(topic)
        const broker = await connection.broker()
        const resource = { type: TOPIC_RESOURCE, name: topic }
        const { resources } = await broker.describeConfigs({ resources: [resource] })
        const settings = new Map<string, string>()
        for (const { configName, configValue } of resources[0]?.configEntries ?? []) {
          if (configValue !== null) settings.set(configName, configValue)
        }
        return { partitions, replicationFactor: replicas, settings }
      } catch (error) {
        if (rootOf(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return null
        throw error
      }
    })
  }

  async createTopic(shape: TopicShape): Promise<void> {
    const request = {
      topics: [
        {
          topic: shape.name,
          numPartitions: shape.partitions,
          replicationFactor: shape.replicationFactor,
          configEntries: Object.entries(shape.settings).map(([name, value]) => ({ name, value })),
        },
      ],
      timeout: this.#timeoutMs,
    }
    await this.#call(`create topic ${shape.name}`, shape.name, async (connection) => {
      try {
        const broker = await connection.broker()
        await broker.createTopics(request).catch(async (error: unknown) => {
          if (rootOf(error).type !== 'NOT_CONTROLLER') throw error
          await (await connection.controller()).createTopics(request)
        })
      } catch (error) {
        if (rootOf(error).type !== 'TOPIC_ALREADY_EXISTS') throw error
      }
    })
  }

  async produce(topic: string, batches: readonly PartitionBatch[]): Promise<readonly number[]> {
    const what = `append to ${topic}`
    return this.#producer.inTurn(topic, () => {
      const sending = this.#producer.begin(topic, batches)
      return this.#call(what, topic, (connection) => sending.attempt(connection, this.#timeoutMs))
        .then((offsets) => {
          sending.succeed()
          return offsets
        })
        .catch((error: unknown) => {
          sending.fail()
          throw error
        })
    })
  }

  async fetch(
    topic: string,
    partition: number,
    offset: number,
    maxBytes: number,
  ): Promise<Fetched> {
    const partitions = [{ partition, fetchOffset: String(offset), maxBytes }]
    return this.#call(`read ${topic}`, topic, async (connection) => {
      const broker = await connection.brokerOf(await connection.leaderOf(topic, partition))
      try {
        const { responses } = await broker.fetch({
          isolationLevel: READ_UNCOMMITTED,
          maxWaitTime: MAX_WAIT_MS,
          minBytes: 1,
          maxBytes,
          topics: [{ topic, partitions }],
        })
        const messages = responses[0]?.partitions[0]?.messages ?? []
        const records = messages.map(toStored)
        // A batch comes whole, with records below the offset.
        return { records: records.filter((each) => each.offset >= offset), isOutOfRange: false }
      } catch (error) {
        if (rootOf(error).type !== 'OFFSET_OUT_OF_RANGE') throw error
        return { records: [], isOutOfRange: true }
      }
    })
  }

  async offsets(topic: string, partition: number): Promise<OffsetRange> {
    return this.#call(`read the bounds of ${topic}`, topic, async (connection) => {
      const broker = await connection.brokerOf(await connection.leaderOf(topic, partition))
      const ask = async (timestamp: number): Promise<number> => {
        const { responses } = await broker.listOffsets({
          isolationLevel: READ_UNCOMMITTED,
          topics: [{ topic, partitions: [{ partition, timestamp }] }],
        })
        return Number(responses[0]?.partitions[0]?.offset)
      }
      const [earliest, end] = await Promise.all([ask(EARLIEST), ask(LATEST)])
      return { earliest, end }
    })
  }

  async deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<void> {
    const partitions = [{ partition, offset: String(offset) }]
    await this.#call(`trim ${topic}`, topic, async (connection) => {
      const broker = await connection.brokerOf(await connection.leaderOf(topic, partition))
      await broker.deleteRecords({ topics: [{ topic, partitions }] })
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const end of this.#waiting) end(closedError())
    this.#drop()
  }

  /** Attempts it until it succeeds, its time is over or it cannot succeed. */
  async #call<T>(what: string, topic: string, attempt: Attempt<T>): Promise<T> {
    const { clock } = this.#options.runtime
    const startMs = clock.monotonicMs()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      const spentMs = clock.monotonicMs() - startMs
      try {
        const result = await this.#inTime(what, this.#timeoutMs - spentMs, this.#attempt(attempt))
        this.#isReachable = true
        this.#problem = null
        return result
      } catch (error) {
        if (this.#isClosed) throw closedError()
        const failure = rootOf(error)
        if (isMoved(failure)) this.#opened?.forget(topic)
        else if (isBroken(failure) || error instanceof MeridianError) this.#drop()
        const limitMs = isMoved(failure) ? ELECTION_MS : 0
        const untilMs = startMs + Math.max(this.#repeatForMs, limitMs)
        const isOver = clock.monotonicMs() + pauseMs > untilMs
        if (isOver || !isTransient(failure)) throw this.#failed(error, what)
      }
      await this.#inTime(what, this.#timeoutMs, this.#pause(pauseMs))
    }
  }

  async #attempt<T>(attempt: Attempt<T>): Promise<T> {
    if (this.#isClosed) throw closedError()
    this.#connection ??= this.#connect()
    const connection = await this.#connection
    const result = await attempt(connection)
    this.#clusterId = connection.clusterId ?? this.#clusterId
    return result
  }

  async #connect(): Promise<KafkajsConnection> {
    const { log, ...options } = this.#options
    const first = this.#attempts++ % options.brokers.length
    const connection = new KafkajsConnection({
      ...options,
      brokers: [...options.brokers.slice(first), ...options.brokers.slice(0, first)],
      requestTimeoutMs: this.#timeoutMs,
      onLog: (line) => log.write('debug', 'kafka client', { line }),
    })
    this.#opened = connection
    try {
      await connection.connect()
    } catch (error) {
      // Whatever the reason: the next attempt begins anew.
      if (this.#opened === connection) this.#drop()
      throw error
    }
    return connection
  }

  #failed(error: unknown, what: string): MeridianError {
    const typed = kafkaError(error, this.address, what)
    this.#problem = typed.message
    // A broker that answers is there, even where it refuses.
    this.#isReachable = typed.code !== 'LOG_UNAVAILABLE'
    return typed
  }

  #drop(): void {
    this.#connection = undefined
    this.#opened?.drop()
    this.#opened = undefined
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.runtime.timers.after(delayMs, resolve)
    })
  }

  /** The promise, unless time or the client ends first; then nobody hears of it any more. */
  #inTime<T>(what: string, limitMs: number, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let cancel: CancelTimer | undefined = undefined
      const settle = (act: () => void): void => {
        cancel?.()
        this.#waiting.delete(end)
        act()
      }
      const end = (error: MeridianError): void => settle(() => reject(error))
      this.#waiting.add(end)
      cancel = this.#options.runtime.timers.after(Math.max(0, limitMs), () => {
        end(noAnswerError(this.address, what, this.#timeoutMs))
      })
      promise.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error)),
      )
    })
  }
}

function toStored({
  offset,
  value,
}: {
  readonly offset: string
  readonly value: Buffer | null
}): StoredRecord {
  const bytes = value && new Uint8Array(value.buffer, value.byteOffset, value.length)
  return { offset: Number(offset), value: bytes }
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The connection to Kafka is closed.')
}
