/** Raw engines and other databases at the same work, side by side, with what an acknowledgement means. */
import { ladderScale, ladderSvg, type LadderScale, type Rungs } from '../charts/ladder.ts'
import { describeLoad, describeWay } from '../names.ts'
import { compareWorks, type Contestant, type Work } from '../peer-works.ts'
import type { BenchResult } from '../result.ts'
import { escapeHtml } from './markup.ts'
import { ladderHead, quantileCells } from './ladder-table.ts'
import { quantileHtml } from './values.ts'

/** One table a kind of work; empty where no peer was measured. */
export function peersSection(result: BenchResult): string {
  const works = compareWorks(result)
  if (works.length === 0) return ''
  return `<section aria-labelledby="peers"><h2 id="peers">Peers</h2>
<p>The same work over the same network in the same run, in turns. Read the durability first: an
acknowledgement does not mean the same everywhere.</p>
${works.map(figure).join('\n')}</section>`
}

function figure({ title, contestants }: Work): string {
  const scale = ladderScale(contestants.map(rungs))
  const origins = [...new Set(contestants.map(({ origin }) => origin))]
  const bodies = origins.map((origin) => {
    const rows = contestants.filter((one) => one.origin === origin).map((one) => row(one, scale))
    return (
      `<tbody role="rowgroup"><tr class="way" role="row"><th scope="rowgroup" role="rowheader" colspan="6">from ${escapeHtml(origin)}</th></tr>` +
      `${rows.join('')}</tbody>`
    )
  })
  return (
    `<figure class="peers"><figcaption><b>${escapeHtml(title)}</b></figcaption>` +
    `<table class="ladders" role="table"><caption class="unseen">${escapeHtml(title)}: latency in ms</caption>` +
    `${ladderHead('system', scale, { title: 'p95 of repetitions', style: 'spread' })}${bodies.join('')}</table></figure>`
  )
}

function row(one: Contestant, scale: LadderScale): string {
  const { system, version, op, durability, repetitionP95Ms } = one
  const name = `<b class="${one.isOwn ? 'own' : ''}">${escapeHtml(system)}</b>${version === '' ? '' : ` ${escapeHtml(version)}`}`
  const to = one.home === null || one.home === one.origin ? '' : ` → ${escapeHtml(one.home)}`
  return (
    `<tr class="${one.isOwn ? 'own' : ''}" role="row"><th scope="row" role="rowheader">${name}: ${escapeHtml(op)}${to}` +
    `<span class="durability">${escapeHtml(durability)} · ${describeLoad(one)}</span></th>` +
    `<td class="plot-cell" role="cell">${ladderSvg(`${system} ${op}, ${describeWay(one)}`, rungs(one), scale)}</td>${quantileCells(one)}` +
    `<td class="number spread" role="cell">${spread(repetitionP95Ms)}</td></tr>`
  )
}

function rungs({ p50Ms, p95Ms, p99Ms, networkMs }: Contestant): Rungs {
  const limitMs = networkMs > 0 ? networkMs : null
  return { p50Ms, p95Ms, p99Ms, limitMs, rawMs: null, boundMs: null }
}

function spread(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null)
  if (known.length < 2) return '–'
  return `${quantileHtml(Math.min(...known))}–${quantileHtml(Math.max(...known))}`
}
