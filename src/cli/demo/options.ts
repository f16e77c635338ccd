/** The options of `meridian demo`. */
import { MeridianError } from '../../core/errors.ts'
import type { GivenOptions, OptionSpecs } from '../command.ts'
import { fileOption, numberOption } from '../option-values.ts'

const DEFAULT_SCALE = 0.1
const DEFAULT_REPORT = 'meridian-demo.html'
const DEFAULT_SEED = 1
/** Local reads get four times as many, which is what a p99 takes. */
const DEFAULT_SAMPLES = 250
const FEWEST_ROWS = 1000

/** The options, read and checked. */
export interface DemoOptions {
  /** `undefined`: the one of `examples/demo`. */
  readonly configFile: string | undefined
  readonly topologyFile: string | undefined
  readonly scale: number
  readonly jsonFile: string | undefined
  readonly reportFile: string
  /** `undefined`: a new temporary folder. */
  readonly directory: string | undefined
  readonly keep: boolean
  /** How the regions run: all in this process, a node process each, or a cluster of real engines. */
  readonly engines: 'embedded' | 'processes' | 'real'
  /** `undefined`: all. */
  readonly maxRows: number | undefined
  readonly samples: number
  readonly seed: number
}

/** What help says of them. */
export const DEMO_OPTIONS: OptionSpecs = {
  processes: {
    type: 'boolean',
    summary: 'Run a node process a region, and clients over HTTP; without it, one process.',
  },
  engines: {
    type: 'string',
    placeholder: 'KIND',
    summary: 'embedded (default), or real: etcd, Kafka, Redis and stores as processes.',
  },
  scale: {
    type: 'string',
    placeholder: 'X',
    summary: `Multiply the delays between regions; 1 is the real distance. Default ${DEFAULT_SCALE}.`,
  },
  topology: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'Other delays between the regions: `regions`, `topology`, as in the configuration.',
  },
  config: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'Another configuration. Default: examples/demo/meridian.yaml.',
  },
  json: { type: 'string', placeholder: 'FILE', summary: 'Write the results as JSON.' },
  report: {
    type: 'string',
    placeholder: 'FILE',
    summary: `Where the HTML report goes. Default ${DEFAULT_REPORT}.`,
  },
  rows: {
    type: 'string',
    placeholder: 'N',
    summary: `Load an even sample of N cities (${FEWEST_ROWS} or more), for a quick run.`,
  },
  samples: {
    type: 'string',
    placeholder: 'N',
    summary: `Calls measured of each kind, 4 N of local reads. Default ${DEFAULT_SAMPLES}; a p99 takes 1000.`,
  },
  seed: {
    type: 'string',
    placeholder: 'N',
    summary: `Draws the workload's choices. Default ${DEFAULT_SEED}.`,
  },
  directory: {
    type: 'string',
    placeholder: 'DIR',
    summary: 'Keep the data in DIR; a run that was stopped there goes on. Default: temporary.',
  },
  keep: { type: 'boolean', summary: 'Leave the temporary data in place and say where.' },
}

/** @throws MeridianError `INVALID_ARGUMENT` */
export function readDemoOptions(given: GivenOptions): DemoOptions {
  return {
    configFile: fileOption(given, 'config'),
    topologyFile: fileOption(given, 'topology'),
    scale: numberOption(given, 'scale', { least: 0, most: 10 }) ?? DEFAULT_SCALE,
    jsonFile: fileOption(given, 'json'),
    reportFile: fileOption(given, 'report') ?? DEFAULT_REPORT,
    directory: fileOption(given, 'directory'),
    keep: given['keep'] === true,
    engines: engines(given),
    maxRows: numberOption(given, 'rows', { least: FEWEST_ROWS, whole: true }),
    samples:
      numberOption(given, 'samples', { least: 1, most: 100_000, whole: true }) ?? DEFAULT_SAMPLES,
    seed: numberOption(given, 'seed', { least: 0, most: 0xffffffff, whole: true }) ?? DEFAULT_SEED,
  }
}

function engines(given: GivenOptions): DemoOptions['engines'] {
  const { engines: kind = 'embedded' } = given
  const processes = given['processes'] === true
  if (kind === 'real' && !processes) return kind
  if (kind === 'embedded') return processes ? 'processes' : kind
  const problem =
    kind === 'real'
      ? '`--processes` says of what `--engines real` has anyway.'
      : `The option \`--engines\` is ${JSON.stringify(kind)}.`
  throw new MeridianError('INVALID_ARGUMENT', problem, {
    fix: 'Give one of: `--engines embedded`, `--processes`, `--engines real`.',
  })
}
