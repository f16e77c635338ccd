import { expect, test } from 'vitest'
import { renderTable } from '../../../src/cli/table.ts'

test('columns are aligned by what a terminal shows, not by code units', () => {
  const lines = renderTable(
    [
      { title: 'city', align: 'left' },
      { title: 'people', align: 'right' },
    ],
    [
      ['São Paulo', '10,021,295'],
      ['東京', '8,336,599'],
      ['Que\u0301bec', '528,595'],
    ],
  )
  expect(lines).toEqual([
    'city           people',
    'São Paulo  10,021,295',
    '東京        8,336,599',
    'Que\u0301bec        528,595',
  ])
})
