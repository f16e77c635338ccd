/** Latency of each call by origin and home against its limit, with its percentile curves. */
import type { Cell, CellMode } from '../../measure/cell.ts'
import { COLORS } from '../charts/colors.ts'
import { ladderScale, ladderSvg, type LadderScale } from '../charts/ladder.ts'
import { percentilePlot } from '../charts/percentiles.ts'
import { plotSvg } from '../charts/plot.ts'
import { groupCells, rungsOf, type CallGroup } from '../group-cells.ts'
import type { HistogramByCell } from '../match-histograms.ts'
import { cellVerdict, describeCell, describeWay, overhead, times } from '../names.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml, whole } from './markup.ts'
import { ladderHead, quantileCells } from './ladder-table.ts'
import { verdictMark } from './values.ts'

const MODE_TITLES: Readonly<Record<CellMode, string>> = {
  strong: 'Strong: one order of all regions',
  pinned: 'Pinned: durable at the tenant’s home',
  eventual: 'Eventual: durable where you are',
}

/** One section a mode that was measured. */
export function latencySections(result: BenchResult, histograms: HistogramByCell): string {
  const groups = groupCells(result.cells)
  if (groups.length === 0) return ''
  const sections = (Object.keys(MODE_TITLES) as CellMode[]).flatMap((mode) => {
    const own = groups.filter((group) => group.mode === mode)
    if (own.length === 0) return []
    return [
      `<h3 class="mode-title">${MODE_TITLES[mode]}</h3>` +
        own.map((group) => figure(group, histograms)).join(''),
    ]
  })
  return `<section aria-labelledby="latency"><h2 id="latency">Latency</h2>
<p>Milliseconds from the time a call was due until its answer. Grey is what distance alone takes: no
system can be left of its edge. Green is what the budget allows beyond it.</p>
${LEGEND}
${sections.join('\n')}</section>`
}

const LEGEND = `<ul class="legend" aria-label="Signs">
<li><i class="sign physics-sign"></i>network, up to the physical limit</li>
<li><i class="sign allowed-sign"></i>allowed by the budget (p95)</li>
<li><i class="sign raw-sign"></i>raw engine, p95</li>
<li><i class="sign rung-sign tall"></i>p50 <i class="sign rung-sign"></i>p95 <i class="sign rung-sign short"></i>p99</li>
</ul>`

function figure(group: CallGroup, histograms: HistogramByCell): string {
  const { call, load, cells, crosses } = group
  const scale = ladderScale(cells.map(rungsOf))
  const where = crosses ? 'across regions' : 'within a region'
  const counts = cells.map(({ n }) => n)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  const calls =
    least === most ? `${whole(least)} calls each` : `${whole(least)}–${whole(most)} calls each`
  const curves = cells.flatMap((cell, i) => {
    const encoded = histograms.get(cell)
    if (encoded === undefined || cell.generator.isLate) return []
    return [{ name: describeWay(cell), style: colorOf(i), encoded, limitMs: cell.limitMs }]
  })
  const plot =
    curves.length === 0
      ? ''
      : `<div class="curves">${plotSvg(percentilePlot(`Percentiles of ${group.mode} ${call} ${where}`, curves))}</div>`
  return (
    `<figure class="call${plot === '' ? ' no-curves' : ''}"><figcaption><b>${escapeHtml(call)}</b> <span class="mode">${where}</span>` +
    `<span class="n">${load === null ? '' : `${escapeHtml(load)} · `}${calls}</span></figcaption>` +
    `<div class="pair">${table(group, scale)}${plot}</div></figure>`
  )
}

function table({ mode, call, cells }: CallGroup, scale: LadderScale): string {
  const rows = cells.map((cell, i) => row(cell, colorOf(i), scale))
  const multiple = cells.some(({ limitMs }) => limitMs !== null) ? '× limit' : '× raw'
  return (
    `<table class="ladders" role="table"><caption class="unseen">${escapeHtml(`${mode} ${call}`)}: latency in ms</caption>` +
    `${ladderHead('from → home', scale, { title: multiple, style: 'multiple' })}<tbody role="rowgroup">${rows.join('')}</tbody></table>`
  )
}

function row(cell: Cell, color: string, scale: LadderScale): string {
  const above = overhead(cell)
  const verdict = cellVerdict(cell)
  const multiple = above === null ? '–' : times(above.ratio)
  return (
    `<tr role="row"><th scope="row" role="rowheader"><i class="swatch ${color}"></i>${escapeHtml(describeWay(cell))}${failures(cell)}</th>` +
    `<td class="plot-cell" role="cell">${ladderSvg(describeCell(cell), rungsOf(cell), scale)}</td>${quantileCells(cell)}` +
    `<td class="number multiple" role="cell">${multiple}${verdictMark(verdict)}</td></tr>`
  )
}

function failures({ failed, attempted, errors }: Cell): string {
  if (failed === 0) return ''
  const codes = Object.entries(errors).map(([code, count]) => `${code} ${count}`)
  const title = codes.length === 0 ? '' : ` (${codes.join(', ')})`
  return `<span class="failed">${whole(failed)} of ${whole(attempted)} failed${escapeHtml(title)}</span>`
}

function colorOf(index: number): string {
  return `c${index % COLORS}`
}
