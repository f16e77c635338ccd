/** The HTML report of a run: one file that needs nothing else. */
import type { GridDot } from '../city-grid.ts'
import type { CheckResult, CountryTotal, DemoResult, LargeCity } from '../result.ts'
import { latencyCharts } from './latency-charts.ts'
import { loadChart } from './load-chart.ts'
import { escapeHtml, whole } from '../../../../benchmarks/report/html/markup.ts'
import { STYLE } from './style.ts'
import { worldMap } from './world-map.ts'

const LISTED_COUNTRIES = 15

/** The page. */
export function renderReport(result: DemoResult, dots: readonly GridDot[]): string {
  const sections = [header(result, dots), load(result), latencies(result), checks(result.checks)]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meridian demo</title>
<style>${STYLE}</style>
</head>
<body>
${[...sections, views(result), again(result)].join('\n')}
</body>
</html>
`
}

function header(result: DemoResult, dots: readonly GridDot[]): string {
  const { checks: all, rowsLoaded, loadRowsPerSecond, scale, deployment } = result
  const passed = all.filter((check) => check.passed).length
  const verdict = passed === all.length ? 'good' : 'bad'
  return `<h1>Three regions, one data layer</h1>
<p class="lead">The cities of the world, each country a tenant at home in the region of its continent, loaded
and used from ${result.topology.regions.map(escapeHtml).join(', ')} at once: ${escapeHtml(deployment)}.</p>
<dl class="facts">
${fact('Rows loaded', whole(rowsLoaded))}
${fact('Rows a second, until everywhere', whole(loadRowsPerSecond))}
${fact('Checks passed', `${passed} of ${all.length}`, verdict)}
${fact('Distances', scale === 1 ? 'real' : `× ${scale}`)}
</dl>
${worldMap(result, dots)}
<p class="note">Each dot is a place with cities, in the colour of its home region. Between regions:
the one-way delay of a message in this run.</p>`
}

function fact(name: string, value: string, style = ''): string {
  return `<div class="${style}"><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`
}

function load({ load: run, rowsLoaded }: DemoResult): string {
  const seconds = (value: number): string => (value / 1000).toFixed(1)
  return `<h2>Load</h2>
<p>${whole(rowsLoaded)} rows were acknowledged, each durable at its home, after ${seconds(run.acknowledgedMs)} s.
After ${seconds(run.settledMs)} s every region held all of them, and its views counted them.</p>
<ul class="legend"><li><i style="background:var(--us)"></i>acknowledged</li>
<li><i style="background:var(--accent)"></i>in every region and its views</li></ul>
${loadChart(run)}`
}

function latencies({ cells, scale }: DemoResult): string {
  const scaled =
    scale === 1
      ? ''
      : ` Distances were shrunk to ${scale} of the real ones, so overhead looks larger beside the network than it is.`
  return `<h2>Latency</h2>
<p>Milliseconds from the call to its answer. “us-east → ap-south” is a call from us-east on rows at home in
ap-south; strong calls go to the log's leader. A bar is the median: the grey part is what distance alone
takes.${scaled} A read waits until it sees what its session wrote before: that is the tail of a local
<em>get</em> and of views.</p>
<ul class="legend"><li><i style="background:var(--network)"></i>network</li>
<li><i style="background:var(--overhead)"></i>overhead</li>
<li><i class="round" style="background:var(--ink)"></i>p50</li>
<li><i class="round" style="border:1.5px solid var(--ink)"></i>p95</li>
<li><i class="round" style="background:var(--soft)"></i>p99</li>
<li class="note">–: too few calls to say (n &lt; 10 / (1 − q))</li></ul>
<div class="charts">${latencyCharts(cells)}</div>`
}

function checks(all: readonly CheckResult[]): string {
  const items = all.map(
    ({ name, passed, detail }) =>
      `<li class="${passed ? 'passed' : 'failed'}"><span class="mark">${passed ? '✓' : '✗'}</span>` +
      `<div><b>${escapeHtml(name)}</b><div class="detail">${escapeHtml(detail)}</div></div></li>`,
  )
  return `<h2>Checks</h2>\n<ul class="checks">${items.join('\n')}</ul>`
}

function views({ largestCities, countries }: DemoResult): string {
  return `<h2>Views</h2>
<p>Both are materialized in each region and follow every change; these are their rows after the workload.</p>
<div class="columns">
<div><h3>Largest cities</h3>${cityTable(largestCities)}</div>
<div><h3>Population by country</h3>${countryTable(countries)}</div>
</div>`
}

function cityTable(cities: readonly LargeCity[]): string {
  const most = cities[0]?.population ?? 1
  const rows = cities.map(
    ({ name, country, population }) =>
      `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(country)}</td>` +
      `<td class="right">${whole(population)}</td>${barCell(population / most)}</tr>`,
  )
  return `<table><tr><th>city</th><th>country</th><th class="right">people</th><th></th></tr>${rows.join('')}</table>`
}

function countryTable(countries: readonly CountryTotal[]): string {
  const most = countries[0]?.population ?? 1
  const rows = countries
    .slice(0, LISTED_COUNTRIES)
    .map(
      ({ name, population, cities }) =>
        `<tr><td>${escapeHtml(name)}</td><td class="right">${whole(cities)}</td>` +
        `<td class="right">${whole(population)}</td>${barCell(population / most)}</tr>`,
    )
  const rest = countries.length - rows.length
  const more = rest > 0 ? `<p class="note">and ${rest} more</p>` : ''
  return (
    '<table><tr><th>country</th><th class="right">cities</th><th class="right">people in them</th><th></th></tr>' +
    `${rows.join('')}</table>${more}`
  )
}

function barCell(share: number): string {
  return `<td class="bar"><span style="width:${Math.round(share * 1000) / 10}%"></span></td>`
}

function again({ environment, startedAt, elapsedMs, scale, deployment }: DemoResult): string {
  const { meridian, node, platform, cores, processor } = environment
  return `<h2>Run it again</h2>
<pre><code>npm run demo -- --scale ${scale}
npm run demo -- --help</code></pre>
<p class="note">Meridian ${escapeHtml(meridian)}, Node ${escapeHtml(node)}, ${escapeHtml(platform)},
${cores} × ${escapeHtml(processor.trim())}; ${escapeHtml(deployment)}. Started ${escapeHtml(startedAt)}, took ${Math.round(elapsedMs / 1000)} s.</p>`
}
