/** Prints the figures of a run and what the checkers found. */
import { renderTable, type TableColumn } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import type { Judgement } from './judge/judge.ts'
import { encodeHistory } from '../../../replication/verify/history.ts'
import type { HistorySummary } from './run/summary.ts'

/** More do not tell more; the file has them all. */
const SHOWN_ANOMALIES = 5
const SHOWN_EVENTS = 12

/** Prints all of it. */
export function printRun(
  summary: HistorySummary,
  judgements: readonly Judgement[],
  terminal: Terminal,
): void {
  terminal.heading('Operations')
  const operations = Object.entries(summary.operations).map(([f, { ok, fail, info }]) => [
    f,
    ...[ok, fail, info].map((count) => `${count}`),
  ])
  printTable(terminal, ['operation', 'ok', 'fail', 'unknown'], operations)
  const errors = Object.entries(summary.errors)
  if (errors.length > 0) {
    terminal.heading('Errors')
    printTable(
      terminal,
      ['ended as', 'times'],
      errors.map(([name, count]) => [name.replace(/^info /, 'unknown '), `${count}`]),
    )
  }
  const faults = Object.entries(summary.faults)
  if (faults.length > 0) {
    terminal.heading('Faults')
    const rows = faults.map(([kind, { planned, begun, healed }]) => [
      kind,
      ...[planned, begun, healed].map((count) => `${count}`),
    ])
    printTable(terminal, ['fault', 'planned', 'begun', 'healed'], rows)
  }
  printJudgements(judgements, terminal)
  terminal.line()
  terminal.line(`History: ${summary.file}`)
  terminal.line(`Faults:  ${summary.faultsFile}`)
  if (summary.isComplete) return
  const why = summary.problem ?? 'it was interrupted'
  terminal.line(terminal.style('yellow', `Incomplete: ${why}.`))
}

/** Prints what each checker found. */
export function printJudgements(judgements: readonly Judgement[], terminal: Terminal): void {
  terminal.heading('Verdict')
  for (const { checker, unit, verdict } of judgements) {
    const { ok, checked, anomalies, undecided } = verdict
    const found = ok
      ? terminal.style('green', 'no anomaly')
      : terminal.style('red', `${anomalies.length} ${plural(anomalies.length, 'anomaly')}`)
    terminal.line(`  ${checker}: ${found} in ${checked} ${unit}`)
    for (const left of undecided) terminal.line(terminal.style('yellow', `    undecided: ${left}`))
    for (const { kind, message, events } of anomalies.slice(0, SHOWN_ANOMALIES)) {
      terminal.line(`    ${terminal.style('red', kind)}: ${message}`)
      const shown = encodeHistory(events.slice(0, SHOWN_EVENTS)).trimEnd()
      if (shown === '') continue
      for (const line of shown.split('\n')) terminal.line(terminal.style('dim', `      ${line}`))
      const left = events.length - SHOWN_EVENTS
      if (left > 0) terminal.line(terminal.style('dim', `      and ${left} more events`))
    }
    const left = anomalies.length - SHOWN_ANOMALIES
    if (left > 0) terminal.line(`    and ${left} more`)
  }
}

function plural(count: number, one: string): string {
  return count === 1 ? one : `${one.slice(0, -1)}ies`
}

function printTable(
  terminal: Terminal,
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const columns = titles.map((title, i): TableColumn => ({
    title,
    align: i === 0 ? 'left' : 'right',
  }))
  for (const line of renderTable(columns, rows)) terminal.line(`  ${line}`)
}
