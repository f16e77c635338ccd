/**
 * Driver: a change log in one partition of one topic of Kafka. One record of Kafka is stored at a
 * time and holds the changes that were waiting; readers at the tail are served from memory. The
 * protocol: docs/spec/kafka-log.md.
 */
import { MeridianError } from '../../core/errors.ts'
import type { ChangeLog, ChangeLogRecord } from '../../core/ports/change-log.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import type { TopicShape } from '../../core/ports/topics.ts'
import type { KafkaLogFaults } from './faults.ts'
import type { KafkaClient } from './kafka-client.ts'
import { encodeLogRecord, type LogChunk } from './log-record.ts'
import { compactedError, PartitionReader } from './partition-reader.ts'
import { TailWindow } from './tail-window.ts'
import { ensureTopic } from './topic-check.ts'
import { takeNew } from '../change-log/take-new.ts'

/** How the log is kept. */
export interface KafkaChangeLogOptions {
  /** The log closes it. */
  readonly client: KafkaClient
  /** Of one life of one store alone: positions begin anew with the next one. */
  readonly topic: string
  readonly replicationFactor: number
  readonly runtime: Runtime
  readonly log: Log
  /** Bytes of the last changes that stay in memory for readers. Default 32 MiB. */
  readonly windowBytes?: number | undefined
  /** Test-only. */
  readonly faults?: KafkaLogFaults | undefined
}

const PARTITION = 0
const DEFAULT_WINDOW_BYTES = 32 * 1024 * 1024
const MAX_CHUNK_RECORDS = 4096
const MAX_CHUNK_BYTES = 1024 * 1024
/** A change is one row before and after, and a row is less than a message. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024
const TOPIC_PAUSE_MS = 100

interface WaitingAppend {
  readonly records: readonly ChangeLogRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What the topic of a change log must be like. */
export function changeLogTopic(topic: string, replicationFactor: number): TopicShape {
  return {
    name: topic,
    partitions: 1,
    replicationFactor,
    settings: {
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'max.message.bytes': String(MAX_MESSAGE_BYTES),
      'message.timestamp.type': 'CreateTime',
      'compression.type': 'producer',
      'min.insync.replicas': String(Math.max(1, replicationFactor - 1)),
      'unclean.leader.election.enable': 'false',
      // The outbox is pruned behind the log: a lone copy must survive a power cut (rule 21).
      ...(replicationFactor === 1 ? { 'flush.messages': '1' } : {}),
    },
  }
}

/** Opens the log. The brokers are asked by the first call, so that they may still be away. */
export function openKafkaChangeLog(options: KafkaChangeLogOptions): ChangeLog {
  return new KafkaChangeLog(options)
}

class KafkaChangeLog implements ChangeLog {
  readonly #options: KafkaChangeLogOptions
  readonly #faults: KafkaLogFaults
  readonly #reader: PartitionReader
  readonly #window: TailWindow
  readonly #listeners = new Set<() => void>()
  #isTopicChecked = false
  #trimmed = 0
  /** The last position that is known to be durable; undefined before the first contact. */
  #end: number | undefined
  /** The offset of the next record, while all before it are known: then `#end` is exact. */
  #nextOffset: number | undefined
  #looking: Promise<number> | undefined
  #waiting: WaitingAppend[] = []
  #appending: Promise<void> | undefined
  #isClosed = false

  constructor(options: KafkaChangeLogOptions) {
    this.#options = options
    this.#faults = options.faults ?? {}
    this.#reader = new PartitionReader(options.client, options.topic, this.#faults)
    this.#window = new TailWindow(options.windowBytes ?? DEFAULT_WINDOW_BYTES)
  }

  append(records: readonly ChangeLogRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(closedError())
        return
      }
      this.#waiting.push({ records, resolve, reject })
      this.#appending ??= this.#appendWaiting()
    })
  }

  async end(): Promise<number> {
    this.#checkOpen()
    return this.#exactEnd()
  }

  async read(position: number, maxRecords: number): Promise<readonly ChangeLogRecord[]> {
    this.#checkOpen()
    const end = this.#end ?? (await this.#exactEnd())
    if (position < this.#trimmed) throw compactedError(position, this.#trimmed)
    const wanted = Math.max(1, maxRecords)
    const records: ChangeLogRecord[] = []
    let next = position + 1
    while (records.length < wanted && next <= end) {
      const chunks = await this.#chunksFrom(next)
      if (chunks.length === 0) return records.length > 0 ? records : this.#readAgain(position, end)
      next = this.#take(chunks, next, wanted, records)
    }
    return records
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async trim(position: number): Promise<void> {
    this.#checkOpen()
    const { client, topic } = this.#options
    const end = await this.#exactEnd()
    const trimmed = Math.min(position, end)
    if (trimmed <= this.#trimmed) return
    // The last change stays, so that the log knows where it ended.
    const offset = await this.#reader.offsetOf(Math.min(trimmed + 1, end))
    if (offset !== undefined) await client.deleteRecordsBefore(topic, PARTITION, offset)
    this.#trimmed = Math.max(this.#trimmed, trimmed)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#appending
    await this.#options.client.close()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError()
  }

  async #chunksFrom(position: number): Promise<readonly LogChunk[]> {
    const chunks = this.#window.from(position)
    return chunks.length > 0 ? chunks : this.#reader.from(position)
  }

  /** Adds records from `next` on, `wanted` in all; returns the position after the last one. */
  #take(
    chunks: readonly LogChunk[],
    next: number,
    wanted: number,
    into: ChangeLogRecord[],
  ): number {
    for (const { first, records } of chunks) {
      if (into.length >= wanted) break
      // Parts of a chunk may lie in the one before, as another writer cut it.
      const held = this.#faults.keepsDuplicates === true && into.length > 0 ? 0 : next - first
      for (const record of records.slice(held, held + wanted - into.length)) into.push(record)
      next = (into.at(-1)?.position ?? 0) + 1
    }
    return next
  }

  /** The topic ends before what it acknowledged: it lost records, and the end is another one. */
  async #readAgain(position: number, end: number): Promise<readonly ChangeLogRecord[]> {
    this.#nextOffset = undefined
    const now = await this.#exactEnd()
    if (now <= position) return []
    throw new MeridianError(
      'LOG_UNAVAILABLE',
      `Topic ${this.#options.topic} gave nothing after ${position}, although it ends at ${end}.`,
      { fix: 'The call is repeated.', details: { position, end } },
    )
  }

  /** One record at a time, so that each is judged against an end that is durable. */
  async #appendWaiting(): Promise<void> {
    // Appends of this turn of the event loop share the first record.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      await this.#appendTogether(waiting)
    }
    this.#appending = undefined
  }

  async #appendTogether(waiting: readonly WaitingAppend[]): Promise<void> {
    const accepted: WaitingAppend[] = []
    let hasStored = false
    try {
      const records: ChangeLogRecord[] = []
      let end = await this.#exactEnd()
      for (const append of waiting) {
        const missing = takeNew(append.records, end, records)
        if (missing !== undefined) {
          append.reject(gapError(missing, end))
          continue
        }
        end = Math.max(end, append.records.at(-1)?.position ?? 0)
        accepted.push(append)
      }
      for (const chunk of cut(records)) {
        await this.#store(chunk)
        hasStored = true
      }
      for (const append of accepted) append.resolve()
    } catch (error) {
      for (const append of waiting) append.reject(error)
    }
    if (hasStored) for (const listener of this.#listeners) listener()
  }

  async #store(records: readonly ChangeLogRecord[]): Promise<void> {
    const first = records[0]?.position ?? 0
    const last = first + records.length - 1
    // Another process stored them meanwhile.
    if (last <= (await this.#exactEnd())) return
    const expected = this.#nextOffset ?? 0
    const value = encodeLogRecord(records, expected)
    const offset = await this.#produce(value)
    this.#window.add({ first, last, knownOffset: expected, records, bytes: value.length })
    if (offset === expected || this.#faults.ignoresOthers === true) {
      this.#end = last
      this.#nextOffset = offset + 1
      return
    }
    // What lies between is another process's: it may have gone further.
    this.#nextOffset = undefined
    const end = await this.#exactEnd()
    if (end < last) throw this.#lostError(first, end)
  }

  /** The record that was just written is void: what it was to follow is gone. */
  #lostError(first: number, end: number): MeridianError {
    const { topic } = this.#options
    const problem = `Topic ${topic} has lost changes: it ends at ${end}, before ${first}.`
    return new MeridianError('LOG_UNAVAILABLE', problem, {
      fix: 'The changes that are missing are appended again.',
      details: { topic, end, first },
    })
  }

  async #produce(value: Uint8Array): Promise<number> {
    const { client, topic, runtime } = this.#options
    const record = { key: null, value, headers: {}, timestampMs: runtime.clock.nowMs() }
    try {
      const [offset] = await client.produce(topic, [{ partition: PARTITION, records: [record] }])
      return offset as number
    } catch (error) {
      // Stored or not: nobody knows until the topic is asked.
      if (this.#faults.trustsOldEnd !== true) this.#nextOffset = undefined
      this.#isTopicChecked = false
      throw error
    }
  }

  /** The end, asked of the topic unless every record of it is known. */
  async #exactEnd(): Promise<number> {
    if (this.#nextOffset !== undefined && this.#end !== undefined) return this.#end
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<number> {
    const { topic, log } = this.#options
    await this.#checkTopic()
    const { position, nextOffset, isEmptied } = await this.#reader.end()
    const before = this.#end ?? 0
    if (position < before || isEmptied) {
      this.#reader.clear()
      log.write('error', 'change log lost records', { topic, acknowledged: before, end: position })
    }
    this.#window.keepOnly(position)
    this.#end = position
    this.#nextOffset = nextOffset
    return position
  }

  async #checkTopic(): Promise<void> {
    if (this.#isTopicChecked) return
    const { client, topic, replicationFactor, runtime } = this.#options
    await ensureTopic(
      client,
      changeLogTopic(topic, replicationFactor),
      () =>
        new Promise((resolve) => {
          runtime.timers.after(TOPIC_PAUSE_MS, resolve)
        }),
    )
    this.#isTopicChecked = true
  }
}

/** Parts that each become one record of Kafka. */
function cut(records: readonly ChangeLogRecord[]): readonly (readonly ChangeLogRecord[])[] {
  const parts: ChangeLogRecord[][] = []
  let part: ChangeLogRecord[] = []
  let bytes = 0
  for (const record of records) {
    const size = record.payload.length
    if (part.length === MAX_CHUNK_RECORDS || (bytes > 0 && bytes + size > MAX_CHUNK_BYTES)) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += size
  }
  if (part.length > 0) parts.push(part)
  return parts
}

function gapError(missing: number, end: number): MeridianError {
  return new MeridianError('LOG_GAP', `Position ${missing} is missing; the log ends at ${end}.`, {
    fix: 'Append every position in order, from the log’s end on.',
    details: { missing, end },
  })
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The change log is closed.')
}
