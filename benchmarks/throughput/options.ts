/** What the program that measures strong throughput is asked for. */
import { parseArgs } from 'node:util'
import { MeridianError } from '../../src/core/errors.ts'

/** What transactions do. */
const WORKS = ['rows', 'counter'] as const
export type Work = (typeof WORKS)[number]

/** Where regions run: in this process; etcd and nodes alone; with Kafka, Redis and store servers. */
const ENGINES = ['embedded', 'lean', 'full'] as const
type Engines = (typeof ENGINES)[number]

/** What is between regions: nothing, or the distances of the topology. */
const NETWORKS = ['none', 'triangle'] as const
type NetworkKind = (typeof NETWORKS)[number]

/** A measurement. */
export interface ThroughputOptions {
  readonly works: readonly Work[]
  readonly engines: Engines
  readonly network: NetworkKind
  /** How long each work is measured. */
  readonly seconds: number
  /** Transactions that each region has under way. */
  readonly inFlight: number
  /** Where CPU profiles of nodes and stores go; `undefined`: none are made. */
  readonly profiles: string | undefined
  readonly json: boolean
}

export const HELP = `Strong transactions a second over three regions, what they cost in CPU by process,
and the rate at which the same etcd takes bare puts of the same bytes.

  npx tsx benchmarks/micro/strong-throughput.ts [options]

  --work NAME       rows (single-row upserts), counter (increments of one row from all
                    regions); both when left out
  --engines NAME    lean (etcd and a node in each region, the default), full (also Kafka,
                    Redis and a store server), embedded (all in one process, no etcd)
  --network NAME    none (the default), or triangle: the emulated distances of the budget
  --seconds N       how long each work is measured; 10 when left out
  --in-flight N     transactions that each region has under way; 256 when left out,
                    which is what a node takes of one caller unless it is told otherwise
  --profiles FOLDER leaves a CPU profile of each node and store there
  --json            one line of JSON for each work in place of the tables
  --help            this text

The client is the protocol's bytes over a few connections, many requests under way on each: it
takes as little as it can of the cores that it shares with what it measures.
`

const DEFAULT_SECONDS = 10
const MAX_SECONDS = 600
const DEFAULT_IN_FLIGHT = 256
const MAX_IN_FLIGHT = 4096

type Given = Readonly<Record<string, string | boolean | undefined>>

/** Reads them; `undefined`: help is asked for. @throws MeridianError `INVALID_ARGUMENT` */
export function readOptions(args: readonly string[]): ThroughputOptions | undefined {
  const given = parse(args)
  if (given['help'] === true) return undefined
  const work = nameOption(given, 'work', WORKS)
  const inFlight = numberOption(given, 'in-flight', MAX_IN_FLIGHT) ?? DEFAULT_IN_FLIGHT
  if (!Number.isInteger(inFlight)) throw refused('in-flight', inFlight, 'Give a whole number.')
  return {
    works: work === undefined ? WORKS : [work],
    engines: nameOption(given, 'engines', ENGINES) ?? 'lean',
    network: nameOption(given, 'network', NETWORKS) ?? 'none',
    seconds: numberOption(given, 'seconds', MAX_SECONDS) ?? DEFAULT_SECONDS,
    inFlight,
    profiles: folderOption(given, 'profiles'),
    json: given['json'] === true,
  }
}

function parse(args: readonly string[]): Given {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        work: { type: 'string' },
        engines: { type: 'string' },
        network: { type: 'string' },
        seconds: { type: 'string' },
        'in-flight': { type: 'string' },
        profiles: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    return values
  } catch (cause) {
    throw new MeridianError('INVALID_ARGUMENT', (cause as Error).message, {
      fix: 'See `--help`.',
      cause,
    })
  }
}

function nameOption<T extends string>(
  given: Given,
  name: string,
  there: readonly T[],
): T | undefined {
  const value = given[name]
  const known = there.find((one) => one === value)
  if (value === undefined || known !== undefined) return known
  throw refused(name, value, `There are: ${there.join(', ')}.`)
}

function numberOption(given: Given, name: string, most: number): number | undefined {
  const value = given[name]
  if (value === undefined) return undefined
  const read = Number(value)
  if (read >= 1 && read <= most) return read
  throw refused(name, value, `Give a number from 1 to ${most}.`)
}

function folderOption(given: Given, name: string): string | undefined {
  const value = given[name]
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw refused(name, value, 'Give the path of a folder.')
}

function refused(name: string, value: unknown, fix: string): MeridianError {
  const message = `The option \`--${name}\` is ${JSON.stringify(value)}.`
  return new MeridianError('INVALID_ARGUMENT', message, { fix })
}
