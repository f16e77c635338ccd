/** etcd as native processes: a member alone, or a cluster of several on this machine. */
import { join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import {
  openFolder,
  RunningEngine,
  startWithPorts,
  type Engine,
  type EngineOptions,
  type EnginePlan,
} from './engine.ts'
import { enableAuth, type EtcdRoot } from './etcd-auth.ts'
import { withHosts, type CommandLine } from '../member-distances.ts'
import { findProgram } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { passedEnvironment } from './kept-process.ts'

/** TLS of an engine's own port: PEM files. */
export interface ServerTls {
  readonly ca: string
  readonly certificate: string
  readonly key: string
  /** Whether clients must show a certificate of `ca`. */
  readonly requireClientCertificate?: boolean | undefined
}

/** How members of etcd run. */
export interface EtcdSettings {
  /** Bytes at which it takes no more writes: `NOSPACE`. Default: etcd's own, 2 GiB. */
  readonly quotaBytes?: number | undefined
  readonly maxRequestBytes?: number | undefined
  readonly tls?: ServerTls | undefined
  /** Default true: a member that was cut off does not depose the leader when it returns. */
  readonly preVote?: boolean | undefined
  readonly heartbeatMs?: number | undefined
  readonly electionMs?: number | undefined
  /** Raft entries between two snapshots. */
  readonly snapshotCount?: number | undefined
  /** More arguments of the program. */
  readonly arguments?: readonly string[] | undefined
}

/** The ports of a member. */
export interface EtcdPorts {
  readonly client: number
  readonly peer: number
  readonly health: number
}

export interface EtcdOptions extends EngineOptions, EtcdSettings {
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Turns authentication on. */
  readonly root?: EtcdRoot | undefined
}

export interface EtcdClusterOptions extends EtcdSettings {
  /** The members' names. Each has a folder of its name in `directory`. */
  readonly names: readonly string[]
  readonly directory?: string | undefined
  /** A log file for each name. Default: in its folder. */
  readonly logFiles?: readonly string[] | undefined
  /** Ports of each name. Default: free ones. */
  readonly ports?: readonly EtcdPorts[] | undefined
  readonly root?: EtcdRoot | undefined
  /** The member that is to lead at first: the others wait longer before they stand for it. */
  readonly firstLeader?: string | undefined
  /** What stands between the members. Default: nothing. */
  readonly distances?: PeerDistances | undefined
  readonly signal?: AbortSignal | undefined
}

/** Members reach each other by names that lead somewhere else for each of them. */
export interface PeerDistances {
  peerUrl(name: string): string
  /** The hosts file that a member sees. */
  hostsFile(name: string): string
}

/** A running member. */
export interface EtcdEngine extends Engine {
  /** `http://host:port` or `https://…`. */
  readonly url: string
  /** Peers reach it there. */
  readonly peerUrl: string
}

/** Running members. */
export interface EtcdCluster {
  readonly members: readonly EtcdEngine[]
  /** `host:port` of each. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

/** Values of at most 8 MiB: what a group of the commit log may hold, and room. */
const MAX_REQUEST_BYTES = 8_388_608
const HEALTH_TIMEOUT_MS = 5_000

/** Starts a member that is a cluster of its own. @throws MeridianError `CONFIG_INVALID`, `LOG_UNAVAILABLE` */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdEngine> {
  const engine = await startWithPorts(
    options.port !== undefined,
    async () => {
      const [port = 0, peer = 0, health = 0] = await freePorts(3)
      const ports = { client: options.port ?? port, peer, health }
      const own = { name: 'etcd', ports, url: peerUrl(ports) }
      return makeMember({ ...options, ...own, peers: [own] })
    },
    options.signal,
  )
  if (options.root !== undefined)
    await orClose(engine, enableAuth(engine.url, options.root, options.tls))
  return engine
}

/** Starts a cluster. @throws MeridianError `CONFIG_INVALID`, `LOG_UNAVAILABLE` */
export async function startEtcdCluster(options: EtcdClusterOptions): Promise<EtcdCluster> {
  const { names, directory, signal } = options
  const ports = options.ports ?? (await freeEtcdPorts(names.length))
  const peers = ports.map((own, i): Peer => {
    const name = names[i] ?? ''
    return { name, ports: own, url: options.distances?.peerUrl(name) ?? peerUrl(own) }
  })
  const members = await Promise.all(
    peers.map((peer, i) =>
      makeMember({
        ...options,
        ...peer,
        logFile: options.logFiles?.[i],
        directory: directory === undefined ? undefined : join(directory, peer.name),
        peers,
      }),
    ),
  )
  const close = async (): Promise<void> => {
    // A leader hands over before it ends; to one that ends, too, it would try for long.
    for (const member of members) await member.close()
  }
  try {
    // None serves before most of them run.
    await Promise.all(members.map((member) => member.start(signal)))
    const [first] = members
    if (options.root !== undefined && first !== undefined) {
      await enableAuth(first.url, options.root, options.tls)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { members, addresses: members.map(({ address }) => address), close }
}

async function freeEtcdPorts(count: number): Promise<readonly EtcdPorts[]> {
  const ports = await freePorts(count * 3)
  return Array.from({ length: count }, (_, i) => {
    const [client = 0, peer = 0, health = 0] = ports.slice(i * 3, i * 3 + 3)
    return { client, peer, health }
  })
}

async function orClose(engine: RunningEngine, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    await engine.close()
    throw error
  }
}

interface Peer {
  readonly name: string
  readonly ports: EtcdPorts
  /** Where its peers reach it. */
  readonly url: string
}

interface MemberOptions extends EngineOptions, EtcdSettings, Peer {
  readonly peers: readonly Peer[]
  readonly firstLeader?: string | undefined
  readonly distances?: PeerDistances | undefined
}

async function makeMember(options: MemberOptions): Promise<RunningMember> {
  const { path, version } = await findProgram('etcd')
  const folder = await openFolder('etcd', options.directory)
  const { name, ports } = options
  const healthUrl = `http://127.0.0.1:${ports.health}/health`
  const dataFolder = join(folder.path, 'data')
  const plan: EnginePlan = {
    name: name === 'etcd' ? name : `etcd ${name}`,
    address: `127.0.0.1:${ports.client}`,
    version,
    folder,
    logFile: options.logFile ?? join(folder.path, 'etcd.log'),
    process: {
      ...commandOf(options, { command: path, args: memberArguments(options, dataFolder) }),
      environment: passedEnvironment(),
      directory: folder.path,
    },
    failure: 'LOG_UNAVAILABLE',
    probe: () => requireHealth(healthUrl),
  }
  const scheme = options.tls === undefined ? 'http' : 'https'
  return new RunningMember(plan, `${scheme}://${plan.address}`, peerUrl(ports))
}

function commandOf({ name, distances }: MemberOptions, line: CommandLine): CommandLine {
  return distances === undefined ? line : withHosts(distances.hostsFile(name), line)
}

class RunningMember extends RunningEngine implements EtcdEngine {
  readonly url: string
  readonly peerUrl: string

  constructor(plan: EnginePlan, url: string, peer: string) {
    super(plan)
    this.url = url
    this.peerUrl = peer
  }
}

function peerUrl(ports: EtcdPorts): string {
  return `http://127.0.0.1:${ports.peer}`
}

function memberArguments(options: MemberOptions, dataFolder: string): readonly string[] {
  const { name, ports, peers, tls, firstLeader } = options
  const clientUrl = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports.client}`
  const values: Readonly<Record<string, string | number | boolean | undefined>> = {
    name,
    'data-dir': dataFolder,
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
    'listen-peer-urls': peerUrl(ports),
    'initial-advertise-peer-urls': options.url,
    // Health is asked there without certificates and passwords.
    'listen-metrics-urls': `http://127.0.0.1:${ports.health}`,
    'initial-cluster': peers.map((peer) => `${peer.name}=${peer.url}`).join(','),
    'initial-cluster-state': 'new',
    'initial-cluster-token': `meridian-${peers.map((peer) => peer.ports.peer).join('-')}`,
    'pre-vote': options.preVote ?? true,
    'max-request-bytes': options.maxRequestBytes ?? MAX_REQUEST_BYTES,
    'quota-backend-bytes': options.quotaBytes,
    'heartbeat-interval': options.heartbeatMs,
    'election-timeout': options.electionMs,
    'snapshot-count': options.snapshotCount,
    'initial-election-tick-advance': firstLeader === undefined || firstLeader === name,
    logger: 'zap',
    'log-outputs': 'stderr',
    'cert-file': tls?.certificate,
    'key-file': tls?.key,
    'trusted-ca-file': tls?.ca,
    'client-cert-auth': tls?.requireClientCertificate === true ? true : undefined,
  }
  const given = Object.entries(values).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}=${value}`],
  )
  return [...given, ...(options.arguments ?? [])]
}

/** A member is healthy when the cluster has a leader and answers a linearizable read. */
async function requireHealth(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })
  const { health } = (await response.json()) as { health?: string }
  if (health !== 'true') throw new MeridianError('LOG_UNAVAILABLE', 'etcd has no leader yet.')
}
