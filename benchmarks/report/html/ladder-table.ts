/** What tables of ladders share: their head, and the quantiles of a row. */
import type { CellQuantiles, GeneratorReport } from '../../measure/cell.ts'
import { axisSvg, type LadderScale } from '../charts/ladder.ts'
import { escapeHtml } from './markup.ts'
import { quantileHtml } from './values.ts'

/** The last column. */
export interface LastColumn {
  readonly title: string
  readonly style: string
}

/** The head. Roles are said: on a narrow page rows are laid out as no table. */
export function ladderHead(first: string, scale: LadderScale, last: LastColumn): string {
  const head = (style: string, content: string): string =>
    `<th scope="col" role="columnheader" class="${style}">${content}</th>`
  return (
    '<thead role="rowgroup"><tr role="row">' +
    head('name', escapeHtml(first)) +
    head('plot-head', `<span class="unseen">plot</span>${axisSvg(scale)}`) +
    ['p50', 'p95', 'p99'].map((quantile) => head(`number ${quantile}`, quantile)).join('') +
    head(`number ${last.style}`, escapeHtml(last.title)) +
    '</tr></thead>'
  )
}

/** p50, p95 and p99, or why there are none. */
export function quantileCells(
  cell: Pick<CellQuantiles, 'p50Ms' | 'p95Ms' | 'p99Ms'> & { readonly generator: GeneratorReport },
): string {
  if (cell.generator.isLate) {
    return '<td class="number unknown late" role="cell" colspan="3">generator late: withheld</td>'
  }
  return (['p50', 'p95', 'p99'] as const)
    .map((q) => {
      const value = quantileHtml(cell[`${q}Ms`])
      return `<td class="number ${q}" role="cell" data-name="${q}">${value}</td>`
    })
    .join('')
}
