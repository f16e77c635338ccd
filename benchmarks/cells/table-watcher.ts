/** A consumer of a table's topic that tells when the record of a row arrived. */
import { randomBytes } from 'node:crypto'
import { Kafka, logLevel, type Consumer } from 'kafkajs'
import { MeridianError } from '../../src/client/index.ts'

/** What is watched. */
export interface TableWatcherOptions {
  /** `host:port` of the region's broker. */
  readonly broker: string
  /** `.<region>.<table>`: how the topic's name ends, after the name of the deployment. */
  readonly topicEnd: string
  readonly signal: AbortSignal
  /** Writes a row and gives the key of its record: until one arrives, the consumer is not there yet. */
  readonly prime: () => Promise<string>
}

/** A record that is waited for. */
export interface ExpectedRecord {
  /** When it arrived, by `performance.now()`. @throws MeridianError `DEADLINE_EXCEEDED` */
  readonly atMs: Promise<number>
  /** It is waited for no more. */
  forget(): void
}

/** A consumer that is there. */
export interface TableWatcher {
  /** Call it before the row is written. */
  expect(key: string, timeoutMs: number): ExpectedRecord
  close(): Promise<void>
}

const PRIME_WITHIN_MS = 60_000
const PRIME_EVERY_MS = 500

/**
 * Joins the topic, and resolves once what is written arrives.
 *
 * @throws MeridianError `LOG_UNAVAILABLE` where there is no such topic, or nothing arrives
 */
export async function openTableWatcher(options: TableWatcherOptions): Promise<TableWatcher> {
  const { broker, topicEnd } = options
  const name = `meridian-bench-${randomBytes(6).toString('hex')}`
  const kafka = new Kafka({ brokers: [broker], clientId: name, logLevel: logLevel.NOTHING })
  const topic = await findTopic(kafka, topicEnd)
  const consumer = kafka.consumer({ groupId: name, maxWaitTimeInMs: 200, minBytes: 1 })
  const watcher = new OpenWatcher(kafka, consumer, name)
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: false })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => watcher.arrived(String(message.key)),
    })
    await prime(watcher, topic, options)
    return watcher
  } catch (error) {
    await watcher.close().catch(() => undefined)
    throw error
  }
}

async function findTopic(kafka: Kafka, topicEnd: string): Promise<string> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const found = (await admin.listTopics()).find((topic) => topic.endsWith(topicEnd))
    if (found !== undefined) return found
    throw unavailable(`There is no topic *${topicEnd}.`)
  } finally {
    await admin.disconnect()
  }
}

async function prime(
  watcher: OpenWatcher,
  topic: string,
  { prime: write, signal }: TableWatcherOptions,
): Promise<void> {
  const endMs = performance.now() + PRIME_WITHIN_MS
  while (performance.now() < endMs) {
    signal.throwIfAborted()
    // One that arrives before it is waited for is missed, and the next one is not.
    const expected = watcher.expect(await write(), PRIME_EVERY_MS)
    try {
      await expected.atMs
      return
    } catch {
      // The consumer has no place in the topic yet.
    } finally {
      expected.forget()
    }
  }
  throw unavailable(`Nothing arrives from ${topic}.`)
}

class OpenWatcher implements TableWatcher {
  readonly #kafka: Kafka
  readonly #consumer: Consumer
  readonly #groupId: string
  readonly #expected = new Map<string, (atMs: number) => void>()

  constructor(kafka: Kafka, consumer: Consumer, groupId: string) {
    this.#kafka = kafka
    this.#consumer = consumer
    this.#groupId = groupId
  }

  expect(key: string, timeoutMs: number): ExpectedRecord {
    let timer: NodeJS.Timeout | undefined
    const forget = (): void => {
      clearTimeout(timer)
      this.#expected.delete(key)
    }
    const atMs = new Promise<number>((resolve, reject) => {
      this.#expected.set(key, resolve)
      const late = (): void =>
        reject(new MeridianError('DEADLINE_EXCEEDED', 'The record has not arrived.'))
      timer = setTimeout(late, timeoutMs)
    })
    // A write that fails before leaves it unwatched.
    atMs.catch(() => undefined)
    return { atMs, forget }
  }

  arrived(key: string): void {
    this.#expected.get(key)?.(performance.now())
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect()
    const admin = this.#kafka.admin()
    await admin.connect()
    try {
      await admin.deleteGroups([this.#groupId])
    } finally {
      await admin.disconnect()
    }
  }
}

function unavailable(what: string): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', what, {
    fix: 'Look whether the deployment publishes its tables: `changeLogs.<region>.tables`.',
  })
}
