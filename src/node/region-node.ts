/** One region's node: its store and logs, the engines over them, and its roles. */
import { makeSource } from '../core/change.ts'
import type { MeridianError } from '../core/errors.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { CommitLog } from '../core/ports/commit-log.ts'
import type { Log } from '../core/ports/log.ts'
import type { LogRetention } from '../core/ports/log-retention.ts'
import type { MachineSupport } from '../core/ports/machine-support.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { DigestLimits } from '../../replication/strong/digests/divergence-guard.ts'
import type { OperatedGroup } from '../../replication/strong/operated-group.ts'
import type { Store } from '../core/ports/store.ts'
import type { Channel, Network, TransportHandlers } from '../core/ports/transport.ts'
import type { Caller } from '../core/principal.ts'
import { StoreClock } from '../core/store-clock.ts'
import type { Config } from '../config/parse-config.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import { prepareStore } from '../schema/migrate.ts'
import { PositionTracker } from '../session/positions.ts'
import { Residency } from '../tenancy/residency.ts'
import { tellClock, type ClockMonitor } from '../../replication/strong/clocks/clock-monitor.ts'
import { startClockMonitor, type ClockStatus, type OnClock } from './clock-check.ts'
import { openEngines } from './engines.ts'
import { openLogGroups, type LogGroupParts, type LogGroups } from './log-groups.ts'
import { probeGroups, type LogGroupProbe } from './log-probe.ts'
import type { OnCommit, RequestObserver } from './observe/request-observer.ts'
import type { OnTrouble } from './observe/role-troubles.ts'
import {
  logGroupStatus,
  seedingOf,
  startRetention,
  type OnReseed,
  type RegionLogGroupStatus,
} from './log-retention.ts'
import { startRegionCache, type RegionCacheStatus } from './region-cache.ts'
import { startRoles, type Roles, type RolesStatus } from './roles.ts'
import type { RegionFiles } from './region-files.ts'
import { createServing } from './serving.ts'
import { leaseReport } from './local-group.ts'
import type { LeaseReport } from './strong-report.ts'
import type { SqlRegion } from './sql-endpoint/sql-region.ts'
import type { ViewReads } from './view-reads.ts'

/** What a node is made of. The node closes `store`, the change log and `commitLog`. */
export interface RegionNodeParts extends RegionFiles {
  readonly region: string
  readonly config: Config
  readonly schema: CompiledSchema
  readonly commitLog: CommitLog
  readonly network: Network
  readonly runtime: Runtime
  /** Serves the commit log to other regions' nodes, where it is kept in this one. */
  readonly serveCommitLog?: (channel: Channel, caller: Caller) => void
  /** How far regions are with the log, where it is trimmed behind them. */
  readonly retention?: LogRetention
  /** What regions evaluate of the log. */
  readonly support: MachineSupport
  /** Told when a log group of this region is seeded again from another, and when it is whole. */
  readonly onReseed?: OnReseed
  /** The regions whose nodes have other clocks than this process. */
  readonly clockPeers?: readonly string[]
  readonly onClock?: OnClock
  /** What an operator should know; nobody is told where it is left out. */
  readonly log?: Log
  /** Told of each transaction that was committed here, with its caller's region. */
  readonly onCommit?: OnCommit
  /** Watches requests; nobody does where it is left out. */
  readonly observe?: RequestObserver
  /** Told of what stops a role for good; the node goes on with the rest. */
  readonly onFailure: (role: string, error: MeridianError) => void
  /** How often copies of log groups are looked at; left out: the defaults. */
  readonly digests?: Partial<DigestLimits>
  /** Told when one that had stopped goes on after all. */
  readonly onResumed?: (role: string) => void
  /** Told of what a role waits for, and with null once it goes on. */
  readonly onTrouble?: OnTrouble
}

/** How a node stands. */
export interface NodeStatus extends RolesStatus {
  readonly region: string
  /** `<region>.<incarnation>` of its store. */
  readonly source: string
  readonly strongIndex: number
  readonly logGroups: readonly RegionLogGroupStatus[]
  /** What an acknowledged write survives (`Store.durability`). */
  readonly durability: NonNullable<Store['durability']>
  /** Its clock beside the other regions'; null where all have the same. */
  readonly clock: ClockStatus | null
  /** Its cache of hot rows; null where there is none. */
  readonly cache: RegionCacheStatus | null
}

/** A running node. */
export interface RegionNode {
  readonly region: string
  readonly store: Store
  readonly changeLog: ChangeLog
  readonly views: ViewReads
  /** What the SQL endpoint reads by. */
  readonly sql: SqlRegion
  status(): NodeStatus
  /** Its log groups, as an operator acts on them. */
  readonly operated: readonly OperatedGroup[]
  /** How far its log groups are behind, by asking the log. Never rejects. */
  probeLog(): Promise<readonly LogGroupProbe[]>
  /** The leases of its tables with local strong reads; null: there are none, or not now. */
  leases(): LeaseReport | null
  /** localSeq of the store's last change. */
  end(): Promise<number>
  /**
   * Resolves once what the region holds now has reached its own views, logs and outbox readers.
   * `onLog` is told which log it waits for.
   */
  catchUp(onLog?: (log: 'commit log' | 'change log') => void): Promise<void>
  /** Deletes expired rows now instead of at the next interval. */
  sweep(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a node over a store that it prepares for the schema.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE`, `STORE_CORRUPT`; nothing was written then
 */
export async function openRegionNode(parts: RegionNodeParts): Promise<RegionNode> {
  const clocks = startClockMonitor(parts)
  try {
    return await open(parts, clocks)
  } catch (error) {
    clocks?.stop()
    throw error
  }
}

async function open(parts: RegionNodeParts, clocks: ClockMonitor | undefined): Promise<RegionNode> {
  const { region, config, schema, store, runtime, network } = parts
  const prepared = await prepareStore(store, schema, { random: runtime.random })
  const source = makeSource(region, prepared.incarnation)
  const clock = new StoreClock(runtime.clock, prepared.lastHlc)
  const residency = new Residency(config.regions, config.residency)
  // What it appends when it starts carries its clock, too.
  await clocks?.firstRound()
  const groups = await openGroups(parts, { source, clock, residency }, clocks)
  const retention = startRetention(parts, groups)
  const changeLog = await parts.changeLog(source)
  const base = { ...parts, source, clock, residency, groups, changeLog }
  const engines = openEngines(base)
  const positions = new PositionTracker(store, source, runtime.timers)
  const onReached = (from: string, seq: number): void => positions.advance({ [from]: seq })
  const roles = await startRoles({ ...base, engines, onReached })
  const { handler, sql, cached } = createServing({ ...base, engines, positions, roles })
  const hotRows = startRegionCache({ ...base, cached })
  const unlisten = network.listen(region, {
    onRequest: (message, caller) => handler.handle(message, caller),
    onChannel: acceptor(parts, groups, roles),
  })
  return {
    region,
    store,
    changeLog,
    views: roles.views,
    sql,
    status: () => ({
      region,
      source,
      strongIndex: groups.strong.applied(),
      durability: store.durability ?? 'full',
      logGroups: logGroupStatus(groups, retention),
      clock: clocks?.status() ?? null,
      cache: hotRows?.status() ?? null,
      ...roles.status(),
    }),
    operated: groups.operated,
    probeLog: () => probeGroups(groups.probed, logGroupStatus(groups, retention), runtime.clock),
    leases: () => leaseReport(groups.local),
    end: () => roles.end(),
    async catchUp(onLog) {
      onLog?.('commit log')
      await groups.catchUp()
      onLog?.('change log')
      await roles.catchUp()
    },
    sweep: () => roles.sweep(),
    async close() {
      unlisten()
      clocks?.stop()
      positions.close()
      await hotRows?.close()
      await roles.stop()
      await retention?.stop()
      await groups.close()
      await Promise.all([changeLog.close(), store.close(), parts.commitLog.close()])
    },
  }
}

function openGroups(
  parts: RegionNodeParts,
  own: Pick<LogGroupParts, 'source' | 'clock' | 'residency'>,
  clocks: ClockMonitor | undefined,
): Promise<LogGroups> {
  const { region, config, commitLog, store, runtime, schema, support, network, onFailure } = parts
  return openLogGroups({
    ...own,
    log: commitLog,
    store,
    runtime,
    schema,
    seeding: seedingOf(parts),
    network,
    leaseDurationMs: config.commitLog.leaseDurationMs,
    requireInStep: () => clocks?.requireInStep(),
    versions: { region, regions: config.regions, support },
    onFailure,
    ...(parts.digests === undefined ? {} : { digests: parts.digests }),
    onResumed: (group) => parts.onResumed?.(group),
    onDivergence: (group, error) => logDivergence(parts, group, error),
  })
}

/** A region that differs is no business of its callers, but of whoever operates it. */
function logDivergence(
  { log, region }: RegionNodeParts,
  group: string,
  error: MeridianError | null,
): void {
  if (error === null) log?.write('info', 'log group differs no more', { region, group })
  else log?.write('error', 'log group differs', { region, group, error })
}

/** Hands each channel to the part that serves it. */
function acceptor(
  { serveCommitLog, runtime }: RegionNodeParts,
  groups: LogGroups,
  roles: Roles,
): TransportHandlers['onChannel'] {
  return (channel, service, caller) => {
    if (service === 'stream') roles.acceptChannel(channel, caller)
    else if (service === 'clock') tellClock(channel, runtime.clock)
    else if (service === 'snapshot') groups.acceptSnapshot(channel, caller)
    else if (service === 'leases') groups.acceptLeases(channel, caller)
    else if (serveCommitLog === undefined) channel.close()
    else serveCommitLog(channel, caller)
  }
}
