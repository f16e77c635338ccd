/** Turns changes into records of topics, each with the sequence number before it. Pure. */
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { hlcMs } from '../../src/core/hlc.ts'
import type { TopicRecord } from '../../src/core/ports/topics.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import {
  changeHeaders,
  deadLetterHeaders,
  encodeDeadLetter,
  encodeEnvelope,
  encodeRecordKey,
  isOfLog,
  type DeadReason,
  type EnvelopeOptions,
} from './envelope.ts'
import { partitionOf } from './partition.ts'
import type { Published } from './publish-state.ts'

/** Of the key of a dead letter, which is there for those who look for a row. */
const MAX_DEAD_KEY_BYTES = 1024

/** A record, and how many bytes it takes, about. */
export interface Outgoing {
  readonly record: TopicRecord
  readonly bytes: number
}

/** What is to be sent for some changes. */
export interface Batch {
  /** By topic, in the order of the changes. */
  readonly records: ReadonlyMap<string, readonly Outgoing[]>
  /** For the topic of dead letters. */
  readonly deadLetters: readonly Outgoing[]
  /** Changes of tables that the schema does not have any more. */
  readonly skipped: number
  /** Where the publisher is once all of it is acknowledged. */
  readonly after: Published
}

/** What a batch is made with. */
export interface BatchOptions extends EnvelopeOptions {
  readonly schema: CompiledSchema
  readonly partitions: number
  readonly topicOf: (table: CompiledTable) => string
  /** Of key and value together; larger ones become dead letters. */
  readonly maxRecordBytes: number
}

/**
 * `changes`: those that follow `before`, whole transactions.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE` when a change is of a newer schema
 */
export function makeBatch(
  options: BatchOptions,
  changes: readonly Change[],
  before: Published,
): Batch {
  const records = new Map<string, Outgoing[]>()
  const deadLetters: Outgoing[] = []
  const previous = new PreviousSeqs(before.previous, options.partitions)
  let { hlc } = before
  let skipped = 0
  for (const change of changes) {
    requireKnown(options.schema, change)
    if (change.origin.source === options.source || isOfLog(change.origin.source)) hlc = change.hlc
    const table = options.schema.tableById.get(change.tableId)
    if (table === undefined) {
      skipped++
      continue
    }
    const topic = options.topicOf(table)
    const made = recordOf(options, table, change)
    const partition = made.key === null ? 0 : partitionOf(made.key, options.partitions)
    // A dead letter counts as well: who reads the topic sees that something is missing.
    const previousSeq = made.key === null ? 0 : previous.replace(topic, partition, change.localSeq)
    if (made.value === null) {
      deadLetters.push(deadLetterOf(options, table, change, made))
      continue
    }
    const headers = changeHeaders(options, change, previousSeq)
    const record = { ...made, headers, partition, timestampMs: hlcMs(change.hlc) }
    listOf(records, topic).push({ record, bytes: bytesOf(made) })
  }
  const position = changes.at(-1)?.localSeq ?? before.position
  return { records, deadLetters, skipped, after: { position, hlc, previous: previous.take() } }
}

function listOf(records: Map<string, Outgoing[]>, topic: string): Outgoing[] {
  const list = records.get(topic) ?? []
  records.set(topic, list)
  return list
}

/** A record's key and value, as far as they can be written and sent. */
type Made =
  | { readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly key: Uint8Array | null; readonly value: null; readonly reason: DeadReason }

function recordOf(options: BatchOptions, table: CompiledTable, change: Change): Made {
  let key: Uint8Array | null = null
  try {
    key = encodeRecordKey(options.format, table, change)
    const value = encodeEnvelope(options, table, change)
    const isTooLarge = key.length + value.length > options.maxRecordBytes
    return isTooLarge ? { key, value: null, reason: 'too-large' } : { key, value }
  } catch {
    return { key, value: null, reason: 'not-encodable' }
  }
}

function deadLetterOf(
  { source }: BatchOptions,
  table: CompiledTable,
  change: Change,
  made: Extract<Made, { value: null }>,
): Outgoing {
  // A key may be what is too large.
  const key = made.key !== null && made.key.length <= MAX_DEAD_KEY_BYTES ? made.key : null
  const value = encodeDeadLetter(source, table, change, made.reason)
  const headers = deadLetterHeaders(source, change, made.reason)
  const record = { key, value, headers, partition: 0, timestampMs: hlcMs(change.hlc) }
  return { record, bytes: bytesOf({ key, value }) }
}

function bytesOf({ key, value }: { key: Uint8Array | null; value: Uint8Array }): number {
  return (key?.length ?? 0) + value.length
}

/** A node of an older schema does not know what the rows of a newer one hold. */
function requireKnown(schema: CompiledSchema, change: Change): void {
  if (change.schemaVersion <= schema.version) return
  throw new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `Change ${change.localSeq} is of schema version ${change.schemaVersion}, newer than ${schema.version}.`,
    {
      fix: 'Start the node with the newer schema.',
      details: { position: change.localSeq, schemaVersion: change.schemaVersion },
    },
  )
}

/** The last sequence numbers by topic and partition; what it was given does not change. */
class PreviousSeqs {
  readonly #before: ReadonlyMap<string, readonly number[]>
  readonly #changed = new Map<string, number[]>()
  readonly #partitions: number

  constructor(before: ReadonlyMap<string, readonly number[]>, partitions: number) {
    this.#before = before
    this.#partitions = partitions
  }

  /** Notes a partition's last number; the one before it. */
  replace(topic: string, partition: number, seq: number): number {
    let seqs = this.#changed.get(topic)
    if (seqs === undefined) {
      const before = this.#before.get(topic)
      seqs = Array.from({ length: this.#partitions }, (_, i) => before?.[i] ?? 0)
      this.#changed.set(topic, seqs)
    }
    const previous = seqs[partition] ?? 0
    seqs[partition] = seq
    return previous
  }

  /** All of them; lists that did not change are those that were given. */
  take(): ReadonlyMap<string, readonly number[]> {
    return new Map<string, readonly number[]>([...this.#before, ...this.#changed])
  }
}
