/** The options of `meridian cluster`. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseConfig, type Config } from '../../config/parse-config.ts'
import {
  DEFAULT_ONE_WAY_MS,
  DEFAULT_REGIONS,
  pairName,
  regionPairs,
} from '../../config/topology.ts'
import { MeridianError } from '../../core/errors.ts'
import { readConfigFile } from '../../node/files.ts'
import type { GivenOptions, OptionSpecs } from '../command.ts'

/** The options, read and checked. */
export interface ClusterCommandOptions {
  readonly config: Config
  readonly schemaModule: string
  readonly directory: string
  /** A temporary one, gone with the cluster. */
  readonly isTemporary: boolean
  readonly nodesPerRegion: number
  readonly isLean: boolean
  readonly json: boolean
  readonly untilStdinEnds: boolean
}

const MOST_NODES = 5
const FAR_MS = 50

/** What help says of them. */
export const CLUSTER_OPTIONS: OptionSpecs = {
  config: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'Regions, residency, limits, keys and schema. Default: three regions.',
  },
  regions: { type: 'string', placeholder: 'A,B', summary: 'The regions, without a configuration.' },
  schema: {
    type: 'string',
    placeholder: 'MODULE',
    summary: "The module of the schema. Default: the configuration's, else the demo's.",
  },
  directory: {
    type: 'string',
    placeholder: 'DIR',
    summary: 'Where the data are; a cluster that was there goes on. Default: a temporary folder.',
  },
  nodes: { type: 'string', placeholder: 'N', summary: 'Nodes in each region. Default 1.' },
  lean: { type: 'boolean', summary: 'etcd and nodes on files alone: no Kafka, Redis and stores.' },
  'until-stdin-ends': { type: 'boolean', summary: 'End with what started it: with its input.' },
  json: { type: 'boolean', summary: 'Print what happens as JSON, an object a line.' },
}

/** @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` */
export async function readClusterOptions(given: GivenOptions): Promise<ClusterCommandOptions> {
  const configFile = text(given, 'config')
  const regions = text(given, 'regions')
  if (configFile !== undefined && regions !== undefined) {
    throw invalid('Both `--config` and `--regions` are given.', 'Leave one out.')
  }
  const nodesPerRegion = readNodes(text(given, 'nodes') ?? '1')
  if (nodesPerRegion > 1 && given['lean'] === true) {
    throw invalid(
      'Several nodes share a store and a change log, and `--lean` has none.',
      'Leave `--lean` or `--nodes` out.',
    )
  }
  const config = await readConfig(configFile, regions)
  const directory = text(given, 'directory')
  return {
    config,
    schemaModule: schemaModule(text(given, 'schema'), config, configFile),
    directory: directory === undefined ? temporaryFolder() : resolve(directory),
    isTemporary: directory === undefined,
    nodesPerRegion,
    isLean: given['lean'] === true,
    json: given['json'] === true,
    untilStdinEnds: given['until-stdin-ends'] === true,
  }
}

async function readConfig(file: string | undefined, regions: string | undefined): Promise<Config> {
  if (file === undefined) return configOf(regions?.split(',').map((name) => name.trim()))
  const config = parseConfig(await readConfigFile(file), file)
  if (config.keys?.kind !== 'keyring') return config
  // Its path is relative to the data of that configuration, which are elsewhere here.
  const data = resolve(dirname(file), config.data.directory)
  return { ...config, keys: { kind: 'keyring', file: resolve(data, config.keys.file) } }
}

/** Regions of any name: those whose distances are not built in are as far apart as two often are. */
function configOf(regions: readonly string[] = DEFAULT_REGIONS): Config {
  const pairs = regionPairs(regions).map(([a, b]) => pairName(a, b))
  const topology = pairs.map((pair) => [pair, DEFAULT_ONE_WAY_MS[pair] ?? FAR_MS])
  const text = JSON.stringify({ regions, topology: Object.fromEntries(topology) })
  return parseConfig(text, 'the option `--regions`')
}

function schemaModule(
  given: string | undefined,
  config: Config,
  configFile: string | undefined,
): string {
  if (given !== undefined) return resolve(given)
  if (config.schema !== null && configFile !== undefined) {
    return resolve(dirname(configFile), config.schema)
  }
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, '..', 'demo', isSource ? 'schema.ts' : 'schema.js')
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'meridian-cluster-'))
}

function readNodes(value: string): number {
  const count = Number(value)
  if (/^\d+$/.test(value) && count >= 1 && count <= MOST_NODES) return count
  throw invalid(
    `The option \`--nodes\` is ${JSON.stringify(value)}.`,
    `Give it a whole number from 1 to ${MOST_NODES}.`,
  )
}

function text(given: GivenOptions, name: string): string | undefined {
  const value = given[name]
  if (typeof value !== 'string') return undefined
  if (value !== '') return value
  throw invalid(`The option \`--${name}\` is empty.`, 'Give it a value, or leave it out.')
}

function invalid(problem: string, fix: string): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', problem, { fix })
}
