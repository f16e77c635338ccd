/**
 * A store's change log, topics in memory and publishers that may be killed: what the tests of
 * publishing work with. Time moves only when a test says so.
 */
import { onTestFinished } from 'vitest'
import { createTopicPublisher, type Publisher } from '../../cdc/publish/publisher.ts'
import type { TopicPublisherOptions } from '../../cdc/publish/publisher.ts'
import type { TopicFormat } from '../../cdc/publish/cell-form.ts'
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { formatHlc } from '../../src/core/hlc.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { TopicRecord, Topics } from '../../src/core/ports/topics.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { encodeChange } from '../../src/protocol/change-codec.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { ManualRuntime, turns } from './manual-runtime.ts'
import { MemoryChangeLog } from './memory-change-log.ts'
import { MemoryStore } from './memory-store.ts'
import { MemoryTopics } from './memory-topics.ts'
import { ORDERS, topicSchema } from './topic-schema.ts'
import { parseRecord } from './topic-records.ts'

export const SOURCE = 'eu-west.1a2b3c4d'
export const PARTITIONS = 3

/** Fails the calls that a process makes after it was killed. */
class Life {
  isOver = false

  guard<T>(work: () => Promise<T>): Promise<T> {
    return this.isOver
      ? Promise.reject(new MeridianError('STORE_UNAVAILABLE', 'The process is dead.'))
      : work()
  }
}

/** A change that happens: what a test does not say is ordinary. */
export type GivenChange = Partial<Omit<Change, 'localSeq'>>

export class PublishWorld {
  readonly store = new MemoryStore()
  readonly log = new MemoryChangeLog()
  readonly topics = new MemoryTopics()
  readonly runtime = new ManualRuntime()
  readonly changes: Change[] = []
  readonly stopped: MeridianError[] = []
  readonly #options: Partial<TopicPublisherOptions>
  #life = new Life()
  #publisher: Publisher | undefined

  private constructor(options: Partial<TopicPublisherOptions>) {
    this.#options = options
  }

  static async open(options: Partial<TopicPublisherOptions> = {}): Promise<PublishWorld> {
    const world = new PublishWorld(options)
    await prepareStore(world.store, topicSchema, systemRuntime)
    return world
  }

  get publisher(): Publisher {
    return this.#publisher as Publisher
  }

  get format(): TopicFormat {
    return this.#options.format ?? 'json'
  }

  /** Starts a publisher; an earlier one goes on, unless it was killed or stopped. */
  async start(options: Partial<TopicPublisherOptions> = {}): Promise<Publisher> {
    const life = new Life()
    this.#life = life
    this.#publisher = await createTopicPublisher({
      store: mortalStore(this.store, life),
      schema: topicSchema,
      changeLog: this.log,
      topics: mortalTopics(this.topics, life),
      name: 'shop',
      source: SOURCE,
      format: 'json',
      partitions: PARTITIONS,
      replicationFactor: 1,
      // Every publisher draws an id of its own.
      runtime: {
        clock: this.runtime.clock,
        timers: this.runtime.timers,
        random: {
          fraction: this.runtime.random.fraction,
          bytes: (length) => systemRuntime.random.bytes(length),
        },
      },
      onStopped: (error) => this.stopped.push(error),
      ...this.#options,
      ...options,
    })
    return this.#publisher
  }

  /** Ends the publisher without a chance to keep anything. */
  async kill(): Promise<void> {
    this.#life.isOver = true
    await this.#publisher?.stop()
    this.#publisher = undefined
  }

  async close(): Promise<void> {
    await this.kill()
    await this.store.close()
  }

  /** One transaction of changes, in the log. */
  async append(...given: readonly GivenChange[]): Promise<void> {
    const first = this.changes.length + 1
    const hlc = formatHlc(this.runtime.clock.nowMs(), first)
    const changes = given.map((one, index) =>
      ordinary(one, { first, index, size: given.length, hlc }),
    )
    this.changes.push(...changes)
    await this.log.append(
      changes.map((change) => ({ position: change.localSeq, payload: encodeChange(change) })),
    )
  }

  /** Lets time pass until everything is sent and all partitions know it. */
  async settle(): Promise<void> {
    for (let i = 0; i < 100; i++) {
      await this.runtime.advance(1000)
      const { resolvedPosition, durablePosition, error } = this.publisher.status()
      const end = this.changes.length
      if (resolvedPosition === end && durablePosition === end && error === null) return
    }
    throw new Error(`does not settle: ${JSON.stringify(this.publisher.status())}`)
  }

  /** localSeqs of a topic's changes, in the order of the partition. */
  seqs(topic: string, partition?: number): number[] {
    const records =
      partition === undefined ? this.topics.records(topic) : this.topics.partition(topic, partition)
    return records.filter(isChange).map((record) => Number(record.headers['meridian-local-seq']))
  }

  /** The parsed values of a topic. */
  values(topic: string): unknown[] {
    return this.topics.records(topic).map(({ value }) => parseRecord(this.format, value))
  }

  turns(): Promise<void> {
    return turns()
  }
}

export function isChange(record: TopicRecord): boolean {
  return record.headers['meridian-local-seq'] !== undefined
}

interface Place {
  readonly first: number
  readonly index: number
  readonly size: number
  readonly hlc: string
}

function ordinary(given: GivenChange, { first, index, size, hlc }: Place): Change {
  const localSeq = first + index
  const key = given.key ?? [`o${localSeq}`]
  return {
    localSeq,
    origin: { source: SOURCE, epoch: 1, seq: localSeq },
    txId: `tx-${first}`,
    index,
    size,
    hlc,
    schemaVersion: topicSchema.version,
    cause: 'user',
    tableId: ORDERS.id,
    op: 'insert',
    tenant: 'acme',
    before: null,
    after: [...key, 900, ...nulls(3)],
    version: 'v',
    delta: null,
    ...given,
    key,
  }
}

function nulls(count: number): SqlValue[] {
  return Array.from({ length: count }, () => null)
}

function mortalStore(store: Store, life: Life): Store {
  return {
    write: (statements) => life.guard(() => store.write(statements)),
    read: (statements) => life.guard(() => store.read(statements)),
    query: (statement) => life.guard(() => store.query(statement)),
    onCommit: (listener) => store.onCommit(listener),
    close: () => Promise.resolve(),
  }
}

function mortalTopics(topics: Topics, life: Life): Topics {
  return {
    ensure: (shape) => life.guard(() => topics.ensure(shape)),
    send: (topic, records) => life.guard(() => topics.send(topic, records)),
    close: () => Promise.resolve(),
  }
}

/** A world that is closed when the test ends. */
export async function openPublishWorld(
  options: Partial<TopicPublisherOptions> = {},
): Promise<PublishWorld> {
  const world = await PublishWorld.open(options)
  onTestFinished(() => world.close())
  return world
}
