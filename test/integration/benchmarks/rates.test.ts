/** Rates of the budget: both steps, shortened, on real stores. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rateSteps } from '../../../benchmarks/rates/index.ts'
import { budgetRows } from '../../../benchmarks/report/budget/budget-rows.ts'
import type { BenchContext } from '../../../benchmarks/step.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'meridian-rates-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** What the steps use of it. */
function contextWith(signal: AbortSignal): BenchContext {
  return { target: { directory }, timeScale: 0.05, seed: 3, signal } as unknown as BenchContext
}

test.each([
  ['rate: CRDT merge', 'crdt-merge', 'CRDT merge, '],
  ['rate: view maintenance', 'view-maintenance', 'view maintenance, '],
])('%s gives what its row of the budget is judged by', async (name, row, series) => {
  const step = rateSteps().find((one) => one.name === name)
  const { growth = [] } = (await step?.run(contextWith(new AbortController().signal))) ?? {}
  for (const { x, y } of growth) {
    expect(x).toBeGreaterThan(0)
    expect(y).toBeGreaterThan(0)
    expect(Number.isFinite(y)).toBe(true)
  }
  const judged = budgetRows({ engines: 'real', cells: [], growth }).find((one) => one.name === row)
  expect(['holds', 'misses']).toContain(judged?.verdict)
  const own = growth.filter((point) => point.series.startsWith(series))
  expect(judged?.measures.map(({ measured }) => measured)).toEqual(own.map(({ y }) => y))
  expect(own.length).toBeGreaterThan(1)
  expect(growth.some((point) => point.series.startsWith('libSQL bulk'))).toBe(true)
  expect(readdirSync(directory)).toEqual([])
})

test('a run that is told to end ends them, and nothing is left', async () => {
  for (const step of rateSteps()) {
    await expect(step.run(contextWith(AbortSignal.abort(new Error('enough'))))).rejects.toThrow(
      'enough',
    )
  }
  expect(readdirSync(directory)).toEqual([])
})
