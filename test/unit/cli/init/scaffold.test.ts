import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../../../../src/cli/run-cli.ts'
import { writeScaffold } from '../../../../src/cli/init/scaffold.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-init-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function init(
  ...args: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await runCli(['init', ...args], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  })
  return { code, out, err }
}

describe('meridian init', () => {
  it('writes the service with its name, and nothing is left to be filled in', async () => {
    const { code, out } = await init(join(folder, 'my-shop'), '--json')
    expect(code).toBe(0)
    const { files } = JSON.parse(out) as { files: string[] }
    expect(files).toContain('.gitignore')
    expect(files).toContain('src/schema.ts')
    for (const file of files) {
      expect(readFileSync(join(folder, 'my-shop', file), 'utf8')).not.toContain('{{')
    }
    const text = readFileSync(join(folder, 'my-shop', 'package.json'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      name: 'my-shop',
      dependencies: { meridian: expect.stringMatching(/^\^\d/) as string },
    })
  })

  it('writes nothing where one of its files is there already', async () => {
    writeFileSync(join(folder, 'package.json'), '{}')
    await expect(writeScaffold(folder, { name: 'x', meridian: '1' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(existsSync(join(folder, 'src'))).toBe(false)
    expect(readFileSync(join(folder, 'package.json'), 'utf8')).toBe('{}')
  })

  it.each([
    ['no folder', [], 'folder is missing'],
    ['two folders', ['a', 'b'], "Unexpected argument 'b'"],
    ['a name that npm refuses', ['x', '--name', 'My Shop'], 'cannot name a package'],
    ['an unknown option', ['x', '--nope'], 'nope'],
  ])('refuses %s with exit code 2', async (_what, args, problem) => {
    const { code, err } = await init(...args.map((arg) => (arg === 'x' ? join(folder, 'x') : arg)))
    expect(code).toBe(2)
    expect(err).toContain(problem)
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })

  it('says what is wrong where the folder cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '')
    const { code, err } = await init(join(folder, 'file', 'shop'))
    expect(code).toBe(2)
    expect(err).toContain('cannot be written')
  })

  it('fills a folder that is there and empty', async () => {
    mkdirSync(join(folder, 'empty'))
    expect((await init(join(folder, 'empty'))).code).toBe(0)
  })
})
