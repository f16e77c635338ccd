/** How costs grow: one small plot for what belongs together; and rates, which are figures alone. */
import { growthFamilies, growthPlot, isGrowth, type GrowthFamily } from '../charts/growth.ts'
import { plotSvg } from '../charts/plot.ts'
import { plainNumber } from '../names.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml, htmlTable } from './markup.ts'

/** Plots and, folded, their figures; empty where nothing was measured. */
export function growthSection({ growth }: BenchResult): string {
  const families = growthFamilies(growth)
  if (families.length === 0) return ''
  const plots = families.filter(isGrowth).map(figure)
  return `<section aria-labelledby="growth"><h2 id="growth">Growth</h2>
<p>What a cost does as something grows. Each axis begins at 0: what is flat does not grow.</p>
<div class="small-plots">${plots.join('\n')}</div>${single(families.filter((one) => !isGrowth(one)))}</section>`
}

function figure(family: GrowthFamily): string {
  const { name, xUnit, yUnit, lines } = family
  const rows = lines.flatMap((line) =>
    line.points.map(({ x, y }) => [escapeHtml(line.name), plainNumber(x), plainNumber(y)]),
  )
  const columns = [
    { title: '' },
    { title: xUnit, style: 'number' },
    { title: yUnit, style: 'number' },
  ]
  const legend =
    lines.length < 2
      ? ''
      : lines
          .map((line) => `<i class="swatch ${line.style}"></i>${escapeHtml(line.name)} `)
          .join('')
  return (
    `<figure><figcaption><b>${escapeHtml(name)}</b><span class="n">${legend}by ${escapeHtml(xUnit)}</span></figcaption>` +
    plotSvg(growthPlot(family)) +
    `<details><summary>figures</summary>${htmlTable(`${name}, figures`, columns, rows)}</details></figure>`
  )
}

function single(families: readonly GrowthFamily[]): string {
  if (families.length === 0) return ''
  const rows = families.flatMap(({ name, xUnit, yUnit, lines }) =>
    lines.flatMap((line) =>
      line.points.map(({ x, y }) => [
        escapeHtml(`${name} ${line.name}`.trim()),
        `${plainNumber(x)} ${escapeHtml(xUnit)}`,
        `${plainNumber(y)} ${escapeHtml(yUnit)}`,
      ]),
    ),
  )
  const columns = [
    { title: 'rate' },
    { title: 'at', style: 'number' },
    { title: '', style: 'number' },
  ]
  return `<div class="singles">${htmlTable('Figures of one size', columns, rows)}</div>`
}
