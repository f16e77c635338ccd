/** How strong tables stand as one process sees them, for `/v1/strong` and `meridian strong`. */
import type { Config } from '../config/parse-config.ts'
import type { EtcdRoundTrip } from '../drivers/etcd/etcd-round-trips.ts'
import type { LogGroupProbe } from './log-probe.ts'
import type { StrongWriteRate } from './observe/strong-writes.ts'
import type { RegionNode } from './region-node.ts'

/** The log groups of a region. */
export interface StrongRegionReport {
  readonly region: string
  readonly groups: readonly LogGroupProbe[]
  /** Of tables with local strong reads; null, or left out by older nodes: there are none. */
  readonly leases?: LeaseReport | null
}

/** The leases of a region's store, as it sees them. */
export interface LeaseReport {
  readonly group: string
  /** How long local reads are still answered from here, ms; 0: they go to the log. */
  readonly remainingMs: number
  readonly applied: number
  /** Through here no region answers with older rows; it is behind `applied` while one might. */
  readonly stableIndex: number
  /** Transactions whose rows local reads wait for. */
  readonly markedTransactions: number
  /** The stores that have taken leases, by the log. */
  readonly holders: readonly {
    readonly region: string
    /** `<region>.<incarnation>` of the store. */
    readonly databaseId: string
    /** Where in the log its last LEASE or RELEASE is. */
    readonly index: number
    /** False: it has released its lease. One that is held may be over by time. */
    readonly isHeld: boolean
  }[]
}

/** The way from this process to a member of etcd. */
export interface MemberDistance extends EtcdRoundTrip {
  /** Where the member is. */
  readonly region: string
}

/** A process. */
export interface StrongReport {
  /** Those that are open here. */
  readonly regions: readonly StrongRegionReport[]
  /** Null: the log is not kept in etcd. */
  readonly members: readonly MemberDistance[] | null
  /** Strong writes that this process committed, by the region of the caller. */
  readonly writes: readonly StrongWriteRate[]
}

/** What the report is drawn from. */
export interface StrongReportParts {
  readonly config: Config
  readonly nodes: ReadonlyMap<string, RegionNode>
  /** `undefined`: the log is not kept in etcd. */
  readonly etcd: { roundTrips(): Promise<readonly EtcdRoundTrip[]> } | undefined
  readonly writes: () => readonly StrongWriteRate[]
}

/** Asks etcd and the log; takes some round trips to the farthest member. Never rejects. */
export async function strongReport(parts: StrongReportParts): Promise<StrongReport> {
  const { config, nodes, etcd, writes } = parts
  const regionOf = new Map(
    Object.entries(config.commitLog.etcd?.members ?? {}).flatMap(([region, addresses]) =>
      addresses.map((address) => [address, region] as const),
    ),
  )
  // First how far they are, then the log: one does not wait behind the other.
  const members = await etcd?.roundTrips()
  const regions = await Promise.all(
    Array.from(nodes, async ([region, node]) => ({
      region,
      groups: await node.probeLog(),
      leases: node.leases(),
    })),
  )
  return {
    regions,
    members: members?.map((one) => ({ ...one, region: regionOf.get(one.address) ?? '' })) ?? null,
    writes: writes(),
  }
}

/** Asks once for all who ask meanwhile: whoever may ask cannot have etcd probed without end. */
export function shareReports(ask: () => Promise<StrongReport>): () => Promise<StrongReport> {
  let asking: Promise<StrongReport> | undefined
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }
}
