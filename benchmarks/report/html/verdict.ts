/** What comes first: which rows of the budget hold. */
import type { BudgetMeasure, BudgetRow, BudgetVerdict } from '../budget/budget-rows.ts'
import { measureText, shareOfBound, worstMeasure } from '../budget/shares.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml, percent } from './markup.ts'

const SIGNS: Readonly<Record<BudgetVerdict, readonly [style: string, sign: string]>> = {
  holds: ['good', '✓'],
  misses: ['bad', '✗'],
  'not measured': ['unknown', '–'],
  'not built': ['unknown', '·'],
}
/** Bars end here: a miss by more is told by its number. */
const MOST_SHARE = 1.5

/** The budget as a table. */
export function verdictSection({ budget }: BenchResult): string {
  return `<section aria-labelledby="budget"><h2 id="budget">Performance budget</h2>
<p>Each bound is a multiple of what physics or the raw engine takes in the same run. The bar is the share of
the bound that the worst figure uses; the line is the bound.</p>
<table class="budget" role="table"><caption class="unseen">Rows of the performance budget</caption>
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader"><span class="unseen">verdict</span></th><th scope="col" role="columnheader">path</th><th scope="col" role="columnheader">bound</th>
<th scope="col" role="columnheader" class="share-head">used</th><th scope="col" role="columnheader" class="number">worst figure</th></tr></thead>
<tbody role="rowgroup">${budget.map(row).join('\n')}</tbody></table></section>`
}

function row(row: BudgetRow): string {
  const [style, sign] = SIGNS[row.verdict]
  const worst = worstMeasure(row.measures)
  return (
    `<tr class="${style}" role="row"><td class="sign-cell" role="cell"><span aria-hidden="true">${sign}</span><span class="unseen">${row.verdict}</span></td>` +
    `<th scope="row" role="rowheader">${escapeHtml(row.path)}<span class="limit-text">${escapeHtml(row.limit)}</span>${details(row)}</th>` +
    `<td class="bound" role="cell">${escapeHtml(row.bound)}</td>${figures(row, worst)}</tr>`
  )
}

function figures(row: BudgetRow, worst: BudgetMeasure | undefined): string {
  if (worst === undefined) {
    const words = row.reason === null ? row.verdict : `${row.verdict}: ${row.reason}`
    return `<td colspan="2" class="unknown reason" role="cell">${escapeHtml(words)}</td>`
  }
  return `<td class="share-cell" role="cell">${shareBar(shareOfBound(worst), row.verdict)}</td><td class="number" role="cell">${escapeHtml(measureText(worst))}</td>`
}

function shareBar(share: number | null, verdict: BudgetVerdict): string {
  if (share === null) return ''
  const at = (value: number): string => percent(Math.min(value, MOST_SHARE) / MOST_SHARE)
  // What is not known of a row may be worse than what is.
  const style = verdict === 'not measured' ? 'open' : share > 1 ? 'over' : ''
  const words = `${Math.round(share * 100)} % of the bound`
  return (
    `<svg class="share" width="100%" height="18" role="img"><title>${words}</title>` +
    `<rect class="share-track" x="0" y="6" width="100%" height="6" rx="3"/>` +
    `<rect class="share-bar ${style}" x="0" y="6" width="${at(share)}" height="6" rx="3"/>` +
    `<line class="limit" x1="${at(1)}" x2="${at(1)}" y1="1" y2="17"/></svg>`
  )
}

function details({ measures, reason }: BudgetRow): string {
  if (measures.length === 0) return ''
  const items = measures.map((measure) => {
    const style = measure.holds === null ? 'unknown' : measure.holds ? 'good' : 'bad'
    const mark = measure.holds === null ? '–' : measure.holds ? '✓' : '✗'
    return (
      `<li><span class="${style}" aria-hidden="true">${mark}</span> ${escapeHtml(measure.of)}: ` +
      `${escapeHtml(measureText(measure))} <span class="soft">(${escapeHtml(measure.text)})</span></li>`
    )
  })
  const count = `${measures.length} ${measures.length === 1 ? 'figure' : 'figures'}`
  const why = reason === null ? '' : `; ${escapeHtml(reason)}`
  return `<details><summary>${count}${why}</summary><ul>${items.join('')}</ul></details>`
}
