import { expect, test } from 'vitest'
import { HELP, readOptions } from '../../../../benchmarks/throughput/options.ts'

test('without options both works are measured on etcd and nodes alone', () => {
  expect(readOptions([])).toEqual({
    works: ['rows', 'counter'],
    engines: 'lean',
    network: 'none',
    seconds: 10,
    inFlight: 256,
    profiles: undefined,
    json: false,
  })
})

test('options are read, and help is what is asked for beside them', () => {
  const args = ['--work', 'counter', '--engines', 'full', '--network', 'triangle']
  const rest = ['--seconds', '2.5', '--in-flight', '8', '--profiles', 'x', '--json']
  expect(readOptions([...args, ...rest])).toEqual({
    works: ['counter'],
    engines: 'full',
    network: 'triangle',
    seconds: 2.5,
    inFlight: 8,
    profiles: 'x',
    json: true,
  })
  expect(readOptions(['--json', '--help'])).toBeUndefined()
  for (const name of ['work', 'engines', 'network', 'seconds', 'in-flight', 'profiles', 'json']) {
    expect(HELP).toContain(`--${name}`)
  }
})

test.each([
  [['--work', 'reads'], /rows, counter/],
  [['--engines', 'real'], /embedded, lean, full/],
  [['--network', 'mesh'], /none, triangle/],
  [['--seconds', '0'], /from 1 to 600/],
  [['--in-flight', '1.5'], /whole number/],
  [['--profiles', ''], /folder/],
  [['--unknown'], /--help/],
])('%j is refused and says what there is', (args, fix) => {
  expect(() => readOptions(args)).toThrowError(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', fix: expect.stringMatching(fix) }),
  )
})
