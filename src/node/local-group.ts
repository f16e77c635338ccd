/** The log group of tables with local strong reads: its leases, their mesh, and what seeds others. */
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import type { LeaseSettings } from '../../replication/strong/leases/lease-runtime.ts'
import type { OfferedGroup } from '../../replication/strong/snapshot-server.ts'
import { LEASE_TABLE } from '../../replication/strong/snapshot-tables.ts'
import { createStrongEngine, type StrongEngine } from '../../replication/strong/strong-engine.ts'
import { LOCAL_LOG_GROUP } from '../schema/log-group-names.ts'
import { LAST_UNSTABLE_SEQ } from '../schema/system-tables.ts'
import { createLeaseMesh, type NodeLeaseMesh } from './lease-mesh.ts'
import type { LogGroupParts } from './log-groups.ts'
import type { LeaseReport } from './strong-report.ts'

/** The running group. */
export interface LocalGroup {
  readonly engine: StrongEngine
  readonly mesh: NodeLeaseMesh
  readonly offered: OfferedGroup
}

/** By how much the rate of a clock may be wrong: crystals are off by less, also while they are set. */
const DRIFT_RATE = 0.001
/** As for snapshots of other groups. */
const SNAPSHOT_TAIL_CHANGES = 1_000

/** Opens it. `admit`: as `StrongEngineOptions.admit`. */
export async function openLocalGroup(
  parts: LogGroupParts & { readonly admit: (tenant: string) => Promise<void> },
): Promise<LocalGroup> {
  const { store, runtime, schema, source, seeding, network, onFailure } = parts
  const { region, peers } = seeding
  const settings: LeaseSettings = {
    durationMs: parts.leaseDurationMs,
    driftRate: DRIFT_RATE,
    usesHints: true,
  }
  const mesh = createLeaseMesh({
    region,
    peers,
    transport: network.transport(region),
    runtime,
    settings,
    onFailure: (error) => onFailure('leases', error),
  })
  const held = new Map<object, number>()
  const engine = await createStrongEngine({
    ...parts,
    group: LOCAL_LOG_GROUP,
    onResumed: () => parts.onResumed?.(LOCAL_LOG_GROUP),
    onDivergence: (error) => parts.onDivergence?.(LOCAL_LOG_GROUP, error),
    onFailure: (error) => onFailure(LOCAL_LOG_GROUP, error),
    localReads: {
      region,
      databaseId: source,
      settings,
      mesh,
      snapshotPositions: () => [...held.values()],
    },
  }).catch((error: unknown) => {
    mesh.close()
    throw error
  })
  const feed = createOutboxFeed({
    store,
    schema,
    source,
    outbox: '_unstable_outbox',
    tailChanges: SNAPSHOT_TAIL_CHANGES,
  })
  const offered = engine.offer(() => {
    const snapshot = {}
    return {
      feed,
      last: LAST_UNSTABLE_SEQ,
      whole: LEASE_TABLE,
      onPosition: (seq) => {
        if (seq === undefined) held.delete(snapshot)
        else held.set(snapshot, seq)
      },
    }
  })
  return { engine, mesh, offered }
}

/** How the leases stand; null: the schema has no local reads, or the copy is being seeded. */
export function leaseReport(engine: StrongEngine | undefined): LeaseReport | null {
  const status = engine?.leases?.status()
  if (engine === undefined || status === undefined) return null
  const { remainingMs, stableIndex, markedTransactions } = status
  return {
    group: LOCAL_LOG_GROUP,
    remainingMs: Math.round(remainingMs),
    applied: engine.applied(),
    stableIndex,
    markedTransactions,
    holders: status.holders.map(({ region, databaseId, index, isLive }) => ({
      region,
      databaseId,
      index,
      isHeld: isLive,
    })),
  }
}
