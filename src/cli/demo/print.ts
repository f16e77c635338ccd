/** Prints the results of a run. */
import type { Terminal } from '../terminal.ts'
import { renderTable, type TableColumn } from '../table.ts'
import type { CellResult, CheckResult, DemoResult } from './result.ts'

/** Prints everything. */
export function printResult(result: DemoResult, terminal: Terminal): void {
  printLoad(result, terminal)
  printLatencies(result, terminal)
  printChecks(result.checks, terminal)
}

function printLoad({ load, loadRowsPerSecond, ...result }: DemoResult, terminal: Terminal): void {
  terminal.heading('Load')
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
  terminal.line(
    `  ${result.rowsLoaded.toLocaleString('en')} rows acknowledged in ${seconds(load.acknowledgedMs)}, ` +
      `in every region and view after ${seconds(load.settledMs)}: ` +
      terminal.style('bold', `${loadRowsPerSecond.toLocaleString('en')} rows/s`),
  )
  const [first] = result.largestCities
  if (first === undefined) return
  const people = first.population.toLocaleString('en')
  terminal.line(`  Largest city by the view: ${first.name} (${first.country}), ${people} people`)
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'mode', align: 'left' },
  { title: 'call', align: 'left' },
  { title: 'from', align: 'left' },
  { title: 'home', align: 'left' },
  { title: 'n', align: 'right' },
  { title: 'p50', align: 'right' },
  { title: 'p95', align: 'right' },
  { title: 'p99', align: 'right' },
  { title: 'network', align: 'right' },
  { title: 'overhead', align: 'right' },
]
/** Multiples say something only where distances are real. */
const MULTIPLE: TableColumn = { title: '× network', align: 'right' }

function printLatencies({ cells, scale, deployment }: DemoResult, terminal: Terminal): void {
  terminal.heading(`Latency in ms, distances × ${scale}, ${deployment}`)
  const isReal = scale === 1
  const columns = isReal ? [...COLUMNS, MULTIPLE] : COLUMNS
  const [title = '', ...lines] = renderTable(
    columns,
    cells.map((cell) => [...rowOf(cell), ...(isReal ? [multipleOf(cell)] : [])]),
  )
  terminal.line(`  ${terminal.style('dim', title)}`)
  lines.forEach((line, i) => {
    const before = cells[i - 1]
    const cell = cells[i]
    if (before !== undefined && before.origin !== cell?.origin) terminal.line()
    terminal.line(`  ${line}`)
  })
  if (cells.some((cell) => cell.p99Ms === null)) {
    terminal.line(terminal.style('dim', '  –: too few calls to say (n < 10 / (1 - q))'))
  }
}

function rowOf(cell: CellResult): readonly string[] {
  const { mode, op, origin, home, n, p50Ms, p95Ms, p99Ms, networkMs, overheadMs } = cell
  const times = [p50Ms, p95Ms, p99Ms, networkMs, overheadMs].map(milliseconds)
  return [mode, op, origin, home, n.toLocaleString('en'), ...times]
}

function milliseconds(ms: number | null): string {
  return ms === null ? '–' : ms.toFixed(1)
}

function multipleOf({ p50Ms, networkMs }: CellResult): string {
  return p50Ms === null || networkMs === 0 ? '' : (p50Ms / networkMs).toFixed(2)
}

function printChecks(checks: readonly CheckResult[], terminal: Terminal): void {
  terminal.heading('Checks')
  for (const { name, passed, detail } of checks) {
    const mark = passed ? terminal.style('green', '✓') : terminal.style('red', '✗')
    terminal.line(`  ${mark} ${passed ? name : terminal.style('red', name)}`)
    terminal.line(terminal.style('dim', `    ${detail}`))
  }
  const failed = checks.filter((check) => !check.passed).length
  terminal.line()
  terminal.line(
    failed === 0
      ? terminal.style(['bold', 'green'], `All ${checks.length} checks passed.`)
      : terminal.style(['bold', 'red'], `${failed} of ${checks.length} checks failed.`),
  )
}
