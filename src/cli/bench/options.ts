/** The options of `meridian bench`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { PROFILES, type Profile } from '../../../benchmarks/profiles/index.ts'
import { PARTS } from '../../../benchmarks/run/parts.ts'
import type { EnginesKind } from '../../../benchmarks/target/target.ts'
import { bestLeader, readTopology, TOPOLOGIES } from '../../../benchmarks/topologies/index.ts'
import type { Topology } from '../../config/topology.ts'
import { MeridianError } from '../../core/errors.ts'
import type { GivenOptions, OptionSpecs } from '../command.ts'
import {
  fileOption,
  numberOption,
  outputFileOption,
  textOption,
  unknownName,
} from '../option-values.ts'

const DEFAULT_PROFILE = 'quick'
const DEFAULT_TOPOLOGY = 'triangle'
const DEFAULT_SEED = 1
const MOST_RATE = 100_000
const MOST_SECONDS = 6 * 3600
const MOST_REPETITIONS = 100

/** The options, read and checked. */
export interface BenchOptions {
  readonly profile: Profile
  /** `undefined`: those of the profile. */
  readonly parts: readonly string[] | undefined
  readonly topology: Topology
  readonly topologyName: string
  readonly engines: EnginesKind
  readonly leader: string
  readonly isDefaultLeader: boolean
  readonly rateOpsPerSecond: number | undefined
  readonly measuringMs: number | undefined
  readonly seed: number
  readonly repetitions: number | undefined
  readonly jsonFile: string | undefined
  readonly htmlFile: string | undefined
  readonly markdownFile: string | undefined
  /** `undefined`: a new temporary folder. */
  readonly directory: string | undefined
  readonly keep: boolean
}

/** What help says of them. */
export const BENCH_OPTIONS: OptionSpecs = {
  profile: {
    type: 'string',
    placeholder: 'NAME',
    summary: 'quick (the default), standard or full: what is measured, and how long.',
  },
  topology: {
    type: 'string',
    placeholder: 'NAME|FILE',
    summary: 'Distances by name (see --list) or in a file. Default triangle.',
  },
  engines: {
    type: 'string',
    placeholder: 'KIND',
    summary: 'embedded (default), or real: etcd, Kafka, Redis, stores, nodes as processes.',
  },
  workload: {
    type: 'string',
    placeholder: 'LIST',
    summary: 'Measure these instead of what the profile does, separated by commas; see --list.',
  },
  rate: {
    type: 'string',
    placeholder: 'N',
    summary: 'Calls a second of each region, where a step has no rate of its own.',
  },
  seconds: {
    type: 'string',
    placeholder: 'N',
    summary: 'Stretch or shorten all steps, so that together they take about N seconds.',
  },
  leader: {
    type: 'string',
    placeholder: 'REGION',
    summary: 'The region that leads the commit log. Default: the one that makes it fastest.',
  },
  seed: {
    type: 'string',
    placeholder: 'N',
    summary: `Draws the workloads' choices. Default ${DEFAULT_SEED}.`,
  },
  repetitions: {
    type: 'string',
    placeholder: 'N',
    summary: 'Times that each window is repeated, in turns with what it is held against.',
  },
  json: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'Write the result as JSON, and the latencies in full beside it.',
  },
  html: { type: 'string', placeholder: 'FILE', summary: 'Write a report with plots.' },
  markdown: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'Write the tables as Markdown; into the markers of FILE where it is there already.',
  },
  directory: {
    type: 'string',
    placeholder: 'DIR',
    summary: 'Keep the data in DIR, which must be empty. Default: temporary.',
  },
  keep: { type: 'boolean', summary: 'Leave the temporary data in place and say where.' },
  list: { type: 'boolean', summary: 'Print the profiles, topologies and workloads, and end.' },
}

/** @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` naming what is wrong and what there is */
export async function readBenchOptions(given: GivenOptions): Promise<BenchOptions> {
  const profile = readProfile(textOption(given, 'profile') ?? DEFAULT_PROFILE)
  const parts = readParts(textOption(given, 'workload'))
  const engines = readEngines(textOption(given, 'engines') ?? 'embedded')
  const rate = numberOption(given, 'rate', { least: 0.1, most: MOST_RATE })
  const seconds = numberOption(given, 'seconds', { least: 1, most: MOST_SECONDS })
  const topologyName = textOption(given, 'topology') ?? DEFAULT_TOPOLOGY
  const files = {
    jsonFile: outputFileOption(given, 'json'),
    htmlFile: outputFileOption(given, 'html'),
    markdownFile: markdownFile(given, profile),
  }
  const directory = emptyDirectory(fileOption(given, 'directory'))
  const counts = {
    seed: numberOption(given, 'seed', { least: 0, most: 0xffffffff, whole: true }) ?? DEFAULT_SEED,
    repetitions: numberOption(given, 'repetitions', {
      least: 1,
      most: MOST_REPETITIONS,
      whole: true,
    }),
  }
  const topology = await readTopology(topologyName)
  const leader = readLeader(textOption(given, 'leader'), topology)
  return {
    ...{ profile, parts, engines, topology, topologyName, leader, directory },
    ...files,
    ...counts,
    isDefaultLeader: leader === bestLeader(topology),
    rateOpsPerSecond: rate,
    measuringMs: seconds === undefined ? undefined : seconds * 1000,
    keep: given['keep'] === true,
  }
}

/** The command line that asks for the same run again. */
export function commandLine(options: BenchOptions): string {
  const { profile, topologyName, engines, leader, parts, repetitions, rateOpsPerSecond } = options
  const values: readonly (readonly [string, string | number | undefined])[] = [
    ['profile', profile.name],
    ['topology', topologyName],
    ['engines', engines],
    ['workload', parts?.join(',')],
    ['rate', rateOpsPerSecond],
    ['seconds', options.measuringMs === undefined ? undefined : options.measuringMs / 1000],
    ['leader', options.isDefaultLeader ? undefined : leader],
    ['seed', options.seed],
    ['repetitions', repetitions],
  ]
  const words = values.flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${value}`],
  )
  return `meridian bench ${words.join(' ')}`
}

/** What `--list` prints. */
export function listing(): readonly string[] {
  const width = Math.max(...[...Object.keys(PROFILES), ...Object.keys(PARTS)].map((n) => n.length))
  const entry = ([name, { summary }]: readonly [string, { readonly summary: string }]): string =>
    `  ${name.padEnd(width)}  ${summary}`
  return [
    'Profiles:',
    ...Object.entries(PROFILES).map(entry),
    '',
    'Topologies:',
    ...TOPOLOGIES.map((name) => `  ${name}`),
    '',
    'Workloads:',
    ...Object.entries(PARTS).map(entry),
  ]
}

function readProfile(name: string): Profile {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined
  if (profile !== undefined) return profile
  throw unknownName(`There is no profile \`${name}\`.`, Object.keys(PROFILES))
}

function readParts(list: string | undefined): readonly string[] | undefined {
  if (list === undefined) return undefined
  const names = list.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name))
  if (unknown === undefined) return [...new Set(names)]
  throw unknownName(`There is no workload \`${unknown}\`.`, Object.keys(PARTS))
}

function readEngines(kind: string): EnginesKind {
  if (kind === 'embedded' || kind === 'real') return kind
  throw unknownName(`The option \`--engines\` is ${JSON.stringify(kind)}.`, ['embedded', 'real'])
}

function readLeader(region: string | undefined, topology: Topology): string {
  if (region === undefined) return bestLeader(topology)
  if (topology.regions.includes(region)) return region
  throw unknownName(`The topology has no region \`${region}\`.`, topology.regions)
}

/** A document that is there is kept but for what stands between the profile's markers. */
function markdownFile(given: GivenOptions, profile: Profile): string | undefined {
  const file = outputFileOption(given, 'markdown')
  if (file === undefined || !existsSync(file)) return file
  const name = `bench:${profile.name}`
  if (new RegExp(`<!-- ${name}(:[a-z0-9._-]+)?:begin -->`).test(readFileSync(file, 'utf8')))
    return file
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `\`--markdown ${file}\` is there and has no markers.`,
    {
      fix: `Add <!-- ${name}:begin --> and <!-- ${name}:end --> to it, or give another path.`,
    },
  )
}

/** Rows of a run before would be measured along with those of this one. */
function emptyDirectory(directory: string | undefined): string | undefined {
  if (directory === undefined || !existsSync(directory)) return directory
  if (isEmptyFolder(directory)) return directory
  throw new MeridianError('INVALID_ARGUMENT', `\`--directory ${directory}\` is not empty.`, {
    fix: 'Give a folder that is empty or does not exist.',
  })
}

function isEmptyFolder(path: string): boolean {
  try {
    return readdirSync(path).length === 0
  } catch {
    return false
  }
}
