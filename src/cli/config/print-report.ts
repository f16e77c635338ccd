/** Prints what a configuration amounts to. */
import type { SurvivalRow } from '../../config/survival.ts'
import { renderTable, type TableColumn } from '../table.ts'
import type { Style, Terminal } from '../terminal.ts'
import type { FileReport, ShownFinding } from './check-file.ts'
import type { Probe } from './live/probe.ts'

const SURVIVAL_COLUMNS: readonly TableColumn[] = [
  { title: 'loss of', align: 'left' },
  { title: 'strong', align: 'left' },
  { title: 'pinned', align: 'left' },
  { title: 'eventual', align: 'left' },
  { title: 'reads', align: 'left' },
  { title: 'writes', align: 'left' },
]

const ENGINE_COLUMNS: readonly TableColumn[] = [
  { title: 'engine', align: 'left' },
  { title: 'address', align: 'left' },
  { title: 'state', align: 'left' },
  { title: 'it says', align: 'left' },
]

/** Prints the report, with the engines where they were asked. */
export function printReport(
  report: FileReport & { readonly engines?: readonly Probe[] },
  terminal: Terminal,
): void {
  const { file, size, parts, problems, warnings, survival, engines } = report
  if (size !== null) {
    terminal.line(`${terminal.style('bold', `size: ${size}`)}  (${parts})`)
  }
  printFindings(terminal, 'Cannot work', 'red', problems)
  printFindings(terminal, 'To know', 'yellow', warnings)
  if (survival.length > 0) printSurvival(terminal, survival)
  if (engines !== undefined) printEngines(terminal, engines)
  terminal.line()
  const all = problems.length + (engines ?? []).flatMap((one) => one.problems).length
  terminal.line(
    all === 0
      ? `${file} can work.`
      : `${file} cannot work: ${all} ${all === 1 ? 'problem' : 'problems'}.`,
  )
}

function printFindings(
  terminal: Terminal,
  title: string,
  style: Style,
  findings: readonly ShownFinding[],
): void {
  if (findings.length === 0) return
  terminal.heading(terminal.style(style, title))
  for (const { message, fix, rule } of findings) {
    terminal.line(`  ${message} ${terminal.style('dim', `[${rule}]`)}`)
    terminal.line(`      ${fix}`)
  }
}

/** The loss, and of which regions the row speaks where it is not all of them. */
export function lossText(row: SurvivalRow, all: readonly SurvivalRow[]): string {
  const isOne = all.filter(({ loss }) => loss === row.loss).length === 1
  const regions = new Set(all.flatMap(({ regions: some }) => some))
  return isOne && row.regions.length === regions.size
    ? row.loss
    : `${row.loss} (${row.regions.join(', ')})`
}

function printSurvival(terminal: Terminal, survival: readonly SurvivalRow[]): void {
  terminal.heading('What it survives: acknowledged writes by mode; reads and writes meanwhile')
  const rows = survival.map((row) => [
    lossText(row, survival),
    row.strong,
    row.pinned,
    row.eventual,
    row.reads,
    row.writes,
  ])
  for (const line of renderTable(SURVIVAL_COLUMNS, rows)) terminal.line(line)
  terminal.line()
  for (const row of survival) terminal.line(`  ${lossText(row, survival)}: ${row.why}`)
}

function printEngines(terminal: Terminal, engines: readonly Probe[]): void {
  terminal.heading('Engines')
  const rows = engines.map(({ engine, address, isReachable, says }) => [
    engine,
    address,
    isReachable ? 'answers' : 'no answer',
    says,
  ])
  for (const line of renderTable(ENGINE_COLUMNS, rows)) terminal.line(line)
  for (const { engine, address, isReachable, problems, warnings } of engines) {
    if (!isReachable) continue
    for (const text of problems) {
      terminal.line(`  ${terminal.style('red', 'cannot work')}: ${engine} at ${address}: ${text}.`)
    }
    for (const text of warnings) {
      terminal.line(`  ${terminal.style('yellow', 'to know')}: ${engine} at ${address}: ${text}.`)
    }
  }
}
