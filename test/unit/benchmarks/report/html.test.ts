import { expect, test } from 'vitest'
import { percentilePlot } from '../../../../benchmarks/report/charts/percentiles.ts'
import { ladderLine, ladderScale } from '../../../../benchmarks/report/charts/ladder.ts'
import { renderHtml } from '../../../../benchmarks/report/html/page.ts'
import { matchHistograms } from '../../../../benchmarks/report/match-histograms.ts'
import {
  createHistogram,
  encodeHistogram,
  recordMs,
} from '../../../../benchmarks/measure/histogram.ts'
import type { BenchResult } from '../../../../benchmarks/report/result.ts'
import { makeFixture } from './fixture.ts'

const { result, histograms } = makeFixture()
const html = renderHtml(result, histograms)

test('the page needs nothing else, and every section is there', () => {
  expect(html).not.toMatch(/(?:src|href)=|url\(|@import|<script/)
  expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/)
  for (const id of [
    'budget',
    'latency',
    'peers',
    'growth',
    'costs',
    'notes',
    'network',
    'again',
    'environment',
  ]) {
    expect(html).toContain(`id="${id}"`)
  }
  expect(html).toContain(result.command)
  expect(html).toContain('fsync on a majority: the primary and any 1 of 2 standbys')
})

test('that a run is not complete is said before the verdict', () => {
  const notes = ['Incomplete: 3 of 9 steps gave a result.', ...result.notes]
  const page = renderHtml({ ...result, isComplete: false, notes })
  expect(page.indexOf('class="incomplete"')).toBeGreaterThan(0)
  expect(page.indexOf('class="incomplete"')).toBeLessThan(page.indexOf('<h1'))
  expect(page).toContain('<b>Incomplete: 3 of 9 steps gave a result.</b>')
  expect(html).not.toContain('class="incomplete"')
})

test('the verdict comes first, in the title', () => {
  expect(html).toMatch(/<h1 class="bad">2 of 6 measured budgets miss<\/h1>/)
  const good = { ...result, budget: result.budget.filter(({ verdict }) => verdict !== 'misses') }
  expect(renderHtml(good)).toMatch(/<h1 class="good">All 4 measured budgets hold<\/h1>/)
  expect(html.indexOf('id="budget"')).toBeLessThan(html.indexOf('id="latency"'))
})

test('a quantile of too few calls and one of a late generator are said to be unknown', () => {
  expect(html).toContain('n too small')
  expect(html).toContain('generator late: withheld')
  const late = result.cells.find(({ generator }) => generator.isLate)
  expect(late?.p50Ms).toBeNull()
})

test('names cannot leave their place', () => {
  const hostile = '"><script>alert(1)</script>&\''
  const nasty: BenchResult = {
    ...result,
    ...{ profile: hostile, command: hostile, deployment: hostile, topologyName: hostile },
    notes: [hostile],
    cells: result.cells.map((cell) => ({
      ...cell,
      ...{ op: hostile, origin: hostile, home: hostile, failed: 1, errors: { [hostile]: 1 } },
    })),
    peers: result.peers.map((cell) => ({
      ...cell,
      ...{ peer: hostile, version: hostile, op: hostile, durability: hostile, origin: hostile },
    })),
    growth: result.growth.map((point) => ({
      ...point,
      series: hostile,
      xUnit: hostile,
      yUnit: hostile,
    })),
    budget: result.budget.map((row) => ({
      ...row,
      path: hostile,
      limit: hostile,
      bound: hostile,
      reason: hostile,
    })),
    environment: { ...result.environment, cpuModel: hostile, engines: { [hostile]: hostile } },
  }
  const page = renderHtml(nasty, histograms)
  expect(page).not.toContain('<script')
  expect(page).not.toContain('alert(1)</')
  expect(page.split('alert(1)').length).toBeGreaterThan(50)
  expect(page).toContain('&#60;script&#62;')
})

test('a run that found nothing is a page too', () => {
  const empty = { ...result, cells: [], peers: [], growth: [], notes: [], wan: null, budget: [] }
  const page = renderHtml(empty)
  expect(page).toContain('No row of the budget was measured')
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('every cell with latencies has the histogram that they were read from', () => {
  const matched = matchHistograms(result.cells, histograms)
  const known = result.cells.filter(({ p50Ms }) => p50Ms !== null)
  expect(matched.size).toBe(known.length)
  const strong = known.find(({ op, origin }) => op === 'write-at-500' && origin === 'us-east')
  const named = histograms.find(({ name }) => name === 'strong write-at-500 us-east')
  expect(strong && matched.get(strong)).toBe(named?.encoded)
})

test('a percentile curve ends where fewer than ten calls lie beyond', () => {
  const histogram = createHistogram()
  for (let i = 1; i <= 1000; i++) recordMs(histogram, i)
  const curve = { name: 'x', style: 'c0', encoded: encodeHistogram(histogram), limitMs: null }
  const [line] = percentilePlot('t', [curve]).lines
  // 1,000 calls: up to p99, which is two of two nines.
  expect(line?.points.at(-1)?.x).toBeCloseTo(1)
  expect(line?.points.at(-1)?.y).toBeCloseTo(0.99, 2)
  const few = createHistogram()
  for (let i = 0; i < 9; i++) recordMs(few, 5)
  const none = percentilePlot('t', [{ ...curve, encoded: encodeHistogram(few) }])
  expect(none.lines[0]?.points).toEqual([])
})

test('rungs and the limit stand in proportion', () => {
  const rungs = { p50Ms: 100, p95Ms: 150, p99Ms: null, limitMs: 50, rawMs: null, boundMs: 200 }
  const line = ladderLine(rungs, { mostMs: 200, ticks: [] })
  expect(line).toContain('<rect class="physics" x="0%" y="7" width="25%"')
  expect(line).toContain('<rect class="allowed" x="25%" y="7" width="75%"')
  expect(line).toContain('<line class="rung p50" x1="50%"')
  expect(line).toContain('<line class="rung p95" x1="75%"')
  expect(line).not.toContain('rung p99')
  expect(ladderScale([rungs]).mostMs).toBeGreaterThan(200)
})
