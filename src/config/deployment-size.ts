/** Which of the sizes of a deployment a configuration describes. One format describes them all. */
import type { DeploymentFacts, RegionFacts } from './deployment-facts.ts'

/**
 * `embedded`: every region in the process of the service, on files. `lean`: nodes on file stores,
 * with etcd or the leader's log file. `full`: nodes with etcd, and a libSQL server, Kafka and Redis
 * in every region. `mixed`: anything between.
 */
export type DeploymentSize = 'embedded' | 'lean' | 'full' | 'mixed'

/** A size, and the parts that make it that. */
export interface SizeReport {
  readonly size: DeploymentSize
  readonly parts: string
}

/** Derives the size. */
export function deploymentSize(facts: DeploymentFacts): SizeReport {
  return { size: sizeOf(facts), parts: partsOf(facts) }
}

function sizeOf(facts: DeploymentFacts): DeploymentSize {
  const { regions, isEmbedded, members } = facts
  const hasNone = regions.every(
    ({ store, kafkaCopies, hasCache }) => store === 'file' && kafkaCopies === 0 && !hasCache,
  )
  if (isEmbedded) return hasNone && members === 0 ? 'embedded' : 'mixed'
  if (hasNone) return 'lean'
  const hasAll = regions.every(
    ({ store, kafkaCopies, hasCache }) => store === 'server' && kafkaCopies > 0 && hasCache,
  )
  return hasAll && members > 0 ? 'full' : 'mixed'
}

function partsOf({ regions, isEmbedded, members, leader }: DeploymentFacts): string {
  const having = (has: (one: RegionFacts) => boolean): string => whichOf(regions, has)
  return [
    isEmbedded ? 'every region in one process' : `nodes: ${countsOf(regions)}`,
    members > 0
      ? `etcd: ${members} ${members === 1 ? 'member' : 'members'}`
      : `commit log: a file${isEmbedded ? '' : ` of ${leader}`}`,
    `libSQL servers: ${having(({ store }) => store === 'server')}`,
    `Kafka: ${having(({ kafkaCopies }) => kafkaCopies > 0)}`,
    `Redis: ${having(({ hasCache }) => hasCache)}`,
  ].join('; ')
}

function whichOf(regions: readonly RegionFacts[], has: (one: RegionFacts) => boolean): string {
  const names = regions.filter(has).map(({ region }) => region)
  if (names.length === 0) return 'none'
  return names.length === regions.length ? 'every region' : names.join(', ')
}

function countsOf(regions: readonly RegionFacts[]): string {
  const counts = new Set(regions.map(({ nodes }) => nodes))
  const [only = 0] = counts
  if (counts.size === 1) return `${only === 1 ? 'one' : only} a region`
  return regions.map(({ region, nodes }) => `${nodes} in ${region}`).join(', ')
}
