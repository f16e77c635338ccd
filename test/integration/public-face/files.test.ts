/** Files that cannot be used: each a typed error, and the files as they were. */
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/client/index.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../../src/node/embedded.ts'
import { testMeridian } from '../../../src/testing/index.ts'
import { startChild } from '../../conformance/support/child.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'
import { AP, failure, market, US } from '../../support/market.ts'

let template: string

function open(directory: string): Promise<EmbeddedDeployment> {
  const options = { directory, delayScale: 0, onNotice: () => undefined }
  return openEmbedded({ schema: market, writer: 'inline', ...options })
}

beforeAll(async () => {
  const meridian = await testMeridian({ schema: market })
  const db = await meridian.connect(US)
  await db.tenants.create({ id: 'acme', home: US })
  await db.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await meridian.settle()
  await meridian.deployment.close()
  template = `${meridian.directory}-template`
  // A closed file holds everything; what lies beside it goes when the engine collects its garbage.
  const filter = (path: string): boolean => !/-(?:wal|shm)$/.test(path)
  await cp(meridian.directory, template, { recursive: true, filter })
  await meridian.close()
  return () => rm(template, { recursive: true })
})

async function copy(): Promise<string> {
  const directory = join(tempFolder(), 'data')
  await cp(template, directory, { recursive: true })
  return directory
}

/** Digests of the databases in a folder and its regions' folders. */
async function digests(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.db')) continue
    const path = join(entry.parentPath, entry.name)
    found[path] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }
  return found
}

async function expectRefused(directory: string, code: string): Promise<void> {
  const before = await digests(directory)
  const error = await failure(open(directory))
  expect(error).toMatchObject({ name: 'MeridianError', code })
  expect(error.fix).toMatch(/\S/)
  expect(await digests(directory)).toEqual(before)
}

const FILES = [join(US, 'store.db'), join(AP, 'store.db'), join(US, 'changes.db'), 'commit-log.db']

describe.each(FILES)('%s', (file) => {
  it('that is no database is refused', async () => {
    const directory = await copy()
    await writeFile(join(directory, file), 'This is a text file. '.repeat(1000))
    await expectRefused(directory, 'STORE_CORRUPT')
  })

  it('that is another program’s database is refused', async () => {
    const directory = await copy()
    await rm(join(directory, file))
    const client = createClient({ url: `file:${join(directory, file)}` })
    await client.executeMultiple('CREATE TABLE t (a); PRAGMA application_id = 77')
    client.close()
    await expectRefused(directory, 'STORE_FOREIGN')
  })

  it('of a newer format is refused', async () => {
    const directory = await copy()
    const client = createClient({ url: `file:${join(directory, file)}` })
    await client.execute('PRAGMA user_version = 99')
    // Without a log that would be folded in at some later time.
    await client.execute('PRAGMA journal_mode = DELETE')
    client.close()
    await expectRefused(directory, 'STORE_NEWER')
  })
})

describe('the folders of a deployment', () => {
  it.skipIf(process.platform === 'win32')('are for their owner alone', async () => {
    const directory = join(tempFolder(), 'data')
    const deployment = await open(directory)
    await deployment.close()
    for (const folder of [directory, join(directory, US)]) {
      expect((await stat(folder)).mode & 0o077).toBe(0)
    }
  })
})

describe('a store', () => {
  it('whose pages are damaged is refused, or fails typed where the damage is', async () => {
    const directory = await copy()
    const path = join(directory, US, 'store.db')
    const bytes = await readFile(path)
    bytes.fill(0xff, 4096 * 2, 4096 * 12)
    await writeFile(path, bytes)
    const error = await failure(
      open(directory).then(async (deployment) => {
        const db = await connect({ schema: market, region: US, deployment })
        try {
          return await db.tenant('acme').orders.list()
        } finally {
          await deployment.close()
        }
      }),
    )
    expect(error).toMatchObject({ name: 'MeridianError', code: 'STORE_CORRUPT' })
  })
})

describe('a folder', () => {
  it('that this process has open is refused to itself', async () => {
    const directory = await copy()
    const deployment = await open(directory)
    expect(await failure(open(directory))).toMatchObject({ code: 'STORE_LOCKED', retry: 'safe' })
    await deployment.close()
    await (await open(directory)).close()
  })

  it('that another process has open is refused until that ends', async () => {
    const directory = await copy()
    const other = startChild('../../integration/programs/hold-market.ts', directory)
    await expect.poll(() => other.lines, { timeout: 20_000 }).toEqual(['open'])
    const error = await failure(open(directory))
    expect(error).toMatchObject({ code: 'STORE_LOCKED', retry: 'safe' })
    expect(error.fix).toBeDefined()
    await other.kill()
    const deployment = await open(directory)
    const db = await connect({ schema: market, region: US, deployment })
    expect(await db.tenant('acme').orders.get('o')).toBeDefined()
    await deployment.close()
  })
})

describe('a lock file', () => {
  it('that is broken is refused', async () => {
    const directory = await copy()
    await writeFile(join(directory, 'meridian.lock.json'), '{ "tables": 5')
    await expectRefused(directory, 'SCHEMA_INVALID')
  })
})

describe('a configuration', () => {
  it('that there is not, or that is wrong, is refused', async () => {
    const directory = tempFolder()
    const openWith = (config: string): Promise<unknown> =>
      openEmbedded({ schema: market, directory, config })
    expect(await failure(openWith(join(directory, 'none.yaml')))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    await mkdir(join(directory, 'folder.yaml'))
    expect(await failure(openWith(join(directory, 'folder.yaml')))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
    await writeFile(join(directory, 'bad.yaml'), 'regions: 5\n')
    expect(await failure(openWith(join(directory, 'bad.yaml')))).toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })
})
