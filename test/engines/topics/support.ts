/** A store with rows written as engines write them, its change log, and publishers on real Kafka. */
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { createTopicPublisher, type Publisher } from '../../../cdc/publish/publisher.ts'
import type { TopicPublisherOptions } from '../../../cdc/publish/publisher.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import { openKafka } from '../../../src/drivers/kafka/kafka-engine.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { memoryLog } from '../../support/memory-log.ts'
import { topicSchema } from '../../support/topic-schema.ts'
import { until } from '../../support/until.ts'
import { ViewWorld, type ViewWrite } from '../../support/view-world.ts'

/** The source that the world's changes have. */
export const SOURCE = 'eu.1'
export const PARTITIONS = 3
const WAIT_MS = 120_000

export class PublishedStore {
  readonly world: ViewWorld
  /** Of the deployment: no other test has it. */
  readonly name = `shop-${randomUUID().slice(0, 8)}`
  readonly #broker: string
  #publisher: Publisher | undefined

  private constructor(world: ViewWorld, broker: string) {
    this.world = world
    this.#broker = broker
  }

  static async open(broker: string): Promise<PublishedStore> {
    const world = await ViewWorld.open({ schema: topicSchema, tenants: ['acme'] })
    onTestFinished(() => world.close())
    return new PublishedStore(world, broker)
  }

  get publisher(): Publisher {
    return this.#publisher as Publisher
  }

  async start(options: Partial<TopicPublisherOptions> = {}): Promise<Publisher> {
    const kafka = openKafka({
      brokers: [this.#broker],
      clientId: 'meridian-test',
      runtime: systemRuntime,
      log: memoryLog(),
    })
    onTestFinished(() => kafka.close())
    const publisher = await createTopicPublisher({
      store: this.world.store,
      schema: topicSchema,
      changeLog: this.world.log,
      topics: kafka.topics(),
      name: this.name,
      source: SOURCE,
      format: 'json',
      partitions: PARTITIONS,
      replicationFactor: 1,
      runtime: systemRuntime,
      ...options,
    })
    // Before its connection, which was opened before.
    onTestFinished(() => publisher.stop())
    this.#publisher = publisher
    return publisher
  }

  topic(table: string): string {
    return `${this.name}.eu.${table}`
  }

  /** Writes rows in one transaction, and copies them to the change log. */
  async write(...writes: readonly ViewWrite[]): Promise<void> {
    await this.world.write(writes)
    await this.world.relay(Infinity)
  }

  /** Resolves once the brokers have everything, and all partitions know it. */
  async published(): Promise<number> {
    const end = await this.world.log.end()
    await this.publisher.waitPublished(end, WAIT_MS)
    await until(() => {
      const { resolvedPosition } = this.publisher.status()
      if (resolvedPosition !== end) throw new Error(`resolved up to ${resolvedPosition}`)
    }, WAIT_MS)
    return end
  }
}

/** A row of orders: its ciphertext and blind index are bytes like any others here. */
export function order(
  id: string,
  amountCents: number,
  { email, expiresAt }: { readonly email?: Uint8Array; readonly expiresAt?: number } = {},
): ViewWrite {
  const image: SqlValue[] = [id, amountCents, email ?? null, email ?? null, expiresAt ?? null]
  return { table: 'orders', tenant: 'acme', key: [id], image }
}
