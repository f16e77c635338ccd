/** What a measurement comes to, as JSON and as a table. */
import { valueAtMs } from '../measure/histogram.ts'
import type { CpuByKind } from './cpu-by-kind.ts'
import type { ThroughputOptions, Work } from './options.ts'
import type { LoadResult } from './run-load.ts'

/** Transactions a second that are to be had on two cores, by work. */
const TARGET_PER_SECOND: Readonly<Record<Work, number>> = { rows: 2000, counter: 1000 }

/** Bare puts to etcd in the same run. */
export interface RawPuts {
  readonly perSecond: number
  readonly payloadBytes: number
}

/** One work, measured. */
export interface ThroughputSummary {
  readonly work: Work
  readonly engines: ThroughputOptions['engines']
  readonly network: ThroughputOptions['network']
  readonly inFlight: number
  readonly seconds: number
  readonly committed: number
  readonly perSecond: number
  readonly targetPerSecond: number
  /** Transactions that were not committed, by code. */
  readonly aborts: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p95Ms: number
  readonly recordsPerSecond: number
  readonly commandsPerRecord: number
  /** CPU ms of each kind of process for each committed transaction. */
  readonly cpuMs: Readonly<Record<string, number>>
  readonly cpuMsTogether: number
  /** What so much CPU allows on two cores that do nothing else. */
  readonly perSecondOfTwoCores: number
  /** `null`: there is no etcd. */
  readonly rawPuts: RawPuts | null
}

/** Puts it together. `cpuMs`: of each transaction. */
export function summarize(
  work: Work,
  { engines, network, inFlight }: ThroughputOptions,
  load: LoadResult,
  cpuMs: CpuByKind,
  rawPuts: RawPuts | null,
): ThroughputSummary {
  const { committed, seconds, latencies, firstIndex, lastIndex } = load
  const records = committed === 0 ? 0 : lastIndex - firstIndex + 1
  const together = [...cpuMs.values()].reduce((sum, ms) => sum + ms, 0)
  return {
    ...{ work, engines, network, inFlight, seconds, committed },
    perSecond: committed / seconds,
    targetPerSecond: TARGET_PER_SECOND[work],
    aborts: Object.fromEntries(load.refused),
    p50Ms: valueAtMs(latencies, 0.5),
    p95Ms: valueAtMs(latencies, 0.95),
    recordsPerSecond: records / seconds,
    commandsPerRecord: records === 0 ? 0 : committed / records,
    cpuMs: Object.fromEntries(cpuMs),
    cpuMsTogether: together,
    perSecondOfTwoCores: 2000 / together,
    rawPuts,
  }
}

/** The summary as lines of text. */
export function formatSummary(summary: ThroughputSummary): string {
  const { work, engines, network, inFlight, rawPuts } = summary
  const aborts = Object.entries(summary.aborts).map(([code, n]) => `${n} ${code}`)
  const what = work === 'rows' ? 'single-row upserts' : 'increments of one row'
  const rows: (readonly [string, string])[] = [
    ['transactions/s', `${count(summary.perSecond)} (target ${count(summary.targetPerSecond)})`],
    ['aborts', aborts.length === 0 ? 'none' : aborts.join(', ')],
    ['latency p50, p95', `${summary.p50Ms.toFixed(0)} ms, ${summary.p95Ms.toFixed(0)} ms`],
    ['records/s', count(summary.recordsPerSecond)],
    ['commands a record', summary.commandsPerRecord.toFixed(1)],
    ...Object.entries(summary.cpuMs).map(
      ([kind, ms]) => [`CPU a transaction: ${kind}`, `${ms.toFixed(3)} ms`] as const,
    ),
    ['CPU a transaction: all', `${summary.cpuMsTogether.toFixed(3)} ms`],
    ['two cores of that', `${count(summary.perSecondOfTwoCores)}/s`],
    [
      'bare etcd puts/s',
      rawPuts === null
        ? 'no etcd'
        : `${count(rawPuts.perSecond)} of ${count(rawPuts.payloadBytes)} bytes`,
    ],
  ]
  const title = `${what}, ${engines}, network ${network}, ${inFlight} under way in each region`
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(28)} ${value}`)].join('\n')
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}
