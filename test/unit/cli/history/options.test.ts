import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, readRecordOptions } from '../../../../src/cli/history/options.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-history-options-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const OUT = { out: 'history.jsonl' }

test('with a file alone: registers, embedded, nothing goes wrong', async () => {
  const options = await readRecordOptions(OUT)
  expect(options).toMatchObject({
    ...{ workload: 'register', engines: 'embedded', nemeses: [], topologyName: 'triangle' },
    ...{ leader: 'eu-west', out: 'history.jsonl', isJson: false, keep: false },
  })
})

test('the command line asks for the same run again', async () => {
  const given = {
    ...{ workload: 'bank', engines: 'real', nemesis: 'kill-node, partition', seconds: '12.5' },
    ...{ rate: '7', seed: '3', topology: 'five-regions', out: join(folder, 'h.jsonl') },
  }
  const line = commandLine(await readRecordOptions(given))
  expect(line).toContain('--nemesis kill-node,partition')
  const words = line.split(' ').slice(2)
  const again = Object.fromEntries(
    words.flatMap((word, i) => (i % 2 === 0 ? [[word.slice(2), words[i + 1]]] : [])),
  )
  expect(commandLine(await readRecordOptions(again))).toBe(line)
})

test.each([
  ['no file', {}, '--out'],
  ['an empty file name', { out: '' }, '--out'],
  ['an unknown workload', { ...OUT, workload: 'queue' }, 'register, list-append, bank'],
  ['a name that objects have by themselves', { ...OUT, workload: 'toString' }, 'toString'],
  ['unknown engines', { ...OUT, engines: 'fast' }, 'embedded, real'],
  ['an unknown nemesis', { ...OUT, engines: 'real', nemesis: 'flood' }, 'kill-node, pause-node'],
  ['a nemesis of processes without processes', { ...OUT, nemesis: 'kill-etcd' }, 'partition, none'],
  ['none and another', { ...OUT, nemesis: 'none,partition' }, 'none'],
  ['an empty name in the list', { ...OUT, nemesis: 'partition,' }, 'partition, none'],
  ['a time of nothing', { ...OUT, seconds: '0' }, '--seconds'],
  ['a time that is no number', { ...OUT, seconds: 'long' }, '--seconds'],
  ['a rate of nothing', { ...OUT, rate: '0' }, '--rate'],
  ['a seed below nothing', { ...OUT, seed: '-1' }, '--seed'],
  ['half a seed', { ...OUT, seed: '0.5' }, '--seed'],
  ['an unknown topology', { ...OUT, topology: 'square' }, 'triangle, five-regions'],
])('%s is refused, and what there is is named', async (_what, given, told) => {
  await expect(readRecordOptions(given)).rejects.toThrow(told)
})

test('two regions are refused: a partition would leave no majority', async () => {
  const topology = join(folder, 'two.yaml')
  writeFileSync(topology, 'regions: [a, b]\ntopology:\n  a/b: 4\n')
  await expect(readRecordOptions({ ...OUT, topology })).rejects.toThrow('has 2 regions')
})

test('a file that cannot be written is refused before anything starts', async () => {
  await expect(readRecordOptions({ out: folder })).rejects.toThrow('cannot be written')
  writeFileSync(join(folder, 'file'), '')
  const below = join(folder, 'file', 'history.jsonl')
  await expect(readRecordOptions({ out: below })).rejects.toThrow('cannot be written')
})
