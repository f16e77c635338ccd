/** A topic of one broker with a producer and a consumer, and the records that are between them. */
import { connect, type Socket } from 'node:net'
import {
  Kafka,
  logLevel,
  Partitioners,
  type Admin,
  type Consumer,
  type ISocketFactoryArgs,
  type Producer,
} from 'kafkajs'
import { MeridianError } from '../../src/core/errors.ts'
import { kafkaError, noAnswerError } from '../../src/drivers/kafka/kafka-errors.ts'
import { inTime } from './in-time.ts'

export interface KafkaLineOptions {
  /** `host:port` of the broker. */
  readonly address: string
  /** Of the topic and of the consumer's group. */
  readonly name: string
  readonly value: Buffer
}

/** A topic that is written and read. */
export interface KafkaLine {
  readonly topic: string
  /** Records that the consumer has had. */
  readonly consumed: number
  /** Resolves once the record is stored (`acks=all`). */
  produce(): Promise<void>
  /** Resolves once the consumer has it. */
  produceConsume(): Promise<void>
  /** Deletes the topic and the group. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 4_000
const REQUEST_TIMEOUT_MS = 10_000
/** A group of its own has to be made first, which a broker under load takes its time for. */
const JOIN_TIMEOUT_MS = 60_000
/** The broker answers at once where there is something to read. */
const MAX_WAIT_MS = 200
const SESSION_TIMEOUT_MS = 30_000
/** `acks=all`. */
const ALL_IN_STEP = -1
const RETRY = { initialRetryTime: 20, maxRetryTime: 1_000, retries: 5 }

/** Makes the topic and joins it. @throws MeridianError `LOG_UNAVAILABLE`, `LOG_MISCONFIGURED` */
export async function openKafkaLine(options: KafkaLineOptions): Promise<KafkaLine> {
  const line = new OpenKafkaLine(options)
  try {
    await line.open()
    return line
  } catch (error) {
    await line.close().catch(() => undefined)
    throw kafkaError(error, options.address, `open ${options.name}`)
  }
}

class OpenKafkaLine implements KafkaLine {
  readonly topic: string
  readonly #options: KafkaLineOptions
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #consumer: Consumer
  readonly #sockets = new Set<Socket>()
  /** Who waits for a record, by its key. */
  readonly #waiting = new Map<string, () => void>()
  #produced = 0
  #consumed = 0
  #hasTopic = false
  #hasGroup = false

  constructor(options: KafkaLineOptions) {
    const { address, name } = options
    this.#options = options
    this.topic = name
    const kafka = new Kafka({
      clientId: name,
      brokers: [address],
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      logLevel: logLevel.NOTHING,
      retry: RETRY,
      socketFactory: (to) => this.#socket(to),
    })
    this.#admin = kafka.admin()
    this.#producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    this.#consumer = kafka.consumer({
      groupId: name,
      minBytes: 1,
      maxWaitTimeInMs: MAX_WAIT_MS,
      sessionTimeout: SESSION_TIMEOUT_MS,
      allowAutoTopicCreation: false,
    })
  }

  get consumed(): number {
    return this.#consumed
  }

  async open(): Promise<void> {
    const { topic } = this
    await this.#admin.connect()
    const topics = [{ topic, numPartitions: 1, replicationFactor: 1 }]
    await this.#admin.createTopics({ topics, waitForLeaders: true })
    this.#hasTopic = true
    await Promise.all([this.#producer.connect(), this.#consumer.connect()])
    await this.#consumer.subscribe({ topics: [topic], fromBeginning: true })
    await this.#consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => {
        this.#consumed += batch.messages.length
        for (const { key } of batch.messages) this.#waiting.get(String(key))?.()
        return Promise.resolve()
      },
    })
    this.#hasGroup = true
    // The consumer has joined once it has seen a record.
    await this.#seen(JOIN_TIMEOUT_MS)
  }

  async produce(): Promise<void> {
    await this.#send(this.#nextKey())
  }

  produceConsume(): Promise<void> {
    return this.#seen(REQUEST_TIMEOUT_MS)
  }

  async close(): Promise<void> {
    const { topic } = this
    const steps = [
      () => this.#consumer.disconnect(),
      () => this.#producer.disconnect(),
      () => (this.#hasGroup ? this.#admin.deleteGroups([topic]) : Promise.resolve()),
      () => (this.#hasTopic ? this.#admin.deleteTopics({ topics: [topic] }) : Promise.resolve()),
      () => this.#admin.disconnect(),
    ]
    const failures: unknown[] = []
    for (const step of steps) {
      try {
        await this.#inTime(step(), 'close')
      } catch (error) {
        failures.push(error)
      }
    }
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'))
    if (failures.length > 0) throw kafkaError(failures[0], this.#options.address, `close ${topic}`)
  }

  #nextKey(): string {
    return `${this.#produced++}`
  }

  async #send(key: string): Promise<void> {
    const { address, value } = this.#options
    const messages = [{ key, value, partition: 0 }]
    try {
      await this.#producer.send({ topic: this.topic, acks: ALL_IN_STEP, messages })
    } catch (error) {
      throw kafkaError(error, address, `produce to ${this.topic}`)
    }
  }

  async #seen(limitMs: number): Promise<void> {
    const key = this.#nextKey()
    const seen = new Promise<void>((resolve) => this.#waiting.set(key, resolve))
    try {
      const both = Promise.all([this.#send(key), seen])
      await this.#inTime(both, `consume from ${this.topic}`, limitMs)
    } finally {
      this.#waiting.delete(key)
    }
  }

  async #inTime(work: Promise<unknown>, what: string, limitMs = REQUEST_TIMEOUT_MS): Promise<void> {
    await inTime(work, limitMs, (): MeridianError =>
      noAnswerError(this.#options.address, what, limitMs),
    )
  }

  /** A small record must not wait for the acknowledgement of the one before. */
  #socket({ host, port, onConnect }: ISocketFactoryArgs): Socket {
    const socket = connect({ host, port }, onConnect).setNoDelay(true)
    this.#sockets.add(socket)
    return socket.once('close', () => this.#sockets.delete(socket))
  }
}
