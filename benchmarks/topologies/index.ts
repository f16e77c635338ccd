/** The topologies that benchmarks know by name, and those of a file. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseConfig, parseTopology, type Config } from '../../src/config/parse-config.ts'
import type { Topology } from '../../src/config/topology.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { packageRoot } from '../../src/node/package-root.ts'
import { commitLogMs } from '../measure/network-time.ts'

/** Their names; each is a file of this folder. */
export const TOPOLOGIES: readonly string[] = [
  'triangle',
  'five-regions',
  'nine-regions',
  'one-country',
]

const FILE_NAME = /[./\\]/

/**
 * The topology of a name, or of a YAML or JSON file: `{ regions: [a, b], topology: { a/b: 40 } }`.
 *
 * @throws MeridianError `CONFIG_INVALID`: an unknown name, a file that cannot be read, a pair that is
 * missing, a negative delay
 */
export async function readTopology(nameOrFile: string): Promise<Topology> {
  const isName = TOPOLOGIES.includes(nameOrFile)
  if (!isName && !FILE_NAME.test(nameOrFile)) {
    throw new MeridianError('CONFIG_INVALID', `The topology '${nameOrFile}' is unknown.`, {
      fix: `Known: ${TOPOLOGIES.join(', ')}. Or name a file: ./my-topology.yaml.`,
    })
  }
  const file = isName
    ? join(packageRoot(), 'benchmarks', 'topologies', `${nameOrFile}.yaml`)
    : nameOrFile
  return parseTopology(await readText(file), file)
}

/**
 * The region that should lead the commit log: from it the slowest region's commit is fastest; of
 * several, the one from which all regions together are.
 */
export function bestLeader(topology: Topology): string {
  const { regions } = topology
  const costs = regions.map((leader) => {
    const commits = regions.map((origin) => commitLogMs(topology, leader, origin))
    return { leader, worst: Math.max(...commits), sum: commits.reduce((a, b) => a + b, 0) }
  })
  const [best] = costs.toSorted((a, b) => a.worst - b.worst || a.sum - b.sum)
  return best?.leader ?? ''
}

/** The configuration of a deployment in these regions, with defaults for all else. */
export function configFor(topology: Topology, leader: string): Config {
  const content = {
    regions: topology.regions,
    topology: topology.oneWayMs,
    commitLog: { leader },
  }
  return parseConfig(JSON.stringify(content), 'benchmark configuration')
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new MeridianError('CONFIG_INVALID', `The topology file ${file} cannot be read.`, {
      fix: `Check the path, or name one of: ${TOPOLOGIES.join(', ')}.`,
      cause,
    })
  }
}
