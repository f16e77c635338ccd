/** What the rig says. */
import { SKIPPED_MARK } from '../../../scripts/lib/tally.ts'
import { MODES, type Mode } from './journal.ts'
import type { CutReport, RigOptions } from './rig.ts'
import type { Verdict } from './verdict.ts'

/** Sums over all cuts. */
export interface Total extends Pick<RigOptions, 'cuts' | 'seed' | 'log' | 'synchronous'> {
  readonly modes: Readonly<Record<Mode, ModeTotal>>
  /** Cuts after which something was missing or wrong. */
  readonly badCuts: number
  readonly isGood: boolean
}

/** Sums of a mode; each write counts once. */
export interface ModeTotal {
  readonly acknowledged: number
  readonly lost: number
  readonly halfWritten: number
  /** Cuts after which its rows were not all there, or not served. */
  readonly badCuts: number
  /** Writes of unknown outcome, and those of them that took effect. */
  readonly unknown: number
  readonly tookEffect: number
}

export function skipLine(reason: string): string {
  return `${SKIPPED_MARK}power cuts: ${reason.replaceAll(/\s+/g, ' ')}`
}

export function totalOf(
  { cuts, seed, log, synchronous }: Pick<Total, 'cuts' | 'seed' | 'log' | 'synchronous'>,
  reports: readonly CutReport[],
): Total {
  const of = (mode: Mode): ModeTotal => {
    const verdicts = reports.flatMap((report) => report.verdicts.filter((v) => v.mode === mode))
    const sum = (count: (verdict: Verdict) => number): number =>
      verdicts.reduce((all, verdict) => all + count(verdict), 0)
    // A region that did not start again has no verdict: all that it acknowledged is lost.
    const unserved = reports.filter(({ verdicts: all }) => all.length === 0)
    return {
      acknowledged: reports.reduce((all, report) => all + report.newlyAcknowledged[mode], 0),
      lost:
        sum(({ lost }) => lost.length) +
        unserved.reduce((all, report) => all + report.newlyAcknowledged[mode], 0),
      halfWritten: sum(({ halfWritten }) => halfWritten.length),
      badCuts: sum(({ isGood }) => (isGood ? 0 : 1)) + unserved.length,
      unknown: sum(({ unknown }) => unknown),
      tookEffect: sum(({ tookEffect }) => tookEffect),
    }
  }
  const badCuts = reports.filter(({ isGood }) => !isGood).length
  return {
    ...{ cuts, seed, log, synchronous },
    modes: { strong: of('strong'), pinned: of('pinned'), eventual: of('eventual') },
    badCuts,
    isGood: badCuts === 0 && reports.length === cuts,
  }
}

/** One line for a cut. */
export function cutLine({ cut, isNewDisk, verdicts, failures, isGood }: CutReport): string {
  const parts = [...verdicts.map(verdictText), ...failures]
  const disk = isNewDisk ? ', new disk' : ''
  return `${isGood ? 'ok ' : 'RED'} cut ${cut}${disk}: ${parts.join(' | ')}`
}

function verdictText(verdict: Verdict): string {
  const { mode, acknowledged, found, lost, halfWritten, foreign, unknown, tookEffect } = verdict
  return [
    `${mode} ${acknowledged} acknowledged, ${found} found, ${lost.length} lost`,
    ...(halfWritten.length > 0 ? [`${halfWritten.length} half-written`] : []),
    ...(foreign.length > 0 ? [`${foreign.length} rows of nobody`] : []),
    ...(unknown > 0 ? [`of ${unknown} unknown ${tookEffect} there`] : []),
    ...verdict.problems,
  ].join(', ')
}

/** The closing lines. */
export function totalLines(total: Total): readonly string[] {
  const { cuts, seed, log, synchronous, modes, badCuts, isGood } = total
  const sum = (count: (of: ModeTotal) => number): number =>
    MODES.reduce((all, mode) => all + count(modes[mode]), 0)
  const acknowledged = sum((of) => of.acknowledged)
  const lost = sum((of) => of.lost)
  const halfWritten = sum((of) => of.halfWritten)
  const byMode = MODES.map((mode) => `${mode} ${modes[mode].lost} of ${modes[mode].acknowledged}`)
  const found = acknowledged - lost - halfWritten
  return [
    `${cuts} cuts, synchronous ${synchronous.toUpperCase()}, log in ${log}, seed ${seed}: ` +
      `${acknowledged} acknowledged, ${found} found, ${lost} lost (${byMode.join(', ')}), ` +
      `${halfWritten} half-written`,
    isGood
      ? 'Nothing acknowledged was lost.'
      : `RED: ${badCuts} of ${cuts} cuts left something wrong.`,
  ]
}
