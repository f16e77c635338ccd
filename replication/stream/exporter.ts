/**
 * The exporter of a store: serves the channels that other regions open, and pushes them what was
 * made here and they may hold. It reads the outbox alone and never waits for the change log.
 */
import type { MeridianError } from '../../src/core/errors.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { Channel } from '../../src/core/ports/transport.ts'
import type { Caller } from '../../src/core/principal.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import type { MayReplicate } from './export-filter.ts'
import { ExportSession } from './export-session.ts'
import type { StreamFaults } from './faults.ts'

/** What an exporter is made of. */
export interface ExporterOptions {
  readonly feed: ChangeFeed
  readonly schema: CompiledSchema
  /** The other regions; nobody else may subscribe. */
  readonly regions: readonly string[]
  /** Asked for every tenant of every batch; must answer fast and deny what it does not know. */
  readonly mayReplicate: MayReplicate
  /**
   * localSeq of the last change as the store has it now. Needed where another process may have
   * taken the store over: a feed that knows its own process's commits alone would answer a probe
   * with an end that is past. Default: the feed's.
   */
  readonly readEnd?: (() => Promise<number>) | undefined
  /** For tests alone. */
  readonly faults?: StreamFaults
}

/** How one region stands. */
export interface ExportStatus {
  readonly region: string
  /** The region holds everything up to here durably, as far as this process heard. */
  readonly position: number
  /** Changes between `position` and what was sent to it. */
  readonly inFlight: number
  readonly connected: boolean
  readonly error: MeridianError | null
}

/** A running exporter. */
export interface Exporter {
  /** Serves a channel that another region's importer opened; `caller` may be no other region. */
  accept(channel: Channel, caller: Caller): void
  /** The durable position of every region; 0 for one that did not subscribe yet. For pruning. */
  regionPositions(): readonly number[]
  status(): readonly ExportStatus[]
  /** Closes every channel. */
  stop(): void
}

/** Starts an exporter; every commit of the store wakes it. */
export function createExporter(options: ExporterOptions): Exporter {
  return new FeedExporter(options)
}

class FeedExporter implements Exporter {
  readonly #options: ExporterOptions
  readonly #sessions = new Set<ExportSession>()
  readonly #durable = new Map<string, number>()
  readonly #errors = new Map<string, MeridianError>()
  readonly #unsubscribe: () => void
  #isStopped = false

  constructor(options: ExporterOptions) {
    this.#options = options
    this.#unsubscribe = options.feed.onChange(() => {
      for (const session of this.#sessions) session.wake()
    })
  }

  accept(channel: Channel, caller: Caller): void {
    if (this.#isStopped) {
      channel.close()
      return
    }
    const { feed, schema, regions, mayReplicate, faults } = this.#options
    const readEnd = this.#options.readEnd ?? (() => feed.end())
    const context = {
      feed,
      schema,
      regions,
      callerRegions: caller.principal.regions,
      mayReplicate,
      readEnd,
      faults: faults ?? {},
      onDurable: (region: string, position: number) => {
        this.#durable.set(region, position)
        this.#errors.delete(region)
      },
    }
    this.#sessions.add(new ExportSession(context, channel, (session) => this.#remove(session)))
  }

  regionPositions(): readonly number[] {
    return this.#options.regions.map((region) => this.#durable.get(region) ?? 0)
  }

  status(): readonly ExportStatus[] {
    return this.#options.regions.map((region) => {
      const session = [...this.#sessions].findLast((one) => one.region === region)
      const position = this.#durable.get(region) ?? 0
      return {
        region,
        position,
        inFlight: Math.max(0, (session?.sent ?? position) - position),
        connected: session !== undefined,
        error: this.#errors.get(region) ?? null,
      }
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#unsubscribe()
    for (const session of this.#sessions) session.close()
  }

  #remove(session: ExportSession): void {
    this.#sessions.delete(session)
    if (session.region !== undefined && session.error !== null) {
      this.#errors.set(session.region, session.error)
    }
  }
}
