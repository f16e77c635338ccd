/** The options of `meridian history`. */
import { existsSync, statSync } from 'node:fs'
import type { EnginesKind } from '../../../benchmarks/target/target.ts'
import { bestLeader, readTopology, TOPOLOGIES } from '../../../benchmarks/topologies/index.ts'
import type { Topology } from '../../config/topology.ts'
import { MeridianError } from '../../core/errors.ts'
import type { GivenOptions, OptionSpecs } from '../command.ts'
import { numberOption, outputFileOption, textOption, unknownName } from '../option-values.ts'
import type { FaultKind } from './faults/plan.ts'
import { REAL_FAULTS } from './faults/real-breaker.ts'
import { WORKLOADS, type WorkloadName } from './workloads/index.ts'

const DEFAULT_TOPOLOGY = 'triangle'
const DEFAULT_SECONDS = 30
const DEFAULT_RATE = 20
const DEFAULT_SEED = 1
const MOST_SECONDS = 6 * 3600
const MOST_RATE = 1_000
const LEAST_REGIONS = 3
const NO_NEMESIS = 'none'

/** The faults that each kind of deployment can have. */
const NEMESES: Readonly<Record<EnginesKind, readonly FaultKind[]>> = {
  embedded: ['partition'],
  real: REAL_FAULTS,
}

/** What is recorded, read and checked. */
export interface RecordOptions {
  readonly workload: WorkloadName
  readonly engines: EnginesKind
  readonly forMs: number
  /** None: nothing is broken. */
  readonly nemeses: readonly FaultKind[]
  /** The file of the history. */
  readonly out: string
  readonly seed: number
  /** Operations a second of each region, at most. */
  readonly rate: number
  readonly topology: Topology
  readonly topologyName: string
  readonly leader: string
  readonly isJson: boolean
  readonly keep: boolean
}

/** What help says of them. */
export const HISTORY_OPTIONS: OptionSpecs = {
  workload: {
    type: 'string',
    placeholder: 'NAME',
    summary: `${Object.keys(WORKLOADS).join(', ')}. Default register; of check: what the file holds.`,
  },
  engines: {
    type: 'string',
    placeholder: 'KIND',
    summary: 'embedded (default), or real: etcd, Kafka, Redis, stores, nodes as processes.',
  },
  seconds: {
    type: 'string',
    placeholder: 'N',
    summary: `How long clients work. Default ${DEFAULT_SECONDS}.`,
  },
  nemesis: {
    type: 'string',
    placeholder: 'LIST',
    summary: 'What goes wrong meanwhile, separated by commas. Default none.',
  },
  out: { type: 'string', placeholder: 'FILE', summary: 'Write the history there.' },
  seed: {
    type: 'string',
    placeholder: 'N',
    summary: `Draws operations and faults. Default ${DEFAULT_SEED}.`,
  },
  rate: {
    type: 'string',
    placeholder: 'N',
    summary: `Operations a second of each region, at most. Default ${DEFAULT_RATE}.`,
  },
  topology: {
    type: 'string',
    placeholder: 'NAME|FILE',
    summary: `Distances: ${TOPOLOGIES.join(', ')}, or a file. Default ${DEFAULT_TOPOLOGY}.`,
  },
  json: { type: 'boolean', summary: 'Print the summary as JSON.' },
  keep: { type: 'boolean', summary: 'Leave the data and logs of the deployment, and say where.' },
}

/** @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` naming what is wrong and what there is */
export async function readRecordOptions(given: GivenOptions): Promise<RecordOptions> {
  const workload = readWorkload(textOption(given, 'workload') ?? 'register')
  const engines = readEngines(textOption(given, 'engines') ?? 'embedded')
  const nemeses = readNemeses(textOption(given, 'nemesis') ?? NO_NEMESIS, engines)
  const seconds = numberOption(given, 'seconds', { least: 1, most: MOST_SECONDS })
  const rate = numberOption(given, 'rate', { least: 0.1, most: MOST_RATE })
  const seed = numberOption(given, 'seed', { least: 0, most: 0xffffffff, whole: true })
  const out = outputFile(given)
  const topologyName = textOption(given, 'topology') ?? DEFAULT_TOPOLOGY
  const topology = requireRegions(await readTopology(topologyName), topologyName)
  return {
    ...{ workload, engines, nemeses, out, topology, topologyName },
    forMs: (seconds ?? DEFAULT_SECONDS) * 1000,
    rate: rate ?? DEFAULT_RATE,
    seed: seed ?? DEFAULT_SEED,
    leader: bestLeader(topology),
    isJson: given['json'] === true,
    keep: given['keep'] === true,
  }
}

/** The workload that was named; `undefined`: none was. @throws MeridianError `INVALID_ARGUMENT` */
export function workloadOption(given: GivenOptions): WorkloadName | undefined {
  const name = textOption(given, 'workload')
  return name === undefined ? undefined : readWorkload(name)
}

/** The command line that asks for the same run again. */
export function commandLine(options: RecordOptions): string {
  const { workload, engines, forMs, nemeses, out, seed, rate, topologyName } = options
  const values: readonly (readonly [string, string | number])[] = [
    ['workload', workload],
    ['engines', engines],
    ['seconds', forMs / 1000],
    ['nemesis', nemeses.length === 0 ? NO_NEMESIS : nemeses.join(',')],
    ['rate', rate],
    ['seed', seed],
    ['topology', topologyName],
    ['out', out],
  ]
  return `meridian history ${values.map(([name, value]) => `--${name} ${value}`).join(' ')}`
}

function readWorkload(name: string): WorkloadName {
  if (Object.hasOwn(WORKLOADS, name)) return name as WorkloadName
  throw unknownName(`There is no workload \`${name}\`.`, Object.keys(WORKLOADS))
}

function readEngines(kind: string): EnginesKind {
  if (kind === 'embedded' || kind === 'real') return kind
  throw unknownName(`The option \`--engines\` is ${JSON.stringify(kind)}.`, ['embedded', 'real'])
}

function readNemeses(list: string, engines: EnginesKind): readonly FaultKind[] {
  const names = [...new Set(list.split(',').map((name) => name.trim()))]
  if (names.length === 1 && names[0] === NO_NEMESIS) return []
  const known: readonly string[] = NEMESES[engines]
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return names as readonly FaultKind[]
  throw unknownName(`There is no nemesis \`${unknown}\` of ${engines} engines.`, [
    ...known,
    NO_NEMESIS,
  ])
}

function requireRegions(topology: Topology, name: string): Topology {
  const { regions } = topology
  if (regions.length >= LEAST_REGIONS) return topology
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The topology ${name} has ${regions.length} regions; a history takes ${LEAST_REGIONS}.`,
    { fix: 'With fewer, a partition leaves no majority.' },
  )
}

/** Other files are written beside it, so a device will not do. */
function outputFile(given: GivenOptions): string {
  const file = outputFileOption(given, 'out')
  if (file === undefined) {
    throw new MeridianError('INVALID_ARGUMENT', 'The option `--out` is missing.', {
      fix: 'Give it the path of the file that the history is written to.',
    })
  }
  if (!existsSync(file) || statSync(file).isFile()) return file
  throw new MeridianError('INVALID_ARGUMENT', `\`--out ${file}\` is not a file.`, {
    fix: 'Give the path of a file in a folder that you may write to.',
  })
}
