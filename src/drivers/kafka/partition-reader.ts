/**
 * Reads a change log's partition by positions. Several processes may have written it, each not below
 * what it knew as the end: then positions repeat, but never skip one. `M(o)` is the highest position
 * in the records up to offset `o`; it never falls, and is known exactly from record `o` and those
 * that its writer did not know. A record below the offset up to which its writer knew the log is void:
 * the log has lost what the record was to follow, and nothing may follow a gap.
 */
import { MeridianError } from '../../core/errors.ts'
import type { KafkaLogFaults } from './faults.ts'
import type { KafkaClient, OffsetRange } from './kafka-client.ts'
import { decodeLogRecord, type LogChunk } from './log-record.ts'
import { chunkAt } from './tail-window.ts'

const PARTITION = 0
/** What one read of a reader behind the tail fetches; a page. */
const PAGE_BYTES = 2 * 1024 * 1024
const MAX_PAGES = 8
/** Enough for one record, however large: a broker gives a whole one. */
const ONE_RECORD_BYTES = 1

interface Page {
  readonly chunks: readonly LogChunk[]
  readonly nextOffset: number
}

/** Where the log ends. */
export interface LogEnd {
  /** The highest position; 0 in an empty log. */
  readonly position: number
  /** The offset that the next record gets if nobody else writes. */
  readonly nextOffset: number
  /** There were records, and none is left. */
  readonly isEmptied: boolean
}

export class PartitionReader {
  readonly #client: KafkaClient
  readonly #topic: string
  readonly #faults: KafkaLogFaults
  /** What was read last, the most recent at the end. */
  #pages: Page[] = []

  constructor(client: KafkaClient, topic: string, faults: KafkaLogFaults) {
    this.#client = client
    this.#topic = topic
    this.#faults = faults
  }

  async end(): Promise<LogEnd> {
    const range = await this.#client.offsets(this.#topic, PARTITION)
    const { earliest, end: nextOffset } = range
    if (earliest === nextOffset) return { position: 0, nextOffset, isEmptied: earliest > 0 }
    const position = await this.#highestAt(nextOffset - 1, earliest)
    return { position, nextOffset, isEmptied: false }
  }

  /**
   * Chunks without a gap, from the one that holds `position` on; none where the log ends before.
   *
   * @throws MeridianError `LOG_COMPACTED` where the log begins later, `LOG_GAP`
   */
  async from(position: number): Promise<readonly LogChunk[]> {
    for (const [place, page] of this.#pages.entries()) {
      const index = chunkAt(page.chunks, position)
      if (index === undefined) continue
      this.#pages.push(...this.#pages.splice(place, 1))
      return page.chunks.slice(index)
    }
    const before = this.#pages.find((page) => page.chunks.at(-1)?.last === position - 1)
    const offset = before?.nextOffset ?? (await this.offsetOf(position))
    if (offset === undefined) return []
    const page = await this.#readPage(offset, position)
    if (page.chunks.length > 0) this.#pages = [...this.#pages.slice(1 - MAX_PAGES), page]
    return page.chunks
  }

  /**
   * The offset of the first record that reaches `position`; undefined where the log ends before.
   *
   * @throws MeridianError `LOG_COMPACTED` where the log begins later, `LOG_GAP`
   */
  async offsetOf(position: number): Promise<number | undefined> {
    const range = await this.#client.offsets(this.#topic, PARTITION)
    let low = range.earliest
    let high = range.end
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((await this.#highestAt(middle, range.earliest)) < position) low = middle + 1
      else high = middle
    }
    if (low === range.end) return undefined
    const { first } = await this.#read(low)
    if (first > position) throw this.#missing(position, first, low, range)
    return low
  }

  /** What was read is not to be relied on: the log may have lost records. */
  clear(): void {
    this.#pages = []
  }

  async #readPage(offset: number, position: number): Promise<Page> {
    const chunks: LogChunk[] = []
    let next = offset
    let reached = position - 1
    while (chunks.length === 0) {
      const { records } = await this.#client.fetch(this.#topic, PARTITION, next, PAGE_BYTES)
      if (records.length === 0) break
      for (const record of records) {
        const chunk = decodeLogRecord(this.#topic, record)
        next = record.offset + 1
        if (this.#isVoid(chunk, record.offset)) continue
        if (chunk.last <= reached && this.#faults.keepsDuplicates !== true) continue
        if (chunk.first > reached + 1) throw this.#gap(reached + 1, record.offset)
        chunks.push(chunk)
        reached = chunk.last
      }
    }
    return { chunks, nextOffset: next }
  }

  /** `M(offset)`, from the records that are left. */
  async #highestAt(offset: number, earliest: number): Promise<number> {
    const chunk = await this.#read(offset)
    if (this.#isVoid(chunk, offset)) {
      return offset > earliest ? this.#highestAt(offset - 1, earliest) : 0
    }
    if (chunk.knownOffset === offset || this.#faults.ignoresOthers === true) return chunk.last
    let highest = Math.max(chunk.first - 1, chunk.last)
    let next = Math.max(chunk.knownOffset, earliest)
    while (next < offset) {
      const { records } = await this.#client.fetch(this.#topic, PARTITION, next, PAGE_BYTES)
      if (records.length === 0) throw this.#vanished(next)
      for (const record of records) {
        next = record.offset + 1
        if (record.offset >= offset) continue
        const theirs = decodeLogRecord(this.#topic, record)
        if (!this.#isVoid(theirs, record.offset)) highest = Math.max(highest, theirs.last)
      }
    }
    return highest
  }

  #isVoid({ knownOffset }: LogChunk, offset: number): boolean {
    return knownOffset > offset && this.#faults.followsGaps !== true
  }

  async #read(offset: number): Promise<LogChunk> {
    const { records } = await this.#client.fetch(this.#topic, PARTITION, offset, ONE_RECORD_BYTES)
    const [record] = records
    if (record === undefined || record.offset !== offset) throw this.#vanished(offset)
    return decodeLogRecord(this.#topic, record)
  }

  #missing(position: number, first: number, offset: number, range: OffsetRange): MeridianError {
    if (offset > range.earliest) return this.#gap(position, offset)
    return compactedError(position - 1, first - 1)
  }

  #gap(position: number, offset: number): MeridianError {
    return new MeridianError(
      'LOG_GAP',
      `Position ${position} is missing before record ${offset} of topic ${this.#topic}.`,
      {
        fix: 'Somebody deleted records within the topic: seed the region again.',
        details: { topic: this.#topic, missing: position, offset },
      },
    )
  }

  /** Deleted, or lost, since the call began: another attempt sees what there is now. */
  #vanished(offset: number): MeridianError {
    return new MeridianError(
      'LOG_UNAVAILABLE',
      `Record ${offset} of topic ${this.#topic} went away while it was read.`,
      { fix: 'The call is repeated.', details: { topic: this.#topic, offset } },
    )
  }
}

export function compactedError(position: number, trimmed: number): MeridianError {
  return new MeridianError(
    'LOG_COMPACTED',
    `Records after ${position} were trimmed up to ${trimmed}.`,
    { fix: 'Start again from a snapshot.', details: { position, trimmed } },
  )
}
