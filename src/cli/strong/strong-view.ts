/**
 * How strong tables of a deployment stand, put together from what the members of etcd and the nodes
 * say. Pure: who is asked, and how, is in `ask-deployment.ts`.
 */
import type { WireError } from '../../core/errors.ts'
import type { EtcdMemberStatus } from '../../drivers/etcd/etcd-status.ts'
import type { LogGroupProbe } from '../../node/log-probe.ts'
import { ELSEWHERE } from '../../node/observe/strong-writes.ts'
import type { LeaseReport, StrongReport } from '../../node/strong-report.ts'
import { chooseLeader, leaderCosts, type LeaderCost, type WriteMix } from './choose-leader.ts'
import type { LogSites } from './latency-model.ts'

/** A member of etcd, as it says of itself. */
export interface MemberView extends EtcdMemberStatus {
  readonly region: string
  /** Entries that some member has and this one has not applied; null: it does not say. */
  readonly behindEntries: number | null
}

/** A node, and what it said or why it did not. */
export interface NodeView {
  readonly url: string
  /** Those that the configuration says it serves. */
  readonly regions: readonly string[]
  readonly report?: StrongReport
  readonly error?: WireError
}

/** A log group in a region. */
export interface GroupView extends LogGroupProbe {
  readonly region: string
  /** Records of the group that the log keeps; null: no region has trimmed it, or it is not known. */
  readonly retainedRecords: number | null
}

/** The leases of a region's store. */
export interface LeaseView extends LeaseReport {
  readonly region: string
}

/** A measured round trip. */
export interface DistanceView {
  readonly from: string
  readonly to: string
  readonly roundTripMs: number
}

/** What the whole comes to. */
export interface StrongView {
  /** Where the log is kept. */
  readonly log: 'etcd' | 'file'
  /** The region that leads it; null: none does, or nobody that answers. */
  readonly leader: string | null
  readonly members: readonly MemberView[]
  readonly groups: readonly GroupView[]
  /** Of tables with local strong reads, by region; none where there are none. */
  readonly leases: readonly LeaseView[]
  /** Regions of which no node that answers has the groups open. */
  readonly silentRegions: readonly string[]
  readonly distances: readonly DistanceView[]
  /** Strong writes a second by the region of the caller, over the last minutes. */
  readonly writesPerSecond: Readonly<Record<string, number>>
  /** What writes, and reads by read index, would wait for with each leader. */
  readonly latency: readonly LeaderCost[]
  /** The leader that this mix wants; null: the distances are not known. */
  readonly bestLeader: string | null
  readonly nodes: readonly Pick<NodeView, 'url' | 'regions' | 'error'>[]
}

/** What is known of a deployment. */
export interface StrongFacts {
  readonly regions: readonly string[]
  /** Members by region as they are configured; null: the log is a file of `fileLeader`. */
  readonly members: Readonly<Record<string, readonly string[]>> | null
  readonly fileLeader: string
  readonly statuses: readonly EtcdMemberStatus[]
  readonly nodes: readonly NodeView[]
}

export function strongView(facts: StrongFacts): StrongView {
  const { regions, nodes } = facts
  const members = membersOf(facts)
  const groups = groupsOf(nodes)
  const distances = distancesOf(nodes)
  const mix = mixOf(nodes)
  const sites = facts.members === null ? undefined : sitesOf(facts.regions, members, distances)
  const leading = members.find(({ isLeader }) => isLeader === true)?.region
  const leader = facts.members === null ? facts.fileLeader : (leading ?? null)
  const latency = sites === undefined ? [] : leaderCosts(sites, regions, mix)
  return {
    log: facts.members === null ? 'file' : 'etcd',
    leader,
    members,
    groups,
    leases: leasesOf(nodes),
    silentRegions: regions.filter((region) => !groups.some((one) => one.region === region)),
    distances,
    writesPerSecond: Object.fromEntries(mix),
    latency,
    bestLeader: chooseLeader(latency, leader ?? undefined)?.leader ?? null,
    nodes: nodes.map(({ url, regions: served, error }) => ({
      url,
      regions: served,
      ...(error === undefined ? {} : { error }),
    })),
  }
}

function membersOf({ regions, members, statuses }: StrongFacts): readonly MemberView[] {
  const byAddress = new Map(statuses.map((status) => [status.address, status]))
  const newest = Math.max(0, ...statuses.map(({ raftIndex = 0 }) => raftIndex))
  return regions.flatMap((region) =>
    (members?.[region] ?? []).map((address): MemberView => {
      const status = byAddress.get(address) ?? { address, reachable: false }
      const { raftAppliedIndex: applied } = status
      const behindEntries = applied === undefined ? null : Math.max(0, newest - applied)
      return { region, ...status, behindEntries }
    }),
  )
}

function groupsOf(nodes: readonly NodeView[]): readonly GroupView[] {
  const all = nodes.flatMap(({ report }) =>
    (report?.regions ?? []).flatMap(({ region, groups }) =>
      groups.map((group) => ({ region, ...group })),
    ),
  )
  return all.map((one) => {
    // Whichever region trims, it trims for all of them.
    const same = all.filter(({ group }) => group === one.group)
    const logEnd = Math.max(...same.map((other) => other.logEnd))
    const from = Math.max(0, ...same.map(({ retainedFrom }) => retainedFrom ?? 0))
    return { ...one, logEnd, retainedRecords: from === 0 ? null : Math.max(0, logEnd - from + 1) }
  })
}

function leasesOf(nodes: readonly NodeView[]): readonly LeaseView[] {
  return nodes.flatMap(({ report }) =>
    (report?.regions ?? []).flatMap(({ region, leases }) =>
      leases === null || leases === undefined ? [] : [{ region, ...leases }],
    ),
  )
}

/** The least that any process of a region measured to any member of another. */
function distancesOf(nodes: readonly NodeView[]): readonly DistanceView[] {
  const least = new Map<string, DistanceView>()
  for (const { regions, report } of nodes) {
    for (const { region: to, roundTripMs } of report?.members ?? []) {
      if (roundTripMs === null) continue
      for (const from of regions) {
        const key = JSON.stringify([from, to])
        const known = least.get(key)
        if (known === undefined || roundTripMs < known.roundTripMs) {
          least.set(key, { from, to, roundTripMs })
        }
      }
    }
  }
  return [...least.values()]
}

/** Of several processes of the same regions, all have a part of the writes. */
function mixOf(nodes: readonly NodeView[]): WriteMix {
  const mix = new Map<string, number>()
  for (const { report } of nodes) {
    for (const { origin, perSecond } of report?.writes ?? []) {
      if (origin !== ELSEWHERE) mix.set(origin, (mix.get(origin) ?? 0) + perSecond)
    }
  }
  return mix
}

/** As long both ways where one was measured; nothing within a region where nobody says otherwise. */
function sitesOf(
  regions: readonly string[],
  members: readonly MemberView[],
  distances: readonly DistanceView[],
): LogSites {
  const measured = (from: string, to: string): number | undefined =>
    distances.find((one) => one.from === from && one.to === to)?.roundTripMs
  const voters = members.filter(({ isLearner }) => isLearner !== true)
  const answering = voters.filter(({ reachable }) => reachable)
  const counts = regions
    .map((region) => [region, answering.filter((one) => one.region === region).length] as const)
    .filter(([, count]) => count > 0)
  return {
    voters: voters.length,
    members: new Map(counts),
    roundTripMs: (from, to) =>
      measured(from, to) ?? measured(to, from) ?? (from === to ? 0 : undefined),
  }
}
