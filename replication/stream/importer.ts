/**
 * The importer of one other region: opens a channel to it, subscribes from the stored position,
 * and keeps doing so with jittered pauses until it is stopped or the stream cannot go on.
 */
import { sourceRegion } from '../../src/core/change.ts'
import {
  asMeridianError,
  isErrorCode,
  MeridianError,
  type ErrorCode,
} from '../../src/core/errors.ts'
import type { CancelTimer, Runtime } from '../../src/core/ports/runtime.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { Transport } from '../../src/core/ports/transport.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import type { StreamFaults } from './faults.ts'
import { FreshnessTracker } from './freshness.ts'
import type { MaySend } from './import-filter.ts'
import { ImportSession, type ImportProgress } from './import-session.ts'
import { ImportWriter, type ChangeAppliers, type SourcePosition } from './import-writer.ts'
import { KeepTimer } from './keep-timer.ts'

const DEFAULT_CREDIT_BYTES = 4 * 1024 * 1024
const DEFAULT_PROBE_INTERVAL_MS = 150
const DEFAULT_SILENCE_TIMEOUT_MS = 3_000
const DEFAULT_MAX_BACKOFF_MS = 2_000
const FIRST_BACKOFF_MS = 25
/** Keys, topologies and versions are put right at either end, without this process. */
const CURED_ELSEWHERE: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'REGION_UNKNOWN',
  'PROTOCOL_VERSION',
]

/** What an importer is made of. */
export interface ImporterOptions {
  /** The region that imports. */
  readonly region: string
  /** The region whose store is followed. */
  readonly from: string
  readonly transport: Transport
  readonly store: Store
  readonly schema: CompiledSchema
  /** The clock of `store`, shared by all its writers. */
  readonly storeClock: StoreClock
  readonly runtime: Runtime
  readonly appliers: ChangeAppliers
  /** Which of the source's changes are taken. Default: all. */
  readonly maySend?: MaySend
  /** Bytes that the source may have on the way. Default 4 MiB. */
  readonly creditBytes?: number
  /** Default 150. */
  readonly probeIntervalMs?: number
  /** A channel that says nothing for this long is given up. Default 3,000. */
  readonly silenceTimeoutMs?: number
  /** Longest pause between two attempts to connect. Default 2,000. */
  readonly maxBackoffMs?: number
  /**
   * When an advance over changes that this region is not sent goes into the store; shared by the
   * importers of a store. A crash before that costs no more than that the source tells it again.
   * Default: one of its own.
   */
  readonly keepTimer?: KeepTimer
  /** Told of each position up to which a source's changes have become readable here. */
  readonly onReached?: (source: string, position: number) => void
  /** Told of what has ended the stream until it is started again. */
  readonly onStopped?: (error: MeridianError) => void
  /** For tests alone. */
  readonly faults?: StreamFaults
}

/** How an importer stands. */
export interface ImportStatus {
  /** The region that is followed. */
  readonly from: string
  /** Its store; null before the first contact. */
  readonly source: string | null
  /**
   * Readable here up to this localSeq, with rows that are durable: what sessions are checked
   * against. It does not go back while the process lives; after a crash the source may have to tell
   * again which changes this region is not sent. It waits for changes that are held because their
   * stamps are too far ahead of this clock.
   */
  readonly position: number
  /** Changes of the source that are not applied yet, as far as is known. */
  readonly lag: number
  readonly connected: boolean
  /** Why the stream does not move. With `retry: never` it stands until it is started again. */
  readonly error: MeridianError | null
}

/** The stream from one region into this one's store. */
export interface Importer {
  /** Begins to follow; resolves once the stored position is known. */
  start(): Promise<void>
  /** Resolves once the position is in the store, if that can be, and nothing is written any more. */
  stop(): Promise<void>
  status(): ImportStatus
  /** Asks the source now how far it is, instead of at the next interval. */
  probe(): void
  /**
   * Monotonic milliseconds of this process: what the source had committed by then is applied here.
   * Null while that is not known.
   */
  freshAsOfMs(): number | null
}

const takeAll: MaySend = () => Promise.resolve(true)

/** Makes an importer; `start` begins. */
export function createImporter(options: ImporterOptions): Importer {
  return new RegionImporter(options)
}

class RegionImporter implements Importer {
  readonly #options: ImporterOptions
  readonly #writer: ImportWriter
  readonly #keepTimer: KeepTimer
  readonly #freshness = new FreshnessTracker()
  #progress: ImportProgress | undefined
  #session: ImportSession | undefined
  #isAccepted = false
  #running: Promise<void> | undefined
  #isStopped = true
  #failures = 0
  #error: MeridianError | null = null
  #endPause: (() => void) | undefined

  constructor(options: ImporterOptions) {
    this.#options = options
    this.#keepTimer = options.keepTimer ?? new KeepTimer(options.runtime.timers)
    this.#writer = new ImportWriter({
      store: options.store,
      schema: options.schema,
      storeClock: options.storeClock,
      clock: options.runtime.clock,
      appliers: options.appliers,
      faults: options.faults ?? {},
    })
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    this.#isStopped = false
    this.#error = null
    this.#failures = 0
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
    const [known] = await this.#positions()
    if (known === undefined || this.#progress !== undefined) return
    const [source, { applied, visible }] = known
    this.#progress = { source, position: visible, end: applied }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#session?.close()
    this.#endPause?.()
    await this.#running
  }

  status(): ImportStatus {
    const { source, position, end } = this.#progress ?? { source: null, position: 0, end: 0 }
    return {
      from: this.#options.from,
      source,
      position,
      lag: Math.max(0, end - position),
      connected: this.#isAccepted,
      error: this.#error,
    }
  }

  probe(): void {
    this.#session?.probe()
  }

  freshAsOfMs(): number | null {
    return this.#freshness.freshAsOfMs
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#follow()
      } catch (error) {
        this.#error = asMeridianError(error)
        if (this.#error.retry === 'never' && !isErrorCode(error, ...CURED_ELSEWHERE)) {
          if (!this.#isStopped) this.#options.onStopped?.(this.#error)
          return
        }
      }
      this.#failures++
      if (!this.#isStopped) await this.#pause()
    }
  }

  /** One channel, from connect to its end. */
  async #follow(): Promise<void> {
    const options = this.#options
    const positions = new Map(await this.#positions())
    const channel = await options.transport.connect(options.from, 'stream')
    if (this.#isStopped) {
      channel.close()
      return
    }
    this.#session = new ImportSession({
      region: options.region,
      from: options.from,
      channel,
      positions,
      schema: options.schema,
      writer: this.#writer,
      maySend: options.maySend ?? takeAll,
      runtime: options.runtime,
      freshness: this.#freshness,
      creditBytes: options.creditBytes ?? DEFAULT_CREDIT_BYTES,
      probeIntervalMs: options.probeIntervalMs ?? DEFAULT_PROBE_INTERVAL_MS,
      silenceTimeoutMs: options.silenceTimeoutMs ?? DEFAULT_SILENCE_TIMEOUT_MS,
      keepTimer: this.#keepTimer,
      faults: options.faults ?? {},
      onProgress: (progress) => this.#onProgress(progress),
    })
    try {
      await this.#session.run()
    } finally {
      this.#session = undefined
      this.#isAccepted = false
    }
  }

  #onProgress(progress: ImportProgress): void {
    const { source } = progress
    const before = this.#progress?.source === source ? this.#progress.position : 0
    // A session starts where the store is: behind an advance that could not be kept.
    const position = Math.max(before, progress.position)
    this.#progress = { ...progress, position }
    this.#isAccepted = true
    this.#options.onReached?.(source, position)
    if (progress.position < progress.end) return
    this.#failures = 0
    this.#error = null
  }

  async #positions(): Promise<(readonly [string, SourcePosition])[]> {
    const positions = await this.#writer.positions()
    return [...positions].filter(([source]) => sourceRegion(source) === this.#options.from)
  }

  async #pause(): Promise<void> {
    const { runtime, maxBackoffMs } = this.#options
    const ceilingMs = Math.min(
      maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS,
      FIRST_BACKOFF_MS * 2 ** (this.#failures - 1),
    )
    const delayMs = ceilingMs * (0.5 + runtime.random.fraction() / 2)
    let cancel: CancelTimer | undefined
    await new Promise<void>((resolve) => {
      this.#endPause = resolve
      cancel = runtime.timers.after(delayMs, resolve)
    })
    cancel?.()
    this.#endPause = undefined
  }
}
