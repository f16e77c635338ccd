/**
 * The roles of a node that move changes: relay, exporter, importers, pruner, view maintainer,
 * sweepers. Each runs by itself, woken by commits.
 */
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import { createOutboxPruner } from '../../cdc/capture/outbox-pruner.ts'
import {
  createTopicPublisher,
  type Publisher,
  type PublisherStatus,
} from '../../cdc/publish/publisher.ts'
import { createRelay } from '../../cdc/relay/relay.ts'
import { createViewMaintainer, type ViewMaintainer } from '../../cdc/views/maintainer.ts'
import { createEventualApplier } from '../../crdt/applier.ts'
import { createPinnedApplier } from '../../replication/pinned/applier.ts'
import { createExporter, type ExportStatus } from '../../replication/stream/exporter.ts'
import {
  createImporter,
  type Importer,
  type ImportStatus,
} from '../../replication/stream/importer.ts'
import { KeepTimer } from '../../replication/stream/keep-timer.ts'
import type { MeridianError } from '../core/errors.ts'
import type { Change } from '../core/change.ts'
import { hlcMs } from '../core/hlc.ts'
import type { ChangeFeed } from '../core/ports/changes.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { Store } from '../core/ports/store.ts'
import type { Channel, Network } from '../core/ports/transport.ts'
import type { Caller } from '../core/principal.ts'
import type { Config } from '../config/parse-config.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { LAST_LOCAL_SEQ } from '../schema/system-tables.ts'
import type { Residency } from '../tenancy/residency.ts'
import type { EngineParts, Engines } from './engines.ts'
import type { ReplicaFreshness } from './freshness.ts'
import type { OnTrouble } from './observe/role-troubles.ts'
import type { RegionTopics } from './region-change-log.ts'
import { startSweepers, type Sweepers } from './sweepers.ts'

/** What the roles are made of. */
export interface RoleParts extends EngineParts {
  readonly config: Config
  readonly residency: Residency
  readonly engines: Engines
  readonly changeLog: ChangeLog
  /** Topics for consumers outside. */
  readonly topics?: RegionTopics
  readonly network: Network
  /** Told how far other stores' changes are readable here, before the store itself says it. */
  readonly onReached?: (source: string, position: number) => void
  readonly onFailure: (role: string, error: MeridianError) => void
  /** Told of what a role waits for, and with null once it goes on. */
  readonly onTrouble?: OnTrouble
}

/** How the roles stand. */
export interface RolesStatus {
  /** The change log holds all changes up to here. */
  readonly relayPosition: number
  /** Why the change log does not take more now. */
  readonly relayError: MeridianError | null
  /** The views hold all changes up to here. */
  readonly viewPosition: number
  /** The topics of tables; `null` where there are none. */
  readonly publisher: PublisherStatus | null
  readonly imports: readonly ImportStatus[]
  readonly exports: readonly ExportStatus[]
}

/** The running roles. */
export interface Roles {
  readonly views: ViewMaintainer
  readonly replicas: ReplicaFreshness
  /** Serves another region's importer. */
  acceptChannel(channel: Channel, caller: Caller): void
  status(): RolesStatus
  /** localSeq of the store's last change. */
  end(): Promise<number>
  /** Asks other regions what they have, and resolves once change log and views hold what is here. */
  catchUp(): Promise<void>
  /** Deletes what has expired now. */
  sweep(): Promise<void>
  stop(): Promise<void>
}

const CATCH_UP_TIMEOUT_MS = 60_000
const LOOK_UP_TIMEOUT_MS = 10_000

/** Starts all roles; they resume from what the store says. */
export async function startRoles(parts: RoleParts): Promise<Roles> {
  const { store, schema, source, runtime, changeLog, config, region } = parts
  const { timers, random } = runtime
  const feed = createOutboxFeed({ store, schema, source })
  const relay = createRelay({
    feed,
    changeLog,
    timers,
    random,
    onStopped: (error) => parts.onFailure('relay', error),
    onTrouble: (error) => parts.onTrouble?.('relay', error),
  })
  const others = config.regions.filter((other) => other !== region)
  const exporter = createExporter({
    feed,
    schema,
    regions: others,
    mayReplicate: (tenant, to) => mayReplicate(parts, tenant, to),
    // A file is this process's alone; the lease of a server may have passed to another.
    readEnd: config.stores[region] === undefined ? undefined : () => readEnd(store),
  })
  const pruner = createOutboxPruner({
    store,
    timers,
    random,
    relayPosition: () => relay.position(),
    regionPositions: () => [...exporter.regionPositions(), ...parts.groups.snapshotPositions()],
    onStopped: (error) => parts.onFailure('pruner', error),
  })
  const views = await createViewMaintainer({
    store,
    schema,
    changeLog,
    runtime,
    nowMs: (table) => expiryNowMs(parts, table),
    onStopped: (error) => parts.onFailure('view maintainer', error),
  })
  const publisher = await startPublisher(parts)
  const importers = createImporters(parts, others)
  await Promise.all(importers.map((importer) => importer.start()))
  const sweepers = startSweepers(parts)
  return {
    views,
    replicas: replicaFreshness(importers),
    acceptChannel: (channel, caller) => exporter.accept(channel, caller),
    status: () => ({
      relayPosition: relay.position(),
      relayError: relay.status().error,
      viewPosition: views.position(),
      publisher: publisher?.status() ?? null,
      imports: importers.map((importer) => importer.status()),
      exports: exporter.status(),
    }),
    end: () => feed.end(),
    async catchUp() {
      for (const importer of importers) importer.probe()
      await catchUp(feed, views)
    },
    sweep: () => sweepers.sweep(),
    stop: () => stopAll({ sweepers, importers, exporter, pruner, publisher, views, relay }),
  }
}

async function readEnd(store: Store): Promise<number> {
  const [result] = await store.read([LAST_LOCAL_SEQ])
  return Number(result?.rows[0]?.[0])
}

/** Strong rows end by the log's time, all others by this region's clock, which never goes back. */
export function expiryNowMs(
  parts: Pick<EngineParts, 'groups' | 'runtime' | 'clock'>,
  table: CompiledTable,
): number {
  if (table.consistency === 'strong') return parts.groups.strongOf(table).expiryNowMs(table)
  return Math.max(parts.runtime.clock.nowMs(), hlcMs(parts.clock.last()))
}

/** A tenant that the directory does not know may not go anywhere: default deny. */
async function mayReplicate(parts: RoleParts, tenant: string, to: string): Promise<boolean> {
  if (tenant === '') return true
  const entry = await parts.groups.directory.lookup(tenant)
  return entry !== undefined && parts.residency.allows(entry.tenantClass, to)
}

/**
 * Whether a region may have made a change. Pinned rows are written at the tenant's home alone,
 * eventual ones wherever the tenant may be. A tenant that is not known here is looked for in the
 * log first: its rows can be faster than its name.
 */
async function maySend(parts: RoleParts, change: Change, from: string): Promise<boolean> {
  const { tenant, tableId } = change
  const table = parts.schema.tableById.get(tableId)
  // Of a newer schema: whoever applies it says so.
  if (table === undefined) return true
  if (table.scope === 'global' || tenant === '') return table.scope === 'global' && tenant === ''
  const { directory } = parts.groups
  const entry =
    (await directory.lookup(tenant)) ?? (await directory.lookupFresh(tenant, LOOK_UP_TIMEOUT_MS))
  if (entry === undefined || !parts.residency.allows(entry.tenantClass, from)) return false
  return table.consistency !== 'pinned' || entry.home === from
}

function createImporters(parts: RoleParts, others: readonly string[]): Importer[] {
  const { region, store, schema, clock, runtime, network, engines } = parts
  const appliers = {
    pinned: createPinnedApplier({ store, schema }),
    eventual: createEventualApplier(engines.eventual),
  }
  const transport = network.transport(region)
  const keepTimer = new KeepTimer(runtime.timers)
  return others.map((from) =>
    createImporter({
      region,
      from,
      transport,
      store,
      schema,
      storeClock: clock,
      runtime,
      appliers,
      keepTimer,
      maySend: (change) => maySend(parts, change, from),
      onReached: (source, position) => parts.onReached?.(source, position),
      onStopped: (error) => parts.onFailure('importer', error),
    }),
  )
}

function replicaFreshness(importers: readonly Importer[]): ReplicaFreshness {
  const byRegion = new Map(importers.map((importer) => [importer.status().from, importer]))
  return {
    regions: [...byRegion.keys()],
    probe: () => {
      for (const importer of importers) importer.probe()
    },
    freshAsOfMs: (region) => byRegion.get(region)?.freshAsOfMs() ?? -Infinity,
  }
}

async function startPublisher(parts: RoleParts): Promise<Publisher | undefined> {
  const { topics, config, store, schema, source, changeLog, runtime } = parts
  if (topics === undefined) return undefined
  return createTopicPublisher({
    store,
    schema,
    source,
    changeLog,
    runtime,
    name: config.name,
    topics: topics.topics,
    format: topics.format,
    partitions: topics.tablePartitions,
    replicationFactor: topics.replicationFactor,
    onStopped: (error) => parts.onFailure('publisher', error),
    onTrouble: (error) => parts.onTrouble?.('publisher', error),
  })
}

/** The views read the change log, so what they hold the log holds. */
async function catchUp(feed: ChangeFeed, views: ViewMaintainer): Promise<void> {
  await views.waitApplied(await feed.end(), CATCH_UP_TIMEOUT_MS)
}

/** What `stopAll` stops, in this order: no role is woken by one that has stopped. */
interface Running {
  readonly sweepers: Sweepers
  readonly importers: readonly Importer[]
  readonly exporter: { stop(): void }
  readonly pruner: { stop(): Promise<void> }
  readonly publisher: { stop(): Promise<void> } | undefined
  readonly views: { stop(): Promise<void> }
  readonly relay: { stop(): Promise<void> }
}

async function stopAll(running: Running): Promise<void> {
  await running.sweepers.stop()
  await Promise.all(running.importers.map((importer) => importer.stop()))
  running.exporter.stop()
  await running.pruner.stop()
  await running.publisher?.stop()
  await running.views.stop()
  await running.relay.stop()
}
