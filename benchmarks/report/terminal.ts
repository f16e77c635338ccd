/** The result on a terminal of 100 columns: every cell, the peers, growth, the budget, the notes. */
import type { Cell, PeerCell } from '../measure/cell.ts'
import { printGrowth } from './terminal-growth.ts'
import { countVerdicts, measureText, shareOfBound, worstMeasure } from './budget/shares.ts'
import type { BudgetRow } from './budget/budget-rows.ts'
import { groupCells } from './group-cells.ts'
import { cellVerdict, describeCall, describeLoad, overhead, threeFigures } from './names.ts'
import type { BenchResult } from './result.ts'

/** A style of a text on a terminal. */
export type ReportStyle = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

/** What results are printed on. */
export interface ReportTerminal {
  line(text?: string): void
  heading(text: string): void
  style(style: ReportStyle | readonly ReportStyle[], text: string): string
}

/** A column's heading and side. */
export interface ReportColumn {
  readonly title: string
  readonly align: 'left' | 'right'
}

/** Lines of a table: the heading, then a line a row. Cells are plain text of one line. */
export type RenderTable = (
  columns: readonly ReportColumn[],
  rows: readonly (readonly string[])[],
) => readonly string[]

/** What is printed on, and what makes tables. */
export interface Printer {
  readonly terminal: ReportTerminal
  readonly renderTable: RenderTable
}

type Verdict = 'holds' | 'misses' | null

const MARKS = { holds: '✓', misses: '✗', 'not measured': '–', 'not built': '·' } as const
const STYLES = { holds: 'green', misses: 'red', 'not measured': 'dim', 'not built': 'dim' } as const
const LONGEST_LINE = 100
const LONGEST_CALL = 18
const LONGEST_REGION = 10

/** Prints everything. */
export function printResult(printer: Printer, result: BenchResult): void {
  printIncomplete(printer.terminal, result)
  printCells(printer, result.cells)
  printPeers(printer, result.peers)
  printGrowth(printer, result.growth)
  printBudget(printer, result.budget)
  printNotes(printer.terminal, result.notes)
}

/** Before any figure: what follows is not all that was to be measured. */
function printIncomplete(terminal: ReportTerminal, { isComplete, notes }: BenchResult): void {
  if (isComplete) return
  terminal.line()
  for (const line of wrap(notes[0] ?? 'Incomplete.', LONGEST_LINE)) {
    terminal.line(terminal.style(['bold', 'yellow'], line))
  }
}

const left = (title: string): ReportColumn => ({ title, align: 'left' })
const right = (title: string): ReportColumn => ({ title, align: 'right' })

const CELL_COLUMNS = [
  left('mode'),
  left('call'),
  left('from'),
  left('home'),
  right('load'),
  right('n'),
  right('p50'),
  right('p95'),
  right('p99'),
  right('limit'),
  right('×'),
]

/** Every cell: latencies, the limit between regions (or, marked, the raw engine), and the multiple. */
function printCells(printer: Printer, cells: readonly Cell[]): void {
  if (cells.length === 0) return
  const { terminal } = printer
  terminal.heading('Latency in ms')
  const inOrder = groupCells(cells).flatMap((group) => group.cells)
  const rows = inOrder.map((cell) => [
    ...[cell.mode, shorter(describeCall(cell))],
    ...[shorter(cell.origin, LONGEST_REGION), shorter(cell.home ?? '', LONGEST_REGION)],
    ...[cell.loop === 'open' ? describeLoad(cell) : 'closed', cell.n.toLocaleString('en')],
    ...figures(cell),
    limitText(cell),
    multipleText(cell),
  ])
  printTable(printer, CELL_COLUMNS, rows, inOrder.map(cellVerdict))
  explain(terminal, cells)
  if (cells.some((cell) => cell.limitMs === null && cell.rawEngineP95Ms !== null)) {
    terminal.line(
      terminal.style(
        'dim',
        '  r: the raw engine’s p95 in this run, where no network limits the call',
      ),
    )
  }
}

const PEER_COLUMNS = [
  left('peer'),
  left('call'),
  left('from'),
  right('n'),
  right('p50'),
  right('p95'),
  right('p99'),
  right('network'),
]

function printPeers(printer: Printer, peers: readonly PeerCell[]): void {
  if (peers.length === 0) return
  printer.terminal.heading('Peers, in ms')
  const rows = peers.map((cell) => [
    ...[cell.peer, shorter(cell.op), shorter(cell.origin, LONGEST_REGION)],
    cell.n.toLocaleString('en'),
    ...figures(cell),
    threeFigures(cell.networkMs),
  ])
  printTable(printer, PEER_COLUMNS, rows, [])
  explain(printer.terminal, peers)
  const means = peers.map(({ peer, op, durability }) => `${peer}, ${op}: ${durability}`)
  for (const line of new Set(means)) {
    for (const part of wrap(line, LONGEST_LINE - 4)) {
      printer.terminal.line(printer.terminal.style('dim', `  ${part}`))
    }
  }
}

/** One line a row of the budget, and one that sums them up. */
function printBudget({ terminal, renderTable }: Printer, rows: readonly BudgetRow[]): void {
  terminal.heading('Performance budget')
  const lines = renderTable(
    [left('path'), right('used'), left('worst figure')],
    rows.map((row) => [row.path, ...budgetFigures(row)]),
  )
  rows.forEach(({ verdict }, i) => {
    const mark = terminal.style(STYLES[verdict], MARKS[verdict])
    const line = clip(lines[i + 1] ?? '')
    terminal.line(`  ${mark} ${verdict === 'misses' ? terminal.style('red', line) : line}`)
  })
  const { holds, misses, ...others } = countVerdicts(rows)
  const open = others['not measured'] + others['not built']
  const rest = open === 0 ? '' : `, ${open} not measured or not built`
  const text = `${holds} of ${rows.length} hold, ${misses} ${misses === 1 ? 'misses' : 'miss'}${rest}.`
  terminal.line()
  terminal.line(
    `  ${terminal.style(['bold', misses > 0 ? 'red' : holds > 0 ? 'green' : 'yellow'], text)}`,
  )
}

function budgetFigures(row: BudgetRow): readonly string[] {
  const worst = worstMeasure(row.measures)
  if (worst === undefined) return ['', row.reason ?? row.verdict]
  const share = shareOfBound(worst)
  return [share === null ? '' : `${Math.round(share * 100)} %`, measureText(worst)]
}

function printNotes(terminal: ReportTerminal, notes: readonly string[]): void {
  if (notes.length === 0) return
  terminal.heading('Notes')
  for (const note of notes) {
    wrap(note, LONGEST_LINE - 4).forEach((line, i) =>
      terminal.line(`  ${i === 0 ? '-' : ' '} ${line}`),
    )
  }
}

function printTable(
  { terminal, renderTable }: Printer,
  columns: readonly ReportColumn[],
  rows: readonly (readonly string[])[],
  verdicts: readonly Verdict[],
): void {
  const [title = '', ...lines] = renderTable(columns, rows)
  terminal.line(terminal.style('dim', `    ${title}`))
  lines.forEach((line, i) => {
    const verdict = verdicts[i] ?? null
    const mark = verdict === null ? ' ' : terminal.style(STYLES[verdict], MARKS[verdict])
    terminal.line(`  ${mark} ${verdict === 'misses' ? terminal.style('red', line) : line}`)
  })
}

function figures({
  p50Ms,
  p95Ms,
  p99Ms,
  generator,
}: Pick<Cell, 'p50Ms' | 'p95Ms' | 'p99Ms' | 'generator'>): readonly string[] {
  if (generator.isLate) return ['late', 'late', 'late']
  return [p50Ms, p95Ms, p99Ms].map((valueMs) => (valueMs === null ? '–' : threeFigures(valueMs)))
}

function explain(
  terminal: ReportTerminal,
  cells: readonly Pick<Cell, 'p50Ms' | 'p95Ms' | 'p99Ms' | 'generator'>[],
): void {
  const inTime = cells.filter(({ generator }) => !generator.isLate)
  if (inTime.some(({ p50Ms, p95Ms, p99Ms }) => [p50Ms, p95Ms, p99Ms].includes(null))) {
    terminal.line(terminal.style('dim', '  –: n too small to say (n < 10 / (1 - q))'))
  }
  if (inTime.length < cells.length) {
    terminal.line(
      terminal.style(
        'yellow',
        '  late: the generator, not the system, was late; the figures are withheld',
      ),
    )
  }
}

function limitText({ limitMs, rawEngineP95Ms }: Cell): string {
  if (limitMs !== null) return threeFigures(limitMs)
  return rawEngineP95Ms === null ? '' : `r ${threeFigures(rawEngineP95Ms)}`
}

function multipleText(cell: Cell): string {
  const above = overhead(cell)
  return above === null ? '' : above.ratio.toFixed(2)
}

/** Calls with a long name would push the figures off the line. */
function shorter(text: string, most = LONGEST_CALL): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

function clip(text: string): string {
  return shorter(text, LONGEST_LINE - 4)
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}
