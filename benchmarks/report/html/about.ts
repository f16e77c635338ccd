/** What a reader needs to judge the run and to repeat it: notes, distances, environment, command. */
import { oneWayMs } from '../../../src/config/topology.ts'
import { flattenFacts } from '../facts.ts'
import { plainNumber, threeFigures } from '../names.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml, htmlTable } from './markup.ts'

/** The last sections. */
export function aboutSections(result: BenchResult): string {
  return [notes(result), network(result), again(result), environment(result)].join('\n')
}

function notes({ notes: all }: BenchResult): string {
  if (all.length === 0) return ''
  const items = all.map((note) => `<li>${escapeHtml(note)}</li>`)
  return `<section aria-labelledby="notes"><h2 id="notes">Notes</h2><ul class="notes">${items.join('')}</ul></section>`
}

function network({ topology, topologyName, leader, wan }: BenchResult): string {
  const { regions } = topology
  const columns = [
    { title: 'one way, ms' },
    ...regions.map((title) => ({ title, style: 'number' })),
  ]
  const rows = regions.map((from) => [
    `${escapeHtml(from)}${from === leader ? ' <span class="mode">leads the log</span>' : ''}`,
    ...regions.map((to) => (from === to ? '' : plainNumber(oneWayMs(topology, from, to)))),
  ])
  const test =
    wan === null
      ? '<p>The emulated network’s own delay was not measured in this run.</p>'
      : `<p>The emulated network itself adds ${threeFigures(wan.addedMs.p50)} ms to a round trip at p50 and
${threeFigures(wan.addedMs.p99)} ms at p99 (${wan.n} round trips over ${plainNumber(wan.delayMs)} ms one way;
${threeFigures(wan.addedWithoutDelayMs.p50)} and ${threeFigures(wan.addedWithoutDelayMs.p99)} ms without a delay;
${threeFigures(wan.directMs.p50)} and ${threeFigures(wan.directMs.p99)} ms without the network).</p>`
  return `<section aria-labelledby="network"><h2 id="network">Network</h2>
<p>Topology <b>${escapeHtml(topologyName)}</b>: what a message takes one way.</p>
<div class="delays">${htmlTable('One-way delays', columns, rows)}</div>
${test}</section>`
}

function again({ command, profile, seed, startedAt, elapsedMs }: BenchResult): string {
  return `<section aria-labelledby="again"><h2 id="again">Run it again</h2>
<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>
<p class="note">Profile ${escapeHtml(profile)}, seed ${seed}. Started <time>${escapeHtml(startedAt)}</time>, took
${duration(elapsedMs)}.</p></section>`
}

function environment(result: BenchResult): string {
  const { deployment, cpuStealShare } = result
  const facts = [
    ...flattenFacts(result.environment),
    ['deployment', deployment] as const,
    [
      'CPU taken by the host',
      cpuStealShare === null ? 'not known' : `${(cpuStealShare * 100).toFixed(1)} %`,
    ] as const,
  ]
  const rows = facts.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  )
  return `<section aria-labelledby="environment"><h2 id="environment">Environment</h2><dl class="environment">${rows.join('')}</dl></section>`
}

/** `9 min 41 s` */
export function duration(elapsedMs: number): string {
  const seconds = Math.round(elapsedMs / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
