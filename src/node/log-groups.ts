/**
 * The log groups of a region: the directory's, that of strong tables, and that of tables with local
 * strong reads where there are some. What other regions are seeded from, and what is seeded from them.
 */
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import type { DigestLimits } from '../../replication/strong/digests/divergence-guard.ts'
import type { LogGroupOptions, LogGroupStatus } from '../../replication/strong/log-group-options.ts'
import type { OperatedGroup } from '../../replication/strong/operated-group.ts'
import type { Seeding } from '../../replication/strong/reseeder.ts'
import {
  createSnapshotServer,
  type OfferedGroup,
  type SnapshotServer,
} from '../../replication/strong/snapshot-server.ts'
import type { RetainedGroup } from '../../replication/strong/trimmer.ts'
import type { VersionReports } from '../../replication/strong/version-agreement.ts'
import type { CommitLog } from '../core/ports/commit-log.ts'
import { openLocalGroup } from './local-group.ts'
import type { ProbedGroup } from './log-probe.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { StoreClock } from '../core/store-clock.ts'
import type { MeridianError } from '../core/errors.ts'
import { createStrongEngine, type StrongEngine } from '../../replication/strong/strong-engine.ts'
import { offerSystemGroup, openSystemGroup } from '../../replication/strong/system-group.ts'
import type { Channel, Network } from '../core/ports/transport.ts'
import type { Caller } from '../core/principal.ts'
import type { CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import { hasLocalReads, STRONG_LOG_GROUP } from '../schema/log-group-names.ts'
import { Directory } from '../tenancy/directory.ts'
import type { Residency } from '../tenancy/residency.ts'

/** What the groups run on. */
export interface LogGroupParts {
  readonly log: CommitLog
  readonly store: Store
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schema: CompiledSchema
  readonly residency: Residency
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
  readonly seeding: Seeding
  /** Throws while no record may carry this node's clock. */
  readonly requireInStep: () => void
  readonly versions: VersionReports
  readonly network: Network
  /** How long a lease of the group with local reads lasts, ms. */
  readonly leaseDurationMs: number
  readonly onFailure: (group: string, error: MeridianError) => void
  readonly digests?: Partial<DigestLimits>
  /** A group that had stopped goes on. */
  readonly onResumed?: (group: string) => void
  /** A copy differs from others or from its log; `null`: no more. */
  readonly onDivergence?: (group: string, error: MeridianError | null) => void
}

/** A snapshot reads the outbox page by page: it keeps no more of it in memory than a page takes. */
const SNAPSHOT_TAIL_CHANGES = 1_000

/** The running groups. */
export interface LogGroups {
  readonly directory: Directory
  readonly strong: StrongEngine
  /** Of tables with local strong reads, where the schema has some. */
  readonly local: StrongEngine | undefined
  /** The engine of a strong table. */
  strongOf(table: Pick<CompiledTable, 'logGroup'>): StrongEngine
  /** All, as the log's trimmer knows them. */
  readonly retained: readonly RetainedGroup[]
  /** Serves a region that is being seeded. */
  acceptSnapshot(channel: Channel, caller: Caller): void
  /** Takes what another region's node tells of leases. */
  acceptLeases(channel: Channel, caller: Caller): void
  /** Positions of the outbox behind which snapshots still read. */
  snapshotPositions(): readonly number[]
  status(): readonly LogGroupStatus[]
  /** All, as an operator acts on them. */
  readonly operated: readonly OperatedGroup[]
  /** All, as an operator asks how far behind they are. */
  readonly probed: readonly ProbedGroup[]
  /** Resolves once this region has applied, and emitted, all that is in the logs now. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

/** Begins to follow the groups. */
export async function openLogGroups(parts: LogGroupParts): Promise<LogGroups> {
  const { residency, schema, store, source: _source, onFailure, ...rest } = parts
  const { onResumed, onDivergence, network: _network, leaseDurationMs: _duration, ...shared } = rest
  const told = (group: string): Pick<LogGroupOptions<never>, 'onResumed' | 'onDivergence'> => ({
    onResumed: () => onResumed?.(group),
    onDivergence: (error) => onDivergence?.(group, error),
  })
  const system = await openSystemGroup({
    ...shared,
    ...told('system'),
    store,
    onFailure: (error) => onFailure('system', error),
  })
  const directory = new Directory({ store, residency, log: system })
  const admit = (tenant: string): Promise<void> => directory.requireEverywhere(tenant)
  const strong = await createStrongEngine({
    ...shared,
    ...told(STRONG_LOG_GROUP),
    store,
    schema,
    group: STRONG_LOG_GROUP,
    admit,
    onFailure: (error) => onFailure(STRONG_LOG_GROUP, error),
  })
  const localGroup = schema.tables.some(hasLocalReads)
    ? await openLocalGroup({ ...parts, admit })
    : undefined
  const local = localGroup?.engine
  const engines = local === undefined ? [strong] : [strong, local]
  const held = new Map<object, number>()
  const offered = [
    offerSystemGroup(system, store),
    offerStrong(parts, strong, held),
    ...(localGroup === undefined ? [] : [localGroup.offered]),
  ]
  const snapshots = serveSnapshots(parts, offered)
  return {
    directory,
    strong,
    local,
    strongOf: (table) => (local !== undefined && hasLocalReads(table) ? local : strong),
    retained: [
      { group: system.group, retainFrom: () => system.retainFrom() },
      ...engines.map((engine) => ({
        group: engine.status().group,
        retainFrom: () => engine.retainFrom(),
      })),
    ],
    acceptLeases: (channel, caller) => {
      if (localGroup === undefined) channel.close()
      else localGroup.mesh.accept(channel, caller)
    },
    acceptSnapshot: (channel, caller) => snapshots.accept(channel, caller),
    snapshotPositions: () => [...held.values()],
    status: () => [system, ...engines].map((group) => group.status()),
    operated: [system, ...engines.map((engine) => engine.operated())],
    probed: [system, ...engines],
    async catchUp() {
      await Promise.all([system, ...engines].map((group) => group.catchUp()))
      await local?.leases?.waitEmitted(local.applied())
    },
    async close() {
      snapshots.stop()
      directory.close()
      await Promise.all([system, ...engines].map((group) => group.close()))
      localGroup?.mesh.close()
    },
  }
}

/** Strong tables for other regions. `held`: where each snapshot that is being read stands. */
function offerStrong(
  { store, schema, source }: LogGroupParts,
  strong: StrongEngine,
  held: Map<object, number>,
): OfferedGroup {
  const feed = createOutboxFeed({ store, schema, source, tailChanges: SNAPSHOT_TAIL_CHANGES })
  return strong.offer(() => {
    const snapshot = {}
    return {
      feed,
      onPosition: (seq) => {
        if (seq === undefined) held.delete(snapshot)
        else held.set(snapshot, seq)
      },
    }
  })
}

function serveSnapshots(parts: LogGroupParts, groups: readonly OfferedGroup[]): SnapshotServer {
  const { source, runtime, seeding } = parts
  return createSnapshotServer({ source, runtime, groups, regions: seeding.peers })
}
