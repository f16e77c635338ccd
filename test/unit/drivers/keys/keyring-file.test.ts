import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createDevelopmentKeyring,
  createKeyringFile,
  openKeyringFile,
} from '../../../../src/drivers/keys/keyring-file.ts'

const context = { tenant: 'acme', region: 'eu-west', lineage: '0123abcd', generation: 1 }
const dataKey = new Uint8Array(32).fill(7)
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-keyring-'))
  path = join(folder, 'keyring.json')
})
afterEach(async () => rm(folder, { recursive: true }))

async function writeKeyring(change: (content: Record<string, unknown>) => unknown): Promise<void> {
  await createKeyringFile({ path, regions: ['eu-west'] })
  const content = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify(change(content)))
}

describe('a keyring file', () => {
  test('is readable by its owner alone, and leaves no draft behind', async () => {
    await createKeyringFile({ path, regions: ['eu-west'] })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['keyring.json'])
  })

  test.each([0o640, 0o604, 0o620, 0o602, 0o610])(
    'with mode %o is refused, with the command that mends it',
    async (mode) => {
      await createKeyringFile({ path, regions: ['eu-west'] })
      await chmod(path, mode)
      await expect(openKeyringFile({ path })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        fix: `Run: chmod 600 ${path}`,
      })
    },
  )

  test('is never overwritten', async () => {
    await createKeyringFile({ path, regions: ['eu-west'] })
    const before = await readFile(path, 'utf8')
    const again = createKeyringFile({ path, regions: ['eu-west'] })
    await expect(again).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readFile(path, 'utf8')).toBe(before)
    expect(await readdir(folder)).toEqual(['keyring.json'])
  })

  test('that is absent, or in an absent folder, is a configuration error', async () => {
    const nowhere = join(folder, 'absent', 'keyring.json')
    for (const call of [
      openKeyringFile({ path }),
      createKeyringFile({ path: nowhere, regions: ['eu-west'] }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    }
  })

  test.each<[string, (content: Record<string, unknown>) => unknown]>([
    ['another format', (content) => ({ ...content, format: 'other' })],
    ['a newer version', (content) => ({ ...content, version: 2 })],
    ['no regions', (content) => ({ ...content, regions: [] })],
    ['no word on development', (content) => ({ ...content, development: undefined })],
    ['a short key', (content) => ({ ...content, regions: { a: { id: '00000000', key: 'AAAA' } } })],
    [
      'a key with letters that are not base64',
      (content) => ({
        ...content,
        regions: { a: { id: '00000000', key: `${'A'.repeat(42)}!=` } },
      }),
    ],
    ['a bad id', (content) => ({ ...content, regions: { a: { id: 'x', key: '' } } })],
    ['an entry that is no object', (content) => ({ ...content, regions: { a: 'key' } })],
    ['a list', () => []],
  ])('with %s is refused', async (_, change) => {
    await writeKeyring(change)
    await expect(openKeyringFile({ path })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('that is damaged is refused without quoting its keys', async () => {
    await createKeyringFile({ path, regions: ['eu-west'] })
    const text = await readFile(path, 'utf8')
    const key = /"key": "([^"]+)"/.exec(text)?.[1] as string
    // Where the parser would quote what is around it.
    await writeFile(path, `"${key}" ${key}`)
    const error = await openKeyringFile({ path }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(inspect(error, { depth: 10 })).not.toContain(key.slice(0, 8))
  })

  test('says which key is missing when data was written with another keyring', async () => {
    const wrapper = await createKeyringFile({ path, regions: ['eu-west'] })
    const other = await createDevelopmentKeyring({ regions: ['eu-west'] })
    const wrapped = await other.wrap(dataKey, context)
    await expect(wrapper.unwrap(wrapped, context)).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      retry: 'never',
      details: { region: 'eu-west', kek: Buffer.from(wrapped.subarray(1, 5)).toString('hex') },
    })
  })

  test('is not for development', async () => {
    expect((await createKeyringFile({ path, regions: ['eu-west'] })).development).toBe(false)
    expect((await openKeyringFile({ path })).development).toBe(false)
  })
})

describe('a development keyring', () => {
  test('says that it is one, also when it is opened by name', async () => {
    expect((await createDevelopmentKeyring({ regions: ['eu-west'] })).development).toBe(true)
    expect((await createDevelopmentKeyring({ regions: ['eu-west'], path })).development).toBe(true)
    expect((await openKeyringFile({ path })).development).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('gets a key for a region that is added, and keeps the others', async () => {
    const before = await createDevelopmentKeyring({ regions: ['eu-west'], path })
    const wrapped = await before.wrap(dataKey, context)
    const after = await createDevelopmentKeyring({ regions: ['eu-west', 'us-east'], path })
    expect(await after.regions()).toEqual(['eu-west', 'us-east'])
    expect(await after.unwrap(wrapped, context)).toEqual(dataKey)
    expect(await (await openKeyringFile({ path })).regions()).toEqual(['eu-west', 'us-east'])
    expect(await readdir(folder)).toEqual(['keyring.json'])
  })

  test('does not take over a keyring that was made for more', async () => {
    await createKeyringFile({ path, regions: ['eu-west'] })
    const opening = createDevelopmentKeyring({ regions: ['us-east'], path })
    await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(await (await openKeyringFile({ path })).regions()).toEqual(['eu-west'])
  })

  test('that others may read is refused, not replaced', async () => {
    await createDevelopmentKeyring({ regions: ['eu-west'], path })
    await chmod(path, 0o644)
    const opening = createDevelopmentKeyring({ regions: ['eu-west'], path })
    await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
