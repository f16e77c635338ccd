/** What a call costs beside time: bytes between regions and CPU; and how fresh what it read was. */
import type { Cell } from '../../measure/cell.ts'
import { groupCells } from '../group-cells.ts'
import { bytes, describeCall, describeLoad, describeWay, threeFigures } from '../names.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml, htmlTable, percent, whole, type HtmlColumn } from './markup.ts'

const COLUMNS: readonly HtmlColumn[] = [
  { title: 'call' },
  { title: 'from → home' },
  { title: 'load' },
  { title: 'bytes between regions a call', style: 'number bar-head' },
  { title: 'CPU ms a call', style: 'number bar-head' },
  { title: 'stale p95, ms', style: 'number' },
  { title: 'tried', style: 'number' },
  { title: 'failed', style: 'number' },
  { title: 'sent again', style: 'number' },
]

/** A table; empty where no cell was measured. */
export function costsSection({ cells, engines }: BenchResult): string {
  if (cells.length === 0) return ''
  const mostBytes = Math.max(...cells.map((cell) => cell.crossRegionBytesPerOp ?? 0), 1e-9)
  const mostCpu = Math.max(...cells.map((cell) => cell.cpuMsPerOp ?? 0), 1e-9)
  const rows = groupCells(cells)
    .flatMap((group) => group.cells)
    .map((cell) => row(cell, mostBytes, mostCpu))
  const whose = engines === 'embedded' ? ' Embedded, the CPU is that of the callers, too.' : ''
  return `<section aria-labelledby="costs"><h2 id="costs">Cost of a call</h2>
<p>Bytes that left one region for another, replication included, and CPU of the deployment’s processes.${whose}
–: not measured.</p>
${htmlTable('Cost of each call', COLUMNS, rows)}</section>`
}

function row(cell: Cell, mostBytes: number, mostCpu: number): readonly string[] {
  const { mode, crossRegionBytesPerOp, cpuMsPerOp, stalenessP95Ms, attempted, failed, retried } =
    cell
  return [
    `${escapeHtml(describeCall(cell))} <span class="mode">${mode}</span>`,
    escapeHtml(describeWay(cell)),
    describeLoad(cell),
    bar(crossRegionBytesPerOp, mostBytes, bytes),
    bar(cpuMsPerOp, mostCpu, threeFigures),
    stalenessP95Ms === null ? '–' : threeFigures(stalenessP95Ms),
    whole(attempted),
    failed === 0 ? '0' : `<span class="bad">${whole(failed)}</span>${escapeHtml(errorsOf(cell))}`,
    whole(retried),
  ]
}

function errorsOf({ errors }: Cell): string {
  const codes = Object.entries(errors).map(([code, count]) => `${code} ${count}`)
  return codes.length === 0 ? '' : ` (${codes.join(', ')})`
}

function bar(value: number | null, most: number, text: (value: number) => string): string {
  if (value === null) return '–'
  return `<span class="bar"><span style="width:${percent(value / most)}"></span></span>${text(value)}`
}
