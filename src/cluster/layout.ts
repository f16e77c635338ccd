/** What a cluster on one machine consists of: its parts by name, their ports, their configuration. */
import { join } from 'node:path'
import type { Config } from '../config/parse-config.ts'
import { LOCK_FILE } from '../node/schema-lock.ts'
import type { EtcdPorts } from './engines/etcd.ts'
import { authSection, type Identities } from './identities.ts'
import type { Route } from './wan/routes.ts'

/** What is to run. */
export interface ClusterShape {
  readonly regions: readonly string[]
  readonly nodesPerRegion: number
  /** etcd and nodes alone: stores and change logs are files, and there is no cache. */
  readonly isLean: boolean
}

/** Ports by the name of what listens there; see `portNames`. */
export type ClusterPorts = Readonly<Record<string, number>>

/** Kinds of parts that a region has one of. */
export type RegionPart = 'etcd' | 'kafka' | 'redis' | 'store'

/** The name of a part, in messages and of its log. */
export function partName(kind: RegionPart | 'node', region: string, index = 0): string {
  return index === 0 ? `${kind} ${region}` : `${kind} ${region} ${index + 1}`
}

/** The port at which members of etcd reach each other where there are distances between them. */
export const FAR_PEERS = 'etcd peers'

/** What each region has besides its member of etcd and its nodes. */
export function enginesOf(shape: ClusterShape): readonly ('kafka' | 'redis' | 'store')[] {
  return shape.isLean ? [] : ['kafka', 'redis', 'store']
}

/** The name of every port. */
export function portNames(shape: ClusterShape): readonly string[] {
  const ofRegions = shape.regions.flatMap((region) => [
    partName('etcd', region),
    `${partName('etcd', region)} peer`,
    `${partName('etcd', region)} health`,
    ...enginesOf(shape).map((kind) => partName(kind, region)),
    ...nodeNames(shape, region),
  ])
  return [FAR_PEERS, ...ofRegions]
}

/** The names of a region's nodes. */
export function nodeNames(shape: ClusterShape, region: string): readonly string[] {
  return Array.from({ length: shape.nodesPerRegion }, (_, i) => partName('node', region, i))
}

/** The port of a name. */
export function portOf(ports: ClusterPorts, name: string): number {
  return ports[name] ?? 0
}

/** The ports of a region's member of etcd. */
export function etcdPorts(ports: ClusterPorts, region: string): EtcdPorts {
  const name = partName('etcd', region)
  return {
    client: portOf(ports, name),
    peer: portOf(ports, `${name} peer`),
    health: portOf(ports, `${name} health`),
  }
}

/** Where a node listens: `host:port`. */
export function nodeAddress(ports: ClusterPorts, name: string): string {
  return `127.0.0.1:${portOf(ports, name)}`
}

/** Where a region's member of etcd listens for its clients: `host:port`. */
export function etcdAddress(ports: ClusterPorts, region: string): string {
  return addressOf(ports, 'etcd', region)
}

/** Where things are in the folder of a cluster. */
export interface ClusterFolders {
  readonly root: string
  readonly logs: string
  /** Of the nodes: each region has a folder in it. */
  readonly data: string
}

/** The folders in `root`. */
export function foldersOf(root: string): ClusterFolders {
  return { root, logs: join(root, 'logs'), data: join(root, 'data') }
}

/** The file of a part's log. */
export function logFileOf(folders: ClusterFolders, name: string): string {
  return join(folders.logs, `${name.replaceAll(' ', '-')}.log`)
}

/** The schema lock of all nodes. */
export function lockFileOf(folders: ClusterFolders): string {
  return join(folders.root, LOCK_FILE)
}

/** The file with a region's configuration. */
export function configFileOf(folders: ClusterFolders, region: string): string {
  return join(folders.root, `${region}.meridian.json`)
}

/** What a configuration is made of. */
export interface NodeConfigOptions {
  readonly shape: ClusterShape
  readonly ports: ClusterPorts
  /** Regions, topology, residency, keys and limits are taken from it. */
  readonly config: Config
  /** The module of the schema: a path that does not depend on where it is read. */
  readonly schemaModule: string
  readonly identities: Identities
  /** How nodes and members of etcd in other regions are reached. */
  readonly route: Route
}

/** The configuration that the nodes of a region read. */
export function nodeConfig(
  options: NodeConfigOptions,
  region: string,
): Readonly<Record<string, unknown>> {
  const { shape, ports, config, identities, route } = options
  const members = byRegion(shape, (to) => [route(region, to, etcdAddress(ports, to))])
  const nodes = byRegion(shape, (to) =>
    nodeNames(shape, to).map((name) => ({
      url: `http://${route(region, to, nodeAddress(ports, name))}`,
      publicKey: identities.nodeKeys.get(name)?.publicKey,
    })),
  )
  return {
    ...sharedSections(config),
    name: config.name,
    schema: options.schemaModule,
    commitLog: { leader: config.commitLog.leader, etcd: { members } },
    nodes,
    auth: authSection(identities),
    ...engineSections(shape, ports),
  }
}

/** What nodes on this machine take from a configuration that was written for another place. */
export function sharedSections(config: Config): Readonly<Record<string, unknown>> {
  return {
    regions: config.regions,
    topology: config.topology.oneWayMs,
    residency: { classes: config.residency },
    ...(config.keys === null ? {} : { keys: config.keys }),
    limits: config.limits,
  }
}

/** The variable with the token of the stores. */
export const STORE_TOKEN_VARIABLE = 'MERIDIAN_STORE_TOKEN'

function engineSections(
  shape: ClusterShape,
  ports: ClusterPorts,
): Readonly<Record<string, unknown>> {
  if (shape.isLean) return {}
  return {
    stores: byRegion(shape, (region) => ({
      url: `ws://${addressOf(ports, 'store', region)}`,
      token: { env: STORE_TOKEN_VARIABLE },
    })),
    changeLogs: byRegion(shape, (region) => ({ brokers: [addressOf(ports, 'kafka', region)] })),
    caches: byRegion(shape, (region) => ({ address: addressOf(ports, 'redis', region) })),
  }
}

function addressOf(ports: ClusterPorts, kind: RegionPart, region: string): string {
  return `127.0.0.1:${portOf(ports, partName(kind, region))}`
}

function byRegion<T>(shape: ClusterShape, of: (region: string) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(shape.regions.map((region) => [region, of(region)]))
}
