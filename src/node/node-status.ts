/** How a process stands, for `/v1/status` and `meridian status`: names, positions, lags, no values. */
import type { PublisherStatus } from '../../cdc/publish/publisher.ts'
import { PROTOCOL_VERSION } from '../protocol/messages.ts'
import type { ClockStatus } from './clock-check.ts'
import type { RegionLogGroupStatus } from './log-retention.ts'
import type { ReadinessReport } from './readiness.ts'
import type { RegionCacheStatus } from './region-cache.ts'
import type { NodeStatus, RegionNode } from './region-node.ts'
import type { SharedRegionReport } from './shared-region/shared-region.ts'

/** A stream into a region. */
export interface ImportReport {
  readonly from: string
  readonly source: string | null
  readonly position: number
  readonly lag: number
  readonly connected: boolean
  /** The code of why it stands. */
  readonly error: string | null
}

/** A stream out of a region. */
export interface ExportReport {
  readonly to: string
  readonly position: number
  readonly inFlight: number
  readonly connected: boolean
  readonly error: string | null
}

/** The publisher of a region's topics; `error` is the code of why it stands. */
export type PublisherReport = Omit<PublisherStatus, 'error'> & { readonly error: string | null }

/** A region. */
export interface RegionReport {
  readonly region: string
  /** `<region>.<incarnation>` of its store. */
  readonly source: string
  /** The index of the log of strong tables that is applied. */
  readonly strongIndex: number
  /** What an acknowledged write survives: the loss of power, or only the end of the server. */
  readonly durability: 'full' | 'normal'
  /** Its copies of the log groups. */
  readonly logGroups?: readonly RegionLogGroupStatus[]
  readonly relayPosition: number
  /** The code of why the change log takes no more now. */
  readonly relayError: string | null
  readonly viewPosition: number
  /** Topics for consumers outside; `null` where there are none. */
  readonly publisher: PublisherReport | null
  /** Its node's clock beside those of other regions' nodes; null where all have the same. */
  readonly clock?: ClockStatus | null
  /** The cache of hot rows, where the region has one. */
  readonly cache?: RegionCacheStatus | null
  readonly imports: readonly ImportReport[]
  readonly exports: readonly ExportReport[]
}

/** A process. */
export interface NodeReport extends ReadinessReport {
  readonly version: string
  readonly protocolVersion: number
  readonly schemaVersion: number
  /** The region that orders strong writes. */
  readonly leader: string
  readonly connections: number
  readonly requestsInProgress: number
  /** Those that are open here. */
  readonly regions: readonly RegionReport[]
  /** Those that have other nodes, too: what this one is to them, and who holds them. */
  readonly shared: readonly SharedRegionReport[]
}

/** What the report is drawn from. */
export interface NodeReportParts {
  readonly version: string
  readonly schemaVersion: number
  readonly leader: string
  readonly connections: () => number
  readonly requestsInProgress: () => number
  readonly readiness: () => ReadinessReport
  readonly nodes: ReadonlyMap<string, RegionNode>
  readonly shared: () => readonly SharedRegionReport[]
}

export function nodeReport(parts: NodeReportParts): NodeReport {
  return {
    ...parts.readiness(),
    version: parts.version,
    protocolVersion: PROTOCOL_VERSION,
    schemaVersion: parts.schemaVersion,
    leader: parts.leader,
    connections: parts.connections(),
    requestsInProgress: parts.requestsInProgress(),
    regions: [...parts.nodes.values()].map((node) => regionReport(node.status())),
    shared: parts.shared(),
  }
}

function regionReport(status: NodeStatus): RegionReport {
  const { imports, exports, publisher, relayError, ...rest } = status
  return {
    ...rest,
    relayError: relayError?.code ?? null,
    publisher: publisher && { ...publisher, error: publisher.error?.code ?? null },
    imports: imports.map((one) => ({ ...one, error: one.error?.code ?? null })),
    exports: exports.map(({ region, ...one }) => ({
      to: region,
      ...one,
      error: one.error?.code ?? null,
    })),
  }
}
