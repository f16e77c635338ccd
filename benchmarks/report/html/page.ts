/** The HTML report of a run: one file that needs nothing else, scripts least of all. */
import type { NamedHistogram } from '../../step.ts'
import { countVerdicts } from '../budget/shares.ts'
import { matchHistograms } from '../match-histograms.ts'
import type { BenchResult } from '../result.ts'
import { aboutSections, duration } from './about.ts'
import { costsSection } from './costs.ts'
import { growthSection } from './growth.ts'
import { latencySections } from './latency.ts'
import { escapeHtml, whole } from './markup.ts'
import { peersSection } from './peers.ts'
import { STYLE } from './style.ts'
import { verdictSection } from './verdict.ts'

/** The page. Percentile curves are drawn of the cells whose histograms are given. */
export function renderHtml(
  result: BenchResult,
  histograms: readonly NamedHistogram[] = [],
): string {
  const byCell = matchHistograms(result.cells, histograms)
  const sections = [
    verdictSection(result),
    latencySections(result, byCell),
    peersSection(result),
    growthSection(result),
    costsSection(result),
    aboutSections(result),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meridian benchmarks: ${escapeHtml(result.profile)}, ${escapeHtml(result.topologyName)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>${header(result)}</header>
<main>
${sections.filter((section) => section !== '').join('\n')}
</main>
</body>
</html>
`
}

function header(result: BenchResult): string {
  const { budget, cells, peers, topology, topologyName, deployment, elapsedMs, startedAt } = result
  const counts = countVerdicts(budget)
  const judged = counts.holds + counts.misses
  const calls = [...cells, ...peers].reduce((sum, { succeeded }) => sum + succeeded, 0)
  const title =
    judged === 0
      ? 'No row of the budget was measured'
      : counts.misses === 0
        ? `All ${judged} measured budgets hold`
        : `${counts.misses} of ${judged} measured budgets ${counts.misses === 1 ? 'misses' : 'miss'}`
  const style = judged === 0 ? '' : counts.misses === 0 ? 'good' : 'bad'
  const open = budget.length - judged
  return `${incomplete(result)}<p class="kicker">Meridian benchmarks</p>
<h1 class="${style}">${title}</h1>
<p class="lead">${escapeHtml(topology.regions.join(', '))} over the emulated network <i>${escapeHtml(topologyName)}</i>:
${escapeHtml(deployment)}.</p>
<dl class="facts">
${fact('Budgets that hold', `${counts.holds} of ${budget.length}`, open === 0 ? '' : `${open} not measured or not built`)}
${fact('Cells', whole(cells.length), `and ${whole(peers.length)} of peers`)}
${fact('Calls', whole(calls), 'that succeeded, warm-up left out')}
${fact('Took', duration(elapsedMs), startedAt.slice(0, 16).replace('T', ' ') + ' UTC')}
</dl>`
}

/** Before anything else: what follows is not all that was to be measured. */
function incomplete({ isComplete, notes }: BenchResult): string {
  if (isComplete) return ''
  return `<p class="incomplete" role="status"><b>${escapeHtml(notes[0] ?? 'Incomplete.')}</b></p>\n`
}

function fact(name: string, value: string, more: string): string {
  return `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}<small>${escapeHtml(more)}</small></dd></div>`
}
