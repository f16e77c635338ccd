import { expect, test } from 'vitest'
import { BUDGET_ROWS } from '../../../../benchmarks/cells/budgets.ts'
import { budgetRows } from '../../../../benchmarks/report/budget/budget-rows.ts'
import {
  measureText,
  shareOfBound,
  worstMeasure,
} from '../../../../benchmarks/report/budget/shares.ts'
import { makeFixture } from './fixture.ts'

const { result } = makeFixture()
const row = (name: string, rows = result.budget) => rows.find((one) => one.name === name)

test('every row of the budget is there, in its order', () => {
  expect(result.budget.map(({ name }) => name)).toEqual(BUDGET_ROWS.map(({ name }) => name))
})

test('one figure over its bound is a miss, whatever the others are', () => {
  const strong = row('strong-write')
  expect(strong?.verdict).toBe('misses')
  expect(strong?.measures).toHaveLength(6)
  expect(strong?.measures.filter(({ holds }) => holds === false).length).toBeGreaterThan(0)
  const worst = worstMeasure(strong?.measures ?? [])
  expect(worst?.of).toBe('strong write-at-500, us-east → eu-west')
  expect(shareOfBound(worst!)).toBeGreaterThan(1)
})

test('a row holds only if every figure of it is known', () => {
  expect(row('strong-read-index')?.verdict).toBe('holds')
  const publish = row('publish')
  expect(publish?.verdict).toBe('not measured')
  expect(publish?.reason).toBe('1 of 3 figures are not known')
})

test('what is not built, and what needs other engines, says so', () => {
  expect(row('local-strong-read')).toMatchObject({ verdict: 'not built', measures: [] })
  expect(row('point-read-in-process')?.reason).toBe('not part of this run')
  const embedded = budgetRows({ ...result, engines: 'embedded' })
  expect(row('publish', [...embedded])?.reason).toBe('only with real engines')
})

test('figures of a row name their cell', () => {
  for (const { measures } of result.budget) {
    for (const { cell, of, quantile, measured } of measures) {
      if (cell === null || quantile === null) continue
      const found = result.cells[cell]
      expect(of).toContain(found?.op)
      expect(found?.[`${quantile}Ms`]).toBe(measured)
    }
  }
})

test('a rate must reach its bound', () => {
  expect(row('crdt-merge')?.verdict).toBe('holds')
  const slow = result.growth.map((point) => ({ ...point, y: 99_999 }))
  const rows = budgetRows({ ...result, growth: slow })
  expect(row('crdt-merge', [...rows])?.verdict).toBe('misses')
})

test('a bound that is missed by a hair does not look as if it were met', () => {
  const [measure] = row('strong-write')?.measures ?? []
  const hair = { ...measure!, measured: 176.04, bound: 176 }
  expect(measureText(hair)).toBe('p95 176.04 of 176 ms')
})
