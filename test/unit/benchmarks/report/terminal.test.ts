import { expect, test } from 'vitest'
import { printResult } from '../../../../benchmarks/report/terminal.ts'
import { renderTable } from '../../../../src/cli/table.ts'
import { Terminal } from '../../../../src/cli/terminal.ts'
import { makeFixture } from './fixture.ts'

const { result } = makeFixture()

function print(isTTY: boolean, printed = result): string {
  let text = ''
  const stream = { isTTY, columns: 100, write: (part: string) => (text += part) }
  printResult(
    { terminal: new Terminal({ stdout: stream, stderr: stream }, {}), renderTable },
    printed,
  )
  return text
}

test('no line is longer than 100 columns', () => {
  const text = print(false)
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
  expect(text).not.toMatch(/NaN|undefined|Infinity/)
})

test('cells, peers, the budget and notes are told; what is not known is marked', () => {
  const text = print(false)
  expect(text).toMatch(/✗ strong +write-at-500 +us-east +eu-west/)
  expect(text).toMatch(/publish +ap-south +ap-south .* late +late +late/)
  expect(text).toContain('n too small to say')
  expect(text).toContain('the generator, not the system, was late')
  expect(text).toContain('4 of 15 hold, 2 miss, 9 not measured or not built.')
  expect(text).toContain('kafka, produce-consume: memory of the broker (no fsync)')
  expect(text).toContain('cassandra: not measured')
})

test('a miss is red on a terminal and plain elsewhere', () => {
  expect(print(true)).toContain('\u001B[31m')
  expect(print(false)).not.toContain('\u001B[')
})

test('growth is told by series, and so are rates', () => {
  const text = print(false)
  const [point] = result.growth
  expect(point).toBeDefined()
  expect(text).toContain('Growth and rates')
  expect(text).toContain(`${point?.x.toLocaleString('en')} ${point?.xUnit}`)
})

test('that a run is not complete comes first', () => {
  const notes = ['Incomplete: the run was interrupted after 3 of 9 steps.', ...result.notes]
  const text = print(false, { ...result, isComplete: false, notes })
  expect(text.trimStart().startsWith('Incomplete: the run was interrupted')).toBe(true)
  expect(print(false)).not.toContain('Incomplete')
})
