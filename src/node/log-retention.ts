/** How a region's log groups are seeded and what keeps the log from growing: wiring and status. */
import type { DigestStatus } from '../../replication/strong/digests/divergence-guard.ts'
import type { LogGroupStatus } from '../../replication/strong/log-group-options.ts'
import type { ReseedProgress, Seeding } from '../../replication/strong/reseeder.ts'
import {
  startTrimmer,
  type RetentionStatus,
  type Trimmer,
} from '../../replication/strong/trimmer.ts'
import type { LogGroups } from './log-groups.ts'
import type { RegionNodeParts } from './region-node.ts'

/** Told of a group that is seeded again; `null`: it is whole. */
export type OnReseed = (group: string, progress: ReseedProgress | null) => void

/** How a log group of a region stands. */
export interface RegionLogGroupStatus {
  readonly group: string
  readonly applied: number
  /** The end of the log when this region asked for it last; 0: it has not. */
  readonly logEnd: number
  /** What of the log is kept from here on; null: nothing trims it from here. */
  readonly retainedFrom: number | null
  /** Regions that the log does not wait for: they are seeded again when they return. */
  readonly leftBehind: readonly string[]
  /** The region that this one is being seeded from; null: its copy is whole. */
  readonly reseeding: { readonly from: string | null } | null
  /** What is known of this copy beside the other regions'. */
  readonly digests: DigestStatus
}

export function seedingOf(parts: RegionNodeParts): Seeding {
  const { region, config, network, retention, onReseed } = parts
  return {
    region,
    peers: config.regions.filter((other) => other !== region),
    transport: network.transport(region),
    ...(retention === undefined ? {} : { retention }),
    ...(onReseed === undefined ? {} : { onProgress: onReseed }),
  }
}

/** Logs in files have no place for reports: nothing trims them. */
export function startRetention(parts: RegionNodeParts, groups: LogGroups): Trimmer | undefined {
  const { region, config, retention, commitLog: log, runtime } = parts
  const { etcd } = config.commitLog
  if (retention === undefined || etcd === null) return undefined
  const { maxRetainedRecords } = etcd
  const { regions } = config
  const { retained } = groups
  return startTrimmer({
    region,
    regions,
    groups: retained,
    log,
    retention,
    runtime,
    maxRetainedRecords,
  })
}

export function logGroupStatus(
  groups: LogGroups,
  retention: Trimmer | undefined,
): readonly RegionLogGroupStatus[] {
  const kept = new Map(retention?.status().map((one) => [one.group, one]))
  return groups.status().map((status) => toStatus(status, kept.get(status.group)))
}

function toStatus(
  { group, applied, logEnd, reseeding, digests }: LogGroupStatus,
  kept: RetentionStatus | undefined,
): RegionLogGroupStatus {
  return {
    group,
    applied,
    logEnd: Math.max(logEnd, applied),
    retainedFrom: kept?.retainedFrom ?? null,
    leftBehind: kept?.leftBehind ?? [],
    reseeding: reseeding === undefined ? null : { from: reseeding.peer },
    digests,
  }
}
