/** What is left of a run, as JSON beside its history: a history without it was not ended in order. */
import type { HistoryEvent } from '../../../../replication/verify/history.ts'
import { packageVersion } from '../../../node/package-root.ts'
import type { Judgement } from '../judge/judge.ts'
import type { RecordOptions } from '../options.ts'
import type { Recorded } from './record-history.ts'
import { faultsFileOf, type FaultCounts } from './fault-log.ts'
import type { Counts } from './recorder.ts'

/** A verdict without the events that show it. */
export interface VerdictSummary {
  readonly checker: string
  readonly ok: boolean
  readonly checked: number
  readonly anomalies: readonly { readonly kind: string; readonly message: string }[]
  readonly undecided: readonly string[]
}

/** The summary of a run. */
export interface HistorySummary {
  readonly version: string
  readonly workload: string
  readonly engines: string
  readonly topology: string
  readonly seed: number
  readonly seconds: number
  readonly file: string
  readonly faultsFile: string
  /** `false`: it was interrupted, or did not come back after the faults. */
  readonly isComplete: boolean
  readonly problem: string | null
  readonly events: number
  readonly operations: Readonly<Record<string, Counts>>
  readonly unknownOutcomes: number
  /** By outcome and code. */
  readonly errors: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, FaultCounts>>
  readonly verdicts: readonly VerdictSummary[]
}

/** Where a history's summary is. */
export function summaryFileOf(historyFile: string): string {
  return `${historyFile}.summary.json`
}

/** Sums a run up. */
export function summarize(
  options: RecordOptions,
  recorded: Recorded,
  judgements: readonly Judgement[],
): HistorySummary {
  const { workload, engines, topologyName, seed, forMs, out } = options
  const { counts, errors, faults, isComplete, problem, events } = recorded
  return {
    version: packageVersion(),
    ...{ workload, engines, topology: topologyName, seed, seconds: forMs / 1000 },
    ...{ file: out, faultsFile: faultsFileOf(out), isComplete, problem: problem ?? null },
    events: events.length,
    operations: Object.fromEntries(counts),
    unknownOutcomes: unknownIn(events),
    errors: Object.fromEntries([...errors].toSorted(([, a], [, b]) => b - a)),
    faults: Object.fromEntries(faults),
    verdicts: judgements.map(summarizeVerdict),
  }
}

/** A judgement without events. */
export function summarizeVerdict({ checker, verdict }: Judgement): VerdictSummary {
  const { ok, checked, anomalies, undecided } = verdict
  const found = anomalies.map(({ kind, message }) => ({ kind, message }))
  return { checker, ok, checked, anomalies: found, undecided }
}

function unknownIn(events: readonly HistoryEvent[]): number {
  return events.filter(({ type }) => type === 'info').length
}
