/** Faults of real engines: processes that are killed or stand still, and the network between. */
import { setTimeout as pause } from 'node:timers/promises'
import { leaderOf } from '../../../cluster/engines/etcd-leader.ts'
import type { EtcdEngine } from '../../../cluster/engines/etcd.ts'
import type { Cluster } from '../../../cluster/cluster.ts'
import type { MeridianProcess } from '../../../cluster/meridian-process.ts'
import type { Wan } from '../../../cluster/wan/wan.ts'
import { MeridianError } from '../../../core/errors.ts'
import type { Clocks } from './clocks.ts'
import type { BegunFault, Breaker } from './nemesis.ts'
import type { FaultKind, PlannedFault } from './plan.ts'
import type { SmallDisks } from './small-disks.ts'

/** What is broken. */
export interface BreakableCluster {
  readonly cluster: Pick<Cluster, 'nodes' | 'engines'>
  readonly wan: Pick<Wan, 'partition' | 'heal'>
  /** Where clocks may jump. */
  readonly clocks: Clocks | undefined
  /** Where stores may run out of room. */
  readonly disks: SmallDisks | undefined
  /** Told of a part before it is killed: its end is no news then. */
  readonly onKill: (name: string) => void
}

type Begin = (fault: PlannedFault, parts: BreakableCluster) => Promise<BegunFault>

const BEGIN: Readonly<Partial<Record<FaultKind, Begin>>> = {
  'kill-node': killNode,
  'pause-node': pauseNode,
  'kill-etcd': killEtcd,
  'pause-etcd': pauseEtcd,
  partition: cutOff,
  clock: jumpClock,
  'disk-full': fillDisk,
}

/** The kinds of fault that real engines can have. */
export const REAL_FAULTS = Object.keys(BEGIN) as readonly FaultKind[]

/** Breaks the processes of a cluster, and the proxies between its regions. It touches no other process. */
export function realBreaker(parts: BreakableCluster): Breaker {
  return {
    lockOf,
    begin(fault) {
      const begin = BEGIN[fault.kind]
      if (begin !== undefined) return begin(fault, parts)
      throw new MeridianError('INTERNAL', `Real engines have no fault ${fault.kind}.`)
    },
  }
}

/** A process has one fault at a time; of etcd's members one is away, so that the others can go on. */
function lockOf({ kind, region }: PlannedFault): string {
  if (kind === 'partition') return 'network'
  // A node that starts again meets the wrong clock, or the full disk, too.
  if (kind === 'clock' || kind === 'disk-full') return `${kind} ${region}`
  return kind.endsWith('-etcd') ? 'etcd' : `node ${region}`
}

function nodeOf(region: string, { cluster }: BreakableCluster): MeridianProcess {
  const node = cluster.nodes.get(region)?.[0]
  if (node !== undefined) return node
  throw new MeridianError('REGION_UNKNOWN', `There is no node of ${region}.`)
}

async function killNode({ region }: PlannedFault, parts: BreakableCluster): Promise<BegunFault> {
  const node = nodeOf(region, parts)
  const target = `${node.name}, pid ${node.pid}`
  parts.onKill(node.name)
  await node.kill()
  return { target, heal: () => node.start() }
}

async function pauseNode({ region }: PlannedFault, parts: BreakableCluster): Promise<BegunFault> {
  const node = nodeOf(region, parts)
  node.requireRunning()
  const { pid } = node
  process.kill(pid, 'SIGSTOP')
  return {
    target: `${node.name}, pid ${pid}`,
    async heal() {
      // Another process may have the number of one that has ended meanwhile.
      if (node.isRunning && node.pid === pid) process.kill(pid, 'SIGCONT')
    },
  }
}

async function killEtcd(fault: PlannedFault, parts: BreakableCluster): Promise<BegunFault> {
  const { member, role } = await memberOf(fault, parts)
  const target = `${member.name}${role}, pid ${member.pid}`
  parts.onKill(member.name)
  await member.kill()
  return { target, heal: () => member.restart() }
}

async function pauseEtcd(fault: PlannedFault, parts: BreakableCluster): Promise<BegunFault> {
  const { member, role } = await memberOf(fault, parts)
  member.signal('SIGSTOP')
  return {
    target: `${member.name}${role}, pid ${member.pid}`,
    async heal() {
      member.signal('SIGCONT')
    },
  }
}

interface Member {
  readonly member: EtcdEngine
  readonly role: '' | ' (leader)'
}

/** The planned member, or the one that leads now. @throws MeridianError `LOG_UNAVAILABLE`: none does */
async function memberOf(
  { region, isLeader }: PlannedFault,
  { cluster }: BreakableCluster,
): Promise<Member> {
  const { etcd } = cluster.engines
  const leader = isLeader ? await leaderOrPause(etcd) : undefined
  const member = etcd.get(leader ?? region)
  if (member !== undefined) return { member, role: leader === undefined ? '' : ' (leader)' }
  throw new MeridianError('REGION_UNKNOWN', `There is no member of etcd in ${region}.`)
}

const LEADER_TRIES = 10
const LEADER_PAUSE_MS = 300

/** There may be an election. */
async function leaderOrPause(etcd: ReadonlyMap<string, EtcdEngine>): Promise<string | undefined> {
  for (let tried = 1; ; tried++) {
    try {
      const leader = await leaderOf(etcd)
      if (leader !== undefined) return leader
    } catch (error) {
      if (tried === LEADER_TRIES) throw error
    }
    if (tried === LEADER_TRIES) return undefined
    await pause(LEADER_PAUSE_MS)
  }
}

async function cutOff(
  { region, from, mode }: PlannedFault,
  { wan }: BreakableCluster,
): Promise<BegunFault> {
  await Promise.all(from.map((other) => wan.partition(region, other, { mode })))
  return {
    target: `${region} | ${from.join(', ')}, ${mode}`,
    async heal() {
      await Promise.all(from.map((other) => wan.heal(region, other)))
    },
  }
}

async function jumpClock(
  { region, jumpMs }: PlannedFault,
  { clocks }: BreakableCluster,
): Promise<BegunFault> {
  if (clocks === undefined) throw notLaid('clock')
  await clocks.set(region, jumpMs)
  const sign = jumpMs < 0 ? '' : '+'
  return { target: `node ${region}, ${sign}${jumpMs / 1000} s`, heal: () => clocks.set(region, 0) }
}

async function fillDisk(
  { region }: PlannedFault,
  { disks }: BreakableCluster,
): Promise<BegunFault> {
  if (disks === undefined) throw notLaid('disk-full')
  const bytes = await disks.fill(region)
  return { target: `store ${region}, by ${bytes} bytes`, heal: () => disks.clear(region) }
}

function notLaid(kind: FaultKind): MeridianError {
  return new MeridianError('INTERNAL', `The deployment was not opened for the fault ${kind}.`)
}
