/** A region with a file store, an exporter and importers, that can be killed and started again. */
import { join } from 'node:path'
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import { createOutboxPruner } from '../../cdc/capture/outbox-pruner.ts'
import { createEventualApplier } from '../../crdt/applier.ts'
import { createEventualContext, createEventualEngine } from '../../crdt/engine.ts'
import { createPinnedApplier } from '../../replication/pinned/applier.ts'
import { createExporter, type Exporter } from '../../replication/stream/exporter.ts'
import type { StreamFaults } from '../../replication/stream/faults.ts'
import { createImporter, type Importer } from '../../replication/stream/importer.ts'
import { KeepTimer } from '../../replication/stream/keep-timer.ts'
import { makeSource } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { TransactionEngine } from '../../src/core/ports/engine.ts'
import type { Statement, Store, StatementResult } from '../../src/core/ports/store.ts'
import type { Network } from '../../src/core/ports/transport.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { streamSchema, type TestStore } from './stream-schema.ts'

/** What a region is made of. */
export interface StreamRegionOptions {
  readonly region: string
  readonly regions: readonly string[]
  readonly folder: string
  readonly network: Network
  readonly mayReplicate: (tenant: string, region: string) => Promise<boolean>
  readonly faults?: StreamFaults
  readonly creditBytes?: number
  /** How long importers have advances in memory alone. */
  readonly keepWithinMs?: number
}

/** All that an outbox ever held, so that a check sees what was pruned, too. */
const KEEP_PRUNED: readonly Statement[] = [
  'CREATE TABLE pruned AS SELECT * FROM _outbox WHERE 0',
  `CREATE TRIGGER keep_pruned AFTER DELETE ON _outbox BEGIN
    INSERT INTO pruned (seq, origin_source, origin_seq, tx, table_id, tenant)
    VALUES (old.seq, old.origin_source, old.origin_seq, old.tx, old.table_id, old.tenant);
  END`,
  `CREATE VIEW all_changes AS SELECT seq, origin_source, origin_seq, tx, table_id, tenant FROM pruned
    UNION ALL SELECT seq, origin_source, origin_seq, tx, table_id, tenant FROM _outbox`,
].map((sql) => ({ sql, args: [] }))

/** When the process of a region dies: before a write, or after it, unaware of its success. */
export type Crash = 'before' | 'after'

/** A store as one life of a process sees it. */
class ProcessStore implements Store {
  readonly #store: Store
  readonly #removals: (() => void)[] = []
  #isDead = false
  #crash: { readonly when: Crash; readonly onDeath: () => void } | undefined

  constructor(store: Store) {
    this.#store = store
  }

  async write(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#check()
    const crash = this.#crash
    this.#crash = undefined
    if (crash?.when === 'before') crash.onDeath()
    this.#check()
    const results = await this.#store.write(statements)
    if (crash?.when === 'after') crash.onDeath()
    this.#check()
    return results
  }

  async read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#check()
    return this.#store.read(statements)
  }

  query(statement: Statement): ReturnType<Store['query']> {
    return this.#store.query(statement)
  }

  onCommit(listener: () => void): () => void {
    const remove = this.#store.onCommit(listener)
    this.#removals.push(remove)
    return remove
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** The next write is the process's last. */
  crashAt(when: Crash, onDeath: () => void): void {
    this.#crash = { when, onDeath }
  }

  die(): void {
    this.#isDead = true
    for (const remove of this.#removals) remove()
  }

  #check(): void {
    if (this.#isDead) throw new MeridianError('CLOSED', 'The process is dead.')
  }
}

export class StreamRegion implements TestStore {
  readonly region: string
  readonly path: string
  /** The file itself, for checks. */
  readonly disk: Store
  readonly source: string
  readonly #options: StreamRegionOptions
  #process: ProcessStore | undefined
  #stopListening: (() => void) | undefined
  #importers = new Map<string, Importer>()
  #exporter: Exporter | undefined
  #feed: ChangeFeed | undefined
  #eventual: TransactionEngine | undefined
  #storeClock: StoreClock | undefined

  private constructor(options: StreamRegionOptions, disk: Store, source: string) {
    this.region = options.region
    this.path = join(options.folder, `${options.region}.db`)
    this.#options = options
    this.disk = disk
    this.source = source
  }

  static async open(options: StreamRegionOptions): Promise<StreamRegion> {
    const path = join(options.folder, `${options.region}.db`)
    const disk = await openFileStore({ path, timers: systemRuntime.timers })
    const prepared = await prepareStore(disk, streamSchema, { random: systemRuntime.random })
    const source = makeSource(options.region, prepared.incarnation)
    await disk.write(KEEP_PRUNED)
    return new StreamRegion(options, disk, source)
  }

  get isAlive(): boolean {
    return this.#process !== undefined
  }

  get store(): Store {
    return this.#process as Store
  }

  get storeClock(): StoreClock {
    return this.#storeClock as StoreClock
  }

  get feed(): ChangeFeed {
    return this.#feed as ChangeFeed
  }

  /** The engine of the region's eventual tables. */
  get eventual(): TransactionEngine {
    return this.#eventual as TransactionEngine
  }

  importer(from: string): Importer {
    return this.#importers.get(from) as Importer
  }

  /** Starts a process on the store. */
  async start(): Promise<void> {
    const { region, regions, network, mayReplicate, faults } = this.#options
    const { creditBytes, keepWithinMs } = this.#options
    const [clock] = await this.disk.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
    const store = new ProcessStore(this.disk)
    const storeClock = new StoreClock(systemRuntime.clock, String(clock?.rows[0]?.[0]))
    const feed = createOutboxFeed({ store, schema: streamSchema, source: this.source })
    const eventual = createEventualContext({
      store,
      schema: streamSchema,
      clock: storeClock,
      wallClock: systemRuntime.clock,
      source: this.source,
    })
    const appliers = {
      pinned: createPinnedApplier({ store, schema: streamSchema }),
      eventual: createEventualApplier(eventual),
    }
    const others = regions.filter((other) => other !== region)
    const shared = faults === undefined ? {} : { faults }
    const exporter = createExporter({
      feed,
      schema: streamSchema,
      regions: others,
      mayReplicate,
      ...shared,
    })
    const keepTimer = new KeepTimer(systemRuntime.timers, keepWithinMs)
    const importers = others.map((from) =>
      createImporter({
        region,
        from,
        transport: network.transport(region),
        store,
        schema: streamSchema,
        storeClock,
        runtime: systemRuntime,
        appliers,
        probeIntervalMs: 20,
        maxBackoffMs: 50,
        keepTimer,
        ...(creditBytes === undefined ? {} : { creditBytes }),
        ...shared,
      }),
    )
    this.#process = store
    this.#eventual = createEventualEngine(eventual)
    this.#storeClock = storeClock
    this.#feed = feed
    this.#exporter = exporter
    this.#importers = new Map(others.map((from, i) => [from, importers[i] as Importer]))
    this.#stopListening = network.listen(region, {
      onRequest: () => Promise.reject(new Error('No requests here.')),
      onChannel: (channel, _service, caller) => exporter.accept(channel, caller),
    })
    await Promise.all(importers.map((importer) => importer.start()))
  }

  /** Deletes what every region has said to hold durably. Resolves to where the outbox begins. */
  async prune(): Promise<number> {
    const pruner = createOutboxPruner({
      store: this.store,
      timers: systemRuntime.timers,
      random: systemRuntime.random,
      relayPosition: () => Infinity,
      regionPositions: () => this.#exporter?.regionPositions() ?? [0],
    })
    try {
      return await pruner.prune()
    } finally {
      await pruner.stop()
    }
  }

  /** Dies now, between two steps of whatever runs. */
  kill(): void {
    this.#process?.die()
    this.#process = undefined
    this.#stopListening?.()
    this.#exporter?.stop()
    for (const importer of this.#importers.values()) void importer.stop()
  }

  /** Dies at the next write of the process, whoever writes. */
  crashAtNextWrite(when: Crash): void {
    this.#process?.crashAt(when, () => this.kill())
  }

  async close(): Promise<void> {
    this.kill()
    await Promise.all([...this.#importers.values()].map((importer) => importer.stop()))
    await this.disk.close()
  }
}
