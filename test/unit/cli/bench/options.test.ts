import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, listing, readBenchOptions } from '../../../../src/cli/bench/options.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-bench-options-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('without options: quick, triangle, embedded, the best leader', async () => {
  const options = await readBenchOptions({})
  expect(options).toMatchObject({
    ...{ topologyName: 'triangle', engines: 'embedded', leader: 'eu-west', seed: 1 },
    ...{ isDefaultLeader: true, parts: undefined, measuringMs: undefined, keep: false },
  })
  expect(options.profile.name).toBe('quick')
})

test('the command line asks for the same run again', async () => {
  const given = {
    ...{ profile: 'full', topology: 'five-regions', engines: 'real', workload: 'movr, peers' },
    ...{ rate: '12.5', seconds: '90', seed: '7', repetitions: '5' },
  }
  const line = commandLine(await readBenchOptions(given))
  expect(line).toContain('--workload movr,peers')
  const words = line.split(' ').slice(2)
  const again = Object.fromEntries(
    words.flatMap((word, i) => (i % 2 === 0 ? [[word.slice(2), words[i + 1]]] : [])),
  )
  expect(commandLine(await readBenchOptions(again))).toBe(line)
})

test.each([
  ['an unknown profile', { profile: 'slow' }, 'There are: quick, standard, full'],
  ['an unknown workload, with the list', { workload: 'ycsb-a,ycsb-z' }, 'ycsb-z'],
  [
    'an empty name in the list',
    { workload: 'movr,' },
    'There are: gate, latency, rates, peers, growth',
  ],
  ['an unknown topology, with the list', { topology: 'square' }, 'triangle, five-regions'],
  ['an unknown region, with the list', { leader: 'mars' }, 'us-east, eu-west, ap-south'],
  ['unknown engines', { engines: 'fast' }, 'embedded, real'],
  ['a rate of nothing', { rate: '0' }, '--rate'],
  ['a time of nothing', { seconds: '0' }, '--seconds'],
  ['half a repetition', { repetitions: '1.5' }, '--repetitions'],
  ['a name that objects have by themselves', { workload: 'toString' }, 'toString'],
  ['an empty option', { topology: '' }, '--topology'],
])('%s is refused', async (_what, given, told) => {
  await expect(readBenchOptions(given)).rejects.toThrow(told)
})

test('a topology with a missing pair or a negative delay is refused, naming it', async () => {
  const file = (text: string): string => {
    const path = join(folder, 'topology.yaml')
    writeFileSync(path, text)
    return path
  }
  const missing = file('regions: [a, b, c]\ntopology:\n  a/b: 4\n  a/c: 5\n')
  await expect(readBenchOptions({ topology: missing })).rejects.toThrow(
    'between b and c is missing',
  )
  const negative = file('regions: [a, b]\ntopology:\n  a/b: -4\n')
  await expect(readBenchOptions({ topology: negative })).rejects.toThrow('-4')
})

test('what cannot be written is said before anything is measured', async () => {
  await expect(readBenchOptions({ json: folder })).rejects.toThrow('cannot be written')
  writeFileSync(join(folder, 'file'), '')
  const below = join(folder, 'file', 'result.json')
  await expect(readBenchOptions({ json: below })).rejects.toThrow('cannot be written')
  const options = await readBenchOptions({ json: join(folder, 'new', 'result.json') })
  expect(options.jsonFile).toContain('result.json')
  expect(existsSync(join(folder, 'new'))).toBe(false)
})

test('a document without markers is not overwritten', async () => {
  const document = join(folder, 'document.md')
  writeFileSync(document, '# Ours\n')
  await expect(readBenchOptions({ markdown: document })).rejects.toThrow('bench:quick:begin')
  writeFileSync(document, '<!-- bench:quick:strong:begin -->\n<!-- bench:quick:strong:end -->\n')
  await expect(readBenchOptions({ markdown: document })).resolves.toMatchObject({
    markdownFile: document,
  })
})

test('a folder with data of something else is refused', async () => {
  const data = join(folder, 'data')
  mkdirSync(data)
  await expect(readBenchOptions({ directory: data })).resolves.toMatchObject({ directory: data })
  writeFileSync(join(data, 'rows.db'), '')
  await expect(readBenchOptions({ directory: data })).rejects.toThrow('not empty')
})

test('the list names every profile, topology and workload', () => {
  const text = listing().join('\n')
  for (const name of ['quick', 'full', 'five-regions', 'ycsb-f', 'movr', 'growth', 'peers']) {
    expect(text).toMatch(new RegExp(`^  ${name}`, 'm'))
  }
})
