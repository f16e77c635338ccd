import { expect, test } from 'vitest'
import { cityGrid } from '../../../../src/cli/demo/city-grid.ts'
import { readDataset } from '../../../../src/cli/demo/dataset.ts'

test('all 135,233 cities are there, each once, each country at home in one of the regions', async () => {
  const { countries, rows } = await readDataset(undefined)
  const ids = countries.flatMap(({ cities }) => cities.map(({ id }) => id))
  expect(rows).toBe(135_233)
  expect(new Set(ids).size).toBe(135_233)
  expect(countries).toHaveLength(246)
  const home = (code: string): string | undefined => countries.find((c) => c.code === code)?.home
  expect(['US', 'BR', 'DE', 'NG', 'IN', 'AU'].map(home)).toEqual([
    ...['us-east', 'us-east', 'eu-west', 'eu-west', 'ap-south', 'ap-south'],
  ])
})

test('a sample has exactly the rows that were asked for, from all over the world', async () => {
  const { countries, rows } = await readDataset(3000)
  expect(rows).toBe(3000)
  expect(countries.reduce((sum, { cities }) => sum + cities.length, 0)).toBe(3000)
  expect(new Set(countries.map(({ home }) => home)).size).toBe(3)
})

test('the grid has a dot for every place with a city, and not two', async () => {
  const dots = cityGrid(await readDataset(3000))
  const places = dots.map(({ latitude, longitude }) => `${latitude}/${longitude}`)
  expect(new Set(places).size).toBe(places.length)
  expect(dots.length).toBeGreaterThan(500)
})
