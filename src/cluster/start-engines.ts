/** Starts what the nodes of a cluster need: etcd, and per region a Kafka, a Redis and a store. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startEtcdCluster, type EtcdEngine } from './engines/etcd.ts'
import { requireBroker } from './engines/kafka-probe.ts'
import { startKafka, type KafkaEngine } from './engines/kafka.ts'
import { startRedis, type RedisEngine } from './engines/redis.ts'
import { requirePage } from './health.ts'
import {
  enginesOf,
  etcdPorts,
  FAR_PEERS,
  logFileOf,
  partName,
  portOf,
  STORE_TOKEN_VARIABLE,
  type ClusterFolders,
  type ClusterPorts,
  type ClusterShape,
} from './layout.ts'
import { canChangeHosts, openMemberDistances, type MemberDistances } from './member-distances.ts'
import { startMeridian, type MeridianProcess } from './meridian-process.ts'
import type { Parts } from './parts.ts'
import type { Wan } from './wan/wan.ts'

/** The engines by region; a lean cluster has etcd alone. */
export interface ClusterEngines {
  readonly etcd: ReadonlyMap<string, EtcdEngine>
  readonly kafka: ReadonlyMap<string, KafkaEngine>
  readonly redis: ReadonlyMap<string, RedisEngine>
  readonly stores: ReadonlyMap<string, MeridianProcess>
}

export interface StartEnginesOptions {
  readonly shape: ClusterShape
  readonly ports: ClusterPorts
  readonly folders: ClusterFolders
  readonly storeToken: string
  readonly version: string
  readonly parts: Parts
  /** What is between the members of etcd. Default: nothing. */
  readonly wan?: Wan | undefined
  /** The region whose member of etcd is to lead at first. */
  readonly leader: string
  /** Ends the start; the first that fails ends that of the others. */
  readonly ending: AbortController
}

/** Many brokers share one machine. */
const KAFKA_HEAP_MB = 256
/** The members share a machine with everything else: a slow moment is no reason for an election. */
const ETCD_HEARTBEAT_MS = 250
const ETCD_ELECTION_MS = 2_500
const OWNER_ONLY = 0o700

/** Starts all at once. What has started is in `parts`, also where this rejects. */
export async function startEngines(options: StartEnginesOptions): Promise<ClusterEngines> {
  const { shape } = options
  const engines = {
    etcd: new Map<string, EtcdEngine>(),
    kafka: new Map<string, KafkaEngine>(),
    redis: new Map<string, RedisEngine>(),
    stores: new Map<string, MeridianProcess>(),
  }
  const start = {
    kafka: (region: string) => startRegionKafka(options, region, engines.kafka),
    redis: (region: string) => startRegionRedis(options, region, engines.redis),
    store: (region: string) => startRegionStore(options, region, engines.stores),
  }
  const starts = [
    startEtcd(options, engines.etcd),
    ...shape.regions.flatMap((region) => enginesOf(shape).map((kind) => start[kind](region))),
  ]
  await allOrFirstError(starts, options.ending)
  return engines
}

/** Waits for all, also after a failure: whatever starts must be known before it can be ended. */
export async function allOrFirstError(
  work: readonly Promise<void>[],
  ending: AbortController,
): Promise<void> {
  let first: { readonly error: unknown } | undefined
  await Promise.all(
    work.map((one) =>
      one.catch((error: unknown) => {
        first ??= { error }
        ending.abort()
      }),
    ),
  )
  if (first !== undefined) throw first.error
}

async function startEtcd(
  options: StartEnginesOptions,
  started: Map<string, EtcdEngine>,
): Promise<void> {
  const { shape, ports, folders, parts, ending } = options
  const { regions } = shape
  const names = regions.map((region) => partName('etcd', region))
  const distances = await openPeerDistances(options)
  const cluster = await parts.starting(names, () =>
    startEtcdCluster({
      names: regions,
      firstLeader: options.leader,
      distances,
      ports: regions.map((region) => etcdPorts(ports, region)),
      directory: join(folders.root, 'etcd'),
      logFiles: names.map((name) => logFileOf(folders, name)),
      heartbeatMs: ETCD_HEARTBEAT_MS,
      electionMs: ETCD_ELECTION_MS,
      signal: ending.signal,
    }),
  )
  for (const [i, region] of regions.entries()) {
    const process = cluster.members[i]
    if (process === undefined) continue
    started.set(region, process)
    const { address, version } = process
    const probe = async (): Promise<object> => {
      await requirePage(`${process.url}/health`, (text) => {
        if (!text.includes('"true"')) throw new Error('it has no leader')
      })
      return {}
    }
    parts.add({ kind: 'etcd', region, address, version, process, probe })
  }
}

async function openPeerDistances(
  options: StartEnginesOptions,
): Promise<MemberDistances | undefined> {
  const { wan, ports, folders } = options
  if (wan === undefined || !canChangeHosts()) return undefined
  const directory = join(folders.root, 'etcd')
  await mkdir(directory, { recursive: true, mode: OWNER_ONLY })
  return openMemberDistances({
    wan,
    directory,
    port: portOf(ports, FAR_PEERS),
    listenPort: (region) => etcdPorts(ports, region).peer,
  })
}

async function startRegionKafka(
  { ports, folders, parts, ending }: StartEnginesOptions,
  region: string,
  started: Map<string, KafkaEngine>,
): Promise<void> {
  const name = partName('kafka', region)
  const process = await parts.starting([name], () =>
    startKafka({
      port: portOf(ports, name),
      directory: join(folders.root, 'kafka', region),
      logFile: logFileOf(folders, name),
      heapMb: KAFKA_HEAP_MB,
      signal: ending.signal,
    }),
  )
  started.set(region, process)
  const { address, version } = process
  const probe = async (): Promise<object> => {
    await requireBroker(portOf(ports, name))
    return {}
  }
  parts.add({ kind: 'kafka', region, address, version, process, probe })
}

async function startRegionRedis(
  { ports, folders, parts, ending }: StartEnginesOptions,
  region: string,
  started: Map<string, RedisEngine>,
): Promise<void> {
  const name = partName('redis', region)
  const process = await parts.starting([name], () =>
    startRedis({
      port: portOf(ports, name),
      directory: join(folders.root, 'redis', region),
      logFile: logFileOf(folders, name),
      signal: ending.signal,
    }),
  )
  started.set(region, process)
  const { address, version } = process
  const probe = async (): Promise<object> => {
    await process.ask('PING')
    return {}
  }
  parts.add({ kind: 'redis', region, address, version, process, probe })
}

async function startRegionStore(
  { ports, folders, storeToken, version, parts, ending }: StartEnginesOptions,
  region: string,
  started: Map<string, MeridianProcess>,
): Promise<void> {
  const name = partName('store', region)
  const folder = join(folders.data, region)
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY })
  const at = ['--file', join(folder, 'store.db'), '--port', `${portOf(ports, name)}`]
  const process = await parts.starting([name], () =>
    startMeridian({
      name,
      args: ['store', ...at, '--token-env', STORE_TOKEN_VARIABLE],
      logFile: logFileOf(folders, name),
      environment: { [STORE_TOKEN_VARIABLE]: storeToken },
      signal: ending.signal,
    }),
  )
  started.set(region, process)
  const probe = async (): Promise<object> => {
    await requirePage(`${process.url}/health`)
    return {}
  }
  parts.add({ kind: 'store', region, address: process.url, version, process, probe })
}
