import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { watchFolder } from '../../../../src/cli/dev/watch.ts'

let folder = ''
let seen = 0
let stop = (): void => undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-watch-'))
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'schema.ts'), '1')
  seen = 0
  stop = watchFolder(folder, () => {
    seen++
  })
})
afterEach(() => {
  stop()
  rmSync(folder, { recursive: true, force: true })
})

function replace(name: string, text: string): void {
  writeFileSync(join(folder, `${name}.new`), text)
  renameSync(join(folder, `${name}.new`), join(folder, name))
}

const isSeen = { timeout: 10_000, interval: 20 }

describe('watchFolder', () => {
  it('tells of a file that is written, and of one that is replaced again and again', async () => {
    writeFileSync(join(folder, 'schema.ts'), '2')
    await expect.poll(() => seen, isSeen).toBeGreaterThanOrEqual(1)
    for (const [i, text] of ['3', '4', '5'].entries()) {
      replace('schema.ts', text)
      await expect.poll(() => seen, isSeen).toBeGreaterThanOrEqual(2 + i)
    }
  })

  it('tells of files in folders that are made later', async () => {
    mkdirSync(join(folder, 'tables'))
    await expect.poll(() => seen, isSeen).toBeGreaterThanOrEqual(1)
    writeFileSync(join(folder, 'tables', 'orders.ts'), '1')
    await expect.poll(() => seen, isSeen).toBeGreaterThanOrEqual(2)
  })

  it('ignores what is installed', async () => {
    writeFileSync(join(folder, 'node_modules', 'x.js'), '1')
    writeFileSync(join(folder, 'schema.ts'), '2')
    await expect.poll(() => seen, isSeen).toBeGreaterThanOrEqual(1)
  })
})
