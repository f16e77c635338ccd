/** Which topics a region has for consumers outside, what they are like, and that they are there. */
import type { Topics, TopicShape } from '../../src/core/ports/topics.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'

/** Records are kept this long where the configuration does not say. */
export const DEFAULT_RETENTION_MS: number = 7 * 24 * 60 * 60 * 1000
/** Key and value of a record: room for the largest cell, before and after, in base64. */
export const DEFAULT_MAX_RECORD_BYTES: number = 12 * 1024 * 1024
/** What headers and framing add to a record or to a small batch, generously. */
const OVERHEAD_BYTES = 1024 * 1024
/** No table can have this name: names of tables have no dash. */
const DEAD_LETTERS = 'dead-letter'

/** What the topics are made of. */
export interface TableTopicsOptions {
  readonly topics: Topics
  readonly schema: CompiledSchema
  /** Of the deployment. */
  readonly name: string
  readonly region: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly retentionMs: number
  readonly maxRecordBytes: number
}

/** The name of a table's topic. It follows the table's public name, also where that changes. */
export function tableTopic(
  name: string,
  region: string,
  table: Pick<CompiledTable, 'name'>,
): string {
  return `${name}.${region}.${table.name}`
}

export class TableTopics {
  /** For what cannot be sent. */
  readonly deadLetters: string
  /** Of all tables, in the schema's order. */
  readonly names: readonly string[]
  readonly partitions: number
  readonly #topics: Topics
  readonly #shapes: ReadonlyMap<string, TopicShape>
  readonly #ready = new Map<string, Promise<void>>()

  constructor(options: TableTopicsOptions) {
    const { topics, schema, name, region, partitions } = options
    this.deadLetters = `${name}.${region}.${DEAD_LETTERS}`
    this.names = schema.tables.map((table) => tableTopic(name, region, table))
    this.partitions = partitions
    this.#topics = topics
    this.#shapes = new Map(
      [...this.names, this.deadLetters].map((topic) => [
        topic,
        shapeOf(options, topic, topic === this.deadLetters ? 1 : partitions),
      ]),
    )
  }

  /** Resolves once all topics are there, as they must be. */
  async ensureAll(): Promise<void> {
    // One after the other: brokers answer requests for topics while they make others with errors.
    for (const topic of this.#shapes.keys()) await this.ensure(topic)
  }

  /** Resolves once a topic is there, as it must be: asks once, and again after `suspect`. */
  ensure(topic: string): Promise<void> {
    const known = this.#ready.get(topic)
    if (known !== undefined) return known
    const asked = this.#topics.ensure(this.#shapes.get(topic) as TopicShape)
    this.#ready.set(topic, asked)
    asked.catch(() => {
      if (this.#ready.get(topic) === asked) this.#ready.delete(topic)
    })
    return asked
  }

  /** Something failed there: the topic may have been deleted or changed. */
  suspect(topic: string): void {
    this.#ready.delete(topic)
  }
}

function shapeOf(options: TableTopicsOptions, name: string, partitions: number): TopicShape {
  const { replicationFactor, retentionMs, maxRecordBytes } = options
  return {
    name,
    partitions,
    replicationFactor,
    settings: {
      'cleanup.policy': 'delete',
      'retention.ms': String(retentionMs),
      'max.message.bytes': String(maxRecordBytes + OVERHEAD_BYTES),
      // The broker's time: a record is kept for the whole retention, however old its change is, and
      // a clock that runs ahead has no record refused.
      'message.timestamp.type': 'LogAppendTime',
      // One copy may be away without holding up what is sent, where that leaves two.
      'min.insync.replicas': String(Math.max(1, replicationFactor - 1)),
    },
  }
}
