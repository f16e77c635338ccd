/** `meridian dev` as a developer meets it: a page, clients over HTTP, a schema that is edited. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  connect,
  defineSchema,
  httpDeployment,
  integer,
  table,
  text,
} from '../../../src/client/http/index.ts'
import type { Snapshot } from '../../../src/cli/dev/snapshot.ts'
import { startProgram, type RunningProgram } from '../../support/program.ts'

const CLIENT = fileURLToPath(new URL('../../../src/client/index.ts', import.meta.url))
const PATIENT = { timeout: 60_000, interval: 50 }

const schema = defineSchema({
  tables: {
    orders: table({ id: text().primaryKey(), cents: integer() }, { consistency: 'pinned' }),
  },
})

let folder = ''
let dev: RunningProgram
let url = ''

function writeSchema(columns: string): void {
  const source = `import { defineSchema, integer, table, text } from ${JSON.stringify(CLIENT)}
export const schema = defineSchema({
  tables: { orders: table({ ${columns} }, { consistency: 'pinned' }) },
})
`
  writeFileSync(join(folder, 'schema.ts'), source)
}

async function look(): Promise<Snapshot> {
  return (await (await fetch(`${url}/dev/snapshot`)).json()) as Snapshot
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-dev-'))
  writeFileSync(join(folder, 'meridian.yaml'), 'regions: [us-east, eu-west]\nschema: ./schema.ts\n')
  writeSchema('id: text().primaryKey(), cents: integer()')
  const config = join(folder, 'meridian.yaml')
  dev = startProgram('src/cli/main.ts', ['dev', '--config', config, '--port', '0', '--json'])
  await dev.prints('"listening"')
  url = (JSON.parse(dev.stdout().split('\n')[0] ?? '') as { url: string }).url
})
afterEach(async () => {
  dev.kill('SIGTERM')
  await dev.ended
  rmSync(folder, { recursive: true, force: true })
})

describe('meridian dev', () => {
  it('serves clients of every region over HTTP, and its page shows their rows arrive', async () => {
    const deployment = httpDeployment({ nodes: { 'us-east': url, 'eu-west': url } })
    const db = await connect({ schema, region: 'us-east', deployment })
    await db.tenants.create({ id: 'acme', home: 'eu-west' })
    await db.tenant('acme').orders.insert({ id: 'o1', cents: 900 })
    const inAll = { columns: ['tenant', 'id', 'cents'], count: 1 }
    await expect
      .poll(async () => (await look()).regions.map((region) => region.rows[0]), PATIENT)
      .toMatchObject([inAll, inAll])
    const [us] = (await look()).regions
    expect(us?.changes[0]).toMatchObject({ op: 'insert', table: 'orders', origin: 'eu-west' })

    for (const path of ['/', '/dev/style.css', '/dev/script.js']) {
      expect((await fetch(url + path)).status).toBe(200)
    }
    expect((await fetch(`${url}/nothing`)).status).toBe(404)
    await db.close()
  })

  it('takes a schema that grows, refuses one that breaks, and keeps what it had', async () => {
    writeSchema('id: text().primaryKey(), cents: integer(), note: text().optional()')
    // All that it has said: why it refused, if it did.
    await expect.poll(() => dev.stdout(), PATIENT).toContain('"reloaded"')
    expect((await look()).regions[0]?.rows[0]?.columns).toContain('note')

    writeSchema('id: text().primaryKey(), cents: text(), note: text().optional()')
    await expect.poll(() => dev.stdout(), PATIENT).toContain('"refused"')
    const refused = await look()
    expect(refused.schemaError).toContain('cents')
    expect(refused.regions[0]?.rows[0]?.columns).toContain('note')

    writeSchema('id: text().primaryKey(), cents: integer(), note: text().optional()')
    await expect.poll(async () => (await look()).schemaError, PATIENT).toBeNull()
  })

  it('sends its page a snapshot when something has changed', async () => {
    const controller = new AbortController()
    const response = await fetch(`${url}/dev/events`, { signal: controller.signal })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    await expect
      .poll(async () => (seen += (await reader?.read())?.value ?? ''), PATIENT)
      .toContain('"regions"')
    controller.abort()
  })
})
