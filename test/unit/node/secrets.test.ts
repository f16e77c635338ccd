import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSecret } from '../../../src/node/secrets.ts'
import { memoryLog, type MemoryLog } from '../../support/memory-log.ts'

const SECRET = 'hunter2-hunter2'
let baseDirectory = ''
let log: MemoryLog
beforeEach(() => {
  baseDirectory = mkdtempSync(join(tmpdir(), 'meridian-secrets-'))
  log = memoryLog()
})
afterEach(() => rmSync(baseDirectory, { recursive: true, force: true }))

function sources(environment: Record<string, string> = {}): Parameters<typeof readSecret>[2] {
  return { environment, baseDirectory, log }
}

function writeSecret(mode: number): void {
  const path = join(baseDirectory, 'secret')
  writeFileSync(path, `\n ${SECRET}\n`)
  chmodSync(path, mode)
}

describe('a secret', () => {
  it('comes from the environment without the white space around it', async () => {
    const value = await readSecret({ env: 'KEY' }, 'auth.nodeKey', sources({ KEY: ` ${SECRET}\n` }))
    expect(value).toBe(SECRET)
  })

  it('comes from a file, relative to the configuration', async () => {
    writeSecret(0o600)
    expect(await readSecret({ file: 'secret' }, 'auth.nodeKey', sources())).toBe(SECRET)
    expect(log.lines).toEqual([])
  })

  it.each([0o640, 0o604, 0o644])('in a file of mode %o is reported, not shown', async (mode) => {
    writeSecret(mode)
    await readSecret({ file: 'secret' }, 'auth.nodeKey', sources())
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { what: 'auth.nodeKey' } }])
    expect(inspect(log.lines, { depth: null })).not.toContain(SECRET)
  })

  it.each([
    ['an unset variable', { env: 'KEY' }, {}, 'environment variable KEY'],
    ['an empty variable', { env: 'KEY' }, { KEY: ' \n' }, 'environment variable KEY'],
    ['a file that is not there', { file: 'none' }, {}, 'none'],
  ])('that is %s is refused by name', async (_case, ref, environment, named) => {
    await expect(readSecret(ref, 'tls.key', sources(environment))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`tls.key: the`) as string,
    })
    await expect(readSecret(ref, 'tls.key', sources(environment))).rejects.toThrow(named)
  })
})
