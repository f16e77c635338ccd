/** What a configuration says of a deployment's parts, counted: the ground of every judgement of it. */
import type { Config } from './parse-config.ts'

/** The parts of one region. */
export interface RegionFacts {
  readonly region: string
  /** Processes that serve it; 0: it is embedded. */
  readonly nodes: number
  /** Regions of the same process, itself among them. */
  readonly together: readonly string[]
  readonly store: 'file' | 'server'
  /** `replicationFactor` of its Kafka; 0: its change log is a file. */
  readonly kafkaCopies: number
  readonly hasCache: boolean
  /** Members of etcd that stand there. */
  readonly members: number
}

/** The parts of a deployment. */
export interface DeploymentFacts {
  readonly regions: readonly RegionFacts[]
  /** Without nodes every region is in the process of the service. */
  readonly isEmbedded: boolean
  readonly leader: string
  /** Members of etcd; 0: the commit log is a file of the leader's node. */
  readonly members: number
  /** Members that may be lost while the others still decide. */
  readonly spareMembers: number
}

/** Counts the parts. */
export function deploymentFacts(config: Config): DeploymentFacts {
  const members = Object.values(config.commitLog.etcd?.members ?? {}).flat().length
  return {
    regions: config.regions.map((region) => regionFacts(config, region)),
    isEmbedded: Object.keys(config.nodes).length === 0,
    leader: config.commitLog.leader,
    members,
    spareMembers: Math.max(0, members - majority(members)),
  }
}

/** How many of so many members must agree. */
export function majority(members: number): number {
  return Math.floor(members / 2) + 1
}

function regionFacts(config: Config, region: string): RegionFacts {
  const urls = (config.nodes[region] ?? []).map(({ url }) => url)
  const isTogether = (other: string): boolean =>
    urls.length === 0 || (config.nodes[other] ?? []).some(({ url }) => urls.includes(url))
  return {
    region,
    nodes: urls.length,
    together: config.regions.filter(isTogether),
    store: config.stores[region] === undefined ? 'file' : 'server',
    kafkaCopies: config.changeLogs[region]?.replicationFactor ?? 0,
    hasCache: config.caches[region] !== undefined,
    members: config.commitLog.etcd?.members[region]?.length ?? 0,
  }
}
