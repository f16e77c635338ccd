import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { scanFiles } from '../../../../../src/cli/demo/checks/file-scan.ts'

const CHUNK_BYTES = 4 * 1024 * 1024

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-scan-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a text is found wherever it lies, also across two chunks and in sub-folders', async () => {
  const text = 'canary-é'
  const length = Buffer.byteLength(text)
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
  for (const [name, at] of [
    ['start', 0],
    ['across', CHUNK_BYTES - 3],
    ['end', 2 * CHUNK_BYTES - length],
    [join('deep', 'er', 'second'), CHUNK_BYTES + 1],
  ] as const) {
    const bytes = Buffer.alloc(2 * CHUNK_BYTES, 'x')
    bytes.write(text, at)
    writeFileSync(join(folder, name), bytes)
  }
  const { files, bytes, found } = await scanFiles([folder], [text, 'absent'])
  expect(files).toBe(4)
  expect(bytes).toBe(8 * CHUNK_BYTES)
  const paths = ['start', 'across', 'end', join('deep', 'er', 'second')]
  const expected = paths.map((path) => join(folder, path))
  expect([...(found.get(text) ?? [])].sort()).toEqual(expected.sort())
  expect(found.get('absent')).toEqual([])
})

test('half a text at the end of one chunk and half of another at the start of the next is none', async () => {
  const bytes = Buffer.alloc(2 * CHUNK_BYTES, 'x')
  bytes.write('can', CHUNK_BYTES - 3)
  bytes.write('nary', CHUNK_BYTES)
  writeFileSync(join(folder, 'file'), bytes)
  writeFileSync(join(folder, 'empty'), '')
  expect((await scanFiles([folder], ['canary'])).found.get('canary')).toEqual([])
})
