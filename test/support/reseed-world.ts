/**
 * Regions of strong tables and a directory on one log that a test trims, each able to seed the
 * others. Channels pass a test's own hands: it can do things between two messages, and cut them.
 */
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import type { LogGroup } from '../../replication/strong/log-group.ts'
import type { DigestLimits } from '../../replication/strong/digests/divergence-guard.ts'
import type { MeridianError } from '../../src/core/errors.ts'
import type { StrongFaults } from '../../replication/strong/faults.ts'
import type { ReseedProgress, Seeding } from '../../replication/strong/reseeder.ts'
import { createSnapshotServer } from '../../replication/strong/snapshot-server.ts'
import type { StrongEngine } from '../../replication/strong/strong-engine.ts'
import { offerSystemGroup, openSystemGroup } from '../../replication/strong/system-group.ts'
import type { LogGroupLimits } from '../../replication/strong/log-group-options.ts'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Channel, Transport } from '../../src/core/ports/transport.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../src/drivers/transport/in-process-network.ts'
import type { DirectoryCommand } from '../../src/tenancy/directory-commands.ts'
import { MemoryCommitLog } from './memory-commit-log.ts'
import { MemoryLogRetention } from './memory-log-retention.ts'
import { openMemoryStore, openRegion, schema } from './strong-region.ts'

/** What a region is opened with. */
export interface SeedOptions {
  readonly store?: Store
  readonly faults?: StrongFaults
  readonly limits?: Partial<LogGroupLimits>
  /** How often its copy is looked at; `EAGER` for a test that waits for it. */
  readonly digests?: Partial<DigestLimits>
  /** Runs before each message of a peer is handed over; resolves to whether it is. */
  readonly onMessage?: (peer: string, count: number) => Promise<boolean> | boolean
  readonly seeding?: Partial<Seeding>
  /** What the region waits for before it takes records. */
  readonly beforeEntries?: () => Promise<void>
}

/** A running region. */
export interface SeedRegion {
  readonly name: string
  readonly store: Store
  readonly engine: StrongEngine
  readonly system: LogGroup<DirectoryCommand>
  readonly failures: unknown[]
  /** What was told of reseeds: the group, and its peer, or `whole`. */
  readonly told: string[]
  /** What was told of divergence; `null`: that it is over. */
  readonly divergences: (MeridianError | null)[]
  /** How often a group that had stopped went on. */
  readonly resumed: () => number
  close(): Promise<void>
}

/** Rows of a part: few, so that a small table takes many. */
const PAGE_ROWS = 4
/** Often enough that a test need not wait. */
export const EAGER: Partial<DigestLimits> = {
  compareEveryMs: 20,
  verifyEveryMs: 50,
  maxPageRows: PAGE_ROWS,
  share: 1,
}

export class SeedWorld {
  readonly log: MemoryCommitLog
  readonly retention = new MemoryLogRetention()
  readonly network = createInProcessNetwork({
    oneWayDelayMs: () => 0,
    timers: systemRuntime.timers,
  })
  readonly #names: readonly string[]
  readonly #open = new Set<SeedRegion>()

  constructor(names: readonly string[], log = new MemoryCommitLog()) {
    this.#names = names
    this.log = log
  }

  async open(name: string, options: SeedOptions = {}): Promise<SeedRegion> {
    const store = options.store ?? (await openMemoryStore())
    const told: string[] = []
    const seeding = this.#seeding(name, told, options)
    const { faults = {}, limits = {}, digests = {} } = options
    const divergences: (MeridianError | null)[] = []
    let resumed = 0
    const onDivergence = (error: MeridianError | null): void => void divergences.push(error)
    const onResumed = (): void => void resumed++
    const shared = { seeding, faults, limits, digests, onDivergence, onResumed }
    const log = slowed(this.log, options.beforeEntries)
    const { engine, failures } = await openRegion(log, { store, ...shared })
    const system = await openSystemGroup({
      ...shared,
      log: this.log,
      store,
      clock: new StoreClock(systemRuntime.clock),
      runtime: systemRuntime,
      onFailure: (error) => failures.push(error),
    })
    const stopServing = this.#serve(name, store, engine, system)
    const region: SeedRegion = {
      name,
      store,
      engine,
      system,
      failures,
      told,
      divergences,
      resumed: () => resumed,
      close: async () => {
        this.#open.delete(region)
        stopServing()
        await Promise.all([engine.close(), system.close()])
      },
    }
    this.#open.add(region)
    return region
  }

  async closeAll(): Promise<void> {
    for (const region of this.#open) await region.close()
  }

  #serve(
    name: string,
    store: Store,
    engine: StrongEngine,
    system: LogGroup<DirectoryCommand>,
  ): () => void {
    const source = `${name}.1`
    const feed = createOutboxFeed({ store, schema, source })
    const groups = [
      engine.offer(() => ({ feed, onPosition: () => undefined }), PAGE_ROWS),
      offerSystemGroup(system, store, PAGE_ROWS),
    ]
    const regions = this.#names.filter((other) => other !== name)
    const server = createSnapshotServer({ source, regions, groups, runtime: systemRuntime })
    const stopListening = this.network.listen(name, {
      onRequest: () => Promise.reject(new Error('no requests')),
      onChannel: (channel, _service, caller) => server.accept(channel, caller),
    })
    return () => {
      stopListening()
      server.stop()
    }
  }

  #seeding(name: string, told: string[], { seeding, onMessage }: SeedOptions): Seeding {
    return {
      region: name,
      peers: this.#names.filter((other) => other !== name),
      transport: watched(this.network.transport(name), onMessage ?? (() => true)),
      retention: this.retention,
      onProgress: (group: string, progress: ReseedProgress | null) => {
        told.push(`${group} ${progress === null ? 'whole' : progress.peer}`)
      },
      // One message at a time: what a test does between two of them is between two parts.
      creditBytes: 1,
      maxBackoffMs: 100,
      ...seeding,
    }
  }
}

/** The log, for a region that takes its records late. */
function slowed(log: CommitLog, beforeEntries: (() => Promise<void>) | undefined): CommitLog {
  if (beforeEntries === undefined) return log
  return {
    append: (...args) => log.append(...args),
    readIndex: (...args) => log.readIndex(...args),
    trim: (...args) => log.trim(...args),
    close: () => log.close(),
    tail: (group, fromIndex, handlers) =>
      log.tail(group, fromIndex, {
        ...handlers,
        onEntries: async (entries) => {
          await beforeEntries()
          await handlers.onEntries(entries)
        },
      }),
  }
}

/** A transport whose channels hand messages over when the test says so. */
function watched(
  transport: Transport,
  onMessage: (peer: string, count: number) => Promise<boolean> | boolean,
): Transport {
  return {
    request: (...args) => transport.request(...args),
    async connect(peer, service) {
      const channel = await transport.connect(peer, service)
      return new WatchedChannel(channel, (count) => onMessage(peer, count))
    },
  }
}

class WatchedChannel implements Channel {
  readonly #channel: Channel
  readonly #before: (count: number) => Promise<boolean> | boolean
  #count = 0
  #delivering: Promise<void> = Promise.resolve()

  constructor(channel: Channel, before: (count: number) => Promise<boolean> | boolean) {
    this.#channel = channel
    this.#before = before
  }

  send(message: Uint8Array): void {
    this.#channel.send(message)
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#channel.onMessage((message) => {
      this.#delivering = this.#delivering.then(async () => {
        this.#count += 1
        if (await this.#before(this.#count)) listener(message)
        else this.close()
      })
    })
  }

  onClose(listener: () => void): void {
    this.#channel.onClose(listener)
  }

  close(): void {
    this.#channel.close()
  }
}

/** What the log decides of a store: rows, outcomes, positions. Equal in every region at equal index. */
export async function groupState(store: Pick<Store, 'read'>): Promise<string> {
  const selects = [
    ...schema.tables.map(
      (t) => `SELECT * FROM ${t.physicalName} ORDER BY tenant, c${t.primaryKey[0]?.id}`,
    ),
    'SELECT * FROM _strong_outcomes ORDER BY tx',
    'SELECT * FROM _log_positions ORDER BY 1',
    `SELECT * FROM _meta WHERE key LIKE 'log:%' OR key LIKE 'reseed:%'
      OR key LIKE 'machine-version:%' ORDER BY 1`,
    'SELECT * FROM _tenants ORDER BY 1',
    'SELECT * FROM _keys ORDER BY 1, 2, 3, 4',
  ]
  const results = await store.read(selects.map((sql) => ({ sql, args: [], bigints: true })))
  return JSON.stringify(
    results.map((r) => r.rows),
    (_key, value: unknown) => {
      if (typeof value === 'bigint') return `${value}n`
      return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
    },
    1,
  )
}
