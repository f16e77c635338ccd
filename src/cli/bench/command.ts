/** `meridian bench`: measure a deployment over emulated distances, beside limits and raw engines. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { BenchRunOptions } from '../../../benchmarks/run/options.ts'
import { planRun } from '../../../benchmarks/run/plan-run.ts'
import { runBench, type BenchRun } from '../../../benchmarks/run/run-bench.ts'
import { readThresholds, type Thresholds } from '../../../benchmarks/run/thresholds.ts'
import { EXIT, type Command } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import { withProgress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'
import {
  BENCH_OPTIONS,
  commandLine,
  listing,
  readBenchOptions,
  type BenchOptions,
} from './options.ts'
import { reportRun } from './report.ts'
import { watchRun } from './watch.ts'

const DESCRIPTION = `Opens regions at the distances of a topology and measures calls from each of them: latencies from
the moment a call was due (an open loop does not wait for answers), beside what the network alone
costs, what the raw engine takes for the same step in the same run, and the performance budget.

Profiles:
  quick     the regression gate of CI: ratios against committed bounds; 3 minutes at most
  standard  every latency cell of the three modes; 10 minutes at most
  full      workloads, other databases, and how costs grow; 90 minutes at most

With --engines real each region has a Kafka, a Redis, a store and a node as processes, and all have
members of etcd; everything between regions crosses proxies that delay it. What cannot be measured
on this machine is said in a note, never left out in silence. Other databases are measured where
they are: PostgreSQL 15 on the path, in Debian's folder or where MERIDIAN_POSTGRESQL names its
program postgres; Cassandra with the jars that Maven fetches once, or with those of the folder
MERIDIAN_CASSANDRA_JARS. They need the packages pg and cassandra-driver.

Ends with exit code 1 if a bound of the gate is broken or a step failed. Ctrl-C ends it in order and
still writes what was measured, marked as incomplete.

Examples:
  meridian bench
  meridian bench --profile standard --engines real --json result.json --html result.html
  meridian bench --workload ycsb-a,movr --seconds 120 --topology five-regions`

/** The command. */
export const benchCommand: Command = {
  description: DESCRIPTION,
  options: BENCH_OPTIONS,
  async run(given, terminal) {
    if (given['list'] === true) {
      for (const line of listing()) terminal.line(line)
      return EXIT.ok
    }
    const options = await readBenchOptions(given)
    const thresholds = thresholdsFor(options, terminal)
    const run = await inDirectory(options, terminal, (directory) =>
      measure(options, thresholds, directory, terminal),
    )
    await reportRun(run, options, thresholds, terminal)
    if (run.ending === 'interrupted') return EXIT.interrupted
    const isGood =
      run.ending === 'complete' && run.failedSteps.length === 0 && run.breaches.length === 0
    return isGood ? EXIT.ok : EXIT.failed
  },
}

/** The bounds of the gate, where this run is what they are for. */
function thresholdsFor(options: BenchOptions, terminal: Terminal): Thresholds | undefined {
  if (!options.profile.isGate || options.parts !== undefined) return undefined
  const thresholds = readThresholds()
  const isWhatTheyAreFor =
    options.topologyName === thresholds.topology &&
    options.engines === thresholds.engines &&
    options.isDefaultLeader
  if (isWhatTheyAreFor) return thresholds
  terminal.note(
    `The gate's bounds are for the topology ${thresholds.topology}, its best leader and ` +
      `${thresholds.engines} engines: this run is not judged.`,
  )
  return undefined
}

function measure(
  options: BenchOptions,
  thresholds: Thresholds | undefined,
  directory: string,
  terminal: Terminal,
): Promise<BenchRun> {
  const command = commandLine(options)
  return withInterrupts(terminal, (signal) => {
    terminal.note(command)
    const request: Omit<BenchRunOptions, 'onEvent'> = {
      ...options,
      ...{ directory, command, thresholds, signal },
    }
    const steps = planRun({ ...request, onEvent: () => undefined }).steps.length
    return withProgress(terminal, 'Bench', steps, async (progress) => {
      const watch = watchRun(terminal, progress, steps)
      try {
        return await runBench({ ...request, onEvent: watch.onEvent })
      } finally {
        watch.stop()
      }
    })
  })
}

async function inDirectory<T>(
  { directory, keep }: BenchOptions,
  terminal: Terminal,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  if (directory !== undefined) {
    await mkdir(directory, { recursive: true })
    return work(resolve(directory))
  }
  const temporary = await mkdtemp(join(tmpdir(), 'meridian-bench-'))
  try {
    return await work(temporary)
  } finally {
    if (keep) terminal.note(`The data is in ${temporary}.`)
    else await rm(temporary, { recursive: true, force: true })
  }
}
