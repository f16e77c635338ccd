/**
 * The publisher: writes the changes of a store to one topic a table, for consumers outside, at least
 * once and in order for each row (`docs/spec/topics.md`). A broker that is away is waited for; no
 * write is held up by it.
 */
import { sourceRegion, type Change } from '../../src/core/change.ts'
import { MeridianError, toWireError } from '../../src/core/errors.ts'
import { hlcMs } from '../../src/core/hlc.ts'
import { newShortId } from '../../src/core/ids.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Store } from '../../src/core/ports/store.ts'
import type { Topics } from '../../src/core/ports/topics.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { createChangeConsumer, type ChangeConsumer } from '../consumer/change-consumer.ts'
import { PositionWaiters } from '../views/position-waiters.ts'
import type { Follower, FollowerStatus } from '../wake-loop.ts'
import { BatchSender } from './batch-sender.ts'
import { makeBatch, type BatchOptions } from './batch.ts'
import type { TopicFormat } from './cell-form.ts'
import type { PublishFaults } from './faults.ts'
import { PacedLoop } from './paced-loop.ts'
import { PublishState, type Published } from './publish-state.ts'
import { sendResolved } from './resolved.ts'
import {
  DEFAULT_MAX_RECORD_BYTES,
  DEFAULT_RETENTION_MS,
  TableTopics,
  tableTopic,
} from './table-topics.ts'

/** The position is kept this often while it moves, or after this many changes. */
const SAVE_INTERVAL_MS = 200
const SAVE_CHANGES = 1000
/** Resolved records are sent this often while the position moves. */
const RESOLVED_INTERVAL_MS = 1000
/** Whoever published before may move the position while this one takes over. */
const MAX_TAKE_OVERS = 20

/** What a publisher is made of. */
export interface TopicPublisherOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  readonly changeLog: ChangeLog
  readonly topics: Topics
  /** Of the deployment: topics are named `<name>.<region>.<table>`. */
  readonly name: string
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
  readonly format: TopicFormat
  /** Of each table's topic. */
  readonly partitions: number
  readonly replicationFactor: number
  /** Default 7 days. */
  readonly retentionMs?: number
  /** Key and value of a record; the topics' `max.message.bytes` follows it. Default 12 MiB. */
  readonly maxRecordBytes?: number
  readonly runtime: Runtime
  /** Told of what has ended the publisher for good. */
  readonly onStopped?: (error: MeridianError) => void
  /** Told of what it waits for: of each failure, and with null of its end. */
  readonly onTrouble?: (error: MeridianError | null) => void
  /** Changes that are sent together, about. Default 1,000. */
  readonly maxChanges?: number
  /** Records of one request. Default 500. */
  readonly partRecords?: number
  /** Test-only. */
  readonly faults?: PublishFaults
}

/** How a publisher stands. */
export interface PublisherStatus extends FollowerStatus {
  /** From here it goes on after a crash: the change log is needed from here on. */
  readonly durablePosition: number
  /** Every partition has been told that all changes up to here were sent. */
  readonly resolvedPosition: number
  /** Since when the oldest change that waits to be sent has been there; 0: none waits. */
  readonly lagMs: number
  /** Since it was started: changes that were sent, dead letters, and changes of dropped tables. */
  readonly published: number
  readonly deadLetters: number
  readonly skipped: number
}

/** A running publisher; its position is the last one that brokers acknowledged. */
export interface Publisher extends Follower {
  status(): PublisherStatus
  /**
   * Resolves once every change up to `seq` has been acknowledged.
   *
   * @throws MeridianError `SESSION_NOT_MET` when the time is over, or what stopped the publisher
   */
  waitPublished(seq: number, timeoutMs: number): Promise<void>
}

/**
 * Starts a publisher, from where the store says that the last one was.
 *
 * @throws MeridianError of the store
 */
export async function createTopicPublisher(options: TopicPublisherOptions): Promise<Publisher> {
  const { store, source, runtime } = options
  const state = new PublishState(store, source, newShortId(runtime.random))
  return new TopicPublisher(options, state, await takeOver(state))
}

async function takeOver(state: PublishState): Promise<Published> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await state.takeOver()
    } catch (error) {
      if (!(error instanceof StatementFailed) || attempt === MAX_TAKE_OVERS) throw error
    }
  }
}

class TopicPublisher implements Publisher {
  readonly #options: TopicPublisherOptions
  readonly #faults: PublishFaults
  readonly #state: PublishState
  readonly #tableTopics: TableTopics
  readonly #sender: BatchSender
  readonly #batchOptions: BatchOptions
  readonly #waiters: PositionWaiters
  readonly #consumer: ChangeConsumer
  readonly #keeper: PacedLoop
  readonly #resolver: PacedLoop
  /** Everything up to here was acknowledged; what of it the store knows. */
  #acked: Published
  #kept: Published
  #resolvedPosition = 0
  #waitsSinceMs: number | undefined
  #counts = { published: 0, deadLetters: 0, skipped: 0 }
  #ended: MeridianError | undefined
  /** Of a planted fault: what is about to be sent. */
  #ahead: Published | undefined

  constructor(options: TopicPublisherOptions, state: PublishState, start: Published) {
    const { schema, changeLog, topics, name, source, runtime, partitions } = options
    const { timers, random } = runtime
    this.#options = options
    this.#faults = options.faults ?? {}
    this.#state = state
    this.#acked = this.#faults.forgetsPrevious === true ? { ...start, previous: new Map() } : start
    this.#kept = this.#acked
    const region = sourceRegion(source)
    const retentionMs = options.retentionMs ?? DEFAULT_RETENTION_MS
    const maxRecordBytes = options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES
    this.#tableTopics = new TableTopics({ ...options, region, retentionMs, maxRecordBytes })
    this.#sender = new BatchSender({
      topics,
      tableTopics: this.#tableTopics,
      faults: this.#faults,
      partRecords: options.partRecords,
    })
    this.#batchOptions = {
      format: options.format,
      source,
      schema,
      partitions,
      maxRecordBytes,
      topicOf: (table) => tableTopic(name, region, table),
    }
    this.#waiters = new PositionWaiters(timers)
    const onStopped = (error: MeridianError): void => this.#end(error)
    const loop = { timers, random, onStopped }
    this.#keeper = new PacedLoop({
      ...loop,
      intervalMs: SAVE_INTERVAL_MS,
      work: () => this.#keep(),
    })
    this.#resolver = new PacedLoop({
      ...loop,
      intervalMs: RESOLVED_INTERVAL_MS,
      work: () => this.#resolve(),
    })
    this.#consumer = createChangeConsumer({
      changeLog,
      schema,
      position: start.position,
      handler: (changes) => this.#publish(changes),
      onTrouble: options.onTrouble,
      ...loop,
      ...(options.maxChanges === undefined ? {} : { maxChanges: options.maxChanges }),
    })
  }

  position(): number {
    return this.#acked.position
  }

  status(): PublisherStatus {
    const waitsSinceMs = this.#waitsSinceMs
    const nowMs = this.#options.runtime.clock.nowMs()
    return {
      position: this.#acked.position,
      durablePosition: this.#kept.position,
      resolvedPosition: this.#resolvedPosition,
      lagMs: waitsSinceMs === undefined ? 0 : Math.max(0, nowMs - waitsSinceMs),
      ...this.#counts,
      error:
        this.#ended ??
        this.#consumer.status().error ??
        this.#resolver.error() ??
        this.#keeper.error(),
    }
  }

  async waitPublished(seq: number, timeoutMs: number): Promise<void> {
    if (this.#acked.position >= seq) return
    if (this.#ended !== undefined) throw this.#ended
    if (await this.#waiters.wait(seq, timeoutMs)) return
    throw (
      this.status().error ??
      new MeridianError(
        'SESSION_NOT_MET',
        `The topics have the changes up to ${this.#acked.position}, not ${seq}.`,
        { fix: 'Wait longer.' },
      )
    )
  }

  async stop(): Promise<void> {
    await this.#stopLoops()
    // What follows saves only sending again: where the store is away, that is done.
    if (this.#ended === undefined) await this.#keep().catch(() => undefined)
    this.#waiters.fail(new MeridianError('CLOSED', 'The publisher is closed.'))
  }

  async #stopLoops(): Promise<void> {
    await this.#consumer.stop()
    await Promise.all([this.#resolver.stop(), this.#keeper.stop()])
  }

  /** What has ended one of the loops ends all of them. */
  #end(error: MeridianError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#waiters.fail(error)
    this.#stopLoops().catch(() => undefined)
    this.#options.onStopped?.(error)
  }

  async #publish(changes: readonly Change[]): Promise<void> {
    const [first] = changes
    if (first !== undefined) this.#waitsSinceMs ??= hlcMs(first.hlc)
    const batch = makeBatch(this.#batchOptions, changes, this.#acked)
    if (this.#faults.positionBeforeAck === true) await this.#state.save(batch.after, this.#kept)
    if (this.#faults.resolvedBeforeAck === true) {
      this.#ahead = batch.after
      this.#resolver.callNow()
    }
    await repeatable(() => this.#sender.send(batch))
    const deadLetters = batch.deadLetters.length
    this.#acked = batch.after
    this.#waitsSinceMs = undefined
    this.#counts = {
      published: this.#counts.published + changes.length - batch.skipped - deadLetters,
      deadLetters: this.#counts.deadLetters + deadLetters,
      skipped: this.#counts.skipped + batch.skipped,
    }
    this.#waiters.advance(this.#acked.position)
    this.#resolver.call()
    if (this.#acked.position - this.#kept.position >= SAVE_CHANGES) this.#keeper.callNow()
    else this.#keeper.call()
  }

  async #keep(): Promise<void> {
    const next = this.#acked
    if (next.position === this.#kept.position) return
    await this.#state.save(next, this.#kept)
    this.#kept = next
  }

  /** Makes the topics, too: one that no row was written to yet is there to subscribe to. */
  async #resolve(): Promise<void> {
    await repeatable(() => this.#tableTopics.ensureAll())
    const published = this.#ahead ?? this.#acked
    if (published.position === this.#resolvedPosition) return
    const { runtime } = this.#options
    await repeatable(() =>
      sendResolved(this.#options, this.#tableTopics, published, runtime.clock.nowMs()),
    )
    this.#resolvedPosition = published.position
  }
}

/** Whatever a broker refuses may be put right there: it is tried again, for ever. */
async function repeatable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, message, fix, details, retry } = toWireError(error)
    if (retry !== 'never' || code === 'CLOSED') throw error
    throw new MeridianError(code, message, {
      retry: 'safe',
      cause: error,
      ...(fix === undefined ? {} : { fix }),
      ...(details === undefined ? {} : { details }),
    })
  }
}
