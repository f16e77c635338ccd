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
    Array.from(nodes, async ([region, node]) => ({ region, groups: await node.probeLog() })),
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
