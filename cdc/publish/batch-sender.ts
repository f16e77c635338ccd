/**
 * Sends a batch: topics side by side, the parts for one topic one after the other, so that no record
 * of a key is stored before an earlier one of the same key. A failure leaves the rest unsent; the
 * same batch is then sent again.
 */
import type { Topics } from '../../src/core/ports/topics.ts'
import type { Batch, Outgoing } from './batch.ts'
import type { PublishFaults } from './faults.ts'
import type { TableTopics } from './table-topics.ts'

/** What one request carries at most, unless a single record is larger. */
const PART_BYTES = 1024 * 1024
const PART_RECORDS = 500

/** What a sender is made of. */
export interface BatchSenderOptions {
  readonly topics: Topics
  readonly tableTopics: TableTopics
  readonly faults: PublishFaults
  /** Records of one request. Default 500. */
  readonly partRecords?: number | undefined
}

export class BatchSender {
  readonly #options: BatchSenderOptions

  constructor(options: BatchSenderOptions) {
    this.#options = options
  }

  /** Resolves once everything is acknowledged. */
  async send({ records, deadLetters }: Batch): Promise<void> {
    const { deadLetters: deadTopic } = this.#options.tableTopics
    const outcomes = await Promise.allSettled(
      [...records, [deadTopic, deadLetters] as const].map(([topic, outgoing]) =>
        this.#sendTopic(topic, outgoing),
      ),
    )
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #sendTopic(topic: string, outgoing: readonly Outgoing[]): Promise<void> {
    const parts = partsOf(outgoing, this.#options.partRecords ?? PART_RECORDS)
    if (this.#options.faults.partsAtOnce === true) {
      await Promise.all(parts.map((part) => this.#send(topic, part)))
      return
    }
    for (const part of parts) await this.#send(topic, part)
  }

  async #send(topic: string, part: readonly Outgoing[]): Promise<void> {
    const { topics, tableTopics } = this.#options
    await tableTopics.ensure(topic)
    try {
      await topics.send(
        topic,
        part.map(({ record }) => record),
      )
    } catch (error) {
      tableTopics.suspect(topic)
      throw error
    }
  }
}

function partsOf(outgoing: readonly Outgoing[], partRecords: number): Outgoing[][] {
  const parts: Outgoing[][] = []
  let part: Outgoing[] = []
  let bytes = 0
  for (const one of outgoing) {
    const isFull = part.length === partRecords || bytes + one.bytes > PART_BYTES
    if (part.length > 0 && isFull) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(one)
    bytes += one.bytes
  }
  if (part.length > 0) parts.push(part)
  return parts
}
