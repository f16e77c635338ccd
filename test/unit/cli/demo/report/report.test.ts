import { expect, test } from 'vitest'
import { renderReport } from '../../../../../src/cli/demo/report/report.ts'
import { tickLabel, ticks } from '../../../../../benchmarks/report/html/markup.ts'
import type { DemoResult } from '../../../../../src/cli/demo/result.ts'
import { defaultConfig } from '../../../../../src/config/parse-config.ts'

const { topology } = defaultConfig()
const RESULT: DemoResult = {
  rowsLoaded: 1234,
  loadRowsPerSecond: 11_000,
  checks: [
    { name: 'one <holds>', passed: true, detail: 'a & b' },
    { name: 'two does not', passed: false, detail: '"3" rows' },
  ],
  cells: [
    {
      ...{ op: 'insert', mode: 'pinned', origin: 'us-east', home: 'ap-south', n: 300 },
      ...{ p50Ms: 200, p95Ms: 250, p99Ms: null, networkMs: 190, overheadMs: 10 },
    },
    {
      ...{ op: 'get', mode: 'pinned', origin: 'us-east', home: 'us-east', n: 3 },
      ...{ p50Ms: null, p95Ms: null, p99Ms: null, networkMs: 0, overheadMs: null },
    },
  ],
  load: {
    rows: 1234,
    acknowledgedMs: 90,
    settledMs: 112,
    curve: [
      { atMs: 0, acknowledged: 0, everywhere: 0 },
      { atMs: 112, acknowledged: 1234, everywhere: 1234 },
    ],
  },
  largestCities: [{ name: "L'Aquila", country: 'IT', population: 68_503 }],
  countries: [{ country: 'IT', name: 'Italy', population: 68_503, cities: 1 }],
  topology,
  scale: 1,
  leader: 'eu-west',
  startedAt: '2026-01-01T00:00:00.000Z',
  elapsedMs: 5000,
  deployment: '3 node processes, clients over HTTP',
  environment: {
    ...{ meridian: '0.1.0', node: 'v20.19.0', platform: 'linux x64', cores: 2, processor: 'x' },
  },
}
const DOTS = [{ latitude: 42, longitude: 13, home: 'eu-west' } as const]

test('the report shows what was measured, needs no other file, and escapes every text', () => {
  const html = renderReport(RESULT, DOTS)
  for (const shown of ['1,234', '11,000', '1 of 2', '95 ms', 'us-east → ap-south', '68,503']) {
    expect(html).toContain(shown)
  }
  expect(html).toContain('one &#60;holds&#62;')
  expect(html).toContain('a &#38; b')
  expect(html).toContain('L&#39;Aquila')
  expect(html).not.toMatch(/(?:src|href)=|url\(|@import|<script/)
  expect(html).not.toMatch(/NaN|undefined|Infinity/)
})

test('bars and dots of a chart stand in proportion: network, median, p95', () => {
  const html = renderReport(RESULT, DOTS)
  const [left, networkWidth] = numbers(
    html,
    /<rect class="network" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/,
  )
  const [median] = numbers(html, /<circle class="p50" cx="([\d.]+)"/)
  const [p95] = numbers(html, /<circle class="p95" cx="([\d.]+)"/)
  expect(networkWidth / (median - left)).toBeCloseTo(190 / 200, 2)
  expect((p95 - left) / (median - left)).toBeCloseTo(250 / 200, 2)
})

test('ticks are round numbers that cover the range', () => {
  expect(ticks(13.4, 8)).toEqual([0, 2, 4, 6, 8, 10, 12, 14])
  expect(ticks(0, 4)).toEqual([0, 1])
  expect(ticks(0.3, 4).map(tickLabel)).toEqual(['0', '0.1', '0.2', '0.3'])
})

function numbers(text: string, pattern: RegExp): [number, number] {
  const [, first, second] = pattern.exec(text) ?? []
  return [Number(first), Number(second)]
}
